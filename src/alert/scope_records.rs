//! What is stored of a scope over all its incidents: the number of its rings, and when its members' episodes began.
//!
//! Numbers never repeat, even after a lost store: then they begin at the epoch's seconds, and no scope rings faster than once a
//! second.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::time::millis as ms;
use crate::history::{RestoredState, StateRow};
use crate::plan::FlapRule;

use super::FactKey;
use super::serde_with::millis;

/// The kind of its rows.
const KIND: &str = "scope";

/// The kind of rows of the version before this one: a number, and when incidents opened.
const FORMER_KIND: &str = "generation";

/// The kind of the row with the number above which all scopes count.
const AFTER_KIND: &str = "generations_after";

/// A scope that has not failed for this long is forgotten.
const FORGOTTEN: Duration = Duration::from_hours(24 * 90);

/// Most members of one scope whose episodes are stored.
const MEMBERS: usize = 20_000;

/// With this many scopes, old ones are searched and forgotten.
const SCOPES: usize = 1_000;

/// The record of one scope.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct ScopeRecord {
    number: u64,
    /// When it was last used.
    #[serde(with = "millis", default)]
    used: Duration,
    /// When the latest episodes of members began, ascending; only as many as the flapping rule needs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    began: BTreeMap<FactKey, Vec<u64>>,
    /// When channels were last rung.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    rang: BTreeMap<Arc<str>, u64>,
}

/// The records of all scopes, by their text.
#[derive(Debug, Default)]
pub struct ScopeRecords {
    scopes: HashMap<String, ScopeRecord>,
    /// All new numbers are higher than this.
    after: u64,
    bound: usize,
    changed: HashSet<String>,
    rows: Vec<StateRow>,
}

impl ScopeRecords {
    /// Restores the records. `lost`: the store was damaged or is new, so the used numbers are unknown.
    pub fn restore(states: &[RestoredState], lost: bool, now: Duration) -> Self {
        #[derive(Deserialize)]
        struct Former {
            generation: u64,
            #[serde(default)]
            opened_ms: Vec<i64>,
        }
        let mut records = Self { bound: SCOPES, ..Self::default() };
        let unreadable = |state: &RestoredState, error: &serde_json::Error| {
            tracing::error!(kind = state.kind, key = state.key, %error, "what is remembered of a scope cannot be read");
        };
        for state in states {
            match &*state.kind {
                KIND => match serde_json::from_str::<ScopeRecord>(&state.json) {
                    Ok(mut known) => {
                        known.used = known.used.min(now);
                        let times = known.began.values_mut().flatten().chain(known.rang.values_mut());
                        times.for_each(|at| *at = ms(now).min(*at));
                        records.scopes.insert(state.key.clone(), known);
                    }
                    Err(error) => {
                        unreadable(state, &error);
                        records.after = records.after.max(now.as_secs());
                    }
                },
                FORMER_KIND => {
                    if let Ok(former) = serde_json::from_str::<Former>(&state.json) {
                        let used = former.opened_ms.last().and_then(|at| u64::try_from(*at).ok()).map(Duration::from_millis);
                        let known = records.scopes.entry(state.key.clone()).or_default();
                        known.number = known.number.max(former.generation);
                        known.used = known.used.max(used.unwrap_or(now).min(now));
                        records.changed.insert(state.key.clone());
                    }
                    records.rows.push(StateRow { kind: FORMER_KIND, key: state.key.clone(), json: None });
                }
                AFTER_KIND => records.after = records.after.max(state.json.parse().unwrap_or(0)),
                _ => {}
            }
        }
        if lost {
            records.after = records.after.max(now.as_secs());
            records.rows.push(StateRow { kind: AFTER_KIND, key: String::new(), json: Some(records.after.to_string()) });
        }
        records
    }

    /// The next number of a scope's rings.
    pub fn next_number(&mut self, scope: &str, now: Duration) -> u64 {
        let after = self.after;
        let known = self.known(scope, now);
        known.number = known.number.max(after) + 1;
        known.number
    }

    /// A member's episode began.
    pub fn began(&mut self, scope: &str, member: &FactKey, rule: &FlapRule, now: Duration) {
        let keep = usize::try_from(rule.opens).unwrap_or(usize::MAX).max(1);
        let within = rule.within;
        let marked = self.changed.contains(scope);
        let known = self.known(scope, now);
        if known.began.len() >= MEMBERS {
            known.began.retain(|_, began| began.last().is_some_and(|last| *last + ms(within) > ms(now)));
        }
        let began = known.began.entry(member.clone()).or_default();
        began.push(ms(now));
        began.drain(..began.len().saturating_sub(keep));
        // A member's first episode alone does not cause a write; the ring that follows writes it.
        if began.len() < 2 && !marked {
            self.changed.remove(scope);
        }
    }

    /// A channel was rung for the scope.
    pub fn rang(&mut self, scope: &str, channel: &Arc<str>, now: Duration) {
        self.known(scope, now).rang.insert(Arc::clone(channel), ms(now));
    }

    /// Whether a member flaps.
    pub fn flaps(&self, scope: &str, member: &FactKey, rule: &FlapRule, now: Duration) -> bool {
        let began = self.scopes.get(scope).and_then(|known| known.began.get(member));
        let within = |began: &&u64| ms(now).saturating_sub(**began) <= ms(rule.within);
        began.is_some_and(|began| began.iter().filter(within).count() >= usize::try_from(rule.opens).unwrap_or(usize::MAX))
    }

    /// When a channel may be rung for a member that flaps.
    pub fn not_before(&self, scope: &str, channel: &str, rule: &FlapRule) -> Option<Duration> {
        let rang = self.scopes.get(scope)?.rang.get(channel)?;
        Some(Duration::from_millis(*rang) + rule.hold)
    }

    /// The rows that changed since the last call.
    pub fn take_rows(&mut self) -> Vec<StateRow> {
        let mut rows = std::mem::take(&mut self.rows);
        for key in std::mem::take(&mut self.changed) {
            let json = self.scopes.get(&key).map(|known| serde_json::to_string(known).expect("its keys are texts"));
            rows.push(StateRow { kind: KIND, key, json });
        }
        rows
    }

    fn known(&mut self, scope: &str, now: Duration) -> &mut ScopeRecord {
        if self.scopes.len() >= self.bound && !self.scopes.contains_key(scope) {
            let old: Vec<String> = self
                .scopes
                .iter()
                .filter(|(_, known)| now.saturating_sub(known.used) > FORGOTTEN)
                .map(|(scope, _)| scope.clone())
                .collect();
            for scope in old {
                self.scopes.remove(&scope);
                self.changed.insert(scope);
            }
            self.bound = SCOPES.max(self.scopes.len() * 2);
        }
        self.changed.insert(scope.to_owned());
        let known = self.scopes.entry(scope.to_owned()).or_default();
        known.used = now;
        known
    }
}
