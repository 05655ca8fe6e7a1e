//! `GET /live?page=…`: the parts of a page that changed, as server-sent events, for as long as somebody looks.
//!
//! A view is a page as all who may do the same see it. It is rendered again every two seconds, by the page's own handler and once
//! for all of its viewers, and what is sent is made and compressed once too ([`state`]). A viewer holds one text at most and
//! misses the states that came while he was taking it; who takes too long for one is cut, so nobody waits for him ([`viewer`]).
//! The first events a viewer gets are the whole of the next rendering, so that nothing is lost between the page and the stream.
//! Where nobody looks nothing is rendered. Streams end when the service stops.
//!
//! Views and viewers are bounded; who comes beyond that is told to reload now and then.
//!
//! What programs follow ([`LiveHub::follow_values`]) is a view too: its parts are values instead of pieces of a page.

mod state;
#[cfg(test)]
mod tests;
mod viewer;

pub(in crate::web) use state::Part;

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Query;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::web::connection_slots::ConnectionState;
use crate::web::{Api, ApiSlot, gzip};

use super::page::Look;
use state::{PageState, fragments};
use viewer::{Viewer, Viewing};

/// How often a view is rendered at most.
const EVERY: Duration = Duration::from_secs(2);
/// How often it is at least: pages that hear nothing for eight seconds say that they are not live.
const AT_LEAST_EVERY: Duration = Duration::from_secs(5);
/// So many times as long as rendering took all views rest together, so that they take at most a twentieth of a processor, as long
/// as that is often enough.
const REST: u32 = 19;
/// Views that are followed at once.
const VIEWS: usize = 32;
/// Viewers of all views.
const VIEWERS: usize = 500;
/// Bytes of a page that is followed.
const PAGE_BYTES: usize = 16 << 20;

/// What tells one view from another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Key {
    page: String,
    base: String,
    may_act: bool,
    is_small: bool,
    /// What links carry for who has only the link of an incident.
    link: String,
}

/// The newest state of a view, for who renders it and who looks.
type Newest = Arc<watch::Sender<Arc<PageState>>>;

/// Renders views and keeps who looks at which.
pub(in crate::web) struct LiveHub {
    pages: Router,
    views: Mutex<HashMap<Key, Newest>>,
    viewers: Arc<AtomicUsize>,
    /// Held by who renders: one view after the other.
    rendering: tokio::sync::Mutex<()>,
    stop: CancellationToken,
}

impl LiveHub {
    /// Renders with these routes, whose requests carry what handlers ask for, until it is to stop.
    pub(in crate::web) fn new(pages: Router, stop: CancellationToken) -> Self {
        Self { pages, views: Mutex::default(), viewers: Arc::default(), rendering: tokio::sync::Mutex::default(), stop }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Newest>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The view of a page, rendered like this from now on if nobody looks at it yet; nothing where there are too many.
    fn view<R, F>(self: &Arc<Self>, key: &Key, render: R) -> Option<watch::Receiver<Arc<PageState>>>
    where
        R: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Option<Vec<Part>>> + Send + 'static,
    {
        let mut views = self.lock();
        if let Some(newest) = views.get(key) {
            return Some(newest.subscribe());
        }
        if views.len() >= VIEWS {
            return None;
        }
        let newest = Newest::default();
        let view = newest.subscribe();
        views.insert(key.clone(), Arc::clone(&newest));
        tokio::spawn(Arc::clone(self).follow(key.clone(), newest, render));
        Some(view)
    }

    /// Renders a page until nobody looks any more.
    async fn follow<R, F>(self: Arc<Self>, key: Key, newest: Newest, render: R)
    where
        R: Fn() -> F + Send + Sync,
        F: Future<Output = Option<Vec<Part>>> + Send + 'static,
    {
        while !self.is_over(&key, &newest) {
            let took = {
                let _alone = self.rendering.lock().await;
                let begun = Instant::now();
                if let Some(parts) = render().await {
                    let next = Arc::new(newest.borrow().next(parts));
                    newest.send_replace(next);
                }
                begun.elapsed()
            };
            let views = u32::try_from(self.lock().len()).unwrap_or(u32::MAX);
            let rest = took.saturating_mul(REST.saturating_mul(views)).clamp(EVERY, AT_LEAST_EVERY);
            if self.stop.run_until_cancelled(tokio::time::sleep(rest)).await.is_none() {
                return;
            }
        }
    }

    /// Whether nobody looks at a view any more, which is forgotten then.
    fn is_over(&self, key: &Key, newest: &Newest) -> bool {
        // Whoever comes takes the lock, so nobody comes in between.
        let mut views = self.lock();
        let is_over = newest.receiver_count() == 0;
        if is_over {
            views.remove(key);
        }
        is_over
    }
}

/// How somebody asks to follow something.
pub(in crate::web) struct Following {
    /// What his connection can do.
    pub(in crate::web) headers: HeaderMap,
    /// What knows whether he takes what he is sent; absent only where nothing listens.
    pub(in crate::web) connection: Option<Arc<ConnectionState>>,
}

impl LiveHub {
    /// The stream of values that programs follow: `address` tells it from others, and whoever renders it does so for all who ask for
    /// the same address.
    pub(in crate::web) fn follow_values<R, F>(
        self: &Arc<Self>,
        address: String,
        following: Following,
        render: R,
    ) -> Option<Response>
    where
        R: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Option<Vec<Part>>> + Send + 'static,
    {
        // No page has an empty base.
        self.answer(&Key { page: address, ..Key::default() }, following, render)
    }

    /// The stream of a view; nothing where there are too many who look.
    fn answer<R, F>(self: &Arc<Self>, key: &Key, following: Following, render: R) -> Option<Response>
    where
        R: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Option<Vec<Part>>> + Send + 'static,
    {
        let viewing = Viewing::begin(&self.viewers, VIEWERS)?;
        let mut view = self.view(key, render)?;
        // What was rendered so far may be older than what he has, and from before what he has just done.
        view.mark_unchanged();
        let as_gzip = gzip::is_accepted(&following.headers);
        let viewer = Viewer { view, _viewing: viewing, as_gzip, connection: following.connection, stop: self.stop.clone() };
        let kind = [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-store"),
            (header::VARY, "accept-encoding"),
            // Proxies that collect answers would keep a stream to themselves.
            (header::HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        let encoding = as_gzip.then_some([(header::CONTENT_ENCODING, "gzip")]);
        Some((kind, encoding, Body::from_stream(viewer.stream())).into_response())
    }
}

/// Which page is looked at.
#[derive(Debug, Deserialize)]
pub(super) struct LiveQuery {
    page: String,
}

/// `GET /live`
pub(super) async fn live(
    look: Look,
    Extension(slot): Extension<Arc<ApiSlot>>,
    Extension(hub): Extension<Arc<LiveHub>>,
    connection: Option<Extension<Arc<ConnectionState>>>,
    headers: HeaderMap,
    Query(query): Query<LiveQuery>,
) -> Response {
    let page = query.page.trim_start_matches("./");
    let here = Look { here: page.to_owned(), said: None, ..look };
    let key = Key {
        page: page.to_owned(),
        base: here.base.clone(),
        may_act: here.viewer.may_act,
        is_small: here.is_small,
        link: here.viewer.key.clone(),
    };
    let pages = hub.pages.clone();
    let render = move || render(pages.clone(), slot.get(), here.clone());
    let following = Following { headers, connection: connection.map(|Extension(connection)| connection) };
    hub.answer(&key, following, render)
        .unwrap_or_else(|| (StatusCode::SERVICE_UNAVAILABLE, "too many look at once: reload now and then").into_response())
}

/// The page as its own handler makes it; nothing if it is none.
async fn render(pages: Router, api: Option<Arc<Api>>, look: Look) -> Option<Vec<Part>> {
    let mut request = Request::builder().uri(format!("/{}", look.here)).body(Body::empty()).ok()?;
    request.extensions_mut().insert(api?);
    look.caller.clone().and_then(|caller| request.extensions_mut().insert(caller));
    request.extensions_mut().insert(look);
    let Ok(answer) = pages.oneshot(request).await;
    if !answer.status().is_success() {
        return None;
    }
    let bytes = axum::body::to_bytes(answer.into_body(), PAGE_BYTES).await.ok()?;
    Some(fragments(std::str::from_utf8(&bytes).ok()?))
}
