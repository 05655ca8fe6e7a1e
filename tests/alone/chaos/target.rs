//! The cheap target: hundreds of canaries ask it every second, it fails for whom it is told to, and it keeps what is created.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, put};

use super::now_ms;

/// What the target answered to the one request of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) at_ms: i64,
    pub(crate) well: bool,
}

#[derive(Default)]
struct Inside {
    /// By the run's id, as it is in the store.
    answers: Mutex<HashMap<u128, Answer>>,
    /// `PROBE/REGION/CELL` that get 500.
    failing: Mutex<BTreeSet<String>>,
    things: Mutex<BTreeSet<String>>,
    created: Mutex<u64>,
    tell: Option<mpsc::Sender<()>>,
}

/// The target, for as long as its runtime goes on.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    inside: Arc<Inside>,
}

impl Target {
    /// Starts it; each cleanup that arrives is told through `tell` before anything is removed.
    pub(crate) async fn start(tell: mpsc::Sender<()>) -> Self {
        let inside = Arc::new(Inside { tell: Some(tell), ..Inside::default() });
        let routes = Router::new()
            .route("/{probe}/{region}/{cell}", get(ask))
            .route("/things/{id}", put(create).delete(remove).get(exists))
            .with_state(Arc::clone(&inside));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
        Self { address, inside }
    }

    pub(crate) fn fail(&self, whom: &[String]) {
        self.inside.failing.lock().unwrap().extend(whom.iter().cloned());
    }

    pub(crate) fn mend(&self, whom: &[String]) {
        self.inside.failing.lock().unwrap().retain(|failing| !whom.contains(failing));
    }

    /// What was created and not removed: each has the id of the run that made it.
    pub(crate) fn things(&self) -> BTreeSet<String> {
        self.inside.things.lock().unwrap().clone()
    }

    /// What it answered to the runs of the probes that ask once.
    pub(crate) fn answers(&self) -> HashMap<u128, Answer> {
        self.inside.answers.lock().unwrap().clone()
    }

    /// How much was created in all.
    pub(crate) fn created(&self) -> u64 {
        *self.inside.created.lock().unwrap()
    }
}

async fn ask(
    State(inside): State<Arc<Inside>>,
    Path((probe, region, cell)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> StatusCode {
    let well = !inside.failing.lock().unwrap().contains(&format!("{probe}/{region}/{cell}"));
    let run =
        headers["x-canary-run-id"].to_str().ok().and_then(|id| ulid::Ulid::from_string(id).ok()).expect("each run has an id");
    inside.answers.lock().unwrap().insert(run.0, Answer { at_ms: now_ms(), well });
    if well { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
}

/// It exists before the answer leaves, so that a prober that is killed in between does not know.
async fn create(State(inside): State<Arc<Inside>>, Path(id): Path<String>) -> StatusCode {
    if inside.things.lock().unwrap().insert(id) {
        *inside.created.lock().unwrap() += 1;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    StatusCode::CREATED
}

async fn exists(State(inside): State<Arc<Inside>>, Path(id): Path<String>) -> StatusCode {
    if inside.things.lock().unwrap().contains(&id) { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

async fn remove(State(inside): State<Arc<Inside>>, Path(id): Path<String>) -> StatusCode {
    if let Some(tell) = &inside.tell {
        // Nobody listens in some tests.
        let _ = tell.send(());
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    if inside.things.lock().unwrap().remove(&id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}
