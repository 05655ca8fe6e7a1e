//! Starting and stopping a sandbox: the listener, the workers, and the tasks that serve connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::get;
use axum::{Json, response::IntoResponse};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fault::{self, Faults};
use super::registration::Stage;
use super::seed::Seed;
use super::state::AppState;
use super::time_scale::TimeScale;
use super::{feed, playlist, registration, reply, segment};

/// Connections served at once; further ones wait.
const CONNECTIONS: usize = 4_096;

/// Largest request body in bytes: the tracks of the largest playlist.
const BODY_BYTES: usize = 2 << 20;

/// How long a client may take for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long requests in flight may go on at shutdown.
const GRACE: Duration = Duration::from_secs(1);

/// How a sandbox is started. Take the rest from [`SandboxConfig::default`].
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Product time per wall time, from 0.01 to 10,000: every delay of the product and of its faults is divided by it.
    pub speed: f64,
    /// Ids, sizes, jitter, and whom a fault with a share hits follow from it.
    pub seed: u64,
    /// What every user of the playlists signs in with.
    pub password: String,
    /// Most entities of each sort that are kept, at least 1; the oldest are forgotten first.
    pub most: usize,
    /// Listen on addresses other machines can reach, too. Anyone who reaches it can switch faults.
    pub allow_remote: bool,
}

impl SandboxConfig {
    /// The password a sandbox has unless it is given another.
    pub const DEFAULT_PASSWORD: &'static str = "sandbox-password";
}

impl Default for SandboxConfig {
    /// A free port on loopback, real time, seed 1, 10,000 entities of each sort.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            speed: 1.0,
            seed: 1,
            password: Self::DEFAULT_PASSWORD.to_owned(),
            most: 10_000,
            allow_remote: false,
        }
    }
}

/// A running sandbox. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    state: Arc<AppState>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Sandbox {
    /// Binds and starts; when this returns, requests are answered.
    ///
    /// # Errors
    /// `InvalidInput` if the speed is out of range, `PermissionDenied` if the address is not loopback and remote access is
    /// not allowed, and whatever binding fails with.
    pub async fn start(config: SandboxConfig) -> io::Result<Self> {
        let time_scale = TimeScale::new(config.speed).ok_or_else(|| {
            let message = format!("the sandbox's speed is {}; it must lie from 0.01 to 10000", config.speed);
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        if !config.allow_remote && !config.listen.ip().to_canonical().is_loopback() {
            let message = format!(
                "the sandbox will not listen on {}: whoever reaches it can switch faults; \
                 use a loopback address, or allow remote access on purpose",
                config.listen
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(AppState::new(Seed::new(config.seed), time_scale, config.password, config.most.max(1)));
        let sandbox = Self { address, state, stop: CancellationToken::new(), tasks: TaskTracker::new() };
        sandbox.spawn_workers();
        let accepting = accept(listener, routes(&sandbox.state), sandbox.tasks.clone(), sandbox.stop.clone());
        sandbox.tasks.spawn(accepting);
        sandbox.tasks.close();
        Ok(sandbox)
    }

    /// Where it listens, with the port it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The switches of its faults.
    pub fn faults(&self) -> Faults {
        self.state.faults.clone()
    }

    /// Stops accepting, lets requests in flight end for at most a second, and joins every task.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    fn spawn_workers(&self) {
        for stage in Stage::ALL {
            self.spawn(registration::work(Arc::clone(&self.state), stage));
        }
        for replica in 0..playlist::REPLICAS {
            self.spawn(playlist::replicate(Arc::clone(&self.state), replica));
        }
        self.spawn(segment::work(Arc::clone(&self.state)));
        self.spawn(segment::refresh(Arc::clone(&self.state)));
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(work).await });
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn routes(state: &Arc<AppState>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .merge(fault::routes())
        .merge(registration::routes())
        .merge(playlist::routes())
        .merge(segment::routes())
        .merge(feed::routes())
        .fallback(reply::no_such_route)
        .method_not_allowed_fallback(reply::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(Arc::clone(state))
}

async fn health(State(state): State<Arc<AppState>>) -> impl IntoResponse {
    Json(json!({
        "status": "ok",
        "seed": state.seed.value(),
        "speed": state.time_scale.speed(),
        "entities": {
            "registrations": state.registrations.len(),
            "sessions": state.playlists.sessions(),
            "playlists": state.playlists.len(),
            "segments": state.segments.len(),
            "events": state.feed.len(),
        },
    }))
}

async fn accept(listener: TcpListener, routes: Router, tasks: TaskTracker, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let accepting = async {
        // The semaphore is never closed, so that this loop only ends with the sandbox.
        while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let connection = serve(stream, routes.clone(), Tracked(tasks.clone()), stop.clone(), slot);
                    tasks.spawn(connection);
                }
                // Out of descriptors, or the client was gone already: neither ends the sandbox.
                Err(error) => {
                    tracing::warn!(%error, "the sandbox could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
}

async fn serve(stream: TcpStream, routes: Router, streams: Tracked, stop: CancellationToken, _slot: OwnedSemaphorePermit) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the sandbox serves a connection without TCP_NODELAY");
    }
    let mut builder = auto::Builder::new(streams);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, connection).await.ok()
        }
    };
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "a connection to the sandbox ended");
    }
}

/// Runs the streams of HTTP/2 connections as tasks of the sandbox. They end with their connection.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
