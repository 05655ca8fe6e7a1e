//! Finished runs.

use axum::extract::{Path, Query};
use axum::{Extension, Json};
use serde::Deserialize;

use crate::history::{Page, RunDetail, RunFilter, RunView};
use crate::outcome::Verdict;

use super::{ApiState, Failure, names};

/// What may be asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct RunsQuery {
    canary: Option<String>,
    probe: Option<String>,
    region: Option<String>,
    verdict: Option<String>,
    #[serde(default)]
    not_passed: bool,
    #[serde(default)]
    degraded: bool,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
    limit: Option<usize>,
    after: Option<String>,
}

/// `GET /api/v1/runs`
pub(in crate::web) async fn list(
    Extension(api): Extension<ApiState>,
    Query(wanted): Query<RunsQuery>,
) -> Result<Json<Page<RunView>>, Failure> {
    let verdict = wanted.verdict.as_deref().map(verdict).transpose()?;
    let (limit, after) = (limit(wanted.limit)?, wanted.after);
    let name = wanted.canary.clone().or_else(|| wanted.probe.clone()).filter(|_| after.is_none());
    let filter = RunFilter {
        canary: wanted.canary,
        probe: wanted.probe,
        region: wanted.region,
        verdict,
        reason: None,
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
        None => Ok(Json(page)),
    }
}

/// `GET /api/v1/runs/{id}`
pub(in crate::web) async fn one(Extension(api): Extension<ApiState>, Path(id): Path<String>) -> Result<Json<RunDetail>, Failure> {
    let missing = format!("no run `{}` is kept; passed runs are kept for `store.keep_passed`", short(&id));
    api.read(api.reader.run(id)).await?.map(Json).ok_or_else(|| Failure::unknown(missing))
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
