//! Pausing, resuming, running by hand, and reading the configuration again.

use std::time::{Duration, SystemTime};

use axum::{Extension, Json};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::time::{epoch_ms, rfc3339};
use crate::outcome::visible;
use crate::schedule::{Pause, PauseTarget};

use super::audit::{Action, Who};
use super::body::Body;
use super::started_by_hand::{StartedRun, StartedRuns, start_everywhere};
use super::{ApiState, Failure, names};

/// The most canaries that one request runs.
const MOST: usize = 100;

/// What is paused, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct PauseRequest {
    /// A probe's name or a canary's id.
    target: String,
    /// For how long, at most a year; until somebody says so if absent.
    #[schema(exclusive_minimum = 0, maximum = 31_622_400)]
    for_seconds: Option<f64>,
    /// Who says so.
    by: Option<String>,
    /// What for.
    why: Option<String>,
}

/// A probe's name or a canary's id.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct TargetRequest {
    /// A probe's name or a canary's id.
    target: String,
    /// Who says so.
    by: Option<String>,
}

/// Who asks for something that needs no more words.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct ByRequest {
    /// Who says so.
    pub(super) by: Option<String>,
}

/// What is paused now.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct PauseAnswer {
    /// The probe or the canary.
    paused: String,
    /// Until when, milliseconds since the epoch; until somebody says so if absent.
    until_ms: Option<i64>,
    /// Whether that is durable already.
    kept: bool,
}

/// What is not paused any more.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct ResumeAnswer {
    /// The probe or the canary.
    resumed: String,
    /// What else keeps it paused; nothing if it is run again.
    still_paused_by: Option<String>,
    /// Whether that is durable already.
    kept: bool,
}

/// What was run.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct TriggerAnswer {
    /// The ids of the canaries that run now.
    started: Vec<String>,
    /// Those that do not.
    refused: Vec<NotStarted>,
    /// These runs are due from this moment on, milliseconds since the epoch.
    pub(in crate::web) since_ms: i64,
    /// Until this one, which is still among them.
    until_ms: i64,
    /// The deadline of each, which stalls of the service prolong, at most by itself.
    deadline_seconds: f64,
}

/// A canary that was not run.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct NotStarted {
    /// Its id.
    canary: String,
    /// Why not.
    why: String,
}

/// Pauses a probe or a canary; open incidents stay open.
#[utoipa::path(post, path = "/api/v1/pause", tag = "quiet", request_body = PauseRequest,
    responses((status = 200, description = "It is paused.", body = PauseAnswer)))]
pub(in crate::web) async fn pause(
    Extension(api): Extension<ApiState>,
    who: Who,
    Body(asked): Body<PauseRequest>,
) -> Result<Json<PauseAnswer>, Failure> {
    let plan = api.plan();
    let target = names::target(&plan, &asked.target).ok_or_else(|| names::nothing(&plan, &asked.target))?;
    let until = asked.for_seconds.map(lasting).transpose()?.map(|lasting| SystemTime::now() + lasting);
    let pause = Pause { target, since: SystemTime::now(), until, by: who.or(asked.by), why: said(asked.why) };
    api.scheduler.pauses().pause(pause.clone());
    api.sync_pauses();
    let text = format!("`{}` paused by {}{}", asked.target, pause.by, until_and_why(until, pause.why.as_deref()));
    api.audit(Action { by: &pause.by, what: "pause", probe: Some(probe_of(&pause.target)), incident: None, text });
    let kept = api.store_pause(&pause.target, Some(&pause)).await;
    Ok(Json(PauseAnswer { paused: asked.target, until_ms: until.map(epoch_ms), kept }))
}

/// Ends a pause.
#[utoipa::path(post, path = "/api/v1/resume", tag = "quiet", request_body = TargetRequest,
    responses((status = 200, description = "It is over.", body = ResumeAnswer)))]
pub(in crate::web) async fn resume(
    Extension(api): Extension<ApiState>,
    who: Who,
    Body(asked): Body<TargetRequest>,
) -> Result<Json<ResumeAnswer>, Failure> {
    let plan = api.plan();
    let pauses = api.scheduler.pauses();
    let targets = pauses.list().into_iter().map(|pause| pause.target);
    // What was paused may have been removed from the configuration since.
    let target = targets.into_iter().find(|paused| names::name(paused) == asked.target);
    let Some(target) = target else {
        let known = names::canaries(&plan, &asked.target);
        if known.is_empty() {
            return Err(names::nothing(&plan, &asked.target));
        }
        let over = pauses.list().into_iter().find(|pause| known.iter().any(|canary| pause.target.is(canary)));
        let instead = over.map_or_else(
            || "`serinus status` lists what is".to_owned(),
            |pause| format!("`{}` is: resume that", names::name(&pause.target)),
        );
        return Err(Failure::conflict(format!("`{}` is not paused; {instead}", asked.target)));
    };
    pauses.resume(&target);
    api.sync_pauses();
    let by = who.or(asked.by);
    let text = format!("`{}` resumed by {by}", asked.target);
    api.audit(Action { by: &by, what: "resume", probe: Some(probe_of(&target)), incident: None, text });
    let kept = api.store_pause(&target, None).await;
    let known = names::canaries(&plan, &asked.target);
    let over = pauses.list().into_iter().find(|pause| known.iter().any(|canary| pause.target.is(canary)));
    let still_paused_by = over.map(|pause| names::name(&pause.target).to_owned());
    Ok(Json(ResumeAnswer { resumed: asked.target, still_paused_by, kept }))
}

/// Runs a canary, or all of a probe, now; such runs count for nothing.
#[utoipa::path(post, path = "/api/v1/trigger", tag = "runs", request_body = TargetRequest,
    responses((status = 200, description = "What was started.", body = TriggerAnswer)))]
pub(in crate::web) async fn trigger(
    Extension(api): Extension<ApiState>,
    who: Who,
    Body(asked): Body<TargetRequest>,
) -> Result<Json<TriggerAnswer>, Failure> {
    let plan = api.plan();
    let canaries = names::canaries(&plan, &asked.target);
    if canaries.is_empty() {
        return Err(names::nothing(&plan, &asked.target));
    }
    if canaries.len() > MOST {
        let count = canaries.len();
        return Err(Failure::bad(format!(
            "`{}` has {count} canaries; name one of them, or a probe with at most {MOST}",
            asked.target
        )));
    }
    // All of them are of one probe.
    let (deadline_seconds, by) = (canaries[0].probe.deadline.as_secs_f64(), who.or(asked.by));
    let (StartedRuns { runs, since_ms, until_ms }, failure) = start_everywhere(&api, &canaries, &by, Some(&asked.target)).await;
    let (mut started, mut refused) = (Vec::new(), Vec::new());
    for StartedRun { canary, why, next_tick_ms: _ } in runs {
        match why {
            None => started.push(canary),
            Some(why) => refused.push(NotStarted { canary, why }),
        }
    }
    if let ([], [NotStarted { canary, why }, ..]) = (started.as_slice(), refused.as_slice()) {
        return Err(failure.unwrap_or_else(|| Failure::conflict(format!("{canary}: {why}"))));
    }
    Ok(Json(TriggerAnswer { started, refused, since_ms, until_ms, deadline_seconds }))
}

/// What somebody said, in one line and not too long; nothing if there was nothing in it.
pub(super) fn said(text: Option<String>) -> Option<String> {
    let text = text.map(|text| visible(text.trim()).chars().take(200).collect::<String>());
    text.filter(|text| !text.is_empty())
}

/// ` until 2026-11-28T22:00:00.000Z: the shop moves`
pub(super) fn until_and_why(until: Option<SystemTime>, why: Option<&str>) -> String {
    let until = until.map(|until| format!(" until {}", rfc3339(until))).unwrap_or_default();
    format!("{until}{}", why.map(|why| format!(": {why}")).unwrap_or_default())
}

/// The name of the probe that a pause is about.
fn probe_of(target: &PauseTarget) -> String {
    let name = names::name(target);
    name.split('/').next().unwrap_or(name).to_owned()
}

/// How long something is to last.
pub(super) fn lasting(seconds: f64) -> Result<Duration, Failure> {
    const LONGEST: Duration = Duration::from_hours(24 * 366);
    let lasting = Duration::try_from_secs_f64(seconds).ok().filter(|lasting| !lasting.is_zero() && *lasting <= LONGEST);
    lasting.ok_or_else(|| Failure::bad("it lasts between nothing and a year; leave `for_seconds` out for no end"))
}

/// How a reload went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reloaded {
    /// Whether what was read is in force now; if not, the former one is.
    pub applied: bool,
    /// One sentence.
    pub message: String,
    /// Errors, each with its place, and how many warnings there are.
    pub diagnostics: String,
}

/// How the last reload went, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastReload {
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// Whether it is in force.
    pub applied: bool,
    /// One sentence.
    pub message: String,
}

/// Reads the configuration again.
#[utoipa::path(post, path = "/api/v1/reload", tag = "service",
    responses((status = 200, description = "How that went, also if it was refused.", body = Reloaded)))]
pub(in crate::web) async fn reload(Extension(api): Extension<ApiState>, who: Who) -> Json<Reloaded> {
    let reloaded = (api.reload)().await;
    let by = who.or(None);
    let text = format!("reload asked for by {by}: {}", reloaded.message);
    api.audit(Action { by: &by, what: "reload", probe: None, incident: None, text });
    Json(reloaded)
}
