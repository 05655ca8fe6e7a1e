//! Every rule of the configuration has a file that breaks it, and the exact text that says so.
//!
//! A case is `tests/config_errors/NAME.toml` with `NAME.stderr` beside it. A file that begins with `# service` is read as the
//! service's; any other is a probe, read with `service.toml` there. A line `# env NAME=VALUE` sets a variable. `UPDATE=1`
//! writes the texts anew; read the difference before committing it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serinus::config::{self, Code, Loaded};

/// A file that is too large is made by `hostile_files` and lies in no repository.
const PROVEN_ELSEWHERE: [Code; 1] = [Code::TooLarge];

fn folder() -> PathBuf {
    PathBuf::from("tests/config_errors")
}

fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).expect("the folder of the cases is there").flatten().map(|entry| entry.path());
    let mut cases: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml") && !path.ends_with("service.toml"))
        .collect();
    cases.sort();
    cases
}

fn load(case: &Path) -> Loaded {
    let text = String::from_utf8_lossy(&std::fs::read(case).expect("a case can be read")).into_owned();
    let variables = text.lines().filter_map(|line| line.strip_prefix("# env ")?.split_once('='));
    let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    if text.starts_with("# service") {
        config::load(case, environment)
    } else {
        config::load_probes(&[case.to_owned()], Some(&folder().join("service.toml")), environment)
    }
}

#[test]
fn every_broken_file_says_exactly_what_is_wrong_with_it() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut differences = String::new();
    for case in cases() {
        let expected = case.with_extension("stderr");
        let found = load(&case).diagnostics.render(false);
        if update {
            std::fs::write(&expected, &found).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            write!(differences, "== {}\n{found}\n", case.display()).unwrap();
        }
    }
    assert!(differences.is_empty(), "these texts are not the expected ones:\n{differences}");
}

#[test]
fn every_rule_has_a_file_that_breaks_it() {
    let broken: BTreeSet<Code> =
        cases().iter().flat_map(|case| load(case).diagnostics.iter().map(|found| found.code).collect::<Vec<_>>()).collect();
    let proven = |code: &&Code| broken.contains(code) || PROVEN_ELSEWHERE.contains(code);
    let unproven: Vec<&str> = Code::ALL.iter().filter(|code| !proven(code)).map(|code| code.as_str()).collect();
    assert!(unproven.is_empty(), "no file in {} breaks {unproven:?}", folder().display());
}

#[test]
fn a_file_with_an_error_yields_no_service_and_one_with_warnings_does() {
    for case in cases() {
        let loaded = load(&case);
        assert_eq!(loaded.service.is_none(), loaded.diagnostics.has_errors(), "{}", case.display());
    }
}
