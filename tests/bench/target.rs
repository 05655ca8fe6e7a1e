//! What is probed: an HTTP server that answers everything with the same few bytes, in a process of its own. It takes traces
//! as well.

use axum::Router;
use tokio::net::TcpListener;

use crate::process::{Role, listen, say};

/// The role: says its address, serves until its input ends.
pub(crate) fn role() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        say(&listener.local_addr().expect("a listener has an address").to_string());
        let app = Router::new().fallback(async || r#"{"ok":true}"#);
        tokio::select! {
            served = axum::serve(listener, app) => panic!("the target ended: {served:?}"),
            _ended = tokio::task::spawn_blocking(listen) => {}
        }
    });
}

/// A target that runs, and its `http://` address.
pub(crate) fn start() -> (Role, String) {
    let mut role = Role::start("target", &());
    let address: String = role.hear();
    (role, format!("http://{address}"))
}
