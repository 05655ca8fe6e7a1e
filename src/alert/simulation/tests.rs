//! The invariants over random histories, which shrink on failure; and the published counts of invariant 9.

use proptest::prelude::*;

use super::drive::{Finished, drive};
use super::environment::Fault;
use super::event::{ALL, Event, EventKinds, Step, history, unheard};
use super::judge;

fn config() -> ProptestConfig {
    // More for a night: `PROPTEST_CASES=10000 cargo test --lib histories`.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(32);
    ProptestConfig { cases, max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() }
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
