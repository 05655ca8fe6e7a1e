//! A receiver of pages, on a thread of the benchmark's own process: what arrived, and when.

use std::sync::mpsc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{self, Body};
use axum::extract::Request;
use axum::http::StatusCode;
use serinus::alert::message::Message;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A page that arrived.
pub(crate) struct Page {
    /// When its request's head was read, in microseconds since the epoch.
    pub at: u64,
    /// The size of its body.
    pub bytes: usize,
    pub message: Message,
}

/// Takes pages until it is dropped.
pub(crate) struct Pager {
    pub url: String,
    pages: mpsc::Receiver<Page>,
    /// Its end is the thread's.
    _open: oneshot::Sender<()>,
}

impl Pager {
    pub(crate) fn start() -> Self {
        let (addresses, address) = mpsc::channel();
        let (arrived, pages) = mpsc::channel();
        let (open, closed) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
                addresses.send(listener.local_addr().expect("a listener has an address")).expect("somebody waits for it");
                let app = Router::new().fallback(async move |request: Request<Body>| {
                    let at = micros(SystemTime::now());
                    let body = body::to_bytes(request.into_body(), 16 << 20).await.expect("a page arrives whole");
                    let message = serde_json::from_slice(&body).expect("a page is a message");
                    // Once the measurement is over nobody counts.
                    let _ = arrived.send(Page { at, bytes: body.len(), message });
                    StatusCode::OK
                });
                tokio::select! {
                    served = axum::serve(listener, app) => panic!("the pager ended: {served:?}"),
                    _ended = closed => {}
                }
            });
        });
        let address = address.recv().expect("the thread says where it is");
        Self { url: format!("http://{address}"), pages, _open: open }
    }

    /// What has arrived since it was asked last.
    pub(crate) fn pages(&self) -> Vec<Page> {
        self.pages.try_iter().collect()
    }
}

/// Microseconds since the epoch.
pub(crate) fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).expect("it is after 1970").as_micros();
    u64::try_from(since).expect("it is before the year 500,000")
}
