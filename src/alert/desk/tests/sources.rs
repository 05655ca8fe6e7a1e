//! Where problems come from besides failing canaries: subjects, blindness, objectives, leaks, another plan.

use super::*;
use crate::alert::testing::made;
use crate::outcome::StepResult;
use crate::plan::Slo;

/// The probe `p`, whose only step loops over subjects.
fn subjects(max: u32) -> World {
    let policy = AlertPolicy { max_subjects: max.try_into().unwrap(), ..AlertPolicy::default() };
    let of = Probe { steps: vec![step("s", true)], ..named("p", policy) };
    world(plan(vec![of], &["eu"], &[]), alerting())
}

/// A run that finds these subjects, of which those with `false` fail.
fn finds(world: &mut World, found: &[(&str, bool)]) {
    finds_in(world, "p/eu", found);
}

fn finds_in(world: &mut World, canary: &str, found: &[(&str, bool)]) {
    let failed = |name: &str| cause(Reason::Subject, "s", Some(name));
    let result = |name: &str, good: bool| if good { StepResult::Passed } else { StepResult::Failed(failed(name)) };
    let steps = found.iter().map(|(name, good)| made("s", Some(name), result(name, *good))).collect();
    let bad = found.iter().find(|(_, good)| !good).map(|(name, _)| failed(name));
    world.finds(canary, steps, bad);
}

#[test]
fn a_run_of_which_a_subject_and_something_else_failed_opens_both_incidents() {
    let of = Probe { steps: vec![step("s", true), step("after", false)], ..named("p", AlertPolicy::default()) };
    let mut world = world(plan(vec![of], &["eu"], &[]), alerting());
    let broken = || cause(Reason::Expectation, "s", Some("a"));
    let subject = || made("s", Some("a"), StepResult::Failed(broken()));
    let after = || made("after", None, StepResult::Failed(cause(Reason::Timeout, "after", None)));
    for _ in 0..2 {
        world.finds("p/eu", vec![subject(), after()], Some(cause(Reason::Timeout, "after", None)));
        world.pass(60);
    }
    let mut lines = world.lines();
    lines.sort();
    assert_eq!(lines, ["trigger opened probe/p/1", "trigger opened subject/p/a/1"]);
    // What else failed is mended: a run of which only the subject fails is a pass for the probe, and the subject's page stays.
    for _ in 0..4 {
        world.finds(
            "p/eu",
            vec![subject(), made("after", None, StepResult::Passed)],
            Some(cause(Reason::Subject, "s", Some("a"))),
        );
        world.pass(60);
    }
    assert_eq!(world.lines(), ["resolve resolved probe/p/1"]);
}

/// The probe `p` that loops over subjects in these regions, with a page of its own for two of them.
fn looping(regions: &[&str]) -> Plan {
    let policy = AlertPolicy { max_subjects: 2.try_into().unwrap(), ..AlertPolicy::default() };
    plan(vec![Probe { steps: vec![step("s", true)], ..named("p", policy) }], regions, &[])
}

const THREE: [&str; 3] = ["trigger opened subject/p/a/1", "trigger opened subject/p/b/1", "trigger opened subjects/p/1"];

#[test]
fn subjects_that_only_a_canary_saw_which_is_gone_after_a_restart_are_over() {
    let mut world = world(looping(&["eu", "us"]), alerting());
    finds_in(&mut world, "p/us", &[("a", false), ("b", false), ("c", false)]);
    assert_eq!(world.lines(), THREE);
    world.plan = Arc::new(looping(&["eu"]));
    world.restart();
    let mut lines = world.lines();
    lines.sort();
    assert_eq!(lines, THREE.map(|line| line.replace("trigger opened", "resolve resolved")));
    world.pass(60);
    finds(&mut world, &[("a", false), ("b", false)]);
    assert_eq!(world.lines(), ["trigger opened subject/p/a/2", "trigger opened subject/p/b/2"], "they take no room either");
    world.plan = Arc::new(plan(vec![named("q", AlertPolicy::default())], &["eu"], &[]));
    world.restart();
    assert!(world.states.keys().all(|(kind, _)| kind == "generation"), "{:?}", world.states.keys());
}

#[test]
fn subjects_of_a_probe_that_no_longer_looks_for_any_are_over() {
    for restart in [false, true] {
        let mut world = world(looping(&["eu"]), alerting());
        finds(&mut world, &[("a", false), ("b", false), ("c", false)]);
        assert_eq!(world.lines(), THREE);
        let without = plan(vec![named("p", AlertPolicy::default())], &["eu"], &[]);
        if restart {
            world.plan = Arc::new(without);
            world.restart();
        } else {
            world.reload(without, alerting());
        }
        let mut lines = world.lines();
        lines.sort();
        assert_eq!(lines, THREE.map(|line| line.replace("trigger opened", "resolve resolved")), "restart: {restart}");
        assert!(world.states.keys().all(|(kind, _)| kind != "subject"), "{:?}", world.states.keys());
    }
}

#[test]
fn a_failed_subject_pages_at_once_under_its_own_key_and_nothing_else_does() {
    let mut world = subjects(20);
    for _ in 0..4 {
        finds(&mut world, &[("a", true), ("b", false)]);
        world.pass(60);
    }
    let notice = world.sent[0].1.clone();
    assert_eq!(world.lines(), ["trigger opened subject/p/b/1"]);
    assert_eq!(notice.subject.as_deref(), Some("b"));
    for _ in 0..3 {
        finds(&mut world, &[("a", true), ("b", true)]);
        world.pass(60);
    }
    assert_eq!(world.lines(), ["resolve resolved subject/p/b/1"]);
}

#[test]
fn subjects_beyond_the_cap_share_one_incident() {
    let mut world = subjects(2);
    let names: Vec<String> = (0..500).map(|at| format!("n{at:03}")).collect();
    let found: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), false)).collect();
    finds(&mut world, &found);
    let last = world.sent.last().unwrap().1.clone();
    assert_eq!(
        world.lines(),
        ["trigger opened subject/p/n000/1", "trigger opened subject/p/n001/1", "trigger opened subjects/p/1"]
    );
    assert_eq!(last.members_total, 498);
}

#[test]
fn two_subjects_with_long_names_do_not_share_a_key() {
    let mut world = subjects(20);
    let [a, b] = ["a", "b"].map(|end| "x".repeat(150) + end);
    finds(&mut world, &[(&a, false), (&b, false)]);
    let keys: BTreeSet<String> = world.sent.iter().map(|(_, notice)| notice.key.clone()).collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(keys.iter().all(|key| key.len() < 200), "{keys:?}");
}

#[test]
fn a_network_that_is_cut_is_one_page_a_region_and_none_a_probe() {
    let probes = ["a", "b", "c"].map(|name| named(name, AlertPolicy::default()));
    let mut world = world(plan(probes.into(), &["eu", "us"], &[]), alerting());
    let ids: Vec<String> = world.plan.canaries.iter().map(|canary| canary.id.to_string()).collect();
    for _ in 0..10 {
        for id in &ids {
            if id.ends_with("/eu") {
                let report = world.report(id, Verdict::Errored, Reason::SelfCheck);
                world.tell(Event::Run(Arc::new(report)));
            } else {
                world.passes(id);
            }
        }
        world.pass(60);
    }
    assert_eq!(world.lines(), ["trigger opened blind/eu/1"]);
    assert_eq!(world.incident("blind/eu").unwrap().members, 3);
    world.restart();
    assert_eq!(world.lines(), Vec::<Line>::new());
    for id in &ids {
        world.passes(id);
    }
    assert_eq!(world.lines(), ["resolve resolved blind/eu/1"]);
}

#[test]
fn a_budget_that_burns_raises_an_incident_of_its_own() {
    let slo = Slo { success: Some(0.9), latency: None, window: Duration::from_hours(24) };
    let policy = AlertPolicy { rule: crate::plan::PageRule::Consecutive(1_000.try_into().unwrap()), ..AlertPolicy::default() };
    let mut world = world(plan(vec![Probe { slo: Some(slo), ..named("p", policy) }], &["eu"], &[]), alerting());
    for _ in 0..240 {
        world.fails("p/eu");
        world.pass(60);
    }
    let lines = world.lines();
    assert!(lines.contains(&"trigger opened budget/p/1".to_owned()), "{lines:?}");
    assert!(lines.len() <= 2, "{lines:?}");
    world.restart();
    for _ in 0..2_000 {
        world.passes("p/eu");
        world.pass(60);
    }
    assert_eq!(world.lines(), ["resolve resolved budget/p/1"]);
}

#[test]
fn what_leaked_is_one_incident_for_a_probe_until_all_of_it_is_gone() {
    let mut world = usual(&["eu"]);
    for entry in ["1", "2", "2"] {
        world.tell(Event::Leaked { probe: "p".into(), entry: entry.to_owned(), message: "409 in use".to_owned() });
    }
    assert_eq!(world.sent[0].1.severity, Severity::Warn);
    assert_eq!(world.lines(), ["trigger opened leak/p/1"]);
    assert_eq!(world.desk.counts().warn, 1);
    world.restart();
    world.tell(Event::LeakCleared { probe: "p".into(), entry: "1".to_owned() });
    assert_eq!(world.lines(), Vec::<Line>::new());
    world.tell(Event::LeakCleared { probe: "p".into(), entry: "2".to_owned() });
    assert_eq!(world.lines(), ["resolve resolved leak/p/1"]);
}

#[test]
fn a_reload_keeps_streaks_and_open_incidents_of_what_is_unchanged() {
    let mut world = usual(&["eu", "us"]);
    world.breaks("p/us");
    world.fails("p/eu");
    world.lines();
    world
        .reload(plan(vec![named("p", AlertPolicy { critical: None, ..AlertPolicy::default() })], &["eu", "us"], &[]), alerting());
    world.lines();
    world.pass(60);
    world.fails("p/eu");
    assert_eq!(world.lines(), ["trigger spread probe/p/1"]);
}

#[test]
fn a_removed_canary_leaves_with_a_note_and_the_last_one_ends_the_incident() {
    let mut world = usual(&["eu", "us"]);
    world.breaks("p/eu");
    world.breaks("p/us");
    world.pass(10);
    world.lines();
    world.reload(plan(vec![named("p", AlertPolicy::default())], &["us"], &[]), alerting());
    assert_eq!(world.incident("probe/p").unwrap().members, 1);
    let left = world.lines();
    assert!(!left.contains(&"resolve resolved probe/p/1".to_owned()), "{left:?}");
    world.reload(plan(vec![named("q", AlertPolicy::default())], &["us"], &[]), alerting());
    let last = world.sent.last().unwrap().1.clone();
    assert!(last.notes.iter().any(|note| note.contains("was removed from the configuration")), "{:?}", last.notes);
    assert!(world.lines().contains(&"resolve resolved probe/p/1".to_owned()));
    assert!(world.states.keys().all(|(kind, _)| kind == "generation"), "{:?}", world.states.keys());
}

#[test]
fn an_incident_whose_probe_is_gone_after_a_restart_ends_with_a_note() {
    let mut world = usual(&["eu"]);
    world.breaks("p/eu");
    world.lines();
    world.plan = Arc::new(plan(vec![named("q", AlertPolicy::default())], &["eu"], &[]));
    world.restart();
    let note = "what it is about was removed from the configuration".to_owned();
    assert!(world.sent[0].1.notes.contains(&note));
    assert_eq!(world.lines(), ["resolve resolved probe/p/1"]);
}

#[test]
fn two_subjects_whose_names_differ_only_far_behind_are_two() {
    let mut world = subjects(20);
    let (one, two) = (format!("{}1", "x".repeat(300)), format!("{}2", "x".repeat(300)));
    finds(&mut world, &[(&one, false), (&two, false)]);
    assert_eq!(world.sent.len(), 2);
    assert_ne!(world.sent[0].1.key, world.sent[1].1.key);
    world.lines();
    for _ in 0..3 {
        world.pass(60);
        finds(&mut world, &[(&one, true), (&two, false)]);
    }
    assert_eq!(world.lines().len(), 1, "only the one is well again");
}

#[test]
fn a_leak_that_somebody_else_removed_is_over() {
    let mut world = usual(&["eu"]);
    for entry in ["1", "2"] {
        world.tell(Event::Leaked { probe: "p".into(), entry: entry.to_owned(), message: "409 in use".to_owned() });
    }
    world.restart();
    world.lines();
    world.tell(Event::LedgerHas(["2".to_owned(), "3".to_owned()].into()));
    assert_eq!(world.lines(), Vec::<Line>::new());
    world.tell(Event::LedgerHas(["3".to_owned()].into()));
    assert_eq!(world.lines(), ["resolve resolved leak/p/1"]);
}

#[test]
fn a_subject_that_only_a_canary_saw_that_is_gone_after_a_restart_ends_and_leaves_nothing() {
    let policy = || AlertPolicy { max_subjects: 1.try_into().unwrap(), ..AlertPolicy::default() };
    let looping = || Probe { steps: vec![step("s", true)], ..named("p", policy()) };
    let mut world = world(plan(vec![looping()], &["eu", "us"], &[]), alerting());
    let failed = || cause(Reason::Subject, "s", Some("a"));
    world.finds("p/us", vec![made("s", Some("a"), StepResult::Failed(failed()))], Some(failed()));
    assert_eq!(world.lines(), ["trigger opened subject/p/a/1"]);
    world.plan = Arc::new(plan(vec![looping()], &["eu"], &[]));
    world.restart();
    assert_eq!(world.lines(), ["resolve resolved subject/p/a/1"]);
    assert!(!world.states.keys().any(|(kind, _)| kind == "subject"), "{:?}", world.states);
    finds(&mut world, &[("b", false)]);
    assert_eq!(world.lines(), ["trigger opened subject/p/b/1"], "the one place below the cap is free");
}

#[test]
fn a_probe_that_is_gone_after_a_restart_leaves_no_state() {
    let slo = Slo { success: Some(0.95), latency: None, window: Duration::from_hours(24) };
    let of = Probe { slo: Some(slo), ..named("p", AlertPolicy::default()) };
    let mut world = world(plan(vec![of, named("q", AlertPolicy::default())], &["eu"], &[]), alerting());
    world.breaks("p/eu");
    world.plan = Arc::new(plan(vec![named("q", AlertPolicy::default())], &["eu"], &[]));
    world.restart();
    let left: Vec<_> = world.states.keys().filter(|(kind, key)| kind != "generation" && key.starts_with('p')).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn names_of_subjects_that_are_new_for_ever_do_not_fill_the_memory() {
    let policy = AlertPolicy { subject_gone: crate::plan::SubjectGone::Retire, ..AlertPolicy::default() };
    let of = Probe { steps: vec![step("s", true)], ..named("p", policy) };
    let mut world = world(plan(vec![of], &["eu"], &[]), alerting());
    for number in 0..2 * PASTS {
        finds(&mut world, &[(&format!("a{number}"), false)]);
        if number == PASTS - 1 {
            world.pass(91 * 24 * 3_600);
        }
    }
    assert!(world.desk.pasts.len() <= PASTS + 2, "{}", world.desk.pasts.len());
    assert!(world.states.keys().filter(|(kind, _)| kind == "generation").count() <= PASTS + 2);
}
