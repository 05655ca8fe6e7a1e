//! Files that are damaged, disks that are full, locks that others hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::super::file::{self, CheckDepth, FileOrigin};
use super::super::lock::Lock;
use super::super::testing::{
    KEPT, LONG, at, attempt, canary, entry, event, events, incident, open, open_at, reopen, run, runs, settle, state, states,
    store_file,
};
use super::super::{OpenError, SqliteStore};
use crate::history::backlog::{Backlog, LedgerChange, QueuedRun, RunRow, Waiter};
use crate::history::{Commit, Recorder as _, RunFilter};
use crate::outcome::{LedgerEnd, Verdict};
use crate::plan::Retention;

/// A store with something of everything, closed; and its file.
pub(super) fn written(directory: &Path) -> PathBuf {
    let (store, _) = open(directory);
    store.record(runs((0..2_000).map(|at| run(&canary("p", "eu"), Verdict::Passed, at))));
    store.record(states((0..300).map(|at| state("canary", &format!("c{at:04}"), Some("{\"streak\":1}")))));
    store.commit(Commit { incidents: vec![incident("I1", None)], tries: vec![attempt("T1", &["I1"], 0)], ..Commit::default() });
    store.commit(states([state("cover", "I1/pager", Some("{}"))]));
    store.record(events([event("E1", 0)]));
    assert!(store.close(LONG));
    store_file(directory)
}

/// Waits until the writer has seen that it cannot write.
fn await_trouble(store: &SqliteStore) {
    let begun = Instant::now();
    while store.is_writable() {
        assert!(begun.elapsed() < LONG, "the store can still be written");
        std::thread::yield_now();
    }
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused = open_at(&store_file(directory.path()), KEPT, at(0)).unwrap_err();
    assert!(matches!(refused, OpenError::Newer { found: 99, .. }), "{refused}");
    assert_eq!(
        fs::read_dir(path.parent().unwrap())
            .unwrap()
            .filter(|entry| { entry.as_ref().unwrap().file_name().to_string_lossy().contains("damaged") })
            .count(),
        0
    );
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = store_file(directory.path());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let refused = open_at(&path, KEPT, at(0)).unwrap_err();
    assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
    Connection::open(&path).unwrap().execute_batch("SELECT x FROM theirs").unwrap();
}

#[test]
fn while_another_program_holds_the_file_nobody_waits_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    settle(&store);
    let other = Connection::open(store_file(directory.path())).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let eu = canary("p", "eu");
    let mut waiting = Vec::new();
    for number in 0..50 {
        store.record(runs([run(&eu, Verdict::Passed, number)]));
        let mut commit = runs([run(&eu, Verdict::Failed, number)]);
        commit.states = vec![state("canary", "p/eu", Some(&number.to_string()))];
        commit.tries = vec![attempt(&format!("T{number:02}"), &["I1"], number)];
        waiting.push(store.commit(commit));
    }
    await_trouble(&store);
    // Everything was handed in while the lock was held: whoever did it was not held up by it.
    assert!(waiting.iter_mut().all(|receiver| receiver.try_recv().is_err()), "nothing is durable yet");
    other.execute_batch("ROLLBACK").unwrap();
    for receiver in waiting {
        receiver.blocking_recv().unwrap();
    }
    assert!(store.is_writable());
    assert_eq!(store.questions().runs(&RunFilter::default(), 500, None).unwrap().items.len(), 100);
    let (_store, restored) = reopen(&store, directory.path());
    assert_eq!(restored.tries.len(), 50);
    assert_eq!(restored.states[0].json, "49");
}

#[test]
fn a_store_that_cannot_write_is_closed_at_the_deadline_and_says_that_something_was_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    settle(&store);
    let other = Connection::open(store_file(directory.path())).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let receiver = store.commit(states([state("canary", "a", Some("1"))]));
    assert!(!store.close(Duration::from_millis(300)));
    drop(other);
    assert!(receiver.blocking_recv().is_err());
}

#[test]
fn a_deleted_directory_is_made_again_with_everything_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    store.commit(states([state("canary", "before", Some("1"))])).blocking_recv().unwrap();
    let reader = store.questions();
    assert!(reader.runs(&RunFilter::default(), 5, None).unwrap().items.is_empty());
    fs::remove_dir_all(store_file(directory.path()).parent().unwrap()).unwrap();
    store.commit(states([state("canary", "after", Some("1"))])).blocking_recv().unwrap();
    store.commit(runs([run(&canary("p", "eu"), Verdict::Passed, 1)])).blocking_recv().unwrap();
    assert_eq!(reader.runs(&RunFilter::default(), 5, None).unwrap().items.len(), 1, "readers follow");
    drop(reader);
    let refused = open_at(&store_file(directory.path()), KEPT, at(0)).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "the lock is there again");
    let (_store, restored) = reopen(&store, directory.path());
    let keys: Vec<_> = restored.states.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(keys, ["after", "before"]);
    assert_eq!(restored.damaged, None);
}

#[test]
fn a_deleted_file_is_made_again_though_its_lock_and_its_log_are_still_there() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let many = (0..300).map(|at| state("canary", &format!("c{at:04}"), Some("{\"streak\":1}")));
    store.commit(states(many)).blocking_recv().unwrap();
    fs::remove_file(store_file(directory.path())).unwrap();
    store.record(states([state("canary", "after", Some("1"))]));
    let (store, restored) = reopen(&store, directory.path());
    assert_eq!((restored.states.len(), restored.damaged), (301, None));
    assert!(store.close(LONG));
    let file = Connection::open(store_file(directory.path())).unwrap();
    file::look_through(&file).unwrap();
}

#[test]
fn another_file_in_its_place_is_not_written_to() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    settle(&store);
    let path = store_file(directory.path());
    let kept = path.with_extension("kept");
    fs::rename(&path, &kept).unwrap();
    fs::write(&path, "").unwrap();
    let mut receiver = store.commit(states([state("canary", "a", Some("1"))]));
    store.record(states([state("canary", "b", Some("1"))]));
    assert!(!store.close(Duration::from_millis(300)));
    assert!(receiver.try_recv().is_err());
    assert_eq!(fs::read(&path).unwrap(), b"");
}

/// A file system of two megabytes, where the rights allow one.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "none"]).arg(directory.path()).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(directory))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_holds_everything_up_until_there_is_room_and_nothing_is_lost() {
    let Some(small) = Small::mount() else {
        eprintln!("nothing can be mounted here; the test of a bounded file covers a part of it");
        return;
    };
    let (store, _) = open(small.0.path());
    store.commit(states([state("canary", "a", Some("0"))])).blocking_recv().unwrap();
    let ballast = small.0.path().join("ballast");
    let filled = fs::write(&ballast, vec![0_u8; 4 << 20]);
    assert!(filled.is_err(), "the disk is full now");
    let eu = canary("p", "eu");
    let mut waiting = Vec::new();
    for number in 1..=300 {
        let mut commit = runs([run(&eu, Verdict::Failed, number)]);
        commit.states = vec![state("canary", "a", Some(&number.to_string()))];
        commit.tries = vec![attempt(&format!("T{number:03}"), &["I1"], number)];
        waiting.push(store.commit(commit));
    }
    let mut last = waiting.pop().unwrap();
    await_trouble(&store);
    assert!(last.try_recv().is_err(), "it does not fit");
    fs::remove_file(&ballast).unwrap();
    last.blocking_recv().unwrap();
    let (_store, restored) = reopen(&store, small.0.path());
    assert_eq!(restored.tries.len(), 300);
    assert_eq!(restored.states[0].json, "300");
    assert_eq!(restored.damaged, None);
}

#[test]
fn a_store_is_read_on_a_full_disk_and_written_once_there_is_room() {
    let Some(small) = Small::mount() else {
        eprintln!("nothing can be mounted here; the test of a bounded file covers a part of it");
        return;
    };
    let (store, _) = open(small.0.path());
    store.commit(states([state("canary", "a", Some("1"))])).blocking_recv().unwrap();
    // As after a crash: the log is there, and not yet in the file.
    for end in ["", "-wal"] {
        let path = format!("{}{end}", store_file(small.0.path()).display());
        fs::copy(&path, format!("{path}.kept")).unwrap();
    }
    assert!(store.close(LONG));
    for end in ["", "-wal"] {
        let path = format!("{}{end}", store_file(small.0.path()).display());
        fs::rename(format!("{path}.kept"), &path).unwrap();
    }
    let ballast = small.0.path().join("ballast");
    assert!(fs::write(&ballast, vec![0_u8; 4 << 20]).is_err(), "the disk is full now");
    let (store, restored) = open(small.0.path());
    assert_eq!(restored.states.iter().map(|state| &*state.json).collect::<Vec<_>>(), ["1"]);
    let written = store.commit(states([state("canary", "b", Some("2"))]));
    await_trouble(&store);
    fs::remove_file(&ballast).unwrap();
    written.blocking_recv().unwrap();
    let (_store, restored) = reopen(&store, small.0.path());
    assert_eq!(restored.states.len(), 2);
    assert_eq!(restored.damaged, None);
}

#[test]
fn a_file_that_may_not_grow_holds_everything_up_until_it_may() {
    let directory = tempfile::tempdir().unwrap();
    let place = file::StoreLocation::File(store_file(directory.path()));
    let lock = Lock::take(place.path(), Duration::ZERO).unwrap();
    let (connection, _) = file::open(&place, FileOrigin::Unknown, CheckDepth::Head, LONG, at(0)).unwrap();
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    connection.pragma_update_and_check(None, "max_page_count", pages + 2, |_| Ok(())).unwrap();
    let store = SqliteStore::start(place, Arc::default(), Retention::EVERYTHING, Some(connection), Some(lock), None).unwrap();
    let eu = canary("p", "eu");
    // Far more than fits; the writer takes a new connection, which has no such bound, after some tries.
    let commit = runs((0..500).map(|number| run(&eu, Verdict::Failed, number)));
    store.commit(commit).blocking_recv().unwrap();
    assert_eq!(store.questions().runs(&RunFilter::default(), 500, None).unwrap().items.len(), 500);
}

/// How many runs wait of a canary, and their verdicts in the order of their ticks.
fn waiting(backlog: &Backlog, of: &crate::plan::Canary) -> Vec<Verdict> {
    let mut runs: Vec<(i64, Verdict)> = backlog
        .runs()
        .map(|run| match run {
            QueuedRun::Whole(record) => (RunRow::of(record), record.report.verdict),
            QueuedRun::RowOnly(_) => panic!("only a few wait here"),
        })
        .filter(|(line, _)| line.canary.id == of.id)
        .map(|(line, verdict)| (line.due_ms, verdict))
        .collect();
    runs.sort_by_key(|(due, _)| *due);
    runs.into_iter().map(|(_, verdict)| verdict).collect()
}

#[test]
fn what_waits_is_bounded_and_only_the_first_runs_keep_their_steps() {
    let (eu, us) = (canary("p", "eu"), canary("p", "us"));
    let mut backlog = Backlog::default();
    for number in 0..50_010 {
        backlog.push(runs([run(&eu, Verdict::Passed, number)]));
        backlog.push(states([state("canary", "p/eu", Some(&number.to_string()))]));
    }
    assert_eq!(backlog.runs().count(), 9, "the canary gave way whole at 50,001, and what came later waits");
    for number in 0..60_000 {
        backlog.push(runs([run(&us, Verdict::Failed, number)]));
    }
    let whole = backlog.runs().filter(|run| matches!(run, QueuedRun::Whole(_))).count();
    assert_eq!(backlog.runs().count(), 60_000, "no failure gives way, but what only passed does");
    assert_eq!(whole, 1_000, "and only the first ones keep their steps");
    assert_eq!(backlog.states.len(), 1);
    assert_eq!(backlog.ticks.len(), 2, "when each canary ran last is kept all the same");
}

#[test]
fn a_canary_gives_way_whole_or_not_at_all() {
    let (mixed, well) = (canary("p", "mixed"), canary("p", "well"));
    let mut backlog = Backlog::default();
    for (number, verdict) in [Verdict::Failed, Verdict::Passed, Verdict::Failed].into_iter().enumerate() {
        backlog.push(runs([run(&mixed, verdict, number as u64)]));
    }
    let mut most = 0;
    for number in 0..50_010 {
        backlog.push(runs([run(&well, Verdict::Passed, 100 + number)]));
        most = most.max(backlog.runs().count());
    }
    assert_eq!(most, 50_000);
    assert_eq!(waiting(&backlog, &mixed), [Verdict::Failed, Verdict::Passed, Verdict::Failed]);
    assert_eq!(waiting(&backlog, &well).len(), 12);
}

#[test]
fn of_the_ticks_that_wait_the_last_in_their_order_stays() {
    let eu = canary("p", "eu");
    let mut backlog = Backlog::default();
    for (due, order) in [(7_200, 1), (3_660, 3), (3_600, 2)] {
        let mut report = run(&eu, Verdict::Passed, due);
        report.tick.order = order;
        backlog.push(runs([report]));
    }
    let (_, last) = backlog.ticks.values().next().unwrap();
    assert_eq!((last.order, last.due_ms), (3, super::super::testing::at_ms(3_660)));
}

#[test]
fn what_comes_while_nothing_can_be_written_is_added_in_order() {
    let eu = canary("p", "eu");
    let (mut older, mut newer) = (Backlog::default(), Backlog::default());
    older.push(states([state("canary", "a", Some("1")), state("canary", "b", Some("1"))]));
    older.push(runs([run(&eu, Verdict::Failed, 1)]));
    older.ledger("L1", LedgerChange { entry: Some(entry("L1")), ..LedgerChange::default() });
    newer.push(states([state("canary", "a", Some("2"))]));
    newer.push(runs([run(&eu, Verdict::Failed, 2)]));
    newer.ledger("L1", LedgerChange::ended(LedgerEnd::Gone));
    older.absorb(newer);
    let values: Vec<_> = older.states.values().flatten().map(String::as_str).collect();
    assert_eq!(values, ["2", "1"]);
    assert_eq!(older.runs().count(), 2);
    assert_eq!(older.ticks.values().next().unwrap().1.due_ms, super::super::testing::at_ms(2));
    assert!(older.ledger.is_empty(), "what is gone before it was written need not be written");
}

#[test]
fn who_waits_no_longer_for_a_store_that_is_away_takes_no_room() {
    let (mut older, mut newer) = (Backlog::default(), Backlog::default());
    let (done, waiting) = tokio::sync::oneshot::channel();
    older.wait(done);
    for _ in 0..10_000 {
        older.wait(tokio::sync::oneshot::channel().0);
        newer.wait(tokio::sync::oneshot::channel().0);
    }
    assert!(older.waiters.len() < 100 && newer.waiters.len() < 100);
    newer.absorb(older);
    assert!(newer.waiters.len() < 100);
    newer.waiters.drain(..).for_each(Waiter::notify);
    assert_eq!(waiting.blocking_recv(), Ok(()), "who does wait is told");
}
