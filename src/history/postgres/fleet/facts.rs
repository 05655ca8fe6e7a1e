//! Facts as they are read: those that are not well, for an evaluator that starts, and what changed since.
//!
//! Whoever writes facts holds their number's row until the commit, so that a cursor passes none over.

use tokio_postgres::{Client, Error, Row};

use super::super::reader::{all, number, text};
use crate::history::{FACTS, FactView, FactsPage};

const NOT_WELL: &str = "SELECT now.last, number, key, region, json
    FROM (SELECT last FROM numbers WHERE name = 'facts') AS now LEFT JOIN facts ON json IS NULL OR NOT well
    ORDER BY number";

/// The next ones of other regions than this one, each with what is now.
const SINCE: &str = "SELECT now.last, next.*
    FROM (SELECT last FROM numbers WHERE name = 'facts') AS now LEFT JOIN
        (SELECT number, key, region, json FROM facts WHERE number > $1 AND region <> $2 ORDER BY number LIMIT $3) AS next ON true
    ORDER BY next.number";

/// A row of either question: what is now, and a fact with its number, if there is one.
type Numbered = (i64, Option<(i64, FactView)>);

fn read(row: &Row) -> Result<Numbered, Error> {
    let now = row.try_get(0)?;
    let Some(number) = row.try_get(1)? else { return Ok((now, None)) };
    Ok((now, Some((number, FactView { key: row.try_get(2)?, region: row.try_get(3)?, json: row.try_get(4)? }))))
}

/// Facts that are not well or not watched any more, as of one moment.
pub(super) async fn not_well(client: &Client) -> Result<FactsPage, Error> {
    let rows = all(client, NOT_WELL, Vec::new(), read).await?;
    let next = rows.first().map_or(0, |(now, _)| *now);
    Ok(FactsPage { facts: rows.into_iter().filter_map(|(_, fact)| Some(fact?.1)).collect(), next, more: false })
}

/// Facts that were written after the cursor, but those of this region.
pub(super) async fn since(client: &Client, after: i64, own: &str) -> Result<FactsPage, Error> {
    // One more tells whether there are more.
    let limit = i64::try_from(FACTS).unwrap_or(i64::MAX).saturating_add(1);
    let rows = all(client, SINCE, vec![number(after), text(own), number(limit)], read).await?;
    let now = rows.first().map_or(after, |(now, _)| *now);
    let mut found: Vec<(i64, FactView)> = rows.into_iter().filter_map(|(_, fact)| fact).collect();
    let more = found.len() > FACTS;
    found.truncate(FACTS);
    let next = found.last().filter(|_| more).map_or(now, |(number, _)| *number);
    Ok(FactsPage { facts: found.into_iter().map(|(_, fact)| fact).collect(), next, more })
}
