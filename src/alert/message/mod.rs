//! Messages about incidents, before a channel renders them.
//!
//! [`compose`] makes a [`Message`] from a [`View`](super::View) at the moment of sending; [`gathered`] makes one for many
//! incidents. Both are pure. All texts in a message are redacted, bounded and on one line. A message decides nothing about who is
//! told. A new sentence goes into `apart`, `title` or `failing`. A new field of [`Message`] is also a name in
//! `plan::MESSAGE_NAMES` and a line in the reference of webhooks.

mod apart;
#[cfg(test)]
pub(super) mod cases;
mod compose;
mod evidence;
mod failing;
mod gathered;
mod group;
mod saying;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
mod text;
mod title;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::Severity;

pub use super::tries::Action;
pub use compose::compose;
pub use evidence::Evidence;
pub use gathered::{IncidentSummary, gathered};
pub use saying::{Flapped, MessageContext, Saying};
pub(in crate::alert) use text::{facts, headline, lists, marked_title, plain};
pub(in crate::alert) use words::{clip, is_link, line, rfc3339, short_key};

use super::serde_with::severity_word;

/// The version of [`Message`]; it grows when a field changes its meaning or goes.
pub const VERSION: u32 = 2;

/// Members, lines and incidents that a message lists at most; further ones are counted.
pub const MOST: usize = 20;

/// A message. It is the documented body of a webhook and the context of a webhook's templates, and is stored with its try. All
/// texts are redacted and bounded. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// [`VERSION`].
    pub version: u32,
    /// The key it opens, changes or ends: `SCOPE/N`, `storm/N`.
    pub key: String,
    /// The ring's number.
    pub number: u64,
    /// The key of the ring before this one at the same channel.
    pub previous: Option<String>,
    /// What the receiver is to do.
    pub action: Action,
    /// Why it is sent.
    pub occasion: Occasion,
    /// How bad it is.
    #[serde(with = "severity_word")]
    pub severity: Severity,
    /// The incident's id.
    pub incident: String,
    /// What it is about, as `Scope` displays it.
    pub scope: String,
    /// The region whose process says it, where several processes look after themselves.
    pub origin: Option<String>,
    /// One line: what fails, for whom; of an end, which end it is and for how long it failed.
    pub title: String,
    /// The probe.
    pub probe: Option<String>,
    /// The subject, if it is about one.
    pub subject: Option<String>,
    /// The probe's `summary`: what it promises, not its state.
    pub promised: Option<String>,
    /// Who is responsible.
    pub owner: Option<String>,
    /// Where it is written what to do.
    pub runbook: Option<String>,
    /// The probe's tags.
    pub tags: Vec<String>,
    /// When the problem began.
    pub since_ms: i64,
    /// When this was made.
    pub at_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// Regions that fail, in the order in which they began to.
    pub regions: Vec<String>,
    /// Matrix values that all that fail have in common, and not all that are watched.
    pub cell: BTreeMap<String, String>,
    /// Regions that make it critical.
    pub critical: Vec<String>,
    /// Sentences: why it is sent now, why it is critical.
    pub why: Vec<String>,
    /// What fails, a line for each region, objective or reason.
    pub failing: Vec<String>,
    /// A line for each group that does not fail or rings nobody: suspect, acknowledged, muted, explained, recovered, removed.
    pub apart: Vec<String>,
    /// The latest failed run of each failing region.
    pub evidence: Vec<Evidence>,
    /// Members by name, those that fail first; at most [`MOST`].
    pub members: Vec<Member>,
    /// How many there are.
    pub members_total: usize,
    /// The incidents that a gathered message tells of; at most [`MOST`].
    pub incidents: Vec<IncidentSummary>,
    /// How many there are.
    pub incidents_total: usize,
    /// Where the incident is looked at; absent where nothing answers.
    pub url: Option<String>,
    /// Whether it is a test, which `headline` and `marked_title` say.
    pub test: bool,
}

/// Why a message is sent: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// The first ring of an incident at this channel.
    Opened,
    /// More fails than this channel was told of.
    Spread,
    /// The severity rose.
    Rose,
    /// What was told of failed again after it had been well.
    Again,
    /// No channel that wakes has taken it, so it goes to all.
    Escalated,
    /// It still fails and nobody has acknowledged it.
    Reminder,
    /// Many incidents at once: a storm.
    Gathered,
    /// What was not delivered while the channel could not be reached, and is over.
    Unheard,
    /// Somebody acknowledged it.
    Acknowledged,
    /// A silent change: who else fails, a lower severity, texts.
    Changed,
    /// The end: every member is well.
    Well,
    /// The end: it is not watched any more.
    Unwatched,
    /// The end: somebody closed it.
    Closed,
    /// The end of this key: the incident continues under another.
    Continues,
    /// A late end: it was well for a while and fails again under another key.
    WasWell,
    /// `serinus notify-test`.
    Test,
}

/// A member of an incident: a canary, a subject, an objective, ….
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The fact's name: `canary/playlist-sync/eu/platform=ios`.
    pub name: String,
    /// The region; empty if it is about none or several.
    pub region: String,
    /// `platform=ios,size=large`; empty without a matrix.
    pub cell: String,
    /// `failing`, `suspect`, `muted`, `explained`, `waiting`, `acknowledged`, `recovered`, `removed` or `closed`.
    pub standing: String,
    /// When it began.
    pub since_ms: i64,
    /// Failed runs since then.
    pub failed: u32,
    /// Of how many counted runs, where the rule is K of N; otherwise zero.
    pub of: u32,
    /// The closed word of its latest failure, or of why it is without data.
    pub reason: Option<String>,
    /// Since when it has had no data.
    pub no_data_since_ms: Option<i64>,
}

impl Message {
    /// The message with only title, severity and link, for a receiver that refuses the whole.
    #[must_use]
    pub fn shortest(&self) -> Self {
        Self {
            tags: Vec::new(),
            promised: None,
            owner: None,
            runbook: None,
            why: Vec::new(),
            failing: Vec::new(),
            apart: Vec::new(),
            evidence: Vec::new(),
            members: Vec::new(),
            incidents: Vec::new(),
            ..self.clone()
        }
    }

    /// Whether what it tells of is over.
    pub fn is_over(&self) -> bool {
        match self.occasion {
            Occasion::Well | Occasion::Unwatched | Occasion::Closed | Occasion::Unheard => true,
            Occasion::Gathered | Occasion::Test => self.action == Action::End,
            // The key ends and the problem goes on.
            Occasion::Continues
            | Occasion::WasWell
            | Occasion::Opened
            | Occasion::Spread
            | Occasion::Rose
            | Occasion::Again
            | Occasion::Escalated
            | Occasion::Reminder
            | Occasion::Acknowledged
            | Occasion::Changed => false,
        }
    }
}
