//! Leases: taking, renewing and releasing them, all by the clock of the server.
//!
//! A takeover locks the lease's row as a whole and a renewal does not, so that a takeover waits for a commit under the lease and a renewal
//! does not. Who asks for a lease that another one holds locks nothing.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use super::super::reader;
use super::super::write::{Statement, send};
use crate::base::time::signed_millis;
use crate::history::{Epoch, LeaseAnswer, LeaseName, LeaseReply, LeaseView};

/// The server gives up when nobody waits for the answer any more, so that nothing is taken that nobody knows of.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = '2s'";

/// Always one row: the epoch, if it was taken or renewed; or who has it and for how long. Neither, if another one took it meanwhile.
const TAKE: &str = "WITH kept AS (
        UPDATE leases SET info = $3, renewed = clock_timestamp(), until = clock_timestamp() + $4 * interval '1 millisecond'
        WHERE name = $1 AND holder = $2 RETURNING epoch
    ), free AS (
        SELECT name FROM leases WHERE name = $1 AND holder <> $2 AND until < clock_timestamp() FOR UPDATE
    ), taken AS (
        UPDATE leases AS own SET holder = $2, info = $3, epoch = epoch + 1, renewed = clock_timestamp(),
            until = clock_timestamp() + $4 * interval '1 millisecond'
        FROM free WHERE own.name = free.name RETURNING epoch
    ), made AS (
        INSERT INTO leases (name, holder, info, epoch, renewed, until)
        SELECT $1, $2, $3, 1, clock_timestamp(), clock_timestamp() + $4 * interval '1 millisecond'
        WHERE NOT EXISTS (SELECT 1 FROM leases WHERE name = $1)
        ON CONFLICT (name) DO NOTHING RETURNING epoch
    )
    SELECT coalesce((SELECT epoch FROM kept), (SELECT epoch FROM taken), (SELECT epoch FROM made)),
        other.holder, greatest(0, extract(epoch FROM other.until - now.at) * 1000)::bigint,
        floor(extract(epoch FROM now.at) * 1000)::bigint
    FROM (SELECT clock_timestamp() AS at) AS now
    LEFT JOIN leases AS other ON other.name = $1 AND other.holder <> $2 AND other.until >= now.at";

/// It waits for no commit, either.
const RELEASE: &str = "UPDATE leases SET until = 'epoch' WHERE name = $1 AND holder = $2";

const ALL: &str = "SELECT name, holder, epoch, info,
        greatest(0, extract(epoch FROM clock_timestamp() - renewed) * 1000)::bigint, until >= clock_timestamp()
    FROM leases ORDER BY name";

/// How long whoever was quicker is given.
const AGAIN: Duration = Duration::from_millis(50);

/// Takes or renews a lease, or says who has it.
pub(super) async fn take(client: &Client, name: &str, holder: &str, info: &str, lasts: Duration) -> Result<LeaseReply, Error> {
    loop {
        let statement = Statement::new(TAKE)
            .with(name, Type::TEXT)
            .with(holder, Type::TEXT)
            .with(info, Type::TEXT)
            .with(signed_millis(lasts), Type::INT8);
        let answers = send(client, BEGIN, &[statement], "COMMIT").await?;
        let answer = answers.first().and_then(|rows| rows.first()).map(reply).transpose()?;
        // Whoever was quicker is seen the next time. All of it is bounded by whoever asks.
        if let Some(reply) = answer.flatten() {
            return Ok(reply);
        }
        // Row-level security hides a lease of another region's: then there is never one to see.
        tokio::time::sleep(AGAIN).await;
    }
}

/// The answer of [`TAKE`], if there is one.
fn reply(row: &Row) -> Result<Option<LeaseReply>, Error> {
    let (epoch, holder): (Option<i64>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    let answer = match (epoch, holder) {
        (Some(epoch), _) => LeaseAnswer::Held(Epoch(epoch)),
        (None, Some(holder)) => LeaseAnswer::HeldBy { holder, left: duration(row, 2)? },
        (None, None) => return Ok(None),
    };
    Ok(Some(LeaseReply { answer, server_ms: row.try_get(3)? }))
}

/// Lets it run out now, if this one has it.
pub(super) async fn release(client: &Client, name: &str, holder: &str) -> Result<(), Error> {
    let statement = Statement::new(RELEASE).with(name, Type::TEXT).with(holder, Type::TEXT);
    send(client, BEGIN, &[statement], "COMMIT").await.map(drop)
}

/// Every lease but those of later versions.
pub(super) async fn all(client: &Client) -> Result<Vec<LeaseView>, Error> {
    let leases = reader::all(client, ALL, Vec::new(), |row| {
        let Some(name) = LeaseName::read_back(row.try_get(0)?) else { return Ok(None) };
        Ok(Some(LeaseView {
            name,
            holder: row.try_get(1)?,
            epoch: Epoch(row.try_get(2)?),
            info: row.try_get(3)?,
            renewed: duration(row, 4)?,
            held: row.try_get(5)?,
        }))
    });
    Ok(leases.await?.into_iter().flatten().collect())
}

/// A time in milliseconds, if there is one.
fn duration(row: &Row, at: usize) -> Result<Duration, Error> {
    let ms: Option<i64> = row.try_get(at)?;
    Ok(Duration::from_millis(ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)))
}
