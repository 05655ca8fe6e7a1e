//! Canaries that fail together: eleven of the last 36 runs, where each alone may fail five times of nine.

use super::*;
use crate::plan::{AcrossPolicy, PageRule};

const PLATFORMS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn policy() -> AlertPolicy {
    let number = |number: u32| number.try_into().unwrap();
    AlertPolicy {
        rule: PageRule::Window { failures: number(6), of: number(9) },
        across: Some(AcrossPolicy { failures: number(11), of: number(36) }),
        ..AlertPolicy::default()
    }
}

fn eighteen() -> World {
    world(plan(vec![named("p", policy())], &["eu", "us", "ap"], &PLATFORMS), alerting())
}

/// A minute of all canaries, one after the other; those for which it is said fail.
fn round(world: &mut World, fails: impl Fn(&str) -> bool) {
    for canary in &Arc::clone(&world.plan).canaries {
        world.pass(3);
        if fails(canary.id.as_str()) {
            world.fails(canary.id.as_str());
        } else {
            world.passes(canary.id.as_str());
        }
    }
    world.pass(6);
}

#[test]
fn a_region_whose_runs_all_fail_pages_within_its_second_round_and_says_how_many_failed() {
    let mut world = eighteen();
    for _ in 0..3 {
        round(&mut world, |_| false);
    }
    round(&mut world, |id| id.starts_with("p/eu/"));
    assert_eq!(world.lines(), Vec::<Line>::new());
    round(&mut world, |id| id.starts_with("p/eu/"));
    let notice = world.sent[0].1.clone();
    assert_eq!(world.lines(), ["trigger opened probe/p/1"]);
    assert_eq!(notice.members_total, 6);
    assert_eq!(notice.notes, ["11 of the last 36 runs failed"]);
    assert_eq!(notice.title, "p fails in eu (6 canaries)");
    assert_eq!(notice.failure.unwrap().canary, "p/eu/platform=e", "the run that decided");
    assert_eq!(world.story("together"), ["11 of the last 36 runs failed"]);
    for _ in 0..5 {
        round(&mut world, |id| id.starts_with("p/eu/"));
    }
    assert_eq!(world.lines(), Vec::<Line>::new(), "it was told already, and no other region fails");
}

#[test]
fn failures_of_several_regions_are_critical_at_once() {
    let mut world = eighteen();
    round(&mut world, |_| true);
    // The third region comes in later than the page, because here one comes after the other.
    assert_eq!(world.lines()[..2], ["trigger opened probe/p/1", "trigger critical probe/p/1/critical"]);
}

#[test]
fn whoever_only_had_a_blip_leaves_soon_and_the_last_to_be_well_ends_it() {
    let mut world = eighteen();
    let blip = |id: &str| id.starts_with("p/eu/") || id == "p/us/platform=a";
    round(&mut world, blip);
    round(&mut world, |id| id.starts_with("p/eu/"));
    let members = |world: &World| world.incident("probe/p").map(|incident| incident.members);
    assert_eq!(members(&world), Some(7));
    for expected in [Some(7), Some(6), Some(6)] {
        round(&mut world, |id| id.starts_with("p/eu/"));
        assert_eq!(members(&world), expected);
    }
    world.lines();
    for expected in [Some(6), Some(6), None, None] {
        round(&mut world, |_| false);
        assert_eq!(members(&world), expected);
    }
    assert_eq!(world.lines(), ["resolve resolved probe/p/1/critical", "resolve resolved probe/p/1"]);
}

#[test]
fn after_its_end_it_begins_anew() {
    let mut across = policy();
    across.across = Some(AcrossPolicy { failures: 11.try_into().unwrap(), of: 200.try_into().unwrap() });
    let mut world = world(plan(vec![named("p", across)], &["eu", "us", "ap"], &PLATFORMS), alerting());
    round(&mut world, |id| !id.starts_with("p/ap"));
    for _ in 0..3 {
        round(&mut world, |_| false);
    }
    assert_eq!(world.lines().last().map(String::as_str), Some("resolve resolved probe/p/1"));
    // The twelve failures are still among the last 200 runs, and one more is no problem.
    round(&mut world, |id| id == "p/us/platform=a");
    assert_eq!(world.lines(), Vec::<Line>::new());
    round(&mut world, |id| !id.starts_with("p/ap"));
    assert_eq!(world.lines(), ["trigger opened probe/p/2", "trigger critical probe/p/2/critical"]);
}

#[test]
fn a_restart_forgets_neither_the_window_nor_who_is_in_the_incident() {
    for restart_after in 0..4 {
        let mut world = eighteen();
        for minute in 0..4 {
            round(&mut world, |id| id.starts_with("p/eu/"));
            if minute == restart_after {
                world.restart();
            }
        }
        assert_eq!(world.lines(), ["trigger opened probe/p/1"], "after {restart_after}");
        assert_eq!(world.incident("probe/p").unwrap().members, 6);
        for _ in 0..3 {
            round(&mut world, |_| false);
        }
        assert_eq!(world.lines(), ["resolve resolved probe/p/1"]);
        round(&mut world, |id| id == "p/us/platform=a");
        assert_eq!(world.lines(), Vec::<Line>::new());
    }
}

#[test]
fn a_rule_that_is_taken_away_no_longer_pages_and_what_it_remembered_goes() {
    let mut world = eighteen();
    round(&mut world, |id| id.starts_with("p/eu/"));
    assert!(world.states.contains_key(&("across".to_owned(), "p".to_owned())));
    let alone = AlertPolicy { across: None, ..policy() };
    world.reload(plan(vec![named("p", alone)], &["eu", "us", "ap"], &PLATFORMS), alerting());
    for _ in 0..4 {
        round(&mut world, |id| id.starts_with("p/eu/"));
    }
    assert_eq!(world.lines(), Vec::<Line>::new());
    world.restart();
    assert!(!world.states.contains_key(&("across".to_owned(), "p".to_owned())));
    round(&mut world, |id| id.starts_with("p/eu/"));
    assert_eq!(world.lines()[0], "trigger opened probe/p/1", "the sixth failure of each alone");
}
