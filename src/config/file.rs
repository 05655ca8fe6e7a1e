//! Reading files, each up to a bound: what a person wrote is small, and what is not is no such file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Bytes of a service's file or a probe's. The largest that ship have 10 kB.
pub(super) const LARGEST_TOML: usize = 1 << 20;

/// Bytes of a contract or a certificate.
pub(super) const LARGEST_SIDE_FILE: usize = 4 << 20;

/// Bytes of a file that a request sends.
pub(super) const LARGEST_UPLOAD: usize = 256 << 20;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// The system refused.
    #[error("cannot read {0}: {1}")]
    Refused(String, #[source] io::Error),
    /// It is larger than such a file may be.
    #[error("{0} is larger than {1}")]
    TooLarge(String, String),
    /// It is a pipe, a device or a folder.
    #[error("{0} is no file")]
    NoFile(String),
}

/// The bytes of a file that has at most `most` of them. What is no regular file (a pipe that nobody writes to, a device without
/// an end) is not opened, unless it is `given` by a person, who may well mean a pipe.
pub(super) fn read(path: &Path, most: usize, given: bool) -> Result<Vec<u8>, Unread> {
    let name = || path.display().to_string();
    let refused = |error| Unread::Refused(name(), error);
    let kind = std::fs::metadata(path).map_err(refused)?;
    if !kind.is_file() && (!given || kind.is_dir()) {
        return Err(Unread::NoFile(name()));
    }
    let file = File::open(path).map_err(refused)?;
    let mut bytes = Vec::with_capacity(usize::try_from(kind.len()).unwrap_or(most).min(most) + 1);
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() > most { Err(Unread::TooLarge(name(), size(most))) } else { Ok(bytes) }
}

/// A bound as people write it.
fn size(bytes: usize) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5, false).unwrap(), b"12345");
        assert!(matches!(read(&path, 4, false), Err(Unread::TooLarge(..))));
        assert!(matches!(read(&folder.path().join("b"), 4, false), Err(Unread::Refused(..))));
    }

    #[test]
    fn what_has_no_end_is_not_read_to_it() {
        for given in [false, true] {
            assert!(matches!(read(Path::new("/"), 4, given), Err(Unread::NoFile(_))));
        }
        assert!(matches!(read(Path::new("/dev/zero"), 4, false), Err(Unread::NoFile(_))));
        assert!(matches!(read(Path::new("/dev/zero"), 1 << 20, true), Err(Unread::TooLarge(..))));
    }
}
