//! Each judge accepts a good history, and finds the fault in one that differs by one thing.

use super::super::log::{EndHeard, Heard, Log, LogEntry, Sound};
use super::super::truth::{Ran, Truth};
use super::*;

fn second(seconds: u64) -> Duration {
    Duration::from_secs(1_000_000 + seconds)
}

fn minute(minutes: u64) -> Duration {
    second(minutes * 60)
}

/// Runs of a canary at these minutes; they take a second.
fn runs(truth: &mut Truth, canary: &str, runs: &[(u64, bool)]) {
    for &(at, failed) in runs {
        truth.ran(
            canary,
            Ran { tick: minute(at), started: minute(at), ended: minute(at) + Duration::from_secs(1), failed, needed: false },
        );
    }
}

fn truth() -> Truth {
    let mut truth = Truth::default();
    for (probe, region) in [("p", "eu"), ("p", "us"), ("root", "eu")] {
        truth.add(&format!("{probe}/{region}"), probe, region, Duration::from_mins(1));
    }
    truth
}

fn ring(at: Duration, number: u32, failing: &[&str]) -> Heard {
    let probe = failing[0].split('/').next().unwrap();
    Heard {
        at,
        made: at,
        channel: "duty".to_owned(),
        sound: Sound::Rang,
        id: format!("i1/duty/{number}"),
        key: format!("probe/{probe}/{number}"),
        incident: format!("i-{probe}"),
        scope: format!("probe/{probe}"),
        severity: 1,
        failing: failing.iter().map(|name| (*name).to_owned()).collect(),
        regions: failing.iter().map(|name| name.split('/').nth(1).unwrap().to_owned()).collect(),
        ..Heard::default()
    }
}

fn end(at: Duration, ring: &Heard) -> Heard {
    Heard {
        at,
        made: at,
        sound: Sound::Ended,
        over: Some(EndHeard::Well),
        failing: [].into(),
        regions: [].into(),
        ..ring.clone()
    }
}

fn case(truth: Truth, heard: &[Heard]) -> Case {
    Case {
        truth,
        log: Log { entries: heard.iter().cloned().map(LogEntry::Heard).collect() },
        channels: vec![Channel { name: "duty".to_owned(), kind: ReaderKind::PagerDuty }],
        needs: vec![("p".to_owned(), "root".to_owned())],
        alertmanager: Duration::ZERO,
    }
    .up()
}

impl Case {
    fn up(mut self) -> Self {
        let begin = second(0);
        self.log.entries.insert(0, LogEntry::Up { at: begin, up: true });
        self
    }

    fn with(mut self, entry: LogEntry) -> Self {
        self.log.entries.push(entry);
        self
    }
}

/// `p/eu` fails in minutes 1 to 3 and settles in minute 5.
fn outage() -> Truth {
    let mut truth = truth();
    runs(&mut truth, "p/eu", &[(0, false), (1, true), (2, true), (3, true), (4, false), (5, false)]);
    truth
}

const CROSSED: u64 = 121;

#[test]
fn the_truth_follows_the_plain_rules() {
    use super::super::truth::CanaryState::{Failing, Suspect, Well};
    let truth = outage();
    let at = |seconds| truth.canaries["p/eu"].at(second(seconds)).state;
    for (seconds, state) in [(60, Well), (61, Suspect), (120, Suspect), (121, Failing), (300, Failing), (301, Well)] {
        assert_eq!(at(seconds), state, "{seconds}");
    }
}

#[test]
fn what_fails_must_be_open_and_what_is_settled_must_not() {
    let told = ring(second(CROSSED), 1, &["p/eu"]);
    let good = case(outage(), &[told.clone(), end(second(302), &told)]);
    assert!(believes_what_is_so(&good, minute(4)).is_empty());
    assert!(believes_what_is_so(&good, minute(6)).is_empty());
    assert_eq!(believes_what_is_so(&case(outage(), &[]), minute(4)).len(), 1);
    assert_eq!(believes_what_is_so(&case(outage(), std::slice::from_ref(&told)), minute(6)).len(), 1);
    let forgot = case(outage(), &[told]).with(LogEntry::Forgot { at: minute(4) });
    assert!(believes_what_is_so(&forgot, minute(6)).is_empty(), "a lost store's keys at PagerDuty are nobody's");
}

#[test]
fn an_episode_must_be_told_in_time_unless_nobody_could() {
    let told = |at| case(outage(), &[ring(at, 1, &["p/eu"])]);
    let none = |case: &Case| Case { needs: Vec::new(), ..case.clone() };
    assert!(tells_in_time(&none(&told(second(CROSSED + 1))), minute(10)).is_empty());
    assert_eq!(tells_in_time(&none(&told(second(CROSSED + 6))), minute(10)).len(), 1);
    assert!(tells_in_time(&told(second(CROSSED + 60)), minute(10)).is_empty(), "it may have waited for what explains it");
    assert_eq!(tells_in_time(&none(&case(outage(), &[])), minute(10)).len(), 1);
    let down = none(&case(outage(), &[])).with(LogEntry::Takes { at: second(60), channel: "duty".to_owned(), takes: false });
    assert!(tells_in_time(&down, minute(10)).is_empty());
    let at_it = none(&case(outage(), &[])).with(LogEntry::Acknowledged { at: second(130), scope: "probe/p".to_owned() });
    assert!(tells_in_time(&at_it, minute(10)).is_empty());
    let mut muted = truth();
    muted.mute(|_| true, true, minute(0));
    runs(&mut muted, "p/eu", &[(1, true), (2, true), (3, true)]);
    assert!(tells_in_time(&none(&case(muted.clone(), &[])), minute(30)).is_empty());
    muted.mute(|_| true, false, minute(4));
    assert!(tells_in_time(&none(&case(muted.clone(), &[])), minute(30)).is_empty(), "it has not failed since");
    runs(&mut muted, "p/eu", &[(5, true)]);
    assert_eq!(tells_in_time(&none(&case(muted, &[])), minute(30)).len(), 1);
}

#[test]
fn another_canary_has_a_quarter_of_an_hour_while_the_incident_is_open() {
    let mut both = outage();
    runs(&mut both, "p/us", &(2..40).map(|at| (at, true)).collect::<Vec<_>>());
    let first = ring(second(CROSSED), 1, &["p/eu"]);
    let spread = |at: u64| {
        let second_ring = ring(minute(at), 2, &["p/us"]);
        let mut case = case(both.clone(), &[first.clone(), second_ring]);
        case.needs.clear();
        tells_in_time(&case, minute(40)).len()
    };
    assert_eq!((spread(15), spread(30)), (0, 1));
}

#[test]
fn a_message_must_not_name_what_is_well_nor_say_well_of_what_is_not() {
    let good = ring(second(CROSSED), 1, &["p/eu"]);
    assert!(says_what_is_so(&case(outage(), &[good.clone(), end(second(302), &good)])).is_empty());
    let wrong = Heard { failing: ["p/us".to_owned()].into(), regions: ["us".to_owned()].into(), ..good.clone() };
    assert_eq!(says_what_is_so(&case(outage(), &[wrong])).len(), 2);
    assert_eq!(says_what_is_so(&case(outage(), &[end(second(200), &good)])).len(), 1);
    let recovered = Heard {
        failing: [].into(),
        regions: [].into(),
        apart: [("p/eu".to_owned(), "recovered".to_owned())].into(),
        ..good.clone()
    };
    assert_eq!(says_what_is_so(&case(outage(), &[recovered])).len(), 1);
    let mut fails = truth();
    runs(&mut fails, "p/eu", &[(1, true), (2, true), (3, true)]);
    for (mut removed, wrong) in [(outage(), 0), (fails, 1)] {
        removed.watch("p", false, minute(6));
        let said = says_what_is_so(&case(removed, &[end(minute(8), &good)]));
        assert_eq!(said.len(), wrong, "{said:?}");
    }
}

#[test]
fn what_failed_with_its_root_must_not_ring_because_the_root_is_well_and_may_ring_by_itself() {
    let with_root = |own: bool| {
        let mut truth = truth();
        runs(&mut truth, "root/eu", &[(1, true), (2, true), (3, true), (4, true), (5, false), (6, false), (7, false)]);
        runs(&mut truth, "p/eu", &[(1, true), (2, true), (3, true), (4, true)]);
        runs(&mut truth, "p/eu", &[(6, own), (7, own)]);
        truth
    };
    let root = ring(second(122), 1, &["root/eu"]);
    let rung = |truth, at| case(truth, &[root.clone(), ring(at, 1, &["p/eu"])]);
    assert_eq!(explained_is_rung_by_its_own_failures(&rung(with_root(false), second(302))).len(), 1);
    assert!(explained_is_rung_by_its_own_failures(&rung(with_root(true), minute(8))).is_empty());
    let other = Heard { failing: ["root/us".to_owned()].into(), ..root.clone() };
    let unheard = case(with_root(false), &[other, ring(second(302), 1, &["p/eu"])]);
    assert!(explained_is_rung_by_its_own_failures(&unheard).is_empty(), "nobody was told of this root");
}

#[test]
fn the_same_must_not_ring_twice_unless_its_answer_was_lost() {
    let first = ring(second(CROSSED), 1, &["p/eu"]);
    let again = ring(second(200), 2, &["p/eu"]);
    assert!(nothing_rings_twice(&case(outage(), std::slice::from_ref(&first))).is_empty());
    assert_eq!(nothing_rings_twice(&case(outage(), &[first.clone(), again.clone()])).len(), 1);
    let worse = Heard { severity: 2, ..again.clone() };
    assert!(nothing_rings_twice(&case(outage(), &[first.clone(), worse])).is_empty());
    let died = case(outage(), &[first.clone(), again]).with(LogEntry::Died { at: second(150) });
    assert!(nothing_rings_twice(&died).is_empty());
    let same = Heard { at: second(200), ..first.clone() };
    let mut chat = case(outage(), &[first.clone(), same]);
    chat.channels[0].kind = ReaderKind::Chat;
    assert_eq!(nothing_rings_twice(&chat).len(), 1);
    let lost = chat.with(LogEntry::Unknown { at: second(130), channel: "duty".to_owned(), id: first.id });
    assert!(nothing_rings_twice(&lost).is_empty());
}

#[test]
fn rings_are_counted_by_the_hour() {
    let rings = |count: u64| (0..count).map(|at| ring(minute(at), u32::try_from(at).unwrap(), &["p/eu"])).collect::<Vec<_>>();
    assert!(rings_are_few(&case(outage(), &rings(7))).1.is_empty());
    assert_eq!(rings_are_few(&case(outage(), &rings(8))).1.len(), 1);
    let at_it = case(outage(), &rings(8)).with(LogEntry::Acknowledged { at: minute(3), scope: "probe/p".to_owned() });
    let (counts, wrong) = rings_are_few(&at_it);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!((&counts[0].by_hour, &counts[0].allowances), (&vec![8], &vec![1]));
}

#[test]
fn a_heartbeat_while_nobody_is_woken_is_wrong() {
    let mut truth = truth();
    runs(&mut truth, "p/eu", &(1..30).map(|at| (at, true)).collect::<Vec<_>>());
    let beat = |at, heard: &[Heard]| {
        let mut case = case(truth.clone(), heard).with(LogEntry::Beat { at });
        case.needs.clear();
        beats_only_while_pages_are_heard(&case).len()
    };
    assert_eq!((beat(minute(7), &[]), beat(minute(8), &[])), (0, 1));
    assert_eq!(beat(minute(8), &[ring(minute(3), 1, &["p/eu"])]), 0);
}
