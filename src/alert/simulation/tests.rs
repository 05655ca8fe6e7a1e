//! The invariants over random histories, which shrink on failure; and the published counts of invariant 9.

use proptest::prelude::*;

use super::drive::{Finished, drive};
use super::environment::Fault;
use super::event::{ALL, Event, EventKinds, Step, history, unheard};
use super::judge;
use super::readers::Health;

/// Few histories, which `PROPTEST_RNG_SEED` makes the same each time. More of them, for a night:
/// `PROPTEST_CASES=10000 cargo test --release --lib simulation`.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: cases.unwrap_or(32), max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() }
}

/// Fails with what is wrong.
fn holds(wrong: &[String]) -> Result<(), TestCaseError> {
    let shown: Vec<&str> = wrong.iter().take(5).map(String::as_str).collect();
    prop_assert!(wrong.is_empty(), "{} complaints:\n{}", wrong.len(), shown.join("\n"));
    Ok(())
}

/// Nothing that a person, a receiver or a process does.
const FAULTS: EventKinds = EventKinds { faults: true, people: false, receivers: false, process: false };
/// What comes of receivers and processes, while nobody does anything.
const MACHINES: EventKinds = EventKinds { faults: true, people: false, receivers: true, process: true };

proptest! {
    #![proptest_config(config())]

    #[test]
    fn once_all_channels_are_well_each_reader_believes_what_is_so(steps in history(ALL, 12)) {
        let Finished { case, failing, well: _ } = drive(&steps, false);
        holds(&judge::believes_what_is_so(&case, failing))?;
    }

    #[test]
    fn every_episode_that_crosses_is_told_in_time(steps in history(ALL, 12)) {
        let Finished { case, failing: _, well } = drive(&steps, false);
        holds(&judge::tells_in_time(&case, well))?;
    }

    #[test]
    fn no_message_says_what_the_last_runs_contradict(steps in history(ALL, 12)) {
        let Finished { case, .. } = drive(&steps, false);
        holds(&judge::says_what_is_so(&case))?;
    }

    #[test]
    fn what_was_explained_is_rung_by_its_own_failures_only(steps in history(FAULTS, 12)) {
        let Finished { case, .. } = drive(&steps, false);
        holds(&judge::explained_is_rung_by_its_own_failures(&case))?;
    }

    #[test]
    fn nothing_stays_open_at_a_reader_after_the_end(steps in history(ALL, 12)) {
        let Finished { case, failing: _, well } = drive(&steps, false);
        holds(&judge::believes_what_is_so(&case, well))?;
    }

    #[test]
    fn the_same_rings_twice_only_if_its_answer_was_lost_or_its_sender_died(steps in history(MACHINES, 12)) {
        let Finished { case, .. } = drive(&steps, false);
        holds(&judge::nothing_rings_twice(&case))?;
    }

    #[test]
    fn the_heartbeat_stops_while_a_page_is_due_that_nobody_who_is_woken_has(steps in unheard(8)) {
        let Finished { case, .. } = drive(&steps, false);
        holds(&judge::beats_only_while_pages_are_heard(&case))?;
    }

    #[test]
    fn rings_of_an_incident_are_few(steps in history(ALL, 12)) {
        let Finished { case, .. } = drive(&steps, false);
        holds(&judge::rings_are_few(&case).1)?;
    }
}

/// The figures are printed, to be published.
#[test]
fn a_fault_in_two_of_five_runs_for_three_hours_rings_seldom() {
    for flapping in [false, true] {
        let fault = Fault { probe: 2, region: None, platform: None, share: 2 };
        let steps = [Step { wait: 0, event: Event::Break(fault) }, Step { wait: 3 * 3_600, event: Event::Mend(2) }];
        let Finished { case, .. } = drive(&steps, flapping);
        let (counts, wrong) = judge::rings_are_few(&case);
        for count in counts {
            eprintln!("flapping rule {flapping}: {} rang {:?} times by hour", count.channel, count.by_hour);
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

fn step(wait: u64, event: Event) -> Step {
    Step { wait, event }
}

fn all_of(probe: usize) -> Event {
    Event::Break(Fault { probe, region: None, platform: None, share: 5 })
}

/// Nothing is wrong with what came of these steps.
fn all_is_right(steps: &[Step]) {
    let Finished { case, failing, well } = drive(steps, false);
    let wrong = [
        judge::believes_what_is_so(&case, failing),
        judge::tells_in_time(&case, well),
        judge::says_what_is_so(&case),
        judge::explained_is_rung_by_its_own_failures(&case),
        judge::believes_what_is_so(&case, well),
        judge::nothing_rings_twice(&case),
    ];
    assert!(wrong.iter().all(Vec::is_empty), "{wrong:#?}");
}

#[test]
fn what_left_with_the_settings_of_before_does_not_wait_as_what_was_refused_with_those_of_now() {
    let refuses = Event::Receiver(0, Health::Refuses);
    all_is_right(&[step(0, refuses), step(0, all_of(0)), step(66, Event::Stop { graceful: false, away: 1 })]);
    all_is_right(&[step(5, refuses), step(0, all_of(0)), step(60, Event::Stop { graceful: true, away: 1 })]);
}

#[test]
fn a_suspect_that_was_told_crossed_soon_and_comes_and_goes_is_rung_for_once() {
    let platform = |probe, platform, share| Event::Break(Fault { probe, region: None, platform: Some(platform), share });
    let region = Event::Break(Fault { probe: 0, region: Some(1), platform: None, share: 5 });
    all_is_right(&[step(627, platform(1, 0, 2)), step(279, platform(1, 2, 1)), step(83, region), step(1056, all_of(2))]);
}

#[test]
fn a_root_that_is_suspect_again_within_an_episode_that_was_told_explains() {
    all_is_right(&[step(20, all_of(0)), step(428, Event::Mend(0)), step(77, all_of(0))]);
}

#[test]
fn what_is_gone_is_for_a_minute_after_a_start_what_it_was() {
    let (away, deaf) = (Event::Receiver(0, Health::Away), Event::Receiver(1, Health::Deaf));
    let removed = Event::Remove(0, true);
    all_is_right(&[
        step(0, away),
        step(0, all_of(0)),
        step(0, deaf),
        step(125, removed),
        step(32, Event::Stop { graceful: true, away: 13 }),
    ]);
}

#[test]
fn an_alertmanager_that_starts_again_takes_the_end_of_one_thing_for_the_end_of_all_it_said() {
    let away = |channel| Event::Receiver(channel, Health::Away);
    all_is_right(&[step(0, away(2)), step(0, away(0)), step(0, all_of(0)), step(366, Event::RestartProm)]);
}

#[test]
fn what_a_late_ring_tells_as_recovered_is_in_an_episode_that_was_told() {
    let most = Event::Break(Fault { probe: 2, region: None, platform: None, share: 4 });
    let deaf = Event::Receiver(1, Health::Deaf);
    let before = [step(189, all_of(0)), step(83, Event::Mend(0)), step(741, deaf), step(7, most)];
    all_is_right(&[&before[..], &[step(466, all_of(0))]].concat());
}

#[test]
fn a_new_outage_of_a_root_explains_nothing_before_somebody_is_told() {
    let region = Event::Break(Fault { probe: 1, region: Some(0), platform: None, share: 5 });
    let before = [step(157, region), step(469, all_of(0)), step(439, Event::Mend(1))];
    all_is_right(&[&before[..], &[step(1_418, Event::Mend(0)), step(102, all_of(0))]].concat());
}

#[test]
fn an_end_that_arrives_when_something_fails_that_waits_for_its_root_does_not_say_well() {
    let region = |region| Event::Break(Fault { probe: 0, region: Some(region), platform: None, share: 5 });
    let away = Event::Receiver(2, Health::Away);
    let root_gone = [step(0, region(1)), step(0, Event::Remove(0, false)), step(74, away), step(20, Event::Mend(0))];
    all_is_right(&[&root_gone[..], &[step(2, Event::Add(0, false)), step(28, region(0)), step(76, all_of(0))]].concat());
}

#[test]
fn what_was_only_told_as_recovered_is_rung_for_when_it_fails_again() {
    let seldom = Event::Break(Fault { probe: 2, region: None, platform: Some(1), share: 1 });
    let away = Event::Receiver(0, Health::Away);
    let steps = [step(652, seldom), step(293, all_of(0)), step(5, away), step(219, all_of(0)), step(560, all_of(0))];
    all_is_right(&[&steps[..], &[step(1_326, all_of(0))]].concat());
}

#[test]
fn a_run_that_began_while_it_was_muted_rings_nobody() {
    let steps = [step(15, all_of(0)), step(218, Event::Mute(2, true)), step(278, all_of(2)), step(1_197, all_of(0))];
    all_is_right(&steps);
}
