//! The lock beside the store's file, and the mark in it: how the last process left the file.
//!
//! The mark says "open" from before the first write, and "closed" only once the file was closed undamaged. A file that is not
//! marked "closed" is checked for damage. The mark names the file by its inode, so that it does not apply to another file in its
//! place.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::OpenError;
use super::file::{Identity, beside, create};

/// How often a lock that somebody has is tried again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Bytes of a mark. The length is fixed, so that replacing a mark needs no room on a full disk.
const LENGTH: usize = 32;

/// How a file was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileMark {
    /// There is no mark, or it is for another file.
    Unknown,
    /// It was written, and its process did not close it.
    Open,
    /// It was closed whole.
    Closed,
}

/// The lock, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Makes the directory and takes the lock, which ends with the process. Waits up to `patience` for another process that has
    /// it.
    pub(super) fn take(path: &Path, patience: Duration) -> Result<Self, OpenError> {
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(|source| OpenError::Directory { path: directory.to_owned(), source })?;
        }
        let beside = beside(path, ".lock");
        let file = create(&beside)?;
        let until = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                // The system releases the lock of a killed process with a delay.
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOOK_AGAIN),
                Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: path.to_owned() }),
                Err(TryLockError::Error(source)) => return Err(OpenError::File { path: beside, source }),
            }
        }
    }

    /// Whether this lock file is still the one beside the store's file.
    pub(super) fn is_beside(&self, path: &Path) -> bool {
        let (held, found) = (self.0.metadata(), fs::metadata(beside(path, ".lock")));
        held.is_ok_and(|held| found.is_ok_and(|found| (held.dev(), held.ino()) == (found.dev(), found.ino())))
    }

    /// How this file was left.
    pub(super) fn mark(&self, file: Identity) -> FileMark {
        let mut text = [0; LENGTH];
        let read = self.0.read_exact_at(&mut text, 0).is_ok();
        match text {
            _ if !read => FileMark::Unknown,
            text if text == line(FileMark::Open, file) => FileMark::Open,
            text if text == line(FileMark::Closed, file) => FileMark::Closed,
            _ => FileMark::Unknown,
        }
    }

    /// Says how this file stands, durably.
    pub(super) fn set(&self, mark: FileMark, file: Identity) -> io::Result<()> {
        let written = self.0.write_all_at(&line(mark, file), 0);
        // If the disk is full, an empty mark is as good.
        written.or_else(|_| self.0.set_len(0))?;
        self.0.sync_data()
    }
}

fn line(mark: FileMark, file: Identity) -> [u8; LENGTH] {
    let word = match mark {
        FileMark::Unknown => "",
        FileMark::Open => "open",
        FileMark::Closed => "closed",
    };
    let mut line = [b' '; LENGTH];
    let text = format!("{word} {}", file.inode());
    // At most six letters, a space and twenty digits.
    line[..text.len()].copy_from_slice(text.as_bytes());
    line[LENGTH - 1] = b'\n';
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_holds_for_the_file_that_it_was_made_for_and_anything_else_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let (store, other) = (directory.path().join("a.db"), directory.path().join("b.db"));
        fs::write(&store, "a").unwrap();
        fs::write(&other, "b").unwrap();
        let (this, another) = (Identity::of(&store).unwrap(), Identity::of(&other).unwrap());
        let lock = Lock::take(&store, Duration::ZERO).unwrap();
        assert_eq!(lock.mark(this), FileMark::Unknown);
        for mark in [FileMark::Open, FileMark::Closed, FileMark::Open] {
            lock.set(mark, this).unwrap();
            assert_eq!((lock.mark(this), lock.mark(another)), (mark, FileMark::Unknown));
        }
        for text in ["", "closed", "nonsense that is longer than any mark is"] {
            fs::write(directory.path().join("a.db.lock"), text).unwrap();
            assert_eq!(lock.mark(this), FileMark::Unknown, "{text}");
        }
    }
}
