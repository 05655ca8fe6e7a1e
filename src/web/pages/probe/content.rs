//! What stands on the page of a probe, made of the plan, the status and what the store answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alert::status::Health;
use crate::base::time::from_epoch_ms;
use crate::history::{EventView, IncidentView, RunView};
use crate::plan::{LatencyOf, LatencySlo, Plan, Probe};
use crate::web::model::probe::{
    Bins, Budget, Description, FunnelStep, Narrowed, Need, Part, Parts, Range, StripRow, SubjectRow, TickRow, described, funnel,
    lasting, latency, latency_of, needs, next_ticks, promise, reasons, regions, rows, share, subjects, waits,
};
use crate::web::model::recent::Mark;
use crate::web::model::strip::Axis;
use crate::web::model::{Snapshot, words};

use super::super::chart::{self, Bound, Chart, MapRow};
use super::super::overview::glyph;
use crate::web::model::probe::answers::{Answers, Question};
use crate::web::pages::runbook::ShownRunbook;

/// Failures that are listed where everything must pass.
const FAILURES: usize = 10;

/// What the page is made of.
pub(super) struct Given {
    /// What is configured.
    pub(super) plan: Arc<Plan>,
    /// How it is.
    pub(super) snapshot: Arc<Snapshot>,
    /// The probe; none that was removed.
    pub(super) probe: Option<Arc<Probe>>,
    /// What was asked.
    pub(super) question: Question,
    /// What the store answered.
    pub(super) answers: Answers,
    /// The last hour of each of its canaries.
    pub(super) marks: BTreeMap<String, Vec<Mark>>,
}

/// An annotation or a reload.
pub(super) struct Note {
    /// Where it is on the axis.
    pub(super) x: f64,
    /// When, milliseconds since the epoch.
    pub(super) at_ms: i64,
    /// `deploy: api 4711 (ann)`.
    pub(super) text: String,
}

/// A promise and how it is kept.
pub(super) struct Objective {
    /// In words, the present state first.
    pub(super) words: String,
    /// Whether it is not kept.
    pub(super) is_bad: bool,
    /// The course of the budget.
    pub(super) chart: Option<Chart>,
    /// The newest failures, where everything must pass.
    pub(super) failures: Vec<RunRow>,
}

/// A run in a list.
pub(super) struct RunRow {
    /// Its id.
    pub(super) id: String,
    /// When it was due, milliseconds since the epoch.
    pub(super) due_ms: i64,
    /// `eu · ios`.
    pub(super) place: String,
    /// Colour and glyph.
    pub(super) glyph: (&'static str, &'static str),
    /// `failed: expectation`.
    pub(super) ended: String,
    /// How long it took.
    pub(super) took: String,
}

/// An incident in a list.
pub(super) struct IncidentRow {
    /// Its id.
    pub(super) id: String,
    /// What broke.
    pub(super) title: String,
    /// How bad it has been.
    pub(super) severity: String,
    /// When it began, milliseconds since the epoch.
    pub(super) opened_ms: i64,
    /// `41 min`, `open for 3 min`.
    pub(super) lasted: String,
}

/// What stands on the page.
pub(super) struct Content {
    pub(super) now_ms: i64,
    pub(super) range: &'static str,
    pub(super) is_removed: bool,
    /// Whether the store did not answer everything, so that nothing is said to be none.
    pub(super) is_away: bool,
    pub(super) summary: String,
    pub(super) owner: String,
    pub(super) tags: Vec<String>,
    pub(super) runbook: Option<ShownRunbook>,
    pub(super) health: (&'static str, &'static str),
    pub(super) state: String,
    pub(super) remarks: Vec<String>,
    pub(super) all_regions: Vec<String>,
    pub(super) axis: Axis,
    pub(super) rows: Vec<StripRow>,
    pub(super) notes: Vec<Note>,
    pub(super) charts: Vec<Chart>,
    pub(super) steps: Vec<FunnelStep>,
    pub(super) compared: &'static str,
    pub(super) description: Description,
    pub(super) objective: Option<Objective>,
    pub(super) map: Vec<MapRow>,
    pub(super) incidents: Vec<IncidentRow>,
    pub(super) runs: Vec<RunRow>,
    pub(super) ticks: Vec<TickRow>,
    pub(super) needs: Vec<Need>,
    pub(super) needed_by: Vec<Need>,
    pub(super) subjects: Vec<SubjectRow>,
}

impl Content {
    /// Walks over all hours and marks; it may take milliseconds.
    pub(super) fn of(given: Given) -> Self {
        let Given { plan, snapshot, probe, question, mut answers, marks } = given;
        let Question { probe: name, narrowed, range, bins, .. } = &question;
        let (bins, now_ms) = (*bins, snapshot.at_ms);
        let parts = Parts::of(probe.as_deref(), &question, &mut answers, &marks);
        let shown = parts.shown();
        let is_single = *range == Range::Hour;
        let status = snapshot.status.probes.iter().find(|known| known.probe == *name);
        let planned: Vec<&str> =
            probe.iter().flat_map(|probe| crate::plan::journey(&probe.steps)).map(|step| &*step.name).collect();
        let (needs, needed_by) = needs(&plan, &snapshot.status, name);
        let is_narrow = *narrowed != Narrowed::default();
        let left = status.and_then(|status| status.budget_left);
        Self {
            now_ms,
            range: range.words(),
            is_removed: probe.is_none(),
            is_away: answers.is_away,
            summary: probe.as_ref().and_then(|probe| probe.summary.clone()).unwrap_or_default(),
            owner: probe.as_ref().and_then(|probe| probe.owner.clone()).unwrap_or_default(),
            tags: probe.as_ref().map(|probe| probe.tags.clone()).unwrap_or_default(),
            runbook: probe.as_ref().and_then(|probe| probe.runbook.as_ref()).map(ShownRunbook::of),
            health: glyph(&status.map(|status| status.verdict).unwrap_or_default()),
            state: state(&snapshot, name),
            remarks: remarks(&answers),
            all_regions: all_regions(&plan, &snapshot, name, &parts),
            axis: bins.axis(),
            rows: rows(name, &snapshot.status.canaries, narrowed, bins, shown, is_single.then_some(&marks)),
            notes: answers.events.iter().rev().map(|event| note(event, bins)).collect(),
            charts: known(charts(probe.as_deref(), parts.wait.as_deref(), shown, &question, &answers), answers.is_away),
            steps: funnel(&planned, parts.within(), &parts.before),
            compared: range.compared(),
            description: probe.as_ref().map(|probe| described(&plan, probe)).unwrap_or_default(),
            objective: probe.as_ref().and_then(|probe| objective(probe, &parts, left, &answers, (now_ms, is_narrow))),
            map: chart::map(name, bins, &regions(bins, shown)),
            incidents: answers.incidents.iter().map(|incident| incident_row(incident, &snapshot)).collect(),
            runs: answers.runs.iter().map(run_row).collect(),
            ticks: next_ticks(&plan, name, narrowed, from_epoch_ms(now_ms)),
            needs,
            needed_by,
            subjects: subjects(&snapshot.status, name),
        }
    }
}

/// `2 failing, 7 passed · 92 % of 240 runs of the last hour passed`.
fn state(snapshot: &Snapshot, probe: &str) -> String {
    let Some(status) = snapshot.status.probes.iter().find(|known| known.probe == probe) else { return String::new() };
    let canaries = crate::web::model::overview::summary(status.canaries);
    let success = status.success_1h.map(|success| {
        let runs = words::count(usize::try_from(status.counted_1h).unwrap_or(0), "run", "runs");
        format!(" · {} of {runs} of the last hour passed", words::percent(success))
    });
    format!("{canaries}{}", success.unwrap_or_default())
}

/// Charts, none of which says that there is nothing while that is not known.
fn known(mut charts: Vec<Chart>, is_away: bool) -> Vec<Chart> {
    for chart in charts.iter_mut().filter(|chart| is_away && !chart.empty.is_empty()) {
        "Not known just now.".clone_into(&mut chart.empty);
    }
    charts
}

fn remarks(answers: &Answers) -> Vec<String> {
    let mut remarks = Vec::new();
    if answers.is_away {
        remarks.push("The store did not answer everything: what is missing here is not known just now.".to_owned());
    }
    if let Some(cut_ms) = answers.cut_ms {
        remarks.push(format!(
            "The probe has so many canaries that hours before {} UTC were not read. Choose a canary for all of them.",
            words::moment(cut_ms)
        ));
    }
    if answers.more_reasons {
        remarks.push("So many runs did not pass that only the newest are in the chart of reasons.".to_owned());
    }
    remarks
}

/// Those of the plan, and those of which there is history alone.
fn all_regions(plan: &Plan, snapshot: &Snapshot, probe: &str, parts: &Parts) -> Vec<String> {
    let of_status = snapshot.status.canaries.iter().filter(|canary| canary.probe == probe).map(|canary| canary.region.as_str());
    let mut regions: Vec<&str> = of_status.chain(parts.regions.iter().map(String::as_str)).collect();
    let place = |region: &str| plan.known_regions.iter().position(|known| **known == *region).unwrap_or(usize::MAX);
    regions.sort_by_key(|region| (place(region), *region));
    regions.dedup();
    regions.into_iter().map(str::to_owned).collect()
}

fn note(event: &EventView, bins: Bins) -> Note {
    let by = event.by.as_deref().map(|by| format!(" ({by})")).unwrap_or_default();
    Note {
        x: bins.axis().x(event.at_ms),
        at_ms: event.at_ms,
        text: format!("{}: {}{by}", event.what, words::clip(&event.text, 300)),
    }
}

fn charts(probe: Option<&Probe>, wait: Option<&str>, shown: &[Part], question: &Question, answers: &Answers) -> Vec<Chart> {
    let bins = question.bins;
    let mut charts = Vec::new();
    if let Some(wait) = wait {
        let promised = probe.and_then(|probe| latency_of(probe, LatencyOf::Convergence));
        // Marks know of a run only what it waited for longest.
        let title =
            if question.range == Range::Hour { "Longest wait of a run".to_owned() } else { format!("Waited for “{wait}”") };
        charts.push(chart::quantiles("waits", title, bins, &waits(bins, shown), promised.and_then(bound).as_ref()));
    }
    let promised = probe.and_then(|probe| latency_of(probe, LatencyOf::Duration)).filter(|latency| latency.step.is_none());
    charts.push(chart::quantiles(
        "latency",
        "Whole run".to_owned(),
        bins,
        &latency(bins, shown),
        promised.and_then(bound).as_ref(),
    ));
    let found = if question.range == Range::Hour {
        reasons(bins, answers.failed.iter().filter_map(|run| Some((run.due_ms, run.reason?, 1))))
    } else {
        let each = shown.iter().flat_map(|part| part.reasons.iter().map(|(reason, times)| (part.at_ms, reason.as_str(), *times)));
        reasons(bins, each)
    };
    let mut by_reason = chart::stacked("Not passed, by reason".to_owned(), bins, &found);
    if shown.is_empty() && !by_reason.empty.is_empty() {
        // Where nothing ran, that nothing failed says nothing.
        "No run of this time is known.".clone_into(&mut by_reason.empty);
    }
    charts.push(by_reason);
    charts
}

/// The bound that is drawn: that of the 95th percentile before others.
fn bound(latency: &LatencySlo) -> Option<Bound> {
    let all = [("p95", latency.p95), ("p99", latency.p99), ("mean", latency.mean)];
    all.into_iter().find_map(|(what, bound)| {
        let bound = bound?;
        Some((format!("{what} ≤ {}", lasting(bound)), u64::try_from(bound.as_micros()).unwrap_or(u64::MAX)))
    })
}

fn objective(
    probe: &Probe,
    parts: &Parts,
    left: Option<f64>,
    answers: &Answers,
    (now_ms, is_narrow): (i64, bool),
) -> Option<Objective> {
    let slo = probe.slo.as_ref()?;
    let promised = promise(slo);
    let found = parts.budget(slo, left, now_ms).filter(|_| !is_narrow);
    let Some(found) = found else {
        let words = if is_narrow { format!("{promised}: of all canaries together") } else { promised };
        return Some(Objective { words, is_bad: false, chart: None, failures: Vec::new() });
    };
    let is_bad = if found.is_whole() { found.failed > 0 } else { found.left.is_some_and(|left| left <= 0.0) };
    let chart = (!found.course.is_empty()).then(|| chart::burn_down("Error budget".to_owned(), &found, now_ms));
    let since_ms = now_ms - crate::base::time::signed_millis(slo.window);
    let of_promise = |run: &&RunView| run.verdict == "failed" && run.counted && run.due_ms >= since_ms;
    let failures = answers.lost.iter().filter(of_promise).take(FAILURES).map(run_row).collect();
    Some(Objective { words: kept(&found, now_ms), is_bad, chart, failures })
}

/// `95 % in 1 d · 92 % now · budget left 40 %, gone at 16:20 at this rate`.
fn kept(budget: &Budget, now_ms: i64) -> String {
    let mut said = vec![format!("{} in {}", share(budget.objective), words::lasting(budget.window))];
    match budget.success() {
        Some(success) => said.push(format!("{} now", words::percent(success))),
        None => said.push("no run has counted yet".to_owned()),
    }
    if budget.is_whole() {
        let failed = usize::try_from(budget.failed).unwrap_or(usize::MAX);
        let all = usize::try_from(budget.all).unwrap_or(usize::MAX);
        said.push(format!("{} of {} failed; nothing may", words::thousands(failed), words::count(all, "run", "runs")));
    } else if let Some(left) = budget.left {
        let gone = match budget.gone_ms {
            Some(gone_ms) => format!(", gone at {} UTC at the rate of the last hour", words::when(gone_ms, now_ms)),
            None if left <= 0.0 => ": it is spent".to_owned(),
            None => String::new(),
        };
        said.push(format!("budget left {}{gone}", words::percent(left)));
    }
    said.join(" · ")
}

fn incident_row(incident: &IncidentView, snapshot: &Snapshot) -> IncidentRow {
    let title = incident.details.get("title").and_then(serde_json::Value::as_str);
    let open = snapshot.status.incidents.iter().find(|open| open.id == incident.id);
    IncidentRow {
        id: incident.id.clone(),
        title: open.map(|open| open.title.clone()).or_else(|| title.map(str::to_owned)).unwrap_or_else(|| incident.scope.clone()),
        severity: incident.severity.clone(),
        opened_ms: incident.opened_ms,
        lasted: match incident.resolved_ms {
            Some(resolved_ms) => words::between(incident.opened_ms, resolved_ms),
            None => format!("open for {}", words::between(incident.opened_ms, snapshot.at_ms)),
        },
    }
}

fn run_row(run: &RunView) -> RunRow {
    let mut parts = run.canary.splitn(3, '/').skip(2);
    let cell: Vec<&str> =
        parts.next().unwrap_or_default().split(',').filter_map(|pair| pair.split_once('=').map(|(_, value)| value)).collect();
    let why = run.reason.map(|reason| format!(": {}", reason.replace('_', " "))).unwrap_or_default();
    let degraded = if run.degraded { ", degraded" } else { "" };
    RunRow {
        id: run.run_id.clone(),
        due_ms: run.due_ms,
        place: if cell.is_empty() { run.region.clone() } else { format!("{} · {}", run.region, cell.join(", ")) },
        glyph: match run.verdict {
            "passed" if run.degraded => ("warned", "◐"),
            "passed" => ("", "●"),
            "failed" => ("bad", "✕"),
            "errored" => ("odd", "!"),
            "blocked" => ("gone", "■"),
            _ => ("gone", "○"),
        },
        ended: format!("{}{why}{degraded}", run.verdict),
        // What did not run took no time.
        took: if run.duration_us == 0 { String::new() } else { words::took_us(run.duration_us) },
    }
}

/// A health as its row shows it.
pub(super) fn sign(health: Health) -> (&'static str, &'static str) {
    glyph(&health)
}
