//! Incidents that ended before a channel got what it was due. They are kept until the channel took one combined line ("while you
//! could not be reached: 14 incidents, all over"). Pure.
//!
//! This is for Slack, e-mail and webhooks; elsewhere nothing is open that an end would have to close. At most [`NAMED`] incidents
//! are kept by name for a channel; older ones are counted by day. All are forgotten after seven days.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::Scope;
use crate::alert::serde_with::{millis, severity_word};
use crate::alert::tries::Action;
use crate::plan::Severity;

use super::Notification;

/// The incident id of combined lines in notifications and tries.
pub const INCIDENT: &str = "unheard";

/// Incidents that are kept by name at a channel.
pub const NAMED: usize = 50;

/// How long it is kept.
pub const KEEP: Duration = Duration::from_hours(24 * 7);

const DAY: Duration = Duration::from_hours(24);

/// An incident that ended before a channel heard of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// The incident's id.
    pub incident: String,
    /// What it was about.
    pub scope: Scope,
    /// The severity that the channel was due.
    #[serde(with = "severity_word")]
    pub severity: Severity,
    /// When it began.
    #[serde(with = "millis")]
    pub since: Duration,
    /// When it ended.
    #[serde(with = "millis")]
    pub ended: Duration,
}

/// What the combined line has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combined {
    /// How many incidents.
    pub count: usize,
    /// The newest of them by name, oldest first.
    pub named: Vec<Missed>,
}

/// What one channel never got; also its row in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ChannelUnheard {
    /// By their end, oldest first.
    named: VecDeque<Missed>,
    /// Older incidents, counted by the day they ended.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    more: BTreeMap<u64, u32>,
    /// When the newest counted one ended.
    #[serde(default, with = "millis")]
    more_until: Duration,
}

impl ChannelUnheard {
    fn is_empty(&self) -> bool {
        self.named.is_empty() && self.more.is_empty()
    }

    /// Forgets what is too old. Returns whether anything was.
    fn expire(&mut self, now: Duration) -> bool {
        let before = (self.named.len(), self.more.len());
        self.named.retain(|missed| missed.ended + KEEP > now);
        self.more.retain(|day, _| expiry_of_day(*day) > now);
        before != (self.named.len(), self.more.len())
    }

    fn due(&self) -> Option<Duration> {
        let named = self.named.front().map(|missed| missed.ended + KEEP);
        named.into_iter().chain(self.more.keys().next().map(|day| expiry_of_day(*day))).min()
    }
}

/// What all channels never got.
#[derive(Debug, Default)]
pub struct Unheard {
    of: BTreeMap<Arc<str>, ChannelUnheard>,
    changed: BTreeSet<Arc<str>>,
}

impl Unheard {
    /// An incident ended that a channel was due and never got.
    pub fn missed(&mut self, channel: &Arc<str>, missed: Missed) {
        let kept = self.of.entry(Arc::clone(channel)).or_default();
        if kept.named.iter().any(|known| known.incident == missed.incident) {
            return;
        }
        let place = kept.named.partition_point(|known| known.ended <= missed.ended);
        kept.named.insert(place, missed);
        if kept.named.len() > NAMED
            && let Some(oldest) = kept.named.pop_front()
        {
            *kept.more.entry(oldest.ended.as_secs() / DAY.as_secs()).or_default() += 1;
            kept.more_until = kept.more_until.max(oldest.ended);
        }
        self.changed.insert(Arc::clone(channel));
    }

    /// The combined line for a channel, if there is any.
    pub fn combined(&self, channel: &str) -> Option<Combined> {
        let kept = self.of.get(channel)?;
        let more: usize = kept.more.values().map(|count| usize::try_from(*count).unwrap_or(usize::MAX)).sum();
        Some(Combined { count: kept.named.len() + more, named: kept.named.iter().cloned().collect() })
    }

    /// The notifications for combined lines. They are sent like ends, so they wake nobody.
    pub fn notifications(&self) -> impl Iterator<Item = (&Arc<str>, Notification)> {
        self.of.iter().map(|(channel, kept)| {
            let since = kept.named.front().map_or(kept.more_until, |missed| missed.ended);
            let (scope, incident) = (Scope::Channel(Arc::clone(channel)), INCIDENT.to_owned());
            (channel, Notification { scope, incident, what: Action::End, severity: Severity::Warn, since })
        })
    }

    /// A combined line that was made then was taken. What ended later is still to be told.
    pub fn told(&mut self, channel: &str, made: Duration) {
        let Some((name, kept)) = self.of.get_key_value(channel) else { return };
        let (name, mut kept) = (Arc::clone(name), kept.clone());
        kept.named.retain(|missed| missed.ended > made);
        if kept.more_until <= made {
            kept.more.clear();
        }
        self.put(name, kept);
    }

    /// Forgets what is too old. Returns the channels for which nothing is left.
    pub fn expire(&mut self, now: Duration) -> Vec<Arc<str>> {
        let mut empty = Vec::new();
        let old = self.of.iter_mut().filter_map(|(name, kept)| kept.expire(now).then(|| (Arc::clone(name), kept.clone())));
        for (name, kept) in old.collect::<Vec<_>>() {
            if kept.is_empty() {
                empty.push(Arc::clone(&name));
            }
            self.put(name, kept);
        }
        empty
    }

    fn put(&mut self, name: Arc<str>, kept: ChannelUnheard) {
        self.changed.insert(Arc::clone(&name));
        if kept.is_empty() {
            self.of.remove(&name)
        } else {
            self.of.insert(name, kept)
        };
    }

    /// Forgets a removed channel.
    pub fn forget(&mut self, channel: &str) {
        if let Some((name, _)) = self.of.remove_entry(channel) {
            self.changed.insert(name);
        }
    }

    /// When it wants to be asked again: what is too old is to be forgotten.
    pub fn due(&self) -> Option<Duration> {
        self.of.values().filter_map(ChannelUnheard::due).min()
    }

    /// The rows that changed since the last call, by channel; `None` deletes a row.
    pub fn take_rows(&mut self) -> Vec<(Arc<str>, Option<String>)> {
        let row = |name: &Arc<str>| {
            let json = |kept| serde_json::to_string(kept).expect("it has only text and numbers in it");
            (Arc::clone(name), self.of.get(name).map(json))
        };
        let rows = self.changed.iter().map(row).collect();
        self.changed.clear();
        rows
    }

    /// Restores the row of a channel.
    ///
    /// # Errors
    /// If it is no JSON of this form; nothing is changed then.
    pub fn restore(&mut self, channel: &Arc<str>, json: &str) -> Result<(), serde_json::Error> {
        let kept: ChannelUnheard = serde_json::from_str(json)?;
        if !kept.is_empty() {
            self.of.insert(Arc::clone(channel), kept);
        }
        Ok(())
    }
}

/// When the incidents of a day are too old: seven days after its end.
fn expiry_of_day(day: u64) -> Duration {
    Duration::from_secs(DAY.as_secs().saturating_mul(day.saturating_add(1))) + KEEP
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Duration {
        DAY * 20_000 + Duration::from_secs(second)
    }

    fn missed(number: u64) -> Missed {
        Missed {
            incident: format!("i{number}"),
            scope: Scope::Probe(format!("p{number}").into()),
            severity: Severity::Page,
            since: at(number),
            ended: at(number + 10),
        }
    }

    fn with(numbers: impl IntoIterator<Item = u64>) -> (Unheard, Arc<str>) {
        let (mut unheard, chat) = (Unheard::default(), Arc::from("chat"));
        for number in numbers {
            unheard.missed(&chat, missed(number));
        }
        (unheard, chat)
    }

    #[test]
    fn what_was_never_got_is_said_in_one_line_and_gone_once_that_is_taken() {
        let (mut unheard, chat) = with(0..14);
        assert_eq!(unheard.combined("chat").unwrap().count, 14);
        let notifications: Vec<_> = unheard
            .notifications()
            .map(|(channel, notification)| (Arc::clone(channel), notification.what, notification.since))
            .collect();
        assert_eq!(notifications, [(Arc::clone(&chat), Action::End, at(10))]);
        unheard.missed(&chat, missed(90));
        unheard.told("chat", at(50));
        assert_eq!(unheard.combined("chat").unwrap().named, [missed(90)], "what was missed since is still to be told");
        unheard.told("chat", at(100));
        assert_eq!(unheard.combined("chat"), None);
        assert_eq!(unheard.take_rows(), [(chat, None)]);
    }

    #[test]
    fn the_same_incident_is_missed_once() {
        assert_eq!(with([1, 1]).0.combined("chat").unwrap().count, 1);
    }

    #[test]
    fn of_many_the_oldest_are_only_counted() {
        let (unheard, _) = with(0..200);
        let combined = unheard.combined("chat").unwrap();
        assert_eq!((combined.count, combined.named.len()), (200, NAMED));
        assert_eq!(combined.named.first(), Some(&missed(150)));
    }

    #[test]
    fn after_seven_days_it_is_forgotten() {
        let (mut unheard, chat) = with([0, 60]);
        let due = unheard.due().unwrap();
        assert_eq!(due, at(10) + KEEP);
        assert!(unheard.expire(due).is_empty());
        assert_eq!(unheard.combined("chat").unwrap().count, 1);
        assert_eq!(unheard.expire(at(70) + KEEP), [chat]);
        assert_eq!((unheard.combined("chat"), unheard.due()), (None, None));
        let (mut unheard, _) = with(0..200);
        unheard.expire(at(210) + KEEP);
        assert_eq!(unheard.combined("chat").unwrap().named.len(), 0);
        let last = unheard.due().unwrap();
        unheard.expire(last);
        assert_eq!(unheard.combined("chat"), None, "what is only counted is forgotten too");
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let (mut unheard, chat) = with(0..60);
        let rows = unheard.take_rows();
        assert!(unheard.take_rows().is_empty());
        let mut again = Unheard::default();
        again.restore(&chat, rows[0].1.as_deref().unwrap()).unwrap();
        assert_eq!(again.combined("chat"), unheard.combined("chat"));
        assert!(again.restore(&chat, "{").is_err());
    }
}
