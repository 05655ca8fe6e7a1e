//! Worked numbers of objectives, what they are without those that fail, and the plain reading of both.

mod degraded;
mod latency;

use std::time::SystemTime;

use proptest::prelude::*;

use super::excluded::RunRole;
use super::*;
use crate::alert::FactKey;
use crate::alert::Moment;
use crate::alert::condition::count::Count;
use crate::alert::condition::objective::latency::{net, samples};
use crate::alert::condition::rule::Rule;
use crate::alert::condition::{PlanContext, Rules, Run};
use crate::alert::testing::{canary, cause, made, probe, run as report};
use crate::history::RestoredState;
use crate::outcome::{Reason, RunReport, StepReport, StepResult, Verdict};
use crate::plan::{AlertPolicy, Alerting, Canary, LatencyOf, LatencySlo, Slo};

const HOUR: Duration = Duration::from_hours(1);
const SECOND: Duration = Duration::from_secs(1);

/// So long after the beginning of a process.
fn moment(steady: Duration) -> Moment {
    let steady = Duration::from_hours(80_000) + steady;
    Moment { steady, wall: SystemTime::UNIX_EPOCH + steady }
}

fn burning(success: f64, window: Duration) -> Arc<Probe> {
    let slo = Slo { success: Some(success), degraded: None, latency: None, window };
    Arc::new(Probe { slo: Some(slo), ..probe(Vec::new(), AlertPolicy::default()) })
}

fn slow(mean: Option<u64>, p95: Option<u64>) -> Arc<Probe> {
    let seconds = |bound: Option<u64>| bound.map(Duration::from_secs);
    let latency = LatencySlo { step: None, of: LatencyOf::Duration, mean: seconds(mean), p95: seconds(p95), p99: None };
    let slo = Slo { success: None, degraded: None, latency: Some(latency), window: 24 * HOUR };
    Arc::new(Probe { slo: Some(slo), ..probe(Vec::new(), AlertPolicy::default()) })
}

/// An objective with a listener.
struct Watched<R> {
    rules: R,
    canary: Arc<Canary>,
    rule: Rule,
    said: Vec<&'static str>,
    fact: Option<Arc<Fact>>,
}

fn word(state: State) -> &'static str {
    match state {
        State::Well | State::Suspect => "well",
        State::Failing(Level::Warn) => "warn",
        State::Failing(Level::Page) => "page",
    }
}

impl<R: Rules> Watched<R> {
    fn new(rules: R, of: &Arc<Probe>) -> Self {
        Self { rules, canary: canary(of, "eu"), rule: Rule::of(of), said: vec!["well"], fact: None }
    }

    fn hear(&mut self, out: Vec<Changed>) {
        for fact in out.into_iter().map(|changed| changed.fact.unwrap()) {
            if self.said.last() != Some(&word(fact.state)) {
                self.said.push(word(fact.state));
            }
            self.fact = Some(fact);
        }
    }

    /// A run with this verdict and duration; another member tells of it or not.
    fn ran(
        &mut self,
        (passed, took): (bool, Duration),
        (part, together): (RunRole, Option<Duration>),
        now: Moment,
    ) -> &'static str {
        let (verdict, cause) =
            if passed { (Verdict::Passed, None) } else { (Verdict::Failed, Some(cause(Reason::Expectation, "s", None))) };
        let report = RunReport { duration: took, ..report(&self.canary, 1, verdict, cause, Vec::new()) };
        self.ended(&report, (part, together), now)
    }

    /// A run ended with this report.
    fn ended(&mut self, report: &RunReport, (part, together): (RunRole, Option<Duration>), now: Moment) -> &'static str {
        let mut out = Vec::new();
        let (count, rule) = (Count::of(report), &self.rule);
        self.rules.run(&Run { report, count, needed: false, failure: None, rule, part, together, now }, &mut out);
        self.hear(out);
        self.state()
    }

    fn good(&mut self, good: bool, now: Moment) -> &'static str {
        self.ran((good, Duration::ZERO), (RunRole::Alone, None), now)
    }

    /// Time passes until then, without a run.
    fn waits(&mut self, until: Moment) {
        while let Some(due) = self.rules.due().filter(|due| *due <= until.steady) {
            let mut out = Vec::new();
            self.rules.clock(Moment { steady: due, wall: SystemTime::UNIX_EPOCH + due }, &mut out);
            self.hear(out);
        }
    }

    fn state(&self) -> &'static str {
        self.rules.facts().first().map_or("well", |fact| word(fact.state))
    }

    fn alone(&self) -> bool {
        self.rules.facts().first().is_none_or(|fact| fact.holds_alone)
    }

    /// Runs at equal distances from a moment on, with time passing between them. Returns after which of them each level was
    /// shown first.
    fn runs(&mut self, from: Duration, every: Duration, count: u32, good: impl Fn(u32) -> bool) -> Vec<(u32, &'static str)> {
        let mut levels = vec![(0, self.state())];
        for at in 0..count {
            self.waits(moment(from + every * at));
            let level = self.good(good(at), moment(from + every * at));
            if levels.last().is_some_and(|(_, last)| *last != level) {
                levels.push((at, level));
            }
        }
        levels
    }

    fn again(&mut self, fresh: R, now: Moment) {
        let rows = self.rules.rows(now);
        self.rules = fresh;
        for row in rows {
            let kept = RestoredState { kind: row.kind.to_owned(), key: row.key, json: row.json.unwrap() };
            assert!(self.rules.restore(&kept, now).unwrap());
        }
    }
}

fn budget(of: &Arc<Probe>) -> Watched<BurnRate> {
    Watched::new(BurnRate::new(of, Budget::Bad), of)
}

fn bounds(of: &Arc<Probe>) -> Watched<Latency> {
    Watched::new(Latency::new(of), of)
}

#[test]
fn an_objective_of_100_percent_has_no_budget_to_burn() {
    let mut watched = budget(&burning(1.0, 24 * HOUR));
    assert_eq!(watched.runs(Duration::ZERO, SECOND, 1_000, |_| false), [(0, "well")]);
    assert!(watched.rules.take_changed(moment(HOUR)).is_empty());
}

#[test]
fn worked_numbers_of_an_outage() {
    // 99.9 % over 30 days, a run every 10 s. After a day without a failure every run fails. In the hour that ends now are about
    // 360 runs; a rate of 14.4 is 1.44 % of them, 5.2; chance makes it up to 12.6 (0.36 + 4.6 + √(4.6² + 27.6 × 0.36)),
    // once the window of 6 h, whose rate of 6 is 13 of 2,160, has not been reached: so it pages at the eleventh failure.
    let of = each(10 * SECOND, 0.999);
    let mut watched = budget(&of);
    let levels = watched.runs(Duration::ZERO, 10 * SECOND, 8_640 + 60, |at| at < 8_640);
    assert_eq!(levels, [(0, "well"), (8_640 + 10, "page")]);
    let fact = Arc::clone(watched.fact.as_ref().unwrap());
    let words = fact.words.as_deref().unwrap();
    assert!(words.starts_with("its budget burns ") && words.contains(" times as fast as it may over 1h: "), "{words}");
    assert_eq!(
        (fact.key.clone(), fact.scope.clone()),
        (FactKey::Objective("p".into(), Objective::BurnRate), Scope::Probe("p".into()))
    );
    assert!(fact.shares["eu"].reaches && fact.shares["eu"].failed >= 50, "{:?}", fact.shares);
}

#[test]
fn no_window_is_claimed_that_was_not_recorded() {
    // A new probe, all of whose runs fail: it pages after ten, which is all that is known.
    let mut watched = budget(&burning(0.99, 720 * HOUR));
    watched.runs(Duration::ZERO, 10 * SECOND, 10, |_| false);
    let words = watched.fact.as_ref().unwrap().words.clone().unwrap();
    assert!(words.ends_with("over 1m 30s: 10 of 10 runs were bad"), "{words}");
}

#[test]
fn a_slow_burn_warns_and_never_pages() {
    // 3 % of runs fail where 1 % may: a rate of 3.
    let mut watched = budget(&burning(0.99, 720 * HOUR));
    let levels = watched.runs(Duration::ZERO, Duration::from_mins(1), 20_000, |at| at % 33 != 0);
    assert_eq!(levels.iter().map(|(_, level)| *level).collect::<Vec<_>>(), ["well", "warn"]);
}

#[test]
fn an_objective_ends_with_its_short_window() {
    // An hour in which all fail, then all pass. The rule of 6 h has a short window of half an hour, the warning one of 6 h.
    let mut watched = budget(&burning(0.99, 720 * HOUR));
    let levels = watched.runs(Duration::ZERO, Duration::from_mins(1), 3_000, |at| !(1_000..1_060).contains(&at));
    let [(0, "well"), (paged, "page"), (warned, "warn"), (well, "well")] = levels[..] else { panic!("{levels:?}") };
    assert!((1_010..1_020).contains(&paged), "{levels:?}");
    assert!((1_060..1_060 + 31).contains(&warned), "{levels:?}");
    assert!((1_060 + 5 * 60..1_060 + 6 * 60 + 1).contains(&well), "{levels:?}");
}

#[test]
fn an_objective_ends_though_no_run_comes_any_more() {
    let mut watched = budget(&burning(0.99, 24 * HOUR));
    watched.runs(Duration::ZERO, SECOND, 600, |_| false);
    assert_eq!(watched.state(), "page");
    assert!(watched.rules.due().is_some());
    watched.waits(moment(600 * SECOND + 24 * HOUR));
    assert_eq!((watched.state(), watched.rules.due()), ("well", None));
}

#[test]
fn it_goes_on_between_the_runs_of_a_probe_that_runs_seldom() {
    // Each five minutes all fail: the short window of an hour's rule would be empty now and then.
    let seldom = each(Duration::from_mins(5), 0.99);
    let mut watched = budget(&seldom);
    let levels = watched.runs(Duration::ZERO, Duration::from_mins(5), 200, |_| false);
    assert_eq!(levels.iter().map(|(_, level)| *level).collect::<Vec<_>>(), ["well", "page"]);
}

#[test]
fn a_handful_of_runs_cannot_page_however_many_of_them_fail() {
    for success in [0.5, 0.9, 0.99, 0.999_99] {
        let mut watched = budget(&burning(success, 24 * HOUR));
        assert_eq!(watched.runs(Duration::ZERO, Duration::from_millis(10), 9, |_| false), [(0, "well")], "{success}");
    }
}

#[test]
fn memory_is_bounded_whatever_happens() {
    let mut watched = budget(&burning(0.99, 720 * HOUR));
    watched.runs(Duration::ZERO, Duration::from_mins(7), 20_000, |at| at % 5 != 0);
    let row = watched.rules.rows(moment(720 * HOUR)).remove(0).json.unwrap();
    assert!(row.len() < 6_000, "{}", row.len());
}

#[test]
fn nobody_is_woken_for_a_probe_that_pages_nobody() {
    let of = burning(0.99, 24 * HOUR);
    let quiet = AlertPolicy { page: false, ..AlertPolicy::default() };
    let quiet = Arc::new(Probe { slo: of.slo.clone(), ..probe(Vec::new(), quiet) });
    let mut watched = budget(&quiet);
    watched.runs(Duration::ZERO, SECOND, 60, |_| false);
    assert_eq!(watched.state(), "warn");
}

#[test]
fn what_is_closed_is_well_until_it_burns_again() {
    let mut watched = budget(&burning(0.99, 24 * HOUR));
    watched.runs(Duration::ZERO, SECOND, 60, |_| false);
    let mut out = Vec::new();
    watched.rules.close(&FactKey::Objective("p".into(), Objective::BurnRate), moment(60 * SECOND), &mut out);
    watched.hear(out);
    assert_eq!((watched.state(), watched.said.last()), ("well", Some(&"well")));
    assert_eq!(watched.good(false, moment(61 * SECOND)), "page");
}

#[test]
fn a_rule_that_is_switched_off_takes_its_fact_along() {
    let of = burning(0.99, 24 * HOUR);
    let mut watched = budget(&of);
    watched.runs(Duration::ZERO, SECOND, 60, |_| false);
    let off = AlertPolicy { burn_rate: false, ..AlertPolicy::default() };
    let off = Arc::new(Probe { slo: of.slo.clone(), ..probe(Vec::new(), off) });
    let perfect = burning(1.0, 24 * HOUR);
    let mut other = budget(&of);
    other.runs(Duration::ZERO, SECOND, 60, |_| false);
    let plan = crate::alert::condition::testing::plan(Vec::new(), &[], &[]);
    let (alerting, rule, mut out) = (Alerting::default(), Rule::of(&off), Vec::new());
    let now = moment(61 * SECOND);
    let context = PlanContext { plan: &plan, alerting: &alerting, probe: Some((&off, &rule, 1)), started_before: None, now };
    watched.rules.apply(&context, &mut out);
    assert_eq!(out, [Changed::removed(FactKey::Objective("p".into(), Objective::BurnRate))]);
    out.clear();
    other.rules.apply(&PlanContext { probe: Some((&perfect, &rule, 1)), ..context }, &mut out);
    assert_eq!((out.len(), other.state()), (1, "well"), "an objective of 100 % has no rule to hold");
    assert_eq!(watched.good(false, moment(62 * SECOND)), "well");
    assert!(watched.rules.left(now).is_some(), "what is left of the budget is still known");
}

/// The role of each run as a letter, one run a second.
fn parts(watched: &mut Watched<BurnRate>, from: u64, letters: &str) {
    for (second, letter) in (from..).zip(letters.chars()) {
        let now = moment(Duration::from_secs(second));
        let since = moment(Duration::from_secs(from)).steady;
        let (good, part, together) = match letter {
            'P' => (true, RunRole::Alone, None),
            'F' => (false, RunRole::Alone, None),
            's' => (false, RunRole::Suspect(since), None),
            'c' => (false, RunRole::Crossed(since), None),
            'm' => (false, RunRole::Member, None),
            _ => (false, RunRole::Alone, Some(since)),
        };
        watched.ran((good, Duration::ZERO), (part, together), now);
    }
}

#[test]
fn it_holds_alone_unless_those_that_fail_are_why() {
    for (what, letters, alone) in [
        ("nobody else fails", "F".repeat(40), true),
        ("all are of members", "m".repeat(40), false),
        ("a canary that was suspect first", format!("sss{}", "c".repeat(40)), false),
        ("as many again are nobody's", format!("{}{}", "m".repeat(20), "F".repeat(20)), true),
        ("a suspect that never fails counts", "s".repeat(40), true),
        ("what fails together is told of by that", "t".repeat(40), false),
        ("and takes along what was before it", format!("{}t", "F".repeat(40)), false),
    ] {
        let mut watched = budget(&burning(0.95, 24 * HOUR));
        parts(&mut watched, 0, &"P".repeat(30));
        parts(&mut watched, 100, &letters);
        assert_eq!(watched.state(), "page", "{what}");
        assert_eq!(watched.alone(), alone, "{what}");
    }
}

#[test]
fn a_members_runs_stay_out_after_it_is_well_again() {
    let mut watched = budget(&burning(0.9, 24 * HOUR));
    parts(&mut watched, 0, &format!("{}{}", "m".repeat(40), "P".repeat(3)));
    assert_eq!((watched.state(), watched.alone()), ("page", false));
    watched.again(BurnRate::new(&burning(0.9, 24 * HOUR), Budget::Bad), moment(Duration::from_secs(44)));
    assert_eq!((watched.state(), watched.alone()), ("page", false), "also over a restart");
}

#[test]
fn what_was_suspected_before_a_restart_is_taken_out_when_it_crosses_after_it() {
    let of = burning(0.9, 24 * HOUR);
    let mut watched = budget(&of);
    parts(&mut watched, 0, &"P".repeat(10));
    parts(&mut watched, 100, &"s".repeat(30));
    assert!(watched.alone());
    let now = moment(Duration::from_secs(130));
    watched.again(BurnRate::new(&of, Budget::Bad), now);
    let since = moment(Duration::from_secs(100)).steady;
    watched.ran((false, Duration::ZERO), (RunRole::Crossed(since), None), now);
    assert_eq!((watched.state(), watched.alone()), ("page", false));
}

/// A run as the plain reading keeps it.
type Ran = (Duration, bool, bool);

fn parted() -> impl Strategy<Value = Vec<(u64, bool, u8)>> {
    prop::collection::vec((0_u64..90, prop::bool::weighted(0.5), 0..3_u8), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// A second objective is told only of the runs that are nobody else's.
    #[test]
    fn it_holds_alone_exactly_where_it_would_with_only_the_runs_of_nobody_else(runs in parted(), success in 0.5_f64..0.95) {
        let of = burning(success, 24 * HOUR);
        let (mut watched, mut only) = (budget(&of), budget(&of));
        let mut at = Duration::ZERO;
        for (gap, good, part) in runs {
            at += Duration::from_secs(gap);
            let now = moment(at);
            watched.waits(now);
            only.waits(now);
            let alone = part != 0;
            watched.ran((good, Duration::ZERO), (if alone { RunRole::Alone } else { RunRole::Member }, None), now);
            if alone {
                only.good(good, now);
            }
            // Where both hold from the same time on they agree; held, neither needs proof anew.
            if only.state() == "page" {
                prop_assert!(watched.state() != "page" || watched.alone());
            }
            if only.state() == "well" && watched.state() != "well" && watched.alone() {
                prop_assert!(only.said.len() > 1, "it held alone before");
            }
        }
    }

    #[test]
    fn a_page_needs_ten_bad_runs_and_a_bad_run_last(
        runs in prop::collection::vec((0_u64..60_000, 0_u8..10), 1..400),
        success in 0.5_f64..0.9999,
        share in 0_u8..10,
    ) {
        let mut watched = budget(&burning(success, 24 * HOUR));
        let (mut at, mut bad): (Duration, Vec<Ran>) = (Duration::ZERO, Vec::new());
        for (gap, draw) in runs {
            at += Duration::from_millis(gap);
            let good = draw >= share;
            watched.waits(moment(at));
            let before = watched.state();
            let after = watched.good(good, moment(at));
            bad.extend((!good).then_some((at, good, false)));
            let rank = |word: &str| ["well", "warn", "page"].iter().position(|level| *level == word);
            if rank(after) > rank(before) {
                prop_assert!(!good && bad.len() >= 10);
            }
        }
    }

    #[test]
    fn a_state_reads_back_as_it_was_written_whatever_time_the_wall_clock_shows(
        bad in 0_u32..100, all in 1_u32..300, hours in 1_u64..800, set in 0_u64..10_000_000,
    ) {
        let of = burning(0.9, Duration::from_hours(hours));
        let mut watched = budget(&of);
        watched.runs(Duration::ZERO, 20 * SECOND, all, |at| at >= bad);
        let steady = moment(20 * SECOND * all).steady;
        let now = Moment { steady, wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + set) };
        let before = (watched.rules.facts(), watched.rules.left(now), watched.rules.due());
        watched.again(BurnRate::new(&of, Budget::Bad), now);
        prop_assert_eq!(&before.0, &watched.rules.facts());
        prop_assert_eq!(before.1, watched.rules.left(now));
    }
}

/// A probe that runs so often, of whose runs this share is to pass over 30 days.
fn each(every: Duration, success: f64) -> Arc<Probe> {
    let slo = Slo { success: Some(success), degraded: None, latency: None, window: 720 * HOUR };
    let cadence = crate::plan::Cadence::Every(every);
    Arc::new(Probe { slo: Some(slo), cadence, ..probe(Vec::new(), AlertPolicy::default()) })
}
