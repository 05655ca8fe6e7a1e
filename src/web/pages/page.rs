//! What handlers of pages get and give: the request's frame on the way in, a whole page or an error page on the way out.

use std::convert::Infallible;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::web::Api;
use crate::web::access::{Base, Caller, FormToken};
use crate::web::api::Failure;
use crate::web::model::overview::encoded;
use crate::web::model::{Snapshot, staleness};

use super::frame::{Alarm, Frame, Viewer};
use super::said::{self, Said};

/// The request of a page.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// What links are relative to.
    pub(super) base: String,
    /// The page's own address with its query, relative to the base.
    pub(super) here: String,
    /// Who looks, as pages show it.
    pub(super) viewer: Viewer,
    /// The same, as it is known.
    pub(super) caller: Option<Caller>,
    /// What the action that led here has to say.
    pub(super) said: Option<Said>,
    /// Whether the screen is small, as far as the browser says.
    pub(super) is_small: bool,
}

impl<S: Sync> FromRequestParts<S> for Look {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        // A page that is rendered for those who follow it is looked at as by them.
        if let Some(look) = parts.extensions.get::<Self>() {
            return Ok(look.clone());
        }
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let here = path.trim_start_matches('/');
        let caller = parts.extensions.get::<Caller>().cloned();
        let form = parts.extensions.get::<FormToken>().cloned().unwrap_or_default();
        Ok(Self {
            base: parts.extensions.get::<Base>().map_or_else(|| "/".to_owned(), |base| base.0.clone()),
            here: if here.is_empty() || here.starts_with('?') { format!("./{here}") } else { here.to_owned() },
            viewer: Viewer::of(caller.as_ref(), form),
            caller,
            said: said::read(&parts.headers),
            is_small: is_small(&parts.headers),
        })
    }
}

/// Whether the browser says that it is one of a phone.
fn is_small(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-ch-ua-mobile") {
        Some(hint) => hint == "?1",
        // What MDN recommends for browsers that send no hint.
        None => text("user-agent").is_some_and(|agent| agent.contains("Mobi")),
    }
}

impl Look {
    /// The frame around a page with this title, whose content stands still. The state of the prober is updated.
    pub(super) fn frame(&self, api: &Api, snapshot: &Snapshot, title: impl Into<String>) -> Frame {
        let counts = snapshot.status.counts;
        Frame {
            base: self.base.clone(),
            title: title.into(),
            here: self.here.clone(),
            alarm: Alarm::of(&snapshot.status),
            open: counts.warn + counts.page + counts.critical,
            as_of_ms: snapshot.at_ms,
            stale: staleness(api),
            live: Some(format!("live?page={}", encoded(&format!("pulse{}", self.viewer.key)))),
            is_still: true,
            viewer: self.viewer.clone(),
            said: self.said.clone(),
        }
    }

    /// The same frame of a page that is updated while somebody looks.
    pub(super) fn live(&self, api: &Api, snapshot: &Snapshot, title: impl Into<String>) -> Frame {
        let page = encoded(&self.here);
        Frame { live: Some(format!("live?page={page}")), is_still: false, ..self.frame(api, snapshot, title) }
    }
}

/// The state of the prober alone, for pages whose content stands still.
#[derive(Template)]
#[template(path = "pulse.html", config = "src/web/pages/askama.toml")]
struct PulsePage {
    frame: Frame,
}

/// `GET /pulse`
pub(super) async fn pulse(look: Look, Extension(api): Extension<Arc<Api>>) -> PageResult {
    let snapshot = snapshot(&api, &look).await?;
    Ok(html(&PulsePage { frame: look.frame(&api, &snapshot, "Pulse") }))
}

/// A page that could not be made.
#[derive(Debug)]
pub(super) struct PageError {
    look: Look,
    status: StatusCode,
    message: String,
}

/// What handlers give.
pub(super) type PageResult = Result<Response, PageError>;

impl PageError {
    /// What the API would have answered, as a page.
    pub(super) fn of(look: &Look, failure: &Failure) -> Self {
        Self { look: look.clone(), status: failure.status(), message: failure.message().to_owned() }
    }
}

#[derive(Template)]
#[template(path = "error.html", config = "src/web/pages/askama.toml")]
struct ErrorPage {
    frame: Frame,
    message: String,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let frame = Frame {
            base: self.look.base.clone(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            here: self.look.here.clone(),
            alarm: Alarm::Unknown,
            open: 0,
            as_of_ms: crate::base::time::now_ms(),
            stale: None,
            live: None,
            is_still: true,
            viewer: self.look.viewer,
            said: None,
        };
        (self.status, html(&ErrorPage { frame, message: sentence(&self.message) })).into_response()
    }
}

/// A text of the API as a sentence begins, without its point.
fn sentence(message: &str) -> String {
    let mut letters = message.trim_end_matches('.').chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A rendered page.
pub(super) fn html(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => ([(header::VARY, "user-agent, sec-ch-ua-mobile, accept-encoding, cookie")], Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The state of everything, or the page that says why there is none.
pub(super) async fn snapshot(api: &Arc<Api>, look: &Look) -> Result<Arc<Snapshot>, PageError> {
    api.snapshots.get(api).await.ok_or_else(|| PageError::of(look, &api.without_status()))
}
