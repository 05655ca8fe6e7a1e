//! Facts of other regions that somebody closed.
//!
//! Whoever closes an incident whose region is gone cannot reach the process that reported the fact, and the fact stays in the store as it
//! was. As long as it is that one, by when it began, it counts as well; another one counts again. Kept as states, over takeovers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::time::millis;
use crate::history::{RestoredState, StateRow};

use super::super::{Fact, FactKey, State};

/// The kind of its rows. Their keys are `REGION KEY`; what they say is when the fact began, in milliseconds.
const KIND: &str = "closed";

/// When closed facts began, by region and key.
#[derive(Debug, Default)]
pub(super) struct ClosedFacts(BTreeMap<(Arc<str>, FactKey), u64>);

impl ClosedFacts {
    /// Those that were kept. A row that cannot be read is left out: what it closed rings again.
    pub(super) fn restore(states: &[RestoredState]) -> Self {
        let one = |state: &RestoredState| {
            let (region, key) = state.key.split_once(' ')?;
            Some(((Arc::from(region), FactKey::try_from(key.to_owned()).ok()?), state.json.parse().ok()?))
        };
        Self(states.iter().filter(|state| state.kind == KIND).filter_map(one).collect())
    }

    /// Closes a fact. What is to be written.
    pub(super) fn close(&mut self, region: &Arc<str>, key: &FactKey, fact: &Fact) -> StateRow {
        let since = millis(fact.since);
        self.0.insert((Arc::clone(region), key.clone()), since);
        row(region, key, Some(since))
    }

    /// Whether a fact is the one that was closed; and what is to be forgotten, if it is another one.
    pub(super) fn take(&mut self, region: &Arc<str>, fact: &Fact) -> (bool, Option<StateRow>) {
        let name = (Arc::clone(region), fact.key.clone());
        let Some(since) = self.0.get(&name) else { return (false, None) };
        if *since == millis(fact.since) && fact.state != State::Well {
            return (true, None);
        }
        self.0.remove(&name);
        (false, Some(row(region, &fact.key, None)))
    }
}

fn row(region: &str, key: &FactKey, since: Option<u64>) -> StateRow {
    StateRow { kind: KIND, key: format!("{region} {key}"), json: since.map(|since| since.to_string()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::alert::Scope;
    use crate::alert::fact::Level;

    #[test]
    fn what_was_closed_is_known_over_a_takeover_until_it_is_another_failure() {
        let (region, key) = (Arc::from("eu"), FactKey::Across("p".into()));
        let fact = |since, state| Fact {
            since: Duration::from_secs(since),
            state,
            ..Fact::well(FactKey::Across("p".into()), Scope::Probe("p".into()))
        };
        let fails = State::Failing(Level::Page);
        let row = ClosedFacts::default().close(&region, &key, &fact(5, fails));
        let kept = RestoredState { kind: row.kind.to_owned(), key: row.key, json: row.json.unwrap() };
        let mut closed = ClosedFacts::restore(&[kept]);
        assert!(closed.take(&region, &fact(5, fails)).0);
        assert!(!closed.take(&"us".into(), &fact(5, fails)).0, "another region's is not closed");
        let (is_closed, forgotten) = closed.take(&region, &fact(6, fails));
        assert!(!is_closed && forgotten.is_some_and(|row| row.json.is_none()));
        assert!(!closed.take(&region, &fact(5, fails)).0, "it is forgotten");
    }
}
