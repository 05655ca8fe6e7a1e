//! Simulated weeks of a plan's probes on the real rules: runs that fail and lag by chance, as often as the objectives allow.
//!
//! Every canary has its ticks at its probe's real interval and spread over it. What a run would have been is drawn, and given to
//! the machines that decide about pages; nothing waits.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serinus::alert::Moment;
use serinus::alert::budget::{BudgetState, LatencyState, Level};
use serinus::alert::canary::{CanaryRule, CanaryState, Change, Count, Seen};
use serinus::outcome::{Reason, Verdict};
use serinus::plan::{Cadence, Canary, LatencySlo, Plan, Probe};

/// Where simulated time begins.
const BEGIN: Duration = Duration::from_hours(80_000);

/// What was seen of one probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seldom {
    /// Runs.
    pub(crate) runs: u64,
    /// Canaries that came to page level: what the formula counts.
    pub(crate) crossed: u32,
    /// Incidents of the probe that opened: such a canary while no other was at page level.
    pub(crate) opened: u32,
    /// Times that the error budget came to page level, and to warn level.
    pub(crate) budget: [u32; 2],
    /// Times that latency came to page level, and to warn level.
    pub(crate) latency: [u32; 2],
}

impl Seldom {
    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.crossed += other.crossed;
        self.opened += other.opened;
        for at in 0..2 {
            self.budget[at] += other.budget[at];
            self.latency[at] += other.latency[at];
        }
    }

    /// Pages of any kind.
    pub(crate) fn pages(&self) -> u32 {
        self.opened + self.budget[0] + self.latency[0]
    }
}

/// The shipped probes, as they are, in three regions.
pub(crate) fn shipped() -> Arc<Plan> {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let service = directory.path().join("serinus.toml");
    let text = "regions = [\"eu\", \"us\", \"ap\"]\n[vars]\napi = \"http://127.0.0.1\"\n\
                [secrets]\ncanary_password = { env = \"CANARY_PASSWORD\" }\n[notify]\nnone = true\n";
    std::fs::write(&service, text).expect("the directory can be written to");
    let probes = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/probes"));
    let loaded = serinus::config::load_probes(&[probes], Some(&service), [("CANARY_PASSWORD".to_owned(), "canary".to_owned())]);
    let problems = loaded.diagnostics.render(false);
    assert!(problems.is_empty(), "{problems}");
    loaded.service.expect("there was no problem").plan
}

/// The canaries of a probe.
pub(crate) fn canaries<'p>(plan: &'p Plan, probe: &'p Probe) -> Vec<&'p Arc<Canary>> {
    plan.canaries.iter().filter(|canary| canary.probe.name == probe.name).collect()
}

/// So many weeks of one probe, judged by a rule.
pub(crate) fn simulate(probe: &Probe, rule: CanaryRule, canaries: &[&Arc<Canary>], weeks: u32, seed: u64) -> Seldom {
    let Cadence::Every(every) = probe.cadence else { panic!("the phases of a cron expression are not drawn here") };
    let mut random = fastrand::Rng::with_seed(seed);
    let spacing = every / probe.runs;
    let mut phases: Vec<(Duration, &Arc<Canary>)> =
        canaries.iter().map(|canary| (spacing.mul_f64(random.f64()), *canary)).collect();
    phases.sort_by_key(|(phase, _)| *phase);
    let mut rules = Rules::new(probe, rule, phases.len());
    let ticks = (Duration::from_hours(24 * 7) * weeks).as_millis() / spacing.as_millis();
    for tick in 0..u32::try_from(ticks).expect("there are fewer ticks than that") {
        for (number, (phase, _)) in phases.iter().enumerate() {
            rules.run(number, BEGIN + spacing * tick + *phase, u64::from(tick) + 1, &mut random);
        }
    }
    rules.seldom
}

/// The machines of one probe.
struct Rules<'p> {
    probe: &'p Probe,
    rule: CanaryRule,
    canaries: Vec<CanaryState>,
    paging: BTreeSet<usize>,
    budget: Option<BudgetState>,
    latency: Option<LatencyState>,
    seldom: Seldom,
}

impl<'p> Rules<'p> {
    fn new(probe: &'p Probe, rule: CanaryRule, canaries: usize) -> Self {
        Self {
            probe,
            rule,
            canaries: vec![CanaryState::new(moment(BEGIN)); canaries],
            paging: BTreeSet::new(),
            budget: probe.slo.as_ref().map(BudgetState::new),
            latency: probe.slo.as_ref().filter(|slo| slo.latency.is_some()).map(LatencyState::new),
            seldom: Seldom::default(),
        }
    }

    /// One run of a canary, drawn.
    fn run(&mut self, canary: usize, at: Duration, order: u64, random: &mut fastrand::Rng) {
        let slo = self.probe.slo.as_ref();
        let good = random.f64() < slo.and_then(|slo| slo.success).unwrap_or(1.0);
        self.seldom.runs += 1;
        let (verdict, count) = if good { (Verdict::Passed, Count::Pass) } else { (Verdict::Failed, Count::Failure) };
        let reason = (!good).then_some(Reason::Expectation);
        let seen = Seen { verdict, reason, count, order, age: Duration::ZERO, failure: None };
        match self.canaries[canary].seen(&self.rule, seen, moment(at)) {
            Change::Crossed => {
                self.seldom.crossed += 1;
                self.seldom.opened += u32::from(self.paging.is_empty());
                self.paging.insert(canary);
            }
            Change::Recovered => {
                self.paging.remove(&canary);
            }
            Change::Nothing | Change::Failed => {}
        }
        let Some(slo) = slo else { return };
        if let Some(state) = &mut self.budget {
            let before = rank(&state.judge());
            let _ = state.seen(slo, good, moment(at));
            raised(before, rank(&state.judge()), &mut self.seldom.budget);
        }
        if let (Some(state), Some(latency), true) = (&mut self.latency, &slo.latency, good) {
            let before = rank(&state.judge());
            let _ = state.seen(slo, lag(latency, random), moment(at));
            raised(before, rank(&state.judge()), &mut self.seldom.latency);
        }
    }
}

/// A duration whose mean or percentile is exactly the bound: exponentially distributed, as waiting for a queue is.
fn lag(slo: &LatencySlo, random: &mut fastrand::Rng) -> Duration {
    let means = [(slo.mean, 1.0), (slo.p95, 20_f64.ln()), (slo.p99, 100_f64.ln())];
    let means = means.into_iter().filter_map(|(bound, means)| Some(bound?.as_secs_f64() / means));
    let mean = means.fold(f64::INFINITY, f64::min);
    Duration::from_secs_f64(-mean * (1.0 - random.f64()).ln())
}

fn rank<T>(level: &Level<T>) -> usize {
    match level {
        Level::Well => 0,
        Level::Warn(_) => 1,
        Level::Page(_) => 2,
    }
}

/// Counts a level that was raised: pages first, then warnings.
fn raised(before: usize, after: usize, counts: &mut [u32; 2]) {
    if after > before {
        counts[2 - after] += 1;
    }
}

fn moment(steady: Duration) -> Moment {
    Moment { steady, wall: SystemTime::UNIX_EPOCH + steady }
}
