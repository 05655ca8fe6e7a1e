//! The shape of the project: what lies at its top, how long a file may be, what a file begins with.

use std::collections::BTreeSet;
use std::process::Command;

use crate::source_text::{before_tests, source_files};

/// What may lie at the top besides dot-files.
const TOP_LEVEL: [&str; 9] = ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "config", "docker", "probes", "src", "tests"];

/// Lines of a source file before its unit tests.
const LONGEST_FILE: usize = 500;

/// What is wrong with one source file.
fn faults(file: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = before_tests(text).lines().count();
    if lines > LONGEST_FILE {
        faults.push(format!("src/{file} has {lines} lines before its tests, more than {LONGEST_FILE}: split it by concept"));
    }
    if !text.starts_with("//! ") {
        faults.push(format!("src/{file} does not begin with what it is for (`//! …`)"));
    }
    faults
}

#[test]
fn every_source_file_says_what_it_is_for_and_is_short() {
    let found: Vec<String> = source_files().iter().flat_map(|(file, text)| faults(file, text)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_file_that_is_too_long_or_says_nothing_is_found() {
    let long = format!("//! Long.\n{}", "fn a() {}\n".repeat(LONGEST_FILE));
    assert_eq!(faults("a.rs", &long).len(), 1);
    assert_eq!(faults("a.rs", "fn a() {}\n").len(), 1);
    let tests = "fn a() {}\n".repeat(LONGEST_FILE);
    assert_eq!(faults("a.rs", &format!("//! Short.\n#[cfg(test)]\nmod tests {{\n{tests}}}\n")), Vec::<String>::new());
}

#[test]
fn nothing_else_lies_at_the_top() {
    let output = Command::new("git").args(["ls-files", "-z"]).output().expect("git is installed where the project is cloned");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let listing = String::from_utf8(output.stdout).expect("the names are UTF-8");
    let top: BTreeSet<&str> =
        listing.split('\0').filter_map(|path| path.split('/').next()).filter(|name| !name.is_empty()).collect();
    let strangers: Vec<_> = top.iter().filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(name)).collect();
    assert!(strangers.is_empty(), "these do not belong at the top: {strangers:?}");
}
