//! `/faults`: the switches over HTTP.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::super::reply::Refusal;
use super::super::state::AppState;
use super::scope::FaultScopeBody;
use super::{FaultName, FaultScope};

pub(in crate::sandbox) fn routes() -> Router<Arc<AppState>> {
    Router::new().route("/faults", get(list).delete(clear_all)).route("/faults/{name}", put(set).delete(clear).get(show))
}

async fn list(State(state): State<Arc<AppState>>) -> Json<Value> {
    let active = state.faults.active();
    let faults: Vec<Value> = FaultName::ALL
        .into_iter()
        .map(|name| describe(name, active.iter().find(|(other, _)| *other == name).map(|(_, scope)| scope)))
        .collect();
    Json(json!({ "seed": state.seed.value(), "faults": faults }))
}

async fn show(State(state): State<Arc<AppState>>, Path(name): Path<String>) -> Result<Json<Value>, Refusal> {
    let name = known(&name)?;
    let active = state.faults.active();
    Ok(Json(describe(name, active.iter().find(|(other, _)| *other == name).map(|(_, scope)| scope))))
}

async fn set(State(state): State<Arc<AppState>>, Path(name): Path<String>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let name = known(&name)?;
    // Whatever content type a quick `curl -d` sends, a body is JSON here; none at all means everything.
    let body = if body.is_empty() { Ok(FaultScopeBody::default()) } else { serde_json::from_slice(&body) };
    let body =
        body.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "bad_scope", format!("not a fault's scope: {error}")))?;
    let scope = FaultScope::try_from(body).map_err(|error| Refusal::invalid(error.to_string()))?;
    if scope.delay().is_some() && name.default_delay().is_none() {
        return Err(Refusal::invalid(format!("the fault `{name}` has no delay; leave `delay` out")));
    }
    let described = describe(name, Some(&scope));
    tracing::info!(fault = name.as_str(), scope = %scope.to_json(), "fault switched on");
    state.faults.set(name, scope);
    Ok(Json(described))
}

async fn clear(State(state): State<Arc<AppState>>, Path(name): Path<String>) -> Result<StatusCode, Refusal> {
    let name = known(&name)?;
    tracing::info!(fault = name.as_str(), "fault switched off");
    state.faults.clear(name);
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_all(State(state): State<Arc<AppState>>) -> StatusCode {
    tracing::info!("all faults switched off");
    state.faults.clear_all();
    StatusCode::NO_CONTENT
}

fn describe(name: FaultName, scope: Option<&FaultScope>) -> Value {
    json!({
        "name": name.as_str(),
        "summary": name.summary(),
        "active": scope.is_some(),
        "scope": scope.map(FaultScope::to_json),
        "default_delay": name.default_delay().map(|delay| humantime::format_duration(delay).to_string()),
    })
}

fn known(name: &str) -> Result<FaultName, Refusal> {
    name.parse().map_err(|error: super::UnknownFault| {
        Refusal::new(StatusCode::NOT_FOUND, "unknown_fault", error.to_string())
            .with("known", json!(FaultName::ALL.map(FaultName::as_str)))
    })
}
