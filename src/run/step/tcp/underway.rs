//! How far an attempt has come: what it does, how long each phase took, what was said. Seen by whoever cuts it, too.
//!
//! The one account of an attempt, kept up to date as it goes on. Locked for moments, by nobody else at that time but a run that
//! is being cut.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::outcome::Reason;
use crate::run::step::TransportError;
use crate::run::step::lookup::Moment;
use crate::run::step::tls::TlsPeer;
use crate::run::step::transcript::LOOKED_AT;

/// An attempt under way.
#[derive(Debug, Default)]
pub(super) struct Underway(Mutex<Stage>);

/// What an attempt does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Doing {
    /// Nothing yet.
    #[default]
    Nothing,
    /// It waits for the connection, which another attempt has.
    Turn,
    /// It waits for a place among this process's look-ups.
    Place,
    Name,
    Connect,
    Proxy,
    StartTls,
    Tls,
    Greeting,
    Send,
    /// It waits for the first byte of the answer.
    Answer,
    /// It reads the rest of it.
    Rest,
    /// All is done.
    Over,
}

/// What is known of an attempt.
#[derive(Debug, Clone, Default)]
pub(super) struct Stage {
    doing: Doing,
    since: Option<Instant>,
    /// Whether an answer is read.
    reads: bool,
    /// The phases that are over, in order. They follow each other without a gap, so that their sum is the latency.
    pub(super) phases: Vec<(&'static str, Duration)>,
    queued: Duration,
    /// The other end.
    pub(super) peer: Option<SocketAddr>,
    pub(super) tls: Option<Arc<TlsPeer>>,
    /// Bytes of what the step sends that were written.
    pub(super) sent: usize,
    /// Bytes that came.
    pub(super) received: usize,
    /// Whether an earlier attempt over the connection had an answer, where that one is why this one failed.
    had_answer: bool,
    /// Everything that was said, the start of it, with what `starttls` says.
    pub(super) said: Said,
    pub(super) heard: Said,
}

/// The start of what went over a connection in one direction.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) start: Vec<u8>,
    /// Whether that is all of it.
    pub(super) is_cut: bool,
}

impl Said {
    fn add(&mut self, bytes: &[u8]) {
        let room = LOOKED_AT - self.start.len();
        self.start.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.is_cut |= bytes.len() > room;
    }
}

impl Doing {
    /// The phase it is a part of.
    fn phase(self, reads: bool) -> Option<&'static str> {
        match self {
            Self::Nothing | Self::Over | Self::Turn | Self::Place => None,
            Self::Name => Some("dns"),
            Self::Connect | Self::Proxy => Some("connect"),
            Self::StartTls => Some("starttls"),
            Self::Tls => Some("tls"),
            Self::Greeting => Some("greeting"),
            Self::Send if reads => Some("first_byte"),
            Self::Answer => Some("first_byte"),
            Self::Send | Self::Rest => Some("transfer"),
        }
    }

    fn waiting_for(self) -> &'static str {
        match self {
            Self::Nothing | Self::Over => "nothing",
            Self::Turn => "the connection, which another step has",
            Self::Place => "a place to look the name up, which other look-ups of this prober hold",
            Self::Name => "the name's resolution",
            Self::Connect => "the connection",
            Self::Proxy => "the proxy's answer",
            Self::StartTls => "the answers that lead to TLS",
            Self::Tls => "the TLS handshake",
            Self::Greeting => "the greeting's end",
            Self::Send => "the target to read what is sent",
            Self::Answer => "the answer",
            Self::Rest => "the answer's end",
        }
    }
}

impl Stage {
    fn enter(&mut self, doing: Doing, now: Instant) {
        let took = self.since.map(|since| now.duration_since(since)).unwrap_or_default();
        match self.doing.phase(self.reads) {
            Some(phase) => match self.phases.last_mut().filter(|(last, _)| *last == phase) {
                Some((_, sum)) => *sum += took,
                None => self.phases.push((phase, took)),
            },
            None if self.doing == Doing::Place => self.queued += took,
            None => {}
        }
        (self.doing, self.since) = (doing, Some(now));
    }

    /// Whether a byte of an answer came.
    pub(super) fn is_answered(&self) -> bool {
        self.received > 0 || self.had_answer
    }
}

impl Underway {
    /// Of an attempt that reads an answer, or that does not.
    pub(super) fn new(reads: bool) -> Self {
        Self(Mutex::new(Stage { reads, ..Stage::default() }))
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now.
    pub(super) fn so_far(&self) -> Stage {
        self.stage().clone()
    }

    /// Something else begins, and what was done before is over.
    pub(super) fn enter(&self, doing: Doing) {
        self.stage().enter(doing, Instant::now());
    }

    /// All is done: the phases, and when the last one ended.
    pub(super) fn finish(&self) -> (Vec<(&'static str, Duration)>, Instant) {
        let (mut stage, now) = (self.stage(), Instant::now());
        stage.enter(Doing::Over, now);
        (stage.phases.clone(), now)
    }

    /// A look-up has come so far.
    pub(super) fn looked_up(&self, moment: Moment) {
        match moment {
            Moment::Queued => self.enter(Doing::Place),
            Moment::Asked => self.enter(Doing::Name),
            Moment::Over => {}
        }
    }

    /// There is a connection.
    pub(super) fn connected(&self, peer: SocketAddr, tls: Option<Arc<TlsPeer>>) {
        let mut stage = self.stage();
        (stage.peer, stage.tls) = (Some(peer), tls);
    }

    /// Bytes that lead to TLS were written.
    pub(super) fn said(&self, bytes: &[u8]) {
        self.stage().said.add(bytes);
    }

    /// Bytes of what the step sends were written.
    pub(super) fn sent(&self, bytes: &[u8]) {
        let mut stage = self.stage();
        stage.sent += bytes.len();
        stage.said.add(bytes);
    }

    /// Bytes came.
    pub(super) fn came(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut stage = self.stage();
        stage.received += bytes.len();
        stage.heard.add(bytes);
        if stage.doing == Doing::Answer {
            stage.enter(Doing::Rest, Instant::now());
        }
    }

    /// Why the connection was lost in an earlier attempt is why this one failed.
    pub(super) fn blame(&self, earlier: &TransportError) {
        self.stage().had_answer |= earlier.got_byte;
    }

    /// Whether a byte of an answer came.
    pub(super) fn is_answered(&self) -> bool {
        self.stage().is_answered()
    }

    /// Whether it waits for a place among this process's own look-ups.
    pub(super) fn wants_place(&self) -> bool {
        self.stage().doing == Doing::Place
    }

    /// What it is waiting for, for people.
    pub(super) fn waiting_for(&self) -> &'static str {
        self.stage().doing.waiting_for()
    }

    /// A failure at this point.
    pub(super) fn failure(&self, reason: Reason, message: String) -> TransportError {
        let stage = self.stage();
        TransportError { reason, message, sent: stage.sent > 0, got_byte: stage.is_answered() }
    }

    /// It was not done within its bound.
    pub(super) fn timed_out(&self, bound: Duration) -> TransportError {
        self.late("no answer", bound)
    }

    /// It was not connected within the bound on that.
    pub(super) fn connected_late(&self, bound: Duration) -> TransportError {
        self.late("not connected", bound)
    }

    fn late(&self, what: &str, bound: Duration) -> TransportError {
        let now = Instant::now();
        let Stage { doing, since, queued, received, .. } = *self.stage();
        let waiting = since.filter(|_| doing == Doing::Place).map(|since| now.duration_since(since)).unwrap_or_default();
        let reason = if (queued + waiting) * 2 > bound { Reason::Resources } else { Reason::Timeout };
        let came = if received > 0 { format!(" ({received} bytes had come)") } else { String::new() };
        let bound = humantime::format_duration(bound);
        self.failure(reason, format!("{what} within {bound}: waiting for {}{came}", doing.waiting_for()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_each_other_and_the_wait_for_a_place_or_a_turn_is_none() {
        let (mut stage, start) = (Stage { reads: true, ..Stage::default() }, Instant::now());
        let millis = Duration::from_millis;
        let doings = [
            Doing::Turn,
            Doing::Place,
            Doing::Name,
            Doing::Connect,
            Doing::Proxy,
            Doing::Tls,
            Doing::Send,
            Doing::Answer,
            Doing::Rest,
            Doing::Over,
        ];
        for (at, doing) in doings.into_iter().enumerate() {
            stage.enter(doing, start + millis(at as u64));
        }
        let wanted = [("dns", 1), ("connect", 2), ("tls", 1), ("first_byte", 2), ("transfer", 1)];
        assert_eq!(stage.phases, wanted.map(|(phase, took)| (phase, millis(took))));
        assert_eq!(stage.queued, millis(1));
    }

    #[test]
    fn no_more_of_what_is_said_is_kept_than_is_looked_at() {
        let mut said = Said::default();
        said.add(&vec![b'a'; LOOKED_AT]);
        assert!(!said.is_cut);
        said.add(b"b");
        assert!(said.is_cut && said.start.len() == LOOKED_AT);
    }
}
