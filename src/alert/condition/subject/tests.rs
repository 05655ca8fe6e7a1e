//! Subjects: who fails where, who vanished, who is well again.

use std::num::NonZeroU32;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::alert::Scope;
use crate::alert::condition::testing::{Harness, named, plan};
use crate::alert::condition::{Changed, Input};
use crate::alert::fact::Level;
use crate::alert::testing::{cause, made, moment, run, step};
use crate::outcome::{Cause, Reason, RunReport, StepReport, StepResult, Trigger};
use crate::plan::{AlertPolicy, Canary, Plan};

const PAGE: State = State::Failing(Level::Page);

/// A probe with a list, a loop `loop` with subjects and perhaps a step after it, in two regions.
struct Seen {
    harness: Harness,
    order: u64,
}

fn of(alert: AlertPolicy, after_the_loop: bool) -> Arc<Plan> {
    let mut steps = vec![step("list", false), step("loop", true)];
    if after_the_loop {
        steps.push(step("after", false));
    }
    plan(vec![Probe { steps: steps.into(), ..named("p", alert) }], &["eu", "us"], &[])
}

fn seen(alert: AlertPolicy, after_the_loop: bool) -> Seen {
    Seen { harness: Harness::new(of(alert, after_the_loop)), order: 0 }
}

fn retiring() -> AlertPolicy {
    AlertPolicy { subject_gone: SubjectGone::Retire, ..AlertPolicy::default() }
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// A round of the loop; `a!` failed.
fn round(spelt: &str) -> StepReport {
    let name = spelt.trim_end_matches('!');
    let failed = || StepResult::Failed(cause(Reason::Expectation, "loop", Some(name)));
    made("loop", Some(name), if name == spelt { StepResult::Passed } else { failed() })
}

/// A whole run that found these.
fn finding(canary: &Arc<Canary>, order: u64, found: &[&str]) -> RunReport {
    let failed = found.iter().any(|name| name.ends_with('!'));
    let (verdict, cause) =
        if failed { (Verdict::Failed, Some(cause(Reason::Subject, "loop", None))) } else { (Verdict::Passed, None) };
    run(canary, order, verdict, cause, found.iter().map(|name| round(name)).collect())
}

/// `own a fails` and so on, of subjects.
fn spelt(changes: &[Changed]) -> Vec<String> {
    let spell = |changed: &Changed| {
        let name = match &changed.key {
            FactKey::Subject(_, name) => name.to_string(),
            FactKey::OtherSubjects(_) => "(rest)".to_owned(),
            _ => return None,
        };
        let Some(fact) = &changed.fact else { return Some(format!("{name} removed")) };
        let own = if matches!(fact.scope, Scope::Subject(..)) { "own" } else { "shared" };
        let state = match fact.state {
            State::Well => "well",
            State::Suspect => "suspect",
            State::Failing(_) => "fails",
        };
        Some(format!("{name} {own} {state}"))
    };
    changes.iter().filter_map(spell).collect()
}

impl Seen {
    fn takes(&mut self, report: &RunReport, minute: u64) -> Vec<String> {
        spelt(&self.harness.take(Input::Run(report), minute * 60))
    }

    /// The next run of a canary, a minute later, found these (separated by spaces).
    fn finds(&mut self, canary: usize, found: &str) -> Vec<String> {
        self.order += 1;
        let found: Vec<&str> = found.split_whitespace().collect();
        let report = finding(&self.harness.plan.canaries[canary], self.order, &found);
        self.takes(&report, self.order)
    }

    fn fact(&self, name: &str) -> &Fact {
        &self.harness.facts[&FactKey::Subject("p".into(), name.into())]
    }

    fn failing(&self) -> Vec<String> {
        let facts = self.harness.facts.values().filter(|fact| fact.state == PAGE);
        facts
            .map(|fact| Changed { key: fact.key.clone(), fact: Some(Arc::clone(fact)) })
            .flat_map(|fact| spelt(&[fact]))
            .collect()
    }
}

#[test]
fn a_subject_fails_at_its_first_failure_and_is_well_after_passes_two_intervals_later() {
    let mut seen = seen(AlertPolicy::default(), false);
    let said: Vec<Vec<String>> =
        ["a b", "a! b", "a! b", "a b", "a! b", "a b", "a b", "a b"].map(|found| seen.finds(0, found)).into();
    let expected: [&[&str]; 8] =
        [&[], &["a own fails"], &["a own fails"], &["a own fails"], &["a own fails"], &["a own fails"], &["a own well"], &[]];
    assert_eq!(said, expected);
    assert_eq!(seen.harness.state(&seen.harness.canary_key(0)), State::Well, "the run counts as passed for its canary");
}

#[test]
fn subject_after_is_how_often_a_canary_must_see_it_fail_in_a_row() {
    let mut seen = seen(AlertPolicy { subject_after: number(2), ..AlertPolicy::default() }, false);
    assert_eq!(seen.finds(0, "a!"), ["a own suspect"]);
    assert_eq!(seen.finds(0, "a"), ["a own suspect"]);
    assert_eq!(seen.finds(0, "a!"), ["a own suspect"]);
    assert_eq!(seen.finds(1, "a!"), ["a own suspect"], "another canary's failure is in another row");
    assert_eq!(seen.finds(0, "a!"), ["a own fails"]);
}

#[test]
fn it_is_settled_when_every_canary_that_saw_it_fail_has_settled_on_it() {
    let mut seen = seen(AlertPolicy::default(), false);
    assert_eq!(seen.finds(0, "a!"), ["a own fails"]);
    assert_eq!(seen.finds(1, "a!"), ["a own fails"], "one fact, wherever it was seen");
    for _ in 0..3 {
        seen.finds(1, "a");
    }
    assert_eq!(seen.fact("a").state, PAGE, "what another canary sees does not help");
    let fact = seen.fact("a");
    assert_eq!((&*fact.region, fact.words.as_deref(), fact.failed), ("eu", Some("seen in eu"), 1));
    seen.finds(0, "a");
    assert_eq!(seen.finds(0, "a"), ["a own well"]);
}

#[test]
fn a_canary_that_is_only_suspicious_of_it_holds_it_open_too() {
    let mut seen = seen(AlertPolicy { subject_after: number(2), ..AlertPolicy::default() }, false);
    seen.finds(0, "a!");
    seen.finds(0, "a!");
    seen.finds(1, "a!");
    for _ in 0..3 {
        seen.finds(0, "a");
    }
    assert_eq!(seen.fact("a").state, PAGE, "us saw it fail and has not settled");
    seen.finds(1, "a");
    assert_eq!(seen.finds(1, "a"), ["a own well"]);
}

#[test]
fn where_it_was_seen_is_text() {
    let mut seen = seen(AlertPolicy::default(), false);
    seen.finds(0, "a!");
    seen.finds(1, "a!");
    let fact = seen.fact("a");
    assert_eq!((&*fact.region, fact.words.as_deref()), ("", Some("seen in eu, us")));
    assert_eq!((fact.since, fact.last_failed, fact.failed), (moment(60).steady, Some(moment(120).steady), 2));
    assert_eq!(fact.evidence.as_ref().unwrap().canary, "p/us", "the latest failed run");
}

#[test]
fn beyond_the_cap_they_share_a_scope_and_stay_in_it() {
    let mut seen = seen(AlertPolicy { max_subjects: number(2), ..AlertPolicy::default() }, false);
    assert_eq!(
        seen.finds(0, "d! c! b! a!"),
        ["d own fails", "c own fails", "b shared fails", "a shared fails"],
        "in the order of the list"
    );
    for _ in 0..2 {
        seen.finds(0, "d c! b! a!");
    }
    assert_eq!(seen.failing(), ["a shared fails", "b shared fails", "c own fails"], "a place that became free moves nobody");
    assert_eq!(seen.finds(0, "e! d c! b! a!")[0], "e own fails");
    seen.finds(0, "e! d c! b! a");
    assert_eq!(seen.finds(0, "e! d c! b! a").last().unwrap(), "a shared well");
}

#[test]
fn one_that_vanished_from_a_whole_loop_has_failed() {
    let mut seen = seen(AlertPolicy { subject_after: number(2), ..AlertPolicy::default() }, false);
    seen.finds(0, "a b");
    assert_eq!(seen.finds(1, "a"), [""; 0], "another canary never knew it");
    assert_eq!(seen.finds(0, "a"), ["b own suspect"]);
    assert_eq!(seen.finds(0, "a"), ["b own fails"]);
    assert!(seen.fact("b").evidence.as_ref().unwrap().message.contains("`b` is gone"));
    assert_eq!(seen.finds(0, "a"), ["b own fails"], "for as long as it is away");
    seen.finds(0, "b a");
    assert_eq!(seen.finds(0, "b a"), ["b own well"]);
}

#[test]
fn an_emptied_list_that_is_allowed_to_be_empty_is_a_failure_of_all() {
    let mut seen = seen(AlertPolicy { max_subjects: number(2), ..AlertPolicy::default() }, false);
    seen.finds(0, "a b c");
    assert_eq!(seen.finds(0, ""), ["a own fails", "b own fails", "c shared fails"]);
}

#[test]
fn only_a_run_that_went_through_the_loop_can_miss_somebody() {
    use StepResult::{Blocked, Failed, NotNeeded};
    let failed = |reason, step: &str, subject| (Verdict::Failed, Some(cause(reason, step, subject)));
    let cut = |reason| made("loop", Some("b"), Failed(cause(reason, "loop", Some("b"))));
    let before = || made("list", Some("x"), Failed(cause(Reason::Expectation, "list", Some("x"))));
    let behind = || made("after", None, Blocked(cause(Reason::Guard, "after", None)));
    let early = || made("list", None, Blocked(cause(Reason::Guard, "list", None)));
    let blocked = || made("loop", Some("b"), Blocked(cause(Reason::Guard, "loop", Some("b"))));
    // What the loop reported, how the run ended, whether the subject `b` is missed. `b` itself failed in none of them.
    let rows = [
        ("passed", vec![round("a")], (Verdict::Passed, None), true),
        ("another subject failed", vec![round("a!")], failed(Reason::Subject, "loop", None), true),
        ("failed after the loop", vec![round("a")], failed(Reason::Timeout, "after", None), true),
        ("subjects of a loop before it failed", vec![before(), round("a")], failed(Reason::Subject, "list", None), true),
        ("blocked behind it", vec![round("a!"), behind()], failed(Reason::Subject, "loop", None), true),
        ("blocked before it", vec![before(), early()], failed(Reason::Subject, "list", None), false),
        ("failed before the loop", Vec::new(), failed(Reason::Connect, "list", None), false),
        (
            "the list was empty",
            vec![made("loop", None, Failed(cause(Reason::Empty, "loop", None)))],
            failed(Reason::Empty, "loop", None),
            false,
        ),
        ("the deadline cut it", vec![round("a"), cut(Reason::Deadline)], failed(Reason::Deadline, "loop", Some("b")), false),
        ("the loop broke", vec![round("a")], failed(Reason::NotEvaluable, "loop", None), false),
        ("a secret was missing", vec![round("a!"), cut(Reason::Secret)], failed(Reason::Subject, "loop", None), false),
        ("blocked", vec![round("a!"), blocked()], failed(Reason::Subject, "loop", None), false),
        ("`when` left one out", vec![round("a"), made("loop", None, NotNeeded)], (Verdict::Passed, None), false),
        ("errored", vec![round("a")], (Verdict::Errored, Some(cause(Reason::Stall, "loop", None))), false),
        ("skipped", Vec::new(), (Verdict::Skipped, Some(cause(Reason::Paused, "loop", None))), false),
        ("missed", Vec::new(), (Verdict::Missed, Some(cause(Reason::Overload, "loop", None))), false),
    ];
    for (what, rounds, (verdict, cause), missed) in rows {
        let mut seen = seen(AlertPolicy::default(), true);
        seen.finds(0, "a b");
        let report = run(&seen.harness.plan.canaries[0], 2, verdict, cause, rounds);
        let said = seen.takes(&report, 2);
        assert_eq!(said.contains(&"b own fails".to_owned()), missed, "{what}: {said:?}");
    }
}

#[test]
fn a_failure_that_is_allowed_is_none() {
    let mut seen = seen(AlertPolicy::default(), false);
    let allowed = StepReport { allow_failure: true, ..round("a!") };
    let report = run(&seen.harness.plan.canaries[0], 1, Verdict::Passed, None, vec![allowed]);
    assert_eq!(seen.takes(&report, 1), [""; 0]);
}

#[test]
fn a_failure_of_the_probe_leaves_the_subjects_results_as_they_are() {
    let mut seen = seen(AlertPolicy::default(), false);
    let broke: Cause = cause(Reason::NotEvaluable, "loop", None);
    let report = run(&seen.harness.plan.canaries[0], 1, Verdict::Failed, Some(broke), vec![round("a!"), round("b")]);
    assert_eq!(seen.takes(&report, 1), ["a own fails"]);
    assert_eq!(seen.harness.state(&seen.harness.canary_key(0)), State::Suspect);
}

#[test]
fn runs_by_hand_do_not_count() {
    let mut seen = seen(AlertPolicy::default(), false);
    for trigger in [Trigger::Manual, Trigger::Test] {
        let report = RunReport { trigger, ..finding(&seen.harness.plan.canaries[0], 1, &["a!", "b"]) };
        assert_eq!(seen.takes(&report, 1), [""; 0]);
    }
    assert!(seen.harness.store.is_empty());
}

#[test]
fn one_that_may_retire_is_well_when_it_is_gone() {
    let mut seen = seen(retiring(), false);
    assert_eq!(seen.finds(0, "a! b"), ["a own fails"]);
    assert_eq!(seen.finds(0, "b"), ["a own well"]);
    assert_eq!(seen.finds(0, "b"), [""; 0]);
}

#[test]
fn a_canary_that_is_removed_takes_back_what_it_alone_saw() {
    let mut seen = seen(AlertPolicy::default(), false);
    seen.finds(0, "a! b!");
    seen.finds(1, "b!");
    let steps = vec![step("list", false), step("loop", true)];
    let less = plan(vec![Probe { steps: steps.into(), ..named("p", AlertPolicy::default()) }], &["us"], &[]);
    let changed = seen.harness.apply(less, 300);
    assert!(spelt(&changed).contains(&"a own well".to_owned()), "{changed:?}");
    assert_eq!(seen.failing(), ["b own fails"]);
    seen.harness.clock(400);
    assert!(!seen.harness.store.contains_key(&("subject".to_owned(), "p/eu".to_owned())), "nor is its list kept");
}

#[test]
fn subjects_of_a_probe_that_is_removed_are_not_watched_any_more() {
    let mut seen = seen(AlertPolicy::default(), false);
    seen.finds(0, "a!");
    assert_eq!(spelt(&seen.harness.apply(plan(Vec::new(), &["eu", "us"], &[]), 300)), ["a removed"]);
}

#[test]
fn what_is_closed_is_well_and_begins_anew() {
    let mut seen = seen(AlertPolicy::default(), false);
    seen.finds(0, "a! b!");
    let closed = seen.harness.conditions.close(&[FactKey::Subject("p".into(), "a".into())], moment(90));
    assert_eq!(spelt(&closed), ["a own well"]);
}

#[test]
fn a_late_run_misses_nobody_and_is_put_where_it_belongs() {
    let mut seen = seen(AlertPolicy { subject_after: number(2), ..AlertPolicy::default() }, false);
    let eu = Arc::clone(&seen.harness.plan.canaries[0]);
    let feed = |seen: &mut Seen, order, found: &[&str]| seen.takes(&finding(&eu, order, found), 9);
    assert_eq!(feed(&mut seen, 2, &["a", "new"]), [""; 0]);
    assert_eq!(feed(&mut seen, 1, &["a!"]), ["a own suspect"], "nobody had told it of `new`");
    assert_eq!(feed(&mut seen, 3, &["a!", "new"]), ["a own suspect"], "run 2 lies between the failures");
    assert_eq!(feed(&mut seen, 4, &["a!", "new"]), ["a own fails"]);
}

#[test]
fn beyond_what_is_tracked_they_are_as_one() {
    let mut seen = seen(AlertPolicy { max_subjects: number(1), ..AlertPolicy::default() }, false);
    let names: Vec<String> = (0..TRACKED + 10).map(|at| format!("s{at}")).collect();
    let all = |failing: &[usize]| {
        let spell = |(at, name): (usize, &String)| if failing.contains(&at) { format!("{name}!") } else { name.clone() };
        names.iter().enumerate().map(spell).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(seen.finds(0, &all(&[TRACKED + 3, TRACKED + 5])), ["(rest) shared fails"]);
    let fact = &seen.harness.facts[&FactKey::OtherSubjects("p".into())];
    assert_eq!(fact.words.as_deref(), Some("of 10 subjects that are not told apart, seen in eu"));
    assert_eq!(seen.finds(0, &all(&[TRACKED + 5])), ["(rest) shared fails"]);
    assert_eq!(seen.finds(0, &all(&[])), ["(rest) shared fails"]);
    assert_eq!(seen.finds(0, &all(&[])), ["(rest) shared well"]);
}

#[test]
fn names_that_are_new_in_each_run_do_not_use_up_the_room_of_a_probe_that_retires_them() {
    let mut seen = seen(retiring(), false);
    for generation in 0..4 {
        let names: Vec<String> = (0..TRACKED / 2).map(|at| format!("g{generation}-{at}")).collect();
        seen.finds(0, &names.join(" "));
    }
    assert_eq!(seen.finds(0, "x!"), ["x own fails"]);
}

#[test]
fn a_name_that_is_too_long_for_a_key_is_cut_and_kept_apart_from_others() {
    let mut seen = seen(AlertPolicy::default(), false);
    let long = "é".repeat(100_000);
    seen.finds(0, &format!("{long}! {long}x!"));
    let names: BTreeSet<usize> = seen.harness.facts.keys().map(|key| key.to_string().chars().count()).collect();
    assert!(seen.harness.facts.len() == 2 && names.iter().all(|letters| *letters < 140), "{names:?}");
    assert_eq!(
        FactKey::try_from(seen.harness.facts.keys().next().unwrap().to_string()).unwrap(),
        *seen.harness.facts.keys().next().unwrap()
    );
}

#[test]
fn an_unchanged_probe_writes_nothing() {
    let mut seen = seen(AlertPolicy::default(), false);
    seen.finds(0, "a b");
    let store = seen.harness.store.clone();
    assert!(store.contains_key(&("subject".to_owned(), "p/eu".to_owned())));
    seen.finds(0, "a b");
    seen.finds(0, "b a");
    assert_eq!(seen.harness.store, store);
}

/// The reference: all results of each subject and canary, in order.
#[derive(Default)]
struct Reference {
    results: BTreeMap<(String, usize), Vec<(u64, bool)>>,
}

impl Reference {
    /// How one canary sees a subject.
    fn state(results: &[(u64, bool)], after: u32) -> State {
        let (mut suspect, mut failing, mut last_failed) = (false, false, 0);
        for (at, &(minute, failed)) in results.iter().enumerate() {
            let row = |failed: bool| results[..=at].iter().rev().take_while(move |result| result.1 == failed).count();
            if failed {
                (suspect, last_failed) = (true, minute);
            }
            failing |= row(true) >= after as usize;
            if row(false) >= 2 && minute - last_failed >= 2 {
                (suspect, failing) = (false, false);
            }
        }
        if failing {
            PAGE
        } else if suspect {
            State::Suspect
        } else {
            State::Well
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn subjects_agree_with_the_reference_also_over_restarts(
        runs in vec((0..2_usize, vec((any::<bool>(), any::<bool>()), 5), any::<bool>()), 0..40),
        after in 1..3_u32,
        most in 1..4_u32,
    ) {
        let alert = AlertPolicy { subject_after: number(after), max_subjects: number(most), ..AlertPolicy::default() };
        let mut seen = seen(alert, false);
        let mut reference = Reference::default();
        let (mut latched, mut places): (BTreeSet<String>, BTreeMap<String, bool>) = Default::default();
        for ((of, subjects, restart), minute) in runs.into_iter().zip(1_u64..) {
            if restart {
                seen.harness.restart(minute * 60);
                seen.order = 0;
            }
            // Each is present or not, and failed or not; who was there before and is not has failed.
            let mut found = Vec::new();
            for (name, (present, failed)) in ["a", "b", "c", "d", "e"].into_iter().zip(subjects) {
                let results = reference.results.entry((name.to_owned(), of)).or_default();
                if present {
                    found.push(if failed { format!("{name}!") } else { name.to_owned() });
                }
                if present || !results.is_empty() {
                    results.push((minute, failed || !present));
                }
            }
            seen.order += 1;
            let names: Vec<&str> = found.iter().map(String::as_str).collect();
            let report = finding(&seen.harness.plan.canaries[of], seen.order, &names);
            seen.takes(&report, minute);
            let mut expected = BTreeMap::new();
            for name in ["a", "b", "c", "d", "e"] {
                let states = [0, 1].map(|of| {
                    reference.results.get(&(name.to_owned(), of)).map_or(State::Well, |results| Reference::state(results, after))
                });
                // Once one has it failing, it fails until every one that saw it fail has settled.
                if states.contains(&PAGE) {
                    latched.insert(name.to_owned());
                } else if states == [State::Well; 2] {
                    latched.remove(name);
                }
                if states != [State::Well; 2] {
                    expected.insert(name.to_owned(), if latched.contains(name) { PAGE } else { State::Suspect });
                }
            }
            let subjects = seen.harness.facts.iter().filter_map(|(key, fact)| match key {
                FactKey::Subject(_, name) => Some((name.to_string(), fact)),
                _ => None,
            });
            let subjects: BTreeMap<String, &Arc<Fact>> = subjects.collect();
            let said: BTreeMap<String, State> = subjects.iter().map(|(name, fact)| (name.clone(), fact.state)).collect();
            prop_assert_eq!(&said, &expected);
            let own = |fact: &Fact| matches!(fact.scope, Scope::Subject(..));
            let failing = || subjects.iter().filter(|(_, fact)| fact.state == PAGE);
            prop_assert!(failing().filter(|(_, fact)| own(fact)).count() <= most as usize);
            for (name, fact) in failing() {
                prop_assert_eq!(*places.entry(name.clone()).or_insert(own(fact)), own(fact), "{} stays in its scope", name);
            }
            places.retain(|name, _| subjects.get(name).is_some_and(|fact| fact.state == PAGE));
        }
    }
}
