//! How far an exchange has come, seen from outside: whoever cuts it still knows what was cut.
//!
//! The exchange itself keeps its own account and is told nothing by this one. Locked a handful of times an exchange, by nobody
//! else at that time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::outcome::{Exchange, HttpAnswer, Phases, Redactor};

use super::exchange::{self, shown_url};
use super::marks::Marks;
use super::request::HttpRequest;

/// An exchange under way.
#[derive(Debug, Default)]
pub(super) struct Underway(Mutex<Stage>);

#[derive(Debug, Default)]
struct Stage {
    marks: Option<Arc<Marks>>,
    status: Option<u16>,
    version: Option<&'static str>,
    /// When the headers came that are the last ones, as far as is known.
    headers_at: Option<Instant>,
}

impl Underway {
    /// There is everything that the request itself needs.
    pub(super) fn began(&self, marks: &Arc<Marks>) {
        self.stage().marks = Some(Arc::clone(marks));
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

    /// Whether it waits for a place among this process's own look-ups, of which the target knows nothing.
    pub(super) fn wants_place(&self) -> bool {
        self.stage().marks.as_ref().is_some_and(|marks| marks.in_queue())
    }

    /// What it is waiting for, for people.
    pub(super) fn waiting_for(&self) -> &'static str {
        let stage = self.stage();
        match (&stage.marks, stage.headers_at) {
            (None, _) => "a token",
            (Some(_), Some(_)) => "the body's end",
            (Some(marks), None) => marks.waiting_for(),
        }
    }

    /// What there is to tell of it if it is cut now, and what was sent as text. How much of a body had come is not known.
    pub(super) fn cut(&self, request: &HttpRequest, with_exchange: bool, redactor: &Redactor) -> (HttpAnswer, Option<Exchange>) {
        let stage = self.stage();
        let phases = stage.marks.as_ref().map_or_else(Phases::default, |marks| marks.phases(stage.headers_at, None));
        let answer = HttpAnswer {
            method: request.method.to_string(),
            url: shown_url(&request.url, redactor),
            status: stage.status,
            version: stage.version,
            body_bytes: 0,
            phases,
            withheld: Vec::new(),
        };
        (answer, with_exchange.then(|| exchange::draw(request, None, None, redactor)))
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
