//! A map that forgets its oldest entries, so that a sandbox that runs for months stays as small as one of yesterday.
//!
//! Bounds the number of entries and their weight together. Must not know what it holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Entries by id, oldest first out.
#[derive(Debug)]
pub(super) struct Bounded<V> {
    most: usize,
    heaviest: usize,
    weight: usize,
    next_age: u64,
    entries: HashMap<Arc<str>, StoredEntry<V>>,
    by_age: BTreeMap<u64, Arc<str>>,
}

#[derive(Debug)]
struct StoredEntry<V> {
    age: u64,
    weight: usize,
    value: V,
}

impl<V> Bounded<V> {
    /// Holds at most `most` entries (at least 1) that together weigh at most `heaviest`.
    pub(super) fn new(most: usize, heaviest: usize) -> Self {
        Self { most: most.max(1), heaviest, weight: 0, next_age: 0, entries: HashMap::new(), by_age: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, id: &str) -> Option<&V> {
        self.entries.get(id).map(|entry| &entry.value)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut V> {
        self.entries.get_mut(id).map(|entry| &mut entry.value)
    }

    /// Values from the oldest to the newest.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.by_age.values().filter_map(|id| self.get(id))
    }

    /// Adds or replaces an entry; a replaced one keeps its age. Returns what had to go, which is never the entry just put.
    pub(super) fn put(&mut self, id: Arc<str>, value: V, weight: usize) -> Vec<(Arc<str>, V)> {
        let age = self.entries.get(&id).map_or(self.next_age, |entry| entry.age);
        if age == self.next_age {
            self.next_age += 1;
            self.by_age.insert(age, Arc::clone(&id));
        }
        if let Some(replaced) = self.entries.insert(id, StoredEntry { age, weight, value }) {
            self.weight -= replaced.weight;
        }
        self.weight += weight;
        let mut gone = Vec::new();
        while self.entries.len() > self.most || self.weight > self.heaviest {
            let Some(oldest) = self.by_age.iter().find(|&(&other, _)| other != age).map(|(_, id)| Arc::clone(id)) else { break };
            gone.extend(self.remove(&oldest).map(|value| (oldest, value)));
        }
        gone
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<V> {
        let entry = self.entries.remove(id)?;
        self.by_age.remove(&entry.age);
        self.weight -= entry.weight;
        Some(entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_goes_first_and_replacing_does_not_make_young() {
        let mut map = Bounded::new(2, 100);
        map.put("a".into(), 1, 1);
        map.put("b".into(), 2, 1);
        assert!(map.put("a".into(), 3, 1).is_empty());
        assert_eq!(map.put("c".into(), 4, 1), [("a".into(), 3)]);
        assert_eq!(map.values().copied().collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn weight_is_bounded_too_and_the_entry_just_put_stays() {
        let mut map = Bounded::new(10, 5);
        map.put("a".into(), 1, 3);
        map.put("b".into(), 2, 2);
        assert_eq!(map.put("c".into(), 3, 1), [("a".into(), 1)]);
        assert_eq!(map.put("b".into(), 4, 9), [("c".into(), 3)]);
        assert_eq!((map.len(), map.get("b")), (1, Some(&4)));
        assert_eq!(map.remove("b"), Some(4));
        assert!(map.put("d".into(), 5, 5).is_empty());
    }
}
