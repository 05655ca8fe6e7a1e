//! One row a rule.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::super::*;
use crate::alert::testing::{canary, cause, failure, made, moment, probe, run, step};
use crate::outcome::{Cause, Reason, SpanId, StepReport, StepResult};
use crate::plan::{AlertPolicy, Cadence, Overlap, PageRule, Probe};

pub(super) fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

pub(super) fn rule(rule: PageRule) -> CanaryRule {
    CanaryRule {
        rule,
        resolve_after: number(2),
        interval: Duration::from_mins(1),
        memory: Duration::from_hours(1),
        late_by: Duration::from_secs(110),
        overlapping: 4,
    }
}

fn two_in_a_row() -> CanaryRule {
    rule(PageRule::Consecutive(number(2)))
}

fn four_of_ten() -> CanaryRule {
    rule(PageRule::Window { failures: number(4), of: number(10) })
}

fn seen(verdict: Verdict, reason: Option<Reason>, order: u64) -> Seen {
    let count = match verdict {
        Verdict::Passed => Count::Pass,
        Verdict::Failed if reason == Some(Reason::Subject) => Count::Result,
        Verdict::Failed => Count::Failure,
        Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => Count::NoResult,
    };
    let failure = (count == Count::Failure).then(|| Arc::new(failure("p/eu", &cause(Reason::Expectation, "s", None))));
    Seen { verdict, reason, count, order, age: Duration::ZERO, failure }
}

/// Runs, one a minute from minute 1: P(assed), F(ailed), S(ubjects only), E(rrored), M(issed), B(locked), K (skipped), O(verlap),
/// `.` for a minute without a run. Gives the state, the last change, and the moment of the last run.
fn after(rule: &CanaryRule, runs: &str) -> (CanaryState, Change, Moment) {
    let mut state = CanaryState::new(moment(0));
    let mut change = Change::Nothing;
    let mut now = moment(0);
    for (minute, letter) in (1..).zip(runs.chars()) {
        let (verdict, reason) = match letter {
            'P' => (Verdict::Passed, None),
            'F' => (Verdict::Failed, Some(Reason::Expectation)),
            'S' => (Verdict::Failed, Some(Reason::Subject)),
            'E' => (Verdict::Errored, Some(Reason::SelfCheck)),
            'M' => (Verdict::Missed, Some(Reason::Overload)),
            'O' => (Verdict::Missed, Some(Reason::Overlap)),
            'B' => (Verdict::Blocked, Some(Reason::Guard)),
            'K' => (Verdict::Skipped, Some(Reason::Paused)),
            _ => continue,
        };
        now = moment(minute * 60);
        change = state.seen(rule, seen(verdict, reason, minute), now);
    }
    (state, change, now)
}

#[test]
fn the_verdict_table_decides_what_each_ending_does_in_each_state() {
    use Change::{Crossed, Failed, Nothing, Recovered};
    // Runs so far, the next one, what it changes, failures in a row, page level.
    for (runs, next, change, failures, paging) in [
        // A new canary.
        ("", 'P', Nothing, 0, false),
        ("", 'F', Failed, 1, false),
        ("", 'S', Nothing, 0, false),
        ("", 'E', Nothing, 0, false),
        ("", 'M', Nothing, 0, false),
        ("", 'B', Nothing, 0, false),
        ("", 'K', Nothing, 0, false),
        // One failure.
        ("F", 'P', Nothing, 0, false),
        ("F", 'F', Crossed, 2, true),
        ("F", 'S', Nothing, 1, false),
        ("F", 'E', Nothing, 1, false),
        ("F", 'M', Nothing, 1, false),
        ("F", 'B', Nothing, 1, false),
        ("F", 'K', Nothing, 1, false),
        // What neither counts nor resets lies between the two failures.
        ("FE", 'F', Crossed, 2, true),
        ("FMBKS", 'F', Crossed, 2, true),
        ("FP", 'F', Failed, 1, false),
        // At page level.
        ("FF", 'F', Failed, 3, true),
        ("FF", 'P', Nothing, 0, true),
        ("FF", 'S', Nothing, 2, true),
        ("FF", 'E', Nothing, 2, true),
        ("FF", 'M', Nothing, 2, true),
        ("FF", 'B', Nothing, 2, true),
        ("FF", 'K', Nothing, 2, true),
        // At page level, with passes: two of them span one interval, three span two.
        ("FFP", 'P', Nothing, 0, true),
        ("FFPP", 'P', Recovered, 0, false),
        ("FFPP", 'F', Failed, 1, true),
        ("FFPP", 'E', Nothing, 0, true),
        ("FFPP", 'K', Nothing, 0, true),
        ("FFPPF", 'P', Nothing, 0, true),
        ("FFPEMBKS", 'P', Recovered, 0, false),
        ("FFPPP", 'F', Failed, 1, false),
        ("FFPPPF", 'F', Crossed, 2, true),
        // Silence and what is not counted never make it well.
        ("FFKKKKKKKK", 'K', Nothing, 2, true),
        ("FFEEEEEEEE", 'E', Nothing, 2, true),
    ] {
        let (state, seen, _) = after(&two_in_a_row(), &format!("{runs}{next}"));
        assert_eq!((seen, state.failures(), state.is_paging()), (change, failures, paging), "{runs} then {next}");
    }
}

#[test]
fn a_window_pages_when_so_many_of_the_last_runs_failed() {
    for (runs, change) in [
        ("FPPFPPFPPF", Change::Crossed),
        ("FPPFPPFPPPF", Change::Failed),
        ("FPEPFPMPFPBPF", Change::Crossed),
        ("FFFF", Change::Crossed),
        ("FFF", Change::Failed),
        // After a recovery the window begins anew: one blip does not page again for what is over.
        ("FFFFPPPF", Change::Failed),
        ("FFFFPPPFFF", Change::Failed),
        ("FFFFPPPFFFF", Change::Crossed),
    ] {
        assert_eq!(after(&four_of_ten(), runs).1, change, "{runs}");
    }
}

#[test]
fn it_fails_since_the_first_failure_of_the_present_row_or_window() {
    for (rule, runs, minute) in [
        (two_in_a_row(), "PPF", Some(3)),
        (two_in_a_row(), "FPFF", Some(3)),
        (two_in_a_row(), "FPFFF", Some(3)),
        (two_in_a_row(), "FFPP", Some(1)),
        (two_in_a_row(), "FFPPF", Some(1)),
        (two_in_a_row(), "FFPPP", None),
        (two_in_a_row(), "FP", None),
        (four_of_ten(), "PFPPFPFF", Some(2)),
        (four_of_ten(), "FPFFFPFPFPFPFPFPF", Some(1)),
        (four_of_ten(), "FPPPPPPPPPF", Some(11)),
    ] {
        let (state, _, _) = after(&rule, runs);
        assert_eq!(state.failing_since(), minute.map(|minute| moment(minute * 60).steady), "{runs}");
    }
}

#[test]
fn a_streak_is_forgotten_after_its_memory_and_page_level_is_not() {
    let silence = |minutes: usize| ".".repeat(minutes);
    for (runs, change, failures, paging) in [
        (format!("F{}F", silence(59)), Change::Crossed, 2, true),
        (format!("F{}F", silence(60)), Change::Failed, 1, false),
        (format!("F{}F", "E".repeat(60)), Change::Failed, 1, false),
        (format!("FF{}P", silence(200)), Change::Nothing, 0, true),
        // Passes on both sides of such a silence are not in a row.
        (format!("FFP{}P", silence(200)), Change::Nothing, 0, true),
        (format!("FFP{}PPP", silence(200)), Change::Recovered, 0, false),
    ] {
        let (state, seen, _) = after(&two_in_a_row(), &runs);
        assert_eq!((seen, state.failures(), state.is_paging()), (change, failures, paging), "{runs}");
    }
    let (state, _, now) = after(&two_in_a_row(), "F");
    let later = |minutes: u64| Moment { steady: now.steady + Duration::from_mins(minutes), ..now };
    assert_eq!(state.standing(&two_in_a_row(), later(60)), Standing::Failing(1));
    assert_eq!(state.standing(&two_in_a_row(), later(61)), Standing::Unknown);
    assert_eq!(after(&two_in_a_row(), "FP").0.standing(&two_in_a_row(), now), Standing::Passing);
    assert_eq!(CanaryState::new(now).standing(&two_in_a_row(), now), Standing::Unknown);
}

#[test]
fn several_runs_an_interval_do_not_resolve_before_two_intervals_have_gone_by() {
    let rule = two_in_a_row();
    let (mut state, _, now) = after(&rule, "FF");
    let changes: Vec<Change> = (1..=7)
        .map(|at| {
            let now = Moment { steady: now.steady + Duration::from_secs(20 * at), ..now };
            state.seen(&rule, seen(Verdict::Passed, None, 10 + at), now)
        })
        .collect();
    assert_eq!(changes, [[Change::Nothing; 6].as_slice(), &[Change::Recovered]].concat());
}

#[test]
fn a_late_result_takes_its_ticks_place() {
    use Change::{Crossed, Failed, Nothing};
    use Verdict::{Failed as F, Passed as P};
    let rule = two_in_a_row();
    let feed = |orders: &[(u64, Verdict)]| -> (Vec<Change>, u32) {
        let mut state = CanaryState::new(moment(0));
        let changes =
            orders.iter().map(|&(order, verdict)| state.seen(&rule, seen(verdict, None, order), moment(order * 60))).collect();
        (changes, state.failures())
    };
    assert_eq!(feed(&[(2, P), (1, F)]), (vec![Nothing, Failed], 0));
    assert_eq!(feed(&[(2, F), (1, F)]), (vec![Failed, Crossed], 2));
    assert_eq!(feed(&[(1, F), (3, P), (2, F)]), (vec![Failed, Nothing, Crossed], 0), "two in a row, though one came late");
    assert_eq!(feed(&[(1, F), (3, F), (2, P)]), (vec![Failed, Crossed, Nothing], 1), "what was paged is not taken back");
    assert_eq!(feed(&[(1, F), (1, F)]), (vec![Failed, Nothing], 1), "a tick counts once");
}

/// Seen at second `end`, having started at `start`.
fn ended(order: u64, verdict: Verdict, start: u64, end: u64) -> (Seen, Moment) {
    (Seen { age: Duration::from_secs(end - start), ..seen(verdict, None, order) }, moment(end))
}

#[test]
fn every_hung_run_counts_however_many_ended_before_it() {
    // One a second; every third hangs for the deadline of five minutes while the others pass at once: 100 are under way at a time.
    let slow = Probe {
        cadence: Cadence::Every(Duration::from_secs(1)),
        overlap: Overlap::Allow,
        deadline: Duration::from_mins(5),
        ..probe(Vec::new(), AlertPolicy::default())
    };
    let rule = CanaryRule { rule: PageRule::Window { failures: number(2), of: number(4) }, ..CanaryRule::of(&slow) };
    let mut state = CanaryState::new(moment(0));
    let runs = (1..=600_u64).map(|order| if order % 3 == 0 { (order, order + 300) } else { (order, order) });
    let mut runs: Vec<(u64, u64)> = runs.collect();
    runs.sort_by_key(|(order, end)| (*end, *order));
    let (mut failed, mut paged) = (0, 0);
    for (order, end) in runs {
        let verdict = if end > order { Verdict::Failed } else { Verdict::Passed };
        let (seen, now) = ended(order, verdict, order, end);
        let change = state.seen(&rule, seen, now);
        if verdict == Verdict::Failed {
            failed += 1;
            paged += u32::from(change == Change::Crossed);
            assert!(matches!(change, Change::Failed | Change::Crossed), "run {order}: {change:?}");
            assert!(paged > 0 || failed < 2, "two of four failed and nobody is told");
        }
    }
    assert_eq!(failed, 200);
}

#[test]
fn a_failure_that_comes_after_its_place_was_settled_counts_as_the_newest_run_and_a_pass_does_not() {
    let rule = two_in_a_row();
    let long_after = |late: Verdict| {
        let mut state = CanaryState::new(moment(0));
        for order in 2..10 {
            let (seen, now) = ended(order, Verdict::Passed, order * 60, order * 60);
            state.seen(&rule, seen, now);
        }
        let (seen, now) = ended(1, late, 60, 600);
        state.seen(&rule, seen, now);
        let (seen, now) = ended(10, Verdict::Failed, 600, 601);
        (state.seen(&rule, seen, now), state.failures())
    };
    assert_eq!(long_after(Verdict::Failed), (Change::Crossed, 2));
    assert_eq!(long_after(Verdict::Passed), (Change::Failed, 1));
}

#[test]
fn the_latest_failure_is_that_of_the_newest_tick_and_goes_when_it_is_well() {
    let rule = two_in_a_row();
    let mut state = CanaryState::new(moment(0));
    for (order, message) in [(2, "newer"), (1, "older")] {
        let cause = Cause { message: message.to_owned(), ..cause(Reason::Timeout, "s", None) };
        let failure = Some(Arc::new(failure("p/eu", &cause)));
        state.seen(&rule, Seen { failure, ..seen(Verdict::Failed, None, order) }, moment(120));
    }
    assert_eq!(state.failure().unwrap().message, "newer");
    for order in 3..6 {
        state.seen(&rule, seen(Verdict::Passed, None, order), moment(order * 60));
    }
    assert_eq!(state.failure(), None);
}

#[test]
fn the_clock_shows_how_long_there_was_no_counted_run() {
    // Letters as above, one a minute; what it shows at the last one, minutes.
    for (runs, shows, stands) in [
        ("P", 0, false),
        ("F", 0, false),
        ("S", 0, false),
        ("PEEE", 3, false),
        ("PMMM", 3, false),
        ("PBBB", 3, false),
        ("PEEP", 0, false),
        ("PEK", 2, true),
        ("PEKKKK", 2, true),
        ("PEKKKKE", 2, false),
        ("PEKKKKEEE", 4, false),
        ("PKKKKP", 0, false),
        ("KKKK", 1, true),
    ] {
        let (state, _, now) = after(&two_in_a_row(), runs);
        assert_eq!(state.clock().shows(now.steady), Duration::from_mins(shows), "{runs}");
        assert_eq!(state.clock().due(patience()).is_none(), stands, "{runs}");
    }
}

fn patience() -> Patience {
    let minutes = Duration::from_mins;
    Patience { limit: minutes(5), run: minutes(20), interval: minutes(1) }
}

#[test]
fn ticks_that_wait_for_a_run_do_not_let_time_run_out_before_that_run_can_have_ended() {
    let due = |runs: &str| after(&two_in_a_row(), runs).0.clock().due(patience()).map(|due| due.saturating_sub(moment(0).steady));
    assert_eq!(due("P"), Some(Duration::from_mins(1 + 5)));
    assert_eq!(due("POOO"), Some(Duration::from_mins(2 + 20)), "its bound counts from the first tick that waits");
    assert_eq!(due("POOOF"), Some(Duration::from_mins(5 + 5)), "it failed, which is a result");
    assert_eq!(due("POOOE"), Some(Duration::from_mins(1 + 5)), "it was none: the clock ran on");
    assert_eq!(due("PMMM"), Some(Duration::from_mins(1 + 5)));
}

#[test]
fn runs_by_hand_and_by_test_change_nothing() {
    let canary = canary(&Arc::new(probe(Vec::new(), AlertPolicy::default())), "eu");
    let rule = two_in_a_row();
    for trigger in [Trigger::Manual, Trigger::Test] {
        for verdict in Verdict::ALL {
            let (mut state, _, now) = after(&rule, "FFP");
            let before = state.clone();
            let report = RunReport { trigger, ..run(&canary, 9, verdict, None, Vec::new()) };
            assert_eq!(state.seen(&rule, Seen::of(&report, None), now), Change::Nothing);
            assert_eq!(state, before, "{trigger:?} {verdict}");
        }
    }
}

#[test]
fn a_run_of_which_only_subjects_failed_is_no_failure_of_the_probe() {
    let failed = |reason, subject| StepResult::Failed(cause(reason, "loop", subject));
    let subject = || made("loop", Some("a"), failed(Reason::Expectation, Some("a")));
    let otherwise = || made("beside", None, failed(Reason::Timeout, None));
    let allowed = || StepReport { allow_failure: true, ..otherwise() };
    let group = || StepReport { span_id: SpanId(7), ..allowed() };
    let blocked = || made("after", None, StepResult::Blocked(cause(Reason::Guard, "after", None)));
    let steps = |last: bool| if last { vec![step("loop", true)] } else { vec![step("loop", true), step("after", false)] };
    for (reason, steps, reports, count) in [
        (Reason::Subject, steps(true), vec![subject()], Count::Pass),
        (Reason::Subject, steps(false), vec![subject()], Count::Pass),
        (Reason::Subject, steps(true), vec![subject(), allowed()], Count::Pass),
        (
            Reason::Subject,
            steps(true),
            vec![subject(), StepReport { parent: Some(SpanId(7)), ..otherwise() }, group()],
            Count::Pass,
        ),
        (Reason::Subject, steps(true), vec![subject(), blocked()], Count::Result),
        (Reason::Subject, steps(true), vec![subject(), made("after", None, failed(Reason::Secret, None))], Count::Result),
        (Reason::Subject, steps(true), vec![subject(), made("loop", Some("b"), failed(Reason::Stall, Some("b")))], Count::Result),
        // Excused, since the prober's own network was down.
        (Reason::Subject, steps(true), vec![subject(), otherwise()], Count::Result),
        (Reason::Timeout, steps(true), vec![subject(), otherwise()], Count::Failure),
        (Reason::Deadline, steps(true), vec![subject()], Count::Failure),
        (Reason::Empty, steps(true), Vec::new(), Count::Failure),
    ] {
        let canary = canary(&Arc::new(probe(steps, AlertPolicy::default())), "eu");
        let report = run(&canary, 1, Verdict::Failed, Some(cause(reason, "loop", None)), reports);
        assert_eq!(Count::of(&report), count, "{reason}");
    }
}

#[test]
fn every_verdict_counts_as_the_table_says() {
    use Count::{Failure, NoResult, Pass};
    let canary = canary(&Arc::new(probe(Vec::new(), AlertPolicy::default())), "eu");
    let counts = Verdict::ALL.map(|verdict| Count::of(&run(&canary, 1, verdict, None, Vec::new())));
    assert_eq!(counts, [Pass, Failure, NoResult, NoResult, NoResult, NoResult]);
}

#[test]
fn a_probes_rule_is_that_of_its_policy_and_cadence() {
    let rule = CanaryRule::of(&probe(Vec::new(), AlertPolicy::default()));
    assert_eq!(rule, two_in_a_row());
    let slow = Probe { cadence: Cadence::Every(Duration::from_hours(2)), runs: 3, ..probe(Vec::new(), AlertPolicy::default()) };
    let rule = CanaryRule::of(&slow);
    assert_eq!((rule.memory, rule.late_by, rule.overlapping), (Duration::from_hours(6), Duration::from_secs(110), 7));
    let overlapping =
        Probe { overlap: Overlap::Allow, deadline: Duration::from_mins(5), ..probe(Vec::new(), AlertPolicy::default()) };
    assert_eq!(CanaryRule::of(&overlapping).overlapping, 14, "those of a deadline that is prolonged by itself too");
}

#[test]
fn a_healthy_canary_takes_little_room() {
    let (state, _, now) = after(&two_in_a_row(), &"P".repeat(100));
    let json = state.to_json(now);
    assert!(json.len() <= 70, "{json}");
    assert!(size_of::<CanaryState>() + 2 * size_of::<course::Counted>() <= 450, "{}", size_of::<CanaryState>());
}

#[test]
fn what_is_no_state_is_an_error() {
    assert!(CanaryState::from_json("{\"clock\": \"yesterday\"}", moment(0)).is_err());
    assert!(CanaryState::from_json("", moment(0)).is_err());
}

#[test]
fn a_canary_that_is_raised_is_at_page_level_until_it_has_passed_often_enough() {
    let since = moment(60).steady;
    for (runs, raised) in
        [("", false), ("PF", true), ("PFP", true), ("PFPP", true), ("PFPPP", false), ("FFFF", false), ("FPPPF", true)]
    {
        for restart in [false, true] {
            let rule = four_of_ten();
            let (mut state, _, now) = after(&rule, runs);
            if restart {
                state = CanaryState::from_json(&state.to_json(now), now).unwrap();
            }
            let paging = state.is_paging();
            // What an earlier process left of passes matters only at page level, so that it may be raised once more.
            let expected = raised || (restart && runs == "PFPPP");
            assert_eq!(state.raise(&rule, since), expected, "{runs} {restart}");
            assert_eq!(state.is_paging(), paging || expected);
            assert!(!state.raise(&rule, since), "only once");
        }
    }
}

#[test]
fn what_comes_late_neither_undoes_that_a_canary_was_raised_nor_keeps_it_there() {
    let rule = four_of_ten();
    let (mut state, _, now) = after(&rule, "PF");
    assert!(state.raise(&rule, now.steady));
    let minute = |minute: u64| moment(60 * minute);
    assert_eq!(state.seen(&rule, seen(Verdict::Passed, None, 4), minute(4)), Change::Nothing);
    let late = Seen { age: Duration::from_mins(2), ..seen(Verdict::Passed, None, 3) };
    assert_eq!(state.seen(&rule, late, minute(5)), Change::Nothing);
    assert!(state.is_paging());
    assert_eq!(state.seen(&rule, seen(Verdict::Passed, None, 5), minute(5)), Change::Recovered);
    assert_eq!(state.seen(&rule, seen(Verdict::Failed, Some(Reason::Expectation), 6), minute(6)), Change::Failed);
    assert!(!state.is_paging(), "one failure is no page");
}
