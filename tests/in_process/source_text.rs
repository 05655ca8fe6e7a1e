//! Reading the project's own source, for the tests that hold it to its rules.

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file below `src/`: its path from there, with `/`, and its text; in order of the paths.
pub(crate) fn source_files() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut waiting = vec![src.clone()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the source can be read") {
            let path: PathBuf = entry.expect("an entry can be read").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&src).expect("it lies below src").to_string_lossy().replace('\\', "/");
                files.push((name, fs::read_to_string(&path).expect("a source file is UTF-8")));
            }
        }
    }
    files.sort();
    files
}

/// What comes before the unit tests at a file's end.
pub(crate) fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default()
}
