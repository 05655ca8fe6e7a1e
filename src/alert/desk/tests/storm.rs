//! Thousands at once.

use super::*;

/// The probe `p` in three regions on a thousand platforms.
fn large() -> World {
    let platforms: Vec<String> = (0..1_000).map(|at| format!("p{at:03}")).collect();
    let platforms: Vec<&str> = platforms.iter().map(String::as_str).collect();
    world(
        plan(vec![named("p", AlertPolicy { critical: None, ..AlertPolicy::default() })], &["eu", "us", "ap"], &platforms),
        alerting(),
    )
}

fn all(world: &World) -> Vec<String> {
    world.plan.canaries.iter().map(|canary| canary.id.to_string()).collect()
}

#[test]
fn three_thousand_canaries_that_fail_together_are_two_notifications_under_one_key() {
    let mut world = large();
    let ids = all(&world);
    for _ in 0..2 {
        world.pass(60);
        for id in &ids {
            world.fails(id);
        }
    }
    assert_eq!(world.lines(), ["trigger opened probe/p/1"], "the opening waits for nobody");
    world.pass(4);
    assert_eq!(world.lines(), Vec::<Line>::new());
    world.pass(1);
    let notice = world.sent[0].1.clone();
    assert_eq!(world.lines(), ["trigger spread probe/p/1"]);
    assert_eq!((notice.members.len(), notice.members_total), (Notice::MEMBERS, 3_000));
    assert_eq!(notice.title, "p fails in ap, eu, us (3000 canaries)");
    for _ in 0..3 {
        world.pass(60);
        for id in &ids {
            let report = world.report(id, Verdict::Errored, Reason::Stall);
            world.tell(Event::Run(Arc::new(report)));
        }
    }
    world.pass(600);
    assert_eq!(world.lines(), ["trigger opened blind/ap/1", "trigger opened blind/eu/1", "trigger opened blind/us/1"]);
    assert!(world.timeline.len() < 200, "{}", world.timeline.len());
}

#[test]
fn a_storm_that_goes_on_is_told_of_less_and_less_often() {
    let mut world = large();
    let ids = all(&world);
    for id in &ids {
        world.fails(id);
    }
    // One more canary every 100 ms, for five minutes.
    for id in &ids {
        world.millis += 100;
        world.pass(0);
        world.fails(id);
    }
    let lines = world.lines();
    // After 5, 10, 20 and 40 seconds, and then once a minute.
    assert!(lines.len() <= 10, "{lines:?}");
    world.pass(60);
    assert!(world.desk.incidents.values().all(|incident| !incident.members.has_newcomers()), "the last ones are told too");
}

#[test]
fn names_and_sentences_are_bounded_whatever_a_target_says() {
    let mut world = usual(&["eu"]);
    world.fails("p/eu");
    world.pass(60);
    let mut report = world.report("p/eu", Verdict::Failed, Reason::Expectation);
    let cause = report.cause.as_mut().unwrap();
    cause.message = "ä".repeat(1_000_000);
    cause.expectation = Some("x".repeat(1_000_000));
    cause.seen = vec![crate::outcome::Seen { source: "y".repeat(10_000), value: "z".repeat(10_000) }; 1_000];
    world.tell(Event::Run(Arc::new(report)));
    let json = serde_json::to_string(&world.sent[0].1).unwrap();
    assert!(json.len() < 20_000, "{}", json.len());
}
