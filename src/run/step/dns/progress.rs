//! How far an attempt has come, so that a run that cuts it can report what was cut.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::run::dns::QueryEvent;

/// An attempt under way, or over.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Option<QueryStage>>);

/// Where it stands: whom it asks now, and since when.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueryStage {
    began: Instant,
    pub(super) server: SocketAddr,
    pub(super) tcp: bool,
    /// When this server's turn began.
    server_since: Instant,
    /// When an answer over UDP came that did not fit.
    truncated: Option<Instant>,
    connected: Option<Instant>,
    first_byte: Option<Instant>,
    ended: Option<Instant>,
    /// Whether a question may have left.
    pub(super) sent: bool,
    /// Whether a byte of an answer came.
    pub(super) answered: bool,
}

impl Progress {
    /// It asks this server from now on.
    pub(super) fn asks(&self, server: SocketAddr) {
        let now = Instant::now();
        let mut stage = self.lock();
        let (began, sent, answered) = stage.map_or((now, false, false), |before| (before.began, before.sent, before.answered));
        *stage = Some(QueryStage {
            began,
            server,
            tcp: false,
            server_since: now,
            truncated: None,
            connected: None,
            first_byte: None,
            ended: None,
            sent,
            answered,
        });
    }

    /// An event of the attempt.
    pub(super) fn note(&self, moment: QueryEvent) {
        let now = Instant::now();
        let mut stage = self.lock();
        let Some(stage) = stage.as_mut() else { return };
        match moment {
            QueryEvent::Sent => stage.sent = true,
            QueryEvent::Truncated => (stage.truncated, stage.answered) = (Some(now), true),
            QueryEvent::Connecting => stage.tcp = true,
            QueryEvent::Connected => (stage.connected, stage.sent) = (Some(now), true),
            QueryEvent::FirstByte => {
                stage.answered = true;
                stage.first_byte.get_or_insert(now);
            }
        }
    }

    /// The answer is there, whole.
    pub(super) fn ends(&self) {
        if let Some(stage) = self.lock().as_mut() {
            stage.ended = Some(Instant::now());
        }
    }

    /// Where it stands, if it has begun.
    pub(super) fn stage(&self) -> Option<QueryStage> {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Option<QueryStage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueryStage {
    /// From the first question's leaving to the answer's end.
    pub(super) fn latency(&self) -> Duration {
        self.ended.map(|ended| ended.duration_since(self.began)).unwrap_or_default()
    }

    /// What it is waiting for, for people.
    pub(super) fn waiting_for(&self) -> &'static str {
        match (self.tcp, self.connected, self.first_byte) {
            (true, None, _) => "the connection",
            (true, Some(_), Some(_)) => "the answer's end",
            (true, Some(_), None) | (false, _, _) => "the answer",
        }
    }

    /// Whether an answer over UDP did not fit.
    pub(super) fn is_truncated(&self) -> bool {
        self.truncated.is_some()
    }

    /// The phases that are over, in order and without a gap. Over UDP an answer comes at once, and is no transfer.
    pub(super) fn phases(&self) -> Vec<(&'static str, Duration)> {
        let mut phases = Vec::with_capacity(4);
        let asked = self.truncated.unwrap_or(self.server_since);
        if asked > self.began {
            phases.push(("earlier_tries", asked.duration_since(self.began)));
        }
        if let Some(connected) = self.connected {
            phases.push(("connect", connected.duration_since(asked)));
        }
        let Some(first_byte) = self.first_byte else { return phases };
        if !self.tcp {
            phases.push(("first_byte", self.ended.unwrap_or(first_byte).duration_since(asked)));
            return phases;
        }
        phases.push(("first_byte", first_byte.duration_since(self.connected.unwrap_or(asked))));
        phases.extend(self.ended.map(|ended| ("transfer", ended.duration_since(first_byte))));
        phases
    }
}
