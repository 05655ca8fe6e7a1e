//! What people paused and muted anywhere in the fleet, kept in the journal, so that a process that starts alone rings nobody for it.
//!
//! Owns the copy and what of it counts later: the journal has how it stands for this process, and beside it how the store of the fleet had it
//! when this process last looked. What differs between the two was changed alone. Where somebody else has changed the same meanwhile,
//! theirs counts.

use std::collections::{BTreeSet, HashMap};

use crate::history::{Commit, FOLLOWED, Recorder, RestoredState, StateRow};

/// The kind of rows that say how the store of the fleet had it. Their keys are `KIND KEY`.
pub(super) const SEEN: &str = "seen_in_fleet";

/// Keeps in the journal what this process has seen of the store of the fleet.
pub fn keep_followed(journal: &dyn Recorder, changed: Vec<(String, String, Option<String>)>) {
    let mut commit = Commit::default();
    for (kind, key, json) in changed {
        let Some(kind) = FOLLOWED.into_iter().find(|known| *known == kind) else { continue };
        commit.states.push(StateRow { kind: SEEN, key: format!("{kind} {key}"), json: json.clone() });
        commit.states.push(StateRow { kind, key, json });
    }
    if !commit.states.is_empty() {
        journal.record(commit);
    }
}

/// What states say, by their kind and key.
pub(super) type StatesByName<'a> = HashMap<(&'a str, &'a str), &'a str>;

/// The same states, to be looked up.
pub(super) fn by_name(states: &[RestoredState]) -> StatesByName<'_> {
    states.iter().map(|state| ((&*state.kind, &*state.key), &*state.json)).collect()
}

/// What of the journal's was changed alone, and by nobody else meanwhile: `left` is what the journal has, `theirs` what the store has.
pub(super) fn changed_alone(left: &StatesByName<'_>, theirs: &StatesByName<'_>) -> Vec<StateRow> {
    let mut names: BTreeSet<(&'static str, &str)> = BTreeSet::new();
    for (kind, key) in left.keys().copied() {
        let (kind, key) = key.split_once(' ').filter(|_| kind == SEEN).unwrap_or((kind, key));
        names.extend(FOLLOWED.into_iter().find(|known| *known == kind).map(|kind| (kind, key)));
    }
    let changed = names.into_iter().filter_map(|(kind, key)| {
        let name = format!("{kind} {key}");
        let (mine, seen) = (left.get(&(kind, key)), left.get(&(SEEN, &*name)));
        let is_mine = mine != seen && theirs.get(&(kind, key)) == seen;
        is_mine.then(|| StateRow { kind, key: key.to_owned(), json: mine.map(|mine| (*mine).to_owned()) })
    });
    changed.collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::history::Recovery as _;
    use crate::history::memory::MemoryStore;

    fn state(kind: &str, key: &str, json: &str) -> RestoredState {
        RestoredState { kind: kind.to_owned(), key: key.to_owned(), json: json.to_owned() }
    }

    /// What is handed in where the store was seen like this, the journal has that, and the store has this now; `over` where it is ended.
    fn handed_in(seen: Option<&str>, mine: Option<&str>, theirs: Option<&str>) -> Option<String> {
        let of = |kind: &str, key: &str, json: Option<&str>| json.map(|json| state(kind, key, json));
        let left: Vec<_> = of(SEEN, "mute p a", seen).into_iter().chain(of("mute", "p a", mine)).collect();
        let theirs: Vec<_> = of("mute", "p a", theirs).into_iter().collect();
        let mut rows = changed_alone(&by_name(&left), &by_name(&theirs));
        assert!(rows.len() < 2 && rows.iter().all(|row| (row.kind, &*row.key) == ("mute", "p a")), "{rows:?}");
        rows.pop().map(|row| row.json.unwrap_or_else(|| "over".to_owned()))
    }

    #[test]
    fn what_was_changed_alone_is_handed_in_unless_somebody_else_has_changed_it() {
        assert_eq!(handed_in(Some("1"), Some("1"), Some("1")), None);
        assert_eq!(handed_in(None, Some("1"), None), Some("1".to_owned()), "made alone");
        assert_eq!(handed_in(Some("1"), Some("2"), Some("1")), Some("2".to_owned()), "extended alone");
        assert_eq!(handed_in(Some("1"), None, Some("1")), Some("over".to_owned()), "ended alone");
        assert_eq!(handed_in(Some("1"), Some("1"), None), None, "ended by somebody else");
        assert_eq!(handed_in(Some("1"), Some("2"), None), None, "extended alone and ended by somebody else");
        assert_eq!(handed_in(Some("1"), None, Some("3")), None, "ended alone and extended by somebody else");
        assert_eq!(handed_in(None, Some("1"), Some("2")), None, "made by both");
    }

    #[tokio::test]
    async fn what_was_seen_is_as_it_is_for_a_process_that_starts_alone() {
        let journal = MemoryStore::default();
        let seen = |key: &str, json: Option<&str>| ("pause".to_owned(), key.to_owned(), json.map(str::to_owned));
        keep_followed(&journal, vec![seen("p/eu", Some("1")), seen("q/eu", Some("1"))]);
        keep_followed(&journal, vec![seen("p/eu", None), ("of a later version".to_owned(), "x".to_owned(), None)]);
        let left = journal.start_state(SystemTime::now()).await.unwrap().states;
        let found: BTreeSet<(&str, &str)> = left.iter().map(|state| (&*state.kind, &*state.key)).collect();
        assert_eq!(found, BTreeSet::from([("pause", "q/eu"), (SEEN, "pause q/eu")]));
        assert_eq!(changed_alone(&by_name(&left), &by_name(&[state("pause", "q/eu", "1")])), []);
    }
}
