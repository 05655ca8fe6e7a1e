//! One action of a journey and everything that is said about it.
//!
//! A new kind of step is a variant of [`Action`] with a file of its own beside this one, and a variant of [`StepKind`]; the arms that
//! the compiler then asks for are in the methods of the two. Whoever holds a step asks those methods, and whoever goes through
//! steps walks (`walk`): nobody else matches on kinds but `config::probe::step`, which reads them, and `run::step`, which makes
//! them. What else a kind needs is listed in the module doc of `run::step`.

use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use crate::source::Location;

use super::http::is_safe;
use super::walk::journey;
use super::{Condition, Device, DnsAction, ExecAction, Expression, HttpAction, StepKind, TcpAction, Template};

/// One action of a run, with its conditions.
#[derive(Debug)]
pub struct Step {
    /// Unique in its probe; a metric label value.
    pub name: Arc<str>,
    /// The device it acts on; `default` if absent. A template, so that a loop can choose.
    pub device: Option<Template>,
    /// What it does. A step has exactly one kind.
    pub action: Action,
    /// Do it for several things, in their order.
    pub looping: Option<Loop>,
    /// How many rounds of its loop are made side by side.
    pub at_once: NonZeroU8,
    /// Inside `for_each`: names the entity of this iteration, which then has its own result and does not stop the loop.
    pub subject: Option<Template>,
    /// It runs only if all of these are true; each must yield a bool.
    pub when: Vec<Condition>,
    /// Conditions on the step's own result that are looked at before the expectations. One that is exactly false blocks the run.
    pub guard: Vec<Guard>,
    /// Bound on one attempt.
    pub timeout: Option<Duration>,
    /// New attempts after transport errors.
    pub retry: Option<Retry>,
    /// Poll until the expectations hold.
    pub eventually: Option<Eventually>,
    /// Afterwards they must go on holding.
    pub consistently: Option<Consistently>,
    /// What must be true of the result.
    pub expect: Vec<Condition>,
    /// What should be true of it. One that is not only marks a run that passes as degraded.
    pub warn: Vec<Condition>,
    /// JSON Schema the body must match.
    pub contract: Option<Contract>,
    /// Values for later steps, in order.
    pub capture: Vec<(Arc<str>, Expression)>,
    /// Values that its attempts hand on from answer to answer.
    pub carry: Vec<Carry>,
    /// Lists that grow by the answer of each attempt.
    pub collect: Vec<(Arc<str>, Expression)>,
    /// A failure of it is recorded and does not end the run.
    pub allow_failure: bool,
    /// An empty `for_each` list is no failure.
    pub allow_empty: bool,
    /// Undoes what it created; each a step of its own, last-in first-out.
    pub cleanup: Vec<Step>,
    /// Of an answer for which this is true, nothing was created that would have to be undone.
    pub unless_created: Option<Condition>,
    /// Where its name is written.
    pub location: Location,
}

impl Step {
    /// What steps after it know it by: its captures, carried values and collected lists.
    pub fn captured_names(&self) -> impl Iterator<Item = &Arc<str>> {
        let named = self.capture.iter().map(|(name, _)| name).chain(self.carry.iter().map(|carry| &carry.name));
        named.chain(self.collect.iter().map(|(name, _)| name))
    }

    /// Every expression that gives one of these names its value.
    pub fn captured(&self) -> impl Iterator<Item = (&Arc<str>, &Expression)> {
        let carried = self.carry.iter().flat_map(|carry| [(&carry.name, &carry.from), (&carry.name, &carry.next)]);
        self.capture.iter().chain(&self.collect).map(|(name, expression)| (name, expression)).chain(carried)
    }
}

/// Whether a run of these steps can be degraded.
pub fn warns(steps: &[Step]) -> bool {
    journey(steps).any(|step| !step.warn.is_empty())
}

/// What a run does if it is about to create something and the ledger does not take the cleanup in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unjournalled {
    /// It creates nothing and ends `errored`.
    #[default]
    Refuse,
    /// It goes on: what it creates is left behind if the process ends before the cleanup.
    Allow,
}

/// What a step does.
#[derive(Debug)]
pub enum Action {
    /// One HTTP request.
    Http(Box<HttpAction>),
    /// One question to a name server.
    Dns(Box<DnsAction>),
    /// What is sent and read over a TCP connection.
    Tcp(Box<TcpAction>),
    /// One run of a program.
    Exec(Box<ExecAction>),
    /// Several steps released together at a barrier.
    Parallel(Vec<Step>),
}

impl Action {
    /// Its kind; none of a `parallel`, which does nothing by itself.
    pub fn kind(&self) -> Option<StepKind> {
        match self {
            Self::Http(_) => Some(StepKind::Http),
            Self::Dns(_) => Some(StepKind::Dns),
            Self::Tcp(_) => Some(StepKind::Tcp),
            Self::Exec(_) => Some(StepKind::Exec),
            Self::Parallel(_) => None,
        }
    }

    /// The steps of a `parallel`.
    pub fn entries(&self) -> &[Step] {
        match self {
            Self::Parallel(entries) => entries,
            Self::Http(_) | Self::Dns(_) | Self::Tcp(_) | Self::Exec(_) => &[],
        }
    }

    /// Whether steps after it on its device may depend on it although they read nothing of it: it may have signed the device in, written
    /// something, or opened a connection.
    pub fn prepares(&self) -> bool {
        match self {
            Self::Http(action) => !is_safe(&action.method),
            Self::Dns(_) => false,
            Self::Tcp(_) | Self::Exec(_) => true,
            Self::Parallel(entries) => entries.iter().any(|entry| entry.action.prepares()),
        }
    }

    /// Whether it may be done again on that device although it may have been done already: then `retry` does so. What draws its values
    /// anew is another request, so that it may be only if nothing comes of it.
    pub fn is_idempotent(&self, device: &Device) -> bool {
        match self {
            Self::Http(action) if is_safe(&action.method) => true,
            Self::Http(action) => action.method.is_idempotent() && !self.varies() && !device.varies(),
            Self::Dns(_) => true,
            // What is sent may mean anything.
            Self::Tcp(action) => action.send.is_none(),
            // Nobody knows what a program does.
            Self::Exec(_) => false,
            Self::Parallel(entries) => entries.iter().all(|entry| entry.action.is_idempotent(device)),
        }
    }
}

/// A repetition. `round` counts from 1 in both.
#[derive(Debug)]
pub enum Loop {
    /// So many times.
    Repeat(u32),
    /// Once for each item of a list.
    ForEach {
        /// What the item is called inside.
        name: Arc<str>,
        /// The list.
        items: Expression,
    },
}

/// A question that can block a run: exactly false blocks, anything not evaluable is a failure.
pub type Guard = Condition;

/// New attempts after transport errors (and, for methods that are not idempotent, only if no byte was sent).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, at least 2.
    pub attempts: u32,
    /// Pause before the second attempt; doubled for each further one.
    pub backoff: Duration,
}

/// Poll until the expectations hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eventually {
    /// An attempt holds only if its answer was there this soon after the end of `since`.
    pub within: Duration,
    /// Pause between attempts.
    pub poll: Duration,
    /// The step from whose end convergence is measured; the step before this one if absent.
    pub since: Option<Arc<str>>,
}

/// A value that is handed from one attempt to the next.
#[derive(Debug)]
pub struct Carry {
    /// What it is called, in the request and everywhere after it.
    pub name: Arc<str>,
    /// Its value for the first attempt.
    pub from: Expression,
    /// Its value after an answer; the old one stays where this leads to nothing.
    pub next: Expression,
}

/// Once they hold, they must hold for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consistently {
    /// For how long.
    pub lasting: Duration,
    /// Pause between attempts.
    pub poll: Duration,
}

/// A compiled JSON Schema and the file it came from.
pub struct Contract {
    /// The file as the user named it.
    pub name: String,
    /// The compiled schema; shared by the steps that use the same file.
    pub schema: Arc<jsonschema::Validator>,
    /// Where the step names it.
    pub location: Location,
}

impl std::fmt::Debug for Contract {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contract").field("name", &self.name).finish_non_exhaustive()
    }
}
