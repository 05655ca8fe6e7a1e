//! The timings of an exchange, recorded by hooks inside reqwest.
//!
//! The hooks (resolver, connector layer, TLS session store) do not know which request they serve, so the request puts its
//! [`Timings`] in a task-local. The connector layer also restricts a client to one connection, which `connections` relies on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt as _};
use tower::{BoxError, Layer, Service};

use crate::outcome::Phases;
use crate::run::step::resources;

use super::upload::UploadProgress;

tokio::task_local! {
    static TIMINGS: Arc<Timings>;
}

/// A moment in a connection's making.
#[derive(Debug, Clone, Copy)]
pub(super) enum TimingEvent {
    /// A connection is being made.
    ConnectStart,
    /// A name waits for one of this process's permits for look-ups.
    DnsQueued,
    /// A name is being looked up.
    DnsStart,
    /// It was found, or not.
    DnsEnd,
    /// The ClientHello is being built: TCP is connected.
    TlsStart,
    /// The connection can be used.
    ConnectEnd,
}

/// Moments of one exchange, redirects included. The lock is never contended: all hooks run on the exchange's own task.
#[derive(Debug)]
pub(super) struct Timings(Mutex<TimingState>);

#[derive(Debug)]
struct TimingState {
    began: Instant,
    /// When the request of this hop was made: the start, or the redirect before it.
    hop_began: Instant,
    redirects: u32,
    /// Whether this hop was sent before, over a kept connection that was just being closed.
    asked_before: bool,
    connecting: Option<Connecting>,
    /// When this hop's own connection became ready.
    connected: Option<Instant>,
    /// How long names waited for a place among this process's look-ups.
    queued: Duration,
    /// This hop's body, if it is large.
    upload: Option<Arc<UploadProgress>>,
    /// Sums of what is over, so that all phases of an exchange add up to its latency, redirects or not.
    over: Phases,
}

#[derive(Debug)]
struct Connecting {
    start: Instant,
    /// Since when the name waits for its permit.
    queued: Option<Instant>,
    dns: Option<(Instant, Option<Instant>)>,
    tls: Option<Instant>,
}

impl Timings {
    /// Marks of an exchange that begins now.
    pub(super) fn new() -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self(Mutex::new(TimingState {
            began: now,
            hop_began: now,
            redirects: 0,
            asked_before: false,
            connecting: None,
            connected: None,
            queued: Duration::ZERO,
            upload: None,
            over: Phases::default(),
        })))
    }

    /// Runs `work` so that hooks inside it find these marks.
    pub(super) async fn scope<F: Future>(self: &Arc<Self>, work: F) -> F::Output {
        TIMINGS.scope(Arc::clone(self), work).await
    }

    fn state(&self) -> MutexGuard<'_, TimingState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the exchange began.
    pub(super) fn began(&self) -> Instant {
        self.state().began
    }

    /// Redirects followed so far.
    pub(super) fn redirects(&self) -> u32 {
        self.state().redirects
    }

    /// A redirect, whose headers came at `headers`, is followed.
    pub(super) fn redirected(&self, headers: Instant) {
        let mut state = self.state();
        let took = state.first_byte(headers);
        add(&mut state.over.first_byte, took);
        state.redirects += 1;
        state.start_hop(headers);
    }

    /// This hop is asked again over another connection, from `now` on; `sent` says whether it may have left before.
    pub(super) fn asked_again(&self, now: Instant, sent: bool) {
        let mut state = self.state();
        let took = state.first_byte(now);
        add(&mut state.over.first_byte, took);
        state.asked_before |= sent;
        state.start_hop(now);
    }

    /// Whether a request of this exchange went out before the one that is under way: a redirect's, or one over a kept connection.
    pub(super) fn sent_before(&self) -> bool {
        let state = self.state();
        state.redirects > 0 || state.asked_before
    }

    /// Whether nothing of the exchange has left yet, because its first connection is still being made.
    pub(super) fn connecting(&self) -> bool {
        let state = self.state();
        state.redirects == 0 && !state.asked_before && state.connected.is_none() && state.connecting.is_some()
    }

    /// Whether a TLS handshake has begun and is not over.
    pub(super) fn in_tls(&self) -> bool {
        let state = self.state();
        state.connected.is_none() && state.connecting.as_ref().is_some_and(|connecting| connecting.tls.is_some())
    }

    /// How long names waited for one of this process's permits for look-ups, which is no fault of the target.
    pub(super) fn queued(&self) -> Duration {
        let state = self.state();
        let since = state.connecting.as_ref().and_then(|connecting| connecting.queued);
        state.queued + since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// Whether a name waits for such a permit.
    pub(super) fn in_queue(&self) -> bool {
        self.state().connecting.as_ref().is_some_and(|connecting| connecting.queued.is_some())
    }

    /// A large body is on its way.
    pub(super) fn uploading(&self, upload: Option<Arc<UploadProgress>>) {
        self.state().upload = upload;
    }

    /// What the target has not read of a large body, for people.
    pub(super) fn unread_upload(&self) -> Option<String> {
        self.state().upload.as_ref()?.unread()
    }

    /// What the request was waiting for, for people, if it never got an answer.
    pub(super) fn waiting_for(&self) -> &'static str {
        let state = self.state();
        match &state.connecting {
            Some(Connecting { tls: Some(_), .. }) => "the TLS handshake",
            Some(Connecting { queued: Some(_), .. }) => "a place to look the name up, which other look-ups of this prober hold",
            Some(Connecting { dns: Some((_, None)), .. }) => "the name's resolution",
            Some(_) => "the connection",
            None => "the answer's headers",
        }
    }

    /// The phases, given when the last headers and the body's end came.
    pub(super) fn phases(&self, headers: Option<Instant>, body: Option<Instant>) -> Phases {
        let state = self.state();
        let mut phases = state.over;
        match (headers, &state.connecting) {
            (Some(headers), _) => {
                add(&mut phases.first_byte, state.first_byte(headers));
                phases.transfer = body.map(|body| body.duration_since(headers));
                // An exchange that made no connection went over one that was open, even if another connection had been begun.
                phases.reused = phases.connect.is_none();
            }
            (None, Some(connecting)) => connecting.add_to(&mut phases, None),
            (None, None) => phases.reused = phases.connect.is_none(),
        }
        phases
    }
}

impl TimingState {
    fn start_hop(&mut self, now: Instant) {
        self.hop_began = now;
        self.connected = None;
        self.connecting = None;
        self.upload = None;
    }

    fn first_byte(&self, headers: Instant) -> Duration {
        headers.saturating_duration_since(self.connected.unwrap_or(self.hop_began))
    }

    fn note(&mut self, event: TimingEvent, now: Instant) {
        if matches!(event, TimingEvent::ConnectStart) {
            self.connecting = Some(Connecting { start: now, queued: None, dns: None, tls: None });
            return;
        }
        let Some(connecting) = &mut self.connecting else { return };
        if let Some(since) = connecting.queued.take() {
            self.queued += now.duration_since(since);
        }
        match event {
            TimingEvent::ConnectStart => {}
            TimingEvent::DnsQueued => connecting.queued = Some(now),
            TimingEvent::DnsStart => connecting.dns = Some((now, None)),
            TimingEvent::DnsEnd => connecting.dns = connecting.dns.map(|(start, _)| (start, Some(now))),
            TimingEvent::TlsStart => connecting.tls = Some(now),
            TimingEvent::ConnectEnd => {
                connecting.add_to(&mut self.over, Some(now));
                self.connecting = None;
                self.connected = Some(now);
            }
        }
    }
}

impl Connecting {
    /// Adds what is over of this connection's making; `ready` is when all of it was.
    fn add_to(&self, phases: &mut Phases, ready: Option<Instant>) {
        let resolved = self.dns.and_then(|(start, end)| Some((start, end?)));
        if let Some((start, end)) = resolved {
            add(&mut phases.dns, end.duration_since(start));
        }
        let tcp_start = resolved.map_or(self.start, |(_, end)| end);
        if let Some(tcp_end) = self.tls.or(ready) {
            add(&mut phases.connect, tcp_end.saturating_duration_since(tcp_start));
        }
        if let (Some(start), Some(end)) = (self.tls, ready) {
            add(&mut phases.tls, end.duration_since(start));
        }
    }
}

fn add(sum: &mut Option<Duration>, more: Duration) {
    *sum = Some(sum.unwrap_or_default() + more);
}

/// Notes that `event` is reached, if an exchange is listening.
pub(super) fn note(event: TimingEvent) {
    let _ = TIMINGS.try_with(|timings| timings.state().note(event, Instant::now()));
}

/// The connector layer of a client that makes one connection in its life, and notes when.
#[derive(Debug, Clone, Default)]
pub(super) struct OneConnection(Arc<AtomicBool>);

/// The service it makes.
#[derive(Debug, Clone)]
pub(super) struct ConnectOnce<S> {
    inner: S,
    made: Arc<AtomicBool>,
}

/// The client has had its one connection. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("the connection was closed")]
pub(super) struct ConnectionUsed;

impl<S> Layer<S> for OneConnection {
    type Service = ConnectOnce<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ConnectOnce { inner, made: Arc::clone(&self.0) }
    }
}

impl<S, R> Service<R> for ConnectOnce<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        if self.made.swap(true, Ordering::Relaxed) {
            return std::future::ready(Err(ConnectionUsed.into())).boxed();
        }
        let connecting = resources::ensure_file_available().map(|()| self.inner.call(request));
        async move {
            note(TimingEvent::ConnectStart);
            let connecting = connecting.map_err(BoxError::from)?;
            let connected = connecting.await;
            if connected.is_ok() {
                note(TimingEvent::ConnectEnd);
            }
            connected
        }
        .boxed()
    }
}
