//! How far an exchange has come, so that a run that cuts it can report what was cut.
//!
//! The exchange writes it and never reads it. The lock is taken a handful of times an exchange and hardly ever contended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::outcome::{Exchange, HttpAnswer, Phases, Redactor};

use super::exchange::{self, shown_url};
use super::request::HttpRequest;
use super::timings::Timings;

/// An exchange under way.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<ExchangeStage>);

#[derive(Debug, Default)]
struct ExchangeStage {
    timings: Option<Arc<Timings>>,
    status: Option<u16>,
    version: Option<&'static str>,
    /// When the headers came, unless they were a redirect that is followed.
    headers_at: Option<Instant>,
}

impl Progress {
    /// There is everything that the request itself needs.
    pub(super) fn began(&self, timings: &Arc<Timings>) {
        self.stage().timings = Some(Arc::clone(timings));
    }

    /// Headers came.
    pub(super) fn answered(&self, status: u16, version: &'static str, at: Instant) {
        let mut stage = self.stage();
        (stage.status, stage.version, stage.headers_at) = (Some(status), Some(version), Some(at));
    }

    /// They were a redirect, which is followed.
    pub(super) fn redirected(&self) {
        self.stage().headers_at = None;
    }

    /// Whether an answer has begun.
    pub(super) fn has_answer(&self) -> bool {
        self.stage().status.is_some()
    }

    /// Whether it waits for one of this process's own permits for look-ups, of which the target knows nothing.
    pub(super) fn waits_for_permit(&self) -> bool {
        self.stage().timings.as_ref().is_some_and(|timings| timings.in_queue())
    }

    /// What it is waiting for, for people.
    pub(super) fn waiting_for(&self) -> &'static str {
        let stage = self.stage();
        match (&stage.timings, stage.headers_at) {
            (None, _) => "a token",
            (Some(_), Some(_)) => "the body's end",
            (Some(timings), None) => timings.waiting_for(),
        }
    }

    /// What there is to tell of it if it is cut now, and what was sent as text. How much of a body had come is not known.
    pub(super) fn cut(&self, request: &HttpRequest, with_exchange: bool, redactor: &Redactor) -> (HttpAnswer, Option<Exchange>) {
        let stage = self.stage();
        let phases = stage.timings.as_ref().map_or_else(Phases::default, |timings| timings.phases(stage.headers_at, None));
        let answer = HttpAnswer {
            method: request.method.to_string(),
            url: shown_url(&request.url, redactor),
            status: stage.status,
            version: stage.version,
            body_bytes: 0,
            phases,
            withheld: Vec::new(),
        };
        (answer, with_exchange.then(|| exchange::render(request, None, None, redactor)))
    }

    fn stage(&self) -> MutexGuard<'_, ExchangeStage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
