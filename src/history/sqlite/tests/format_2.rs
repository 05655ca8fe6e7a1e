//! A store that a process of the version before left is taken over. How it was made, and what is in it, is told by
//! `tests/carry_over`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use serde_json::Value;

use super::super::testing::{KEPT, LONG, open_at, store_file};
use super::super::{OpenError, SqliteStore, salvage, schema};
use crate::history::{Commit, Recorder as _, StartState, TryState};

/// What was told, by the rows that the process left.
fn expected() -> Value {
    serde_json::from_str(include_str!("../../../../tests/carry_over/format_2.json")).unwrap()
}

/// Puts the file where a store is looked for.
fn put(directory: &Path) {
    let path = store_file(directory);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&include_bytes!("../../../../tests/carry_over/format_2.db.gz")[..])
        .read_to_end(&mut bytes)
        .unwrap();
    fs::write(path, bytes).unwrap();
}

/// Some seconds after the process ended.
fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(expected()["written_ms"].as_u64().unwrap() + 5_000)
}

fn opened(directory: &Path) -> (SqliteStore, StartState) {
    put(directory);
    open_at(&store_file(directory), KEPT, then()).unwrap()
}

/// States of the tries of each incident, in the words of format 2.
fn rows<'a>(tries: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, BTreeMap<&'static str, u64>> {
    let mut rows: BTreeMap<String, BTreeMap<&'static str, u64>> = BTreeMap::new();
    for (incident, state) in tries {
        let word = match state {
            "waiting" => "pending",
            "taken" => "delivered",
            "refused" => "dead",
            "dropped" => "superseded",
            other => panic!("{other}"),
        };
        *rows.entry(incident.to_owned()).or_default().entry(word).or_default() += 1;
    }
    rows
}

/// The same, as they were.
fn expected_rows() -> BTreeMap<String, BTreeMap<String, u64>> {
    let incidents = expected()["incidents"].as_object().unwrap().clone();
    let rows = incidents.into_iter().map(|(id, row)| (id, serde_json::from_value(row["rows"].clone()).unwrap()));
    rows.filter(|(_, rows): &(String, BTreeMap<String, u64>)| !rows.is_empty()).collect()
}

fn assert_same(found: &BTreeMap<String, BTreeMap<&'static str, u64>>) {
    let found = serde_json::to_value(found).unwrap();
    assert_eq!(found, serde_json::to_value(expected_rows()).unwrap());
}

#[test]
fn incidents_states_and_all_that_was_sent_are_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let (store, restored) = opened(directory.path());
    assert_eq!(restored.damaged, None);
    let expected = expected();
    let incidents: BTreeMap<&str, bool> =
        restored.incidents.iter().map(|row| (row.id.as_str(), row.resolved_ms.is_none())).collect();
    let all: BTreeMap<&str, bool> =
        expected["incidents"].as_object().unwrap().iter().map(|(id, row)| (id.as_str(), row["open"] == true)).collect();
    assert_eq!(incidents, all);
    assert_same(&rows(restored.former.iter().map(|row| (row.incident.as_str(), row.state.as_str()))));
    assert!(restored.tries.is_empty(), "nothing of it is a try of this format");
    assert!(restored.former.is_sorted_by_key(|row| (&row.incident, row.made_ms)));
    for row in &restored.former {
        let notice: Value = serde_json::from_str(&row.json).unwrap();
        let what = match notice["action"].as_str().unwrap() {
            "trigger" => "ring",
            "acknowledge" => "acknowledge",
            "resolve" => "end",
            other => panic!("{other}"),
        };
        assert_eq!((row.what.as_str(), &notice["key"]), (what, &row.key.as_str().into()));
    }
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &restored.states {
        *states.entry(&row.kind).or_default() += 1;
    }
    assert_eq!(serde_json::to_value(states).unwrap(), expected["states"]);
    assert!(store.close(LONG));
}

#[test]
fn the_story_of_an_incident_that_the_version_before_told_is_still_read() {
    let directory = tempfile::tempdir().unwrap();
    let reader = opened(directory.path()).0.questions();
    let expected = expected();
    let mut tries = Vec::new();
    for (id, row) in expected["incidents"].as_object().unwrap() {
        let detail = reader.incident(id).unwrap().unwrap();
        assert_eq!(Value::from(detail.incident.scope), row["scope"]);
        assert_eq!(detail.timeline.first().unwrap().what, "opened");
        for told in detail.tries {
            assert!(told.message["title"].as_str().is_some_and(|title| !title.is_empty()), "{told:?}");
            assert_eq!(told.ended_ms.is_none(), told.state == "waiting");
            assert!(told.state != "refused" || told.error.is_some());
            tries.push((id.clone(), told.state));
        }
    }
    assert_same(&rows(tries.iter().map(|(id, state)| (id.as_str(), *state))));
}

#[test]
fn what_is_still_to_be_sent_keeps_an_incident_that_ended_for_a_week() {
    let restored = |days: u64| {
        let directory = tempfile::tempdir().unwrap();
        put(directory.path());
        let now = then() + Duration::from_hours(24 * days);
        let (_store, restored) = open_at(&store_file(directory.path()), KEPT, now).unwrap();
        let ended: Vec<_> = restored.incidents.iter().filter(|row| row.resolved_ms.is_some()).map(|row| row.id.clone()).collect();
        assert_eq!(ended.is_empty(), !restored.former.iter().any(|row| ended.contains(&row.incident)));
        (restored.incidents.len() - ended.len(), ended.len())
    };
    let all = expected()["incidents"].as_object().unwrap().len();
    assert_eq!([restored(2), restored(6)], [(all - 1, 1); 2], "its end waits at the channel that never answers");
    assert_eq!(restored(7), (all - 1, 0));
}

#[test]
fn a_damaged_file_of_the_format_before_gives_its_messages_as_tries() {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path());
    let mut into = Connection::open_in_memory().unwrap();
    schema::migrate(&mut into).unwrap();
    let saved = salvage::take_over(&store_file(directory.path()), &mut into);
    assert!(!saved.contains("not whole"), "{saved}");
    let mut query = into.prepare("SELECT incident, state FROM tries JOIN try_incidents ON try = id").unwrap();
    let pairs: Vec<(String, String)> =
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap();
    assert_same(&rows(pairs.iter().map(|(incident, state)| (incident.as_str(), state.as_str()))));
}

#[test]
fn a_message_that_cannot_be_read_is_a_try_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path());
    let path = store_file(directory.path());
    let broken =
        Connection::open(&path).unwrap().execute("UPDATE messages SET notice = 'no json' WHERE state = 'dead'", []).unwrap();
    let (store, restored) = open_at(&store_file(directory.path()), KEPT, then()).unwrap();
    let unread = restored.former.iter().filter(|row| row.state == TryState::Refused && row.json == "no json").count();
    assert_eq!(unread, broken);
    assert_eq!(store.questions().tries().unwrap().refused, broken as u64);
}

/// The version before knows formats up to 2, and says of a later one what this one says.
#[test]
fn a_version_that_does_not_know_a_format_says_which_ones_it_knows() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = opened(directory.path());
    store.commit(Commit::default()).blocking_recv().unwrap();
    assert!(store.close(LONG));
    let path = store_file(directory.path());
    let connection = Connection::open(&path).unwrap();
    assert_eq!(schema::version(&connection).unwrap(), schema::KNOWN);
    connection.pragma_update(None, "user_version", schema::KNOWN + 1).unwrap();
    drop(connection);
    let refused = open_at(&store_file(directory.path()), KEPT, then()).unwrap_err();
    assert!(matches!(refused, OpenError::Newer { .. }));
    let (found, known) = (schema::KNOWN + 1, schema::KNOWN);
    let says = format!(
        "has format {found}, and this version knows formats up to {known}; run the version that wrote it, or a newer one"
    );
    assert!(refused.to_string().ends_with(&says), "{refused}");
    assert_eq!(schema::version(&Connection::open(&path).unwrap()).unwrap(), found);
}
