//! What stays the same over the attempts of one execution of a step.

use std::sync::Arc;

use minijinja::Value;

use crate::outcome::SpanId;
use crate::plan::Step;

use super::context::Context;
use super::scope::Names;
use super::step::{Answer, Task};
use super::subjects::Share;

/// One execution of a step: one iteration of it in a loop.
pub(super) struct Execution<'a> {
    pub(super) context: &'a Context,
    pub(super) step: &'a Step,
    pub(super) names: &'a Names,
    pub(super) span_id: SpanId,
    /// The step with everything filled in.
    pub(super) task: Box<dyn Task>,
    /// Whether a failure is forgiven.
    pub(super) forgiven: bool,
    /// How long it may poll, as a subject.
    pub(super) share: Option<Share>,
}

impl Execution<'_> {
    /// The scope of an expression that looks at what came back.
    pub(super) fn scope_with(&self, answer: &Arc<dyn Answer>) -> Value {
        self.context.env.scope_with(self.names, answer)
    }
}
