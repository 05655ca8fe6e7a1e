//! Pausing, resuming, and running by hand.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::{Extension, Json};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::alert::desk::Event;
use crate::history::Commit;
use crate::plan::{Canary, Plan};
use crate::schedule::{Pause, PauseTarget};

use super::{Failure, Shared, pauses};

/// The most canaries that one request runs.
const MOST: usize = 100;

/// What is paused, and for how long.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    target: String,
    for_seconds: Option<f64>,
    by: Option<String>,
    why: Option<String>,
}

/// A probe's name or a canary's id.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    target: String,
}

/// `POST /api/v1/pause`
pub(super) async fn pause(Extension(api): Extension<Shared>, Json(asked): Json<Asked>) -> Result<Json<Value>, Failure> {
    let target = target(&api.plan(), &asked.target)?;
    let until = asked.for_seconds.map(lasting).transpose()?.map(|lasting| SystemTime::now() + lasting);
    let short = |text: Option<String>| text.map(|text| text.chars().take(200).collect::<String>());
    let by = short(asked.by).unwrap_or_else(|| "somebody".to_owned());
    let pause = Pause { target, since: SystemTime::now(), until, by, why: short(asked.why) };
    api.store.offer(Commit { states: vec![pauses::row(&pause.target, Some(&pause))], ..Commit::default() });
    let canaries = pauses::canaries(&api.plan(), &pause.target);
    api.alerts.event(Event::Paused { canaries, by: pause.by.clone() });
    api.scheduler.pauses().pause(pause);
    Ok(Json(json!({ "paused": asked.target })))
}

/// `POST /api/v1/resume`
pub(super) async fn resume(Extension(api): Extension<Shared>, Json(asked): Json<Target>) -> Result<Json<Value>, Failure> {
    let target = target(&api.plan(), &asked.target)?;
    let was_paused = api.scheduler.pauses().resume(&target);
    api.store.offer(Commit { states: vec![pauses::row(&target, None)], ..Commit::default() });
    if !was_paused {
        return Err(Failure::conflict(format!("`{}` is not paused; `serinus status` lists what is", asked.target)));
    }
    api.alerts.event(Event::Resumed { canaries: pauses::canaries(&api.plan(), &target) });
    Ok(Json(json!({ "resumed": asked.target })))
}

/// `POST /api/v1/trigger`
pub(super) async fn trigger(Extension(api): Extension<Shared>, Json(asked): Json<Target>) -> Result<Json<Value>, Failure> {
    let plan = api.plan();
    let canaries = canaries(&plan, &asked.target);
    if canaries.is_empty() {
        return Err(nothing(&asked.target));
    }
    if canaries.len() > MOST {
        let count = canaries.len();
        return Err(Failure::bad(format!("`{}` has {count} canaries; name one of them, or at most {MOST}", asked.target)));
    }
    let mut started = Vec::new();
    for canary in canaries {
        api.scheduler.trigger(&canary.id).map_err(|error| Failure::conflict(format!("{}: {error}", canary.id)))?;
        started.push(canary.id.as_str().to_owned());
    }
    Ok(Json(json!({ "started": started })))
}

fn target(plan: &Plan, name: &str) -> Result<PauseTarget, Failure> {
    pauses::target(plan, name).ok_or_else(|| nothing(name))
}

fn canaries<'p>(plan: &'p Plan, name: &str) -> Vec<&'p Arc<Canary>> {
    plan.canaries.iter().filter(|canary| &*canary.probe.name == name || canary.id.as_str() == name).collect()
}

fn nothing(name: &str) -> Failure {
    Failure::unknown(format!("no probe and no canary is called `{name}`; a canary's id looks like PROBE/REGION/KEY=VALUE"))
}

fn lasting(seconds: f64) -> Result<Duration, Failure> {
    const LONGEST: Duration = Duration::from_hours(24 * 366);
    let lasting = Duration::try_from_secs_f64(seconds).ok().filter(|lasting| !lasting.is_zero() && *lasting <= LONGEST);
    lasting.ok_or_else(|| Failure::bad("a pause lasts between nothing and a year; leave `for_seconds` out for one without end"))
}
