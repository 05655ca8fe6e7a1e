//! Opening, spreading, becoming critical, ending.

use super::*;
use crate::plan::FlapRule;

#[test]
fn the_second_failure_in_a_row_pages_and_the_first_does_not() {
    let mut world = usual(&["eu"]);
    world.fails("p/eu");
    assert_eq!(world.lines(), Vec::<Line>::new());
    world.pass(60);
    world.fails("p/eu");
    let notice = world.sent[0].1.clone();
    assert_eq!(world.lines(), ["trigger opened probe/p/1"]);
    assert_eq!(notice.severity, Severity::Page);
    assert_eq!(notice.members_total, 1);
    assert_eq!(notice.members[0].failures, 2);
    assert_eq!(notice.failure.unwrap().message, "it went wrong");
    assert_eq!(notice.title, "p fails in eu (1 canary)");
    world.pass(60);
    world.fails("p/eu");
    assert_eq!(world.lines(), Vec::<Line>::new(), "it was told already");
}

#[test]
fn the_page_is_in_the_same_commit_as_its_run_and_its_state() {
    let mut world = usual(&["eu"]);
    world.fails("p/eu");
    world.pass(60);
    let report = world.report("p/eu", Verdict::Failed, Reason::Expectation);
    let commit = world.tell(Event::Run(Arc::new(report))).commit;
    assert_eq!((commit.runs.len(), commit.messages.len(), commit.incidents.len()), (1, 1, 1));
    assert!(commit.runs[0].counted && commit.is_urgent());
    let kinds: Vec<&str> = commit.states.iter().map(|state| state.kind).collect();
    assert!(kinds.contains(&"canary") && kinds.contains(&"generation"), "{kinds:?}");
}

#[test]
fn a_healthy_run_commits_nothing_but_itself() {
    let mut world = usual(&["eu"]);
    world.passes("p/eu");
    world.pass(60);
    let report = world.report("p/eu", Verdict::Passed, Reason::Expectation);
    let commit = world.tell(Event::Run(Arc::new(report))).commit;
    assert_eq!(commit.runs.len(), 1);
    assert!(!commit.is_urgent() && commit.states.is_empty() && commit.timeline.is_empty(), "{commit:?}");
}

#[test]
fn a_run_by_hand_or_of_a_removed_canary_is_written_down_and_does_not_count() {
    let mut world = usual(&["eu"]);
    for _ in 0..3 {
        let mut report = world.report("p/eu", Verdict::Failed, Reason::Expectation);
        report.trigger = Trigger::Manual;
        let commit = world.tell(Event::Run(Arc::new(report))).commit;
        assert!(!commit.runs[0].counted);
    }
    let late = world.report("p/eu", Verdict::Failed, Reason::Expectation);
    world.reload(plan(vec![named("q", AlertPolicy::default())], &["eu"], &[]), alerting());
    let commit = world.tell(Event::Run(Arc::new(late))).commit;
    assert!(!commit.runs[0].counted);
    assert_eq!(world.lines(), Vec::<Line>::new());
}

#[test]
fn it_resolves_once_every_canary_has_passed_enough() {
    let mut world = usual(&["eu", "us"]);
    world.breaks("p/eu");
    world.breaks("p/us");
    world.pass(10);
    world.heals("p/eu");
    let open = world.lines();
    assert!(!open.iter().any(|line| line.starts_with("resolve")), "{open:?}");
    world.heals("p/us");
    assert_eq!(world.lines(), ["resolve resolved probe/p/1/critical", "resolve resolved probe/p/1"]);
    assert_eq!(world.incident("probe/p"), None);
    assert!(world.rows.values().all(|row| row.resolved_ms.is_some() && row.severity == "critical"));
}

#[test]
fn silence_skipped_runs_and_faults_of_the_prober_resolve_nothing() {
    let mut world = usual(&["eu"]);
    world.breaks("p/eu");
    world.lines();
    for (verdict, reason) in [
        (Verdict::Skipped, Reason::Maintenance),
        (Verdict::Skipped, Reason::Paused),
        (Verdict::Errored, Reason::SelfCheck),
        (Verdict::Missed, Reason::Overload),
        (Verdict::Blocked, Reason::Guard),
    ] {
        for _ in 0..10 {
            world.pass(20);
            let report = world.report("p/eu", verdict, reason);
            world.tell(Event::Run(Arc::new(report)));
        }
    }
    assert_eq!(world.lines(), ["trigger opened blind/eu/1"]);
    assert!(world.incident("probe/p").is_some());
}

#[test]
fn a_canary_in_a_region_or_cell_that_was_not_named_is_told_of_under_the_same_key() {
    let mut world = world(
        plan(vec![named("p", AlertPolicy { critical: None, ..AlertPolicy::default() })], &["eu", "us"], &["a", "b"]),
        alerting(),
    );
    world.breaks("p/eu/platform=a");
    assert_eq!(world.lines(), ["trigger opened probe/p/1"]);
    world.pass(60);
    world.breaks("p/eu/platform=b");
    assert_eq!(world.lines(), ["trigger spread probe/p/1"]);
    world.breaks("p/us/platform=a");
    assert_eq!(world.lines(), ["trigger spread probe/p/1"]);
    world.breaks("p/us/platform=b");
    assert_eq!(world.lines(), Vec::<Line>::new(), "its region and its cell were named");
    assert_eq!(world.incident("probe/p").unwrap().members, 4);
}

#[test]
fn an_acknowledged_incident_that_spreads_is_told_under_a_new_key_linked_to_the_old() {
    let mut world =
        world(plan(vec![named("p", AlertPolicy { critical: None, ..AlertPolicy::default() })], &["eu", "us"], &[]), alerting());
    world.breaks("p/eu");
    let incident = world.incident("probe/p").unwrap().id;
    world.tell(Event::Acknowledge { incident: incident.clone(), by: "ann".to_owned() });
    world.tell(Event::Acknowledge { incident, by: "bob".to_owned() });
    assert_eq!(world.lines(), ["trigger opened probe/p/1", "acknowledge acknowledged probe/p/1"]);
    assert_eq!(world.incident("probe/p").unwrap().acknowledged_by.as_deref(), Some("ann"));
    world.breaks("p/us");
    assert_eq!(world.sent[0].1.previous.as_deref(), Some("probe/p/1"));
    assert_eq!(world.lines(), ["trigger spread probe/p/2"]);
    assert_eq!(world.incident("probe/p").unwrap().acknowledged_by, None, "nobody is at the new page");
    world.heals("p/eu");
    world.heals("p/us");
    assert_eq!(world.lines(), ["resolve resolved probe/p/1", "resolve resolved probe/p/2"]);
}

#[test]
fn a_spread_more_than_half_an_hour_after_the_last_notification_has_a_new_key() {
    for (minutes, key) in [(28, "trigger spread probe/p/1"), (31, "trigger spread probe/p/2")] {
        let policy = AlertPolicy { critical: None, ..AlertPolicy::default() };
        let mut world = world(plan(vec![named("p", policy)], &["eu", "us"], &[]), Alerting { blind: quiet(), ..alerting() });
        world.breaks("p/eu");
        world.lines();
        world.pass(minutes * 60 - 60);
        world.breaks("p/us");
        assert_eq!(world.lines(), [key]);
    }
}

fn quiet() -> crate::plan::BlindRule {
    crate::plan::BlindRule { page: false, ..Alerting::default().blind }
}

#[test]
fn it_is_critical_once_a_second_region_fails_and_has_a_key_of_its_own() {
    let mut world = usual(&["eu", "us"]);
    world.breaks("p/eu");
    world.lines();
    world.pass(1);
    world.fails("p/us");
    assert_eq!(world.sent[0].1.severity, Severity::Critical);
    assert_eq!(world.lines(), ["trigger critical probe/p/1/critical"]);
    assert_eq!(world.desk.counts(), Counts { warn: 0, page: 0, critical: 1 });
}

#[test]
fn lone_blips_in_two_regions_page_nobody() {
    let mut world = usual(&["eu", "us"]);
    world.fails("p/eu");
    world.fails("p/us");
    world.pass(60);
    world.passes("p/eu");
    world.passes("p/us");
    assert_eq!(world.lines(), Vec::<Line>::new());
    assert_eq!(world.desk.counts(), Counts::default());
}

#[test]
fn no_longer_critical_closes_its_own_key_after_a_quiet_window_and_never_rings() {
    let mut world =
        world(plan(vec![named("p", AlertPolicy::default())], &["eu", "us"], &[]), Alerting { blind: quiet(), ..alerting() });
    world.breaks("p/eu");
    world.fails("p/us");
    world.lines();
    for _ in 0..9 {
        world.pass(60);
        world.fails("p/eu");
        world.passes("p/us");
    }
    for minute in 0..30 {
        world.pass(60);
        world.fails("p/eu");
        // Out of the window and in again, again and again: nobody hears of that.
        if minute % 11 == 1 && minute < 15 {
            world.fails("p/us");
        } else {
            world.passes("p/us");
        }
    }
    assert_eq!(world.lines(), Vec::<Line>::new());
    for _ in 0..12 {
        world.pass(60);
        world.fails("p/eu");
        world.passes("p/us");
    }
    assert_eq!(world.lines(), ["resolve less_severe probe/p/1/critical"]);
    assert_eq!(world.incident("probe/p").unwrap().severity, "page");
}

#[test]
fn a_problem_that_comes_and_goes_is_held_open_until_it_was_quiet_for_long() {
    let flapping = FlapRule { opens: 3, within: Duration::from_hours(1), hold: Duration::from_mins(30) };
    let mut world =
        world(plan(vec![named("p", AlertPolicy::default())], &["eu"], &[]), Alerting { flapping, blind: quiet(), ..alerting() });
    for _ in 0..6 {
        world.pass(60);
        world.breaks("p/eu");
        world.heals("p/eu");
    }
    assert_eq!(
        world.lines(),
        [
            "trigger opened probe/p/1",
            "resolve resolved probe/p/1",
            "trigger opened probe/p/2",
            "resolve resolved probe/p/2",
            "trigger opened probe/p/3",
        ],
        "the third opening within the hour is held"
    );
    world.pass(29 * 60);
    assert_eq!(world.lines(), Vec::<Line>::new());
    world.pass(61);
    assert_eq!(world.lines(), ["resolve resolved probe/p/3"]);
}

#[test]
fn a_reminder_goes_out_until_somebody_is_at_it() {
    let remind = Some(Duration::from_hours(1));
    let mut world = world(
        plan(vec![named("p", AlertPolicy { remind, ..AlertPolicy::default() })], &["eu"], &[]),
        Alerting { blind: quiet(), ..alerting() },
    );
    world.breaks("p/eu");
    world.lines();
    world.pass(3_599);
    assert_eq!(world.lines(), Vec::<Line>::new());
    world.pass(3_601);
    assert_eq!(world.lines(), ["trigger reminder probe/p/1", "trigger reminder probe/p/1"]);
    let incident = world.incident("probe/p").unwrap().id;
    world.tell(Event::Acknowledge { incident, by: "ann".to_owned() });
    world.lines();
    world.pass(10 * 3_600);
    assert_eq!(world.lines(), Vec::<Line>::new());
}

#[test]
fn being_critical_does_not_wait_for_a_spread_that_waits() {
    let policy = AlertPolicy::default();
    let mut world = world(plan(vec![named("p", policy)], &["eu", "us"], &["a", "b", "c"]), alerting());
    for id in ["p/eu/platform=a", "p/eu/platform=b", "p/eu/platform=c"] {
        world.fails(id);
        world.fails(id);
    }
    assert_eq!(world.lines(), ["trigger opened probe/p/1"], "the others wait some seconds");
    world.fails("p/us/platform=a");
    assert_eq!(world.lines(), ["trigger critical probe/p/1/critical"]);
    world.pass(5);
    assert_eq!(world.lines(), ["trigger spread probe/p/1"]);
}

#[test]
fn what_closes_a_key_does_not_read_like_a_page() {
    let settings = Alerting { blind: quiet(), ..alerting() };
    let mut world = world(plan(vec![named("p", AlertPolicy::default())], &["eu", "us"], &[]), settings);
    world.breaks("p/eu");
    world.breaks("p/us");
    world.sent.clear();
    world.heals("p/eu");
    world.pass(30 * 60);
    world.heals("p/us");
    let titles: Vec<(&str, &str)> = world.sent.iter().map(|(_, notice)| (&*notice.key, &*notice.title)).collect();
    assert_eq!(
        titles,
        [("probe/p/1/critical", "p is no longer critical; it still fails in us (1 canary)"), ("probe/p/1", "p no longer fails")]
    );
}
