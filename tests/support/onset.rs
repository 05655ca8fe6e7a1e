//! A fault that begins at a random moment of a service that is well: when it is noticed, paged, critical, and over.
//!
//! The evaluator, the probes' intervals, cells and phases are the real ones; time is simulated. What the fault does not hit passes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serinus::alert::message::{Action, Message, Occasion};
use serinus::plan::{Canary, Plan, Severity};
use serinus::sandbox::Incident;

use crate::notice::notice;
use crate::service::{Drawn, Service, spacing};

/// Whom a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The first value of the first matrix key in one region: of playlist-sync four canaries, of the others one.
    Cell,
    /// The same in every region.
    CellEverywhere,
    /// One region.
    Region,
    /// Everybody.
    Everywhere,
    /// One region, and another one so much later.
    Spreads(Duration),
}

/// A fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) incident: Incident,
    pub(crate) reach: Reach,
    /// Share of the runs it hits that fail.
    pub(crate) share: f64,
}

/// What was seen of a fault; times since its onset, the last one since its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Course {
    /// The first failed run ended.
    pub(crate) noticed: Duration,
    /// A run of a second region had failed.
    pub(crate) second_region: Option<Duration>,
    /// The page left.
    pub(crate) paged: Duration,
    /// Runs that the canary had had by then whose run decided.
    pub(crate) runs: usize,
    pub(crate) critical: Option<Duration>,
    pub(crate) resolved: Duration,
    /// Rings that opened an incident of a probe.
    pub(crate) pages: usize,
    /// All rings, of whatever scope and severity.
    pub(crate) rings: usize,
}

/// The fault goes on for so long after its page; one that hits only a share for three hours, so that its rings can be counted.
fn after_page(fault: Fault) -> Duration {
    if fault.share < 1.0 { Duration::from_hours(3) } else { Duration::from_mins(40) }
}

/// No fault that is looked at here takes longer to page or to be resolved.
const PATIENCE: Duration = Duration::from_hours(48);

/// What is seen of a fault with a seed that chooses its moment, whom it hits, and how long runs take.
pub(crate) fn observe(plan: &Arc<Plan>, fault: Fault, seed: u64) -> Course {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut service = Service::new(plan);
    let slowest = plan.canaries.iter().map(|canary| spacing(canary)).max().expect("the plan has canaries");
    let onset = slowest * 4 + slowest.mul_f64(random.f64());
    let window = window(plan, fault.incident);
    let settled = window + slowest;
    let mut end = PATIENCE;
    let mut course = Course::default();
    let mut regions = BTreeSet::new();
    let mut failed = Vec::new();
    let mut runs: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    while service.now() < PATIENCE {
        let mut draw = |canary: &Canary, at: Duration| {
            let failed =
                (onset..end).contains(&at) && hits(fault, canary, at.saturating_sub(onset)) && random.f64() < fault.share;
            // What is lost is looked for until the window ends; the rest of a run takes a moment.
            let rest = canary.probe.deadline.mul_f64(0.1 * random.f64());
            Drawn { failed, took: if failed { window + rest } else { rest }, lag: Some(Duration::from_millis(500)) }
        };
        let mut ended = |ended: crate::service::Ended| {
            if ended.started >= onset {
                runs.entry(ended.canary.id.to_string()).or_default().push(ended.at);
            }
            if ended.failed {
                failed.push((ended.at, ended.canary.id.to_string()));
                if regions.is_empty() {
                    course.noticed = ended.at.saturating_sub(onset);
                }
                regions.insert(Arc::clone(&ended.canary.region.name));
                if regions.len() == 2 {
                    course.second_region = course.second_region.or(Some(ended.at.saturating_sub(onset)));
                }
            }
        };
        service.until(service.now() + Duration::from_secs(30), &mut draw, &mut ended);
        let page = service.told.iter().find(|told| opens(&told.message));
        if let Some(page) = page.filter(|_| end == PATIENCE) {
            course.paged = page.at.saturating_sub(onset);
            // The last run that failed until then is the one that decided.
            let decided = failed.iter().rev().find(|(at, _)| *at <= page.at).and_then(|(_, canary)| runs.get(canary));
            let decided = decided.expect("a run decided");
            course.runs = decided.iter().filter(|at| **at <= page.at).count();
            end = service.now() + after_page(fault);
        }
        // A failure may also lie before the end and be known after it.
        let last = service.told.iter().rev().find(|told| told.message.scope.starts_with("probe/"));
        if service.now() > end + settled && last.is_some_and(|told| resolves(&told.message)) {
            break;
        }
    }
    course.pages = service.told.iter().filter(|told| opens(&told.message)).count();
    course.rings = service.told.iter().filter(|told| told.message.action == Action::Ring).count();
    let critical = service.told.iter().find(|told| told.message.severity == Severity::Critical);
    course.critical = critical.map(|told| told.at.saturating_sub(onset));
    let resolved = service.told.iter().rev().find(|told| resolves(&told.message));
    course.resolved = resolved.expect("it was resolved").at.saturating_sub(end);
    course
}

fn opens(message: &Message) -> bool {
    message.action == Action::Ring && message.occasion == Occasion::Opened && message.scope.starts_with("probe/")
}

fn resolves(message: &Message) -> bool {
    message.action == Action::End && message.occasion == Occasion::Well && message.scope.starts_with("probe/")
}

fn hits(fault: Fault, canary: &Canary, since: Duration) -> bool {
    let (probe, region) = (&canary.probe, &*canary.region.name);
    if *probe.name != *fault.incident.probe() {
        return false;
    }
    let first = probe.cells.first().and_then(|cell| cell.0.first());
    let in_cell = first.is_some_and(|(key, value)| canary.cell.get(key) == Some(value));
    match fault.reach {
        Reach::Cell => region == "eu" && in_cell,
        Reach::CellEverywhere => in_cell,
        Reach::Region => region == "eu",
        Reach::Everywhere => true,
        Reach::Spreads(later) => region == "eu" || (region == "us" && since >= later),
    }
}

/// The window of the step that notices the incident's first fault; nothing if it asks once.
fn window(plan: &Plan, incident: Incident) -> Duration {
    let wanted = notice(incident.faults()[0]).step;
    let probe = plan.probes.iter().find(|probe| *probe.name == *incident.probe()).expect("the probe is in the plan");
    let step = serinus::plan::find(&probe.steps, wanted).expect("the probe has the step that notices");
    step.eventually.as_ref().map_or(Duration::ZERO, |eventually| eventually.within)
}
