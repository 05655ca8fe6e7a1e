//! The cheap target: hundreds of canaries ask it every second, it fails for whom it is told to, and it keeps what is created.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};

#[derive(Default)]
struct Inside {
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

    /// What was created and not removed.
    pub(crate) fn things(&self) -> usize {
        self.inside.things.lock().unwrap().len()
    }

    /// How much was created in all.
    pub(crate) fn created(&self) -> u64 {
        *self.inside.created.lock().unwrap()
    }
}

async fn ask(State(inside): State<Arc<Inside>>, Path((probe, region, cell)): Path<(String, String, String)>) -> StatusCode {
    let fails = inside.failing.lock().unwrap().contains(&format!("{probe}/{region}/{cell}"));
    if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
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
