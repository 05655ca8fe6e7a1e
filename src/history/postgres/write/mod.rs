//! One transaction: everything that waits, into its tables.
//!
//! In a fleet, it begins with that the leases are still held under which it writes: it fails as a whole where one is not.
//!
//! One statement for each kind of row, with a column of values as an array each. All of them leave before the first is answered, from
//! `BEGIN` to `COMMIT`, so that a transaction takes one round trip. The numbers of runs, changes and facts are locked last, because every other
//! writer waits for them until the commit; a writer that stops in between is cut off by the server.

mod alert;
mod fleet;
mod rest;
mod run;
mod statement;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::fleet::Fence;
use crate::history::backlog::Backlog;
use crate::history::newest_passes::SharedPasses;
use crate::outcome::{CleanupReport, RunReport};
use crate::plan::{Bodies, CanaryId};
pub(super) use statement::{Statement, send};

/// What a writer that goes silent in the middle of a transaction may keep the others waiting for, and how long it waits itself.
const BOUNDS: &str = "SET LOCAL idle_in_transaction_session_timeout = '3s'; SET LOCAL lock_timeout = '5s'";

/// Steps' names that are known to be stored; further ones are looked up again.
const SHAPES: usize = 10_000;

/// What is in the store for certain, so that it is not written again.
#[derive(Debug, Default)]
struct KnownNames {
    canaries: HashSet<CanaryId>,
    shapes: HashSet<String>,
}

/// Writes rows.
#[derive(Debug)]
pub(super) struct RowWriter {
    bodies: Bodies,
    passes: SharedPasses,
    fence: Arc<Fence>,
    known: KnownNames,
    /// The last tick that was written of each slot, by its place in the order.
    orders: HashMap<(CanaryId, u32), u64>,
    /// Cleanups that came before their run's row, and since when they wait.
    early: VecDeque<(Instant, Arc<CleanupReport>)>,
}

/// What a transaction adds to what is known, once it is committed.
#[derive(Debug, Default)]
struct Learnt {
    canaries: Vec<CanaryId>,
    shapes: Vec<String>,
    orders: Vec<((CanaryId, u32), u64)>,
}

impl RowWriter {
    pub(super) fn new(bodies: Bodies, passes: SharedPasses, fence: Arc<Fence>) -> Self {
        Self { bodies, passes, fence, known: KnownNames::default(), orders: HashMap::new(), early: VecDeque::new() }
    }

    /// What it writes under.
    pub(super) fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Writes all of it or nothing. What somebody waits for is on the server's disk when this returns.
    pub(super) async fn write(&mut self, client: &Client, backlog: &Backlog) -> Result<(), tokio_postgres::Error> {
        let mut learnt = Learnt::default();
        let cleanups = self.cleanups(backlog);
        let evaluator = backlog.evaluator.filter(|_| backlog.has_evaluation());
        let fence = Arc::clone(&self.fence);
        let region = &**fence.region();
        let mut statements = fleet::fences(&fence, evaluator);
        statements.extend(self.runs(backlog, &mut learnt));
        statements.extend(alert::statements(backlog, region));
        statements.extend(rest::statements(backlog, region));
        statements.extend(rest::cleanups(&cleanups, self.bodies));
        let placed_by = (!cleanups.is_empty()).then(|| statements.len() - 1);
        statements.extend(rest::changes(backlog));
        statements.extend(fleet::facts(backlog, region));
        let answers = transaction(client, must_last(backlog), &statements).await;
        self.passes.settle(answers.is_ok());
        let answers = answers?;
        self.learn(learnt);
        let placed: HashSet<Vec<u8>> =
            placed_by.and_then(|at| answers.get(at)).into_iter().flatten().map(|row| row.get(0)).collect();
        self.early = rest::early(cleanups, &placed);
        Ok(())
    }

    /// Writes passed runs that are only held so far: all, or those that have been for long.
    pub(super) async fn write_passes(&self, client: &Client, all: bool, most: usize) -> Result<(), tokio_postgres::Error> {
        let due = self.passes.due(all, most);
        if due.is_empty() {
            return Ok(());
        }
        let mut statements = fleet::fences(&self.fence, None);
        statements.push(run::passes(&due, self.bodies));
        let written = transaction(client, Durability::Soon, &statements).await;
        self.passes.settle(written.is_ok());
        written.map(drop)
    }

    fn learn(&mut self, learnt: Learnt) {
        if self.known.shapes.len() >= SHAPES {
            self.known.shapes.clear();
        }
        self.known.canaries.extend(learnt.canaries);
        self.known.shapes.extend(learnt.shapes);
        self.orders.extend(learnt.orders);
    }

    /// Cleanups that wait for their run's row, and new ones.
    fn cleanups(&self, backlog: &Backlog) -> Vec<(Instant, Arc<CleanupReport>)> {
        let now = Instant::now();
        self.early.iter().cloned().chain(backlog.cleanups.iter().map(|report| (now, Arc::clone(report)))).collect()
    }
}

/// What a crash of the server may take with it.
#[derive(Debug, Clone, Copy)]
enum Durability {
    /// Nothing: it is on the server's disk when the transaction ends.
    AtOnce,
    /// All of the transaction, if the crash comes within the next half second.
    Soon,
}

/// A crash of the server may take history with it, and nothing that decides who is told of what or what is cleaned up.
fn must_last(backlog: &Backlog) -> Durability {
    let decides = !backlog.waiters.is_empty()
        || !backlog.states.is_empty()
        || !backlog.incidents.is_empty()
        || backlog.tries.len() > 0
        || !backlog.ledger.is_empty()
        || !backlog.facts.is_empty();
    if decides { Durability::AtOnce } else { Durability::Soon }
}

/// Runs these in one transaction, and returns the rows of each.
async fn transaction(
    client: &Client,
    durability: Durability,
    statements: &[Statement<'_>],
) -> Result<Vec<Vec<tokio_postgres::Row>>, tokio_postgres::Error> {
    let begin = match durability {
        Durability::AtOnce => format!("BEGIN; {BOUNDS}"),
        Durability::Soon => format!("BEGIN; {BOUNDS}; SET LOCAL synchronous_commit = off"),
    };
    send(client, &begin, statements, "COMMIT").await
}

/// The ids of runs as bytes.
fn run_ids<'r>(reports: impl IntoIterator<Item = &'r RunReport>) -> Vec<Vec<u8>> {
    reports.into_iter().map(|report| report.run_id.0.0.to_be_bytes().to_vec()).collect()
}

/// Holds the numbers of runs, changes and facts until the commit. All at once and in one order, so that no two writers wait for each other.
fn lock_numbers<'a>() -> Statement<'a> {
    Statement::new("SELECT last FROM numbers WHERE name = ANY($1) ORDER BY name FOR UPDATE")
        .with(vec!["changes", "facts", "runs"], Type::TEXT_ARRAY)
}
