//! Files that are damaged, or are none of ours: noticed by whoever meets it, set aside or refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::super::file;
use super::super::testing::{
    KEPT, LONG, at, attempt, incident, open, open_at, outcome, reopen, settle, state, states, store_file,
};
use super::super::{OpenError, SqliteStore};
use super::write_errors::written;
use crate::history::{Commit, EventFilter, Housekeeper as _, Recorder as _, RunFilter, StartState, TryState};

fn assert_begun_anew(store: &SqliteStore, restored: &StartState, path: &Path) {
    let aside = restored.damaged.clone().expect("the damage is noticed");
    assert!(aside.exists() && aside.to_string_lossy().starts_with(&format!("{}.damaged-", path.display())), "{aside:?}");
    store.commit(states([state("canary", "new", Some("1"))])).blocking_recv().unwrap();
    let _ = reopen(store, path.parent().unwrap().parent().unwrap());
}

#[test]
fn a_store_that_has_become_something_else_is_set_aside_and_a_new_one_begun() {
    for damage in [b"this is not a database, it only has its name".as_slice(), &[0xff; 9_000]] {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        fs::write(&path, damage).unwrap();
        let (store, restored) = open(directory.path());
        assert!(restored.states.is_empty());
        assert_eq!(fs::read(restored.damaged.as_ref().unwrap()).unwrap(), damage, "it is kept as it was");
        assert_begun_anew(&store, &restored, &path);
    }
}

#[test]
fn a_truncated_file_is_set_aside_and_a_new_one_begun() {
    for keep in [0.1, 0.5, 0.9] {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        let length = fs::metadata(&path).unwrap().len();
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "about so much")]
        let kept = (length as f64 * keep) as u64;
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(kept).unwrap();
        let (store, restored) = open(directory.path());
        assert_begun_anew(&store, &restored, &path);
    }
}

/// Overwrites a page that only runs are on.
fn damage_runs(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let root: u64 = connection.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'runs'", [], |row| row.get(0)).unwrap();
    let size: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    drop(connection);
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let page = vec![0xa5; usize::try_from(size).unwrap()];
    std::os::unix::fs::FileExt::write_all_at(&file, &page, (root - 1) * size).unwrap();
}

/// What the lock says of how the file was left.
fn mark(path: &Path) -> String {
    let text = fs::read_to_string(format!("{}.lock", path.display())).unwrap();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// As a process leaves it that was killed.
fn as_after_a_kill(path: &Path) {
    let lock = format!("{}.lock", path.display());
    let text = fs::read_to_string(&lock).unwrap();
    assert!(text.starts_with("closed"), "{text}");
    fs::write(&lock, text.replace("closed", "open  ")).unwrap();
}

/// Waits until the damage was noticed and the file set aside.
fn await_aside(store: &SqliteStore) -> PathBuf {
    let begun = Instant::now();
    loop {
        // The writer looks around whenever it has something to do.
        store.commit(states([state("canary", "new", Some("1"))])).blocking_recv().unwrap();
        if let Some(aside) = store.damaged() {
            return aside;
        }
        assert!(begun.elapsed() < LONG, "the damage is not noticed");
    }
}

fn assert_saved(restored: &StartState) {
    assert_eq!(restored.states.iter().filter(|row| row.kind == "canary" && row.key != "new").count(), 300);
    assert!(restored.states.iter().any(|row| row.kind == "cover" && row.key == "I1/pager"));
    let tries: Vec<_> = restored.tries.iter().map(|kept| (kept.id.as_str(), kept.incident.as_str())).collect();
    assert_eq!(tries, [("T1", "I1")]);
    assert_eq!(restored.incidents, [incident("I1", None)]);
    assert_eq!(restored.last_ticks.len(), 1);
}

#[test]
fn damage_that_a_crash_left_is_found_beside_the_work_and_what_pages_hang_on_is_saved() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path());
    let (store, _) = open(directory.path());
    let before = store.questions().marks(i64::MAX, None, 1).unwrap().next;
    assert!(store.close(LONG));
    damage_runs(&path);
    as_after_a_kill(&path);
    let (store, restored) = open(directory.path());
    assert_eq!(restored.damaged, None, "the start looks at the head only");
    assert_saved(&restored);
    let aside = await_aside(&store);
    assert!(aside.exists() && aside.to_string_lossy().starts_with(&format!("{}.damaged-", path.display())), "{aside:?}");
    assert!(store.questions().runs(&RunFilter::default(), 5, None).unwrap().items.is_empty(), "readers follow");
    assert!(store.questions().marks(i64::MIN, Some(&before), 10).unwrap().is_cut, "the runs are gone");
    assert_eq!(store.questions().events(&EventFilter::default(), 10, None).unwrap().items[0].id, "E1");
    let (store, restored) = reopen(&store, directory.path());
    assert_saved(&restored);
    assert_eq!(restored.damaged, None);
    assert!(store.close(LONG));
    assert_eq!(mark(&path), "closed");
}

#[test]
fn damage_after_a_good_end_is_found_by_whoever_meets_it() {
    let meet: [fn(&SqliteStore); 2] = [
        |store| drop(store.questions().runs(&RunFilter::default(), 5, None).unwrap_err()),
        |store| drop(store.housekeep(at(360_000)).blocking_recv()),
    ];
    for meet in meet {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        damage_runs(&path);
        let (store, restored) = open(directory.path());
        assert_saved(&restored);
        store.commit(states([state("canary", "new", Some("1"))])).blocking_recv().unwrap();
        assert_eq!(store.damaged(), None, "a file that was closed well is not looked through");
        meet(&store);
        await_aside(&store);
        let (_store, restored) = reopen(&store, directory.path());
        assert_saved(&restored);
    }
}

#[test]
fn damage_of_what_is_remembered_is_set_aside_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path());
    let connection = Connection::open(&path).unwrap();
    let root: u64 =
        connection.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'states'", [], |row| row.get(0)).unwrap();
    drop(connection);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xa5; 4_096], (root - 1) * 4_096).unwrap();
    let (store, restored) = open(directory.path());
    assert_eq!(restored.tries.len(), 1);
    assert_eq!(store.damaged(), restored.damaged);
    assert_begun_anew(&store, &restored, &path);
}

#[test]
fn a_file_is_marked_as_closed_only_by_who_closed_it_and_knows_it_to_be_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path());
    assert_eq!(mark(&path), "closed");
    let (store, _) = open(directory.path());
    assert_eq!(mark(&path), "open");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let lost = store.commit(states([state("canary", "a", Some("1"))]));
    assert!(!store.close(Duration::from_millis(300)));
    drop((other, lost));
    assert_eq!(mark(&path), "open", "not everything was written");
    // The file is whole, and the look that says so ends.
    let begun = Instant::now();
    while mark(&path) != "closed" {
        assert!(begun.elapsed() < LONG, "it is never known to be whole");
        let (store, restored) = open(directory.path());
        assert_eq!(restored.damaged, None);
        std::thread::sleep(Duration::from_millis(20));
        assert!(store.close(LONG));
    }
}

#[test]
fn readers_share_a_few_connections_and_leave_one_that_leads_to_another_file() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    settle(&store);
    let made = |store: &SqliteStore| store.questions().ask(|connection| connection.execute_batch("CREATE TEMP TABLE mine (x)"));
    made(&store).unwrap();
    assert!(made(&store).is_err(), "the connection of the question before is used, where that table is");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    store.questions().runs(&RunFilter::default(), 5, None).unwrap();
                }
            });
        }
    });
    let folder = format!("{}", directory.path().display());
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|file| fs::read_link(file.unwrap().path()).ok());
    let open = open.filter(|file| file.starts_with(&folder) && file.to_string_lossy().ends_with("serinus.db")).count();
    // Four, the writer's, and one that is kept by SQLite because the question failed.
    assert!(open <= 6, "{open} files");
    fs::remove_dir_all(store_file(directory.path()).parent().unwrap()).unwrap();
    store.commit(states([state("canary", "after", Some("1"))])).blocking_recv().unwrap();
    made(&store).unwrap();
}

#[test]
fn a_file_of_somebody_else_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = store_file(directory.path());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    for text in ["my notes", "SQLite format 2 is no store, nor is anything that only begins like it", "\0"] {
        fs::write(&path, text).unwrap();
        let refused = open_at(&path, KEPT, at(0)).unwrap_err();
        assert!(matches!(refused, OpenError::NoDatabase { .. }) && refused.is_misnamed(), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    // A store was there, and somebody put a file of theirs in its place.
    fs::remove_file(&path).unwrap();
    let path = written(directory.path());
    let theirs = path.with_extension("theirs");
    fs::write(&theirs, "my notes").unwrap();
    fs::rename(&theirs, &path).unwrap();
    let refused = open_at(&path, KEPT, at(0)).unwrap_err();
    assert!(matches!(refused, OpenError::NoDatabase { .. }), "{refused}");
    fs::write(&path, "").unwrap();
    assert!(open_at(&path, KEPT, at(0)).unwrap().0.close(LONG), "an empty one is begun");
}

#[test]
fn a_damaged_file_is_noticed_while_running_too_and_nothing_that_waits_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path());
    let (store, _) = open(directory.path());
    // Another connection's write makes the writer forget the pages that it knows.
    Connection::open(&path).unwrap().execute("INSERT INTO marks VALUES ('x', 1)", []).unwrap();
    // Everything but the first page, which says that it is a database.
    let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xa5; length - 4_096], 4_096).unwrap();
    store.commit(states([state("canary", "new", Some("1"))])).blocking_recv().unwrap();
    let (_store, restored) = reopen(&store, directory.path());
    assert!(restored.states.iter().any(|row| row.key == "new"));
    let aside = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".damaged-"));
    assert_eq!(aside.count(), 1);
}

/// Adds a try that waits, and that an index has in another state.
fn add_unlike_its_index(path: &Path) {
    let change = |sql: &str| assert_eq!(Connection::open(path).unwrap().execute(sql, []).unwrap(), 1);
    let define = |from: &str, to: &str| {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "writable_schema", true).unwrap();
        let sql = "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = 'tries_by_state'";
        assert_eq!(connection.execute(sql, [from, to]).unwrap(), 1);
    };
    change("INSERT INTO tries SELECT 'T2', channel, what, key, made_ms, json, 'taken', 0, NULL, NULL, NULL FROM tries");
    // While it is an index of nothing it does not follow.
    define("(state, made_ms)", "(state, made_ms) WHERE attempts < 0");
    change("UPDATE tries SET state = 'waiting' WHERE id = 'T2'");
    define(" WHERE attempts < 0", "");
    file::look_through(&Connection::open(path).unwrap()).expect("a quick look does not notice");
}

#[test]
fn a_write_that_fails_because_an_index_lacks_an_entry_is_not_tried_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path());
    add_unlike_its_index(&path);
    let (store, _) = open(directory.path());
    let outcomes = vec![outcome(&attempt("T2", &[], 0), TryState::Taken)];
    let mut done = store.commit(Commit { outcomes, ..Commit::default() });
    let begun = Instant::now();
    while done.try_recv().is_err() {
        assert!(begun.elapsed() < LONG, "it cannot be written, and the file is not set aside");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(store.damaged().is_some());
    let (_store, restored) = reopen(&store, directory.path());
    assert_saved(&restored);
}
