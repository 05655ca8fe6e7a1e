//! Folds the facts of a scope into its incident, and updates what each channel is owed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ulid::Ulid;

use crate::alert::Moment;
use crate::plan::{Channel, PageRule};

use super::super::channel;
use super::super::critical::CriticalInput;
use super::super::delivery::Notification;
use super::super::explain::Explains;
use super::super::incident::{Departure, Incident, Member};
use super::super::tries::Action;
use super::super::{Fact, FactKey, Scope, State, owed};
use super::{Effects, Evaluator};

/// The timeline names members one by one in incidents with at most this many.
const TOLD_APART: usize = 20;

impl Evaluator {
    pub(super) fn fold_touched(&mut self, now: Moment, effects: &mut Effects) {
        self.touch_dependents();
        while let Some((scope, keys)) = self.pending.touched.pop_first() {
            self.fold(&scope, &keys, now, effects);
            self.touch_dependents();
        }
        for id in std::mem::take(&mut self.pending.ended) {
            self.look_at_ended(&id, now);
        }
    }

    /// Updates a scope's incident from its facts, and the notifications from the incident.
    fn fold(&mut self, scope: &Scope, keys: &BTreeSet<FactKey>, now: Moment, effects: &mut Effects) {
        let mut incident = match self.incidents.open.remove(scope) {
            Some(incident) => incident,
            None if self.facts.of(scope).any(|fact| fact.level().is_some() && fact.holds_alone) => self.opens(scope, now),
            None => match self.handed_in.due(scope) {
                Some(due) if due <= now.steady => self.opens(scope, now),
                due => return self.pending.put(scope, due),
            },
        };
        let other: BTreeSet<FactKey> = keys.iter().filter(|key| self.take_fact(&mut incident, key, now)).cloned().collect();
        self.take_over_told(&mut incident, now);
        let mut again = self.hold_members(&mut incident, keys, other, now, effects);
        again = earlier(again, self.judge_critical(&mut incident, now));
        if let Some(severity) = incident.severity().filter(|severity| *severity > incident.worst) {
            incident.worst = severity;
            self.dirty.incident(&incident.id);
        }
        if incident.is_over() {
            return self.ends(incident, None, now);
        }
        self.incidents.note_severity(scope, incident.severity());
        self.tell_roots(&incident, now);
        again = earlier(again, self.notification(&mut incident, now));
        again = earlier(again, self.show(&mut incident, now, effects));
        self.pending.put(scope, again);
        self.incidents.open.insert(scope.clone(), incident);
    }

    /// A new incident, with all that fails or is suspect in its scope.
    fn opens(&mut self, scope: &Scope, now: Moment) -> Incident {
        let id = self.ids.next(now);
        let owner = self.config.probe_of(scope).and_then(|watched| watched.probe.owner.as_deref()).map(Arc::from);
        let mut incident = Incident::open(id, scope.clone(), owner, now.steady);
        self.dirty.timeline(&incident.id, "opened", "the incident opened".to_owned(), now);
        self.dirty.incident(&incident.id);
        self.incidents.by_id.insert(incident.id.clone(), scope.clone());
        let facts: Vec<Arc<Fact>> = self.facts.of(scope).cloned().collect();
        for fact in facts {
            self.take_fact(&mut incident, &fact.key, now);
        }
        incident
    }

    /// Updates one member. Returns whether a muted member failed for a reason that is not muted.
    fn take_fact(&mut self, incident: &mut Incident, key: &FactKey, now: Moment) -> bool {
        let muted = |member: &Member| self.mutes.of(&member.fact, now).is_some();
        let was_muted = incident.members.get(key).is_some_and(|member| member.held && member.fails() && muted(member));
        let was = incident.members.get(key).map(|member| (member.fails(), member.crossed));
        match self.facts.get(key).cloned() {
            Some(fact) => {
                let moved = fact.scope != incident.scope;
                if moved && !incident.members.contains_key(key) {
                    return false;
                }
                if moved {
                    self.incidents.moved.entry(key.clone()).or_default().insert(incident.scope.clone());
                }
                if !incident.take(&fact, now.steady) {
                    return false;
                }
            }
            // It is not known yet whether it was removed.
            None if self.removals.contains_key(key) => return false,
            None => {
                let Some(member) = incident.members.get(key) else { return false };
                if let Some(scopes) = self.incidents.moved.get_mut(key) {
                    scopes.remove(&incident.scope);
                }
                let settled = self.config.watches(key) || self.others.has(key) || self.settled.contains(key);
                if settled && !self.gone.contains(key) {
                    let well = Arc::new(Fact { state: State::Well, ..Fact::clone(&member.fact) });
                    incident.take(&well, now.steady);
                } else if !incident.removed(key, Departure::Removed, now.steady) {
                    return false;
                }
            }
        }
        let is = incident.members.get(key).map(|member| (member.fails(), member.crossed));
        if is.is_none() {
            self.left_unnamed(key, now);
        }
        self.note_change(incident, key, was, is, now);
        was_muted && incident.members.get(key).is_some_and(|member| member.fails() && self.mutes.of(&member.fact, now).is_none())
    }

    /// Records a change of a member in the timeline and for flapping.
    fn note_change(
        &mut self,
        incident: &Incident,
        key: &FactKey,
        was: Option<(bool, Option<u64>)>,
        is: Option<(bool, Option<u64>)>,
        now: Moment,
    ) {
        self.dirty.member(&incident.id, key);
        let crossed = |state: Option<(bool, Option<u64>)>| state.filter(|(fails, _)| *fails).and_then(|(_, crossed)| crossed);
        // A held member that may ring again did not recover and fail, so it counts no episode for flapping.
        let again = was.is_some_and(|(fails, _)| fails);
        if !again && crossed(is).is_some() && crossed(is) != was.and_then(|(_, crossed)| crossed) {
            self.records.began(&incident.scope.to_string(), key, &self.config.alerting.flapping, now.steady);
        }
        let (was, is) = (was.is_some_and(|(fails, _)| fails), is.is_some_and(|(fails, _)| fails));
        if was == is {
            return;
        }
        self.dirty.incident(&incident.id);
        if incident.members.len() <= TOLD_APART {
            let (what, verb) = if is { ("joined", "fails") } else { ("left", "no longer fails") };
            self.dirty.timeline(&incident.id, what, format!("{key} {verb}"), now);
        }
    }

    /// Updates which members are held: muted, explained, moved to another scope, or failing only with others.
    fn hold_members(
        &mut self,
        incident: &mut Incident,
        keys: &BTreeSet<FactKey>,
        other: BTreeSet<FactKey>,
        now: Moment,
        effects: &mut Effects,
    ) -> Option<Duration> {
        let mut ended = self.explain(incident, keys, now, effects);
        ended.extend(other);
        let there = incident.members.iter().filter(|(_, member)| member.left.is_none() || member.held);
        let there: Vec<FactKey> = there.map(|(key, _)| key.clone()).collect();
        for key in there {
            let Some(member) = incident.members.get(&key) else { continue };
            let muted = self.mutes.of(&member.fact, now).is_some();
            let moved = member.fact.scope != incident.scope;
            let explained = matches!(member.explains, Explains::Explained(_));
            let held = muted || moved || explained || !member.fact.holds_alone;
            // A member without runs has no later run to wait for.
            let at_once = ended.contains(&key) || member.fact.last_failed.is_none();
            if incident.hold(&key, held, at_once, now.steady) {
                self.dirty.member(&incident.id, &key);
                self.dirty.incident(&incident.id);
            }
        }
        incident.asks.values().copied().min()
    }

    fn judge_critical(&mut self, incident: &mut Incident, now: Moment) -> Option<Duration> {
        let watched = self.config.probe_of(&incident.scope);
        let policy = watched.map(|watched| &watched.probe.alert);
        let rule = match &incident.scope {
            Scope::Probe(_) => policy.and_then(|policy| policy.critical),
            Scope::Subject(..) => policy.filter(|policy| policy.subject_critical).and_then(|policy| policy.critical),
            _ => None,
        };
        let bar = CriticalInput {
            rule,
            consecutive: policy.is_some_and(|policy| matches!(policy.rule, PageRule::Consecutive(_))),
            at_page_level: incident.is_at_page_level(),
            revision: incident.revision + 1,
        };
        let facts = incident.members.values().filter(|member| member.left.is_none());
        let facts = facts.map(|member| (&*member.fact, !member.held && !matches!(member.explains, Explains::Waiting(_))));
        let judged = incident.critical.judge(facts, bar, now);
        if incident.critical.fails() && incident.critical_regions != judged.regions && judged.regions.len() > 1 {
            incident.critical_regions = judged.regions;
            incident.changes += 1;
            self.dirty.incident(&incident.id);
        }
        if judged.changed {
            incident.changes += 1;
            let (what, text) = if incident.critical.fails() {
                incident.next_revision();
                ("critical", "enough regions fail for it to be critical")
            } else {
                ("less_severe", "it is no longer critical")
            };
            self.dirty.timeline(&incident.id, what, text.to_owned(), now);
            self.dirty.incident(&incident.id);
        }
        judged.again
    }

    /// Makes the notifications at each channel equal to what is due.
    fn notification(&mut self, incident: &mut Incident, now: Moment) -> Option<Duration> {
        self.end_nothing_at_those_there(incident, now);
        let scope = incident.scope.to_string();
        let none = BTreeSet::new();
        let mut context = self.owing(incident, &scope, &none);
        let owed::Escalated { members: escalated, unrouted, mut again } = owed::escalated(incident, &context, now.steady);
        context.escalated = &escalated;
        let mut rings: Vec<(Arc<Channel>, Option<bool>)> = Vec::new();
        let mut notifications: Vec<(Arc<str>, Action, Option<Notification>)> = Vec::new();
        for channel in &self.config.alerting.channels {
            let (ring, asks) = owed::owed(incident, channel, &context, now.steady);
            again = earlier(again, asks);
            let due = ring.filter(|ring| ring.at <= now.steady);
            let notification = |what, since, severity| Notification {
                scope: incident.scope.clone(),
                incident: incident.id.clone(),
                what,
                severity,
                since,
            };
            let told = incident.told.get(&channel.name);
            let ring = due.as_ref().map(|due| {
                let since = told.and_then(|told| told.due).unwrap_or(now.steady);
                notification(Action::Ring, since, due.severity)
            });
            let acknowledges = told.is_some_and(|told| told.lacks_acknowledgement(incident.acknowledged.len()));
            let acknowledges = acknowledges && channel::knows(channel.kind.receiver(), Action::Acknowledge);
            let since = incident.acknowledged.last().map_or(now.steady, |acknowledged| acknowledged.at);
            let ack = acknowledges.then(|| notification(Action::Acknowledge, since, incident.worst));
            let (change, asks) = owed::change(incident, channel, now.steady);
            again = earlier(again, asks);
            let change = change.then(|| notification(Action::Change, now.steady, incident.worst));
            rings.push((Arc::clone(channel), due.map(|due| due.page)));
            let name = || Arc::clone(&channel.name);
            notifications.extend([
                (name(), Action::Ring, ring),
                (name(), Action::Acknowledge, ack),
                (name(), Action::Change, change),
            ]);
        }
        for (channel, page) in rings {
            Self::note_due(&mut self.dirty, incident, &channel, page, now.steady);
        }
        let next = incident.told.values().filter_map(|told| told.page_due).map(|due| due + self.config.alerting.escalate_after);
        again = earlier(again, next.filter(|at| *at > now.steady).min());
        for (channel, what, notification) in notifications {
            match notification {
                Some(notification) => self.delivery.enqueue(&channel, notification),
                None => self.withdraw(&channel, &incident.id, what, now),
            }
        }
        if escalated.is_empty() {
            self.incidents.escalated.remove(&incident.id);
        } else {
            let due = incident.told.values().filter_map(|told| told.page_due).min().filter(|_| !unrouted);
            self.incidents.escalated.insert(incident.id.clone(), due);
        }
        self.end_at_removed(incident, now);
        again
    }

    /// Records since when something is due at a channel.
    fn note_due(dirty: &mut super::Dirty, incident: &mut Incident, channel: &Channel, page: Option<bool>, now: Duration) {
        let known = incident.told.get(&channel.name);
        let was = known.map(|told| (told.due, told.page_due)).unwrap_or_default();
        let is = match page {
            Some(page) => (Some(was.0.unwrap_or(now)), page.then(|| was.1.unwrap_or(now))),
            None => (None, None),
        };
        if was != is {
            let told = incident.told.entry(Arc::clone(&channel.name)).or_default();
            (told.due, told.page_due) = is;
            told.missed |= is.0.is_none();
            dirty.told(&incident.id, &channel.name);
        }
    }
}

/// Makes ids of incidents. They ascend whatever the wall clock does.
#[derive(Debug, Default)]
pub(super) struct Ids {
    last: Ulid,
}

impl Ids {
    /// The next ids come after this one.
    pub(super) fn after(&mut self, id: &str) {
        let known = id.get(..ulid::ULID_LEN).and_then(|id| Ulid::from_string(id).ok());
        self.last = known.map_or(self.last, |known| self.last.max(known));
    }

    pub(super) fn next(&mut self, now: Moment) -> String {
        let fresh = Ulid::from_parts(u64::try_from(now.wall_ms()).unwrap_or(0), fastrand::u128(..));
        let follows = fresh.timestamp_ms() > self.last.timestamp_ms();
        self.last = if follows { fresh } else { self.last.increment().unwrap_or(fresh) };
        self.last.to_string()
    }
}

/// The earlier of two times, where there are any.
pub(super) fn earlier(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    a.into_iter().chain(b).min()
}
