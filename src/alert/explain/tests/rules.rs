//! The rule, sentence by sentence.

use super::*;

/// A root `r` and a dependent `d`, both without a matrix.
fn pair() -> World {
    World::new(vec![probe("d", &["r"], None), probe("r", &[], None)])
}

#[test]
fn evidence_is_a_failed_last_run_of_the_same_region_that_somebody_was_told_of() {
    for (what, region, failed, stands, explained) in [
        ("told", "eu", true, TOLD, true),
        ("nobody was told", "eu", true, FAILS, false),
        ("its last run passed", "eu", false, TOLD, false),
        ("another region", "us", true, TOLD, false),
    ] {
        let mut world = pair();
        world.until(10 * MINUTE);
        world.root_ran(&format!("r/{region}"), failed, SECOND);
        world.root_stands(&format!("r/{region}"), stands);
        world.fails("d/eu", 9 * MINUTE, 0);
        assert_eq!(world.of("d/eu") == &by(&["r"]), explained, "{what}: {:?}", world.of("d/eu"));
    }
}

#[test]
fn the_matrix_keys_that_both_have_must_be_of_the_same_value_and_others_do_not_matter() {
    let platforms = Some(("platform", &["ios", "web"][..]));
    let sizes = Some(("size", &["large"][..]));
    for (what, dependent, root, fails, evidence, explained) in [
        ("same value", platforms, platforms, "d/eu/platform=ios", "r/eu/platform=ios", true),
        ("another value", platforms, platforms, "d/eu/platform=ios", "r/eu/platform=web", false),
        ("only the root has it", None, platforms, "d/eu", "r/eu/platform=web", true),
        ("only the dependent has it", platforms, None, "d/eu/platform=ios", "r/eu", true),
        ("keys of their own", sizes, platforms, "d/eu/size=large", "r/eu/platform=web", true),
    ] {
        let mut world = World::new(vec![probe("d", &["r"], dependent), probe("r", &[], root)]);
        world.until(10 * MINUTE);
        world.root_is_out(evidence);
        world.fails(fails, 9 * MINUTE, 0);
        assert_eq!(world.of(fails) == &by(&["r"]), explained, "{what}");
    }
}

#[test]
fn evidence_is_as_old_as_two_intervals_and_the_deadline_at_most_and_never_older_than_ten_minutes() {
    let every = |every| crate::plan::Cadence::Every(Duration::from_millis(every));
    for (interval, runs, oldest) in [(MINUTE, 1, 140), (5 * MINUTE, 3, 220), (60 * MINUTE, 1, 600)] {
        let root = Probe { cadence: every(interval), runs, ..probe("r", &[], None) };
        let mut world = World::new(vec![probe("d", &["r"], None), root]);
        world.root_is_out("r/eu");
        world.until(oldest * SECOND);
        world.fails("d/eu", 0, 0);
        assert_eq!(world.of("d/eu"), &by(&["r"]), "{interval}");
        world.well("d/eu");
        world.until(oldest * SECOND + 1);
        world.fails("d/eu", 0, 0);
        assert_ne!(world.of("d/eu"), &by(&["r"]), "{interval}");
    }
}

#[test]
fn needs_is_transitive() {
    let chain = || vec![probe("d", &["r"], None), probe("r", &["base"], None), probe("base", &[], None)];
    let mut world = World::new(chain());
    world.root_is_out("base/eu");
    world.fails("d/eu", 0, 0);
    assert_eq!(world.of("d/eu"), &by(&["base"]), "also where what is between them says nothing");
    // Where they have no keys in common what is between them carries it: it fails, and is explained, so nobody was told of it.
    let mut world = World::new(vec![
        probe("d", &["r"], Some(("platform", &["ios"]))),
        probe("r", &["base"], None),
        probe("base", &[], Some(("platform", &["web"]))),
    ]);
    world.root_is_out("base/eu/platform=web");
    world.root_ran("r/eu", true, 0);
    world.root_stands("r/eu", FAILS);
    world.fails("r/eu", 0, 0);
    world.fails("d/eu/platform=ios", 0, 0);
    assert_eq!(world.of("r/eu"), &by(&["base"]));
    assert_eq!(world.of("d/eu/platform=ios"), &by(&["r"]));
    world.until(SECOND);
    world.root_ran("base/eu/platform=web", false, 0);
    assert_eq!(world.of("d/eu/platform=ios"), &by(&["r"]), "it stays explained");
    world.until(2 * SECOND);
    world.fails("d/eu/platform=ios", 0, 0);
    world.until(3 * SECOND);
    world.fails("d/eu/platform=ios", 0, 0);
    assert_eq!(world.of("d/eu/platform=ios"), &Explains::No, "but what lingers is no evidence for others");
}

#[test]
fn a_dependent_that_crosses_brings_the_roots_run_forward_and_waits_a_minute_for_it_at_most() {
    let mut world = pair();
    world.until(MINUTE);
    world.fails("d/eu", 30 * SECOND, SECOND);
    assert_eq!(world.of("d/eu"), &waiting(2 * MINUTE));
    assert_eq!(world.asked(), [(MINUTE, "r/eu".to_owned())]);
    world.until(2 * MINUTE - 1);
    assert_eq!(world.of("d/eu"), &waiting(2 * MINUTE));
    world.until(2 * MINUTE);
    assert_eq!(world.of("d/eu"), &Explains::No);
    assert_eq!(world.ended, [(2 * MINUTE, FactKey::Canary(id("d/eu")), Ended::Wait)]);
}

#[test]
fn a_root_that_answers_ends_the_wait_and_one_that_fails_explains_when_somebody_was_told() {
    let mut world = pair();
    world.until(MINUTE);
    world.fails("d/eu", 30 * SECOND, SECOND);
    world.fails("d/us", 30 * SECOND, SECOND);
    world.until(MINUTE + 2 * SECOND);
    world.root_ran("r/eu", false, SECOND);
    assert_eq!(world.of("d/eu"), &Explains::No, "it passed");
    world.root_ran("r/us", true, SECOND);
    world.root_stands("r/us", FAILS);
    assert_eq!(world.of("d/us"), &waiting(2 * MINUTE), "it failed, and the ring is on its way");
    world.root_stands("r/us", TOLD);
    assert_eq!(world.of("d/us"), &by(&["r"]));
    assert_eq!(world.asked().len(), 2, "one for each region");
}

#[test]
fn nobody_waits_for_a_root_that_is_muted_or_blocked_or_has_passed_since_or_does_not_run_there() {
    type Does = fn(&mut World);
    for (what, does, waits) in [
        ("nothing is known of it", (|_| {}) as Does, true),
        ("muted", |world| world.root_stands("r/eu", MUTED), false),
        ("blocked", |world| world.roots.blocked(&id("r/eu"), at(0)), false),
        ("passed a run that started after the first failure", |world| world.root_ran("r/eu", false, 29 * SECOND), false),
        ("passed a run that started before it", |world| world.root_ran("r/eu", false, 31 * SECOND), true),
        ("failed a run that started after it", |world| world.root_ran("r/eu", true, 10 * SECOND), true),
        ("removed", |world| world.reload(vec![probe("d", &["r"], None)]), false),
    ] {
        let mut world = pair();
        world.until(MINUTE);
        does(&mut world);
        world.fails("d/eu", 30 * SECOND, SECOND);
        assert_eq!(world.of("d/eu") == &waiting(2 * MINUTE), waits, "{what}");
        assert_eq!(world.asked().len(), usize::from(waits), "{what}");
        assert!(world.ended.is_empty(), "what did not wait has not waited in vain");
    }
}

#[test]
fn a_wait_ends_when_its_root_is_paused_or_blocked_meanwhile() {
    for blocked in [true, false] {
        let mut world = pair();
        world.until(MINUTE);
        world.fails("d/eu", 30 * SECOND, SECOND);
        world.until(MINUTE + SECOND);
        if blocked {
            world.roots.blocked(&id("r/eu"), at(world.millis));
            world.settle_touched();
        } else {
            world.root_stands("r/eu", MUTED);
        }
        assert_eq!(world.of("d/eu"), &Explains::No);
    }
}

#[test]
fn a_root_is_brought_forward_once_a_minute_whoever_wants_it_and_again_if_it_was_running() {
    let cells: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    let mut world = World::new(vec![probe("d", &["r"], Some(("user", &cells))), probe("r", &[], None)]);
    world.until(MINUTE);
    for cell in &cells {
        world.fails(&format!("d/eu/user={cell}"), 30 * SECOND, SECOND);
    }
    assert_eq!(world.asked(), [(MINUTE, "r/eu".to_owned())]);
    // It was running then, which began before anything failed: that run is no answer.
    world.until(MINUTE + 5 * SECOND);
    world.root_ran("r/eu", false, 40 * SECOND);
    assert_eq!(world.asked(), [(MINUTE + 5 * SECOND, "r/eu".to_owned())]);
    world.until(MINUTE + 6 * SECOND);
    world.root_ran("r/eu", false, SECOND / 2);
    assert!(cells.iter().all(|cell| world.of(&format!("d/eu/user={cell}")) == &Explains::No));
    // Another member that crosses soon after, and whose first failure came after that run began.
    world.until(MINUTE + 20 * SECOND);
    world.fails("d/eu/user=7", 0, 0);
    world.well("d/eu/user=7");
    world.fails("d/eu/user=7", MINUTE + 10 * SECOND, SECOND);
    assert_eq!(world.asked(), []);
    world.until(3 * MINUTE);
    assert_eq!(world.asked(), [(2 * MINUTE + 5 * SECOND, "r/eu".to_owned())], "a minute after the last time");
}

#[test]
fn a_root_is_brought_forward_before_its_evidence_ages() {
    let root = Probe { cadence: crate::plan::Cadence::Every(Duration::from_hours(1)), ..probe("r", &[], None) };
    let mut world = World::new(vec![probe("d", &["r"], None), root]);
    world.root_is_out("r/eu");
    world.fails("d/eu", 0, 0);
    let renew = 10 * MINUTE - 25 * SECOND;
    world.until(renew - 1);
    assert_eq!(world.asked(), []);
    world.until(renew + 20 * SECOND);
    assert_eq!(world.asked(), [(renew, "r/eu".to_owned())], "its deadline before evidence ages");
    world.root_ran("r/eu", true, 20 * SECOND);
    world.until(2 * renew + 19 * SECOND);
    assert_eq!(world.asked(), []);
    assert_eq!(world.of("d/eu"), &by(&["r"]));
    world.until(2 * renew + 20 * SECOND);
    assert_eq!(world.asked(), [(2 * renew + 20 * SECOND, "r/eu".to_owned())]);
    world.root_stands("r/eu", Stands { muted: true, ..TOLD });
    world.until(30 * MINUTE);
    assert_eq!(world.asked(), [], "what is paused has no runs");
    assert_eq!(world.of("d/eu"), &by(&["r"]), "and evidence that aged is no failure");
}

#[test]
fn a_new_plan_touches_who_met_a_root_before() {
    let mut world = pair();
    world.root_is_out("r/eu");
    world.fails("d/eu", 0, 0);
    world.roots.apply(&plan(vec![probe("d", &[], None), probe("r", &[], None)]));
    assert_eq!(world.roots.take_touched(), BTreeSet::from([FactKey::Canary(id("d/eu"))]));
}

/// In which way evidence ends.
#[derive(Debug, Clone, Copy)]
enum Way {
    Passed,
    Aged,
    NotTold,
    Removed,
    NotNeeded,
}

impl Way {
    const ALL: [Self; 5] = [Self::Passed, Self::Aged, Self::NotTold, Self::Removed, Self::NotNeeded];

    fn end(self, world: &mut World) {
        match self {
            Self::Passed => world.root_ran("r/eu", false, 0),
            Self::Aged => world.until(world.millis + 141 * SECOND),
            Self::NotTold => world.root_stands("r/eu", FAILS),
            Self::Removed => world.reload(vec![probe("d", &["r"], None)]),
            Self::NotNeeded => world.reload(vec![probe("d", &[], None), probe("r", &[], None)]),
        }
    }
}

#[test]
fn when_evidence_ends_in_whichever_way_it_stays_explained_until_runs_that_started_without_it_have_failed() {
    for way in Way::ALL {
        let mut world = pair();
        world.until(MINUTE);
        world.root_is_out("r/eu");
        world.fails("d/eu", 30 * SECOND, 0);
        way.end(&mut world);
        assert_eq!(world.of("d/eu"), &by(&["r"]), "{way:?}");
        let lost = world.millis;
        world.until(lost + SECOND);
        world.fails("d/eu", 30 * SECOND, 2 * SECOND);
        world.until(lost + 60 * MINUTE);
        world.fails("d/eu", 30 * SECOND, SECOND);
        assert_eq!(world.of("d/eu"), &by(&["r"]), "{way:?}: the first began while there was evidence, the other is one");
        world.until(lost + 61 * MINUTE);
        world.fails("d/eu", 30 * SECOND, SECOND);
        assert_eq!(world.of("d/eu"), &Explains::No, "{way:?}");
        assert_eq!(world.ended, [(lost + 61 * MINUTE, FactKey::Canary(id("d/eu")), Ended::Explanation)]);
    }
}

#[test]
fn as_many_failures_are_enough_as_the_rule_asks_and_at_most_two() {
    use crate::plan::{AcrossPolicy, PageRule};
    let number = |number| std::num::NonZeroU32::new(number).unwrap();
    for (rule, enough) in [
        (PageRule::Consecutive(number(1)), 1),
        (PageRule::Consecutive(number(2)), 2),
        (PageRule::Consecutive(number(5)), 2),
        (PageRule::Window { failures: number(6), of: number(9) }, 2),
    ] {
        let alert =
            AlertPolicy { rule, across: Some(AcrossPolicy { failures: number(11), of: number(36) }), ..AlertPolicy::default() };
        let dependent = Probe { alert, ..probe("d", &["r"], None) };
        let mut world = World::new(vec![dependent, probe("r", &[], None)]);
        world.root_is_out("r/eu");
        world.fails("d/eu", 0, 0);
        world.until(SECOND);
        world.root_ran("r/eu", false, 0);
        for failure in 1..=enough {
            assert_eq!(world.of("d/eu"), &by(&["r"]));
            world.until(failure * MINUTE);
            world.fails("d/eu", 0, 0);
        }
        assert_eq!(world.of("d/eu"), &Explains::No, "{rule:?}");
    }
}

#[test]
fn evidence_that_returns_explains_again_and_keeps_the_count() {
    let mut world = pair();
    world.root_is_out("r/eu");
    world.fails("d/eu", 0, 0);
    for minute in 1..=2 {
        world.until(minute * MINUTE);
        world.root_ran("r/eu", false, 0);
        world.until(minute * MINUTE + SECOND);
        assert_eq!(world.of("d/eu"), &by(&["r"]), "{minute}");
        world.fails("d/eu", 0, 0);
        if minute == 1 {
            world.root_is_out("r/eu");
            assert_eq!(world.of("d/eu"), &by(&["r"]));
        }
    }
    assert_eq!(world.of("d/eu"), &Explains::No, "a root that comes and goes hides nothing that fails without it");
    world.root_is_out("r/eu");
    assert_eq!(world.of("d/eu"), &by(&["r"]));
    world.until(3 * MINUTE);
    world.root_ran("r/eu", false, 0);
    assert_eq!(world.of("d/eu"), &by(&["r"]), "the count is full, but it takes a failure of its own");
    world.until(4 * MINUTE);
    world.fails("d/eu", 0, 0);
    assert_eq!(world.of("d/eu"), &Explains::No);
}

#[test]
fn a_run_that_started_without_evidence_counts_also_if_it_is_back_when_it_ends() {
    let mut world = pair();
    world.root_is_out("r/eu");
    world.fails("d/eu", 0, 0);
    for minute in 1..=2 {
        world.until(minute * MINUTE);
        world.root_ran("r/eu", false, 0);
        world.until(minute * MINUTE + 10 * SECOND);
        world.root_is_out("r/eu");
        world.until(minute * MINUTE + 15 * SECOND);
        world.fails("d/eu", 0, 10 * SECOND);
        assert_eq!(world.of("d/eu"), &by(&["r"]), "while there is evidence it is explained");
    }
    world.until(3 * MINUTE);
    world.root_ran("r/eu", false, 0);
    assert_eq!(world.of("d/eu"), &by(&["r"]));
    world.until(3 * MINUTE + SECOND);
    world.fails("d/eu", 0, 0);
    assert_eq!(world.of("d/eu"), &Explains::No, "the two before count");
}

#[test]
fn evidence_that_ended_and_came_back_before_anybody_looked_was_not_there_between() {
    let mut world = pair();
    world.until(SECOND);
    world.root_is_out("r/eu");
    world.fails("d/eu", 0, 0);
    let run = |failed, second| LastRun { failed, started: at(second * SECOND).steady, ended: at(second * SECOND).steady };
    world.roots.ran(&id("r/eu"), run(false, 60), at(60 * SECOND));
    world.roots.ran(&id("r/eu"), run(true, 70), at(70 * SECOND));
    world.until(70 * SECOND);
    world.settle_touched();
    world.until(75 * SECOND);
    world.fails("d/eu", 0, 10 * SECOND);
    world.root_ran("r/eu", false, 0);
    assert_eq!(world.of("d/eu"), &by(&["r"]));
    world.until(80 * SECOND);
    world.fails("d/eu", 0, SECOND);
    assert_eq!(world.of("d/eu"), &Explains::No, "the second that started without evidence");
}

#[test]
fn one_that_was_well_begins_anew() {
    let mut world = pair();
    world.root_is_out("r/eu");
    world.fails("d/eu", 0, 0);
    world.until(SECOND);
    world.root_ran("r/eu", false, 0);
    world.until(2 * SECOND);
    world.fails("d/eu", 0, 0);
    world.well("d/eu");
    assert_eq!(world.members[&FactKey::Canary(id("d/eu"))].1, Explanation::default());
    assert!(world.roots.dependents("r").is_empty());
    world.until(10 * SECOND);
    world.root_is_out("r/eu");
    world.fails("d/eu", 9 * SECOND, 0);
    world.until(20 * SECOND);
    world.root_ran("r/eu", false, 0);
    world.until(21 * SECOND);
    world.fails("d/eu", 9 * SECOND, 0);
    assert_eq!(world.of("d/eu"), &by(&["r"]), "one failure without evidence, not two");
}

#[test]
fn across_is_explained_where_each_region_that_made_it_fail_is() {
    let share = |failed, reaches| Share { failed, counted: 18, reaches };
    for (what, eu, us, out, explained) in [
        ("both", share(9, true), share(9, true), &["r/eu", "r/us"][..], true),
        ("one of two", share(9, true), share(9, true), &["r/eu"], false),
        ("the one that reaches", share(16, true), share(1, false), &["r/eu"], true),
        ("none reaches, all count", share(6, false), share(5, false), &["r/eu"], false),
    ] {
        let mut world = pair();
        for root in out {
            world.root_is_out(root);
        }
        let key = FactKey::Across("d".into());
        world.put(Fact {
            state: State::Failing(Level::Page),
            shares: [("eu".into(), eu), ("us".into(), us)].into(),
            ..Fact::well(key.clone(), Scope::Probe("d".into()))
        });
        assert_eq!(world.explains[&key] == by(&["r"]), explained, "{what}");
    }
}

#[test]
fn subjects_are_never_explained() {
    let mut world = pair();
    world.root_is_out("r/eu");
    let key = FactKey::Subject("d".into(), "segment 1".into());
    let scope = Scope::Subject("d".into(), "segment 1".into());
    world.put(Fact { state: State::Failing(Level::Page), region: "eu".into(), ..Fact::well(key.clone(), scope) });
    assert_eq!(world.explains[&key], Explains::No);
    assert_eq!(world.asked(), []);
}

#[test]
fn what_is_kept_goes_on_in_another_process() {
    let mut world = pair();
    world.root_is_out("r/eu");
    world.fails("d/eu", 0, 0);
    world.until(SECOND);
    world.root_ran("r/eu", false, 0);
    world.until(2 * SECOND);
    world.fails("d/eu", 0, 0);
    let key = FactKey::Canary(id("d/eu"));
    let kept = serde_json::to_string(&world.members[&key].1).unwrap();
    let mut next = pair();
    next.millis = world.millis;
    next.members.insert(key.clone(), (world.members[&key].0.clone(), serde_json::from_str(&kept).unwrap()));
    assert_eq!(next.members[&key].1, world.members[&key].1);
    next.judge(key.clone());
    assert_eq!(next.of("d/eu"), &by(&["r"]));
    next.until(3 * SECOND);
    next.fails("d/eu", 0, 0);
    assert_eq!(next.of("d/eu"), &Explains::No, "the failure in the earlier process counts");
    // One that ended while there was evidence, which aged while nobody was there.
    let mut world = pair();
    world.root_is_out("r/eu");
    world.fails("d/eu", 0, 0);
    let kept = world.members[&key].clone();
    let mut next = pair();
    next.millis = 10 * MINUTE;
    next.members.insert(key.clone(), kept);
    next.judge(key);
    assert_eq!(next.of("d/eu"), &by(&["r"]));
}

#[test]
fn a_root_of_3000_dependents_is_looked_at_once_by_each_of_them_and_not_at_all_while_nothing_changes() {
    let cells: Vec<String> = (0..3_000).map(|number| number.to_string()).collect();
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    let mut world = World::new(vec![probe("d", &["r"], Some(("user", &cells))), probe("r", &[], None)]);
    world.root_is_out("r/eu");
    for cell in &cells {
        world.fails(&format!("d/eu/user={cell}"), 0, 0);
    }
    assert_eq!(world.judged, 3_000);
    world.until(MINUTE);
    world.root_ran("r/eu", true, 0);
    assert_eq!(world.judged, 3_000, "evidence goes on");
    world.root_ran("r/eu", false, 0);
    assert_eq!(world.judged, 6_000, "evidence ended");
    assert_eq!(world.roots.dependents("r").len(), 3_000);
    // Both have 3,000 of the same cells: each meets one.
    let users = Some(("user", &cells[..]));
    let mut world = World::new(vec![probe("d", &["r"], users), probe("r", &[], users)]);
    for cell in &cells {
        world.fails(&format!("d/eu/user={cell}"), 0, 0);
    }
    let judged = world.judged;
    world.root_is_out("r/eu/user=7");
    assert_eq!(world.of("d/eu/user=7"), &by(&["r"]));
    assert!(world.judged <= judged + 2, "{} were judged for one canary", world.judged - judged);
}
