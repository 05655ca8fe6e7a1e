//! Simulated days of the shipped probes on the real evaluator: runs that fail and lag by chance, as often as the objectives allow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serinus::alert::message::{Action, Message, Occasion};
use serinus::plan::{Canary, LatencySlo, Plan, Severity};

use crate::service::{Drawn, Service};

/// What was seen of one probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seldom {
    /// Runs.
    pub(crate) runs: u64,
    /// Canaries that joined an incident, whether by their own rule or together with others.
    pub(crate) joined: u32,
    /// Incidents for which many canaries failed together.
    pub(crate) together: u32,
    /// Pages: incidents of the probe, and its budget's and latency's.
    pub(crate) opened: u32,
    pub(crate) budget: u32,
    pub(crate) latency: u32,
    /// Further messages of open incidents: to more places, and critical.
    pub(crate) more: u32,
    /// Warnings of budget and latency.
    pub(crate) warned: u32,
}

impl Seldom {
    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.joined += other.joined;
        self.together += other.together;
        self.opened += other.opened;
        self.budget += other.budget;
        self.latency += other.latency;
        self.more += other.more;
        self.warned += other.warned;
    }

    /// Pages of any kind.
    pub(crate) fn pages(&self) -> u32 {
        self.opened + self.budget + self.latency
    }
}

/// So many days of a plan, by probe.
pub(crate) fn simulate(plan: &Arc<Plan>, days: u32, seed: u64) -> BTreeMap<String, Seldom> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut service = Service::new(plan);
    let mut seldom: BTreeMap<String, Seldom> =
        plan.probes.iter().map(|probe| (probe.name.to_string(), Seldom::default())).collect();
    let mut draw = |canary: &Canary, _: Duration| drawn(canary, &mut random);
    for day in 1..=days {
        let end = Duration::from_hours(24) * day;
        service
            .until(end, &mut draw, &mut |ended| seldom.get_mut(&*ended.canary.probe.name).expect("it is in the plan").runs += 1);
        for told in service.told.drain(..) {
            count(&mut seldom, &told.message);
        }
        for row in service.timeline.drain(..) {
            // A canary's id begins with its probe.
            let joined = row.text.strip_prefix("canary/").filter(|_| row.what == "joined");
            let joined = joined.and_then(|id| seldom.get_mut(id.split('/').next()?));
            if let Some(seen) = joined {
                seen.joined += 1;
            }
        }
    }
    seldom
}

fn count(seldom: &mut BTreeMap<String, Seldom>, message: &Message) {
    let Some(seen) = message.probe.as_ref().and_then(|probe| seldom.get_mut(probe)) else { return };
    if message.action != Action::Ring {
        return;
    }
    let fails = |kind: &str| message.members.iter().any(|member| member.standing == "failing" && member.name.starts_with(kind));
    match (message.occasion, message.severity) {
        (Occasion::Opened, Severity::Warn) => seen.warned += 1,
        (Occasion::Opened, _) if fails("canary/") || fails("across/") => {
            seen.opened += 1;
            seen.together += u32::from(fails("across/"));
        }
        (Occasion::Opened, _) if fails("burn_rate/") => seen.budget += 1,
        (Occasion::Opened, _) if fails("latency/") => seen.latency += 1,
        _ => seen.more += 1,
    }
}

fn drawn(canary: &Canary, random: &mut fastrand::Rng) -> Drawn {
    let slo = canary.probe.slo.as_ref();
    let failed = random.f64() >= slo.and_then(|slo| slo.success).unwrap_or(1.0);
    // A run that fails has looked for half its deadline.
    let took = canary.probe.deadline.mul_f64(if failed { 0.5 } else { 0.1 * random.f64() });
    let latency = slo.and_then(|slo| slo.latency.as_ref());
    match latency.filter(|_| !failed) {
        Some(bounds) if bounds.step.is_none() => Drawn { failed, took: lag(bounds, random), lag: None },
        Some(bounds) => Drawn { failed, took, lag: Some(lag(bounds, random)) },
        None => Drawn { failed, took, lag: None },
    }
}

/// A duration whose mean or percentile is exactly the bound: exponentially distributed, as waiting for a queue is.
fn lag(slo: &LatencySlo, random: &mut fastrand::Rng) -> Duration {
    let means = [(slo.mean, 1.0), (slo.p95, 20_f64.ln()), (slo.p99, 100_f64.ln())];
    let means = means.into_iter().filter_map(|(bound, means)| Some(bound?.as_secs_f64() / means));
    let mean = means.fold(f64::INFINITY, f64::min);
    Duration::from_secs_f64(-mean * (1.0 - random.f64()).ln())
}
