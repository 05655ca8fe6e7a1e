//! Logging in and out.
//!
//! A link with a code opens a form that posts the code: whatever fetches links by itself, to show what is behind them, logs nobody
//! in and uses no code up.

use std::sync::Arc;
use std::time::SystemTime;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::request::Parts;
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::time::epoch_ms;
use crate::web::api::Body;
use crate::web::problem::problem;

use super::arrival::Base;
use super::caller::{Caller, Role};
use super::codes::{self, Admitted};
use super::guard::{CallerSource, client, cookie_of, too_often};
use super::identify::Now;
use super::session::{Session, Source};
use super::state::AccessState;
use super::{cookie, next, origin, refusal};

/// The page to log in on.
#[derive(Template)]
#[template(path = "login.html", config = "src/web/pages/askama.toml")]
struct LoginPage<'p> {
    base: &'p str,
    code: Option<&'p str>,
    next: &'p str,
    failed: Option<&'p str>,
    asks_who: bool,
}

/// What the page is asked for with.
#[derive(Debug, Deserialize, Default)]
struct LoginQuery {
    code: Option<String>,
    next: Option<String>,
}

/// What its form brings.
#[derive(Debug, Deserialize)]
struct LoginForm {
    token: Option<String>,
    code: Option<String>,
    next: Option<String>,
}

/// What a code is asked for with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct CodeRequest {
    /// What may be done with it; as much as the caller may if absent, and never more.
    role: Option<AskedRole>,
}

/// A link that logs a browser in once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct CodeAnswer {
    /// Where it leads.
    url: String,
    /// Until when, milliseconds since the epoch.
    expires_ms: i64,
}

/// A role, by its word.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum AskedRole {
    Read,
    Act,
}

/// The routes that are open to everybody.
pub(in crate::web) fn public<S: Clone + Send + Sync + 'static>(access: Arc<AccessState>) -> Router<S> {
    let login = get(login_page).post(log_in);
    Router::new().route("/login", login).route("/logout", post(log_out)).with_state(access)
}

async fn login_page(
    State(access): State<Arc<AccessState>>,
    Extension(base): Extension<Base>,
    Query(asked): Query<LoginQuery>,
) -> Response {
    let next = next::safe(asked.next.as_deref().unwrap_or_default());
    let code = asked.code.as_deref().filter(|code| code.len() <= 100);
    refusal::page(&LoginPage { base: &base.0, code, next, failed: None, asks_who: access.asks_who() })
}

async fn log_in(State(access): State<Arc<AccessState>>, Extension(base): Extension<Base>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let again = |status: StatusCode, next: &str, why: &str| {
        let page = LoginPage { base: &base.0, code: None, next, failed: Some(why), asks_who: access.asks_who() };
        (status, refusal::page(&page)).into_response()
    };
    if !origin::is_own(&parts.uri, &parts.headers, access.hosts().public().as_deref()) {
        return again(StatusCode::FORBIDDEN, "", "this form was not sent by a page of this service");
    }
    let Some(form) = read(body).await else {
        return again(StatusCode::UNPROCESSABLE_ENTITY, "", "this form cannot be read");
    };
    let next = next::safe(form.next.as_deref().unwrap_or_default());
    let (now, address) = (Now::read(), client(&parts).address);
    // Nobody guesses a code, so that a flood of others does not keep out who has one.
    let has_code = form.code.as_deref().is_some_and(|code| !code.trim().is_empty());
    let wait =
        if has_code { access.failures.wait(address, now.steady) } else { access.failures.wait_to_log_in(address, now.steady) };
    if let Some(wait) = wait {
        return too_often(wait);
    }
    let Some(admitted) = admitted(&access, &form, now).await else {
        access.failures.failed(address, now.steady);
        tracing::warn!(%address, "somebody tried to log in with a token or code that is none");
        return again(StatusCode::UNAUTHORIZED, next, "this is no token of this service, or the code was used or is over");
    };
    tracing::info!(%address, name = &*admitted.name, role = admitted.role.as_str(), "logged in");
    begin(&access, admitted, &parts, &format!("{}{next}", base.0), now)
}

async fn read(body: axum::body::Body) -> Option<LoginForm> {
    let body: Bytes = axum::body::to_bytes(body, 8 << 10).await.ok()?;
    serde_urlencoded::from_bytes(&body).ok()
}

async fn admitted(access: &AccessState, form: &LoginForm, now: Now) -> Option<Admitted> {
    if let Some(code) = form.code.as_deref().map(str::trim).filter(|code| !code.is_empty()) {
        return access.codes.take(code, now.steady).await;
    }
    let (_, token) = access.token(form.token.as_deref()?.trim())?;
    Some(Admitted { name: Arc::clone(&token.name), role: token.role, source: Source::Token(Arc::clone(&token.name)) })
}

fn begin(access: &AccessState, admitted: Admitted, parts: &Parts, to: &str, now: Now) -> Response {
    let session = Session::begin(admitted.name, admitted.source, admitted.role, now.seconds());
    match cookie_of(access, &session, parts, now) {
        Some(cookie) => (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie)], [(header::LOCATION, to)]).into_response(),
        None => problem(StatusCode::UNAUTHORIZED, "this token is not known any more"),
    }
}

async fn log_out(State(access): State<Arc<AccessState>>, Extension(base): Extension<Base>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if !origin::is_own(&parts.uri, &parts.headers, access.hosts().public().as_deref()) {
        return refusal::refused(
            StatusCode::FORBIDDEN,
            "this form was not sent by a page of this service",
            &base,
            &parts.headers,
        );
    }
    let ended = cookie::set("", &base.0, 0, client(&parts).secure);
    let to = [(header::LOCATION, format!("{}login", base.0))];
    (StatusCode::SEE_OTHER, ended.map(|cookie| [(header::SET_COOKIE, cookie)]), to).into_response()
}

/// Makes a link for whoever asks, to log in with elsewhere.
#[utoipa::path(post, path = "/api/v1/login-codes", tag = "service", request_body = CodeRequest,
    responses((status = 200, description = "The link.", body = CodeAnswer)))]
pub(in crate::web) async fn login_code(
    Extension(access): Extension<Arc<AccessState>>,
    Extension(caller): Extension<Caller>,
    Extension(CallerSource(source)): Extension<CallerSource>,
    Extension(base): Extension<Base>,
    parts: Parts,
    Body(asked): Body<CodeRequest>,
) -> Json<CodeAnswer> {
    let role = match asked.role {
        Some(AskedRole::Read) => Role::Read,
        Some(AskedRole::Act) | None => caller.role,
    };
    let now = Now::read();
    tracing::info!(name = &*caller.name, role = role.min(caller.role).as_str(), "gave a code to log in with");
    let admitted = Admitted { name: caller.name, role: role.min(caller.role), source };
    let code = access.codes.shared_code(admitted, now.steady).await;
    let expires: SystemTime = now.wall + codes::LASTS;
    Json(CodeAnswer { url: format!("{}login?code={code}", root(&access, &base, &parts)), expires_ms: epoch_ms(expires) })
}

/// Where this service is for the caller, with a slash at the end.
fn root(access: &AccessState, base: &Base, parts: &Parts) -> String {
    if let Some(public) = access.hosts().public() {
        return format!("{}/", public.whole);
    }
    let scheme = if client(parts).secure { "https" } else { "http" };
    format!("{scheme}://{}{}", origin::host(&parts.uri, &parts.headers).unwrap_or("localhost"), base.0)
}
