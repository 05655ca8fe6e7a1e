//! The store's file: made, opened, looked at, set aside where it is damaged.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use metrics::counter;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tracing::error;

use super::{OpenError, salvage, schema};

/// Bytes without which the store cannot be used: the index of its log, and some of the log.
const ROOM: usize = 128 << 10;

/// How often a damaged file was set aside.
pub(super) const DAMAGED: &str = "serinus_store_damaged_total";

/// The VFS with which the file is opened: exclusively, which the lock beside it ensures anyhow. The index of the log is then in
/// memory and not in a mapped file. If a mapped file turns read-only or its disk is gone, the next access kills the process
/// (SIGBUS) instead of failing with an error.
const ALONE: &str = "unix-excl";

/// What every SQLite file begins with.
const MAGIC: [u8; 16] = *b"SQLite format 3\0";

/// How closely a file is looked at before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckDepth {
    /// Its header only, which takes the same time for a large file. That also finds a file that was cut short.
    Head,
    /// All of it, with the indices compared to the tables. Used once damage was met.
    Whole,
}

/// What is known of a file under the store's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileOrigin {
    /// A process of this program has used it: if it is not a store now, it is damaged.
    Ours,
    /// It may be another program's file, named by mistake: it is used only if it is empty or a store.
    Unknown,
}

/// Where a store is.
#[derive(Debug, Clone)]
pub(super) enum StoreLocation {
    /// In this file.
    File(PathBuf),
    /// In memory, under this URI.
    Memory(String),
}

impl StoreLocation {
    /// For messages, and to connect.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Memory(uri) => Path::new(uri),
        }
    }

    /// A new connection; `patience` is how long it waits for others' locks.
    pub(super) fn connect(&self, write: bool, patience: Duration) -> rusqlite::Result<Connection> {
        let access = if write { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
        let kind = match self {
            Self::File(_) => OpenFlags::empty(),
            Self::Memory(_) => OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_CREATE,
        };
        // In memory even a reader opens for writing: there is no file to protect, and the reader may connect first.
        let access = if matches!(self, Self::Memory(_)) { OpenFlags::SQLITE_OPEN_READ_WRITE } else { access };
        let flags = access | kind | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match self {
            Self::File(path) => Connection::open_with_flags_and_vfs(path, flags, ALONE)?,
            Self::Memory(uri) => Connection::open_with_flags(uri, flags)?,
        };
        connection.busy_timeout(patience)?;
        Ok(connection)
    }
}

/// Which file it is, so that it is noticed when another one, or none, is found under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// What is found under the name now.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self { device: found.dev(), inode: found.ino() })
    }

    /// Its number, which it keeps over a restart of the machine, as its device may not.
    pub(super) fn inode(self) -> u64 {
        self.inode
    }
}

pub(super) fn create(path: &Path) -> Result<File, OpenError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| OpenError::File { path: path.to_owned(), source })
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens the file, or begins it. A damaged one is set aside, what can be read of it is taken over, and its new name returned.
pub(super) fn open(
    place: &StoreLocation,
    owner: FileOrigin,
    look: CheckDepth,
    patience: Duration,
    now: SystemTime,
) -> Result<(Connection, Option<PathBuf>), OpenError> {
    if let StoreLocation::File(path) = place {
        create(path)?;
        if owner == FileOrigin::Unknown && !may_be_store(path)? {
            return Err(OpenError::NoDatabase { path: path.clone() });
        }
    }
    match sound(place, look, patience)? {
        Ok(connection) => Ok((connection, None)),
        Err(damage) => begin_anew(place, patience, now, &damage).map(|(connection, aside)| (connection, Some(aside))),
    }
}

/// Whether a file is empty or begins as `SQLite`'s do.
fn may_be_store(path: &Path) -> Result<bool, OpenError> {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut head));
    read.map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    Ok(head.is_empty() || head == MAGIC)
}

/// Sets a damaged file aside and begins a new one with what can still be read. Returns it, and what the old one is called now.
pub(super) fn begin_anew(
    place: &StoreLocation,
    patience: Duration,
    now: SystemTime,
    damage: &rusqlite::Error,
) -> Result<(Connection, PathBuf), OpenError> {
    let path = place.path();
    let aside = set_aside(path, now)?;
    create(path)?;
    let mut connection = match sound(place, CheckDepth::Head, patience)? {
        Ok(connection) => connection,
        Err(source) => return Err(OpenError::Sqlite { path: path.to_owned(), source }),
    };
    let saved = salvage::take_over(&aside, &mut connection);
    counter!(DAMAGED).increment(1);
    error!(
        store = %path.display(),
        set_aside = %aside.display(),
        error = %damage,
        %saved,
        "the store's file is damaged; a new one was begun, the history of runs begins anew"
    );
    Ok((connection, aside))
}

/// Reads all of a file. Returns an error that [`is_damage`] if the file is damaged. Only the entries of indices are counted:
/// comparing them with their tables takes many times as long.
pub(super) fn look_through(connection: &Connection) -> rusqlite::Result<()> {
    verdict(connection, "PRAGMA quick_check(1)")
}

/// Like [`look_through`], and compares indices with their tables: a write fails where the entry that it replaces is missing.
fn look_through_and_compare(connection: &Connection) -> rusqlite::Result<()> {
    verdict(connection, "PRAGMA integrity_check(1)")
}

fn verdict(connection: &Connection, check: &str) -> rusqlite::Result<()> {
    let verdict: String = connection.query_row(check, [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(corrupt(verdict)) }
}

/// A connection to an undamaged file, migrated to the newest format. The inner error says what is damaged.
fn sound(place: &StoreLocation, look: CheckDepth, patience: Duration) -> Result<Result<Connection, rusqlite::Error>, OpenError> {
    let path = place.path();
    let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let checked = || -> rusqlite::Result<(Connection, u32, bool)> {
        let connection = place.connect(true, patience)?;
        // This must be set before any table is made, as it changes the layout of the file.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        let version = schema::version(&connection)?;
        let foreign = schema::is_foreign(&connection)?;
        match look {
            CheckDepth::Head => {}
            CheckDepth::Whole => look_through_and_compare(&connection)?,
        }
        Ok((connection, version, foreign))
    };
    let (mut connection, version, foreign) = match checked() {
        Ok(checked) => checked,
        Err(error) if is_damage(&error) => return Ok(Err(error)),
        Err(error) => return Err(failed(error)),
    };
    if version > schema::KNOWN {
        return Err(OpenError::Newer { path: path.to_owned(), found: version, known: schema::KNOWN });
    }
    if foreign {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let mut begin = || -> rusqlite::Result<()> {
        if matches!(place, StoreLocation::File(_)) {
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        }
        connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
        connection.set_prepared_statement_cache_capacity(64);
        schema::migrate(&mut connection)?;
        connection.pragma_update(None, "foreign_keys", false)
    };
    match begin() {
        Ok(()) => Ok(Ok(connection)),
        Err(error) if is_damage(&error) => Ok(Err(error)),
        Err(error) => Err(failed(error)),
    }
}

/// Whether the file itself is at fault, and not the disk, the rights or another process.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whether a file could not be opened because the disk is full. SQLite does not always say so: if it cannot make the index of the
/// log, it only says that it cannot open the file. So a trial file is written.
pub(super) fn is_for_want_of_room(path: &Path, error: &OpenError) -> bool {
    let OpenError::Sqlite { source, .. } = error else { return false };
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => true,
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => {
            let trial = beside(path, ".room");
            let written = fs::write(&trial, vec![0; ROOM]);
            // It may never have been made.
            let _ = fs::remove_file(&trial);
            let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
            written.is_err_and(|error| full.contains(&error.kind()))
        }
        _ => false,
    }
}

/// A connection that needs no room on the disk: the index of the log is in memory, and the log stays as it is.
pub(super) fn only_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    Ok(connection)
}

fn corrupt(verdict: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), Some(verdict))
}

/// Gives the file and what belongs to it another name.
fn set_aside(path: &Path, now: SystemTime) -> Result<PathBuf, OpenError> {
    let stamp = DateTime::<Utc>::from(now).format("%Y%m%dT%H%M%SZ");
    let mut aside = beside(path, &format!(".damaged-{stamp}"));
    for more in 2.. {
        if !aside.exists() {
            break;
        }
        aside = beside(path, &format!(".damaged-{stamp}-{more}"));
    }
    for suffix in ["-wal", "-shm", ""] {
        match fs::rename(beside(path, suffix), beside(&aside, suffix)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(OpenError::File { path: beside(path, suffix), source }),
        }
    }
    Ok(aside)
}

/// An empty file beside the store, for a copy that takes its place.
pub(super) fn fresh(path: &Path) -> Result<PathBuf, OpenError> {
    let copy = beside(path, ".new");
    remove(&copy)?;
    create(&copy)?;
    Ok(copy)
}

/// Removes the log of a file that is gone: it would be read into whatever takes the file's place.
pub(super) fn remove_log(path: &Path) -> Result<(), OpenError> {
    remove(&beside(path, "-wal"))
}

fn remove(path: &Path) -> Result<(), OpenError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(OpenError::File { path: path.to_owned(), source }),
        Ok(()) | Err(_) => Ok(()),
    }
}
