//! `serinus check --fix`: what it changes in files, what it leaves alone, and what it says.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::cli_support::{assert_exit, run, serinus, stderr, stdout};

/// A probe with seven slips, comments and an order of its own.
const PROBE: &str = r#"# The journey of one song.
allow = ["short-poll", "insecure-tls"]  # from an earlier version
name    = "songs"
owner   = "music"
runbook = "https://runbooks.example.com/songs"
every   = "1m"
deadlin = "20s"   # a song takes two

needs   = ["search", "serach", "search"]
overlap = 'skpi'

[devices.phone]

[[step]]
name = "make"
device = "phnoe"
http.post = "https://songs.example.com/v1/songs"
expect = ["status == 201"]
capture = { song = "json.id" }

  # The song goes.
  [step.cleanup]
  http.delete = "https://songs.example.com/v1/songs/{{ snog }}"
  expect = ["status in [204, 404]"]
  timeout = "3s"
  eventually = { within = "9s", poll = "1s" } # it is slow

[[step]]
name = "two"
http.get = "https://songs.example.com/v1/songs"
expect = ["status == 200"]
"#;

const SEARCH: &str = r#"name = "search"
owner = "music"
runbook = "https://runbooks.example.com/search"
every = "1m"
deadline = "20s"

[[step]]
name = "look"
http.get = "https://songs.example.com/v1/search"
expect = ["status == 200"]
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("probes")).unwrap();
    fs::write(folder.path().join("probes/songs.toml"), PROBE).unwrap();
    fs::write(folder.path().join("probes/search.toml"), SEARCH).unwrap();
    fs::write(folder.path().join("serinus.toml"), "probes = [\"probes/*.toml\"]\nnotify.none = true\n").unwrap();
    folder
}

fn text(folder: &Path, path: &str) -> String {
    fs::read_to_string(folder.join(path)).unwrap()
}

#[test]
fn fix_mends_what_is_obvious_and_nothing_else_and_keeps_comments_and_permissions() {
    let folder = folder();
    let path = folder.path().join("probes/songs.toml");
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let output = run(folder.path(), &["check", "--fix"]);
    let after = text(folder.path(), "probes/songs.toml");
    let expected = PROBE
        .replace("allow = [\"short-poll\", \"insecure-tls\"]  # from an earlier version", "allow = []  # from an earlier version")
        .replace("deadlin =", "deadline =")
        .replace("[\"search\", \"serach\", \"search\"]", "[\"search\"]")
        .replace("'skpi'", "'skip'")
        .replace("\"phnoe\"", "\"phone\"")
        .replace("{{ snog }}", "{{ song }}")
        .replace("  eventually = { within = \"9s\", poll = \"1s\" } # it is slow\n", "")
        .replace("json.id\" }\n", "json.id\" }\neventually = { within = \"9s\", poll = \"1s\" } # it is slow\n");
    assert_eq!(after, expected, "{}", stdout(&output));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(text(folder.path(), "probes/search.toml"), SEARCH, "nothing is wrong with it");
    assert!(stdout(&output).contains("probes/songs.toml:7:1 deadlin → deadline\n"), "{}", stdout(&output));
    assert!(stdout(&output).contains("probes/songs.toml:10:12 skpi → skip\n"), "{}", stdout(&output));
    let left: Vec<_> = fs::read_dir(folder.path().join("probes")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing is left beside them: {left:?}");
    // What is left is shown: a creation that is repeated, which nobody but the author can mend.
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("lint::repeated-creation"), "{}", stdout(&output));
    let again = run(folder.path(), &["check", "--fix", "--output", "json"]);
    let found: serde_json::Value = serde_json::from_str(&stdout(&again)).unwrap();
    assert_eq!(found["fixed"], serde_json::json!([]));
    assert_eq!(text(folder.path(), "probes/songs.toml"), expected);
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let folder = folder();
    let output = run(folder.path(), &["check", "--fix", "--dry-run"]);
    assert_exit(&output, 2);
    assert!(stdout(&output).contains("probes/songs.toml:7:1 deadlin → deadline\n"), "{}", stdout(&output));
    assert_eq!(text(folder.path(), "probes/songs.toml"), PROBE);
    assert_exit(&run(folder.path(), &["check", "--dry-run"]), 2);
    let plain = run(folder.path(), &["check", "--output", "json"]);
    assert_exit(&plain, 2);
    let found: serde_json::Value = serde_json::from_str(&stdout(&plain)).unwrap();
    let of_key = found["diagnostics"].as_array().unwrap().iter().find(|one| one["line"] == 7).unwrap();
    let mend = serde_json::json!([{ "line": 7, "column": 1, "end_line": 7, "end_column": 8, "text": "deadline" }]);
    assert_eq!((&of_key["code"], &of_key["mend"]), (&"config::unknown-key".into(), &mend));
    assert!(stderr(&run(folder.path(), &["check"])).contains("`--fix` mends "));
}

#[test]
fn what_is_another_name_or_came_from_the_environment_is_never_fixed() {
    let folder = folder();
    let service = "region = \"eu-1\"\nregions = [\"eu-1\", \"eu-2\"]\nprobes = [\"probes/search.toml\"]\nnotify.none = true\n";
    fs::write(folder.path().join("serinus.toml"), service).unwrap();
    // Two regions are alike, and each is one: that neither is meant is not obvious.
    let search = format!("regions = [\"eu-3\"]\n{SEARCH}");
    fs::write(folder.path().join("probes/search.toml"), &search).unwrap();
    let mut command = serinus(folder.path());
    let output =
        command.args(["check", "--fix"]).env("SERINUS_LOG_FORMAT", "jsno").env("SERINUS_REGIO", "eu-1").output().unwrap();
    assert_exit(&output, 2);
    assert!(stdout(&output).contains("config::unknown-region"), "{}", stdout(&output));
    assert!(stdout(&output).contains("did you mean \"json\"?"), "{}", stdout(&output));
    assert_eq!((text(folder.path(), "serinus.toml"), text(folder.path(), "probes/search.toml")), (service.to_owned(), search));
}

#[test]
fn a_link_stays_a_link_and_a_file_of_two_names_is_mended_once() {
    let folder = folder();
    let link = folder.path().join("probes/link.toml");
    let there = folder.path().join("there.toml");
    fs::write(&there, SEARCH.replace("search", "linked").replace("deadline", "deadlin")).unwrap();
    std::os::unix::fs::symlink(&there, &link).unwrap();
    let output = run(folder.path(), &["check", "--fix", "probes/link.toml", "there.toml"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "a link stays one");
    assert_eq!(fs::read_to_string(&there).unwrap(), SEARCH.replace("search", "linked"), "{}", stdout(&output));
    assert_eq!(stdout(&output).matches("deadlin → deadline\n").count(), 1, "{}", stdout(&output));
}
