//! Drives the rule `needs`: reports the state of roots, and judges members.
//!
//! The rules are in `explain`. This file reports everything about root canaries to it: runs, facts, mutes, covers. Members of an
//! incident are judged when their facts change or their time comes.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alert::Moment;
use crate::outcome::{RunReport, Verdict};

use super::super::condition::Count;
use super::super::explain::{self, RootState};
use super::super::fact::LastRun;
use super::super::incident::{Incident, Member};
use super::super::tries::Cover;
use super::super::{Fact, FactKey, Scope, State};
use super::{Effects, Evaluator};

impl Evaluator {
    /// Marks the dependents of changed roots to be judged again, even if the root has no incident.
    pub(super) fn touch_dependents(&mut self) {
        for key in self.roots.take_touched() {
            if let Some(probe) = key.probe() {
                self.pending.touched.entry(Scope::Probe(probe.into())).or_default().insert(key);
            }
        }
    }

    /// Judges which members of a probe's incident are explained. Returns those whose explanation was ended by their own failures.
    pub(super) fn explain(
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
            if judged.ended == Some(explain::ExplanationEnd::Explanation) {
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

    /// Reports the run of a root canary.
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

    /// Reports the state of root canaries in an incident.
    pub(super) fn tell_roots(&mut self, incident: &Incident, now: Moment) {
        let wakes = |name: &Arc<str>| self.config.channel(name).is_some_and(|channel| channel.wakes);
        let covers: Vec<&Cover> =
            incident.told.iter().filter(|(name, _)| wakes(name)).filter_map(|(_, told)| told.cover.as_ref()).collect();
        // One that is suspect again goes on with the episode that was told.
        let told = |member: &Member| member.left.is_none() && covers.iter().any(|cover| cover.covers(member));
        let together = incident.members.values().find(|member| matches!(member.fact.key, FactKey::Across(_)) && told(member));
        // A told `across` member tells of each canary in the regions that made it fail.
        let regions = together.map(|member| shared_by(&member.fact)).unwrap_or_default();
        for (key, member) in &incident.members {
            let FactKey::Canary(id) = key else { continue };
            if !self.roots.is_root(id) {
                continue;
            }
            if let Some(last) = member.fact.last {
                self.roots.ran(id, last, now);
            }
            let is_told = told(member) || (member.left.is_none() && regions.contains(&member.fact.region));
            let state = RootState {
                fails: member.fails(),
                told: is_told && incident.end.is_none(),
                muted: self.mutes.of(&member.fact, now).is_some(),
            };
            self.roots.set_state(id, state, now);
        }
    }

    /// Reports everything about root canaries, at a start and after a reload.
    pub(super) fn say_roots(&mut self, now: Moment) {
        let plan = Arc::clone(&self.config.plan);
        for canary in plan.canaries.iter().filter(|canary| self.roots.is_root(&canary.id)).collect::<Vec<_>>() {
            if let Some(last) = self.conditions.canary(&canary.id, now).counted {
                self.roots.ran(&canary.id, last, now);
            }
        }
        self.mute_roots(now);
        let open = std::mem::take(&mut self.incidents.open);
        for incident in open.values() {
            self.tell_roots(incident, now);
        }
        self.incidents.open = open;
    }

    /// Reports which root canaries are muted, even if they have no incident.
    pub(super) fn mute_roots(&mut self, now: Moment) {
        for canary in &self.config.plan.canaries {
            if !self.roots.is_root(&canary.id) {
                continue;
            }
            let muted = self.mutes.of_canary(&canary.id, now).is_some();
            let in_incident = self.facts.get(&FactKey::Canary(canary.id.clone())).is_some_and(|fact| fact.level().is_some());
            if !in_incident {
                self.roots.set_state(&canary.id, RootState { muted, ..RootState::default() }, now);
            }
        }
    }

    /// Reports a canary that was only suspect and is no member any more.
    pub(super) fn left_unnamed(&mut self, key: &FactKey, now: Moment) {
        if let FactKey::Canary(id) = key {
            let muted = self.mutes.of_canary(id, now).is_some();
            self.roots.set_state(id, RootState { muted, ..RootState::default() }, now);
        }
    }
}

/// The regions that make an `across` member fail: those whose own share reaches the rule's, or all with failures if none does.
fn shared_by(fact: &Fact) -> BTreeSet<&Arc<str>> {
    let alone = fact.shares.values().any(|share| share.reaches);
    let failed = fact.shares.iter().filter(|(_, share)| if alone { share.reaches } else { share.failed > 0 });
    failed.map(|(region, _)| region).collect()
}
