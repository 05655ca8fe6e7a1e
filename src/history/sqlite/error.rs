//! Why the store could not be opened or read.

use std::path::PathBuf;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory could not be made.
    #[error("the store's directory {} cannot be made; check `[store]` and the rights of this user", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file could not be made, opened or renamed.
    #[error("the store's file {} cannot be used; check `[store]` and the rights of this user", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("the store {} is in use by another process; stop that one, or give this one a file of its own in `[store]`", path.display())]
    InUse {
        /// The store's file.
        path: PathBuf,
    },
    /// A later version of the program has written it.
    #[error("the store {} has format {found}, and this version knows formats up to {known}; run the version that wrote it, or a newer one", path.display())]
    Newer {
        /// The store's file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that is known.
        known: u32,
    },
    /// It is a database of another program.
    #[error("{} is the database of another program; give `[store]` a file of its own", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is neither empty nor a database.
    #[error("{} is no database, and it is left as it is; give `[store]` a file of its own", path.display())]
    NoDatabase {
        /// The file.
        path: PathBuf,
    },
    /// `SQLite` said no.
    #[error("the store {} cannot be opened", path.display())]
    Sqlite {
        /// The store's file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The writer's thread did not start.
    #[error("the store's thread did not start")]
    Thread(#[source] std::io::Error),
}

impl OpenError {
    /// Whether the disk is full. A service that has run before survives that; the other causes are mistakes in setting it up.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Directory { source, .. } | Self::File { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            Self::Sqlite { source, .. } => source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            Self::InUse { .. } | Self::Newer { .. } | Self::Foreign { .. } | Self::NoDatabase { .. } | Self::Thread(_) => false,
        }
    }

    /// Whether `[store]` names a file that is none of ours, which is a mistake of the configuration.
    pub fn is_misnamed(&self) -> bool {
        match self {
            Self::Foreign { .. } | Self::NoDatabase { .. } => true,
            Self::Directory { .. }
            | Self::File { .. }
            | Self::InUse { .. }
            | Self::Newer { .. }
            | Self::Sqlite { .. }
            | Self::Thread(_) => false,
        }
    }
}
