//! Finished runs.

use axum::extract::{Path, Query};
use axum::{Extension, Json};
use serde::Deserialize;

use crate::base::did_you_mean;
use crate::history::{ArtifactView, Comparison, Page, RunDetail, RunFilter, RunView, WrittenPage};
use crate::outcome::{Reason, Verdict};

use super::table::{Asked, Format, Listing};
use super::{ApiState, Failure, names};

/// What may be asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct RunsQuery {
    /// Of this canary, by its id.
    canary: Option<String>,
    /// Of this probe.
    probe: Option<String>,
    /// In this region.
    region: Option<String>,
    /// That ended so: passed, failed, errored, missed, blocked or skipped.
    verdict: Option<String>,
    /// That did not pass for this reason, such as `timeout`.
    reason: Option<String>,
    /// Only runs that did not pass.
    #[serde(default)]
    not_passed: bool,
    /// Only runs that are degraded.
    #[serde(default)]
    degraded: bool,
    /// Due at or after, milliseconds since the epoch.
    since_ms: Option<i64>,
    /// Due before, milliseconds since the epoch.
    until_ms: Option<i64>,
    /// The page's size, 1 to 500; 50 unless said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
    /// The form of the answer, whatever the request accepts.
    format: Option<Format>,
}

/// Finished runs, the newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(RunsQuery), responses(
    (status = 200, description = "A page of runs.", content((Page<RunView> = "application/json"), (String = "text/csv"))),
))]
pub(in crate::web) async fn list(
    Extension(api): Extension<ApiState>,
    asked: Asked,
    Query(wanted): Query<RunsQuery>,
) -> Result<Listing<RunView>, Failure> {
    let verdict = wanted.verdict.as_deref().map(verdict).transpose()?;
    let reason = wanted.reason.as_deref().map(reason).transpose()?;
    let (limit, after) = (limit(wanted.limit)?, wanted.after);
    let name = wanted.canary.clone().or_else(|| wanted.probe.clone()).filter(|_| after.is_none());
    let filter = RunFilter {
        canary: wanted.canary,
        probe: wanted.probe,
        region: wanted.region,
        verdict,
        reason,
        not_passed: wanted.not_passed,
        degraded: wanted.degraded,
        since_ms: wanted.since_ms,
        until_ms: wanted.until_ms,
    };
    let page = api.read(api.reader.runs(filter, limit, after)).await?;
    let plan = api.plan();
    // A removed probe may still have runs. A name without runs that is not configured is wrong.
    match name.filter(|name| page.items.is_empty() && names::target(&plan, name).is_none()) {
        Some(name) => Err(names::nothing(&plan, &name)),
        None => Ok(Listing::of(page, wanted.format, &asked)),
    }
}

/// Which of the runs that were written since are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct WrittenQuery {
    /// Of this canary, by its id.
    canary: Option<String>,
    /// Of this probe.
    probe: Option<String>,
    /// In this region.
    region: Option<String>,
    /// That ended so.
    verdict: Option<String>,
    /// That did not pass for this reason.
    reason: Option<String>,
    /// Only runs that did not pass.
    #[serde(default)]
    not_passed: bool,
    /// Only runs that are degraded.
    #[serde(default)]
    degraded: bool,
    /// The `next` of the answer before; without it nothing comes but `next`, which is now.
    after: Option<String>,
}

/// The runs that were written since, in the order of writing: whoever goes on from `next` misses none and gets none twice.
#[utoipa::path(get, path = "/api/v1/runs/written", tag = "runs", params(WrittenQuery),
    responses((status = 200, description = "At most a thousand of them.", body = WrittenPage)))]
pub(in crate::web) async fn written(
    Extension(api): Extension<ApiState>,
    Query(wanted): Query<WrittenQuery>,
) -> Result<Json<WrittenPage>, Failure> {
    let filter = RunFilter {
        canary: wanted.canary,
        probe: wanted.probe,
        region: wanted.region,
        verdict: wanted.verdict.as_deref().map(verdict).transpose()?,
        reason: wanted.reason.as_deref().map(reason).transpose()?,
        not_passed: wanted.not_passed,
        degraded: wanted.degraded,
        since_ms: None,
        until_ms: None,
    };
    api.read(api.reader.written_runs(filter, wanted.after, WrittenPage::LIMIT)).await.map(Json)
}

/// A run with what is known of it.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "runs", params(("id" = String, Path, description = "The run's id.")),
    responses((status = 200, description = "The run.", body = RunDetail)))]
pub(in crate::web) async fn one(Extension(api): Extension<ApiState>, Path(id): Path<String>) -> Result<Json<RunDetail>, Failure> {
    known(&api, id).await.map(Json)
}

/// What a run can be compared with: the last of its canary that had passed, and one of the same tick that did.
#[utoipa::path(get, path = "/api/v1/runs/{id}/beside", tag = "runs", params(("id" = String, Path, description = "The run's id.")),
    responses((status = 200, description = "Both, as far as they are kept.", body = Comparison)))]
pub(in crate::web) async fn beside(
    Extension(api): Extension<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<Comparison>, Failure> {
    let run = known(&api, id).await?.run;
    api.read(api.reader.comparison(run.run_id)).await.map(Json)
}

/// What else was kept of a run: the names, types and sizes of its artifacts.
#[utoipa::path(get, path = "/api/v1/runs/{id}/artifacts", tag = "runs", params(("id" = String, Path, description = "The run's id.")),
    responses((status = 200, description = "All of them.", body = Page<ArtifactView>)))]
pub(in crate::web) async fn artifacts(
    Extension(api): Extension<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<Page<ArtifactView>>, Failure> {
    let run = known(&api, id).await?.run;
    let items = api.read(api.reader.artifacts(run.run_id)).await?;
    Ok(Json(Page { items, next: None }))
}

async fn known(api: &ApiState, id: String) -> Result<RunDetail, Failure> {
    let missing = format!("no run `{}` is kept; passed runs are kept for `store.keep_passed`", short(&id));
    api.read(api.reader.run(id)).await?.ok_or_else(|| Failure::unknown(missing))
}

/// What was asked for, as far as it is repeated.
pub(super) fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

/// The page's size: 50 unless said, at most [`Page::LIMIT`].
pub(super) fn limit(asked: Option<usize>) -> Result<usize, Failure> {
    const MOST: usize = Page::<()>::LIMIT;
    match asked.unwrap_or(50) {
        limit @ 1..=MOST => Ok(limit),
        limit => Err(Failure::bad(format!("`limit` is {limit}; give 1 to {MOST}, and page on with `after`"))),
    }
}

fn verdict(word: &str) -> Result<Verdict, Failure> {
    let known = || Verdict::ALL.map(Verdict::as_str).join(", ");
    word.parse().map_err(|_| Failure::bad(format!("`{}` is no verdict; known are {}", short(word), known())))
}

fn reason(word: &str) -> Result<Reason, Failure> {
    word.parse().map_err(|_| {
        let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        let hint = did_you_mean(word, known.iter().copied()).unwrap_or_else(|| format!("known are {}", known.join(", ")));
        Failure::bad(format!("`{}` is no reason; {hint}", short(word)))
    })
}
