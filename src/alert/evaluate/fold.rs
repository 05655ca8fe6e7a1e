//! From the facts of a scope to its incident, and from there to what each channel is owed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::plan::{Channel, ChannelKind, PageRule};

use super::super::channel;
use super::super::condition::Count;
use super::super::critical::Bar;
use super::super::delivery::Wish;
use super::super::delivery::unheard::Missed;
use super::super::explain::{self, Explains, Stands};
use super::super::fact::LastRun;
use super::super::incident::{How, Incident, Told};
use super::super::told::{Cover, What};
use super::super::{Fact, FactKey, Scope, State, owed};
use super::{Effects, Evaluator};
use crate::outcome::{RunReport, Verdict};

/// Comings and goings are told one by one in the timeline of an incident that has at most so many members.
const TOLD_APART: usize = 20;

impl Evaluator {
    pub(super) fn fold_touched(&mut self, now: Moment, effects: &mut Effects) {
        while let Some((scope, keys)) = self.agenda.touched.pop_first() {
            self.fold(&scope, &keys, now, effects);
            for key in self.roots.take_touched() {
                if let Some(probe) = key.probe() {
                    self.agenda.touched.entry(Scope::Probe(probe.into())).or_default().insert(key);
                }
            }
        }
        for id in std::mem::take(&mut self.agenda.ended) {
            self.look_at_ended(&id, now);
        }
    }

    /// Brings a scope's incident up to date with its facts, and what is wished for with the incident.
    fn fold(&mut self, scope: &Scope, keys: &BTreeSet<FactKey>, now: Moment, effects: &mut Effects) {
        let mut incident = match self.incidents.open.remove(scope) {
            Some(incident) => incident,
            None if self.facts.of(scope).any(|fact| fact.level().is_some() && fact.holds_alone) => self.opens(scope, now),
            None => return,
        };
        for key in keys {
            self.take_fact(&mut incident, key, now);
        }
        let mut again = self.hold_members(&mut incident, keys, now, effects);
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
        again = earlier(again, self.wish(&mut incident, now));
        again = earlier(again, self.show(&mut incident, now, effects));
        self.agenda.put(scope, again);
        self.incidents.open.insert(scope.clone(), incident);
    }

    /// A new incident, with all that fails or is suspect in its scope.
    fn opens(&mut self, scope: &Scope, now: Moment) -> Incident {
        let id = self.ids.next(now);
        let owner = self.world.probe_of(scope).and_then(|watched| watched.probe.owner.as_deref()).map(Arc::from);
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

    /// Brings one member up to date.
    fn take_fact(&mut self, incident: &mut Incident, key: &FactKey, now: Moment) {
        let was = incident.members.get(key).map(|member| (member.fails(), member.crossed));
        match self.facts.get(key).cloned() {
            Some(fact) => {
                let moved = fact.scope != incident.scope;
                if moved && !incident.members.contains_key(key) {
                    return;
                }
                if moved {
                    self.incidents.moved.entry(key.clone()).or_default().insert(incident.scope.clone());
                }
                if !incident.take(&fact, now.steady) {
                    return;
                }
            }
            None => {
                let Some(member) = incident.members.get(key) else { return };
                if let Some(scopes) = self.incidents.moved.get_mut(key) {
                    scopes.remove(&incident.scope);
                }
                if self.world.watches(key) {
                    let well = Arc::new(Fact { state: State::Well, ..Fact::clone(&member.fact) });
                    incident.take(&well, now.steady);
                } else if !incident.removed(key, How::Removed, now.steady) {
                    return;
                }
            }
        }
        let is = incident.members.get(key).map(|member| (member.fails(), member.crossed));
        self.note_change(incident, key, was, is, now);
    }

    /// Writes down what became of a member.
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
        // What was held and rings again did not come and go.
        let again = was.is_some_and(|(fails, _)| fails);
        if !again && crossed(is).is_some() && crossed(is) != was.and_then(|(_, crossed)| crossed) {
            self.memory.began(&incident.scope.to_string(), key, &self.world.alerting.flapping, now.steady);
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

    /// Which members nobody is rung for: muted, explained, or told with others by now.
    fn hold_members(
        &mut self,
        incident: &mut Incident,
        keys: &BTreeSet<FactKey>,
        now: Moment,
        effects: &mut Effects,
    ) -> Option<Duration> {
        let ended = self.explain(incident, keys, now, effects);
        let there = incident.members.iter().filter(|(_, member)| member.left.is_none());
        let there: Vec<FactKey> = there.map(|(key, _)| key.clone()).collect();
        for key in there {
            let Some(member) = incident.members.get(&key) else { continue };
            let muted = self.mutes.of(&member.fact, now).is_some();
            let moved = member.fact.scope != incident.scope;
            let explained = matches!(member.explains, Explains::Explained(_));
            let held = muted || moved || explained || !member.fact.holds_alone;
            // What is no run has no further run to wait for.
            let at_once = ended.contains(&key) || member.fact.last_failed.is_none();
            if incident.hold(&key, held, at_once, now.steady) {
                self.dirty.member(&incident.id, &key);
                self.dirty.incident(&incident.id);
            }
        }
        incident.asks.values().copied().min()
    }

    /// Judges which members of a probe's incident others explain. Returns those whose explanation their own failures ended.
    fn explain(
        &mut self,
        incident: &mut Incident,
        keys: &BTreeSet<FactKey>,
        now: Moment,
        effects: &mut Effects,
    ) -> BTreeSet<FactKey> {
        let mut ended = BTreeSet::new();
        if !matches!(incident.scope, Scope::Probe(_)) {
            return ended;
        }
        let due = incident.asks.iter().filter(|(_, at)| **at <= now.steady).map(|(key, _)| key.clone());
        let judged: BTreeSet<FactKey> = due.chain(keys.iter().cloned()).collect();
        for key in judged {
            let Some(member) = incident.members.get_mut(&key) else { continue };
            let fact = if member.left.is_some() {
                Arc::new(Fact { state: State::Well, ..Fact::clone(&member.fact) })
            } else {
                Arc::clone(&member.fact)
            };
            let before = (member.explanation.clone(), member.explains.clone());
            let judged = explain::judge(&mut member.explanation, &fact, &mut self.roots, now);
            member.explains = judged.explains;
            if judged.ended == Some(explain::Ended::Explanation) {
                ended.insert(key.clone());
            }
            effects.wanted.extend(judged.ask);
            match judged.again {
                Some(at) => incident.asks.insert(key.clone(), at),
                None => incident.asks.remove(&key),
            };
            if before != (member.explanation.clone(), member.explains.clone()) {
                incident.changes += 1;
                self.dirty.member(&incident.id, &key);
            }
        }
        ended
    }

    /// Says how a run of a canary that others need ended.
    pub(super) fn tell_roots_of_run(&mut self, report: &RunReport, now: Moment) {
        let id = &report.canary.id;
        if !self.roots.is_root(id) {
            return;
        }
        let run = |failed| LastRun { failed, started: now.steady.saturating_sub(report.duration), ended: now.steady };
        match Count::of(report) {
            Count::Pass => self.roots.ran(id, run(false), now),
            Count::Failure => self.roots.ran(id, run(true), now),
            Count::NoResult if report.verdict == Verdict::Blocked => self.roots.blocked(id, now),
            Count::Result | Count::NoResult | Count::Never => {}
        }
    }

    /// Says how canaries stand that others need.
    fn tell_roots(&mut self, incident: &Incident, now: Moment) {
        let wakes = |name: &Arc<str>| self.world.channel(name).is_some_and(|channel| channel.wakes);
        let covers: Vec<&Cover> =
            incident.told.iter().filter(|(name, _)| wakes(name)).filter_map(|(_, told)| told.cover.as_ref()).collect();
        for (key, member) in &incident.members {
            let FactKey::Canary(id) = key else { continue };
            if !self.roots.is_root(id) {
                continue;
            }
            if let Some(last) = member.fact.last {
                self.roots.ran(id, last, now);
            }
            let stands = Stands {
                fails: member.fails(),
                told: member.fails() && incident.end.is_none() && covers.iter().any(|cover| cover.covers(member)),
                muted: self.mutes.of_canary(id, now).is_some(),
            };
            self.roots.stands(id, stands, now);
        }
    }

    fn judge_critical(&mut self, incident: &mut Incident, now: Moment) -> Option<Duration> {
        let watched = self.world.probe_of(&incident.scope);
        let policy = watched.map(|watched| &watched.probe.alert);
        let rule = match &incident.scope {
            Scope::Probe(_) => policy.and_then(|policy| policy.critical),
            Scope::Subject(..) => policy.filter(|policy| policy.subject_critical).and_then(|policy| policy.critical),
            _ => None,
        };
        let bar = Bar {
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

    /// Ends an incident; what is open at channels is to be ended there.
    pub(super) fn ends(&mut self, mut incident: Incident, closed: Option<(Arc<str>, Arc<str>)>, now: Moment) {
        let scope = incident.scope.clone();
        self.agenda.put(&scope, None);
        self.incidents.by_id.remove(&incident.id);
        self.incidents.escalated.remove(&incident.id);
        self.incidents.note_severity(&scope, None);
        incident.ends(closed, now.steady);
        self.tell_roots(&incident, now);
        let (worst, since) = (incident.worst, incident.since);
        for attempt in self.delivery.forget_rings_of(&incident.id) {
            self.dirty.dropped(&attempt, now);
        }
        for (channel, told) in &mut incident.told {
            for what in [What::Ring, What::Change, What::Acknowledge] {
                for attempt in self.delivery.unwant(channel, &incident.id, what) {
                    self.dirty.dropped(&attempt, now);
                }
            }
            let informs = self.world.channel(channel).is_some_and(|channel| keeps_unheard(&channel.kind));
            if informs && told.due.is_some() && !told.has_open() {
                let (incident, scope) = (incident.id.clone(), incident.scope.clone());
                let missed = Missed { incident, scope, severity: worst, since, ended: now.steady };
                self.unheard.missed(channel, missed);
            }
            (told.due, told.page_due) = (None, None);
            self.dirty.told(&incident.id, channel);
        }
        for scopes in self.incidents.moved.values_mut() {
            scopes.remove(&scope);
        }
        self.incidents.moved.retain(|_, scopes| !scopes.is_empty());
        self.dirty.timeline(&incident.id, "ended", "the incident ended".to_owned(), now);
        self.dirty.incident(&incident.id);
        self.agenda.ended.insert(incident.id.clone());
        self.incidents.ended.insert(incident.id.clone(), incident);
    }

    /// Wishes for what an ended incident's channels must still hear, or forgets it.
    fn look_at_ended(&mut self, id: &str, now: Moment) {
        self.drop_shared_keys(id);
        let Some(incident) = self.incidents.ended.get(id) else { return };
        let Some(end) = &incident.end else { return };
        let mut wishes = Vec::new();
        for (channel, told) in &incident.told {
            if told.has_open() && self.world.channel(channel).is_none() {
                let keys: Vec<&str> = told.open.iter().map(|open| open.key.as_str()).collect();
                let keys = keys.join(", ");
                tracing::warn!(channel = &**channel, keys, "the channel is gone, and with it how to end what is open there");
            }
            let wanted = told.has_open() && self.world.channel(channel).is_some();
            let (scope, incident, severity) = (incident.scope.clone(), id.to_owned(), incident.worst);
            let wish = Wish { scope, incident, what: What::End, severity, since: end.at };
            wishes.push((Arc::clone(channel), wanted.then_some(wish)));
        }
        let open = wishes.iter().any(|(_, wish)| wish.is_some());
        for (channel, wish) in wishes {
            match wish {
                Some(wish) => self.delivery.want(&channel, wish),
                None => self.unwant(&channel, id, What::End, now),
            }
        }
        if !open && let Some(incident) = self.incidents.ended.remove(id) {
            self.forget(&incident, now);
        }
    }

    /// A key that several incidents share, after a storm, ends with the last of them.
    fn drop_shared_keys(&mut self, id: &str) {
        let Some(incident) = self.incidents.ended.get(id) else { return };
        let mut shared = Vec::new();
        for (channel, told) in &incident.told {
            let ends_each =
                self.world.channel(channel).is_some_and(|channel| matches!(channel.kind, ChannelKind::PagerDuty { .. }));
            for open in told.open.iter().filter(|open| ends_each && open.key.contains("storm/")) {
                let others = self.incidents.open.values().chain(self.incidents.ended.values()).filter(|other| other.id != id);
                let mut theirs = others.filter_map(|other| other.told.get(channel)).flat_map(|told| &told.open);
                if theirs.any(|other| other.key == open.key) {
                    shared.push((Arc::clone(channel), open.key.clone()));
                }
            }
        }
        if let Some(incident) = self.incidents.ended.get_mut(id) {
            for (channel, key) in shared {
                if let Some(told) = incident.told.get_mut(&channel) {
                    told.ended(&key);
                    self.dirty.told(id, &channel);
                }
            }
        }
    }

    /// Keeps what is wished for at each channel equal to what is due.
    fn wish(&mut self, incident: &mut Incident, now: Moment) -> Option<Duration> {
        let scope = incident.scope.to_string();
        let probe = self.world.probe_of(&incident.scope).map(|watched| Arc::clone(&watched.probe));
        let alerting = Arc::clone(&self.world.alerting);
        let none = BTreeSet::new();
        let mut context =
            owed::Context { alerting: &alerting, probe: probe.as_deref(), memory: &self.memory, scope: &scope, escalated: &none };
        let (escalated, mut again) = owed::escalated(incident, &context, now.steady);
        context.escalated = &escalated;
        let mut wishes: Vec<(Arc<Channel>, What, Option<Wish>)> = Vec::new();
        for channel in &alerting.channels {
            let (ring, asks) = owed::owed(incident, channel, &context, now.steady);
            again = earlier(again, asks);
            let due = ring.filter(|ring| ring.at <= now.steady);
            let wish = |what, since, severity| Wish {
                scope: incident.scope.clone(),
                incident: incident.id.clone(),
                what,
                severity,
                since,
            };
            let told = incident.told.get(&channel.name);
            let ring = due.as_ref().map(|due| {
                let since = told.and_then(|told| told.due).unwrap_or(now.steady);
                (due.page, wish(What::Ring, since, due.severity))
            });
            let acknowledges = told.is_some_and(|told| told.lacks_acknowledgement(incident.acknowledged.len()));
            let acknowledges = acknowledges && channel::knows(&channel.kind, What::Acknowledge);
            let since = incident.acknowledged.last().map_or(now.steady, |acknowledged| acknowledged.at);
            let ack = acknowledges.then(|| wish(What::Acknowledge, since, incident.worst));
            let (change, asks) = owed::change(incident, channel, now.steady);
            again = earlier(again, asks);
            let change = change.then(|| wish(What::Change, now.steady, incident.worst));
            Self::note_due(&mut self.dirty, incident, channel, ring.as_ref().map(|(page, _)| *page), now.steady);
            wishes.push((Arc::clone(channel), What::Ring, ring.map(|(_, wish)| wish)));
            wishes.push((Arc::clone(channel), What::Acknowledge, ack));
            wishes.push((Arc::clone(channel), What::Change, change));
        }
        for (channel, what, wish) in wishes {
            match wish {
                Some(wish) => self.delivery.want(&channel.name, wish),
                None => self.unwant(&channel.name, &incident.id, what, now),
            }
        }
        if escalated.is_empty() {
            self.incidents.escalated.remove(&incident.id);
        } else {
            let due = incident.told.values().filter_map(|told| told.page_due).min();
            self.incidents.escalated.insert(incident.id.clone(), due);
        }
        self.end_at_removed(incident, now);
        again
    }

    /// A channel that was removed has its open things ended with its last configuration, while the incident goes on.
    fn end_at_removed(&mut self, incident: &mut Incident, now: Moment) {
        let there = |name: &Arc<str>| self.world.alerting.channels.iter().any(|channel| channel.name == *name);
        let gone = incident.told.iter().filter(|(name, told)| !there(name) && told.has_open());
        let gone: Vec<Arc<str>> = gone.map(|(name, _)| Arc::clone(name)).collect();
        for name in gone {
            if self.world.channel(&name).is_some() {
                let (scope, severity) = (incident.scope.clone(), incident.worst);
                let wish = Wish { scope, incident: incident.id.clone(), what: What::End, severity, since: now.steady };
                self.delivery.want(&name, wish);
            } else if let Some(told) = incident.told.remove(&name) {
                let keys: Vec<&str> = told.open.iter().map(|open| open.key.as_str()).collect();
                let keys = keys.join(", ");
                tracing::warn!(channel = &*name, keys, "the channel is gone, and with it how to end what is open there");
                self.dirty.told(&incident.id, &name);
            }
        }
    }

    /// Notes since when a channel is due what it has not taken.
    fn note_due(dirty: &mut super::Dirty, incident: &mut Incident, channel: &Channel, page: Option<bool>, now: Duration) {
        let known = incident.told.get(&channel.name);
        let was = known.map(|told| (told.due, told.page_due)).unwrap_or_default();
        let is = match page {
            Some(page) => (Some(was.0.unwrap_or(now)), page.then(|| was.1.unwrap_or(now))),
            None => (None, None),
        };
        if was != is {
            let told = incident.told.entry(Arc::clone(&channel.name)).or_insert_with(Told::default);
            (told.due, told.page_due) = is;
            dirty.told(&incident.id, &channel.name);
        }
    }
}

/// Whether what a channel never got is told to it in one line later: it has nothing open that an end would take away.
fn keeps_unheard(kind: &ChannelKind) -> bool {
    match kind {
        ChannelKind::Slack { .. } | ChannelKind::Webhook { .. } | ChannelKind::Email { .. } => true,
        ChannelKind::Alertmanager { .. } | ChannelKind::PagerDuty { .. } => false,
    }
}

/// The earlier of two times, where there are any.
pub(super) fn earlier(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    a.into_iter().chain(b).min()
}
