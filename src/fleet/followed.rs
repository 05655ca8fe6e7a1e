//! What people paused and muted anywhere in the fleet, kept in the journal, so that a process that starts alone rings nobody for it.
//!
//! Owns the copy and what of it counts later: the journal has how it stands for this process, and beside it how the store of the fleet had it
//! when this process last looked. What differs between the two was changed alone. Where somebody else has changed the same meanwhile,
//! theirs counts.

use std::collections::BTreeSet;

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

/// What of the journal's was changed alone, and by nobody else meanwhile: `left` is what the journal has, `theirs` what the store has.
pub(super) fn changed_alone(left: &[RestoredState], theirs: &[RestoredState]) -> Vec<StateRow> {
    let mut names: BTreeSet<(&'static str, &str)> = BTreeSet::new();
    for state in left {
        let (kind, key) = match state.key.split_once(' ') {
            Some((kind, key)) if state.kind == SEEN => (kind, key),
            _ => (&*state.kind, &*state.key),
        };
        names.extend(FOLLOWED.into_iter().find(|known| *known == kind).map(|kind| (kind, key)));
    }
    let changed = names.into_iter().filter_map(|(kind, key)| {
        let (mine, seen) = (json_of(left, kind, key), json_of(left, SEEN, &format!("{kind} {key}")));
        let is_mine = mine != seen && json_of(theirs, kind, key) == seen;
        is_mine.then(|| StateRow { kind, key: key.to_owned(), json: mine.map(ToOwned::to_owned) })
    });
    changed.collect()
}

fn json_of<'a>(states: &'a [RestoredState], kind: &str, key: &str) -> Option<&'a str> {
    states.iter().find(|state| state.kind == kind && state.key == key).map(|state| &*state.json)
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
        let mut rows = changed_alone(&left, &theirs);
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
        assert_eq!(changed_alone(&left, &[state("pause", "q/eu", "1")]), []);
    }
}
