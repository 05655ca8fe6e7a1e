//! The one thread that writes. A write that fails is tried again; what waits stays in the queue, which is bounded.
//!
//! It has a runtime and a connection of its own, so that nothing else in the process delays a commit. A connection that broke is made
//! anew with the next try.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;
use metrics::gauge;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use super::connection::{Connection, QueryError};
use super::fleet::Refusal;
use super::housekeep::HousekeepRound;
use super::write::RowWriter;
use crate::history::backlog::{Backlog, Queue, Waiter, Work};
use crate::plan::Retention;

/// Whether the last try to write succeeded.
const WRITABLE: &str = "serinus_store_writable";

/// How long a transaction may take; a server that does not answer is left, and asked again on another connection.
const WITHIN: Duration = Duration::from_secs(10);

/// Pauses between tries: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Passed runs that are written down at once with housekeeping.
const PASSES: usize = 200;

/// How the store is, for whoever asks.
#[derive(Debug)]
pub(super) struct Health {
    pub(super) is_writable: AtomicBool,
    /// Changes whenever something was written.
    pub(super) written: watch::Sender<u64>,
}

impl Default for Health {
    fn default() -> Self {
        Self { is_writable: AtomicBool::new(true), written: watch::Sender::new(0) }
    }
}

/// Why something could not be written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("it did not answer within {} s", WITHIN.as_secs())]
    Late,
}

impl WriteError {
    /// Which lease another process has, if that is why.
    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Query(QueryError::Statement(error)) => Refusal::of(error),
            Self::Query(QueryError::Connect(_)) | Self::Late => None,
        }
    }
}

/// The writer.
pub(super) struct Writer {
    label: String,
    retention: Retention,
    runtime: Runtime,
    pool: Pool,
    queue: Arc<Queue>,
    health: Arc<Health>,
    rows: RowWriter,
    failures: u32,
}

/// Says that the writer has ended, also where it panics.
struct EndGuard<'a> {
    queue: &'a Queue,
    clean: bool,
}

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!("the store's thread panicked; nothing is stored any more, this is a defect of Serinus");
            gauge!(WRITABLE).set(0.0);
        }
        self.queue.ended(self.clean);
    }
}

impl Writer {
    pub(super) fn new(
        label: String,
        retention: Retention,
        runtime: Runtime,
        pool: Pool,
        queue: Arc<Queue>,
        health: Arc<Health>,
        rows: RowWriter,
    ) -> Self {
        gauge!(WRITABLE).set(1.0);
        Self { label, retention, runtime, pool, queue, health, rows, failures: 0 }
    }

    /// Writes until the end.
    pub(super) fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let mut ending = EndGuard { queue: &queue, clean: false };
        let mut round: Option<(HousekeepRound, Vec<oneshot::Sender<()>>)> = None;
        loop {
            if let Some((todo, _)) = &mut round
                && !queue.is_wanted()
            {
                match self.slice(todo) {
                    Ok(true) => {}
                    Ok(false) => round.take().map(|(_, done)| done).unwrap_or_default().into_iter().for_each(notify),
                    Err(error) => {
                        warn!(store = %self.label, error = %chain(&error), "housekeeping of the store stopped; the next one goes on");
                        round = None;
                    }
                }
                continue;
            }
            match queue.next() {
                Work::Write(backlog) => {
                    if !self.write(*backlog) {
                        break;
                    }
                }
                Work::Housekeep(now, done) => {
                    self.write_passes(false, PASSES);
                    round = Some((HousekeepRound::new(now, self.retention), done));
                }
                Work::End => {
                    self.write_passes(true, usize::MAX);
                    ending.clean = true;
                    break;
                }
            }
        }
    }

    /// Writes, or gives back and waits. False if it is too late to try again.
    fn write(&mut self, mut backlog: Backlog) -> bool {
        if backlog.evaluator.is_some() && backlog.evaluator <= self.rows.fence().fenced().evaluator {
            backlog.drop_evaluation();
        }
        match self.try_write(&backlog) {
            Err(error) if let Some(refusal) = error.refusal() => match refusal {
                Refusal::Evaluator => self.without_evaluation(backlog),
                Refusal::Region => {
                    self.lose_region();
                    true
                }
            },
            Ok(()) => {
                if self.failures > 0 {
                    info!(store = %self.label, "the store can be written again; nothing that waited is lost");
                    self.set_writable(true);
                }
                self.failures = 0;
                self.health.written.send_modify(|times| *times = times.wrapping_add(1));
                std::mem::take(&mut backlog.waiters).into_iter().for_each(Waiter::notify);
                true
            }
            Err(error) => {
                if self.failures == 0 {
                    error!(
                        store = %self.label,
                        error = %chain(&error),
                        "the store cannot be written; pages leave from memory, and it is tried again until it works"
                    );
                    self.set_writable(false);
                }
                let pause = PAUSES.0.saturating_mul(1 << self.failures.min(10)).min(PAUSES.1);
                self.failures = self.failures.saturating_add(1);
                self.queue.give_back(backlog, pause)
            }
        }
    }

    /// Another process evaluates: its rows are not overwritten, and all others are written at once.
    fn without_evaluation(&mut self, mut backlog: Backlog) -> bool {
        warn!(store = %self.label, "another instance evaluates now; what this one has not written of its evaluation is dropped");
        self.rows.fence().lose_evaluator(backlog.evaluator);
        backlog.drop_evaluation();
        self.write(backlog)
    }

    /// Another process probes from this one's region: nothing is written any more.
    fn lose_region(&mut self) {
        error!(
            store = %self.label,
            "another instance probes {} now; what this one has not written is dropped", self.rows.fence().region()
        );
        self.rows.fence().lose_region();
        self.queue.refuse();
    }

    fn try_write(&mut self, backlog: &Backlog) -> Result<(), WriteError> {
        let Self { runtime, pool, rows, .. } = self;
        let mut write = || runtime.block_on(on_connection(pool, async |client| rows.write(client, backlog).await));
        match write() {
            // A pooler or a restart has closed it since the last write; that is no outage.
            Err(WriteError::Query(QueryError::Statement(error))) if error.is_closed() => write(),
            written => written,
        }
    }

    /// Writes passed runs that are only held so far. If that fails, they stay held.
    fn write_passes(&mut self, all: bool, most: usize) {
        if self.rows.fence().fenced().region {
            return;
        }
        let Self { runtime, pool, rows, .. } = self;
        let written = runtime.block_on(on_connection(pool, async |client| rows.write_passes(client, all, most).await));
        let Err(error) = written else { return };
        if error.refusal() == Some(Refusal::Region) {
            self.lose_region();
        } else {
            warn!(store = %self.label, error = %chain(&error), "the newest passed runs could not be written down");
        }
    }

    fn slice(&mut self, round: &mut HousekeepRound) -> Result<bool, WriteError> {
        let Self { runtime, pool, .. } = self;
        runtime.block_on(on_connection(pool, async |client| round.slice(client).await))
    }

    fn set_writable(&self, writable: bool) {
        self.health.is_writable.store(writable, Ordering::Release);
        gauge!(WRITABLE).set(if writable { 1.0 } else { 0.0 });
    }
}

/// Does something on a connection. One that does not answer in time, or on which it failed, is not used again.
async fn on_connection<T>(
    pool: &Pool,
    what: impl AsyncFnOnce(&mut tokio_postgres::Client) -> Result<T, tokio_postgres::Error>,
) -> Result<T, WriteError> {
    let mut connection = pool.get().await.map_err(QueryError::from)?;
    let done = tokio::time::timeout(WITHIN, what(&mut connection)).await;
    match done {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            drop(Connection::take(connection));
            Err(QueryError::from(error).into())
        }
        Err(_) => {
            drop(Connection::take(connection));
            Err(WriteError::Late)
        }
    }
}

/// Whoever no longer wants to know has dropped the receiver.
fn notify(done: oneshot::Sender<()>) {
    let _ = done.send(());
}

/// An error with all that it came from.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
