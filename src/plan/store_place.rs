//! Where a store is: a file, or a database.

use std::path::PathBuf;

use super::{DatabaseUrl, DatabaseUrlError};

/// Where what happened is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// In an SQLite file, for one process.
    File(PathBuf),
    /// In a PostgreSQL database, for a fleet.
    Database(Box<DatabaseUrl>),
}

/// Why a URL names no store.
#[derive(Debug, thiserror::Error)]
pub enum StorePlaceError {
    /// It is a database's, and wrong.
    #[error(transparent)]
    Database(#[from] DatabaseUrlError),
    /// It is a file's or neither, and this is how it is written.
    #[error("{0}")]
    File(&'static str),
}

impl StorePlace {
    /// Reads `sqlite:PATH` or the URL of a database.
    ///
    /// # Errors
    /// See [`StorePlaceError`].
    pub fn parse(text: &str) -> Result<Self, StorePlaceError> {
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return Ok(Self::Database(Box::new(DatabaseUrl::parse(text)?)));
        }
        Err(StorePlaceError::File(match text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
            None => {
                "write \"sqlite:\" and the path of a file, such as \"sqlite:/var/lib/serinus/serinus.db\", or the URL of a PostgreSQL database"
            }
            Some("" | ":memory:") => "it must name a file: what is only in memory forgets every incident at a restart",
            Some(path) if path.contains('?') => "it takes no parameters: write the path of a file only",
            Some(path) => return Ok(Self::File(path.into())),
        }))
    }

    /// For messages, without a password.
    pub fn label(&self) -> String {
        match self {
            Self::File(path) => format!("sqlite:{}", path.display()),
            Self::Database(url) => url.label(),
        }
    }
}
