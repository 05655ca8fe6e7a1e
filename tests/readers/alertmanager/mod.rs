//! One Alertmanager 0.25 with one route and one receiver, and who reads what the receiver gets.
//!
//! What is copied, as seen with the real one and read in its sources:
//! - An alert is known by its labels. Of two that overlap the earlier start and the later end count, but an end that has passed
//!   wins: `endsAt` in the future is never made earlier by sending it again, only by sending an end.
//! - A new group first speaks after `group_wait` (at once if its alert began before that), then looks each `group_interval`. A
//!   group that is empty goes away within 30 seconds; until then a new alert waits for the interval.
//! - It speaks if an alert fires that was not firing in what was said last, if all have ended, with `send_resolved` if one has
//!   ended that was not said to have, and after `repeat_interval`. Annotations decide nothing.
//! - What was said last outlives a restart; alerts and groups do not.
//!
//! Peers, silences and inhibition are not here; peers are tried with the real ones.

mod alert;
mod group;

pub(crate) use alert::{Labels, time};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, Beliefs, Sound};
use alert::Alert;
use group::{Group, Said};

/// How often empty groups are taken away.
const MAINTENANCE: Duration = Duration::from_secs(30);

/// Which alerts are told together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupBy {
    /// Those of which these labels are the same.
    Labels(Vec<&'static str>),
    /// Each alone (`'...'`).
    All,
}

/// A route with its receiver.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) group_by: GroupBy,
    pub(crate) group_wait: Duration,
    pub(crate) group_interval: Duration,
    pub(crate) repeat_interval: Duration,
    pub(crate) send_resolved: bool,
}

impl Route {
    /// As Alertmanager has it where a route says nothing, but for the grouping.
    pub(crate) fn default_times(group_by: GroupBy) -> Self {
        Self {
            group_by,
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_mins(5),
            repeat_interval: Duration::from_hours(4),
            send_resolved: true,
        }
    }

    fn group_of(&self, labels: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => {
                let of = |name: &&str| Some(((*name).to_owned(), labels.get(*name)?.clone()));
                names.iter().filter_map(of).collect()
            }
        }
    }
}

/// What the receiver got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) at: Duration,
    /// The labels by which its alerts are grouped.
    pub(crate) group: Labels,
    pub(crate) firing: BTreeSet<Labels>,
    pub(crate) resolved: BTreeSet<Labels>,
}

/// One Alertmanager.
#[derive(Debug, Clone)]
pub(crate) struct Alertmanager {
    route: Route,
    now: Duration,
    maintenance: Duration,
    alerts: BTreeMap<Labels, Alert>,
    groups: BTreeMap<Labels, Group>,
    said: BTreeMap<Labels, Said>,
    /// All that the receiver got, in order.
    pub(crate) notified: Vec<Notification>,
    pub(crate) beliefs: Beliefs,
}

impl Alertmanager {
    /// One that starts at `now`.
    pub(crate) fn new(route: Route, now: Duration) -> Self {
        Self {
            route,
            now,
            maintenance: now + MAINTENANCE,
            alerts: BTreeMap::new(),
            groups: BTreeMap::new(),
            said: BTreeMap::new(),
            notified: Vec::new(),
            beliefs: Beliefs::default(),
        }
    }

    /// Takes the body of `POST /api/v2/alerts`. Alerts that are right are taken also if others of the same request are not.
    pub(crate) fn take(&mut self, at: Duration, body: &Value) -> Answer {
        self.advance(at);
        let Some(list) = body.as_array() else { return Answer::unreadable("the body is no list") };
        let mut wrong = Vec::new();
        for one in list {
            match Alert::read(one, self.now) {
                Ok(alert) => self.put(alert),
                Err(why) => wrong.push(why),
            }
        }
        self.advance(at);
        if wrong.is_empty() { Answer::taken(200) } else { Answer::unreadable(wrong.join("; ")) }
    }

    fn put(&mut self, fresh: Alert) {
        let alert = match self.alerts.get(&fresh.labels) {
            Some(old) if old.overlaps(&fresh) => old.merged(&fresh, self.now),
            _ => fresh,
        };
        self.alerts.insert(alert.labels.clone(), alert.clone());
        let key = self.route.group_of(&alert.labels);
        let now = self.now;
        let group = self.groups.entry(key).or_insert_with(|| Group::new(now + self.route.group_wait));
        group.insert(alert, self.route.group_wait, now);
    }

    /// Lets the time pass until `to`, and does what is due before.
    pub(crate) fn advance(&mut self, to: Duration) {
        loop {
            let next = self.groups.iter().map(|(key, group)| (group.next, Some(key.clone()))).min();
            let (at, key) = next.into_iter().chain([(self.maintenance, None)]).min().unwrap_or((self.maintenance, None));
            if at > to {
                break;
            }
            self.now = self.now.max(at);
            if let Some(key) = key {
                self.flush(&key);
            } else {
                self.maintenance += MAINTENANCE;
                self.groups.retain(|_, group| !group.alerts.is_empty());
            }
        }
        self.now = self.now.max(to);
    }

    fn flush(&mut self, key: &Labels) {
        let Some(group) = self.groups.get_mut(key) else { return };
        let now = self.now;
        group.next = now + self.route.group_interval;
        group.flushed = true;
        let (resolved, firing): (BTreeSet<_>, BTreeSet<_>) =
            group.alerts.values().map(|alert| alert.labels.clone()).partition(|labels| group.alerts[labels].ended(now));
        let shown: BTreeMap<Labels, Alert> = group.alerts.clone();
        group.alerts.retain(|_, alert| !alert.ended(now));
        let fresh = Said { at: now, firing, resolved };
        if !fresh.is_news(self.said.get(key), self.route.send_resolved, self.route.repeat_interval) {
            return;
        }
        self.said.insert(key.clone(), fresh.clone());
        if fresh.firing.is_empty() && !self.route.send_resolved {
            return;
        }
        for labels in &fresh.firing {
            let sound = if self.beliefs.open().contains_key(&name(labels)) { Sound::Changed } else { Sound::Rang };
            self.beliefs.notice(now, sound, &name(labels), &shown[labels].shown());
        }
        let resolved = if self.route.send_resolved { fresh.resolved } else { BTreeSet::new() };
        for labels in &resolved {
            if self.beliefs.open().contains_key(&name(labels)) {
                self.beliefs.notice(now, Sound::Ended, &name(labels), &shown[labels].shown());
            }
        }
        self.notified.push(Notification { at: now, group: key.clone(), firing: fresh.firing, resolved });
    }

    /// It stops and another begins with its files: what was said last is kept. `kept` is false where a kill lost that too.
    pub(crate) fn restart(&mut self, at: Duration, kept: bool) {
        self.advance(at);
        self.alerts.clear();
        self.groups.clear();
        self.maintenance = at + MAINTENANCE;
        if !kept {
            self.said.clear();
        }
    }

    /// When it wants to be asked again.
    pub(crate) fn due(&self) -> Duration {
        self.groups.values().map(|group| group.next).min().unwrap_or(self.maintenance)
    }

    /// The alerts that fire, with their annotations, as its API shows them.
    pub(crate) fn firing(&self) -> Value {
        self.alerts.values().filter(|alert| !alert.ended(self.now)).map(Alert::shown).collect::<Vec<_>>().into()
    }
}

/// An alert's key among what a reader believes: its labels.
pub(crate) fn name(labels: &Labels) -> String {
    json!(labels).to_string()
}
