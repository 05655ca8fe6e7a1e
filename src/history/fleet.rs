//! What the processes of a fleet ask of the store that they share: leases, which at most one process holds; facts, which those
//! that probe hand to the one that evaluates; requests, by which one process has another one do something; who is there; and what
//! logs people in.
//!
//! Owns the port [`Fleet`] and its types. Only a store on PostgreSQL has it; it decides nothing of who asks for which lease, how long one
//! lasts, or what a fact, a request or its answer says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{ReadFuture, RestoredState};

/// What the names of leases of regions begin with.
const OF_REGION: &str = "region/";

/// The name of the evaluator's lease.
const OF_EVALUATOR: &str = "evaluator";

/// A lease: at most one process holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LeaseName {
    /// Who probes from this region.
    Region(Arc<str>),
    /// Who evaluates what all regions found, and tells people.
    Evaluator,
}

impl fmt::Display for LeaseName {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(region) => write!(to, "{OF_REGION}{region}"),
            Self::Evaluator => to.write_str(OF_EVALUATOR),
        }
    }
}

impl LeaseName {
    /// Reads back how a lease is stored; nothing for one of a later version.
    pub(super) fn read_back(text: &str) -> Option<Self> {
        match text.strip_prefix(OF_REGION) {
            Some(region) => Some(Self::Region(region.into())),
            None => (text == OF_EVALUATOR).then_some(Self::Evaluator),
        }
    }
}

/// Counts the holders of a lease; what is written under an earlier one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub i64);

/// Who has a lease that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// Whoever asked.
    Held(Epoch),
    /// Another one.
    HeldBy {
        /// Who.
        holder: String,
        /// After which time it runs out, unless it is renewed.
        left: Duration,
    },
}

/// The answer to one who asks for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseReply {
    /// Who has it.
    pub answer: LeaseAnswer,
    /// What the wall clock of the server shows, milliseconds since the epoch.
    pub server_ms: i64,
}

/// A lease as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseView {
    /// Which one.
    pub name: LeaseName,
    /// Who has or last had it.
    pub holder: String,
    /// Under which epoch.
    pub epoch: Epoch,
    /// What the holder says of itself.
    pub info: String,
    /// Since its last renewal, by the server's clock.
    pub renewed: Duration,
    /// Whether it has not run out.
    pub held: bool,
}

/// A fact as it was last written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactView {
    /// What it is about; unique in its region.
    pub key: String,
    /// The region whose process wrote it.
    pub region: String,
    /// What it says; nothing where it is not watched any more.
    pub json: Option<String>,
}

/// Facts, each as it was last written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FactsPage {
    /// In the order of their commits.
    pub facts: Vec<FactView>,
    /// The cursor to go on after.
    pub next: i64,
    /// Whether more are there already.
    pub more: bool,
}

/// Which leases others have taken over while this process still wrote under them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fenced {
    /// That of the region: nothing is written any more.
    pub region: bool,
    /// That of the evaluator: the newest epoch under which rows were refused, which are dropped.
    pub evaluator: Option<Epoch>,
}

/// What one process asks of whoever has a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// A ULID.
    pub id: String,
    /// The lease of who is to do it.
    pub to: LeaseName,
    /// What is to be done and who wants it; never a secret.
    pub json: String,
}

/// A request that is this process's to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenRequest {
    /// Its id.
    pub id: String,
    /// What is to be done and who wants it.
    pub json: String,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestState {
    /// Nobody has taken it.
    Waiting,
    /// Somebody does it, or ended before he answered.
    Taken,
    /// It was answered with this.
    Answered(String),
    /// It is not there: it was withdrawn, or is over for long.
    Gone,
}

/// A process as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceView {
    /// Who it is, as in a lease.
    pub holder: String,
    /// What it says of itself.
    pub info: String,
    /// Since it last said so, by the server's clock.
    pub heard: Duration,
}

/// What the processes of a fleet ask. Each question is answered within two seconds, or with an error.
pub trait Fleet: Send + Sync + 'static {
    /// Takes the lease if it is free or has run out, or renews it, for `lasts` (whole milliseconds). `holder` is unique for each start of
    /// a process; `info` is a short text (JSON) that others may read. After an error nobody knows whether it was taken; a takeover waits
    /// for what is just being written under the lease.
    fn take_lease(&self, name: LeaseName, holder: String, info: String, lasts: Duration) -> ReadFuture<LeaseReply>;

    /// Lets it run out now, if `holder` has it.
    fn release_lease(&self, name: LeaseName, holder: String) -> ReadFuture<()>;

    /// Every lease that was ever taken, in the order of their names.
    fn leases(&self) -> ReadFuture<Vec<LeaseView>>;

    /// The facts of all regions that are not well, those that were not watched any more within a day, and the cursor as of then.
    fn facts(&self) -> ReadFuture<FactsPage>;

    /// Facts that were written after the cursor, of other regions than this store's own, in the order of commits; at most
    /// [`FACTS`]. Facts that are well are kept for a day: whoever was away for longer begins with [`facts`](Self::facts).
    fn facts_since(&self, after: i64) -> ReadFuture<FactsPage>;

    /// States of these kinds, which are those of the whole fleet, in the order of kinds and keys.
    fn states_of(&self, kinds: &'static [&'static str]) -> ReadFuture<Vec<RestoredState>>;

    /// Asks whoever has these leases. Nobody begins with one of the requests when it `lasts` no more.
    fn ask(&self, requests: Vec<Request>, lasts: Duration) -> ReadFuture<()>;

    /// Takes what is asked of those who have these leases, as far as `holder` has them, in the order of their ids; at most
    /// [`REQUESTS`]. What was taken is nobody else's to do, also where this answer is lost.
    fn take_requests(&self, of: Vec<LeaseName>, holder: String) -> ReadFuture<Vec<TakenRequest>>;

    /// Answers a request that `holder` has taken. Returns whether that stands: not where another process has taken the lease over.
    fn answer(&self, id: String, holder: String, json: String) -> ReadFuture<bool>;

    /// What became of these requests, in this order.
    fn answers(&self, ids: Vec<String>) -> ReadFuture<Vec<RequestState>>;

    /// Removes those of these requests that nobody has taken.
    fn withdraw(&self, ids: Vec<String>) -> ReadFuture<()>;

    /// Says that the process `holder` is there, and what it says of itself: a short text (JSON) without a secret.
    fn announce(&self, holder: String, info: String) -> ReadFuture<()>;

    /// The process has ended.
    fn depart(&self, holder: String) -> ReadFuture<()>;

    /// The processes that have said within a day that they are there, in the order of their holders.
    fn instances(&self) -> ReadFuture<Vec<InstanceView>>;

    /// A state that belongs to no region, as it is; `json` is kept where there is none yet, and whoever was first gets his.
    fn first_state(&self, kind: &'static str, json: String) -> ReadFuture<String>;

    /// Keeps what a one-time code is for, under its hash, for as long as it `lasts`.
    fn keep_code(&self, hash: String, json: String, lasts: Duration) -> ReadFuture<()>;

    /// Uses the code of this hash up: what it is for, if nobody has used it and it is not over.
    fn take_code(&self, hash: String) -> ReadFuture<Option<String>>;

    /// From now on everything is written under this epoch of the region's lease.
    fn hold_region(&self, epoch: Epoch);

    /// What others have taken over.
    fn fenced(&self) -> watch::Receiver<Fenced>;
}

/// The most facts that come at once to one who follows them.
pub const FACTS: usize = 1_000;

/// The most requests that one process takes at once.
pub const REQUESTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_read_back_by_its_name_and_one_of_a_later_version_is_none() {
        for name in [LeaseName::Region("eu/west".into()), LeaseName::Region("".into()), LeaseName::Evaluator] {
            assert_eq!(LeaseName::read_back(&name.to_string()), Some(name));
        }
        for text in ["", "evaluators", "regions/eu", "Evaluator"] {
            assert_eq!(LeaseName::read_back(text), None, "{text}");
        }
    }
}
