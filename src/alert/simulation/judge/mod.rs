//! The invariants of alerting, each a function over what was so, what happened, and what readers heard.
//!
//! A judge returns what is wrong in sentences, or nothing. It must not look into the program, for example at covers or at what
//! was noted as taken. Where the contract leaves room, a judge allows the most, so that every complaint is a real one. A new
//! invariant is a file and a simulation test.

mod beat;
mod count;
mod explained;
mod open;
#[cfg(test)]
mod tests;
mod told;
mod twice;
mod words;

pub(super) use beat::beats_only_while_pages_are_heard;
pub(super) use count::rings_are_few;
pub(super) use explained::explained_is_rung_by_its_own_failures;
pub(super) use open::believes_what_is_so;
pub(super) use told::tells_in_time;
pub(super) use twice::nothing_rings_twice;
pub(super) use words::says_what_is_so;

use std::time::Duration;

use super::log::Log;
use super::truth::{Canary, CanaryState, Truth};

/// A history that is over.
#[derive(Debug, Clone, Default)]
pub(super) struct Case {
    pub(super) truth: Truth,
    pub(super) log: Log,
    pub(super) channels: Vec<Channel>,
    /// Which probe needs which.
    pub(super) needs: Vec<(String, String)>,
    /// How long Alertmanager may keep a ring to itself.
    pub(super) alertmanager: Duration,
}

/// A channel as judges know it.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) kind: ReaderKind,
}

/// What its reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReaderKind {
    PagerDuty,
    Alertmanager,
    Chat,
}

impl Channel {
    /// Whether it wakes somebody.
    fn wakes(&self) -> bool {
        self.kind != ReaderKind::Chat
    }
}

impl Case {
    /// How long after a ring left the reader may hear it.
    fn late(&self, channel: &Channel) -> Duration {
        if channel.kind == ReaderKind::Alertmanager { self.alertmanager } else { Duration::ZERO }
    }

    /// The canaries that may explain one: of the probes that its probe needs, in its region.
    fn roots<'a>(&'a self, canary: &'a Canary) -> impl Iterator<Item = &'a Canary> {
        let needed = self.needs.iter().filter(|(probe, _)| *probe == canary.probe).map(|(_, root)| root.as_str());
        needed.flat_map(|root| self.truth.of(root)).filter(|root| root.region == canary.region)
    }

    /// Whether something may have explained a canary at some time between two moments.
    fn may_be_explained(&self, canary: &Canary, from: Duration, to: Duration) -> bool {
        self.roots(canary).any(|root| {
            let changes = root.all().iter().filter(|(at, _)| (from..=to).contains(at)).map(|(_, known)| known);
            changes.chain([root.at(from)]).any(|known| known.state != CanaryState::Well)
        })
    }
}
