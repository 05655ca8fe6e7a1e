//! Verifying an incident: a run of each of its failing canaries now, and how those went. The runs count for nothing, so that an
//! incident ends by its ticks as always; when the next ones come is said as well.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::extract::{Path, Query};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::alert::status::{CanaryStatus, IncidentStatus};
use crate::base::time::{epoch_ms, now_ms};
use crate::history::{Page, RunFilter, RunView};
use crate::plan::{Canary, CanaryId, Plan};

use super::audit::{Action, Who};
use super::body::Body;
use super::incidents::{self, KnownIncident};
use super::started_by_hand::{StartedRun, start_everywhere};
use super::verbs::ByRequest;
use super::{Api, ApiState, Failure};

/// The most canaries that are run or shown at once.
pub(in crate::web) const MOST: usize = 100;

/// The most pages of runs that are looked through for the newest run of each canary.
const PAGES: usize = 4;

/// How far back is looked where nobody says since when.
const HOUR_MS: i64 = 3_600_000;

/// Standings of members that fail no more.
const OVER: [&str; 3] = ["recovered", "removed", "closed"];

/// What came of one canary's verification.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Verified {
    /// Its id.
    canary: String,
    /// Whether it runs now.
    started: bool,
    /// Why it was not started.
    pub(in crate::web) why: Option<String>,
    /// When its next tick is due; absent where none will come.
    next_tick_ms: Option<i64>,
    /// How its last run that counted ended, and when; absent since this process began if there was none.
    last_verdict: Option<&'static str>,
    /// See [`Self::last_verdict`], milliseconds since the epoch.
    last_ms: Option<i64>,
}

/// What was begun.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct VerifyAnswer {
    /// The incident's id.
    pub(in crate::web) incident: String,
    /// When this was asked, milliseconds since the epoch.
    pub(in crate::web) since_ms: i64,
    /// How many runs were started.
    pub(in crate::web) started: usize,
    /// Its failing canaries, at most 100.
    pub(in crate::web) canaries: Vec<Verified>,
    /// How many there are.
    pub(in crate::web) canaries_total: usize,
}

/// What came of one canary's verification.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct VerifiedRun {
    /// Its id.
    canary: String,
    /// The newest run since then; none yet if absent.
    run: Option<RunView>,
    /// When its next tick is due, milliseconds since the epoch.
    next_tick_ms: Option<i64>,
}

/// What came of a verification.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct VerifiedAnswer {
    /// The incident's id.
    incident: String,
    /// Its canaries, at most 100.
    canaries: Vec<VerifiedRun>,
    /// How many there are.
    canaries_total: usize,
}

/// Since when runs are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct SinceQuery {
    /// Due at or after, milliseconds since the epoch; an hour ago if absent.
    since_ms: Option<i64>,
}

/// Runs each failing canary of an open incident now; such runs count for nothing.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/verify", tag = "incidents", request_body = ByRequest,
    params(("id" = String, Path, description = "Its id, its scope or a key.")),
    responses((status = 200, description = "What was started.", body = VerifyAnswer)))]
pub(in crate::web) async fn start(
    Extension(api): Extension<ApiState>,
    Path(id): Path<String>,
    who: Who,
    Body(asked): Body<ByRequest>,
) -> Result<Json<VerifyAnswer>, Failure> {
    let status = api.alerts.status().await.ok_or_else(|| api.without_status())?;
    let incident = incidents::find(&status.incidents, &id).ok_or_else(|| incidents::not_open(&id))?;
    let plan = api.plan();
    let canaries = failing(&plan, incident);
    if canaries.is_empty() {
        return Err(Failure::conflict("nothing that runs fails in it, so that there is nothing to run"));
    }
    let last: HashMap<&str, &CanaryStatus> = status.canaries.iter().map(|canary| (canary.canary.as_str(), canary)).collect();
    let (total, since_ms, by) = (canaries.len(), now_ms(), who.or(asked.by));
    let canaries: Vec<&Arc<Canary>> = canaries.into_iter().take(MOST).collect();
    let (begun, _unanswered) = start_everywhere(&api, &canaries, &by, None).await;
    // As far as the clocks of those who began differ, the earliest one says since when.
    let since_ms = since_ms.min(begun.since_ms);
    let mut of: HashMap<String, StartedRun> = begun.runs.into_iter().map(|run| (run.canary.clone(), run)).collect();
    let runs: Vec<Verified> = canaries
        .into_iter()
        .filter_map(|canary| Some(verified(of.remove(canary.id.as_str())?, last.get(canary.id.as_str()).copied())))
        .collect();
    let started = runs.iter().filter(|run| run.started).count();
    let text = format!("verified by {by}: {started} of {total} failing canaries run now");
    let (probe, id) = (incident.probe.clone(), incident.id.clone());
    api.audit(Action { by: &by, what: "verify", probe, incident: Some(id.clone()), text });
    Ok(Json(VerifyAnswer { incident: id, since_ms, started, canaries: runs, canaries_total: total }))
}

fn verified(run: StartedRun, last: Option<&CanaryStatus>) -> Verified {
    Verified {
        canary: run.canary,
        started: run.why.is_none(),
        why: run.why,
        next_tick_ms: run.next_tick_ms,
        last_verdict: last.and_then(|last| last.last_verdict),
        last_ms: last.and_then(|last| last.last_ms),
    }
}

/// The newest run of each canary of an incident; of one that is over, of all canaries of its probe.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/verify", tag = "incidents",
    params(("id" = String, Path, description = "Its id, or of an open one its scope or a key."), SinceQuery),
    responses((status = 200, description = "What came of it so far.", body = VerifiedAnswer)))]
pub(in crate::web) async fn shown(
    Extension(api): Extension<ApiState>,
    Path(id): Path<String>,
    Query(wanted): Query<SinceQuery>,
) -> Result<Json<VerifiedAnswer>, Failure> {
    let status = api.alerts.status().await.ok_or_else(|| api.without_status())?;
    let plan = api.plan();
    let (id, canaries) = if let Some(incident) = incidents::find(&status.incidents, &id) {
        (incident.id.clone(), members(&plan, incident))
    } else {
        let KnownIncident { id, scope: _, probe } = incidents::known(&api, &id).await?;
        let is_of_probe = |canary: &&Arc<Canary>| probe.as_deref() == Some(&*canary.probe.name);
        (id, plan.canaries.iter().filter(is_of_probe).collect())
    };
    let (total, canaries) = (canaries.len(), canaries.into_iter().take(MOST).collect::<Vec<_>>());
    let since_ms = wanted.since_ms.unwrap_or_else(|| now_ms() - HOUR_MS);
    let mut newest = newest(&api, &canaries, since_ms).await?;
    let items = canaries.iter().map(|canary| VerifiedRun {
        canary: canary.id.to_string(),
        run: newest.remove(canary.id.as_str()),
        next_tick_ms: api.scheduler.next_tick(&canary.id).map(epoch_ms),
    });
    Ok(Json(VerifiedAnswer { incident: id, canaries: items.collect(), canaries_total: total }))
}

/// The newest run of each of these canaries since a moment, found by their probes and not one by one.
///
/// # Errors
/// What the store says.
pub(in crate::web) async fn newest(
    api: &Api,
    canaries: &[&Arc<Canary>],
    since_ms: i64,
) -> Result<HashMap<String, RunView>, Failure> {
    let mut newest: HashMap<String, RunView> = HashMap::new();
    let probes: BTreeSet<&str> = canaries.iter().map(|canary| &*canary.probe.name).collect();
    for probe in probes {
        let mut after = None;
        for _ in 0..PAGES {
            let filter = RunFilter { probe: Some(probe.to_owned()), since_ms: Some(since_ms), ..RunFilter::default() };
            let page = api.read(api.reader.runs(filter, Page::<RunView>::LIMIT, after)).await?;
            for run in page.items {
                newest.entry(run.canary.clone()).or_insert(run);
            }
            let missing = canaries.iter().any(|canary| &*canary.probe.name == probe && !newest.contains_key(canary.id.as_str()));
            match page.next.filter(|_| missing) {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    Ok(newest)
}

/// The canaries of the plan that fail in an incident. One in which no canary fails itself, but what its probe found or how often it
/// failed, is verified by all canaries of its probe.
fn failing<'p>(plan: &'p Plan, incident: &IncidentStatus) -> Vec<&'p Arc<Canary>> {
    named(plan, incident, |standing| !OVER.contains(&standing))
}

/// All canaries that are or were failing in an incident.
pub(in crate::web) fn members<'p>(plan: &'p Plan, incident: &IncidentStatus) -> Vec<&'p Arc<Canary>> {
    named(plan, incident, |_| true)
}

fn named<'p>(plan: &'p Plan, incident: &IncidentStatus, is_meant: impl Fn(&str) -> bool) -> Vec<&'p Arc<Canary>> {
    let fails: Vec<_> = incident.members.iter().filter(|member| is_meant(member.standing)).collect();
    let ids: BTreeSet<&str> = fails.iter().filter_map(|member| member.canary.as_deref()).collect();
    let planned = |id: &&str| {
        let id = CanaryId::from_text(id);
        plan.canaries.binary_search_by(|canary| canary.id.cmp(&id)).ok().map(|at| &plan.canaries[at])
    };
    if !ids.is_empty() || fails.is_empty() {
        return ids.iter().filter_map(planned).collect();
    }
    let probes: BTreeSet<&str> = fails.iter().filter_map(|member| member.probe.as_deref()).collect();
    plan.canaries.iter().filter(|canary| probes.contains(&*canary.probe.name)).collect()
}
