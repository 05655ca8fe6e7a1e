//! The rule, sentence by sentence.

use super::*;

/// A root `r` and a dependent `d`, both without a matrix.
fn pair() -> Harness {
    Harness::new(vec![probe("d", &["r"], None), probe("r", &[], None)])
}

#[test]
fn evidence_is_a_failed_last_run_of_the_same_region_that_somebody_was_told_of() {
    for (what, region, failed, state, explained) in [
        ("told", "eu", true, TOLD, true),
        ("nobody was told", "eu", true, FAILS, false),
        ("its last run passed", "eu", false, TOLD, false),
        ("another region", "us", true, TOLD, false),
    ] {
        let mut harness = pair();
        harness.until(10 * MINUTE);
        harness.root_ran(&format!("r/{region}"), failed, SECOND);
        harness.set_root_state(&format!("r/{region}"), state);
        harness.fails("d/eu", 9 * MINUTE, 0);
        assert_eq!(harness.of("d/eu") == &by(&["r"]), explained, "{what}: {:?}", harness.of("d/eu"));
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
        let mut harness = Harness::new(vec![probe("d", &["r"], dependent), probe("r", &[], root)]);
        harness.until(10 * MINUTE);
        harness.root_is_out(evidence);
        harness.fails(fails, 9 * MINUTE, 0);
        assert_eq!(harness.of(fails) == &by(&["r"]), explained, "{what}");
    }
}

#[test]
fn evidence_is_as_old_as_two_intervals_and_the_deadline_at_most_and_never_older_than_ten_minutes() {
    let every = |every| crate::plan::Cadence::Every(Duration::from_millis(every));
    for (interval, runs, oldest) in [(MINUTE, 1, 140), (5 * MINUTE, 3, 220), (60 * MINUTE, 1, 600)] {
        let root = Probe { cadence: every(interval), runs, ..probe("r", &[], None) };
        let mut harness = Harness::new(vec![probe("d", &["r"], None), root]);
        harness.root_is_out("r/eu");
        harness.until(oldest * SECOND);
        harness.fails("d/eu", 0, 0);
        assert_eq!(harness.of("d/eu"), &by(&["r"]), "{interval}");
        harness.well("d/eu");
        harness.until(oldest * SECOND + 1);
        harness.fails("d/eu", 0, 0);
        assert_ne!(harness.of("d/eu"), &by(&["r"]), "{interval}");
    }
}

#[test]
fn needs_is_transitive() {
    let chain = || vec![probe("d", &["r"], None), probe("r", &["base"], None), probe("base", &[], None)];
    let mut harness = Harness::new(chain());
    harness.root_is_out("base/eu");
    harness.fails("d/eu", 0, 0);
    assert_eq!(harness.of("d/eu"), &by(&["base"]), "also where what is between them says nothing");
    // Where they have no keys in common what is between them carries it: it fails, and is explained, so nobody was told of it.
    let mut harness = Harness::new(vec![
        probe("d", &["r"], Some(("platform", &["ios"]))),
        probe("r", &["base"], None),
        probe("base", &[], Some(("platform", &["web"]))),
    ]);
    harness.root_is_out("base/eu/platform=web");
    harness.root_ran("r/eu", true, 0);
    harness.set_root_state("r/eu", FAILS);
    harness.fails("r/eu", 0, 0);
    harness.fails("d/eu/platform=ios", 0, 0);
    assert_eq!(harness.of("r/eu"), &by(&["base"]));
    assert_eq!(harness.of("d/eu/platform=ios"), &by(&["r"]));
    harness.until(SECOND);
    harness.root_ran("base/eu/platform=web", false, 0);
    assert_eq!(harness.of("d/eu/platform=ios"), &by(&["r"]), "it stays explained");
    harness.until(2 * SECOND);
    harness.fails("d/eu/platform=ios", 0, 0);
    harness.until(3 * SECOND);
    harness.fails("d/eu/platform=ios", 0, 0);
    assert_eq!(harness.of("d/eu/platform=ios"), &Explains::No, "but what lingers is no evidence for others");
}

#[test]
fn a_dependent_that_crosses_brings_the_roots_run_forward_and_waits_a_minute_for_it_at_most() {
    let mut harness = pair();
    harness.until(MINUTE);
    harness.fails("d/eu", 30 * SECOND, SECOND);
    assert_eq!(harness.of("d/eu"), &waiting(2 * MINUTE));
    assert_eq!(harness.asked(), [(MINUTE, "r/eu".to_owned())]);
    harness.until(2 * MINUTE - 1);
    assert_eq!(harness.of("d/eu"), &waiting(2 * MINUTE));
    harness.until(2 * MINUTE);
    assert_eq!(harness.of("d/eu"), &Explains::No);
    assert_eq!(harness.ended, [(2 * MINUTE, FactKey::Canary(id("d/eu")), ExplanationEnd::Wait)]);
}

#[test]
fn a_root_that_answers_ends_the_wait_and_one_that_fails_explains_when_somebody_was_told() {
    let mut harness = pair();
    harness.until(MINUTE);
    harness.fails("d/eu", 30 * SECOND, SECOND);
    harness.fails("d/us", 30 * SECOND, SECOND);
    harness.until(MINUTE + 2 * SECOND);
    harness.root_ran("r/eu", false, SECOND);
    assert_eq!(harness.of("d/eu"), &Explains::No, "it passed");
    harness.root_ran("r/us", true, SECOND);
    harness.set_root_state("r/us", FAILS);
    assert_eq!(harness.of("d/us"), &waiting(2 * MINUTE), "it failed, and the ring is on its way");
    harness.set_root_state("r/us", TOLD);
    assert_eq!(harness.of("d/us"), &by(&["r"]));
    assert_eq!(harness.asked().len(), 2, "one for each region");
}

#[test]
fn nobody_waits_for_a_root_that_is_muted_or_blocked_or_has_passed_since_or_does_not_run_there() {
    type Does = fn(&mut Harness);
    for (what, does, waits) in [
        ("nothing is known of it", (|_| {}) as Does, true),
        ("muted", |harness| harness.set_root_state("r/eu", MUTED), false),
        ("blocked", |harness| harness.roots.blocked(&id("r/eu"), at(0)), false),
        ("passed a run that started after the first failure", |harness| harness.root_ran("r/eu", false, 29 * SECOND), false),
        ("passed a run that started before it", |harness| harness.root_ran("r/eu", false, 31 * SECOND), true),
        ("failed a run that started after it", |harness| harness.root_ran("r/eu", true, 10 * SECOND), true),
        ("removed", |harness| harness.reload(vec![probe("d", &["r"], None)]), false),
    ] {
        let mut harness = pair();
        harness.until(MINUTE);
        does(&mut harness);
        harness.fails("d/eu", 30 * SECOND, SECOND);
        assert_eq!(harness.of("d/eu") == &waiting(2 * MINUTE), waits, "{what}");
        assert_eq!(harness.asked().len(), usize::from(waits), "{what}");
        assert!(harness.ended.is_empty(), "what did not wait has not waited in vain");
    }
}

#[test]
fn a_wait_ends_when_its_root_is_paused_or_blocked_meanwhile() {
    for blocked in [true, false] {
        let mut harness = pair();
        harness.until(MINUTE);
        harness.fails("d/eu", 30 * SECOND, SECOND);
        harness.until(MINUTE + SECOND);
        if blocked {
            harness.roots.blocked(&id("r/eu"), at(harness.millis));
            harness.settle_touched();
        } else {
            harness.set_root_state("r/eu", MUTED);
        }
        assert_eq!(harness.of("d/eu"), &Explains::No);
    }
}

#[test]
fn a_root_is_brought_forward_once_a_minute_whoever_wants_it_and_again_if_it_was_running() {
    let cells: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    let mut harness = Harness::new(vec![probe("d", &["r"], Some(("user", &cells))), probe("r", &[], None)]);
    harness.until(MINUTE);
    for cell in &cells {
        harness.fails(&format!("d/eu/user={cell}"), 30 * SECOND, SECOND);
    }
    assert_eq!(harness.asked(), [(MINUTE, "r/eu".to_owned())]);
    // It was running then, which began before anything failed: that run is no answer.
    harness.until(MINUTE + 5 * SECOND);
    harness.root_ran("r/eu", false, 40 * SECOND);
    assert_eq!(harness.asked(), [(MINUTE + 5 * SECOND, "r/eu".to_owned())]);
    harness.until(MINUTE + 6 * SECOND);
    harness.root_ran("r/eu", false, SECOND / 2);
    assert!(cells.iter().all(|cell| harness.of(&format!("d/eu/user={cell}")) == &Explains::No));
    // Another member that crosses soon after, and whose first failure came after that run began.
    harness.until(MINUTE + 20 * SECOND);
    harness.fails("d/eu/user=7", 0, 0);
    harness.well("d/eu/user=7");
    harness.fails("d/eu/user=7", MINUTE + 10 * SECOND, SECOND);
    assert_eq!(harness.asked(), []);
    harness.until(3 * MINUTE);
    assert_eq!(harness.asked(), [(2 * MINUTE + 5 * SECOND, "r/eu".to_owned())], "a minute after the last time");
}

#[test]
fn a_root_is_brought_forward_before_its_evidence_ages() {
    let root = Probe { cadence: crate::plan::Cadence::Every(Duration::from_hours(1)), ..probe("r", &[], None) };
    let mut harness = Harness::new(vec![probe("d", &["r"], None), root]);
    harness.root_is_out("r/eu");
    harness.fails("d/eu", 0, 0);
    let renew = 10 * MINUTE - 25 * SECOND;
    harness.until(renew - 1);
    assert_eq!(harness.asked(), []);
    harness.until(renew + 20 * SECOND);
    assert_eq!(harness.asked(), [(renew, "r/eu".to_owned())], "its deadline before evidence ages");
    harness.root_ran("r/eu", true, 20 * SECOND);
    harness.until(2 * renew + 19 * SECOND);
    assert_eq!(harness.asked(), []);
    assert_eq!(harness.of("d/eu"), &by(&["r"]));
    harness.until(2 * renew + 20 * SECOND);
    assert_eq!(harness.asked(), [(2 * renew + 20 * SECOND, "r/eu".to_owned())]);
    harness.set_root_state("r/eu", RootState { muted: true, ..TOLD });
    harness.until(30 * MINUTE);
    assert_eq!(harness.asked(), [], "what is paused has no runs");
    assert_eq!(harness.of("d/eu"), &by(&["r"]), "and evidence that aged is no failure");
}

#[test]
fn a_new_plan_touches_who_met_a_root_before() {
    let mut harness = pair();
    harness.root_is_out("r/eu");
    harness.fails("d/eu", 0, 0);
    harness.roots.apply(&plan(vec![probe("d", &[], None), probe("r", &[], None)]));
    assert_eq!(harness.roots.take_touched(), BTreeSet::from([FactKey::Canary(id("d/eu"))]));
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

    fn end(self, harness: &mut Harness) {
        match self {
            Self::Passed => harness.root_ran("r/eu", false, 0),
            Self::Aged => harness.until(harness.millis + 141 * SECOND),
            Self::NotTold => harness.set_root_state("r/eu", FAILS),
            Self::Removed => harness.reload(vec![probe("d", &["r"], None)]),
            Self::NotNeeded => harness.reload(vec![probe("d", &[], None), probe("r", &[], None)]),
        }
    }
}

#[test]
fn when_evidence_ends_in_whichever_way_it_stays_explained_until_runs_that_started_without_it_have_failed() {
    for way in Way::ALL {
        let mut harness = pair();
        harness.until(MINUTE);
        harness.root_is_out("r/eu");
        harness.fails("d/eu", 30 * SECOND, 0);
        way.end(&mut harness);
        assert_eq!(harness.of("d/eu"), &by(&["r"]), "{way:?}");
        let lost = harness.millis;
        harness.until(lost + SECOND);
        harness.fails("d/eu", 30 * SECOND, 2 * SECOND);
        harness.until(lost + 60 * MINUTE);
        harness.fails("d/eu", 30 * SECOND, SECOND);
        assert_eq!(harness.of("d/eu"), &by(&["r"]), "{way:?}: the first began while there was evidence, the other is one");
        harness.until(lost + 61 * MINUTE);
        harness.fails("d/eu", 30 * SECOND, SECOND);
        assert_eq!(harness.of("d/eu"), &Explains::No, "{way:?}");
        assert_eq!(harness.ended, [(lost + 61 * MINUTE, FactKey::Canary(id("d/eu")), ExplanationEnd::Explanation)]);
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
        let mut harness = Harness::new(vec![dependent, probe("r", &[], None)]);
        harness.root_is_out("r/eu");
        harness.fails("d/eu", 0, 0);
        harness.until(SECOND);
        harness.root_ran("r/eu", false, 0);
        for failure in 1..=enough {
            assert_eq!(harness.of("d/eu"), &by(&["r"]));
            harness.until(failure * MINUTE);
            harness.fails("d/eu", 0, 0);
        }
        assert_eq!(harness.of("d/eu"), &Explains::No, "{rule:?}");
    }
}

#[test]
fn evidence_that_returns_explains_again_and_keeps_the_count() {
    let mut harness = pair();
    harness.root_is_out("r/eu");
    harness.fails("d/eu", 0, 0);
    for minute in 1..=2 {
        harness.until(minute * MINUTE);
        harness.root_ran("r/eu", false, 0);
        harness.until(minute * MINUTE + SECOND);
        assert_eq!(harness.of("d/eu"), &by(&["r"]), "{minute}");
        harness.fails("d/eu", 0, 0);
        if minute == 1 {
            harness.root_is_out("r/eu");
            assert_eq!(harness.of("d/eu"), &by(&["r"]));
        }
    }
    assert_eq!(harness.of("d/eu"), &Explains::No, "a root that comes and goes hides nothing that fails without it");
    harness.root_is_out("r/eu");
    assert_eq!(harness.of("d/eu"), &by(&["r"]));
    harness.until(3 * MINUTE);
    harness.root_ran("r/eu", false, 0);
    assert_eq!(harness.of("d/eu"), &by(&["r"]), "the count is full, but it takes a failure of its own");
    harness.until(4 * MINUTE);
    harness.fails("d/eu", 0, 0);
    assert_eq!(harness.of("d/eu"), &Explains::No);
}

#[test]
fn a_run_that_started_without_evidence_counts_also_if_it_is_back_when_it_ends() {
    let mut harness = pair();
    harness.root_is_out("r/eu");
    harness.fails("d/eu", 0, 0);
    for minute in 1..=2 {
        harness.until(minute * MINUTE);
        harness.root_ran("r/eu", false, 0);
        harness.until(minute * MINUTE + 10 * SECOND);
        harness.root_is_out("r/eu");
        harness.until(minute * MINUTE + 15 * SECOND);
        harness.fails("d/eu", 0, 10 * SECOND);
        assert_eq!(harness.of("d/eu"), &by(&["r"]), "while there is evidence it is explained");
    }
    harness.until(3 * MINUTE);
    harness.root_ran("r/eu", false, 0);
    assert_eq!(harness.of("d/eu"), &by(&["r"]));
    harness.until(3 * MINUTE + SECOND);
    harness.fails("d/eu", 0, 0);
    assert_eq!(harness.of("d/eu"), &Explains::No, "the two before count");
}

#[test]
fn evidence_that_ended_and_came_back_before_anybody_looked_was_not_there_between() {
    let mut harness = pair();
    harness.until(SECOND);
    harness.root_is_out("r/eu");
    harness.fails("d/eu", 0, 0);
    let run = |failed, second| LastRun { failed, started: at(second * SECOND).steady, ended: at(second * SECOND).steady };
    harness.roots.ran(&id("r/eu"), run(false, 60), at(60 * SECOND));
    harness.roots.ran(&id("r/eu"), run(true, 70), at(70 * SECOND));
    harness.until(70 * SECOND);
    harness.settle_touched();
    harness.until(75 * SECOND);
    harness.fails("d/eu", 0, 10 * SECOND);
    harness.root_ran("r/eu", false, 0);
    assert_eq!(harness.of("d/eu"), &by(&["r"]));
    harness.until(80 * SECOND);
    harness.fails("d/eu", 0, SECOND);
    assert_eq!(harness.of("d/eu"), &Explains::No, "the second that started without evidence");
}

#[test]
fn one_that_was_well_begins_anew() {
    let mut harness = pair();
    harness.root_is_out("r/eu");
    harness.fails("d/eu", 0, 0);
    harness.until(SECOND);
    harness.root_ran("r/eu", false, 0);
    harness.until(2 * SECOND);
    harness.fails("d/eu", 0, 0);
    harness.well("d/eu");
    assert_eq!(harness.members[&FactKey::Canary(id("d/eu"))].1, Explanation::default());
    assert!(harness.roots.dependents("r").is_empty());
    harness.until(10 * SECOND);
    harness.root_is_out("r/eu");
    harness.fails("d/eu", 9 * SECOND, 0);
    harness.until(20 * SECOND);
    harness.root_ran("r/eu", false, 0);
    harness.until(21 * SECOND);
    harness.fails("d/eu", 9 * SECOND, 0);
    assert_eq!(harness.of("d/eu"), &by(&["r"]), "one failure without evidence, not two");
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
        let mut harness = pair();
        for root in out {
            harness.root_is_out(root);
        }
        let key = FactKey::Across("d".into());
        harness.put(Fact {
            state: State::Failing(Level::Page),
            shares: [("eu".into(), eu), ("us".into(), us)].into(),
            ..Fact::well(key.clone(), Scope::Probe("d".into()))
        });
        assert_eq!(harness.explains[&key] == by(&["r"]), explained, "{what}");
    }
}

#[test]
fn subjects_are_never_explained() {
    let mut harness = pair();
    harness.root_is_out("r/eu");
    let key = FactKey::Subject("d".into(), "segment 1".into());
    let scope = Scope::Subject("d".into(), "segment 1".into());
    harness.put(Fact { state: State::Failing(Level::Page), region: "eu".into(), ..Fact::well(key.clone(), scope) });
    assert_eq!(harness.explains[&key], Explains::No);
    assert_eq!(harness.asked(), []);
}

#[test]
fn what_is_kept_goes_on_in_another_process() {
    let mut harness = pair();
    harness.root_is_out("r/eu");
    harness.fails("d/eu", 0, 0);
    harness.until(SECOND);
    harness.root_ran("r/eu", false, 0);
    harness.until(2 * SECOND);
    harness.fails("d/eu", 0, 0);
    let key = FactKey::Canary(id("d/eu"));
    let kept = serde_json::to_string(&harness.members[&key].1).unwrap();
    let mut next = pair();
    next.millis = harness.millis;
    next.members.insert(key.clone(), (harness.members[&key].0.clone(), serde_json::from_str(&kept).unwrap()));
    assert_eq!(next.members[&key].1, harness.members[&key].1);
    next.judge(key.clone());
    assert_eq!(next.of("d/eu"), &by(&["r"]));
    next.until(3 * SECOND);
    next.fails("d/eu", 0, 0);
    assert_eq!(next.of("d/eu"), &Explains::No, "the failure in the earlier process counts");
    // One that ended while there was evidence, which aged while nobody was there.
    let mut harness = pair();
    harness.root_is_out("r/eu");
    harness.fails("d/eu", 0, 0);
    let kept = harness.members[&key].clone();
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
    let mut harness = Harness::new(vec![probe("d", &["r"], Some(("user", &cells))), probe("r", &[], None)]);
    harness.root_is_out("r/eu");
    for cell in &cells {
        harness.fails(&format!("d/eu/user={cell}"), 0, 0);
    }
    assert_eq!(harness.judged, 3_000);
    harness.until(MINUTE);
    harness.root_ran("r/eu", true, 0);
    assert_eq!(harness.judged, 3_000, "evidence goes on");
    harness.root_ran("r/eu", false, 0);
    assert_eq!(harness.judged, 6_000, "evidence ended");
    assert_eq!(harness.roots.dependents("r").len(), 3_000);
    // Both have 3,000 of the same cells: each meets one.
    let users = Some(("user", &cells[..]));
    let mut harness = Harness::new(vec![probe("d", &["r"], users), probe("r", &[], users)]);
    for cell in &cells {
        harness.fails(&format!("d/eu/user={cell}"), 0, 0);
    }
    let judged = harness.judged;
    harness.root_is_out("r/eu/user=7");
    assert_eq!(harness.of("d/eu/user=7"), &by(&["r"]));
    assert!(harness.judged <= judged + 2, "{} were judged for one canary", harness.judged - judged);
}
