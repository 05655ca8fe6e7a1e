//! Test data that cannot be removed: entries of the cleanup ledger that were given up.
//!
//! A leak warns until it is swept or forgotten, even if its probe is renamed or removed. The row therefore stores the owner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Changed, Input, PlanContext, RowKind, RuleEvent, Rules, evidence, row, to_json};
use crate::alert::Moment;
use crate::alert::fact::Level;
use crate::alert::{Fact, FactKey, Scope, State};
use crate::history::{RestoredState, StateRow};

/// Longest sentence that is kept of why, in characters.
const WORDS: usize = 300;

/// A leak as the store keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct LeakRow {
    probe: Arc<str>,
    since_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<Arc<str>>,
}

#[derive(Debug)]
struct Leak {
    probe: Arc<str>,
    /// When it was given up; steady.
    since: Duration,
    owner: Option<Arc<str>>,
    message: Option<Arc<str>>,
}

/// Everything that has leaked.
#[derive(Debug, Default)]
pub(super) struct Leaks {
    /// By the ledger's ids.
    entries: BTreeMap<Arc<str>, Leak>,
    /// Owners of the probes that there are.
    owners: BTreeMap<Arc<str>, Arc<str>>,
    changed: BTreeSet<Arc<str>>,
}

impl Leaks {
    /// The last known owner of the probe that an entry belongs to.
    pub(super) fn owner(&self, entry: &str) -> Option<&Arc<str>> {
        self.entries.get(entry)?.owner.as_ref()
    }

    fn leaked(&mut self, probe: &str, entry: &str, message: &str, now: Moment, out: &mut Vec<Changed>) {
        if self.entries.contains_key(entry) {
            return;
        }
        let (probe, entry): (Arc<str>, Arc<str>) = (probe.into(), entry.into());
        let message = (!message.is_empty()).then(|| evidence::cut(message, WORDS).into());
        let leak = Leak { since: now.steady, owner: self.owners.get(&probe).cloned(), message, probe };
        out.push(Changed::now(fact(&entry, &leak)));
        self.changed.insert(Arc::clone(&entry));
        self.entries.insert(entry, leak);
    }

    fn cleared(&mut self, entry: &str, out: &mut Vec<Changed>) {
        let Some((entry, leak)) = self.entries.remove_entry(entry) else { return };
        out.push(Changed::now(Fact { state: State::Well, ..fact(&entry, &leak) }));
        self.changed.insert(entry);
    }

    fn row(&self, entry: &Arc<str>, now: Moment) -> StateRow {
        let json = self.entries.get(entry).map(|leak| {
            let (owner, message) = (leak.owner.clone(), leak.message.clone());
            to_json(&LeakRow { probe: Arc::clone(&leak.probe), since_ms: now.wall_ms_of(leak.since), owner, message })
        });
        row(RowKind::Leak, &**entry, json)
    }
}

fn fact(entry: &Arc<str>, leak: &Leak) -> Fact {
    let key = FactKey::Leak(Arc::clone(&leak.probe), Arc::clone(entry));
    Fact {
        state: State::Failing(Level::Warn),
        since: leak.since,
        words: leak.message.clone(),
        ..Fact::well(key, Scope::Leak(Arc::clone(&leak.probe)))
    }
}

impl Rules for Leaks {
    fn apply(&mut self, to: &PlanContext<'_>, _out: &mut Vec<Changed>) {
        let owner = |probe: &Arc<crate::plan::Probe>| Some((Arc::clone(&probe.name), probe.owner.as_deref()?.into()));
        self.owners = to.plan.probes.iter().filter_map(owner).collect();
        for (entry, leak) in &mut self.entries {
            let owner = self.owners.get(&leak.probe);
            if owner.is_some() && owner != leak.owner.as_ref() {
                leak.owner = owner.cloned();
                self.changed.insert(Arc::clone(entry));
            }
        }
    }

    fn event(&mut self, what: &RuleEvent<'_>, now: Moment, out: &mut Vec<Changed>) {
        match what {
            RuleEvent::Input(Input::Leaked { probe, entry, message }) => self.leaked(probe, entry, message, now, out),
            RuleEvent::Input(Input::LeakCleared { entry, .. }) => self.cleared(entry, out),
            RuleEvent::Input(Input::LedgerHas(entries)) => {
                let gone: Vec<Arc<str>> = self.entries.keys().filter(|entry| !entries.contains(&***entry)).cloned().collect();
                for entry in gone {
                    self.cleared(&entry, out);
                }
            }
            RuleEvent::Input(_) | RuleEvent::Missed(_) | RuleEvent::Lost(_) | RuleEvent::Removed(_) => {}
        }
    }

    fn facts(&self) -> Vec<Fact> {
        self.entries.iter().map(|(entry, leak)| fact(entry, leak)).collect()
    }

    fn close(&mut self, key: &FactKey, _now: Moment, out: &mut Vec<Changed>) {
        if let FactKey::Leak(_, entry) = key {
            self.cleared(entry, out);
        }
    }

    fn restore(&mut self, row: &RestoredState, now: Moment) -> Result<bool, serde_json::Error> {
        if !RowKind::Leak.is_of(row) {
            return Ok(false);
        }
        let kept: LeakRow = serde_json::from_str(&row.json)?;
        let leak = Leak { probe: kept.probe, since: now.steady_of(kept.since_ms), owner: kept.owner, message: kept.message };
        self.entries.insert(row.key.as_str().into(), leak);
        Ok(true)
    }

    fn rows(&self, now: Moment) -> Vec<StateRow> {
        self.entries.keys().map(|entry| self.row(entry, now)).collect()
    }

    fn take_changed(&mut self, now: Moment) -> Vec<StateRow> {
        std::mem::take(&mut self.changed).iter().map(|entry| self.row(entry, now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::condition::testing::{Harness, named, plan};
    use crate::alert::testing::moment;
    use crate::plan::AlertPolicy;

    fn harness() -> Harness {
        Harness::new(plan(vec![named("p", AlertPolicy::default())], &["eu"], &[]))
    }

    fn key() -> FactKey {
        FactKey::Leak("p".into(), "01A".into())
    }

    fn leak(harness: &mut Harness) {
        harness.take(Input::Leaked { probe: "p", entry: "01A", message: "DELETE answered 500" }, 60);
    }

    #[test]
    fn what_leaked_is_worth_a_look_by_day_until_it_is_gone() {
        for ended in 0..3 {
            let mut harness = harness();
            leak(&mut harness);
            leak(&mut harness);
            let fact = &harness.facts[&key()];
            assert_eq!((fact.state, fact.since), (State::Failing(Level::Warn), moment(60).steady));
            assert_eq!((fact.scope.clone(), fact.words.as_deref()), (Scope::Leak("p".into()), Some("DELETE answered 500")));
            let changed = match ended {
                0 => harness.take(Input::LeakCleared { probe: "p", entry: "01A" }, 90),
                1 => harness.take(Input::LedgerHas(&BTreeSet::from(["01B".to_owned()])), 90),
                _ => harness.conditions.close(&[key()], moment(90)),
            };
            assert_eq!(changed.iter().map(|changed| changed.fact.as_ref().unwrap().state).collect::<Vec<_>>(), [State::Well]);
        }
    }

    #[test]
    fn what_the_ledger_still_has_stays() {
        let mut harness = harness();
        leak(&mut harness);
        assert!(harness.take(Input::LedgerHas(&BTreeSet::from(["01A".to_owned()])), 90).is_empty());
        assert_eq!(harness.state(&key()), State::Failing(Level::Warn));
    }

    #[test]
    fn a_leak_knows_its_owner_though_its_probe_is_renamed_and_the_process_starts_anew() {
        let mut harness = harness();
        leak(&mut harness);
        harness.apply(plan(vec![named("q", AlertPolicy::default())], &["eu"], &[]), 70);
        harness.clock(1_000);
        harness.restart(1_010);
        assert_eq!(harness.state(&key()), State::Failing(Level::Warn));
        assert_eq!(harness.conditions.owner(&key()).as_deref(), Some("p-team"));
        assert_eq!(harness.conditions.owner(&FactKey::Across("q".into())).as_deref(), Some("q-team"));
        assert_eq!(harness.conditions.owner(&FactKey::Across("p".into())), None);
    }

    #[test]
    fn a_leak_of_a_probe_that_is_still_there_is_of_its_present_owner() {
        let mut harness = harness();
        leak(&mut harness);
        let probe = crate::plan::Probe { owner: Some("others".to_owned()), ..named("p", AlertPolicy::default()) };
        harness.apply(plan(vec![probe], &["eu"], &[]), 70);
        harness.apply(plan(Vec::new(), &["eu"], &[]), 80);
        assert_eq!(harness.conditions.owner(&key()).as_deref(), Some("others"));
    }

    #[test]
    fn data_of_a_probe_that_is_no_more_can_leak() {
        let mut harness = harness();
        harness.take(Input::Leaked { probe: "gone", entry: "01C", message: "" }, 60);
        assert_eq!(harness.state(&FactKey::Leak("gone".into(), "01C".into())), State::Failing(Level::Warn));
    }
}
