//! `GET /api/v1/slo`: objectives by week and month.

use axum::extract::Query;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::time::now_ms;
use crate::history::{Page, RollupFilter, RunFilter, RunView};
use crate::outcome::Verdict;
use crate::web::model::slo::{SloBy, SloPeriod, begin_ms, periods};

use super::{ApiState, Failure, names};

/// Periods unless said.
const PERIODS: usize = 4;
/// The most periods: half a year of weeks.
const MOST: usize = 26;
/// Failed runs that are listed where everything must pass.
const FAILURES: usize = 20;

/// What is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct SloQuery {
    /// Only these probes, separated by commas.
    probe: Option<String>,
    /// Weeks unless said.
    #[serde(default)]
    by: SloBy,
    /// How many, the one that goes on among them: 1 to 26; 4 unless said.
    #[param(minimum = 1, maximum = 26)]
    periods: Option<usize>,
}

/// A probe by the calendar.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct SloView {
    /// Its name.
    probe: String,
    /// Whose it is.
    owner: Option<String>,
    /// The share that must pass; absent without `slo.success`.
    objective: Option<f64>,
    /// The newest first.
    periods: Vec<SloPeriod>,
    /// The newest failed runs within them, where everything must pass; at most 20.
    failures: Vec<RunView>,
}

/// Objectives by week or month: the share that passed, what is left of the error budget, and how fast it burns.
#[utoipa::path(get, path = "/api/v1/slo", tag = "status", params(SloQuery),
    responses((status = 200, description = "A probe each, by name.", body = Page<SloView>)))]
pub(in crate::web) async fn slo(
    Extension(api): Extension<ApiState>,
    Query(wanted): Query<SloQuery>,
) -> Result<Json<Page<SloView>>, Failure> {
    let most = match wanted.periods.unwrap_or(PERIODS) {
        most @ 1..=MOST => most,
        most => return Err(Failure::bad(format!("`periods` is {most}; give 1 to {MOST}"))),
    };
    let plan = api.plan();
    let named: Vec<&str> = wanted.probe.as_deref().into_iter().flat_map(|names| names.split(',')).collect();
    if let Some(unknown) = named.iter().find(|name| plan.probes.iter().all(|probe| *probe.name != ***name)) {
        return Err(names::nothing(&plan, unknown));
    }
    let now_ms = now_ms();
    let since_ms = begin_ms(wanted.by, most, now_ms);
    let mut items = Vec::new();
    for probe in plan.probes.iter().filter(|probe| named.is_empty() || named.contains(&&*probe.name)) {
        let objective = probe.slo.as_ref().and_then(|slo| slo.success);
        let filter = RollupFilter { probe: probe.name.to_string(), canary: None, since_ms, until_ms: now_ms, by_day: true };
        let counted = api.read(api.reader.counts_of_probe(filter)).await?;
        let periods = periods(wanted.by, most, &counted, objective, now_ms);
        let is_whole = objective.is_some_and(|objective| objective >= 1.0);
        let failures = if is_whole { failures(&api, &probe.name, since_ms).await? } else { Vec::new() };
        items.push(SloView {
            probe: probe.name.to_string(),
            owner: probe.owner.as_deref().map(str::to_owned),
            objective,
            periods,
            failures,
        });
    }
    items.sort_by(|one, other| one.probe.cmp(&other.probe));
    Ok(Json(Page { items, next: None }))
}

/// The newest failed runs of a probe that counted.
async fn failures(api: &ApiState, probe: &str, since_ms: i64) -> Result<Vec<RunView>, Failure> {
    let filter = RunFilter {
        probe: Some(probe.to_owned()),
        verdict: Some(Verdict::Failed),
        since_ms: Some(since_ms),
        ..RunFilter::default()
    };
    let page = api.read(api.reader.runs(filter, Page::<RunView>::LIMIT, None)).await?;
    Ok(page.items.into_iter().filter(|run| run.counted).take(FAILURES).collect())
}
