//! `GET /live?page=…`: the parts of a page that changed, as server-sent events, for as long as somebody looks.
//!
//! A view is a page as all who may do the same see it. It is rendered again every two seconds, by the page's own handler and once
//! for all of its viewers; each viewer is sent the parts that differ from what he was sent last. A viewer who takes nothing
//! misses what came between and is cut by the listener like every peer that stands still, so nobody waits for him. The first
//! events a viewer gets are the whole of the next rendering, so that nothing is lost between the page and the stream.
//!
//! Views and viewers are bounded; who comes beyond that is told to reload now and then.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::convert::Infallible;
use std::hash::{Hash as _, Hasher as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Query;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use futures::stream::{self, Stream};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::web::Api;

use super::page::Look;

/// How often a view is rendered at most.
const EVERY: Duration = Duration::from_secs(2);
/// So many times as long as rendering took a view rests, so that none takes more than a twentieth of a processor.
const REST: u32 = 19;
/// Views that are followed at once.
const VIEWS: usize = 32;
/// Viewers of all views.
const VIEWERS: usize = 500;
/// Bytes of a page that is followed.
const PAGE_BYTES: usize = 16 << 20;

/// A part of a page that is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fragment {
    id: String,
    html: String,
    hash: u64,
}

/// A page as it is now.
#[derive(Debug, Clone, Default)]
struct Rendered {
    fragments: Arc<[Fragment]>,
}

/// What tells one view from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    page: String,
    base: String,
    may_act: bool,
    is_small: bool,
}

/// Renders views and keeps who looks at which.
pub(in crate::web) struct LiveHub {
    pages: Router,
    views: Mutex<HashMap<Key, watch::Receiver<Rendered>>>,
    viewers: Arc<AtomicUsize>,
}

/// Counts a viewer for as long as he is there.
struct Viewing(Arc<AtomicUsize>);

impl Drop for Viewing {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LiveHub {
    /// Renders with these routes, whose requests carry what handlers ask for.
    pub(in crate::web) fn new(pages: Router) -> Self {
        Self { pages, views: Mutex::default(), viewers: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<Rendered>>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The view of a page, begun if nobody looks at it yet; nothing where there are too many.
    fn view(self: &Arc<Self>, key: &Key, api: &Arc<Api>, look: &Look) -> Option<watch::Receiver<Rendered>> {
        let mut views = self.lock();
        // A view whose task has ended is over.
        views.retain(|_, view| view.has_changed().is_ok());
        if let Some(view) = views.get(key) {
            return Some(view.clone());
        }
        if views.len() >= VIEWS {
            return None;
        }
        let (told, view) = watch::channel(Rendered::default());
        views.insert(key.clone(), view.clone());
        tokio::spawn(follow(self.pages.clone(), Arc::clone(api), look.clone(), told));
        Some(view)
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
    Extension(api): Extension<Arc<Api>>,
    Extension(hub): Extension<Arc<LiveHub>>,
    Query(query): Query<LiveQuery>,
) -> Response {
    let page = query.page.trim_start_matches("./");
    let here = Look { here: page.to_owned(), said: None, ..look };
    let key = Key { page: page.to_owned(), base: here.base.clone(), may_act: here.viewer.may_act, is_small: here.is_small };
    let viewing = Viewing(Arc::clone(&hub.viewers));
    let is_full = hub.viewers.fetch_add(1, Ordering::Relaxed) >= VIEWERS;
    let Some(mut view) = hub.view(&key, &api, &here).filter(|_| !is_full) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many look at once: reload now and then").into_response();
    };
    // What was rendered so far may be older than the page that he has, and from before what he has just done.
    view.mark_unchanged();
    let mut answer = Sse::new(events(view, viewing)).into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that collect answers would keep a stream to themselves.
    answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}

/// Renders a page until nobody looks any more.
async fn follow(pages: Router, api: Arc<Api>, look: Look, told: watch::Sender<Rendered>) {
    while !told.is_closed() {
        let begun = Instant::now();
        if let Some(text) = render(&pages, &api, &look).await {
            told.send_replace(Rendered { fragments: fragments(&text).into() });
        }
        tokio::time::sleep(EVERY.max(begun.elapsed() * REST)).await;
    }
}

/// The page as its own handler makes it; nothing if it is none.
async fn render(pages: &Router, api: &Arc<Api>, look: &Look) -> Option<String> {
    let mut request = Request::builder().uri(format!("/{}", look.here)).body(Body::empty()).ok()?;
    request.extensions_mut().insert(Arc::clone(api));
    request.extensions_mut().insert(look.clone());
    look.caller.clone().and_then(|caller| request.extensions_mut().insert(caller));
    let Ok(answer) = pages.clone().oneshot(request).await;
    if !answer.status().is_success() {
        return None;
    }
    let bytes = axum::body::to_bytes(answer.into_body(), PAGE_BYTES).await.ok()?;
    String::from_utf8(bytes.into()).ok()
}

/// The parts of a page between `<!--live:ID-->` and `<!--/live-->`. What people wrote cannot hold these, since it is escaped.
fn fragments(page: &str) -> Vec<Fragment> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("<!--live:") {
        let Some((id, after)) = after.split_once("-->") else { break };
        let Some((html, after)) = after.split_once("<!--/live-->") else { break };
        let mut hasher = DefaultHasher::new();
        html.hash(&mut hasher);
        found.push(Fragment { id: id.to_owned(), html: html.to_owned(), hash: hasher.finish() });
        rest = after;
    }
    found
}

/// What a viewer was sent.
#[derive(Default)]
struct Sent {
    order: Vec<String>,
    hashes: HashMap<String, u64>,
}

impl Sent {
    /// The events that bring a viewer from what he was sent to what is so.
    fn catch_up(&mut self, now: &Rendered) -> Vec<Event> {
        if now.fragments.is_empty() {
            return Vec::new();
        }
        let order: Vec<String> = now.fragments.iter().map(|fragment| fragment.id.clone()).collect();
        let mut events = vec![Event::default().event("beat").data("")];
        if !self.order.is_empty() && self.order != order {
            events.push(Event::default().event("reload").data(""));
        }
        self.order = order;
        for fragment in now.fragments.iter() {
            if self.hashes.insert(fragment.id.clone(), fragment.hash) != Some(fragment.hash) {
                let data = json!({ "id": fragment.id, "html": fragment.html }).to_string();
                events.push(Event::default().event("fragment").data(data));
            }
        }
        events
    }
}

/// The events of one viewer.
fn events(view: watch::Receiver<Rendered>, viewing: Viewing) -> impl Stream<Item = Result<Event, Infallible>> {
    let state = (view, Sent::default(), Vec::new().into_iter(), viewing);
    stream::unfold(state, |(mut view, mut sent, mut waiting, viewing)| async move {
        loop {
            if let Some(event) = waiting.next() {
                return Some((Ok(event), (view, sent, waiting, viewing)));
            }
            if view.changed().await.is_err() {
                return None;
            }
            let now = view.borrow_and_update().clone();
            waiting = sent.catch_up(&now).into_iter();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(page: &str) -> Rendered {
        Rendered { fragments: fragments(page).into() }
    }

    #[test]
    fn a_viewer_is_sent_what_differs_and_told_when_the_page_has_another_shape() {
        let mut sent = Sent::default();
        let page = |a: &str, b: &str| rendered(&format!("x<!--live:a-->{a}<!--/live-->y<!--live:b-->{b}<!--/live-->"));
        assert_eq!(sent.catch_up(&page("1", "1")).len(), 3, "a beat and both parts");
        assert_eq!(sent.catch_up(&page("1", "1")).len(), 1, "a beat");
        assert_eq!(sent.catch_up(&page("1", "2")).len(), 2);
        let moved = rendered("<!--live:b-->2<!--/live--><!--live:a-->1<!--/live-->");
        assert_eq!(sent.catch_up(&moved).len(), 2, "a beat and a reload");
        assert_eq!(sent.catch_up(&Rendered::default()).len(), 0);
    }

    #[test]
    fn a_part_without_an_end_ends_the_list() {
        assert_eq!(fragments("<!--live:a-->1<!--/live--><!--live:b-->2").len(), 1);
        assert_eq!(fragments("<!--live:a").len(), 0);
    }
}
