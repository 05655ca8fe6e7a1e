//! The processes of a fleet, as each says of itself; when it last did is by the clock of the server.

use std::time::Duration;

use tokio_postgres::{Client, Error};

use super::super::reader::{self, text};
use crate::history::InstanceView;

const ANNOUNCE: &str = "INSERT INTO instances (holder, info, heard) VALUES ($1, $2, clock_timestamp())
    ON CONFLICT (holder) DO UPDATE SET info = excluded.info, heard = excluded.heard";

const DEPART: &str = "DELETE FROM instances WHERE holder = $1";

/// Bounded, should thousands have been killed within a day: the newest are those that are there.
const ALL: &str = "SELECT holder, info, greatest(0, extract(epoch FROM clock_timestamp() - heard) * 1000)::bigint
    FROM (SELECT * FROM instances ORDER BY heard DESC LIMIT 1000) AS newest ORDER BY holder";

/// This one is there.
pub(super) async fn announce(client: &Client, holder: &str, info: &str) -> Result<(), Error> {
    reader::all(client, ANNOUNCE, vec![text(holder), text(info)], |_| Ok(())).await.map(drop)
}

/// This one has ended.
pub(super) async fn depart(client: &Client, holder: &str) -> Result<(), Error> {
    reader::all(client, DEPART, vec![text(holder)], |_| Ok(())).await.map(drop)
}

/// All of them.
pub(super) async fn all(client: &Client) -> Result<Vec<InstanceView>, Error> {
    let read = |row: &tokio_postgres::Row| {
        let heard = u64::try_from(row.try_get::<_, i64>(2)?).unwrap_or(0);
        Ok(InstanceView { holder: row.try_get(0)?, info: row.try_get(1)?, heard: Duration::from_millis(heard) })
    };
    reader::all(client, ALL, Vec::new(), read).await
}
