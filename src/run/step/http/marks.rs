//! Moments of a connection's making, noted from inside reqwest through hooks, without locks.
//!
//! The hooks (resolver, connector layer, TLS session store) know nothing of the request they serve, so the request leaves its
//! [`Marks`] in a task-local. A connection that is finished in the background after another won has no marks to write to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt as _};
use tower::{Layer, Service};

use crate::outcome::Phases;

tokio::task_local! {
    static MARKS: Arc<Marks>;
}

/// A moment in a connection's making. Redirects may make several connections; the last one counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    /// A name is being looked up.
    DnsStart,
    /// It was found, or not.
    DnsEnd,
    /// A connection is being made.
    ConnectStart,
    /// The ClientHello is being built: TCP is connected.
    TlsStart,
    /// The connection can be used.
    ConnectEnd,
}

/// Moments of one request, in nanoseconds since it began; 0 is "did not happen".
#[derive(Debug)]
pub(super) struct Marks {
    began: Instant,
    at: [AtomicU64; 5],
    redirects: AtomicU32,
}

impl Marks {
    /// Marks of a request that begins now.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), at: Default::default(), redirects: AtomicU32::new(0) })
    }

    /// Runs `work` so that hooks inside it find these marks.
    pub(super) async fn scope<F: Future>(self: &Arc<Self>, work: F) -> F::Output {
        MARKS.scope(Arc::clone(self), work).await
    }

    fn get(&self, mark: Mark) -> Option<Duration> {
        match self.at[mark as usize].load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// Whether the connection was ready, so that a byte of the request may have left.
    pub(super) fn may_have_sent(&self) -> bool {
        if self.redirects() > 0 {
            return true;
        }
        match (self.get(Mark::ConnectStart), self.get(Mark::ConnectEnd)) {
            (Some(start), Some(end)) => end >= start,
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// What the request was waiting for, for people, if it never got an answer.
    pub(super) fn waiting_for(&self) -> &'static str {
        if self.may_have_sent() {
            return "the answer's headers";
        }
        match (self.get(Mark::DnsStart), self.get(Mark::DnsEnd), self.get(Mark::TlsStart)) {
            (Some(_), None, _) => "the name's resolution",
            (_, _, Some(_)) => "the TLS handshake",
            (_, _, None) => "the connection",
        }
    }

    /// Whether the TLS handshake had begun and the connection was not yet ready.
    pub(super) fn in_tls(&self) -> bool {
        !self.may_have_sent() && self.get(Mark::TlsStart).is_some()
    }

    /// Redirects followed so far.
    pub(super) fn redirects(&self) -> u32 {
        self.redirects.load(Ordering::Relaxed)
    }

    /// The phases, given when the headers and the body's end came.
    pub(super) fn phases(&self, headers: Option<Instant>, body: Option<Instant>) -> Phases {
        let span = |from: Option<Duration>, to: Option<Duration>| Some(to?.saturating_sub(from?));
        let connect_start = self.get(Mark::ConnectStart);
        let connect_end = self.get(Mark::ConnectEnd);
        let tls_start = self.get(Mark::TlsStart);
        let tcp_start = self.get(Mark::DnsEnd).or(connect_start);
        let headers = headers.map(|at| at.duration_since(self.began));
        Phases {
            dns: span(self.get(Mark::DnsStart), self.get(Mark::DnsEnd)),
            connect: span(tcp_start, tls_start.or(connect_end)),
            tls: span(tls_start, connect_end),
            first_byte: headers.map(|at| at.saturating_sub(connect_end.unwrap_or_default())),
            transfer: span(headers, body.map(|at| at.duration_since(self.began))),
            reused: connect_start.is_none(),
        }
    }
}

/// Notes that `mark` is reached, if a request is listening.
pub(super) fn note(mark: Mark) {
    let _ = MARKS.try_with(|marks| {
        let nanos = u64::try_from(marks.began.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        marks.at[mark as usize].store(nanos, Ordering::Relaxed);
    });
}

/// Notes that a redirect is followed.
pub(super) fn note_redirect() {
    let _ = MARKS.try_with(|marks| marks.redirects.fetch_add(1, Ordering::Relaxed));
}

/// The connector layer that notes when a connection is being made.
#[derive(Debug, Clone, Copy)]
pub(super) struct MarkConnect;

/// The service it makes.
#[derive(Debug, Clone)]
pub(super) struct MarkedConnect<S>(S);

impl<S> Layer<S> for MarkConnect {
    type Service = MarkedConnect<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MarkedConnect(inner)
    }
}

impl<S, R> Service<R> for MarkedConnect<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.0.call(request);
        async move {
            note(Mark::ConnectStart);
            let connected = connecting.await;
            if connected.is_ok() {
                note(Mark::ConnectEnd);
            }
            connected
        }
        .boxed()
    }
}
