//! The policies of probes, as the processes of a fleet have loaded them.
//!
//! A process reports the policies of its probes beside its facts, each with the time at which it first loaded it. Who evaluates goes by
//! the newest of them, its own included, so that a roll-out counts from the first process that has it. A restart with the same policy is
//! no newer load.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alert::Moment;
use crate::history::{FactRow, FactView};
use crate::plan::{Plan, ProbePolicy};

use super::Evaluator;

/// Before the probe's name in the keys of its rows.
const PREFIX: &str = "policy/";

/// A policy, and since when a process has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Loaded {
    /// By the wall clock of that process, in milliseconds since the epoch.
    loaded_ms: i64,
    policy: ProbePolicy,
}

/// What this process and the others have loaded.
#[derive(Debug, Default)]
pub(super) struct Policies {
    /// What this process has reported, by probe.
    own: BTreeMap<Arc<str>, Loaded>,
    /// What others have, by probe and by who reports it.
    others: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Loaded>>,
}

impl Policies {
    /// The probe whose policy a row has; none if it is a fact.
    pub(super) fn probe_of(key: &str) -> Option<&str> {
        key.strip_prefix(PREFIX)
    }

    /// Those that an earlier process of this region has reported.
    pub(super) fn reported(rows: &[FactView]) -> Self {
        let one = |row: &FactView| Some((Self::probe_of(&row.key)?.into(), read(row)?));
        Self { own: rows.iter().filter_map(one).collect(), others: BTreeMap::new() }
    }

    /// This process has loaded a plan. Returns what is to be reported of it.
    pub(super) fn load(&mut self, plan: &Plan, now: Moment) -> Vec<FactRow> {
        let mut rows = Vec::new();
        let mut before = std::mem::take(&mut self.own);
        for probe in &plan.probes {
            let policy = probe.policy();
            let known = before.remove(&probe.name).filter(|known| known.policy == policy);
            let loaded = known.unwrap_or_else(|| {
                let loaded = Loaded { loaded_ms: now.wall_ms(), policy };
                let json = serde_json::to_string(&loaded).expect("its keys are texts");
                rows.push(FactRow { key: format!("{PREFIX}{}", probe.name), json: Some(json), well: false });
                loaded
            });
            self.own.insert(Arc::clone(&probe.name), loaded);
        }
        rows.extend(before.into_keys().map(|name| FactRow { key: format!("{PREFIX}{name}"), json: None, well: true }));
        rows
    }

    /// Takes what another process has reported, or takes back. Returns whether it says something new.
    pub(super) fn take(&mut self, row: &FactView) -> bool {
        let Some(probe) = Self::probe_of(&row.key) else { return false };
        let loaded = row.json.is_some().then(|| read(row)).flatten();
        let of_probe = self.others.entry(probe.into()).or_default();
        let is_new = of_probe.get(&*row.region) != loaded.as_ref();
        match loaded {
            Some(loaded) => of_probe.insert(row.region.as_str().into(), loaded),
            None => of_probe.remove(&*row.region),
        };
        if of_probe.is_empty() {
            self.others.remove(probe);
        }
        is_new
    }

    /// Forgets what others have reported.
    pub(super) fn forget_others(&mut self) {
        self.others.clear();
    }

    /// The newest policy of each probe that others have loaded later than this process, which has this plan, in regions that it declares.
    /// Where two were loaded at the same time, all processes choose the same.
    pub(super) fn newer(&self, plan: &Plan) -> BTreeMap<Arc<str>, &ProbePolicy> {
        let own = plan.member();
        let mut newer = BTreeMap::new();
        for (name, of_probe) in &self.others {
            let declared = of_probe.iter().filter(|(region, _)| plan.declares(region));
            let Some((region, newest)) = declared.max_by_key(|(region, loaded)| (loaded.loaded_ms, *region)) else { continue };
            let mine = self.own.get(name).map(|mine| (mine.loaded_ms, &*own));
            if mine.is_none_or(|mine| mine < (newest.loaded_ms, &**region)) {
                newer.insert(Arc::clone(name), &newest.policy);
            }
        }
        newer
    }
}

impl Evaluator {
    /// Takes the policies out of what others have reported, and leaves the facts. Returns whether they say something new.
    pub(super) fn take_policies(&mut self, rows: Vec<FactView>) -> (bool, Vec<FactView>) {
        let (policies, facts): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| Policies::probe_of(&row.key).is_some());
        let mut have_changed = false;
        for row in &policies {
            have_changed |= self.policies.take(row);
        }
        (have_changed, facts)
    }

    /// Goes by the policies that are the newest now. The channels stay as they are, removed ones that still have to end something included.
    pub(super) fn apply_policies(&mut self, now: Moment) {
        self.config.retired = self.configure().retired;
        self.roots.apply(&self.config.plan);
        self.mutes.apply(&self.config.plan, now);
        self.say_roots(now);
        self.touch_open();
    }

    /// Reports the policies of what this process has loaded.
    pub(super) fn report_policies(&mut self, now: Moment) {
        let rows = self.policies.load(&self.loaded.0, now);
        self.dirty.commit.facts.extend(rows);
    }
}

/// What a row says; nothing, which is logged, if this version cannot read it.
fn read(row: &FactView) -> Option<Loaded> {
    let read = serde_json::from_str(row.json.as_deref()?);
    read.inspect_err(|error| {
        let (key, region) = (&row.key, &row.region);
        tracing::error!(key, region, %error, "what a process has loaded cannot be read and is left out; which version wrote it?");
    })
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::testing::moment;
    use crate::plan::{Probe, testing};

    fn plan(owner: &str) -> Arc<Plan> {
        testing::plan(vec![Probe { owner: Some(owner.to_owned()), ..testing::probe("p") }], &["eu"])
    }

    fn view(region: &str, row: &FactRow) -> FactView {
        FactView { key: row.key.clone(), region: region.to_owned(), json: row.json.clone() }
    }

    /// What a process of this region reports that loads this owner then.
    fn reported(region: &str, owner: &str, second: u64) -> FactView {
        view(region, &Policies::default().load(&plan(owner), moment(second))[0])
    }

    /// That of a process of eu, which knows the others.
    fn eu() -> Plan {
        let known_regions = ["eu", "us", "ap"].map(Arc::from).to_vec();
        Plan { known_regions, ..Plan::clone(&plan("ann")) }
    }

    fn owner(policies: &Policies) -> Option<String> {
        policies.newer(&eu()).get("p").and_then(|policy| policy.owner.clone())
    }

    #[test]
    fn the_newest_load_counts_and_a_start_with_the_same_is_none() {
        let mut policies = Policies::default();
        let rows = policies.load(&plan("ann"), moment(100));
        assert_eq!(rows.len(), 1);
        assert!(policies.take(&reported("us", "bob", 99)));
        assert_eq!(owner(&policies), None, "what this process has is newer");
        assert!(policies.take(&reported("us", "bob", 101)));
        assert_eq!(owner(&policies).as_deref(), Some("bob"));
        assert!(policies.take(&reported("ap", "eve", 200)));
        assert_eq!(owner(&policies).as_deref(), Some("eve"));
        assert!(!policies.take(&reported("ap", "eve", 200)), "nothing new");
        // The process starts again, with what it had.
        let mut again = Policies::reported(&[view("eu", &rows[0])]);
        assert!(again.load(&plan("ann"), moment(300)).is_empty());
        again.take(&reported("us", "bob", 101));
        assert_eq!(owner(&again).as_deref(), Some("bob"));
        assert_eq!(again.load(&plan("dan"), moment(301)).len(), 1, "it has another one");
        assert_eq!(owner(&again), None);
    }

    #[test]
    fn a_probe_that_is_gone_is_taken_back_and_what_cannot_be_read_counts_as_nothing() {
        let mut policies = Policies::default();
        policies.load(&plan("ann"), moment(100));
        let empty = testing::plan(Vec::new(), &["eu"]);
        let rows = policies.load(&empty, moment(101));
        assert_eq!(rows, [FactRow { key: "policy/p".to_owned(), json: None, well: true }]);
        policies.take(&reported("us", "bob", 50));
        assert_eq!(owner(&policies).as_deref(), Some("bob"), "only others have it");
        policies.take(&FactView { json: Some("{}".to_owned()), ..reported("us", "bob", 60) });
        assert_eq!(owner(&policies), None);
        policies.take(&reported("us", "bob", 70));
        policies.take(&FactView { json: None, ..reported("us", "bob", 80) });
        assert_eq!(owner(&policies), None);
    }
}
