//! What the desk is told, and what follows from it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alert::Action;
use crate::alert::notify::News;
use crate::history::Commit;
use crate::outcome::{MissedTicks, RunReport};
use crate::plan::{Alerting, CanaryId, Plan};

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
    /// [`Desk::due`](super::Desk::due) has come.
    Clock,
    /// A channel took a message.
    Delivered {
        /// The message's id.
        message: String,
        /// Its incident.
        incident: String,
        /// Its key.
        key: String,
        /// The channel's name.
        channel: Arc<str>,
        /// What the channel did with the key.
        action: Action,
    },
    /// A channel did not take a message.
    Undelivered {
        /// The message's id.
        message: String,
        /// Its incident.
        incident: String,
        /// Its key.
        key: String,
        /// The channel's name.
        channel: Arc<str>,
        /// Whether it was given up; otherwise it is still tried.
        dead: bool,
        /// Why the last try failed.
        error: String,
        /// The channels that are told instead.
        told: Vec<Arc<str>>,
    },
    /// Somebody is at an incident.
    Acknowledge {
        /// Its id.
        incident: String,
        /// Who.
        by: String,
    },
    /// A plan was loaded: it holds from now on.
    Plan(Arc<Plan>, Arc<Alerting>),
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
    /// Canaries were paused.
    Paused {
        /// Which.
        canaries: Vec<CanaryId>,
        /// By whom.
        by: String,
    },
    /// Canaries go on.
    Resumed {
        /// Which.
        canaries: Vec<CanaryId>,
    },
}

impl From<News> for Event {
    fn from(news: News) -> Self {
        match news {
            News::Delivered { message, incident, key, channel, action } => {
                Self::Delivered { message, incident, key, channel, action }
            }
            News::Undelivered { message, incident, key, channel, dead, error, told } => {
                Self::Undelivered { message, incident, key, channel, dead, error, told }
            }
        }
    }
}

/// What follows from an event.
#[derive(Debug, Clone, Default)]
pub struct Effects {
    /// What is to be written, in one transaction, and in `messages` what must leave.
    pub commit: Commit,
}
