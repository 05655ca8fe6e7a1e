//! Critical: a fact of the probe, with episodes.
//!
//! Owns which regions count, whether they are enough, since when, and when to judge again. Critical is failing while enough
//! regions count and the incident is at page level. It ends with the incident, or after a whole window in which that was not so.
//! It does not hold an incident open; `owed` decides who is told.
//!
//! | a region counts while it has | |
//! |---|---|
//! | a failing member at page level | unmuted and unexplained |
//! | a canary whose *last* counted run failed and ended within the window | the same; only where the rule is consecutive |
//! | a share of an `across` member that reaches the rule's | while that member fails at page level, the same |
//!
//! A subject's incident, if it may be critical, counts regions by its shares in the same way.
//!
//! A region that has passed since is well, whatever failed before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::Moment;
use crate::plan::CriticalRule;

use super::fact::Level;
use super::{Fact, FactKey};

/// The state of critical, stored with its incident.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Critical {
    episode: Option<Episode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Episode {
    #[serde(with = "super::serde_with::millis")]
    since: Duration,
    revision: u64,
    /// Since when too few regions count.
    #[serde(with = "super::serde_with::millis_option", default, skip_serializing_if = "Option::is_none")]
    lost: Option<Duration>,
}

/// What critical is judged by.
#[derive(Debug, Clone, Copy)]
pub struct CriticalInput {
    /// The probe's rule; without one the incident is never critical.
    pub rule: Option<CriticalRule>,
    /// Whether its canaries have the consecutive rule.
    pub consecutive: bool,
    /// Whether the incident is at page level without this.
    pub at_page_level: bool,
    /// The incident's revision of an episode that begins now.
    pub revision: u64,
}

/// The result of a judgement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CriticalChange {
    /// The regions that count now, in order; whether or not they are enough.
    pub regions: BTreeSet<Arc<str>>,
    /// Whether critical began or ended.
    pub changed: bool,
    /// When to ask again though nothing happens; steady.
    pub again: Option<Duration>,
}

impl Critical {
    /// The state of an incident that an earlier version had made critical.
    pub fn migrated(since: Duration, revision: u64) -> Self {
        Self { episode: Some(Episode { since, revision, lost: None }) }
    }

    /// Whether it is failing.
    pub fn fails(&self) -> bool {
        self.episode.is_some()
    }

    /// Since when, while it is failing; steady.
    pub fn since(&self) -> Option<Duration> {
        self.episode.map(|episode| episode.since)
    }

    /// The incident's revision when its episode began, while it is failing.
    pub fn revision(&self) -> Option<u64> {
        self.episode.map(|episode| episode.revision)
    }

    /// Judges it by the facts of the probe's scope, each with whether it is both unmuted and unexplained.
    pub fn judge<'a>(
        &mut self,
        facts: impl IntoIterator<Item = (&'a Fact, bool)>,
        bar: CriticalInput,
        now: Moment,
    ) -> CriticalChange {
        let Some(rule) = bar.rule else {
            return CriticalChange { changed: self.episode.take().is_some(), ..CriticalChange::default() };
        };
        let (regions, mut again) = counting(facts, bar.consecutive.then_some(rule.within), now);
        let holds = bar.at_page_level && regions.len() >= usize::try_from(rule.regions.get()).unwrap_or(usize::MAX);
        let before = self.fails();
        match &mut self.episode {
            Some(episode) if holds => episode.lost = None,
            None if holds => self.episode = Some(Episode { since: now.steady, revision: bar.revision, lost: None }),
            Some(episode) => {
                let lost = (*episode.lost.get_or_insert(now.steady)).min(now.steady);
                if now.steady >= lost + rule.within {
                    self.episode = None;
                } else {
                    again = again.into_iter().chain([lost + rule.within]).min();
                }
            }
            None => {}
        }
        CriticalChange { regions, changed: before != self.fails(), again: again.filter(|_| self.fails()) }
    }
}

/// The regions that count, and when the first of them may stop counting by time alone.
fn counting<'a>(
    facts: impl IntoIterator<Item = (&'a Fact, bool)>,
    within: Option<Duration>,
    now: Moment,
) -> (BTreeSet<Arc<str>>, Option<Duration>) {
    let (mut regions, mut again) = (BTreeSet::new(), None);
    for (fact, counts) in facts {
        if !counts {
            continue;
        }
        let pages = fact.level() == Some(Level::Page);
        match &fact.key {
            FactKey::Across(_) | FactKey::Subject(..) | FactKey::OtherSubjects(_) => {
                let shares = fact.shares.iter().filter(|(_, share)| pages && share.reaches);
                regions.extend(shares.map(|(region, _)| Arc::clone(region)));
            }
            FactKey::Canary(_) if pages => {
                regions.insert(Arc::clone(&fact.region));
            }
            FactKey::Canary(_) => {
                if let Some(until) = within.and_then(|within| lately_failed(fact, within, now)) {
                    regions.insert(Arc::clone(&fact.region));
                    // A run that ended exactly as long ago as the window lasts is still in it.
                    again = again.into_iter().chain([until + Duration::from_millis(1)]).min();
                }
            }
            // These have no region, or belong to scopes that are never critical.
            FactKey::Objective(..)
            | FactKey::NoData(_)
            | FactKey::Region(_)
            | FactKey::Leak(..)
            | FactKey::Restarts(_)
            | FactKey::Channel(_) => {}
        }
    }
    (regions, again)
}

/// Until when a canary's failed last run counts, if it still does.
fn lately_failed(fact: &Fact, within: Duration, now: Moment) -> Option<Duration> {
    let last = fact.last.filter(|last| last.failed)?;
    let until = last.ended.min(now.steady) + within;
    (now.steady <= until).then_some(until)
}

#[cfg(test)]
mod tests;
