//! Reading files, each up to a bound.
//!
//! Owns the diagnostics of files that cannot be read: configuration files, and files that a key names.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::source::{SourceFile, Span};

use super::tree::SourceSpan;
use super::value_kind::FilePath;
use super::{Code, Diagnostic, Diagnostics};

/// Bytes of a service's file or a probe's. The largest that ship have 10 kB.
const LARGEST_TOML: usize = 1 << 20;

/// Bytes of a contract or a certificate.
pub(super) const LARGEST_SIDE_FILE: usize = 4 << 20;

/// Bytes of a runbook.
pub(super) const LARGEST_RUNBOOK: usize = 256 << 10;

/// Bytes of a file that a request sends.
pub(super) const LARGEST_UPLOAD: usize = 256 << 20;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
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
pub(super) fn read(path: &Path, most: usize, given: bool) -> Result<Vec<u8>, FileError> {
    let name = || path.display().to_string();
    let refused = |error| FileError::Refused(name(), error);
    let kind = std::fs::metadata(path).map_err(refused)?;
    if !kind.is_file() && (!given || kind.is_dir()) {
        return Err(FileError::NoFile(name()));
    }
    let file = File::open(path).map_err(refused)?;
    let mut bytes = Vec::with_capacity(usize::try_from(kind.len()).unwrap_or(most).min(most) + 1);
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() > most { Err(FileError::TooLarge(name(), size(most))) } else { Ok(bytes) }
}

/// A bound as people write it.
fn size(bytes: usize) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}

/// The text of a configuration file. `given`: a person named it, and may have named a pipe.
pub(super) fn source(path: &Path, given: bool) -> Result<SourceFile, Box<Diagnostic>> {
    let bytes = read(path, LARGEST_TOML, given).map_err(|unread| {
        let (code, help) = match &unread {
            FileError::TooLarge(..) => {
                (Code::TooLarge, "make several probes of it; long lists and bodies go into files of their own")
            }
            FileError::Refused(..) | FileError::NoFile(_) => (Code::Unreadable, "check the path and its permissions"),
        };
        Box::new(Diagnostic::without_span(code, unread.to_string()).help(help))
    })?;
    String::from_utf8(bytes).map(|text| SourceFile::new(path, text)).map_err(|error| {
        // The text is unchanged up to the first invalid byte, so the offset is right.
        let at = error.utf8_error().valid_up_to();
        let file = Arc::new(SourceFile::new(path, String::from_utf8_lossy(error.as_bytes())));
        let span = SourceSpan { file: &file, range: Span { start: at, end: at } };
        Box::new(
            Diagnostic::at(Code::Unreadable, span, "this is not UTF-8").help("TOML files are UTF-8; save it in that encoding"),
        )
    })
}

/// The path of a PEM file, which must be there.
pub(super) fn pem_file(file: FilePath<'_>, diagnostics: &mut Diagnostics) -> Option<PathBuf> {
    let path = file.resolved();
    let content = named(&path, LARGEST_SIDE_FILE, file.span, diagnostics)?;
    if !content.windows(10).any(|window| window == b"-----BEGIN") {
        diagnostics.push(
            Diagnostic::at(Code::NotPem, file.span, format!("{} holds no PEM block", path.display()))
                .help("certificates and keys are read as PEM: text with `-----BEGIN CERTIFICATE-----`"),
        );
        return None;
    }
    Some(path)
}

/// The bytes of a file that a value at `span` names.
pub(super) fn named(path: &Path, most: usize, span: SourceSpan<'_>, diagnostics: &mut Diagnostics) -> Option<Vec<u8>> {
    let read = read(path, most, false);
    read.map_err(|unread| {
        let (code, help) = match &unread {
            FileError::TooLarge(..) => (Code::TooLarge, "it is kept in memory as long as the probe is there: name a smaller one"),
            FileError::Refused(..) | FileError::NoFile(_) => {
                (Code::Unreadable, "paths are relative to the file they are written in")
            }
        };
        diagnostics.push(Diagnostic::at(code, span, unread.to_string()).help(help));
    })
    .ok()
}

/// The text of a file that a value at `span` names.
pub(super) fn named_text(path: &Path, most: usize, span: SourceSpan<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let bytes = named(path, most, span, diagnostics)?;
    let text = String::from_utf8(bytes);
    text.map_err(|_| {
        let message = format!("cannot read {}: it is not UTF-8", path.display());
        diagnostics.push(Diagnostic::at(Code::Unreadable, span, message).help("save it in that encoding"));
    })
    .ok()
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
        assert!(matches!(read(&path, 4, false), Err(FileError::TooLarge(..))));
        assert!(matches!(read(&folder.path().join("b"), 4, false), Err(FileError::Refused(..))));
    }

    #[test]
    fn what_has_no_end_is_not_read_to_it() {
        for given in [false, true] {
            assert!(matches!(read(Path::new("/"), 4, given), Err(FileError::NoFile(_))));
        }
        assert!(matches!(read(Path::new("/dev/zero"), 4, false), Err(FileError::NoFile(_))));
        assert!(matches!(read(Path::new("/dev/zero"), 1 << 20, true), Err(FileError::TooLarge(..))));
    }
}
