//! The interface between a run and a kind of step.
//!
//! A step is filled in for each attempt ([`prepare`](super::prepare)) and is then a [`Task`]. A task makes an [`Attempt`], and one
//! that was answered gives an [`Answer`]. The run judges, polls, retries, cuts and cleans up by these three and by nothing else. A kind gets what it may read ([`Setting`], [`Terms`]) and never the run itself.

use std::fmt::Debug;
use std::sync::Arc;

use futures::future::BoxFuture;
use minijinja::Value;

use crate::outcome::{AttemptDetail, PeerCertificate, Reason, Redactor, RunId, SpanId, TraceId};
use crate::plan::{Device, Limits, Template};
use crate::run::{Bound, StallLog};

use super::session::Session;

/// What a kind gets to fill in a step.
pub(in crate::run) struct Setting<'a> {
    /// The device it acts on.
    pub(in crate::run) device: &'a Device,
    /// What that device keeps from step to step.
    pub(in crate::run) session: &'a Session,
    /// The names its templates can use.
    pub(in crate::run) scope: &'a Value,
    pub(in crate::run) limits: &'a Limits,
    /// URLs of the probe whose origins its operator wrote.
    pub(in crate::run) origins: &'a [Template],
}

/// What a kind gets to make an attempt.
pub(in crate::run) struct Terms<'a> {
    pub(in crate::run) run_id: RunId,
    pub(in crate::run) trace_id: TraceId,
    /// The attempt's own span.
    pub(in crate::run) span_id: SpanId,
    /// Whether the trace will be kept for sure.
    pub(in crate::run) sampled: bool,
    /// Bound on everything it does.
    pub(in crate::run) bound: Bound<'a>,
    pub(in crate::run) redactor: &'a Redactor,
    /// The stalls of this process, which are taken out of the times that expressions see.
    pub(in crate::run) stalls: &'a StallLog,
}

/// A step with everything filled in for one attempt. Filling it in does nothing that the target would notice.
pub(in crate::run) trait Task: Send + Sync {
    /// Bytes of what templates made of it, and their text: what is personal in them is masked in answers.
    fn sent_bytes(&self) -> usize;

    /// See [`Task::sent_bytes`].
    fn sent_text(&self) -> String;

    /// An attempt that is yet to be made.
    fn attempt(&self) -> Arc<dyn Attempt>;
}

/// One attempt. It can be asked at any time how far it has come, so that a run that cuts it can report what was cut.
pub(in crate::run) trait Attempt: Debug + Send + Sync {
    /// Makes it, once. Ends by itself at the bound.
    fn make<'a>(&'a self, terms: &'a Terms<'a>) -> BoxFuture<'a, Result<Arc<dyn Answer>, TransportError>>;

    /// What there is to tell of it, as far as it has come.
    fn detail(&self, with_transcript: bool, redactor: &Redactor) -> AttemptDetail;

    /// The certificate of the connection that it made, if that was a new one under TLS.
    fn certificate(&self, _redactor: &Redactor) -> Option<PeerCertificate> {
        None
    }

    /// Whether an answer has begun.
    fn has_answer(&self) -> bool;

    /// Whether it waits for a permit of this process, of which the target knows nothing.
    fn waits_for_permit(&self) -> bool;

    /// What it is waiting for, for people.
    fn waiting_for(&self) -> &'static str;
}

/// What came back, whole, with times that are net of stalls. Costly values are computed when they are first asked for.
pub(in crate::run) trait Answer: Debug + Send + Sync {
    /// The value of one of the kind's `result_names`, if this answer has it.
    fn lookup(&self, name: &str) -> Option<Value>;

    /// Bytes that came. They tell whether reading them is little work.
    fn bytes(&self) -> usize;

    /// What came, as text.
    fn text(&self) -> String;

    /// What a contract is held against.
    ///
    /// # Errors
    /// Why there is nothing that could be.
    fn document(&self) -> Result<&serde_json::Value, String>;

    /// What may explain that an expectation could not be evaluated, such as `the answer, status 200, is not JSON: …`.
    fn remark(&self) -> Option<String>;

    /// What it says of what the step should have created.
    fn creation(&self) -> Creation;
}

/// What an answer says of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::run) enum Creation {
    /// There may be something.
    Possible,
    /// There is nothing: the target refused.
    Refused,
    /// A gateway answered that it got no answer itself, so that something may still be created.
    Unknown,
}

/// An attempt without an answer that can be judged.
#[derive(Debug, Clone)]
pub struct TransportError {
    /// The closed word.
    pub reason: Reason,
    /// What was tried and what happened, for people. Not yet redacted.
    pub message: String,
    /// Whether a byte of what was asked may have left.
    pub sent: bool,
    /// Whether a byte of an answer came.
    pub got_byte: bool,
}

impl TransportError {
    /// One before anything was sent.
    pub(in crate::run) fn unsent(reason: Reason, message: String) -> Self {
        Self { reason, message, sent: false, got_byte: false }
    }
}
