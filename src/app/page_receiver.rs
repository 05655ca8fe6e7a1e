//! The demo's receiver of pages: a webhook on loopback that notes what really arrives, and when.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::SystemTime;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::alert::message::{Action, Message};

/// A page that arrived.
#[derive(Debug, Clone)]
pub struct Page {
    /// When.
    pub at: SystemTime,
    /// What it said.
    pub message: Message,
}

/// The receiver and what has arrived there.
pub(super) struct PageReceiver {
    address: SocketAddr,
    arrived: watch::Receiver<Vec<Page>>,
    task: JoinHandle<()>,
}

impl PageReceiver {
    /// Starts to listen.
    pub(super) async fn start() -> io::Result<Self> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (sender, arrived) = watch::channel(Vec::new());
        let routes = Router::new().route("/", post(take)).with_state(sender);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::warn!(%error, "the demo's receiver of pages ended with an error");
            }
        });
        Ok(Self { address, arrived, task })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that has arrived, in its order.
    pub(super) fn pages(&self) -> Vec<Page> {
        self.arrived.borrow().clone()
    }

    /// Waits until what has arrived is as wished; false if it was not by then.
    pub(super) async fn wait(&self, until: Instant, wished: impl FnMut(&Vec<Page>) -> bool) -> bool {
        let mut arrived = self.arrived.clone();

        timeout_at(until, arrived.wait_for(wished)).await.is_ok_and(|seen| seen.is_ok())
    }
}

impl Drop for PageReceiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(sender): State<watch::Sender<Vec<Page>>>, Json(message): Json<Message>) -> StatusCode {
    sender.send_modify(|pages| pages.push(Page { at: SystemTime::now(), message }));
    StatusCode::OK
}

/// The incidents of a probe and its subjects that were told and not ended.
pub(super) fn open_incidents<'p>(pages: &'p [Page], probe: &str) -> Vec<&'p str> {
    let mut open: Vec<&str> = Vec::new();
    for message in pages.iter().map(|page| &page.message).filter(|message| is_outage(message, probe)) {
        open.retain(|incident| *incident != message.incident);
        match message.action {
            Action::Ring | Action::Change | Action::Acknowledge => open.push(&message.incident),
            Action::End => {}
        }
    }
    open
}

/// Whether it is about what fails now.
pub(super) fn is_outage(message: &Message, probe: &str) -> bool {
    let kinds = ["probe/", "subject/", "subjects/"];
    message.probe.as_deref() == Some(probe) && kinds.iter().any(|kind| message.scope.starts_with(kind))
}
