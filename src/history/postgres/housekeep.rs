//! Housekeeping: rollups, and the end of what was kept long enough, in slices of some milliseconds each.
//!
//! Several processes share a store, and all of them begin at the same second. One at a time does it: whoever finds another one's slice
//! under way ends its round, since its writer would wait for that one's slices and write nothing meanwhile. Each slice looks at the marks
//! and tables anew, so that a round only finds less to do where another one did a part. What waits for tables that everybody uses comes
//! last: where that takes too long, the round ends, and nothing else was left out.
//!
//! `retention_clock` says which time counts as now.

use std::time::{Duration, SystemTime};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, IsolationLevel, Row, Transaction};

use super::partitions::{self, Class, Partition};
use super::prune::{self, IncidentPrune};
use super::{days, rollup};
use crate::base::time::{epoch_ms, signed_millis};
use crate::history::retention_clock::RetentionClock;
use crate::history::start_state::OWED;
use crate::plan::Retention;

/// The lock that slices follow each other by: `SerinusH` as a number, in the database's own space of advisory locks.
const LOCK: i64 = 0x53_65_72_69_6e_75_73_48;

/// One that goes silent in the middle is cut off by the server. What a crash of the server undoes is done again.
const BOUNDS: &str = "SET LOCAL lock_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = '5s';
    SET LOCAL synchronous_commit = off";

/// Waits for another process's slice.
const TURN: &str = "SELECT pg_advisory_xact_lock($1)";

/// The same where no other process is at it, and otherwise nothing.
const TURN_IF_FREE: &str = "SELECT pg_try_advisory_xact_lock($1)";

/// Slices in which days are summed in a round: a day of 100,000 canaries.
const DAY_SLICES: u32 = 1_000;

/// What is older goes, milliseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) passed: i64,
    pub(super) others: i64,
    pub(super) rollups: i64,
    /// Nothing is owed any more of incidents that ended before.
    pub(super) owed: i64,
    /// What of the wall clock is believed.
    pub(super) trusted: i64,
}

impl Bounds {
    /// Before which everything is young.
    pub(super) const NONE: Self =
        Self { passed: i64::MIN, others: i64::MIN, rollups: i64::MIN, owed: i64::MIN, trusted: i64::MIN };
}

/// Where a round is.
#[derive(Debug, Clone)]
enum HousekeepStage {
    Clock,
    RollUp,
    /// Sums the hours of days that are over, in so many slices at most.
    Days(u32),
    Incidents,
    /// Of incidents that are not restored any more, after this state's kind and key.
    States(usize, String),
    Tries,
    /// Rollups, days, the timeline, events, comparisons, changes, facts, and what processes of a fleet asked of each other.
    Rows,
    /// Passed runs in full after this one, when the comparisons that refer to them are gone.
    Passes(Vec<u8>),
    /// Observations of the series after this one.
    Observations(i32),
    /// Artifacts whose runs are not there, after this run.
    Artifacts(Vec<u8>),
    /// Runs that lie in no partition of their own.
    Strays,
    /// Makes partitions for the runs to come.
    Prepare(Class),
    /// Looks for a partition that is old.
    Partitions,
    /// The artifacts of the runs in it, after this run.
    PartitionArtifacts(Partition, Vec<u8>),
    Drop(Partition),
}

/// One round of housekeeping.
#[derive(Debug)]
pub(super) struct HousekeepRound {
    stage: HousekeepStage,
    retention: Retention,
    /// What the wall clock shows, milliseconds since the epoch.
    now: i64,
    bounds: Bounds,
}

impl HousekeepRound {
    pub(super) fn new(now: SystemTime, retention: Retention) -> Self {
        // Never shorter than passed ones.
        let retention = Retention { others: retention.others.max(retention.passed), ..retention };
        Self { stage: HousekeepStage::Clock, retention, now: epoch_ms(now), bounds: Bounds::NONE }
    }

    /// Does one slice of work in one transaction. Returns false when all is done, or another process is doing it.
    pub(super) async fn slice(&mut self, client: &mut Client) -> Result<bool, Error> {
        let transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
        if !bounded(&transaction, TURN_IF_FREE).await?.get::<_, bool>(0) {
            return Ok(false);
        }
        let next = self.go_on(&transaction).await?;
        transaction.commit().await?;
        let more = next.is_some();
        if let Some(next) = next {
            self.stage = next;
        }
        Ok(more)
    }

    /// Does a part of a stage, and says which one is next, if any is.
    async fn go_on(&mut self, transaction: &Transaction<'_>) -> Result<Option<HousekeepStage>, Error> {
        use HousekeepStage as Stage;
        let again = |more, here, next| if more { here } else { next };
        Ok(Some(match self.stage.clone() {
            Stage::Clock => {
                self.look_at_the_clock(transaction).await?;
                Stage::RollUp
            }
            Stage::RollUp => again(rollup::roll_up(transaction).await?, Stage::RollUp, Stage::Days(DAY_SLICES)),
            Stage::Days(slices) => {
                let more = days::sum(transaction, self.bounds.trusted).await? && slices > 1;
                again(more, Stage::Days(slices.saturating_sub(1)), Stage::Incidents)
            }
            Stage::Incidents => {
                again(self.prune().incidents(transaction).await?, Stage::Incidents, Stage::States(0, String::new()))
            }
            Stage::States(kind, after) => {
                let next = self.prune().states(transaction, kind, after).await?;
                next.map_or(Stage::Tries, |(kind, after)| Stage::States(kind, after))
            }
            Stage::Tries => again(self.prune().tries(transaction).await?, Stage::Tries, Stage::Rows),
            Stage::Rows => again(prune::rows(transaction, &self.bounds).await?, Stage::Rows, Stage::Passes(Vec::new())),
            Stage::Passes(after) => {
                prune::passes(transaction, self.bounds.rollups, &after).await?.map_or(Stage::Observations(0), Stage::Passes)
            }
            Stage::Observations(after) => prune::observations(transaction, self.bounds.trusted, after)
                .await?
                .map_or(Stage::Artifacts(Vec::new()), Stage::Observations),
            Stage::Artifacts(after) => {
                let next = prune::stray_artifacts(transaction, self.bounds.others, &after).await?;
                next.map_or(Stage::Strays, Stage::Artifacts)
            }
            Stage::Strays => {
                again(partitions::strays(transaction, &self.bounds).await?, Stage::Strays, Stage::Prepare(Class::Passed))
            }
            Stage::Prepare(class) => {
                partitions::extend(transaction, class, self.now, self.kept(class)).await?;
                if class == Class::Passed { Stage::Prepare(Class::Others) } else { Stage::Partitions }
            }
            Stage::Partitions => match partitions::next_old(transaction, &self.bounds).await? {
                Some(partition) => Stage::PartitionArtifacts(partition, Vec::new()),
                None => return Ok(None),
            },
            Stage::PartitionArtifacts(partition, after) => match partitions::artifacts(transaction, &partition, &after).await? {
                Some(after) => Stage::PartitionArtifacts(partition, after),
                None => Stage::Drop(partition),
            },
            Stage::Drop(partition) => {
                partitions::remove(transaction, &partition).await?;
                Stage::Partitions
            }
        }))
    }

    fn kept(&self, class: Class) -> Duration {
        match class {
            Class::Passed => self.retention.passed,
            Class::Others => self.retention.others,
        }
    }

    fn prune(&self) -> IncidentPrune {
        IncidentPrune { old: self.bounds.rollups, owed: self.bounds.owed }
    }

    /// Reads the clock and computes from when on rows are old.
    async fn look_at_the_clock(&mut self, transaction: &Transaction<'_>) -> Result<(), Error> {
        let clock = read_clock(transaction, self.now).await?.after(self.now);
        write_clock(clock, transaction).await?;
        if clock.is_new_doubt() {
            tracing::warn!(
                "the wall clock jumped ahead by more than a day, or nothing ran for so long: nothing is removed until that has lasted for a day"
            );
        }
        let before = |age: Duration| clock.trusted.saturating_sub(signed_millis(age));
        let Retention { passed, others, rollups, bodies: _ } = self.retention;
        self.bounds = Bounds {
            passed: before(passed),
            others: before(others),
            rollups: before(rollups),
            owed: before(OWED),
            trusted: clock.trusted,
        };
        Ok(())
    }
}

/// Waits until no other process does housekeeping, until the transaction's end.
pub(super) async fn turn(transaction: &Transaction<'_>) -> Result<(), Error> {
    bounded(transaction, TURN).await.map(drop)
}

/// Asks for the lock in a transaction that has bounds; both leave before the first is answered.
async fn bounded(transaction: &Transaction<'_>, turn: &str) -> Result<Row, Error> {
    let lock = [(&LOCK as _, Type::INT8)];
    let (_bounds, row) = futures::try_join!(transaction.batch_execute(BOUNDS), transaction.query_typed_one(turn, &lock))?;
    Ok(row)
}

/// The clock as an earlier round left it. At the first round it trusts the due time of the newest run.
async fn read_clock(transaction: &Transaction<'_>, now: i64) -> Result<RetentionClock, Error> {
    let [trusted, doubted, seen] = marks(transaction, ["clock_trusted", "clock_doubted", "clock_seen"]).await?;
    let trusted = if let Some(trusted) = trusted {
        trusted
    } else {
        let newest = transaction.query_typed_opt("SELECT due_ms FROM runs ORDER BY id DESC LIMIT 1", &[]).await?;
        newest.map_or(now, |row| row.get(0))
    };
    Ok(RetentionClock { trusted, doubt: doubted.zip(seen) })
}

/// Keeps it for the next round.
async fn write_clock(clock: RetentionClock, transaction: &Transaction<'_>) -> Result<(), Error> {
    let Some((since, seen)) = clock.doubt else {
        write_marks(transaction, &[("clock_trusted", clock.trusted)]).await?;
        transaction.execute_typed("DELETE FROM marks WHERE name IN ('clock_doubted', 'clock_seen')", &[]).await?;
        return Ok(());
    };
    write_marks(transaction, &[("clock_trusted", clock.trusted), ("clock_doubted", since), ("clock_seen", seen)]).await
}

/// Marks by their names.
pub(super) async fn marks<const N: usize>(transaction: &Transaction<'_>, names: [&str; N]) -> Result<[Option<i64>; N], Error> {
    let rows = transaction
        .query_typed(
            "SELECT value FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, at) LEFT JOIN marks USING (name) ORDER BY at",
            &[(&names.as_slice(), Type::TEXT_ARRAY)],
        )
        .await?;
    Ok(std::array::from_fn(|at| rows.get(at).and_then(|row| row.get(0))))
}

/// Sets marks.
pub(super) async fn write_marks(transaction: &Transaction<'_>, marks: &[(&str, i64)]) -> Result<(), Error> {
    let (names, values): (Vec<&str>, Vec<i64>) = marks.iter().copied().unzip();
    transaction
        .execute_typed(
            "INSERT INTO marks (name, value) SELECT * FROM unnest($1::text[], $2::bigint[])
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            &[(&names, Type::TEXT_ARRAY), (&values, Type::INT8_ARRAY)],
        )
        .await?;
    Ok(())
}
