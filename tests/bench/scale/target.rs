//! What is probed: an HTTP server in a process of its own that answers with a few bytes, and with an error to the canaries that are
//! to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::net::TcpListener;

use crate::process::{Role, listen, say};

/// A target that runs.
pub(crate) struct Target {
    _role: Role,
    /// Canaries ask `/cell/NUMBER` below it.
    pub(crate) url: String,
}

impl Target {
    pub(crate) fn start() -> Self {
        let mut role = Role::start("target", &());
        let address: String = role.hear();
        Self { _role: role, url: format!("http://{address}") }
    }

    /// From now on cells below this number fail.
    pub(crate) fn fail_below(&self, cell: usize) {
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client can be built");
        client.post(format!("{}/fail/{cell}", self.url)).send().expect("the target answers");
    }
}

/// The role: says its address, serves until its input ends.
pub(crate) fn role() {
    let failing = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        say(&listener.local_addr().expect("a listener has an address").to_string());
        let told = Arc::clone(&failing);
        let cell = async move |Path(cell): Path<usize>| {
            let status = if cell < failing.load(Ordering::Relaxed) { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
            (status, r#"{"ok":true}"#)
        };
        let fail = async move |Path(below): Path<usize>| told.store(below, Ordering::Relaxed);
        let app = Router::new().route("/cell/{cell}", get(cell)).route("/fail/{below}", post(fail));
        tokio::select! {
            served = axum::serve(listener, app) => panic!("the target ended: {served:?}"),
            _ended = tokio::task::spawn_blocking(listen) => {}
        }
    });
}
