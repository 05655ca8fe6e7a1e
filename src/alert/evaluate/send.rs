//! Makes the tries that delivery lets leave, from the incidents as they are now.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::plan::{Channel, ReceiverKind};

use super::super::Scope;
use super::super::channel;
use super::super::delivery::{Grant, Notification, Repeat, unheard};
use super::super::incident::Incident;
use super::super::message::{self, Message, Occasion, Saying, compose, gathered};
use super::super::metrics;
use super::super::owed::{self, Owed, RingReason};
use super::super::tries::{About, Action, Open, Try};
use super::super::view::{End, Ended};
use super::{AlertRefresh, Effects, Evaluator, OutgoingTry};

impl Evaluator {
    /// Makes the tries that may leave now.
    pub(super) fn send(&mut self, now: Moment, effects: &mut Effects) {
        if !self.role.is_alone() {
            self.notify_unheard();
        }
        for repeat in self.delivery.repeats(now) {
            self.repeat(repeat, now, effects);
        }
        while let Some(grant) = self.delivery.next(now) {
            match grant {
                Grant::One { channel, notification, shortest } if notification.incident == unheard::INCIDENT => {
                    self.send_unheard(&channel, &notification, shortest, now, effects);
                }
                Grant::One { channel, notification, shortest } => self.send_one(&channel, &notification, shortest, now, effects),
                Grant::Gathered { channel, what, notifications, shortest } => {
                    self.send_gathered(&channel, what, &notifications, shortest, now, effects);
                }
            }
        }
    }

    /// Repeats a try of unknown outcome with the current text.
    fn repeat(&mut self, repeat: Repeat, now: Moment, effects: &mut Effects) {
        let Repeat { attempt, shortest } = repeat;
        let Some((message, opens)) =
            self.config.channel(&attempt.channel).cloned().and_then(|it| self.say_again(&it, &attempt, now))
        else {
            // All its incidents are over and forgotten.
            for about in &attempt.about {
                self.forget_tries_of(&about.incident, now);
            }
            return;
        };
        self.dirty.attempt(&attempt);
        metrics::repeated(&attempt.channel);
        effects.tries.push(OutgoingTry { attempt, message, opens, shortest });
    }

    fn say_again(&self, channel: &Channel, attempt: &Try, now: Moment) -> Option<(Message, Vec<Open>)> {
        if let [about] = attempt.about.as_slice()
            && let Some(incident) = self.incidents.find(&about.incident)
        {
            let opens = incident.told.get(&channel.name).map(|told| told.open.clone()).unwrap_or_default();
            // A ring keeps its occasion; that of an end may have changed.
            let occasion = match (attempt.what, serde_json::from_str::<Message>(&attempt.message)) {
                (Action::Ring, Ok(said)) => said.occasion,
                (what, _) => self.occasion(incident, what, None),
            };
            return Some((self.say(incident, channel, attempt.what, &attempt.key, occasion, now), opens));
        }
        let found = attempt.about.iter().filter_map(|about| self.incidents.find(&about.incident));
        let told: Vec<message::IncidentSummary> = found
            .map(|incident| {
                let what = if incident.end.is_some() { Action::End } else { attempt.what };
                let occasion = self.occasion(incident, what, None);
                message::IncidentSummary::of(&self.say(incident, channel, what, "", occasion, now))
            })
            .collect();
        if told.is_empty() {
            return serde_json::from_str(&attempt.message).ok().map(|message| (message, Vec::new()));
        }
        let number = number_of(&attempt.key);
        let (key, occasion, none) = (attempt.key.as_str(), Occasion::Gathered, BTreeSet::new());
        let saying = Saying { what: attempt.what, key, number, previous: None, occasion, told: &none, flapped: None };
        Some((gathered(&told, &saying, &self.message_context(), now), Vec::new()))
    }

    /// Rings, changes and acknowledgements of an incident are not repeated any more.
    pub(super) fn forget_tries_of(&mut self, incident: &str, now: Moment) {
        for attempt in self.delivery.forget_rings_of(incident) {
            self.dirty.dropped(&attempt, now);
        }
    }

    /// One try about one incident; nothing if it is not due any more.
    fn send_one(&mut self, name: &Arc<str>, notification: &Notification, shortest: bool, now: Moment, effects: &mut Effects) {
        let Some((attempt, message, opens)) = self.make(name, notification, now) else {
            self.withdraw(name, &notification.incident, notification.what, now);
            return;
        };
        self.leave(OutgoingTry { attempt, message, opens, shortest }, now, effects);
    }

    fn leave(&mut self, outgoing: OutgoingTry, now: Moment, effects: &mut Effects) {
        let attempt = &outgoing.attempt;
        self.dirty.attempt(attempt);
        if attempt.what == Action::Ring {
            attempt.about.iter().for_each(|about| metrics::rang(&attempt.channel, &about.scope));
            if attempt.about.len() > 1 {
                metrics::gathered(&attempt.channel, attempt.about.len());
            }
        }
        self.delivery.leaves(outgoing.attempt.clone(), now);
        effects.tries.push(outgoing);
    }

    fn make(&mut self, name: &Arc<str>, notification: &Notification, now: Moment) -> Option<(Try, Message, Vec<Open>)> {
        let channel = Arc::clone(self.config.channel(name)?);
        let mut incident = self.incidents.take(&notification.incident)?;
        let made = match notification.what {
            Action::Ring => self.ring(&mut incident, &channel, now),
            Action::Change | Action::Acknowledge => self.about_latest(&incident, &channel, notification.what, now),
            Action::End => self.end(&incident, &channel, now),
        };
        self.incidents.put_back(incident);
        made
    }

    /// The context for `owed`. `scope` is the incident's.
    pub(super) fn owing<'a>(
        &'a self,
        incident: &Incident,
        scope: &'a str,
        escalated: &'a BTreeSet<super::FactKey>,
    ) -> owed::Context<'a> {
        let probe = self.config.probe_of(&incident.scope).map(|watched| &*watched.probe);
        owed::Context {
            alerting: &self.config.alerting,
            probe,
            records: &self.records,
            scope,
            escalated,
            removals: &self.removals,
            probes: &self.config.by_name,
        }
    }

    /// What is owed to a channel now, and the escalated members.
    pub(super) fn owed_to(
        &self,
        incident: &Incident,
        channel: &Channel,
        now: Duration,
    ) -> (Option<Owed>, BTreeSet<super::FactKey>) {
        let scope = incident.scope.to_string();
        let none = BTreeSet::new();
        let mut context = self.owing(incident, &scope, &none);
        let escalated = owed::escalated(incident, &context, now).members;
        context.escalated = &escalated;
        let (owed, _) = owed::owed(incident, channel, &context, now);
        (owed, escalated)
    }

    fn ring(&mut self, incident: &mut Incident, channel: &Channel, now: Moment) -> Option<(Try, Message, Vec<Open>)> {
        let (owed, about) = self.ring_about(incident, channel, now)?;
        let scope = incident.scope.to_string();
        let number = self.number(incident, channel, &scope, now.steady);
        let key = self.config.key(&scope, number);
        let escalated = owed.escalated.then_some(Occasion::Escalated);
        let occasion = escalated.unwrap_or_else(|| self.occasion(incident, Action::Ring, Some(owed.why)));
        let message = self.say(incident, channel, Action::Ring, &key, occasion, now);
        let opens = incident.told.get(&channel.name).map(|told| told.open.clone()).unwrap_or_default();
        let labels = channel.kind.labels().map(|own| channel::labels(&message, own)).unwrap_or_default();
        let id = format!("{}/{}/{number}", incident.id, channel.name);
        Some((attempt(id, channel, Action::Ring, key, vec![about], labels, &message, now), message, opens))
    }

    /// What a ring covers of an incident, if one is due.
    fn ring_about(&self, incident: &Incident, channel: &Channel, now: Moment) -> Option<(Owed, About)> {
        let (owed, escalated) = self.owed_to(incident, channel, now.steady);
        let owed = owed.filter(|owed| owed.at <= now.steady)?;
        let scope = incident.scope.to_string();
        let context = self.owing(incident, &scope, &escalated);
        let cover = owed::cover(incident, channel, &context, owed.severity, now.steady);
        let about = About { incident: incident.id.clone(), scope: incident.scope.clone(), cover: Some(cover) };
        Some((owed, about))
    }

    /// The ring's number. All channels that are rung for the same revision share it; a channel that has it already gets a new
    /// one.
    fn number(&mut self, incident: &mut Incident, channel: &Channel, scope: &str, now: Duration) -> u64 {
        let has = |number: u64| {
            let key = self.config.key(scope, number);
            incident.told.get(&channel.name).is_some_and(|told| told.open.iter().any(|open| open.key == key))
        };
        match incident.numbered {
            Some((revision, number)) if revision == incident.revision && !has(number) => number,
            _ => {
                let number = self.records.next_number(scope, now);
                incident.numbered = Some((incident.revision, number));
                self.dirty.incident(&incident.id);
                number
            }
        }
    }

    fn about_latest(
        &self,
        incident: &Incident,
        channel: &Channel,
        what: Action,
        now: Moment,
    ) -> Option<(Try, Message, Vec<Open>)> {
        let told = incident.told.get(&channel.name)?;
        let acknowledged = incident.acknowledged.len();
        let wanted = |open: &&Open| open.taken && (what != Action::Acknowledge || open.acknowledged < acknowledged);
        let latest = told.open.iter().rev().find(wanted)?.clone();
        let occasion = self.occasion(incident, what, None);
        let message = self.say(incident, channel, what, &latest.key, occasion, now);
        let count = if what == Action::Change { incident.revision } else { incident.acknowledged.len() as u64 };
        let id = format!("{}/{}/{}/{}/{count}", incident.id, channel.name, what.as_str(), latest.key);
        let about = vec![About { incident: incident.id.clone(), scope: incident.scope.clone(), cover: None }];
        let attempt = attempt(id, channel, what, latest.key, about, latest.labels, &message, now);
        Some((attempt, message, told.open.clone()))
    }

    /// Ends what is open at a channel: one key at a time at PagerDuty, otherwise all together.
    fn end(&self, incident: &Incident, channel: &Channel, now: Moment) -> Option<(Try, Message, Vec<Open>)> {
        let told = incident.told.get(&channel.name)?;
        let open = if channel.kind.receiver() == ReceiverKind::Incidents { told.open.first() } else { told.open.last() }?;
        let occasion = self.occasion(incident, Action::End, None);
        let message = self.say(incident, channel, Action::End, &open.key, occasion, now);
        let id = format!("{}/{}/end/{}", incident.id, channel.name, open.key);
        let about = vec![About { incident: incident.id.clone(), scope: incident.scope.clone(), cover: None }];
        let attempt = attempt(id, channel, Action::End, open.key.clone(), about, open.labels.clone(), &message, now);
        Some((attempt, message, told.open.clone()))
    }

    /// Why something is said.
    fn occasion(&self, incident: &Incident, what: Action, why: Option<RingReason>) -> Occasion {
        match what {
            Action::Ring => match why {
                Some(RingReason::Opened) | None => Occasion::Opened,
                Some(RingReason::Rose) => Occasion::Rose,
                Some(RingReason::Spread) => Occasion::Spread,
                Some(RingReason::Again) => Occasion::Again,
                Some(RingReason::Reminder) => Occasion::Reminder,
            },
            Action::Change => Occasion::Changed,
            Action::Acknowledge => Occasion::Acknowledged,
            Action::End => match self.end_of(incident) {
                Some(Ended::Well) => Occasion::Well,
                Some(Ended::Unwatched) => Occasion::Unwatched,
                Some(Ended::Closed { .. }) => Occasion::Closed,
                Some(Ended::Continues(_)) | None => Occasion::Continues,
                Some(Ended::WasWell { .. }) => Occasion::WasWell,
            },
        }
    }

    /// What is said of an incident now.
    fn say(&self, incident: &Incident, channel: &Channel, what: Action, key: &str, occasion: Occasion, now: Moment) -> Message {
        let number = number_of(key);
        let told = incident.told.get(&channel.name);
        let previous = told.and_then(|told| told.open.iter().rev().find(|open| open.key != key)).map(|open| open.key.as_str());
        let none = BTreeSet::new();
        let regions = told.and_then(|told| told.cover.as_ref()).map_or(&none, |cover| &cover.regions);
        let flapped = self.flapped(incident, now);
        let saying = Saying { what, key, number, previous, occasion, told: regions, flapped };
        let mut view = self.view(incident, now);
        if what == Action::End && view.end.is_none() {
            // The channel was removed, so the incident ends only there.
            view.end = Some(End { at: now.steady, how: Ended::Continues(incident.id.clone()) });
        }
        compose(&view, &saying, &self.message_context(), now)
    }

    /// Gathers many incidents in one message: a storm.
    fn send_gathered(
        &mut self,
        name: &Arc<str>,
        what: Action,
        notifications: &[Notification],
        shortest: bool,
        now: Moment,
        effects: &mut Effects,
    ) {
        let Some(channel) = self.config.channel(name).cloned() else { return };
        let (mut about, mut told) = (Vec::new(), Vec::new());
        for notification in notifications {
            let Some(incident) = self.incidents.take(&notification.incident) else {
                self.withdraw(name, &notification.incident, notification.what, now);
                continue;
            };
            let one = match what {
                Action::Ring => self.ring_about(&incident, &channel, now).map(|(owed, about)| (Some(owed.why), about)),
                Action::End | Action::Change | Action::Acknowledge => {
                    let about = About { incident: incident.id.clone(), scope: incident.scope.clone(), cover: None };
                    Some((None, about))
                }
            };
            match one {
                Some((why, one)) => {
                    let occasion = self.occasion(&incident, what, why);
                    told.push(message::IncidentSummary::of(&self.say(&incident, &channel, what, "", occasion, now)));
                    about.push(one);
                }
                None => self.withdraw(name, &notification.incident, notification.what, now),
            }
            self.incidents.put_back(incident);
        }
        if about.is_empty() {
            return;
        }
        let number = self.records.next_number("storm", now.steady);
        let key = self.config.key("storm", number);
        let id = format!("storm/{}/{}/{number}", channel.name, what.as_str());
        self.send_many(&channel, what, Occasion::Gathered, (id, key, number), (about, told), shortest, now, effects);
    }

    /// What a channel never got before the end, in one line.
    fn send_unheard(&mut self, name: &Arc<str>, notification: &Notification, shortest: bool, now: Moment, effects: &mut Effects) {
        let channel = self.config.channel(name).cloned();
        let (Some(channel), Some(combined)) = (channel, self.unheard.combined(name)) else {
            self.withdraw(name, &notification.incident, notification.what, now);
            return;
        };
        let told = |missed: &unheard::Missed| message::IncidentSummary {
            incident: missed.incident.clone(),
            scope: missed.scope.to_string(),
            severity: missed.severity,
            title: told_as(&missed.scope),
            owner: None,
            runbook: None,
            regions: Vec::new(),
            since_ms: now.wall_ms_of(missed.since),
            is_over: true,
            url: None,
        };
        let mut all: Vec<message::IncidentSummary> = combined.named.iter().map(told).collect();
        // Counted incidents have no names, but the title counts them.
        if let Some(last) = all.last().cloned() {
            all.resize(combined.count.max(all.len()), last);
        }
        let number = self.records.next_number("unheard", now.steady);
        let key = self.config.key("unheard", number);
        let id = format!("unheard/{}/{number}", channel.name);
        let about = vec![About { incident: unheard::INCIDENT.to_owned(), scope: notification.scope.clone(), cover: None }];
        self.send_many(&channel, Action::End, Occasion::Unheard, (id, key, number), (about, all), shortest, now, effects);
    }

    #[expect(clippy::too_many_arguments, reason = "a request that tells of many incidents has these parts")]
    fn send_many(
        &mut self,
        channel: &Channel,
        what: Action,
        occasion: Occasion,
        (id, key, number): (String, String, u64),
        (about, told): (Vec<About>, Vec<message::IncidentSummary>),
        shortest: bool,
        now: Moment,
        effects: &mut Effects,
    ) {
        let none = BTreeSet::new();
        let saying = Saying { what, key: &key, number, previous: None, occasion, told: &none, flapped: None };
        let message = gathered(&told, &saying, &self.message_context(), now);
        let attempt = attempt(id, channel, what, key, about, Vec::new(), &message, now);
        self.leave(OutgoingTry { attempt, message, opens: Vec::new(), shortest }, now, effects);
    }

    /// Notifications for what channels never got before the end.
    fn notify_unheard(&mut self) {
        let notifications: Vec<(Arc<str>, Notification)> =
            self.unheard.notifications().map(|(name, notification)| (Arc::clone(name), notification)).collect();
        for (channel, notification) in notifications {
            self.delivery.enqueue(&channel, notification);
        }
    }

    /// Something is not due any more; its dropped tries are recorded.
    pub(super) fn withdraw(&mut self, channel: &str, incident: &str, what: Action, now: Moment) {
        for attempt in self.delivery.withdraw(channel, incident, what) {
            self.dirty.dropped(&attempt, now);
        }
    }

    /// Passes changed texts of an incident to Alertmanager channels, at most every ten seconds.
    pub(super) fn show(&mut self, incident: &mut Incident, now: Moment, effects: &mut Effects) -> Option<Duration> {
        const PAUSE: Duration = Duration::from_secs(10);
        let mut again = None;
        let channels: Vec<Arc<Channel>> = self.config.alerting.channels.clone();
        for channel in channels.iter().filter(|channel| channel.kind.receiver() == ReceiverKind::Alerts) {
            let Some(told) = incident.told.get(&channel.name).filter(|told| told.has_open()) else { continue };
            let shown = incident.shown.get(&channel.name).copied();
            if shown.is_some_and(|(changes, _)| changes == incident.changes) {
                continue;
            }
            if let Some((_, at)) = shown.filter(|(_, at)| now.steady < *at + PAUSE) {
                again = super::fold::earlier(again, Some(at + PAUSE));
                continue;
            }
            for open in told.open.clone() {
                let message = self.say(incident, channel, Action::Change, &open.key, Occasion::Changed, now);
                effects.held.push(AlertRefresh { channel: Arc::clone(&channel.name), open, message });
            }
            incident.shown.insert(Arc::clone(&channel.name), (incident.changes, now.steady));
        }
        again
    }
}

/// The number at the end of a key.
fn number_of(key: &str) -> u64 {
    key.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The title of an ended incident by its scope.
fn told_as(scope: &Scope) -> String {
    match scope {
        Scope::Probe(probe) => format!("{probe} failed"),
        Scope::Subject(probe, subject) => format!("{probe}: subject {subject} failed"),
        Scope::Subjects(probe) => format!("{probe} failed for further subjects"),
        Scope::NoData(probe) => format!("{probe} had no data"),
        Scope::Blind(region) => format!("{region} was not probed"),
        Scope::Leak(probe) => format!("{probe} left test data behind"),
        Scope::Restarts(process) => format!("the prober in {process} started again and again"),
        Scope::Channel(name) => format!("the channel {name} took no messages"),
        Scope::Test => "a test".to_owned(),
    }
}

#[expect(clippy::too_many_arguments, reason = "they are the fields of a try")]
fn attempt(
    id: String,
    channel: &Channel,
    what: Action,
    key: String,
    about: Vec<About>,
    labels: Vec<(String, String)>,
    message: &Message,
    now: Moment,
) -> Try {
    let message = serde_json::to_string(message).expect("a message's keys are texts");
    Try { id, channel: Arc::clone(&channel.name), what, key, about, made: now.steady, labels, message, attempts: 0 }
}
