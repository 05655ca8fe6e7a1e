//! The text of the file that a probe is written in, as it is now.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::outcome::Redactor;

/// Bytes that are shown.
const BYTES: u64 = 256 << 10;

/// A file's text, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// The file as it was named.
    pub(super) path: String,
    /// What stands in it.
    pub(super) text: Result<String, String>,
    /// Whether there is more.
    pub(super) is_cut: bool,
}

/// Reads the file; it blocks. Only secrets' names are written in such files, and whatever is a secret all the same is not shown.
pub(super) fn source(path: &Path, redactor: &Redactor) -> Source {
    let shown = path.display().to_string();
    match read(path) {
        Ok((bytes, is_cut)) => {
            let text = String::from_utf8_lossy(&bytes);
            Source { path: shown, text: Ok(redactor.redact(&text).into_owned()), is_cut }
        }
        Err(error) => Source { path: shown, text: Err(error.to_string()), is_cut: false },
    }
}

fn read(path: &Path) -> std::io::Result<(Vec<u8>, bool)> {
    // What is no file may have no end, or nothing to read for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES + 1).read_to_end(&mut bytes)?;
    let is_cut = bytes.len() as u64 > BYTES;
    bytes.truncate(usize::try_from(BYTES).unwrap_or(usize::MAX));
    Ok((bytes, is_cut))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Secret;

    #[test]
    fn a_secret_that_somebody_wrote_out_is_not_shown_and_a_file_that_is_gone_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        std::fs::write(&path, "name = \"<p>\"\ntoken = \"hunter2-hunter2\"\n").unwrap();
        let secret = Secret::new("hunter2-hunter2");
        let redactor = Redactor::new([&secret]);
        let found = source(&path, &redactor).text.unwrap();
        assert!(found.contains("<p>") && !found.contains("hunter2-hunter2"), "{found}");
        assert!(source(&folder.path().join("gone.toml"), &redactor).text.is_err());
        assert!(source(folder.path(), &redactor).text.is_err());
    }

    #[test]
    fn a_file_without_end_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        std::fs::write(&path, vec![b'#'; 300 << 10]).unwrap();
        let found = source(&path, &Redactor::new([]));
        assert!(found.is_cut && found.text.is_ok_and(|text| text.len() as u64 == BYTES));
    }
}
