//! Every fact that is not well, by whose it is and by scope.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::super::{Fact, FactKey, Scope, State};

/// Every fact that is not well.
#[derive(Debug, Default)]
pub(super) struct Facts {
    by_key: HashMap<FactKey, Arc<Fact>>,
    by_scope: HashMap<Scope, BTreeSet<FactKey>>,
    /// How many canaries are without data.
    without_data: usize,
}

impl Facts {
    /// Replaces a fact; `None` if it is not watched any more. Returns its former scope if that is another one.
    pub(super) fn put(&mut self, key: &FactKey, fact: Option<Arc<Fact>>) -> Option<Scope> {
        let kept = fact.as_ref().filter(|fact| fact.state != State::Well).cloned();
        if matches!(key, FactKey::NoData(_)) {
            let fails = |fact: Option<&Arc<Fact>>| usize::from(fact.is_some_and(|fact| fact.level().is_some()));
            self.without_data = self.without_data + fails(kept.as_ref()) - fails(self.by_key.get(key));
        }
        let old = match kept {
            Some(fact) => {
                self.by_scope.entry(fact.scope.clone()).or_default().insert(key.clone());
                self.by_key.insert(key.clone(), fact)
            }
            None => self.by_key.remove(key),
        }?;
        let stays = self.by_key.get(key).is_some_and(|fact| fact.scope == old.scope);
        if !stays && let Some(keys) = self.by_scope.get_mut(&old.scope) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_scope.remove(&old.scope);
            }
        }
        (!stays && fact.is_none_or(|fact| fact.scope != old.scope)).then(|| old.scope.clone())
    }

    pub(super) fn get(&self, key: &FactKey) -> Option<&Arc<Fact>> {
        self.by_key.get(key)
    }

    /// The facts of a scope that are not well.
    pub(super) fn of<'a>(&'a self, scope: &Scope) -> impl Iterator<Item = &'a Arc<Fact>> + use<'a> {
        self.by_scope.get(scope).into_iter().flatten().filter_map(|key| self.by_key.get(key))
    }

    /// How many canaries are without data.
    pub(super) fn without_data(&self) -> usize {
        self.without_data
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Fact>> {
        self.by_key.values()
    }
}
