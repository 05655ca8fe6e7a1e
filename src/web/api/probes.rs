//! A probe over a range of time, by the same read model as its page.

use std::sync::Arc;

use axum::extract::{Path, Query};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::alert::status::ProbeStatus;
use crate::base::time::from_epoch_ms;
use crate::plan::{Plan, Probe};
use crate::web::model::Snapshot;
use crate::web::model::probe::answers::{Answers, Marks, Question, ask, marks};
use crate::web::model::probe::{
    Budget, Course, Description, FunnelStep, Narrowed, Need, Parts, Range, ReasonBins, RegionBins, SubjectRow, TickRow,
    described, funnel, latency, needs, next_ticks, reasons, regions, subjects, waits,
};

use super::{ApiState, Failure, names};

/// What of a probe is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct ProbeQuery {
    /// How far back: 1h, 24h, 7d, 30d or 90d; 24h unless said.
    range: Option<String>,
    /// Only this canary, by its id.
    canary: Option<String>,
    /// Only this region.
    region: Option<String>,
}

/// A probe over a range of time. A lost run counts as longer than every other in each percentile.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct ProbeView {
    /// Its name.
    probe: String,
    /// How it is now; absent of one that was removed.
    status: Option<ProbeStatus>,
    /// What it promises.
    summary: Option<String>,
    /// Its tags.
    tags: Vec<String>,
    /// What it checks, in words.
    description: Description,
    /// The range in a word.
    range: &'static str,
    /// Where the first bin begins, milliseconds since the epoch.
    from_ms: i64,
    /// Where the last bin ends.
    to_ms: i64,
    /// How long each bin is, milliseconds.
    bin_ms: i64,
    /// The share of runs that reached each step.
    funnel: Vec<FunnelStep>,
    /// What `before` of the funnel is.
    compared_with: &'static str,
    /// How long whole runs took.
    durations: Course,
    /// The step that is waited for.
    wait: Option<String>,
    /// How long what it waits for took.
    waits: Course,
    /// Of its objective; absent without one, and of a part of it.
    budget: Option<Budget>,
    /// Why runs did not pass.
    reasons: Vec<ReasonBins>,
    /// How runs ended by region.
    regions: Vec<RegionBins>,
    /// When it runs next.
    next_ticks: Vec<TickRow>,
    /// The probes that it needs.
    needs: Vec<Need>,
    /// The probes that need it.
    needed_by: Vec<Need>,
    /// Its subjects that are in open incidents.
    subjects: Vec<SubjectRow>,
    /// Whether the store did not answer everything.
    is_partial: bool,
    /// The first hour that was read, milliseconds since the epoch, where there are more than are read.
    cut_ms: Option<i64>,
}

/// A probe over a range of time: funnel, percentiles, budget, reasons, regions and what comes next.
#[utoipa::path(get, path = "/api/v1/probes/{name}", tag = "status",
    params(("name" = String, Path, description = "The probe's name."), ProbeQuery),
    responses((status = 200, description = "The probe.", body = ProbeView)))]
pub(in crate::web) async fn one(
    Extension(api): Extension<ApiState>,
    Path(name): Path<String>,
    Query(wanted): Query<ProbeQuery>,
) -> Result<Json<ProbeView>, Failure> {
    let range = wanted.range.as_deref().map_or(Ok(Range::default()), range)?;
    let narrowed = Narrowed { canary: wanted.canary, region: wanted.region };
    let snapshot = api.snapshots.get(&api).await.ok_or_else(Failure::stopping)?;
    api.recent.begun(&api.reader, &api.follower).await;
    let plan = api.plan();
    let probe = plan.probes.iter().find(|probe| *probe.name == *name).cloned();
    let question = Question::of(&name, probe.as_deref(), narrowed, range, snapshot.at_ms);
    let answers = ask(&api, &question).await;
    if probe.is_none() && answers.is_empty() {
        return Err(if answers.is_away { Failure::busy() } else { names::nothing(&plan, &name) });
    }
    let marks = marks(&api, &snapshot.status, &name);
    let given = Given { plan, snapshot, probe, question, answers, marks };
    // It walks over thousands of hours.
    let made = tokio::task::spawn_blocking(move || given.view());
    made.await.map(Json).map_err(|_panicked| Failure::internal())
}

fn range(word: &str) -> Result<Range, Failure> {
    let known = || Range::ALL.map(Range::word).join(", ");
    let found = Range::ALL.into_iter().find(|range| range.word() == word);
    found.ok_or_else(|| Failure::bad(format!("`{}` is no range; known are {}", super::runs::short(word), known())))
}

/// What the view is made of.
struct Given {
    plan: Arc<Plan>,
    snapshot: Arc<Snapshot>,
    probe: Option<Arc<Probe>>,
    question: Question,
    answers: Answers,
    marks: Marks,
}

impl Given {
    fn view(self) -> ProbeView {
        let Self { plan, snapshot, probe, question, mut answers, marks } = self;
        let (name, narrowed, bins) = (&question.probe, &question.narrowed, question.bins);
        let parts = Parts::of(probe.as_deref(), &question, &mut answers, &marks);
        let shown = parts.shown();
        let is_single = question.range == Range::Hour;
        let status = snapshot.status.probes.iter().find(|known| known.probe == *name).cloned();
        let planned: Vec<&str> =
            probe.iter().flat_map(|probe| crate::plan::journey(&probe.steps)).map(|step| &*step.name).collect();
        let (needs, needed_by) = needs(&plan, &snapshot.status, name);
        let slo = probe.as_ref().and_then(|probe| probe.slo.as_ref()).filter(|_| *narrowed == Narrowed::default());
        let left = status.as_ref().and_then(|status| status.budget_left);
        let reasons = if is_single {
            reasons(bins, answers.failed.iter().filter_map(|run| Some((run.due_ms, run.reason?, 1))))
        } else {
            reasons(
                bins,
                shown.iter().flat_map(|part| part.reasons.iter().map(|(reason, times)| (part.at_ms, &**reason, *times))),
            )
        };
        ProbeView {
            summary: probe.as_ref().and_then(|probe| probe.summary.clone()),
            tags: probe.as_ref().map(|probe| probe.tags.clone()).unwrap_or_default(),
            description: probe.as_ref().map(|probe| described(&plan, probe)).unwrap_or_default(),
            range: question.range.word(),
            from_ms: bins.from_ms,
            to_ms: bins.to_ms,
            bin_ms: bins.bin_ms,
            funnel: funnel(&planned, parts.within(), &parts.before),
            compared_with: question.range.compared(),
            durations: latency(bins, shown),
            waits: waits(bins, shown),
            wait: parts.wait.clone(),
            budget: slo.and_then(|slo| parts.budget(slo, left, snapshot.at_ms)),
            reasons,
            regions: regions(bins, shown),
            next_ticks: next_ticks(&plan, name, narrowed, from_epoch_ms(snapshot.at_ms)),
            needs,
            needed_by,
            subjects: subjects(&snapshot.status, name),
            is_partial: answers.is_away,
            cut_ms: answers.cut_ms,
            status,
            probe: question.probe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_of_the_words_that_the_pages_know() {
        for known in Range::ALL {
            assert_eq!(range(known.word()).unwrap(), known);
        }
        for unknown in ["", "1y", "1H"] {
            assert!(range(unknown).is_err(), "{unknown}");
        }
    }
}
