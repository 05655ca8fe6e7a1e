//! The evaluator in a fleet: every process reports the facts of its own region, and one of them evaluates the facts of all.
//!
//! Owns the [`Role`], what leaves a process as rows of facts, what comes from others, and the two changes of role. What a process
//! reports is its own; only who evaluates has incidents, covers and tries, all from the store and the facts, so that a takeover
//! needs no event.
//!
//! Several regions may report a fact under one key: `across`, an objective or a subject of a probe. Each region judges its own runs,
//! and the fact of the fleet is [merged](merged) of theirs. Facts about channels and regions are the evaluator's own and never leave
//! it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Evaluation, Moment};
use crate::history::{Epoch, FactRow, FactView, StartState};
use crate::outcome::{RunReport, Trigger};
use crate::plan::{Alerting, Plan};

use super::super::condition::{Changed, Count, Input};
use super::super::delivery::Delivery;
use super::super::delivery::unheard::Unheard;
use super::super::explain::Roots;
use super::super::fact::LastRun;
use super::super::scope_records::ScopeRecords;
use super::super::status::Status;
use super::super::{Fact, FactKey, Scope, State};
use super::closed::ClosedFacts;
use super::{ActiveConfig, Evaluator, Facts, HandedIn, HandingIn, Ids, Incidents, Pending, Policies};

/// How often it is reported that a root is well.
const ROOTS: Duration = Duration::from_secs(30);

/// The part that this process has in alerting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// It is the only process.
    Single,
    /// It reports the facts of its region; another process evaluates them.
    Reports,
    /// It reports those of its region and evaluates those of all, under this epoch of the evaluator's lease.
    Evaluates(Epoch),
    /// It cannot reach the others since then: it evaluates the facts of its own region, under keys of its own.
    Alone(Duration),
    /// It reaches the others again, and has until then to end what it told alone.
    Rejoins(Duration),
}

impl Role {
    /// Where pages go. Keys of a process that is alone begin with its region, since another one may tell of the same.
    pub(super) fn alerting(&self, plan: &Plan, alerting: &Arc<Alerting>) -> Arc<Alerting> {
        match self {
            Self::Single | Self::Reports | Self::Evaluates(_) => Arc::clone(alerting),
            Self::Alone(_) | Self::Rejoins(_) => {
                Arc::new(Alerting { origin: Some(plan.member().into()), ..Alerting::clone(alerting) })
            }
        }
    }

    /// Since when this process is alone.
    pub(super) fn alone(&self) -> Option<Duration> {
        match self {
            Self::Alone(since) => Some(*since),
            Self::Single | Self::Reports | Self::Evaluates(_) | Self::Rejoins(_) => None,
        }
    }

    /// Whether this process tells by itself, or has still to end what it told so.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self, Self::Alone(_) | Self::Rejoins(_))
    }

    /// Until when this role lasts at most.
    pub(super) fn until(&self) -> Option<Duration> {
        match self {
            Self::Rejoins(until) => Some(*until),
            Self::Single | Self::Reports | Self::Evaluates(_) | Self::Alone(_) => None,
        }
    }

    /// The epoch of the evaluator's lease, where this process has it.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        match self {
            Self::Evaluates(epoch) => Some(*epoch),
            Self::Single | Self::Reports | Self::Alone(_) | Self::Rejoins(_) => None,
        }
    }

    /// What is watched: what this process probes, or what all processes of its fleet do. Who evaluates goes by the newest policies.
    pub(super) fn watched_plan(&self, plan: &Arc<Plan>, policies: &Policies) -> Arc<Plan> {
        match self {
            Self::Single | Self::Alone(_) | Self::Rejoins(_) => Arc::clone(plan),
            Self::Reports => plan.of_fleet(),
            Self::Evaluates(_) => plan.with_policies(&policies.newer(plan)).of_fleet(),
        }
    }
}

/// The facts of other regions that are not well, by key and region.
#[derive(Debug, Default)]
pub(super) struct OtherFacts(HashMap<FactKey, BTreeMap<Arc<str>, Arc<Fact>>>);

impl OtherFacts {
    /// Whether any other region has this fact.
    pub(super) fn has(&self, key: &FactKey) -> bool {
        self.0.contains_key(key)
    }

    /// Replaces the fact of a region; one that is well is forgotten.
    fn put(&mut self, region: &Arc<str>, key: &FactKey, fact: Option<&Arc<Fact>>) {
        match fact.filter(|fact| fact.state != State::Well) {
            Some(fact) => {
                self.0.entry(key.clone()).or_default().insert(Arc::clone(region), Arc::clone(fact));
            }
            None => {
                if let Some(parts) = self.0.get_mut(key) {
                    parts.remove(region);
                    if parts.is_empty() {
                        self.0.remove(key);
                    }
                }
            }
        }
    }

    /// Takes the facts of all regions out.
    fn take(&mut self, key: &FactKey) -> BTreeMap<Arc<str>, Arc<Fact>> {
        self.0.remove(key).unwrap_or_default()
    }

    /// The facts of these regions.
    fn of_regions(&self, is_meant: impl Fn(&str) -> bool) -> Vec<(Arc<str>, FactKey)> {
        let all = self.0.iter().flat_map(|(key, parts)| parts.keys().map(move |region| (Arc::clone(region), key.clone())));
        all.filter(|(region, _)| is_meant(region)).collect()
    }

    fn of<'a>(&'a self, key: &FactKey) -> impl Iterator<Item = &'a Arc<Fact>> + use<'a> {
        self.0.get(key).into_iter().flat_map(BTreeMap::values)
    }
}

impl Evaluator {
    /// The evaluator of a process in a fleet, which only reports so far. `reported` is what the store has of this region: policies, and
    /// facts that are not well; what is not so any more is taken back.
    pub fn in_fleet(
        plan: &Arc<Plan>,
        alerting: &Arc<Alerting>,
        remembered: &StartState,
        reported: &[FactView],
        now: Moment,
    ) -> Self {
        let (mut evaluator, changed) = Self::without_incidents(plan, alerting, remembered, Role::Reports, now);
        for Changed { key, fact } in changed {
            evaluator.report(&key, fact.as_ref());
        }
        evaluator.policies = Policies::reported(reported);
        evaluator.handing_in = HandingIn::reported(reported);
        evaluator.report_policies(now);
        let facts = reported.iter().filter(|row| Policies::probe_of(&row.key).is_none());
        for key in facts.filter_map(|row| FactKey::try_from(row.key.clone()).ok()) {
            if evaluator.own.contains_key(&key) {
                continue;
            }
            let well = Arc::new(Fact::well(key.clone(), scope_of(&key)));
            if evaluator.config.watches(&key) {
                evaluator.write_fact(&key, Some(&well));
            } else {
                // It may come back within a minute, as after any start.
                evaluator.own.insert(key.clone(), well);
                evaluator.removals.insert(key, now.steady);
            }
        }
        evaluator
    }

    /// This process evaluates from now on: what is told follows from what the store has, and from the facts of all regions.
    pub fn take_over(&mut self, epoch: Epoch, remembered: &StartState, facts: Vec<FactView>, now: Moment) {
        self.evaluate(Role::Evaluates(epoch), remembered, facts, now);
        self.show_counts();
    }

    /// How everything stands as whoever evaluates knows it, told by a process that only reports.
    pub fn status_of(&mut self, known: &Evaluation, now: Moment) -> Status {
        if self.role != Role::Reports {
            return self.status(now);
        }
        let removals = self.removals.clone();
        self.evaluate(Role::Evaluates(Epoch(0)), &known.remembered, known.facts.clone(), now);
        // Who evaluates says which regions are missed; here they are only told apart from those that were never heard of.
        let _missed = self.conditions.take(Input::RegionsHeard(&known.heard), now);
        let status = self.status(now);
        self.becomes(Role::Reports, now);
        self.removals = removals;
        status
    }

    /// Whether this process knows the incidents by itself.
    pub fn evaluates(&self) -> bool {
        self.role != Role::Reports
    }

    fn evaluate(&mut self, role: Role, remembered: &StartState, facts: Vec<FactView>, now: Moment) {
        self.policies.forget_others();
        let (_, facts) = self.take_policies(facts);
        self.becomes(role, now);
        self.restore_evaluation(remembered, &[], now);
        let missed: Vec<(Arc<str>, Duration)> = self.missed_regions().collect();
        for fact in self.conditions.facts() {
            self.put(&fact.key.clone(), Some(fact));
        }
        for Changed { key, fact } in self.conditions.judge_regions(&missed, now) {
            self.put(&key, fact);
        }
        self.facts_of_others(facts, now);
        self.say_roots(now);
        self.resume(now);
        self.incidents.changed.extend(self.config.plan.probes.iter().map(|probe| Arc::clone(&probe.name)));
    }

    /// The regions that nobody has spoken for, as the incidents say, and since when.
    fn missed_regions(&self) -> impl Iterator<Item = (Arc<str>, Duration)> {
        let members = self.incidents.open.values().flat_map(|incident| &incident.members);
        members.filter(|(_, member)| member.fails()).filter_map(|(key, member)| match key {
            FactKey::Region(region) => Some((Arc::clone(region), member.fact.since)),
            _ => None,
        })
    }

    /// Another process evaluates from now on. What this one had not written is not written any more.
    pub fn stand_down(&mut self, now: Moment) {
        self.becomes(Role::Reports, now);
        self.show_counts();
    }

    /// Whether anything may be sent now.
    pub(super) fn sends(&self) -> bool {
        self.may_send || self.speaks_alone()
    }

    /// Whether this process is certain that it may speak for its fleet.
    pub fn set_may_send(&mut self, may_send: bool) {
        self.may_send = may_send;
    }

    /// Takes another role, and forgets what only who evaluates has.
    pub(super) fn becomes(&mut self, role: Role, now: Moment) {
        self.role = role;
        self.configure();
        self.mutes.apply(&self.config.plan, now);
        self.reset(now);
    }

    /// Makes the configuration of what was loaded, as this role has it. Returns the one before.
    pub(super) fn configure(&mut self) -> ActiveConfig {
        let (plan, alerting) = &self.loaded;
        let config = ActiveConfig::new(self.role.watched_plan(plan, &self.policies), self.role.alerting(plan, alerting));
        std::mem::replace(&mut self.config, config)
    }

    /// Forgets everything that only who evaluates has.
    fn reset(&mut self, now: Moment) {
        self.facts = Facts::default();
        self.others = OtherFacts::default();
        let open: Vec<Scope> = self.incidents.open.keys().cloned().collect();
        for scope in &open {
            self.incidents.note_severity(scope, None);
        }
        let (changed, changed_scopes) =
            (std::mem::take(&mut self.incidents.changed), std::mem::take(&mut self.incidents.changed_scopes));
        self.incidents = Incidents { changed, changed_scopes, ..Incidents::default() };
        self.records = ScopeRecords::default();
        self.delivery = Delivery::new(self.config.channels(), now);
        self.unheard = Unheard::default();
        self.roots = Roots::new(&self.config.plan);
        self.ids = Ids::default();
        self.pending = Pending::default();
        self.gone.clear();
        self.settled.clear();
        self.closed = ClosedFacts::default();
        self.handed_in = HandedIn::default();
        self.dirty.forget_evaluation();
        self.conditions.forget_regions();
    }

    /// Takes a fact of this process: it is reported, and evaluated where this process does that.
    pub(super) fn put_own(&mut self, key: &FactKey, fact: Option<Arc<Fact>>) {
        if self.role == Role::Single {
            return self.put(key, fact);
        }
        if !is_evaluators(key) {
            self.report(key, fact.as_ref());
        }
        if matches!(self.role, Role::Evaluates(_) | Role::Alone(_)) {
            let fact = merged(fact.into_iter().chain(self.others.of(key).cloned()));
            self.put(key, fact);
        }
    }

    /// A fact of this process is not watched any more.
    pub(super) fn remove(&mut self, key: &FactKey) {
        if self.role != Role::Single && !is_evaluators(key) {
            self.report(key, None);
        }
        match (&self.role, merged(self.others.of(key).cloned())) {
            (Role::Reports | Role::Rejoins(_), _) => {}
            (Role::Evaluates(_), Some(fact)) => self.put(key, Some(fact)),
            (Role::Evaluates(_) | Role::Alone(_) | Role::Single, _) => self.remove_evaluated(key),
        }
    }

    /// Writes down a fact of this region, if it is another one than before.
    fn report(&mut self, key: &FactKey, fact: Option<&Arc<Fact>>) {
        let known = self.own.get(key);
        if known == fact || (known.is_none() && fact.is_some_and(|fact| fact.state == State::Well && fact.last.is_none())) {
            return;
        }
        let failed = known.is_some_and(|known| known.level().is_some());
        self.want_roots(key, !failed && fact.is_some_and(|fact| fact.level().is_some()));
        match fact.filter(|fact| fact.state != State::Well) {
            Some(fact) => self.own.insert(key.clone(), Arc::clone(fact)),
            None => self.own.remove(key),
        };
        self.write_fact(key, fact);
    }

    /// Brings the next run of what a canary needs forward where it begins to fail: the answer explains it or does not, and only this
    /// process can have it run.
    fn want_roots(&mut self, key: &FactKey, begins: bool) {
        if let (FactKey::Canary(id), true) = (key, begins) {
            self.wanted.extend(self.roots.needed_by(id));
        }
    }

    fn write_fact(&mut self, key: &FactKey, fact: Option<&Arc<Fact>>) {
        let well = fact.is_none_or(|fact| fact.state == State::Well);
        let json = fact.map(|fact| serde_json::to_string(&**fact).expect("its keys are texts"));
        self.dirty.commit.facts.push(FactRow { key: key.to_string(), json, well });
    }

    /// Reports that a root ran and is well: who evaluates must know it, to say what its failures do not explain.
    pub(super) fn report_root(&mut self, report: &RunReport, now: Moment) {
        let id = &report.canary.id;
        let key = FactKey::Canary(id.clone());
        let passed = Count::of(report) == Count::Pass;
        if self.role == Role::Single || !passed || !self.roots.is_root(id) || self.own.contains_key(&key) {
            return;
        }
        // One that was asked for is waited for; of the others some do.
        let last = self.passed_roots.get(id).copied();
        if report.trigger != Trigger::Needed && last.is_some_and(|last| now.steady < last + ROOTS) {
            return;
        }
        self.passed_roots.insert(id.clone(), now.steady);
        let last = LastRun { failed: false, started: now.steady.saturating_sub(report.duration), ended: now.steady };
        let region = Arc::clone(&report.canary.region.name);
        let well = Fact { last: Some(last), region, ..Fact::well(key.clone(), scope_of(&key)) };
        self.report(&key, Some(&Arc::new(well)));
    }

    /// Takes facts of other regions, in the order in which they were written.
    pub(super) fn facts_of_others(&mut self, facts: Vec<FactView>, now: Moment) {
        if !matches!(self.role, Role::Evaluates(_)) {
            return;
        }
        let (have_changed, facts) = self.take_policies(facts);
        if have_changed {
            self.apply_policies(now);
        }
        let facts = self.take_told(facts, now);
        for FactView { key, region, json } in facts {
            let region: Arc<str> = region.into();
            if !self.config.plan.declares(&region) {
                continue;
            }
            match read(key, json.as_deref()) {
                Ok((key, fact)) => self.fact_of_other(&region, &key, fact, now),
                Err(error) => tracing::error!(%region, %error, "a fact cannot be read and is left out; which version wrote it?"),
            }
        }
    }

    /// Somebody closed these: the processes that report them cannot be asked, so that it is remembered here.
    pub(super) fn close_others(&mut self, keys: &[FactKey]) {
        for key in keys {
            for (region, fact) in self.others.take(key) {
                let row = self.closed.close(&region, key, &fact);
                self.dirty.commit.states.push(row);
            }
        }
    }

    /// A fact of another region; well, if it is the one that somebody closed.
    fn unless_closed(&mut self, region: &Arc<str>, fact: Arc<Fact>) -> Arc<Fact> {
        let (is_closed, forgotten) = self.closed.take(region, &fact);
        self.dirty.commit.states.extend(forgotten);
        if is_closed { Arc::new(Fact { state: State::Well, ..Fact::clone(&fact) }) } else { fact }
    }

    /// Forgets the facts of regions that are not declared any more: nobody reports them, and nobody will end them.
    pub(super) fn forget_undeclared(&mut self, now: Moment) {
        for (region, key) in self.others.of_regions(|region| !self.config.plan.declares(region)) {
            self.fact_of_other(&region, &key, None, now);
        }
    }

    fn fact_of_other(&mut self, region: &Arc<str>, key: &FactKey, fact: Option<Fact>, now: Moment) {
        let fact = fact.map(|mut fact| {
            fact.not_after(now.steady);
            Arc::new(fact)
        });
        let fact = fact.map(|fact| self.unless_closed(region, fact));
        if let (FactKey::Canary(id), Some(last)) = (key, fact.as_ref().and_then(|fact| fact.last)) {
            self.roots.ran(id, last, now);
        }
        self.others.put(region, key, fact.as_ref());
        if fact.as_ref().is_some_and(|fact| fact.state == State::Well) {
            self.settled.insert(key.clone());
        }
        let removed = fact.is_none();
        let well = fact.filter(|fact| fact.state == State::Well);
        match merged(self.own.get(key).cloned().into_iter().chain(self.others.of(key).cloned()).chain(well)) {
            None if removed => self.remove_evaluated(key),
            fact => {
                self.removals.remove(key);
                self.put(key, fact);
            }
        }
    }
}

/// Whether a fact is about what only who evaluates knows.
fn is_evaluators(key: &FactKey) -> bool {
    matches!(key, FactKey::Channel(_) | FactKey::Region(_))
}

fn read(key: String, json: Option<&str>) -> Result<(FactKey, Option<Fact>), Box<dyn std::error::Error>> {
    let key = FactKey::try_from(key)?;
    Ok((key, json.map(serde_json::from_str).transpose()?))
}

/// The scope of a fact that is well again, and of which nothing more is known.
fn scope_of(key: &FactKey) -> Scope {
    match key {
        FactKey::Subject(probe, subject) => Scope::Subject(Arc::clone(probe), Arc::clone(subject)),
        FactKey::OtherSubjects(probe) => Scope::Subjects(Arc::clone(probe)),
        FactKey::Leak(probe, _) => Scope::Leak(Arc::clone(probe)),
        FactKey::Restarts(process) => Scope::Restarts(Arc::clone(process)),
        FactKey::Channel(name) => Scope::Channel(Arc::clone(name)),
        FactKey::Region(region) => Scope::Blind(Arc::clone(region)),
        FactKey::NoData(_) => Scope::NoData(key.probe().unwrap_or_default().into()),
        FactKey::Canary(_) | FactKey::Across(_) | FactKey::Objective(..) => Scope::Probe(key.probe().unwrap_or_default().into()),
    }
}

/// One fact of those that several regions report under one key, each of its own runs: as bad as the worst of them, since the first
/// of them, with the shares of all. The worst one says the rest.
fn merged(parts: impl Iterator<Item = Arc<Fact>>) -> Option<Arc<Fact>> {
    let parts: Vec<Arc<Fact>> = parts.collect();
    let worst = parts.iter().max_by_key(|fact| (rank(fact), std::cmp::Reverse(fact.since)))?;
    if parts.iter().filter(|fact| fact.state != State::Well).count() < 2 {
        return Some(Arc::clone(worst));
    }
    let not_well = || parts.iter().filter(|fact| fact.state != State::Well);
    let mut fact = Fact::clone(worst);
    fact.since = not_well().map(|fact| fact.since).min().unwrap_or(fact.since);
    fact.last_failed = not_well().filter_map(|fact| fact.last_failed).max();
    (fact.failed, fact.of) = not_well().fold((0, 0), |sum, fact| (sum.0 + fact.failed, sum.1 + fact.of));
    fact.shares = not_well().flat_map(|fact| fact.shares.clone()).collect();
    fact.holds_alone = not_well().any(|fact| fact.holds_alone);
    fact.region = Arc::from("");
    Some(Arc::new(fact))
}

/// How bad a fact is.
fn rank(fact: &Fact) -> (u8, bool) {
    use super::super::fact::Level;
    let state = match fact.state {
        State::Well => 0,
        State::Suspect => 1,
        State::Failing(Level::Warn) => 2,
        State::Failing(Level::Page) => 3,
    };
    (state, fact.holds_alone)
}
