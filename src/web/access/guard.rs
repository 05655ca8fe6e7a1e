//! What stands before the routes: it finds out who asks, and refuses who may not.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};

use crate::web::connection_slots::ConnectionState;
use crate::web::problem::problem;

use super::arrival::{Base, Client};
use super::caller::{Caller, Via};
use super::form::{FormOwner, FormToken};
use super::identify::{Asked, Identified, Now, identify};
use super::session::{Session, Source};
use super::state::AccessState;
use super::{cookie, next, origin, refusal};

/// What ends with a session of somebody, for codes that he gives away.
#[derive(Debug, Clone)]
pub(in crate::web) struct CallerSource(pub(super) Source);

/// What a route is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    /// It tells a program something.
    Reads,
    /// A program changes something by it.
    Changes,
    /// It gives somebody who is known something of his own.
    Own,
    /// A person looks at it, or sends a form of it, which [`Form`](super::Form) looks at.
    Page,
}

/// Before routes that tell programs something.
pub(in crate::web) async fn api_reads(State(access): State<Arc<AccessState>>, request: Request, next: Next) -> Response {
    guard(Route::Reads, access, request, next).await
}

/// Before routes by which programs change something.
pub(in crate::web) async fn api_changes(State(access): State<Arc<AccessState>>, request: Request, next: Next) -> Response {
    guard(Route::Changes, access, request, next).await
}

/// Before routes that need somebody who is known.
pub(in crate::web) async fn api_own(State(access): State<Arc<AccessState>>, request: Request, next: Next) -> Response {
    guard(Route::Own, access, request, next).await
}

/// Before pages and their forms: who is not known logs in first.
pub(in crate::web) async fn pages(State(access): State<Arc<AccessState>>, request: Request, next: Next) -> Response {
    guard(Route::Page, access, request, next).await
}

async fn guard(route: Route, access: Arc<AccessState>, request: Request, next: Next) -> Response {
    let now = Now::read();
    let (mut parts, body) = request.into_parts();
    let client = client(&parts);
    let known = match identify(&access, client, &parts.uri, &parts.headers, now) {
        Asked::By(known) => known,
        Asked::TooOften(wait) => return too_often(wait),
        Asked::ByNobody | Asked::Wrong => return unknown(route, &parts),
    };
    if let Err((status, why)) = may(route, &known.caller, &parts, &access) {
        return problem(status, &why);
    }
    let renewed = known.renewed.as_ref().and_then(|session| cookie_of(&access, session, &parts, now));
    enter(*known, &access, &mut parts, now);
    let acts = route == Route::Changes || parts.method == Method::POST;
    let answer = next.run(Request::from_parts(parts, body));
    let mut response = if acts { to_its_end(answer).await } else { answer.await };
    if let Some(cookie) = renewed
        && !response.headers().contains_key(header::SET_COOKIE)
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// What acts is done and written down to its end, also where whoever asked for it does not wait for the answer.
async fn to_its_end(answer: impl Future<Output = Response> + Send + 'static) -> Response {
    match tokio::spawn(answer).await {
        Ok(response) => response,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_stopping) => problem(StatusCode::SERVICE_UNAVAILABLE, "the service is stopping"),
        },
    }
}

/// Where the request came from; [`arrive`](super::arrive) has noted it.
pub(super) fn client(parts: &Parts) -> Client {
    let nowhere = Client { address: std::net::Ipv6Addr::UNSPECIFIED.into(), secure: false, by_proxy: false };
    parts.extensions.get::<Client>().copied().unwrap_or(nowhere)
}

/// The header that gives somebody his session.
pub(super) fn cookie_of(access: &AccessState, session: &Session, parts: &Parts, now: Now) -> Option<HeaderValue> {
    let (_, key) = access.standing(&session.source)?;
    let Base(path) = parts.extensions.get::<Base>()?;
    cookie::set(&session.sealed(&key), path, session.lasts(now.seconds()), client(parts).secure)
}

/// Notes who asks for the handlers.
fn enter(known: Identified, access: &Arc<AccessState>, parts: &mut Parts, now: Now) {
    if !matches!(known.caller.via, Via::Open | Via::Link(_))
        && let Some(connection) = parts.extensions.get::<Arc<ConnectionState>>()
    {
        connection.know();
    }
    let extensions = &mut parts.extensions;
    let form = known.form_owner.as_ref().filter(|_| known.caller.may_act());
    extensions.insert(form.map(|owner| FormToken::of(&access.forms(), owner, now.seconds())).unwrap_or_default());
    known.form_owner.map(|owner| extensions.insert(FormOwner(owner)));
    known.source.map(|source| extensions.insert(CallerSource(source)));
    extensions.insert(Arc::clone(access));
    extensions.insert(known.caller);
}

/// Whether this caller may ask for this route, as far as that does not depend on what he asks.
fn may(route: Route, caller: &Caller, parts: &Parts, access: &AccessState) -> Result<(), (StatusCode, String)> {
    let forbidden = |why: String| Err((StatusCode::FORBIDDEN, why));
    match (route, &caller.via) {
        (Route::Reads | Route::Page, _) => return Ok(()),
        (Route::Changes | Route::Own, Via::Open) => {
            return forbidden(
                "this changes something, and the service has no token to ask for: name a secret in `listen.token` and restart it"
                    .to_owned(),
            );
        }
        (Route::Own, Via::Session) => {
            return forbidden("a session gives no codes, which would outlive it: ask with a bearer token".to_owned());
        }
        (Route::Changes, _) if !caller.may_act() => {
            return forbidden(format!(
                "this changes something, and `{}` may only look: its role in `[[listen.token]]` is not \"act\"",
                caller.name
            ));
        }
        (Route::Changes | Route::Own, _) => {}
    }
    // What a browser sends by itself says nothing about who wanted it.
    if matches!(caller.via, Via::Session | Via::Proxy) {
        if !origin::is_own(&parts.uri, &parts.headers, access.hosts().public().as_deref()) {
            return forbidden("this was not sent by a page of this service; a program sends a bearer token".to_owned());
        }
        let is_json = |value: &HeaderValue| value.as_bytes().to_ascii_lowercase().starts_with(b"application/json");
        if !parts.headers.get(header::CONTENT_TYPE).is_some_and(is_json) {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON, with `content-type: application/json`".to_owned()));
        }
    }
    Ok(())
}

/// The answer to nobody in particular.
fn unknown(route: Route, parts: &Parts) -> Response {
    let is_get = matches!(parts.method, Method::GET | Method::HEAD);
    if route == Route::Page && refusal::is_for_people(&parts.headers) {
        let base = parts.extensions.get::<Base>().map_or("/", |base| &base.0);
        let next = if is_get { next::of(&parts.uri) } else { "" };
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        return (StatusCode::SEE_OTHER, [(header::LOCATION, format!("{base}login?{query}"))]).into_response();
    }
    let refused = problem(StatusCode::UNAUTHORIZED, "a bearer token is needed: give `--token`, or SERINUS_TOKEN");
    ([(header::WWW_AUTHENTICATE, "Bearer")], refused).into_response()
}

/// The answer to who was wrong too often.
pub(super) fn too_often(wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let why = format!("too many tokens or codes were wrong; try again in {seconds} s");
    ([(header::RETRY_AFTER, seconds.to_string())], problem(StatusCode::TOO_MANY_REQUESTS, &why)).into_response()
}
