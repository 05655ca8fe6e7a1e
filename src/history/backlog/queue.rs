//! The queue between the threads that hand rows in and the one that writes them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::{Backlog, LedgerChange};
use crate::history::{Commit, Durable};
use crate::outcome::{CleanupReport, LedgerEntry, LedgerUnavailable};

/// How long something waits for others to share its transaction.
const BATCH: Duration = Duration::from_millis(200);

/// Rows that are written without waiting for more.
const ROWS: usize = 1_000;

/// What the writer has to do.
#[derive(Debug)]
pub(in crate::history) enum Work {
    /// Write this.
    Write(Box<Backlog>),
    /// Clean up, as of this moment.
    Housekeep(SystemTime, Vec<oneshot::Sender<()>>),
    /// Stop: nothing waits, and nothing more will come.
    End,
}

#[derive(Debug, Default)]
struct QueueState {
    backlog: Backlog,
    /// When the first thing in the backlog came.
    since: Option<Instant>,
    housekeeping: Option<(SystemTime, Vec<oneshot::Sender<()>>)>,
    /// When the writer must have ended.
    closing: Option<Instant>,
    /// Nobody writes any more.
    ended: bool,
    /// Whatever is handed in is dropped: another process has this one's region.
    refuses: bool,
    /// Whether everything had been written by then.
    clean: bool,
}

impl QueueState {
    fn is_due(&self) -> bool {
        !self.backlog.waiters.is_empty() || self.backlog.rows() >= ROWS || self.closing.is_some()
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(in crate::history) struct Queue {
    state: Mutex<QueueState>,
    /// For the writer.
    wake: Condvar,
    /// For whoever waits for the end.
    end: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands something in. After the end, or where all is refused, it is dropped, and its waiters get an error.
    fn put(&self, add: impl FnOnce(&mut Backlog)) {
        let mut state = self.lock();
        if state.ended || state.refuses {
            return;
        }
        add(&mut state.backlog);
        let first = state.since.is_none();
        if first {
            state.since = Some(Instant::now());
        }
        let wake = first || state.is_due();
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Takes what is written soon.
    pub(in crate::history) fn record(&self, commit: Commit) {
        self.put(|backlog| {
            backlog.push(commit);
        });
    }

    /// Takes what is written at once.
    pub(in crate::history) fn commit(&self, commit: Commit) -> Durable {
        let (done, durable) = oneshot::channel();
        self.put(|backlog| backlog.push_and_wait(commit, done));
        durable
    }

    /// Takes an intent to create something, which is written at once.
    pub(in crate::history) fn intend(&self, entry: LedgerEntry) -> BoxFuture<'static, Result<(), LedgerUnavailable>> {
        let (done, durable) = oneshot::channel();
        self.put(|backlog| {
            let id = entry.id.clone();
            backlog.ledger(&id, LedgerChange { entry: Some(entry), ..LedgerChange::default() });
            backlog.wait(done);
        });
        Box::pin(async { durable.await.map_err(|_| LedgerUnavailable) })
    }

    /// Takes what became of an entry of the cleanup ledger.
    pub(in crate::history) fn ledger(&self, id: &str, change: LedgerChange) {
        self.put(|backlog| backlog.ledger(id, change));
    }

    /// Takes what became of a run's cleanup.
    pub(in crate::history) fn cleanup(&self, report: &Arc<CleanupReport>) {
        self.put(|backlog| backlog.cleanup(Arc::clone(report)));
    }

    /// Asks for housekeeping. Earlier requests that have not begun are answered by the same round.
    pub(in crate::history) fn housekeep(&self, now: SystemTime) -> Durable {
        let (done, receiver) = oneshot::channel();
        let mut state = self.lock();
        if !state.ended && !state.refuses {
            let housekeeping = state.housekeeping.get_or_insert_with(|| (now, Vec::new()));
            housekeeping.0 = now;
            housekeeping.1.push(done);
            self.wake.notify_one();
        }
        receiver
    }

    /// Waits for work. Something that is due comes before housekeeping.
    pub(in crate::history) fn next(&self) -> Work {
        let mut state = self.lock();
        loop {
            let age = state.since.map(|since| since.elapsed());
            if age.is_some_and(|age| age >= BATCH) || (age.is_some() && state.is_due()) {
                state.since = None;
                let backlog = std::mem::take(&mut state.backlog);
                // Rows of an evaluator before this one may still come.
                state.backlog.evaluator = backlog.evaluator;
                return Work::Write(Box::new(backlog));
            }
            if state.closing.is_some() {
                return Work::End;
            }
            if let Some((now, done)) = state.housekeeping.take() {
                return Work::Housekeep(now, done);
            }
            state = match age {
                Some(age) => self.wake.wait_timeout(state, BATCH.saturating_sub(age)).unwrap_or_else(PoisonError::into_inner).0,
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Whether housekeeping must pause for something that is to be written, or for good.
    pub(in crate::history) fn is_wanted(&self) -> bool {
        let state = self.lock();
        state.closing.is_some()
            || (state.since.is_some_and(|since| since.elapsed() >= BATCH) || (state.since.is_some() && state.is_due()))
    }

    /// Puts back what could not be written, then waits for `pause`. Returns false if the deadline to close has passed.
    pub(in crate::history) fn give_back(&self, mut backlog: Backlog, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.lock();
        backlog.absorb(std::mem::take(&mut state.backlog));
        state.backlog = backlog;
        state.since = Some(state.since.unwrap_or_else(Instant::now));
        loop {
            let now = Instant::now();
            if state.closing.is_some_and(|deadline| now >= deadline) {
                return false;
            }
            let until = state.closing.map_or(until, |deadline| until.min(deadline));
            let Some(left) = until.checked_duration_since(now).filter(|left| !left.is_zero()) else { return true };
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Drops what waits, and from now on whatever is handed in.
    pub(in crate::history) fn refuse(&self) {
        let mut state = self.lock();
        state.refuses = true;
        state.backlog = Backlog::default();
        state.since = None;
        state.housekeeping = None;
    }

    /// Asks the writer to write what waits and to end by then.
    pub(in crate::history) fn close(&self, deadline: Instant) {
        let mut state = self.lock();
        state.closing = Some(state.closing.map_or(deadline, |known| known.min(deadline)));
        self.wake.notify_all();
    }

    /// Waits for the writer's end; whether it had written everything.
    pub(in crate::history) fn wait(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        while !state.ended {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            state = self.end.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.clean
    }

    /// The writer has ended, well or not. What waits is dropped, so that nobody waits for it for ever.
    pub(in crate::history) fn ended(&self, clean: bool) {
        let mut state = self.lock();
        state.ended = true;
        state.clean = clean && state.backlog.is_empty();
        state.backlog = Backlog::default();
        state.housekeeping = None;
        self.end.notify_all();
    }
}
