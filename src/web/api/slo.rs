//! `GET /api/v1/slo`: objectives by week and month.

use std::collections::HashMap;

use axum::extract::Query;
use axum::{Extension, Json};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::time::now_ms;
use crate::history::{Page, ProbeCounts, ProbeTotal, RunFilter, RunView};
use crate::outcome::Verdict;
use crate::web::model::slo::{SloBy, SloPeriod, periods, spans_ms};

use super::{ApiState, Failure, names};

/// Periods unless said.
const PERIODS: usize = 4;
/// The most periods: half a year of weeks.
const MOST: usize = 26;
/// Failed runs that are listed where everything must pass.
const FAILURES: usize = 20;
/// Questions that the store is asked at once.
const AT_ONCE: usize = 4;

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

impl SloView {
    /// Whether everything must pass, and did not.
    fn is_broken(&self) -> bool {
        self.objective.is_some_and(|objective| objective >= 1.0) && self.periods.iter().any(|period| period.failed > 0)
    }
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
    let spans = spans_ms(wanted.by, most, now_ms);
    let since_ms = spans.last().map_or(now_ms, |(from_ms, _)| *from_ms);
    let totals = totals(&api, &named, spans).await?;
    let mut items = Vec::new();
    for probe in plan.probes.iter().filter(|probe| named.is_empty() || named.contains(&&*probe.name)) {
        let objective = probe.slo.as_ref().and_then(|slo| slo.success);
        let (kept_since_ms, counts) = totals.get(&*probe.name).map_or((None, &[][..]), |(since, counts)| (Some(*since), counts));
        items.push(SloView {
            probe: probe.name.to_string(),
            owner: probe.owner.as_deref().map(str::to_owned),
            objective,
            periods: periods(wanted.by, most, counts, objective, kept_since_ms, now_ms),
            failures: Vec::new(),
        });
    }
    items.sort_by(|one, other| one.probe.cmp(&other.probe));
    let broken: Vec<(usize, String)> =
        items.iter().enumerate().filter(|(_, probe)| probe.is_broken()).map(|(at, probe)| (at, probe.probe.clone())).collect();
    let asked = broken.into_iter().map(|(at, probe)| {
        let api = api.clone();
        async move { failures(&api, &probe, since_ms).await.map(|found| (at, found)) }
    });
    let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    for (at, found) in answers {
        items[at].failures = found;
    }
    Ok(Json(Page { items, next: None }))
}

/// Of each probe, since when it is kept and the counts of the periods: a question for each period, and not one for each probe.
async fn totals(
    api: &ApiState,
    named: &[&str],
    spans: Vec<(i64, i64)>,
) -> Result<HashMap<String, (i64, Vec<ProbeCounts>)>, Failure> {
    let only = match named {
        [only] => Some((*only).to_owned()),
        _ => None,
    };
    let asked = spans.into_iter().map(|(from_ms, to_ms)| {
        let (api, only) = (api.clone(), only.clone());
        async move { api.read(api.reader.totals_of_probes(only, from_ms, to_ms)).await.map(|totals| (from_ms, totals)) }
    });
    let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    let mut found: HashMap<String, (i64, Vec<ProbeCounts>)> = HashMap::new();
    for (start_ms, totals) in answers {
        for ProbeTotal { probe, kept_since_ms, counts } in totals {
            let (since_ms, all) = found.entry(probe).or_insert((kept_since_ms, Vec::new()));
            *since_ms = kept_since_ms.min(*since_ms);
            all.push(ProbeCounts { start_ms, counts });
        }
    }
    Ok(found)
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
