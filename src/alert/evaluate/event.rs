//! The events that the evaluator takes, and the effects that it returns.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::history::{Commit, FactView};
use crate::outcome::{MissedTicks, RunReport};
use crate::plan::{Alerting, CanaryId, Plan, Severity};

use super::super::Scope;
use super::super::message::Message;
use super::super::mute::Mute;
use super::super::muting::Paused;
use super::super::tries::{Open, Outcome, Try};

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A run ended, or a tick did not run.
    Run(Arc<RunReport>),
    /// Many ticks of one canary did not run.
    TicksMissed(MissedTicks),
    /// Runs of one canary gave way while they waited, because too much waited.
    Lost {
        /// Their ticks.
        ticks: MissedTicks,
        /// How many of them had passed.
        passed: u64,
    },
    /// Test data could not be removed, and its cleanup was given up.
    Leaked {
        /// The probe's name.
        probe: Arc<str>,
        /// The ledger entry's id.
        entry: String,
        /// What was seen last.
        message: String,
    },
    /// What had leaked is gone.
    LeakCleared {
        /// The probe's name.
        probe: Arc<str>,
        /// The ledger entry's id.
        entry: String,
    },
    /// Everything that is in the cleanup ledger now, by its ids: a leak that is not in it any more was removed by somebody else.
    LedgerHas(BTreeSet<String>),
    /// The process has started.
    Started {
        /// Whether the one before it stopped gracefully, or there was none.
        graceful_before: bool,
    },
    /// The canaries that are paused from now on, all of them.
    Paused(HashMap<CanaryId, Paused>),
    /// All mutes that hold from now on.
    Muted(Vec<Mute>),
    /// Processes that speak for these regions were heard of so long ago. To be told only to who evaluates.
    RegionsHeard(Vec<(Arc<str>, Duration)>),
    /// What other regions reported, in the order in which it was written. To be told only to who evaluates.
    FactsOfOthers(Vec<FactView>),
    /// Whoever evaluates has taken over these versions of what this process told alone, by the ids of its incidents.
    HandedIn(Vec<(String, i64)>),
    /// A try came back.
    Completed {
        /// The channel's name.
        channel: Arc<str>,
        /// The try's id.
        id: String,
        /// What became of it.
        outcome: Outcome,
        /// In 0..1: the jitter of the next try.
        chance: f64,
    },
    /// Channels whose secret or configuration changed.
    Mended(BTreeSet<Arc<str>>),
    /// A plan was loaded: it holds from now on.
    Plan {
        /// What is probed.
        plan: Arc<Plan>,
        /// Where pages go.
        alerting: Arc<Alerting>,
        /// Whether it was found by the file watch and not requested. What is gone may then come back at once.
        found: bool,
    },
}

/// A try that is to leave.
#[derive(Debug, Clone)]
pub struct OutgoingTry {
    /// The try.
    pub attempt: Try,
    /// What it says.
    pub message: Message,
    /// What the channel has open because of the incident.
    pub opens: Vec<Open>,
    /// Whether only the shortest text is wanted, since the channel did not like the whole one.
    pub shortest: bool,
}

/// A new text for something that a channel keeps alive.
#[derive(Debug, Clone)]
pub struct AlertRefresh {
    /// The channel's name.
    pub channel: Arc<str>,
    /// What is open there.
    pub open: Open,
    /// What it says now.
    pub message: Message,
}

/// What follows from events.
#[derive(Debug, Default)]
pub struct Effects {
    /// What is to be written, in one transaction, before anything leaves.
    pub commit: Commit,
    /// What this process tells alone: for its journal, where it has one, and likewise before anything leaves.
    pub journal: Commit,
    /// What is to leave.
    pub tries: Vec<OutgoingTry>,
    /// What is to be kept alive with other texts than before.
    pub held: Vec<AlertRefresh>,
    /// Canaries whose next run is to be brought forward, because a dependent fails.
    pub wanted: Vec<CanaryId>,
    /// Channels that are gone and have nothing open any more.
    pub forgotten: Vec<Arc<str>>,
    /// Canaries that ran: failures in a row, and whether the last counted run passed.
    pub canaries: Vec<(CanaryId, u32, Option<bool>)>,
    /// The worst severity of each probe whose incidents changed.
    pub probes: Vec<(Arc<str>, Option<Severity>)>,
    /// The severity of each incident for which it changed, by its scope; none if it has ended or all its failing members are held.
    pub scopes: Vec<(Scope, Option<Severity>)>,
}
