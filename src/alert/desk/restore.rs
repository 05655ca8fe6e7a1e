//! Takes up what an earlier process left.
//!
//! Rows that cannot be read are told of in the log and left out: the machines begin anew then. Who is in an incident follows from
//! the machines; an open incident in which nobody is left any more ends.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::alert::across::Across;
use crate::alert::blind::{self, Blind};
use crate::alert::budget::{BudgetState, LatencyState};
use crate::alert::canary::CanaryState;
use crate::alert::critical::Regions;
use crate::alert::incident::{Incident, Past};
use crate::alert::subject::Place;
use crate::alert::{Action, Moment, Notice, Scope};
use crate::history::{Commit, KeptState, Remembered};
use crate::plan::{Alerting, CanaryId, Plan};

use super::news::LeakRow;
use super::number::Numbers;
use super::{Counts, Desk, Effects, Known, Leak, PASTS};

impl Desk {
    /// Takes up what an earlier process left. The effects are what follows from that: incidents without a probe end.
    pub fn new(plan: Arc<Plan>, alerting: Arc<Alerting>, remembered: Remembered, now: Moment) -> (Self, Effects) {
        let mut desk = Self {
            plan,
            alerting,
            canaries: HashMap::new(),
            probes: HashMap::new(),
            blind: Blind::default(),
            leaks: BTreeMap::new(),
            paused: HashSet::new(),
            incidents: HashMap::new(),
            by_id: HashMap::new(),
            pasts: HashMap::new(),
            generations_after: 0,
            pasts_bound: PASTS,
            attached: HashMap::new(),
            agenda: BTreeSet::new(),
            numbers: Numbers::default(),
            counts: Counts::default(),
            commit: Commit::default(),
            touched: BTreeSet::new(),
            changed: BTreeSet::new(),
        };
        let plan = Arc::clone(&desk.plan);
        for canary in &plan.canaries {
            let known = Known { canary: Arc::clone(canary), state: CanaryState::new(), written: None, last: None };
            desk.canaries.insert(canary.id.clone(), known);
        }
        desk.take_over(&plan);
        desk.restore_incidents(&remembered, now);
        let states = remembered.states;
        let mut blind = BTreeSet::new();
        for state in &states {
            if let Err(error) = desk.restore_state(state, &mut blind, now) {
                tracing::error!(kind = state.kind, key = state.key, %error, "a state cannot be read and begins anew");
            }
        }
        desk.begin_new_generations(remembered.damaged.is_some(), now);
        desk.watch(&blind, now);
        desk.forget_subjects(now);
        desk.end_orphans(now);
        desk.restore_members(&blind, now);
        desk.end_empty(now);
        desk.tell_successors(now);
        let effects = desk.finish(now);
        desk.count();
        (desk, effects)
    }

    /// Of a damaged store nobody knows which keys were used. Nobody counts as fast as the clock, so the seconds since the epoch
    /// are more than any of them.
    fn begin_new_generations(&mut self, damaged: bool, now: Moment) {
        if damaged {
            self.generations_after = u64::try_from(now.wall_ms() / 1_000).unwrap_or(0).max(self.generations_after);
            self.write("generations_after", "", Some(self.generations_after.to_string()));
        }
    }

    fn restore_incidents(&mut self, remembered: &Remembered, now: Moment) {
        for message in remembered.messages.iter().chain(&remembered.told) {
            self.numbers.after(&message.id);
        }
        for row in &remembered.incidents {
            self.numbers.after(&row.id);
            if row.resolved_ms.is_some() {
                continue;
            }
            match Incident::from_row(row, now) {
                Ok(incident) => {
                    self.by_id.insert(incident.id.clone(), incident.scope.clone());
                    for root in &incident.attached {
                        self.attached.entry(root.scope.clone()).or_default().insert(incident.scope.clone());
                    }
                    self.incidents.insert(incident.scope.clone(), incident);
                }
                Err(error) => tracing::error!(incident = row.id, %error, "an open incident cannot be read and is left out"),
            }
        }
        // The news of a delivery may not have come to the incident's row before the end.
        for message in &remembered.told {
            let Some(scope) = self.by_id.get(&message.incident) else { continue };
            let triggers = serde_json::from_str(&message.notice).is_ok_and(|notice: Notice| notice.action == Action::Trigger);
            if let Some(incident) = self.incidents.get_mut(scope).filter(|_| triggers) {
                incident.keys.took(&message.key, &message.channel.as_str().into());
            }
        }
    }

    fn restore_state(&mut self, state: &KeptState, blind: &mut BTreeSet<CanaryId>, now: Moment) -> Result<(), serde_json::Error> {
        let (key, json) = (&*state.key, &*state.json);
        match &*state.kind {
            "canary" => {
                if let Some(known) = self.canaries.get_mut(&CanaryId::read_back(key)) {
                    known.state = CanaryState::from_json(json, now)?;
                } else {
                    self.write("canary", key, None);
                }
            }
            "regions" => {
                if let Some(watched) = self.probes.get_mut(key) {
                    watched.regions = Regions::from_json(json, now)?;
                } else {
                    self.write("regions", key, None);
                }
            }
            "across" => {
                if let Some(watched) = self.probes.get_mut(key) {
                    match &watched.across_rule {
                        Some(rule) => watched.across = Across::from_json(json, rule, now)?,
                        None => self.write("across", key, None),
                    }
                } else {
                    self.write("across", key, None);
                }
            }
            "subject" => {
                // The key is a probe's name or a canary's id, which begins with one.
                let probe = key.split('/').next().unwrap_or(key);
                if let Some(watched) = self.probes.get_mut(probe) {
                    watched.subjects.restore(probe, key, json, now)?;
                } else {
                    self.write("subject", key, None);
                }
            }
            "budget" => {
                if let Some(budget) = self.probes.get_mut(key).and_then(|watched| watched.budget.as_mut()) {
                    *budget = BudgetState::from_json(json, now)?;
                } else {
                    self.write("budget", key, None);
                }
            }
            "latency" => {
                if let Some(latency) = self.probes.get_mut(key).and_then(|watched| watched.latency.as_mut()) {
                    *latency = LatencyState::from_json(json, now)?;
                } else {
                    self.write("latency", key, None);
                }
            }
            "generation" => {
                let past = Past::from_json(json, now)?;
                if past.is_forgotten(now) {
                    self.write("generation", key, None);
                } else {
                    self.pasts.insert(key.to_owned(), past);
                }
            }
            "generations_after" => self.generations_after = serde_json::from_str(json)?,
            "blind" => {
                let id = CanaryId::read_back(key);
                if self.canaries.contains_key(&id) {
                    blind.insert(id);
                } else {
                    self.write("blind", key, None);
                }
            }
            "leak" => {
                let row: LeakRow = serde_json::from_str(json)?;
                self.leaks.insert(key.to_owned(), Leak { probe: row.probe, since: now.steady_of(row.since_ms) });
            }
            // Others keep states of their own in the same table.
            _ => {}
        }
        Ok(())
    }

    fn watch(&mut self, blind: &BTreeSet<CanaryId>, now: Moment) {
        for canary in &Arc::clone(&self.plan).canaries {
            let Some(known) = self.canaries.get(&canary.id) else { continue };
            let patience = blind::patience(&self.alerting.blind, &canary.probe);
            self.blind.watch(canary, patience, known.state.clock(), now);
            if blind.contains(&canary.id) {
                self.blind.still_blind(&canary.id);
            }
        }
    }

    /// Whoever is at page level is in its incident.
    fn restore_members(&mut self, blind: &BTreeSet<CanaryId>, now: Moment) {
        let paging: BTreeSet<CanaryId> =
            self.canaries.iter().filter(|(_, known)| known.state.is_paging()).map(|(id, _)| id.clone()).collect();
        for id in paging {
            self.sync_canary(&id, true, now);
        }
        for id in blind {
            self.join_blind(id, now);
        }
        let entries: Vec<String> = self.leaks.keys().cloned().collect();
        for entry in entries {
            self.join_leak(&entry, now);
        }
        let names: BTreeSet<Arc<str>> = self.probes.keys().cloned().collect();
        for name in names {
            self.sync_objective(&name, now);
            let own: Vec<Arc<str>> =
                self.probes.get(&name).into_iter().flat_map(|watched| watched.subjects.paging(Place::Own)).cloned().collect();
            for subject in own {
                self.sync_subject(&name, Some(&subject), Place::Own, false, now);
            }
            let watched = self.probes.get(&name).map(|watched| &watched.subjects);
            let shared = watched.is_some_and(|it| it.paging(Place::Summary).next().is_some() || !it.sightings(None).is_empty());
            if shared {
                self.sync_subject(&name, None, Place::Summary, false, now);
            }
        }
    }

    /// Incidents that were open with a problem of which no machine knows any more.
    fn end_empty(&mut self, now: Moment) {
        let is_empty = |incident: &Incident| match &incident.scope {
            Scope::Budget(_) | Scope::Latency(_) => false,
            Scope::Probe(_) | Scope::Subject(..) | Scope::Subjects(_) | Scope::Blind(_) | Scope::Leak(_) | Scope::Test => {
                incident.level.is_some() && incident.members.is_empty()
            }
        };
        let empty: BTreeSet<Scope> =
            self.incidents.values().filter(|incident| is_empty(incident)).map(|incident| incident.scope.clone()).collect();
        for scope in empty {
            self.end(&scope, "what was in it is no longer known or no longer there", now);
        }
        self.touched.extend(self.incidents.keys().cloned());
    }
}
