//! One row a rule.

use std::num::NonZeroU32;

use super::super::*;
use crate::alert::condition::count::Count;
use crate::alert::condition::objective::RunRole;
use crate::alert::fact::Level;
use crate::alert::testing::{canary, cause, failure, made, moment, probe, run, step};
use crate::outcome::{Cause, Reason, RunReport, SpanId, StepReport, StepResult, Trigger};
use crate::plan::{AlertPolicy, Cadence, Overlap, Probe};

pub(super) const FAILING: State = State::Failing(Level::Page);

pub(super) fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

pub(super) fn rule(page: PageRule) -> Rule {
    Rule {
        page,
        resolve_after: number(2),
        interval: Duration::from_mins(1),
        memory: Duration::from_hours(1),
        late_by: Duration::from_secs(110),
        overlapping: 4,
    }
}

fn two_in_a_row() -> Rule {
    rule(PageRule::Consecutive(number(2)))
}

fn four_of_ten() -> Rule {
    rule(PageRule::Window { failures: number(4), of: number(10) })
}

pub(super) fn new() -> Runs {
    Runs::new(canary(&Arc::new(probe(Vec::new(), AlertPolicy::default())), "eu"))
}

/// Takes a run in that took so many seconds and ended now.
pub(super) fn take(runs: &mut Runs, rule: &Rule, (order, count, took): (u64, Count, u64), now: Moment) -> State {
    say(runs, rule, (order, count, took), "it went wrong", now)
}

fn say(runs: &mut Runs, rule: &Rule, (order, count, took): (u64, Count, u64), message: &str, now: Moment) -> State {
    let verdict = match count {
        Count::Pass => Verdict::Passed,
        Count::Failure | Count::Result => Verdict::Failed,
        Count::NoResult | Count::Never => Verdict::Errored,
    };
    let cause = Cause { message: message.to_owned(), ..cause(Reason::Expectation, "s", None) };
    let report = RunReport {
        duration: Duration::from_secs(took),
        ..run(&Arc::clone(runs.canary()), order, verdict, Some(cause.clone()), Vec::new())
    };
    let failure = (count == Count::Failure).then(|| Arc::new(failure("p/eu", &cause)));
    let (part, together, needed) = (RunRole::Alone, None, false);
    runs.take(&Run { report: &report, count, needed, failure, rule, part, together, now });
    runs.state()
}

/// Runs, one a minute from minute 1: P(assed), F(ailed), S(ubjects only and broken off), N(o result), `.` for a minute without a
/// run. Gives the canary and the moment of the last run.
fn after(rule: &Rule, letters: &str) -> (Runs, Moment) {
    let (mut runs, mut now) = (new(), moment(0));
    for (minute, letter) in (1..).zip(letters.chars()) {
        let count = match letter {
            'P' => Count::Pass,
            'F' => Count::Failure,
            'S' => Count::Result,
            'N' => Count::NoResult,
            _ => continue,
        };
        now = moment(minute * 60);
        take(&mut runs, rule, (minute, count, 0), now);
    }
    (runs, now)
}

#[test]
fn the_verdict_table_decides_what_each_ending_does_in_each_state() {
    use State::{Suspect, Well};
    // Runs so far, the next one, how it stands then, failures in a row.
    for (letters, next, state, failures) in [
        // A new canary.
        ("", 'P', Well, 0),
        ("", 'F', Suspect, 1),
        ("", 'S', Well, 0),
        ("", 'N', Well, 0),
        // One failure, which two passes settle once the last of them is two intervals after it.
        ("F", 'P', Suspect, 0),
        ("FP", 'P', Well, 0),
        ("F", 'F', FAILING, 2),
        ("F", 'S', Suspect, 1),
        ("F", 'N', Suspect, 1),
        // What neither counts nor resets lies between the two failures.
        ("FN", 'F', FAILING, 2),
        ("FNNSN", 'F', FAILING, 2),
        ("FP", 'F', Suspect, 1),
        ("FPPP", 'F', Suspect, 1),
        // It fails.
        ("FF", 'F', FAILING, 3),
        ("FF", 'P', FAILING, 0),
        ("FF", 'S', FAILING, 2),
        ("FF", 'N', FAILING, 2),
        ("FFP", 'P', Well, 0),
        ("FFP", 'F', FAILING, 1),
        ("FFP", 'N', FAILING, 0),
        ("FFPF", 'P', FAILING, 0),
        ("FFPNNSN", 'P', Well, 0),
        ("FFPP", 'F', Suspect, 1),
        ("FFPPF", 'F', FAILING, 2),
        // Runs that do not count, or no runs at all, never make it well.
        ("FFNNNNNNNN", 'N', FAILING, 2),
    ] {
        let (runs, _) = after(&two_in_a_row(), &format!("{letters}{next}"));
        assert_eq!((runs.state(), runs.failures()), (state, failures), "{letters} then {next}");
    }
}

#[test]
fn a_window_fails_when_so_many_of_the_last_runs_did_and_is_settled_when_so_few_can_have() {
    use State::{Suspect, Well};
    for (letters, state) in [
        ("FPPFPPFPPF", FAILING),
        ("FPPFPPFPPPF", Suspect),
        ("FPNPFPNPFPNPF", FAILING),
        ("FFFF", FAILING),
        ("FFF", Suspect),
        // N − K + 1 passes in a row: seven.
        ("FPPPPPP", Suspect),
        ("FPPPPPPP", Well),
        ("FFFFPPPPPP", FAILING),
        ("FFFFPPPPPPP", Well),
        // Then the window begins anew, so one later failure does not make it fail again.
        ("FFFFPPPPPPPF", Suspect),
        ("FFFFPPPPPPPFFF", Suspect),
        ("FFFFPPPPPPPFFFF", FAILING),
    ] {
        assert_eq!(after(&four_of_ten(), letters).0.state(), state, "{letters}");
    }
}

#[test]
fn it_has_not_been_well_since_its_first_failed_run() {
    for (rule, letters, minute, failed, of) in [
        (two_in_a_row(), "PPF", Some(3), 1, 0),
        (two_in_a_row(), "FPFF", Some(1), 3, 0),
        (two_in_a_row(), "FPPFF", Some(4), 2, 0),
        (two_in_a_row(), "FFPF", Some(1), 3, 0),
        (two_in_a_row(), "FFPP", None, 0, 0),
        (four_of_ten(), "PFPPFPFF", Some(2), 4, 7),
        (four_of_ten(), "FPPPPPPPF", Some(9), 1, 1),
    ] {
        let (runs, _) = after(&rule, letters);
        assert_eq!(runs.since(), minute.map(|minute| moment(minute * 60).steady), "{letters}");
        let fact = runs.fact(&rule);
        assert_eq!((fact.failed, fact.of), (failed, of), "{letters}");
    }
}

#[test]
fn one_pass_settles_where_the_interval_is_over_an_hour() {
    for (interval, letters, state) in [(61, "FFP", State::Well), (61, "FP", State::Well), (60, "FFP", FAILING)] {
        let rule = Rule { interval: Duration::from_mins(interval), memory: Duration::from_hours(6), ..two_in_a_row() };
        let mut runs = new();
        for (order, letter) in (1..).zip(letters.chars()) {
            let count = if letter == 'P' { Count::Pass } else { Count::Failure };
            take(&mut runs, &rule, (order, count, 0), moment(order * interval * 60));
        }
        assert_eq!(runs.state(), state, "{letters} each {interval} min");
    }
}

#[test]
fn several_runs_an_interval_settle_after_two_of_their_pauses() {
    // Three each five minutes: from a tick to the next are 100 s.
    let often = Probe { cadence: Cadence::Every(Duration::from_mins(5)), runs: 3, ..probe(Vec::new(), AlertPolicy::default()) };
    let rule = Rule::of(&often);
    assert_eq!(rule.interval, Duration::from_secs(100));
    let mut runs = new();
    let ends = [Count::Failure, Count::Failure, Count::Pass, Count::Pass];
    let states: Vec<State> =
        (1..).zip(ends).map(|(order, count)| take(&mut runs, &rule, (order, count, 0), moment(order * 100))).collect();
    assert_eq!(states, [State::Suspect, FAILING, FAILING, State::Well]);
}

#[test]
fn quick_passes_do_not_settle_before_two_intervals_have_gone_by() {
    let rule = two_in_a_row();
    let (mut runs, now) = after(&rule, "FF");
    let pass = |at: u64| {
        let now = Moment { steady: now.steady + Duration::from_secs(20 * at), ..now };
        take(&mut runs, &rule, (10 + at, Count::Pass, 0), now)
    };
    assert_eq!((1..=6).map(pass).collect::<Vec<_>>(), [[FAILING; 5].as_slice(), &[State::Well]].concat());
}

#[test]
fn a_forgotten_streak_ends_suspicion_and_nothing_else() {
    let gap = |minutes: usize| ".".repeat(minutes);
    for (letters, state, failures) in [
        (format!("F{}F", gap(59)), FAILING, 2),
        (format!("F{}F", gap(60)), State::Suspect, 1),
        (format!("F{}P", gap(60)), State::Well, 0),
        (format!("F{}F", "N".repeat(60)), State::Suspect, 1),
        (format!("FF{}P", gap(200)), FAILING, 0),
        // Passes on both sides of such a silence are not in a row.
        (format!("FFP{}P", gap(200)), FAILING, 0),
        (format!("FFP{}PP", gap(200)), State::Well, 0),
    ] {
        let (runs, _) = after(&two_in_a_row(), &letters);
        assert_eq!((runs.state(), runs.failures()), (state, failures), "{letters}");
    }
}

#[test]
fn suspicion_is_forgotten_by_time_alone() {
    let rule = two_in_a_row();
    let (mut runs, now) = after(&rule, "F");
    let due = runs.due(&rule).unwrap();
    assert_eq!(due, now.steady + rule.memory + Duration::from_millis(1));
    let at = |steady| Moment { steady, ..now };
    assert!(!runs.clock(&rule, at(due.saturating_sub(Duration::from_millis(1)))) && runs.state() == State::Suspect);
    assert!(runs.clock(&rule, at(due)) && runs.state() == State::Well);
    let (mut runs, now) = after(&rule, "FF");
    assert_eq!(runs.due(&rule), None, "who fails is not forgotten");
    assert!(!runs.clock(&rule, Moment { steady: now.steady * 2, ..now }));
}

#[test]
fn what_is_closed_is_well_and_begins_anew() {
    let rule = two_in_a_row();
    let (mut runs, _) = after(&rule, "FFF");
    runs.close();
    assert_eq!((runs.state(), runs.failures()), (State::Well, 0));
    assert_eq!(take(&mut runs, &rule, (9, Count::Failure, 0), moment(600)), State::Suspect);
}

#[test]
fn a_run_that_was_made_because_what_needs_it_fails_fails_at_once() {
    for (count, state) in [(Count::Failure, FAILING), (Count::Pass, State::Well)] {
        let (mut runs, rule) = (new(), two_in_a_row());
        let report = run(&Arc::clone(runs.canary()), 1, Verdict::Failed, None, Vec::new());
        let (part, together, needed) = (RunRole::Alone, None, true);
        runs.take(&Run { report: &report, count, needed, failure: None, rule: &rule, part, together, now: moment(60) });
        assert_eq!(runs.state(), state);
    }
}

#[test]
fn a_probe_that_pages_nobody_warns() {
    let quiet = AlertPolicy { page: false, ..AlertPolicy::default() };
    let mut runs = Runs::new(canary(&Arc::new(probe(Vec::new(), quiet)), "eu"));
    take(&mut runs, &two_in_a_row(), (1, Count::Failure, 0), moment(60));
    assert_eq!(take(&mut runs, &two_in_a_row(), (2, Count::Failure, 0), moment(120)), State::Failing(Level::Warn));
}

#[test]
fn a_late_result_takes_its_ticks_place() {
    use Count::{Failure as F, Pass as P};
    use State::Suspect;
    let rule = two_in_a_row();
    let feed = |orders: &[(u64, Count)]| -> (Vec<State>, u32) {
        let mut runs = new();
        let states = orders.iter().map(|&(order, count)| take(&mut runs, &rule, (order, count, 0), moment(order * 60))).collect();
        (states, runs.failures())
    };
    assert_eq!(feed(&[(2, P), (1, F)]), (vec![State::Well, Suspect], 0));
    assert_eq!(feed(&[(2, F), (1, F)]), (vec![Suspect, FAILING], 2));
    assert_eq!(feed(&[(1, F), (3, P), (2, F)]), (vec![Suspect, Suspect, FAILING], 0), "two in a row, though one came late");
    assert_eq!(feed(&[(1, F), (3, F), (2, P)]), (vec![Suspect, FAILING, FAILING], 1), "what was told is not taken back");
    assert_eq!(feed(&[(1, F), (1, F)]), (vec![Suspect, Suspect], 1), "a tick counts once");
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
    let rule = Rule { page: PageRule::Window { failures: number(2), of: number(4) }, ..Rule::of(&slow) };
    let mut ends: Vec<(u64, u64)> = (1..=600).map(|order| (order, if order % 3 == 0 { order + 300 } else { order })).collect();
    ends.sort_by_key(|(order, end)| (*end, *order));
    let (mut runs, mut failed) = (new(), 0);
    for (order, end) in ends {
        let count = if end > order { Count::Failure } else { Count::Pass };
        failed += u32::from(count == Count::Failure);
        let state = take(&mut runs, &rule, (order, count, end - order), moment(end));
        assert!(failed < 2 || state == FAILING || count == Count::Pass, "run {order}: {state:?}");
    }
    assert_eq!(failed, 200);
}

#[test]
fn a_failure_that_comes_after_its_place_was_settled_counts_as_the_newest_run_and_a_pass_does_not() {
    let rule = two_in_a_row();
    let long_after = |late: Count| {
        let mut runs = new();
        for order in 2..10 {
            take(&mut runs, &rule, (order, Count::Pass, 0), moment(order * 60));
        }
        take(&mut runs, &rule, (1, late, 540), moment(600));
        (take(&mut runs, &rule, (10, Count::Failure, 1), moment(601)), runs.failures())
    };
    assert_eq!(long_after(Count::Failure), (FAILING, 2));
    assert_eq!(long_after(Count::Pass), (State::Suspect, 1));
}

#[test]
fn the_evidence_is_that_of_the_newest_tick_and_goes_when_it_is_well() {
    let rule = two_in_a_row();
    let mut runs = new();
    for (order, message) in [(2, "newer"), (1, "older")] {
        say(&mut runs, &rule, (order, Count::Failure, 0), message, moment(120));
    }
    let fact = runs.fact(&rule);
    assert_eq!(fact.evidence.as_ref().unwrap().message, "newer");
    assert_eq!(fact.reason.as_deref(), Some("expectation"));
    for order in 3..6 {
        take(&mut runs, &rule, (order, Count::Pass, 0), moment(order * 60));
    }
    assert_eq!(runs.fact(&rule).evidence, None);
}

#[test]
fn the_fact_tells_of_the_last_counted_run_and_of_the_latest_failed_one() {
    let rule = two_in_a_row();
    let mut runs = new();
    take(&mut runs, &rule, (1, Count::Failure, 5), moment(65));
    take(&mut runs, &rule, (2, Count::NoResult, 0), moment(120));
    take(&mut runs, &rule, (3, Count::Pass, 2), moment(182));
    let at = |second| moment(second).steady;
    let fact = runs.fact(&rule);
    assert_eq!(fact.last, Some(LastRun { failed: false, started: at(180), ended: at(182) }));
    assert_eq!((fact.since, fact.last_failed), (at(60), Some(at(60))));
    assert_eq!((&*fact.region, fact.scope, fact.interval), ("eu", Scope::Probe("p".into()), rule.interval));
}

#[test]
fn runs_by_hand_and_by_test_never_count() {
    let canary = canary(&Arc::new(probe(Vec::new(), AlertPolicy::default())), "eu");
    for trigger in [Trigger::Manual, Trigger::Test] {
        for verdict in Verdict::ALL {
            let report = RunReport { trigger, ..run(&canary, 9, verdict, None, Vec::new()) };
            assert_eq!(Count::of(&report), Count::Never, "{trigger:?} {verdict}");
        }
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
fn a_probes_rule_is_that_of_its_policy_and_cadence() {
    assert_eq!(Rule::of(&probe(Vec::new(), AlertPolicy::default())), two_in_a_row());
    let slow = Probe { cadence: Cadence::Every(Duration::from_hours(2)), runs: 3, ..probe(Vec::new(), AlertPolicy::default()) };
    let rule = Rule::of(&slow);
    assert_eq!((rule.interval, rule.memory), (Duration::from_mins(40), Duration::from_hours(2)));
    assert_eq!((rule.late_by, rule.overlapping), (Duration::from_secs(110), 7));
    let overlapping =
        Probe { overlap: Overlap::Allow, deadline: Duration::from_mins(5), ..probe(Vec::new(), AlertPolicy::default()) };
    assert_eq!(Rule::of(&overlapping).overlapping, 14, "those of a deadline that is prolonged by itself too");
}

#[test]
fn a_healthy_canary_takes_little_room() {
    let (runs, now) = after(&two_in_a_row(), &"P".repeat(100));
    let json = runs.to_json(now);
    assert!(json.len() <= 70, "{json}");
    assert!(size_of::<Runs>() + 2 * size_of::<Counted>() <= 850, "{}", size_of::<Runs>());
}

#[test]
fn what_is_no_state_is_an_error() {
    assert!(new().restore("{\"runs\": \"yesterday\"}", moment(0)).is_err());
    assert!(new().restore("", moment(0)).is_err());
}

#[test]
fn a_row_of_the_version_before_keeps_its_streak() {
    let now = moment(600);
    let ago = |seconds: i64| now.wall_ms() - seconds * 1_000;
    let at = |seconds: u64| now.steady.saturating_sub(Duration::from_secs(seconds));
    // What it wrote: a streak of one, a window, at page level, at page level with a pass, and well.
    for (json, rule, state, since, failures, next) in [
        (
            format!(r#"{{"runs":{{"last":{0},"failures":1,"since":{0}}}}}"#, ago(60)),
            two_in_a_row(),
            State::Suspect,
            Some(at(60)),
            1,
            FAILING,
        ),
        (
            format!(r#"{{"runs":{{"last":{},"window":[[8,{}],[4,{}],[1,{}]]}}}}"#, ago(60), ago(540), ago(300), ago(120)),
            four_of_ten(),
            State::Suspect,
            Some(at(540)),
            0,
            FAILING,
        ),
        (
            format!(r#"{{"runs":{{"last":{0},"failures":3,"since":{1},"paging":{1}}},"ran":7}}"#, ago(60), ago(180)),
            two_in_a_row(),
            FAILING,
            Some(at(180)),
            3,
            FAILING,
        ),
        (
            format!(r#"{{"runs":{{"last":{0},"paging":{1},"passes":1,"passing":{0}}}}}"#, ago(60), ago(180)),
            two_in_a_row(),
            FAILING,
            Some(at(180)),
            0,
            FAILING,
        ),
        (
            format!(r#"{{"runs":{{"last":{}}},"clock":{},"ticks":2}}"#, ago(60), ago(30)),
            two_in_a_row(),
            State::Well,
            None,
            0,
            State::Suspect,
        ),
    ] {
        let mut runs = new();
        runs.restore(&json, now).unwrap();
        assert_eq!((runs.state(), runs.since(), runs.failures()), (state, since, failures), "{json}");
        assert_eq!(runs.last().unwrap().started, at(60), "{json}");
        assert_eq!(take(&mut runs, &rule, (1, Count::Failure, 0), now), next, "{json}");
    }
}

#[test]
fn a_stored_time_in_the_future_counts_as_now() {
    let now = moment(600);
    let later = now.wall_ms() + 3_600_000;
    let mut runs = new();
    runs.restore(&format!(r#"{{"runs":{{"last":{later},"failures":2,"since":{later},"paging":{later}}}}}"#), now).unwrap();
    assert_eq!((runs.since(), runs.last().unwrap().started), (Some(now.steady), now.steady));
}
