//! Restores the state that an earlier process stored.
//!
//! Rows that cannot be read are logged and left out. What is owed follows from facts and covers, so a takeover needs no event.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::alert::Moment;
use crate::history::{IncidentRow, RestoredState, StartState};
use crate::outcome::LinkKey;
use crate::plan::{Alerting, Plan};

use super::super::Fact;
use super::super::condition::channel::Health;
use super::super::condition::{Changed, Conditions};
use super::super::delivery::Delivery;
use super::super::delivery::unheard::{self, Unheard};
use super::super::explain::Roots;
use super::super::incident::{Incident, Member, Told};
use super::super::metrics;
use super::super::migrate::{is_former, migrate};
use super::super::muting::Muting;
use super::super::scope_records::ScopeRecords;
use super::super::tries::Try;
use super::closed::ClosedFacts;
use super::fleet::{OtherFacts, Role};
use super::rows::{CHANNEL, COVER, ChannelHealthRow, MEMBER, UNHEARD};
use super::status::{StoredIncident, expected_first};
use super::{ActiveConfig, Dirty, Evaluator, HandedIn, HandingIn, Ids, Incidents, Pending, Policies};

impl Evaluator {
    /// Restores everything from the store; the evaluator of a process that is alone.
    pub fn new(plan: &Arc<Plan>, alerting: &Arc<Alerting>, remembered: &StartState, now: Moment) -> Self {
        Self::restored(plan, alerting, remembered, Role::Single, now)
    }

    /// Restores everything, for a process that has this part.
    pub(super) fn restored(plan: &Arc<Plan>, alerting: &Arc<Alerting>, remembered: &StartState, role: Role, now: Moment) -> Self {
        let (mut evaluator, changed) = Self::without_incidents(plan, alerting, remembered, role, now);
        let facts: Vec<Arc<Fact>> = changed.iter().filter_map(|changed| changed.fact.clone()).collect();
        evaluator.restore_evaluation(remembered, &facts, now);
        for changed in changed {
            evaluator.put(&changed.key, changed.fact);
        }
        evaluator.say_roots(now);
        evaluator.resume(now);
        evaluator.show_counts();
        evaluator
    }

    /// Restores what runs said, and nothing about incidents.
    pub(super) fn without_incidents(
        plan: &Arc<Plan>,
        alerting: &Arc<Alerting>,
        remembered: &StartState,
        role: Role,
        now: Moment,
    ) -> (Self, Vec<Changed>) {
        let watched = role.watched_plan(plan, &Policies::default());
        let config = ActiveConfig::new(Arc::clone(&watched), Arc::clone(alerting));
        let (conditions, changed) = Conditions::new(Arc::clone(plan), Arc::clone(alerting), &remembered.states, now);
        let mut mutes = Muting::default();
        mutes.apply(&watched, now);
        let evaluator = Self {
            delivery: Delivery::new(config.channels(), now),
            config,
            links: None,
            conditions,
            role,
            loaded: (Arc::clone(plan), Arc::clone(alerting)),
            own: HashMap::new(),
            wanted: Vec::new(),
            passed_roots: HashMap::new(),
            mirrored: None,
            may_send: true,
            settled: BTreeSet::new(),
            closed: ClosedFacts::default(),
            handing_in: HandingIn::default(),
            handed_in: HandedIn::default(),
            others: OtherFacts::default(),
            policies: Policies::default(),
            facts: super::Facts::default(),
            incidents: Incidents::default(),
            records: ScopeRecords::default(),
            mutes,
            unheard: Unheard::default(),
            roots: Roots::new(&watched),
            ids: Ids::default(),
            pending: Pending::default(),
            removals: BTreeMap::new(),
            gone: BTreeSet::new(),
            dirty: Dirty::default(),
            ran: plan.canaries.iter().map(|canary| canary.id.clone()).collect(),
            run_ended: false,
            run_expected: expected_first(plan, now),
        };
        evaluator.config.alerting.channels.iter().for_each(|channel| metrics::channel(&channel.name));
        (evaluator, changed)
    }

    /// Restores incidents, and what channels took and were asked to take. `facts` are those that the conditions restored.
    pub(super) fn restore_evaluation(&mut self, remembered: &StartState, facts: &[Arc<Fact>], now: Moment) {
        self.records = ScopeRecords::restore(&remembered.states, remembered.damaged.is_some(), now.steady);
        let tries = tries_of(remembered);
        self.restore_incidents(remembered, &tries, now);
        self.migrate(remembered, facts, now);
        self.closed = ClosedFacts::restore(&remembered.states);
        self.handed_in = HandedIn::restore(&remembered.states);
        self.restore_unheard(remembered);
        self.restore_channels(remembered, now);
        self.restore_tries(tries, now);
    }

    /// Messages from now on have links that open without a log-in.
    pub fn sign_links(&mut self, links: LinkKey) {
        self.links = Some(links);
    }

    fn restore_incidents(&mut self, remembered: &StartState, tries: &[Try], now: Moment) {
        // The revision up to which tries cover each incident; the next one must be higher.
        let mut with_tries: BTreeMap<&str, u64> = BTreeMap::new();
        for about in tries.iter().flat_map(|it| &it.about) {
            let covered = about.cover.as_ref().map_or(0, |cover| cover.revision);
            let known = with_tries.entry(&about.incident).or_default();
            *known = covered.max(*known);
        }
        let mut states: BTreeMap<&str, Vec<&RestoredState>> = BTreeMap::new();
        for state in remembered.states.iter().filter(|state| state.kind == MEMBER || state.kind == COVER) {
            let (id, _) = state.key.split_once('/').unwrap_or((&state.key, ""));
            states.entry(id).or_default().push(state);
        }
        for row in &remembered.incidents {
            self.ids.after(&row.id);
            if is_former(row) {
                continue;
            }
            match restored(row, states.get(&*row.id).map_or(&[], Vec::as_slice), now) {
                Ok(mut incident) if incident.end.is_none() => {
                    incident.revision = with_tries.get(&*row.id).copied().unwrap_or(0).max(incident.revision);
                    self.incidents.by_id.insert(incident.id.clone(), incident.scope.clone());
                    self.incidents.open.insert(incident.scope.clone(), incident);
                }
                // What was in flight when the process before died is perhaps open.
                Ok(incident) if with_tries.contains_key(&*row.id) || incident.told.values().any(Told::has_open) => {
                    self.incidents.ended.insert(incident.id.clone(), incident);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(incident = row.id, %error, "an incident cannot be read and is left out"),
            }
        }
    }

    /// Migrates the incidents of the version before.
    fn migrate(&mut self, remembered: &StartState, facts: &[Arc<Fact>], now: Moment) {
        let migrated = migrate(remembered, &self.config.alerting, facts, now);
        self.dirty.commit.append(migrated.commit);
        for incident in migrated.incidents {
            self.dirty.incident(&incident.id);
            incident.members.keys().for_each(|key| self.dirty.member(&incident.id, key));
            incident.told.keys().for_each(|channel| self.dirty.told(&incident.id, channel));
            if incident.end.is_none() {
                self.incidents.by_id.insert(incident.id.clone(), incident.scope.clone());
                self.incidents.open.insert(incident.scope.clone(), incident);
            } else {
                self.incidents.ended.insert(incident.id.clone(), incident);
            }
        }
    }

    fn restore_tries(&mut self, tries: Vec<Try>, now: Moment) {
        let (tries, forgotten): (Vec<Try>, Vec<Try>) = tries.into_iter().partition(|attempt| self.is_about_something(attempt));
        for attempt in forgotten {
            self.dirty.dropped(&attempt, now);
        }
        for attempt in &tries {
            for about in &attempt.about {
                self.perhaps(attempt, about);
            }
        }
        let mut forgotten = self.delivery.restore(tries, now);
        // Rings of ended incidents are not repeated.
        forgotten.extend(self.incidents.ended.keys().flat_map(|id| self.delivery.forget_rings_of(id)));
        for attempt in forgotten {
            self.dirty.dropped(&attempt, now);
        }
    }

    /// Whether any incident of a try is known.
    fn is_about_something(&self, attempt: &Try) -> bool {
        let known = |incident: &str| incident == unheard::INCIDENT || self.incidents.find(incident).is_some();
        attempt.about.iter().any(|about| known(&about.incident))
    }

    fn restore_channels(&mut self, remembered: &StartState, now: Moment) {
        for state in remembered.states.iter().filter(|state| state.kind == CHANNEL) {
            if !self.config.has_channel(&state.key) {
                self.dirty.channel_gone(&state.key);
                continue;
            }
            match serde_json::from_str::<ChannelHealthRow>(&state.json) {
                Ok(kept) if kept.config != self.config.fingerprint(&state.key) => self.dirty.channel_gone(&state.key),
                Ok(kept) => {
                    let failing = kept.health.failing.map(|since| since.min(now.steady));
                    self.delivery.restore_health(&state.key, Health { failing });
                }
                Err(error) => tracing::error!(channel = state.key, %error, "how a channel fares cannot be read and is left out"),
            }
        }
    }

    fn restore_unheard(&mut self, remembered: &StartState) {
        for state in remembered.states.iter().filter(|state| state.kind == UNHEARD) {
            if let Err(error) = self.unheard.restore(&state.key.as_str().into(), &state.json) {
                tracing::error!(channel = state.key, %error, "what a channel never got cannot be read and is left out");
            }
        }
    }

    /// Marks everything once; members without a fact are settled or not watched any more.
    pub(super) fn resume(&mut self, now: Moment) {
        let gone = self.unwatched();
        for key in gone {
            self.removals.entry(key).or_insert(now.steady);
        }
        let mut touched = Vec::new();
        for (scope, incident) in &self.incidents.open {
            for key in incident.members.keys().filter(|key| !self.removals.contains_key(*key)) {
                touched.push((scope.clone(), Some(key.clone())));
            }
            touched.push((scope.clone(), None));
        }
        for (scope, key) in touched {
            self.pending.touched.entry(scope).or_default().extend(key);
        }
        self.pending.ended.extend(self.incidents.ended.keys().cloned());
    }
}

/// The tries that have no outcome.
fn tries_of(remembered: &StartState) -> Vec<Try> {
    let mut tries = Vec::new();
    for row in &remembered.tries {
        match serde_json::from_str::<Try>(&row.json) {
            Ok(attempt) => tries.push(attempt),
            Err(error) => tracing::error!(attempt = row.id, %error, "a try cannot be read and is made anew if it is due"),
        }
    }
    tries
}

/// An incident of a row, with its members and covers.
fn restored(row: &IncidentRow, states: &[&RestoredState], now: Moment) -> Result<Incident, serde_json::Error> {
    let stored: StoredIncident = serde_json::from_str(&row.json)?;
    let mut incident = stored.incident;
    let prefix = format!("{}/", row.id);
    for state in states {
        match &*state.kind {
            MEMBER => {
                let member: Member = serde_json::from_str(&state.json)?;
                incident.members.insert(member.fact.key.clone(), member);
            }
            COVER => {
                let told: Told = serde_json::from_str(&state.json)?;
                incident.told.insert(state.key[prefix.len()..].into(), told);
            }
            _ => {}
        }
    }
    // Rows of members and covers may be newer than the incident's row.
    let of_members = incident.members.values().flat_map(|member| member.crossed.into_iter().chain([member.began]));
    let of_covers = incident.told.values().filter_map(|told| told.cover.as_ref()).map(|cover| cover.revision);
    incident.revision = of_members.chain(of_covers).fold(incident.revision, u64::max);
    incident.not_after(now.steady);
    Ok(incident)
}
