//! The tables of a store, made by whoever may, apart from any service that runs on them.
//!
//! `serinus store migrate` and `serinus store copy` come here. A service makes them itself where its user may.

use super::connection::{Connection, Connector, QueryError};
use super::schema::{self, Migrated};
use super::store::OpenError;
use crate::plan::DatabaseUrl;

/// Makes the tables that are missing, or brings them up to date.
///
/// # Errors
/// Where the server cannot be reached or refuses, this user may not make them, or a newer version did. Nothing has been changed then.
pub async fn migrate(url: &DatabaseUrl) -> Result<Migrated, OpenError> {
    connect(url).await.map(|(_, migrated)| migrated)
}

/// A connection to a store whose tables are up to date, and what was made.
pub(super) async fn connect(url: &DatabaseUrl) -> Result<(Connection, Migrated), OpenError> {
    let store = url.label();
    let unprepared = |source| OpenError::Prepare { store: store.clone(), source };
    let pool = Connector::new(url).and_then(|connector| connector.pool(1)).map_err(unprepared)?;
    let unreachable = |error: QueryError| OpenError::Connect { store: store.clone(), source: error.into() };
    let mut connection = pool.get().await.map_err(|error| unreachable(error.into()))?;
    let migrated = schema::migrate(&mut connection).await;
    let migrated = migrated.map_err(|source| OpenError::Migrate { store: store.clone(), source })?;
    Ok((connection, migrated))
}
