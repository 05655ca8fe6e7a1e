//! Another plan: what is unchanged keeps its state, what is gone leaves its incidents with a note.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::alert::canary::CanaryState;
use crate::alert::incident::Incident;
use crate::alert::{Moment, Scope, blind, subject};
use crate::plan::{Alerting, CanaryId, Plan};

use super::join::row;
use super::probe::Watched;
use super::{Desk, Known, needs};

/// Why a canary left.
const REMOVED: &str = "was removed from the configuration";

impl Desk {
    /// The new plan holds from now on.
    pub(super) fn reload(&mut self, plan: Arc<Plan>, alerting: Arc<Alerting>, now: Moment) {
        let before = std::mem::replace(&mut self.alerting, alerting);
        self.miss_channels(&before, now);
        let stay: HashSet<&CanaryId> = plan.canaries.iter().map(|canary| &canary.id).collect();
        let gone: BTreeSet<CanaryId> = self.canaries.keys().filter(|id| !stay.contains(id)).cloned().collect();
        for id in gone {
            self.remove(&id, now);
        }
        self.take_over(&plan);
        for canary in &plan.canaries {
            let known = self.canaries.entry(canary.id.clone()).or_insert_with(|| Known {
                canary: Arc::clone(canary),
                state: CanaryState::new(),
                written: None,
                last: None,
            });
            known.canary = Arc::clone(canary);
            let patience = blind::patience(&self.alerting.blind, &canary.probe);
            self.blind.watch(canary, patience, known.state.clock(), now);
        }
        self.plan = plan;
        self.forget_subjects(now);
        self.end_orphans(now);
        let names: BTreeSet<Arc<str>> = self.probes.keys().cloned().collect();
        for name in names {
            self.end_objectives(&name, now);
            self.sync_objective(&name, now);
        }
        // Rules, routes and channels may have changed for all of them.
        self.tell_successors(now);
        self.touched.extend(self.incidents.keys().cloned());
    }

    /// Channels that were told of what is still open and are no more: they will not hear of its end, which is said at least here.
    fn miss_channels(&mut self, before: &Alerting, now: Moment) {
        let has = |alerting: &Alerting, name: &str| alerting.channels.iter().any(|channel| *channel.name == *name);
        for incident in self.incidents.values() {
            let told = incident.keys.told.iter().filter(|told| !told.resolved).flat_map(|told| &told.channels);
            let gone: BTreeSet<&Arc<str>> = told.filter(|name| has(before, name) && !has(&self.alerting, name)).collect();
            for channel in gone {
                let text = format!("{channel} was told and was removed from the configuration: it will not hear of the end");
                tracing::warn!(incident = incident.id, scope = %incident.scope, "{text}");
                self.commit.timeline.push(row(&incident.id, "channel_removed", text, now));
            }
        }
    }

    /// A canary is no more.
    fn remove(&mut self, id: &CanaryId, now: Moment) {
        let Some(known) = self.canaries.remove(id) else { return };
        let (probe, region) = (Arc::clone(&known.canary.probe.name), Arc::clone(&known.canary.region.name));
        self.write("canary", id.as_str(), None);
        if self.blind.is_blind(id) {
            self.write("blind", id.as_str(), None);
        }
        self.blind.forget(id);
        self.paused.remove(id);
        for scope in [Scope::Probe(Arc::clone(&probe)), Scope::Blind(region)] {
            self.leave_with_note(&scope, id.as_str(), now);
        }
        if let Some(watched) = self.probes.get_mut(&probe) {
            watched.across.forget(id);
            let changes = watched.subjects.forget(id);
            for (key, json) in watched.subjects.take_changed(&probe, now) {
                self.write("subject", &key, json);
            }
            self.sync_subjects(&probe, changes, true, now);
        }
    }

    /// It leaves, and the incident says so; the last one ends it.
    pub(super) fn leave_with_note(&mut self, scope: &Scope, key: &str, now: Moment) {
        if let Some(incident) = self.incidents.get_mut(scope)
            && incident.members.contains(key)
        {
            incident.note(format!("{key} {REMOVED}"));
            self.leave(scope, key, REMOVED, now);
            let empty = self.incidents.get(scope).is_some_and(|incident| incident.members.is_empty());
            if empty {
                self.end(scope, "everything that was left in it was removed from the configuration", now);
            }
        }
    }

    /// Ends the incidents of objectives that a probe no longer has.
    fn end_objectives(&mut self, name: &Arc<str>, now: Moment) {
        let Some(watched) = self.probes.get(name) else { return };
        let gone = [
            (watched.budget.is_none() || !watched.probe.alert.burn_rate).then(|| Scope::Budget(Arc::clone(name))),
            watched.latency.is_none().then(|| Scope::Latency(Arc::clone(name))),
        ];
        for scope in gone.into_iter().flatten() {
            self.end(&scope, "its objective was removed from the configuration", now);
        }
    }

    /// Probes as the plan has them, with what is known of those that stay.
    pub(super) fn take_over(&mut self, plan: &Plan) {
        let by_name: BTreeMap<&str, &Arc<crate::plan::Probe>> = plan.probes.iter().map(|probe| (&*probe.name, probe)).collect();
        let own: BTreeSet<&Arc<str>> = plan.regions.iter().map(|region| &region.name).collect();
        let mut regions: BTreeMap<&str, BTreeSet<Arc<str>>> = BTreeMap::new();
        for canary in &plan.canaries {
            regions.entry(&canary.probe.name).or_default().insert(Arc::clone(&canary.region.name));
        }
        let mut old = std::mem::take(&mut self.probes);
        let mut canaries: BTreeMap<&str, usize> = BTreeMap::new();
        plan.canaries.iter().for_each(|canary| *canaries.entry(&canary.probe.name).or_default() += 1);
        for probe in &plan.probes {
            let canaries = canaries.get(&*probe.name).copied().unwrap_or_default();
            let mut watched = match old.remove(&probe.name) {
                Some(mut watched) => {
                    watched.apply(Arc::clone(probe), canaries);
                    watched
                }
                None => Watched::new(Arc::clone(probe), canaries),
            };
            let mut known = regions.remove(&*probe.name).unwrap_or_default();
            known.extend(plan.known_regions.iter().filter(|region| !own.contains(region)).cloned());
            watched.known_regions = known.into_iter().collect();
            watched.roots = needs::roots(probe, &by_name);
            self.probes.insert(Arc::clone(&probe.name), watched);
        }
        for name in old.into_keys() {
            for kind in ["regions", "across", "subject", "budget", "latency"] {
                self.write(kind, &name, None);
            }
        }
    }

    /// Forgets subjects that only canaries saw which are no more, and those of a probe that looks for none any more: nobody will
    /// find them well. Their incidents end for want of members, or as orphans.
    pub(super) fn forget_subjects(&mut self, now: Moment) {
        let mut rows = Vec::new();
        for (name, watched) in &mut self.probes {
            let looks = subject::looks_for_any(&watched.probe);
            let gone = watched.subjects.canaries().into_iter().filter(|id| !looks || !self.canaries.contains_key(id));
            for id in gone.collect::<Vec<_>>() {
                watched.subjects.forget(&id);
            }
            rows.extend(watched.subjects.take_changed(name, now));
        }
        for (key, json) in rows {
            self.write("subject", &key, json);
        }
    }

    /// Ends incidents whose probe or region is no more.
    pub(super) fn end_orphans(&mut self, now: Moment) {
        let is_orphan = |incident: &&Incident| match &incident.scope {
            Scope::Blind(region) => !self.plan.regions.iter().any(|known| known.name == *region),
            Scope::Test => true,
            Scope::Subject(probe, _) | Scope::Subjects(probe) => {
                self.probes.get(probe).is_none_or(|watched| !subject::looks_for_any(&watched.probe))
            }
            Scope::Probe(probe) | Scope::Budget(probe) | Scope::Latency(probe) | Scope::Leak(probe) => {
                !self.probes.contains_key(probe)
            }
        };
        let orphans: BTreeSet<Scope> = self.incidents.values().filter(is_orphan).map(|incident| incident.scope.clone()).collect();
        for scope in orphans {
            self.end(&scope, "what it is about was removed from the configuration", now);
        }
        let gone: Vec<String> = self
            .leaks
            .iter()
            .filter(|(_, leak)| !self.probes.contains_key(&leak.probe))
            .map(|(entry, _)| entry.clone())
            .collect();
        for entry in gone {
            self.leaks.remove(&entry);
            self.write("leak", &entry, None);
        }
    }
}
