//! What an earlier process left, and what the clocks do.

use super::*;
use crate::history::{DeliveryState, MessageRow};

#[test]
fn a_streak_goes_on_over_a_restart() {
    let mut world = usual(&["eu"]);
    world.fails("p/eu");
    world.restart();
    world.pass(60);
    world.fails("p/eu");
    assert_eq!(world.lines(), ["trigger opened probe/p/1"]);
}

#[test]
fn an_open_incident_goes_on_and_resolves_under_its_old_key_over_a_restart() {
    let mut world = usual(&["eu", "us"]);
    world.breaks("p/eu");
    let id = world.incident("probe/p").unwrap().id;
    world.tell(Event::Acknowledge { incident: id.clone(), by: "ann".to_owned() });
    world.lines();
    world.restart();
    assert_eq!(world.lines(), Vec::<Line>::new());
    let status = world.incident("probe/p").unwrap();
    assert_eq!((status.id, status.acknowledged_by.as_deref(), status.members), (id, Some("ann"), 1));
    world.breaks("p/us");
    let lines = world.lines();
    assert_eq!(lines, ["trigger critical probe/p/1/critical", "trigger spread probe/p/2"]);
    world.restart();
    world.heals("p/eu");
    world.heals("p/us");
    assert_eq!(
        world.lines(),
        ["resolve resolved probe/p/1/critical", "resolve resolved probe/p/1", "resolve resolved probe/p/2"]
    );
    world.restart();
    world.pass(3_700);
    world.breaks("p/eu");
    assert!(world.lines().contains(&"trigger opened probe/p/3".to_owned()), "keys are never used twice");
}

#[test]
fn a_crash_between_send_and_commit_leads_to_the_same_key_again() {
    let mut world = usual(&["eu"]);
    world.fails("p/eu");
    world.pass(60);
    let before = (world.states.clone(), world.rows.clone());
    world.fails("p/eu");
    assert_eq!(world.lines(), ["trigger opened probe/p/1"]);
    (world.states, world.rows) = before;
    world.restart();
    world.pass(60);
    world.fails("p/eu");
    assert_eq!(world.lines(), ["trigger opened probe/p/1"]);
}

#[test]
fn a_spread_that_was_waiting_goes_out_after_a_restart() {
    let mut world = world(
        plan(vec![named("p", AlertPolicy { critical: None, ..AlertPolicy::default() })], &["eu", "us", "ap"], &[]),
        alerting(),
    );
    for id in ["p/eu", "p/us", "p/ap"] {
        world.fails(id);
    }
    world.pass(60);
    for id in ["p/eu", "p/us", "p/ap"] {
        world.fails(id);
    }
    world.lines();
    world.restart();
    world.pass(5);
    assert_eq!(world.lines(), ["trigger spread probe/p/1"]);
}

#[test]
fn rows_that_cannot_be_read_do_not_stop_the_process() {
    let mut world = usual(&["eu"]);
    world.breaks("p/eu");
    for json in world.states.values_mut() {
        *json = "{".to_owned();
    }
    for row in world.rows.values_mut() {
        row.json = "[]".to_owned();
    }
    world.lines();
    world.restart();
    world.breaks("p/eu");
    assert_eq!(world.lines().len(), 1);
}

#[test]
fn ids_ascend_over_restarts_and_whatever_the_wall_clock_does() {
    let mut numbers = Numbers::default();
    let first = numbers.next(moment_ms(0, 0));
    let second = numbers.next(moment_ms(1, -1));
    let mut later = Numbers::default();
    later.after(&format!("{second}-copy"));
    let third = later.next(moment_ms(2, -1));
    assert!(first < second && second < third, "{first} {second} {third}");
}

#[test]
fn a_delivery_that_only_the_outbox_knows_of_counts_after_a_restart() {
    let needy = Probe { needs: vec!["p".into()], ..named("q", AlertPolicy::default()) };
    let mut world = world(plan(vec![named("p", AlertPolicy::default()), needy], &["eu"], &[]), alerting());
    world.arrives = false;
    world.breaks("p/eu");
    let (channel, notice) = world.sent[0].clone();
    world.lines();
    let told = MessageRow {
        id: "01".to_owned(),
        incident: notice.incident.clone(),
        key: notice.key.clone(),
        channel,
        created_ms: 0,
        notice: serde_json::to_string(&notice).unwrap(),
        attempts: 1,
        state: DeliveryState::Delivered,
    };
    let remembered = Remembered { told: vec![told], ..world.remembered() };
    (world.desk, _) = Desk::new(Arc::clone(&world.plan), Arc::clone(&world.alerting), remembered, world.now());
    world.order = 0;
    world.pass(60);
    world.breaks("q/eu");
    assert_eq!(world.lines(), Vec::<Line>::new(), "the page of what it needs stands for it");
}

#[test]
fn after_a_damaged_store_keys_get_numbers_that_none_had_before_also_over_further_restarts() {
    let mut world = usual(&["eu"]);
    world.breaks("p/eu");
    assert_eq!(world.lines(), ["trigger opened probe/p/1"]);
    world.states.clear();
    world.rows.clear();
    let remembered = Remembered { damaged: Some("serinus.db.damaged".into()), ..Remembered::default() };
    let now = world.now();
    let (desk, effects) = Desk::new(Arc::clone(&world.plan), Arc::clone(&world.alerting), remembered, now);
    world.desk = desk;
    world.order = 0;
    world.take(effects);
    world.restart();
    world.pass(60);
    world.breaks("p/eu");
    assert_eq!(world.lines(), [&*format!("trigger opened probe/p/{}", now.wall_ms() / 1_000 + 1)]);
}
