//! Subjects: who pages where, who vanished, who is well again.

use std::num::NonZeroU32;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::alert::testing::{canary, cause, failure, made, moment, probe, run, step};
use crate::outcome::{Reason, StepReport, StepResult, Trigger};
use crate::plan::{AlertPolicy, Canary};

/// A probe with a list, a loop `loop` with subjects and perhaps a step after it, in two regions.
struct World {
    canaries: Vec<Arc<Canary>>,
    rule: SubjectRule,
    subjects: Subjects,
    order: u64,
}

fn world(alert: AlertPolicy, after_the_loop: bool) -> World {
    let mut steps = vec![step("list", false), step("loop", true)];
    if after_the_loop {
        steps.push(step("after", false));
    }
    let probe = Arc::new(probe(steps, alert));
    let rule = SubjectRule::of(&probe, &CanaryRule::of(&probe));
    let canaries = vec![canary(&probe, "eu"), canary(&probe, "us")];
    World { canaries, rule, subjects: Subjects::default(), order: 0 }
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

/// `own a crossed` and so on.
fn spelt(changes: &[SubjectChange]) -> Vec<String> {
    changes
        .iter()
        .map(|change| {
            let name = change.subject.as_deref().unwrap_or("(rest)");
            format!("{name} {:?} {:?}", change.place, change.change).to_lowercase()
        })
        .collect()
}

impl World {
    fn seen(&mut self, report: &RunReport, minute: u64) -> Vec<String> {
        let tell = |report: &RunReport, cause: &Cause| failure(report.canary.id.as_str(), cause);
        spelt(&self.subjects.seen(&self.rule, report, moment(minute * 60), tell))
    }

    /// The next run of a canary, a minute later, found these (separated by spaces).
    fn finds(&mut self, canary: usize, found: &str) -> Vec<String> {
        self.order += 1;
        let found: Vec<&str> = found.split_whitespace().collect();
        let report = finding(&self.canaries[canary], self.order, &found);
        self.seen(&report, self.order)
    }

    fn paging(&self, place: Place) -> Vec<&str> {
        self.subjects.paging(place).map(|name| &**name).collect()
    }
}

#[test]
fn a_subject_pages_at_its_first_failure_and_is_well_after_passes_over_two_intervals() {
    let mut world = world(AlertPolicy::default(), false);
    let changes: Vec<Vec<String>> =
        ["a b", "a! b", "a! b", "a b", "a b", "a! b", "a b", "a b", "a b", "a b"].map(|found| world.finds(0, found)).into();
    let expected: [&[&str]; 10] =
        [&[], &["a own crossed"], &["a own failed"], &[], &[], &["a own failed"], &[], &[], &["a own recovered"], &[]];
    assert_eq!(changes, expected);
    world.finds(0, "a b");
    assert_eq!(world.subjects.failing.len(), 0, "what is well takes no room");
}

#[test]
fn subject_after_is_how_often_it_must_fail_in_a_row() {
    let mut world = world(AlertPolicy { subject_after: number(2), ..AlertPolicy::default() }, false);
    assert_eq!(world.finds(0, "a!"), [""; 0]);
    assert_eq!(world.finds(0, "a"), [""; 0]);
    assert_eq!(world.finds(0, "a!"), [""; 0]);
    assert_eq!(world.finds(1, "a!"), [""; 0], "another canary's failure is in another row");
    assert_eq!(world.finds(0, "a!"), ["a own crossed"]);
}

#[test]
fn a_pass_seen_elsewhere_does_not_help_and_one_subject_has_one_page() {
    let mut world = world(AlertPolicy::default(), false);
    assert_eq!(world.finds(0, "a!"), ["a own crossed"]);
    assert_eq!(world.finds(1, "a!"), ["a own failed"], "it is on its page already");
    for _ in 0..10 {
        assert_eq!(world.finds(1, "a"), [""; 0]);
    }
    let sightings = world.subjects.sightings(Some("a"));
    assert_eq!(sightings.iter().map(|sighting| sighting.canary.as_str()).collect::<Vec<_>>(), ["p/eu"]);
    assert_eq!((sightings[0].since, sightings[0].failures), (moment(60).steady, 1));
    world.finds(0, "a");
    world.finds(0, "a");
    assert_eq!(world.finds(0, "a"), ["a own recovered"]);
}

#[test]
fn beyond_the_cap_they_share_a_summary_and_stay_in_it() {
    let mut world = world(AlertPolicy { max_subjects: number(2), ..AlertPolicy::default() }, false);
    assert_eq!(
        world.finds(0, "d! c! b! a!"),
        ["d own crossed", "c own crossed", "b summary crossed", "a summary crossed"],
        "in the order of the list"
    );
    for _ in 0..3 {
        world.finds(0, "d c! b! a!");
    }
    assert_eq!(world.paging(Place::Own), ["c"]);
    assert_eq!(world.paging(Place::Summary), ["a", "b"], "a place that became free moves nobody");
    assert_eq!(world.finds(0, "e! d c! b! a!")[0], "e own crossed");
    for _ in 0..2 {
        world.finds(0, "e! d c! b! a");
    }
    assert_eq!(world.finds(0, "e! d c! b! a").last().unwrap(), "a summary recovered");
}

#[test]
fn one_that_vanished_from_a_whole_loop_has_failed() {
    let mut world = world(AlertPolicy { subject_after: number(2), ..AlertPolicy::default() }, false);
    world.finds(0, "a b");
    assert_eq!(world.finds(1, "a"), [""; 0], "another canary never knew it");
    assert_eq!(world.finds(0, "a"), [""; 0]);
    assert_eq!(world.finds(0, "a"), ["b own crossed"]);
    assert!(world.subjects.failure(Some("b")).unwrap().message.contains("`b` is gone"));
    assert_eq!(world.finds(0, "a"), ["b own failed"], "for as long as it is away");
    world.finds(0, "b a");
    world.finds(0, "b a");
    assert_eq!(world.finds(0, "b a"), ["b own recovered"]);
}

#[test]
fn an_emptied_list_that_is_allowed_to_be_empty_is_a_failure_of_all() {
    let mut world = world(AlertPolicy { max_subjects: number(2), ..AlertPolicy::default() }, false);
    world.finds(0, "a b c");
    assert_eq!(world.finds(0, ""), ["a own crossed", "b own crossed", "c summary crossed"]);
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
        let mut world = world(AlertPolicy::default(), true);
        world.finds(0, "a b");
        let report = run(&world.canaries[0], 2, verdict, cause, rounds);
        let changes = world.seen(&report, 2);
        assert_eq!(changes.contains(&"b own crossed".to_owned()), missed, "{what}: {changes:?}");
    }
}

#[test]
fn a_failure_that_is_allowed_is_none() {
    let mut world = world(AlertPolicy::default(), false);
    let allowed = StepReport { allow_failure: true, ..round("a!") };
    let report = run(&world.canaries[0], 1, Verdict::Passed, None, vec![allowed]);
    assert_eq!(world.seen(&report, 1), [""; 0]);
}

#[test]
fn a_failure_of_the_probe_leaves_the_subjects_results_as_they_are() {
    let mut world = world(AlertPolicy::default(), false);
    let broke = cause(Reason::NotEvaluable, "loop", None);
    let report = run(&world.canaries[0], 1, Verdict::Failed, Some(broke), vec![round("a!"), round("b")]);
    assert_eq!(world.seen(&report, 1), ["a own crossed"]);
}

#[test]
fn runs_by_hand_do_not_count() {
    let mut world = world(AlertPolicy::default(), false);
    for trigger in [Trigger::Manual, Trigger::Test] {
        let report = RunReport { trigger, ..finding(&world.canaries[0], 1, &["a!", "b"]) };
        assert_eq!(world.seen(&report, 1), [""; 0]);
    }
    assert_eq!(world.subjects, Subjects::default());
}

#[test]
fn one_that_may_retire_leaves_its_page_when_it_is_gone() {
    let mut world = world(retiring(), false);
    assert_eq!(world.finds(0, "a! b"), ["a own crossed"]);
    assert_eq!(world.finds(0, "b"), ["a own recovered"]);
    assert_eq!(world.finds(0, "b"), [""; 0]);
    assert_eq!(world.subjects.failing.len(), 0);
}

#[test]
fn a_canary_that_is_removed_takes_back_what_it_alone_saw() {
    let mut world = world(AlertPolicy::default(), false);
    world.finds(0, "a! b!");
    world.finds(1, "b!");
    let eu = world.canaries[0].id.clone();
    assert_eq!(spelt(&world.subjects.forget(&eu)), ["a own recovered"]);
    assert_eq!(world.paging(Place::Own), ["b"]);
    let rows = world.subjects.take_changed("p", moment(300));
    assert!(rows.contains(&("p/eu".to_owned(), None)), "{rows:?}");
}

#[test]
fn a_late_run_misses_nobody_and_is_put_where_it_belongs() {
    let mut world = world(AlertPolicy { subject_after: number(2), ..AlertPolicy::default() }, false);
    let eu = Arc::clone(&world.canaries[0]);
    let feed = |world: &mut World, order, found: &[&str]| world.seen(&finding(&eu, order, found), 9);
    assert_eq!(feed(&mut world, 2, &["a", "new"]), [""; 0]);
    assert_eq!(feed(&mut world, 1, &["a!"]), [""; 0], "nobody had told it of `new`");
    assert_eq!(feed(&mut world, 3, &["a!", "new"]), [""; 0], "run 2 lies between the failures");
    assert_eq!(feed(&mut world, 4, &["a!", "new"]), ["a own crossed"]);
}

#[test]
fn beyond_what_is_tracked_they_are_as_one() {
    let mut world = world(AlertPolicy { max_subjects: number(1), ..AlertPolicy::default() }, false);
    let names: Vec<String> = (0..TRACKED + 10).map(|at| format!("s{at}")).collect();
    let all = |failing: &[usize]| {
        let spelt: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(at, name)| if failing.contains(&at) { format!("{name}!") } else { name.clone() })
            .collect();
        spelt.join(" ")
    };
    assert_eq!(world.finds(0, &all(&[TRACKED + 3, TRACKED + 5])), ["(rest) summary crossed"]);
    assert_eq!((world.subjects.untold(), world.subjects.names.len()), (10, TRACKED));
    assert_eq!(world.finds(0, &all(&[TRACKED + 5])), ["(rest) summary failed"]);
    assert_eq!(world.finds(0, &all(&[])), [""; 0]);
    assert_eq!(world.finds(0, &all(&[])), [""; 0]);
    assert_eq!(world.finds(0, &all(&[])), ["(rest) summary recovered"]);
    assert_eq!(world.subjects.sightings(None).len(), 0);
}

#[test]
fn names_that_are_new_in_each_run_do_not_use_up_the_room_of_a_probe_that_retires_them() {
    let mut world = world(retiring(), false);
    for generation in 0..4 {
        let names: Vec<String> = (0..TRACKED / 2).map(|at| format!("g{generation}-{at}")).collect();
        world.finds(0, &names.join(" "));
        assert_eq!(world.subjects.untold(), 0);
    }
    assert_eq!(world.finds(0, "x!"), ["x own crossed"]);
}

#[test]
fn a_very_long_name_is_cut() {
    let mut world = world(AlertPolicy::default(), false);
    world.finds(0, &format!("{}!", "é".repeat(100_000)));
    assert_eq!(world.paging(Place::Own)[0].chars().count(), 200);
}

#[test]
fn an_unchanged_probe_writes_nothing() {
    let mut world = world(AlertPolicy::default(), false);
    world.finds(0, "a b");
    assert_eq!(world.subjects.take_changed("p", moment(60)).len(), 1);
    world.finds(0, "a b");
    world.finds(0, "b a");
    assert_eq!(world.subjects.take_changed("p", moment(60)), []);
}

/// What is known by the plain reading: all results of each subject and canary, in order.
#[derive(Default)]
struct Reference {
    results: BTreeMap<(String, usize), Vec<(u64, bool)>>,
}

impl Reference {
    /// Whether one canary has a subject at page level.
    fn is_paging(results: &[(u64, bool)], rule: &SubjectRule) -> bool {
        let PageRule::Consecutive(after) = rule.course.rule else { unreachable!("subjects have no window") };
        let mut paging = false;
        for at in 0..results.len() {
            let row =
                |failed: bool| results[..=at].iter().rev().take_while(move |result| result.1 == failed).map(|result| result.0);
            paging |= row(true).count() >= after.get() as usize;
            let spans = row(false).last().is_some_and(|first| results[at].0 - first >= 2);
            if row(false).count() >= rule.course.resolve_after.get() as usize && spans {
                paging = false;
            }
        }
        paging
    }

    fn paging(&self, rule: &SubjectRule) -> BTreeSet<String> {
        let paging = self.results.iter().filter(|(_, results)| Self::is_paging(results, rule));
        paging.map(|((name, _), _)| name.clone()).collect()
    }
}

proptest! {
    #[test]
    fn subjects_at_page_level_agree_with_the_reference_also_over_restarts(
        runs in vec((0..2_usize, vec((any::<bool>(), any::<bool>()), 5), any::<bool>()), 0..40),
        after in 1..3_u32,
        most in 1..4_u32,
    ) {
        let alert = AlertPolicy { subject_after: number(after), max_subjects: number(most), ..AlertPolicy::default() };
        let mut world = world(alert, false);
        let mut reference = Reference::default();
        let mut stored: BTreeMap<String, String> = BTreeMap::new();
        let mut places: BTreeMap<String, bool> = BTreeMap::new();
        for ((of, subjects, restart), minute) in runs.into_iter().zip(1_u64..) {
            let now = moment(minute * 60);
            if restart {
                world.subjects = Subjects::default();
                for (key, json) in &stored {
                    world.subjects.restore("p", key, json, now).unwrap();
                }
                world.order = 0;
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
            world.order += 1;
            let names: Vec<&str> = found.iter().map(String::as_str).collect();
            let report = finding(&world.canaries[of], world.order, &names);
            let before: BTreeSet<String> = places.keys().cloned().collect();
            let changes = world.seen(&report, minute);
            let paging = reference.paging(&world.rule);
            let own = world.paging(Place::Own);
            let shown: BTreeSet<String> = own.iter().copied().chain(world.paging(Place::Summary)).map(str::to_owned).collect();
            prop_assert_eq!(&shown, &paging);
            prop_assert!(own.len() <= most as usize);
            for name in &paging {
                let is_own = own.contains(&name.as_str());
                prop_assert_eq!(*places.entry(name.clone()).or_insert(is_own), is_own, "{} stays on its page", name);
            }
            places.retain(|name, _| paging.contains(name));
            let told = |word: &str| -> BTreeSet<String> {
                let of_word = changes.iter().filter(|change| change.ends_with(word));
                of_word.map(|change| change.split(' ').next().unwrap().to_owned()).collect()
            };
            prop_assert_eq!(told("crossed"), &paging - &before);
            prop_assert_eq!(told("recovered"), &before - &paging);
            for (key, json) in world.subjects.take_changed("p", now) {
                match json {
                    Some(json) => stored.insert(key, json),
                    None => stored.remove(&key),
                };
            }
        }
    }
}
