//! How far an attempt has come: its activity, the duration of each phase, the start of what was sent and received. A run that
//! cuts the attempt reads it too.
//!
//! The only state of an attempt, updated as it goes on. The lock is held briefly; only a run that is being cut competes for it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::outcome::Reason;
use crate::run::step::TransportError;
use crate::run::step::lookup::LookUpEvent;
use crate::run::step::tls::TlsPeer;
use crate::run::step::transcript::LOOKED_AT;

/// An attempt under way.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<TcpStage>);

/// What an attempt does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Activity {
    /// Nothing yet.
    #[default]
    Nothing,
    /// It waits for the connection, which another attempt has.
    WaitForConnection,
    /// It waits for one of this process's permits for look-ups.
    WaitForPermit,
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
pub(super) struct TcpStage {
    activity: Activity,
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
    /// Whether the earlier attempt had an answer that lost the connection and thereby made this attempt fail.
    had_answer: bool,
    /// The start of everything that was sent, with what `starttls` sends.
    pub(super) sent_excerpt: Excerpt,
    pub(super) received_excerpt: Excerpt,
}

/// The start of what went over a connection in one direction.
#[derive(Debug, Clone, Default)]
pub(super) struct Excerpt {
    pub(super) start: Vec<u8>,
    /// Whether there was more.
    pub(super) is_cut: bool,
}

impl Excerpt {
    fn add(&mut self, bytes: &[u8]) {
        let room = LOOKED_AT - self.start.len();
        self.start.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.is_cut |= bytes.len() > room;
    }
}

impl Activity {
    /// The phase it is a part of.
    fn phase(self, reads: bool) -> Option<&'static str> {
        match self {
            Self::Nothing | Self::Over | Self::WaitForConnection | Self::WaitForPermit => None,
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
            Self::WaitForConnection => "the connection, which another step has",
            Self::WaitForPermit => "a place to look the name up, which other look-ups of this prober hold",
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

impl TcpStage {
    fn enter(&mut self, activity: Activity, now: Instant) {
        let took = self.since.map(|since| now.duration_since(since)).unwrap_or_default();
        match self.activity.phase(self.reads) {
            Some(phase) => match self.phases.last_mut().filter(|(last, _)| *last == phase) {
                Some((_, sum)) => *sum += took,
                None => self.phases.push((phase, took)),
            },
            None if self.activity == Activity::WaitForPermit => self.queued += took,
            None => {}
        }
        (self.activity, self.since) = (activity, Some(now));
    }

    /// Whether a byte of an answer came.
    pub(super) fn is_answered(&self) -> bool {
        self.received > 0 || self.had_answer
    }
}

impl Progress {
    /// Of an attempt that reads an answer, or that does not.
    pub(super) fn new(reads: bool) -> Self {
        Self(Mutex::new(TcpStage { reads, ..TcpStage::default() }))
    }

    fn stage(&self) -> MutexGuard<'_, TcpStage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now.
    pub(super) fn so_far(&self) -> TcpStage {
        self.stage().clone()
    }

    /// What the peer showed, if TLS was begun in this attempt.
    pub(super) fn new_tls(&self) -> Option<Arc<TlsPeer>> {
        let stage = self.stage();
        stage.tls.clone().filter(|_| stage.phases.iter().any(|(phase, _)| *phase == "tls"))
    }

    /// Something else begins, and what was done before is over.
    pub(super) fn enter(&self, activity: Activity) {
        self.stage().enter(activity, Instant::now());
    }

    /// All is done: the phases, and when the last one ended.
    pub(super) fn finish(&self) -> (Vec<(&'static str, Duration)>, Instant) {
        let (mut stage, now) = (self.stage(), Instant::now());
        stage.enter(Activity::Over, now);
        (stage.phases.clone(), now)
    }

    /// A look-up has come so far.
    pub(super) fn look_up_event(&self, moment: LookUpEvent) {
        match moment {
            LookUpEvent::Queued => self.enter(Activity::WaitForPermit),
            LookUpEvent::Asked => self.enter(Activity::Name),
            LookUpEvent::Over => {}
        }
    }

    /// There is a connection.
    pub(super) fn connected(&self, peer: SocketAddr, tls: Option<Arc<TlsPeer>>) {
        let mut stage = self.stage();
        (stage.peer, stage.tls) = (Some(peer), tls);
    }

    /// Bytes that lead to TLS were written.
    pub(super) fn wrote_negotiation(&self, bytes: &[u8]) {
        self.stage().sent_excerpt.add(bytes);
    }

    /// Bytes of what the step sends were written.
    pub(super) fn wrote_payload(&self, bytes: &[u8]) {
        let mut stage = self.stage();
        stage.sent += bytes.len();
        stage.sent_excerpt.add(bytes);
    }

    /// Bytes came.
    pub(super) fn received(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut stage = self.stage();
        stage.received += bytes.len();
        stage.received_excerpt.add(bytes);
        if stage.activity == Activity::Answer {
            stage.enter(Activity::Rest, Instant::now());
        }
    }

    /// This attempt fails because an earlier one lost the connection.
    pub(super) fn blame(&self, earlier: &TransportError) {
        self.stage().had_answer |= earlier.got_byte;
    }

    /// Whether a byte of an answer came.
    pub(super) fn is_answered(&self) -> bool {
        self.stage().is_answered()
    }

    /// Whether it waits for one of this process's own permits for look-ups.
    pub(super) fn waits_for_permit(&self) -> bool {
        self.stage().activity == Activity::WaitForPermit
    }

    /// What it is waiting for, for people.
    pub(super) fn waiting_for(&self) -> &'static str {
        self.stage().activity.waiting_for()
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
        let TcpStage { activity, since, queued, received, .. } = *self.stage();
        let waiting =
            since.filter(|_| activity == Activity::WaitForPermit).map(|since| now.duration_since(since)).unwrap_or_default();
        let reason = if (queued + waiting) * 2 > bound { Reason::Resources } else { Reason::Timeout };
        let came = if received > 0 { format!(" ({received} bytes had come)") } else { String::new() };
        let bound = humantime::format_duration(bound);
        self.failure(reason, format!("{what} within {bound}: waiting for {}{came}", activity.waiting_for()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_each_other_and_the_wait_for_a_place_or_a_turn_is_none() {
        let (mut stage, start) = (TcpStage { reads: true, ..TcpStage::default() }, Instant::now());
        let millis = Duration::from_millis;
        let doings = [
            Activity::WaitForConnection,
            Activity::WaitForPermit,
            Activity::Name,
            Activity::Connect,
            Activity::Proxy,
            Activity::Tls,
            Activity::Send,
            Activity::Answer,
            Activity::Rest,
            Activity::Over,
        ];
        for (at, activity) in doings.into_iter().enumerate() {
            stage.enter(activity, start + millis(at as u64));
        }
        let wanted = [("dns", 1), ("connect", 2), ("tls", 1), ("first_byte", 2), ("transfer", 1)];
        assert_eq!(stage.phases, wanted.map(|(phase, took)| (phase, millis(took))));
        assert_eq!(stage.queued, millis(1));
    }

    #[test]
    fn no_more_of_what_is_said_is_kept_than_is_looked_at() {
        let mut excerpt = Excerpt::default();
        excerpt.add(&vec![b'a'; LOOKED_AT]);
        assert!(!excerpt.is_cut);
        excerpt.add(b"b");
        assert!(excerpt.is_cut && excerpt.start.len() == LOOKED_AT);
    }
}
