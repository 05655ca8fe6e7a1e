//! What one channel was told of an incident by the version before this one: what it took is its cover, and what it may have open
//! ends with the incident.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::history::TryState;
use crate::plan::Severity;

use super::super::Scope;
use super::super::incident::{Member, Shown, Told};
use super::super::tries::{Cover, Open};
use super::former::{FormerAction, Sent};

/// What a channel was told, from the messages that were sent to it, in their order. `revision` is that of all members.
pub(super) fn told<'a>(
    sent: &[&Sent],
    members: impl Iterator<Item = &'a Member> + Clone,
    revision: u64,
    own: Option<&[(String, String)]>,
    now: Moment,
) -> Told {
    let taken: Vec<&Sent> = sent.iter().copied().filter(|sent| is_ring(sent) && sent.state == TryState::Taken).collect();
    let cover = cover(&taken, members, revision, now);
    let untaken = sent.iter().filter(|sent| is_ring(sent) && matches!(sent.state, TryState::Waiting | TryState::Refused));
    let rings = taken.iter().filter(|sent| !sent.is_copy()).count().max(usize::from(!taken.is_empty()));
    let due = |page: bool| {
        let at = untaken.clone().filter(|sent| !page || sent.notice.severity >= Severity::Page);
        at.map(|sent| now.steady_of(sent.notice.at_ms)).min()
    };
    Told {
        rings: u32::try_from(rings).unwrap_or(u32::MAX),
        last: cover.as_ref().map(|cover| cover.at),
        open: open(sent, own),
        shown: cover.as_ref().map(|cover| Shown { severity: cover.severity, regions: cover.regions.clone(), at: cover.at }),
        due: due(false),
        page_due: due(true),
        cover,
        ..Told::default()
    }
}

/// What these messages told, all together.
pub(super) fn cover<'a>(taken: &[&Sent], members: impl Iterator<Item = &'a Member>, revision: u64, now: Moment) -> Option<Cover> {
    let severity = taken.iter().map(|sent| sent.notice.severity).max()?;
    let at: Duration = taken.iter().map(|sent| now.steady_of(sent.notice.at_ms)).max()?;
    let untold = members.filter(|member| !taken.iter().any(|sent| sent.tells(&member.fact, now)));
    let except = untold.map(|member| member.fact.key.clone()).collect();
    let regions = taken.iter().flat_map(|sent| sent.regions()).collect();
    let reasons = taken.iter().flat_map(|sent| sent.reasons()).collect();
    Some(Cover { severity, revision, at, except, suspects: BTreeSet::new(), regions, reasons })
}

pub(super) fn is_ring(sent: &Sent) -> bool {
    sent.notice.action == FormerAction::Trigger
}

/// The keys that are open or perhaps open, those of pages last: changes are shown at the latest key.
fn open(sent: &[&Sent], own: Option<&[(String, String)]>) -> Vec<Open> {
    let mut all: Vec<(Open, Option<Severity>)> = Vec::new();
    for sent in sent {
        let key = &sent.notice.key;
        let known = all.iter().position(|(open, _)| open.key == *key);
        match sent.notice.action {
            FormerAction::Trigger if sent.state == TryState::Taken || sent.is_perhaps_taken() => {
                let open = sent.open(own);
                let severity = Some(sent.notice.severity.min(Severity::Page));
                match known.and_then(|at| all.get_mut(at)) {
                    // An alert that gets worse is another alert with other labels.
                    Some((known, worst)) if severity <= *worst => known.taken |= open.taken,
                    Some((known, worst)) => {
                        let (taken, acknowledged) = (known.taken || open.taken, known.acknowledged);
                        (*known, *worst) = (Open { taken, acknowledged, ..open }, severity);
                    }
                    None => all.push((open, severity)),
                }
            }
            FormerAction::Acknowledge if sent.state == TryState::Taken => {
                let known = all.iter_mut().filter(|(open, _)| open.key == *key);
                known.for_each(|(open, _)| open.acknowledged = 1);
            }
            FormerAction::Resolve if sent.state == TryState::Taken => all.retain(|(open, _)| open.key != *key),
            FormerAction::Trigger | FormerAction::Acknowledge | FormerAction::Resolve => {}
        }
    }
    all.sort_by_key(|(open, _)| is_page(&open.key));
    all.into_iter().map(|(open, _)| open).collect()
}

/// Whether this version goes on with a key: not with those of objectives or of critical.
fn is_page(key: &str) -> bool {
    let mut parts = key.split('/');
    !key.ends_with("/critical") && !parts.any(|part| part == "budget" || part == "latency")
}

/// The number of the scope's latest key. Other channels that are owed the same get the same number.
pub(super) fn number(sent: &[Sent], scope: &Scope) -> Option<u64> {
    let scope = scope.to_string();
    let keys = sent.iter().filter(|sent| is_ring(sent)).map(|sent| sent.notice.key.rsplit_once('/'));
    let own = keys
        .flatten()
        .filter(|(before, _)| before.strip_suffix(&scope).is_some_and(|origin| origin.is_empty() || origin.ends_with('/')));
    own.filter_map(|(_, number)| number.parse().ok()).max()
}

/// The channels that anything was sent to.
pub(super) fn channels(sent: &[Sent]) -> Vec<Arc<str>> {
    let mut channels: Vec<Arc<str>> = sent.iter().map(|sent| Arc::clone(&sent.channel)).collect();
    channels.sort();
    channels.dedup();
    channels
}
