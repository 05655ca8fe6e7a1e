//! Subjects: incidents of their own, for all canaries that saw them.

use super::*;
use crate::alert::mute::{Mute, Mutes};
use crate::alert::testing::{made, step};
use crate::outcome::StepResult;
use crate::plan::CriticalRule;

fn alert() -> AlertPolicy {
    AlertPolicy { critical: None, ..AlertPolicy::default() }
}

fn looking(name: &str, alert: AlertPolicy) -> Probe {
    Probe { name: name.into(), ..probe(vec![step("list", false), step("loop", true)], alert) }
}

fn bench(alert: AlertPolicy) -> Bench {
    let alerting = Alerting { channels: vec![chat("chat")], ..Alerting::default() };
    Bench::new(vec![looking("p", alert)], &["eu", "us"], alerting)
}

impl Bench {
    /// A whole run that found these; `a!` failed.
    fn finds(&mut self, id: &str, found: &[&str]) -> &mut Self {
        let round = |spelt: &&str| {
            let name = spelt.trim_end_matches('!');
            let failed = || StepResult::Failed(cause(Reason::Expectation, "loop", Some(name)));
            made("loop", Some(name), if name == *spelt { StepResult::Passed } else { failed() })
        };
        let failed = found.iter().any(|name| name.ends_with('!'));
        let verdict = if failed { Verdict::Failed } else { Verdict::Passed };
        let why = failed.then(|| cause(Reason::Subject, "loop", None));
        self.ends(id, (verdict, Trigger::Schedule), why, found.iter().map(round).collect())
    }
}

#[test]
fn a_subject_has_an_incident_of_its_own_and_its_canary_passed() {
    let mut bench = bench(alert());
    bench.at(0).finds("p/eu", &["a!", "b"]).at(60).finds("p/eu", &["a!", "b"]).at(120).finds("p/eu", &["a!", "b"]).at(600);
    let rings = bench.rings("chat");
    assert_eq!(rings.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0]);
    assert!(rings[0].1.contains('a'), "{rings:?}");
    assert_eq!(bench.last("chat").message.scope, "subject/p/a", "and nothing of the probe");
}

#[test]
fn a_subject_is_shown_outside_with_its_severity_for_as_long_as_it_fails() {
    let mut bench = bench(alert());
    bench.at(0).finds("p/eu", &["a!", "b"]);
    assert_eq!(bench.shown, [("subject/p/a".to_owned(), Severity::Page)].into());
    for at in [60, 120, 180] {
        bench.at(at).finds("p/eu", &["a", "b"]);
    }
    assert_eq!(bench.shown, BTreeMap::new());
}

#[test]
fn where_a_subject_was_seen_is_text_and_another_region_that_sees_it_rings_nobody() {
    let mut bench = bench(alert());
    bench.at(0).finds("p/eu", &["a!"]).at(10).finds("p/us", &["a!"]).at(60).finds("p/eu", &["a!"]).at(1_000);
    assert_eq!(bench.ring_times("chat"), [0]);
}

#[test]
fn it_is_settled_when_every_canary_whose_last_sight_of_it_failed_has_settled_on_it() {
    let mut bench = bench(alert());
    bench.at(0).finds("p/eu", &["a!"]).at(10).finds("p/us", &["a!"]);
    for at in [60, 120, 180] {
        bench.at(at).finds("p/eu", &["a"]);
    }
    bench.at(190);
    assert!(bench.came("chat", Action::End).is_empty(), "us has not seen it well");
    for at in [200, 260, 320] {
        bench.at(at).finds("p/us", &["a"]);
    }
    assert_eq!(bench.came("chat", Action::End), [260]);
}

#[test]
fn a_removed_canary_holds_no_subject_open() {
    let mut bench = bench(alert());
    bench.at(0).finds("p/eu", &["a!"]).at(10).finds("p/us", &["a!"]);
    for at in [60, 120, 180] {
        bench.at(at).finds("p/eu", &["a"]);
    }
    let plan = plan(vec![looking("p", alert())], &["eu"]);
    bench.plan = Arc::clone(&plan);
    let alerting = Arc::clone(&bench.alerting);
    bench.at(200).take(Event::Plan { plan, alerting, found: false });
    bench.at(210);
    assert_eq!(bench.came("chat", Action::End), [200]);
}

#[test]
fn a_subject_is_critical_only_if_that_is_asked_for_and_by_the_regions_that_see_it_fail() {
    let rule = CriticalRule { regions: std::num::NonZeroU32::new(2).unwrap(), within: Duration::from_mins(10) };
    for (subject_critical, expected) in [(false, vec![0]), (true, vec![0, 10])] {
        let mut bench = bench(AlertPolicy { critical: Some(rule), subject_critical, ..AlertPolicy::default() });
        bench.at(0).finds("p/eu", &["a!"]).at(10).finds("p/us", &["a!"]).at(50);
        assert_eq!(bench.ring_times("chat"), expected, "{:?}", bench.rings("chat"));
        let severity = if subject_critical { Severity::Critical } else { Severity::Page };
        assert_eq!(bench.last("chat").message.severity, severity);
    }
}

#[test]
fn a_subject_that_one_region_sees_well_again_does_not_count_there() {
    let rule = CriticalRule { regions: std::num::NonZeroU32::new(2).unwrap(), within: Duration::from_mins(10) };
    let mut bench = bench(AlertPolicy { critical: Some(rule), subject_critical: true, ..AlertPolicy::default() });
    bench.at(0).finds("p/eu", &["a!"]);
    for at in [60, 120, 180] {
        bench.at(at).finds("p/eu", &["a"]);
    }
    assert_eq!(bench.came("chat", Action::End), [120]);
    bench.at(190).finds("p/us", &["a!"]).at(400);
    assert_eq!(bench.last("chat").message.severity, Severity::Page);
}

#[test]
fn a_muted_subject_rings_nobody_and_another_does() {
    let mut bench = bench(alert());
    let mutes = Mutes::Subject("a".into());
    bench.take(Event::Muted(vec![Mute { probe: "p".into(), mutes, since_ms: 0, until_ms: None, by: "ann".into(), why: None }]));
    bench.at(0).finds("p/eu", &["a!", "b"]).at(60).finds("p/eu", &["a!", "b!"]).at(100);
    assert_eq!(bench.ring_times("chat"), [60]);
    assert_eq!(bench.last("chat").message.scope, "subject/p/b");
}

#[test]
fn subjects_beyond_the_most_ring_as_no_data_does_and_what_was_taken_singly_ends_singly() {
    let mut bench = bench(AlertPolicy { max_subjects: std::num::NonZeroU32::MIN, ..alert() });
    bench.at(0).finds("p/eu", &["a!", "b", "c", "d"]);
    bench.at(10).finds("p/eu", &["a!", "b!", "c", "d"]);
    assert_eq!(bench.last("chat").message.scope, "subjects/p");
    bench.at(70).finds("p/eu", &["a!", "b!", "c!", "d"]).at(200);
    assert_eq!(bench.ring_times("chat"), [0, 10, 70], "as many as were told of: {:?}", bench.rings("chat"));
    bench.at(210).finds("p/eu", &["a!", "b!", "c!", "d!"]).at(900);
    assert_eq!(bench.ring_times("chat").len(), 3, "one more of two is not worth it");
    for at in [910, 970, 1_030] {
        bench.at(at).finds("p/eu", &["a", "b!", "c!", "d!"]);
    }
    let ends: Vec<&str> = bench.heard.iter().filter(|it| it.what == Action::End).map(|it| &*it.message.scope).collect();
    assert_eq!(ends, ["subject/p/a"]);
}

#[test]
fn a_subject_is_never_explained_by_what_its_probe_needs() {
    let needs = vec![Arc::from("r")];
    let probes = vec![Probe { needs, ..looking("p", alert()) }, quiet("r")];
    let mut bench = Bench::new(probes, &["eu"], Alerting { channels: vec![pagerduty("pager")], ..Alerting::default() });
    bench.breaks(0, "r/eu").at(70).finds("p/eu", &["a!"]);
    assert_eq!(bench.ring_times("pager"), [60, 70]);
}

#[test]
fn a_subject_goes_on_over_a_restart() {
    let mut bench = bench(alert());
    bench.at(0).finds("p/eu", &["a!"]).at(30).restart();
    bench.at(60).finds("p/eu", &["a!"]).at(300);
    assert_eq!(bench.ring_times("chat"), [0]);
    for at in [310, 370, 430] {
        bench.at(at).finds("p/eu", &["a"]);
    }
    assert_eq!(bench.came("chat", Action::End).len(), 1);
}
