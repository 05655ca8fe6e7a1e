//! What every command promises: exit codes, data on stdout, talk on stderr.

use std::path::Path;
use std::process::Stdio;

use crate::cli_support::{Answer, assert_exit, probe, run, serinus, stderr, stdout, target};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn help_is_no_error_and_what_is_unknown_is_bad_usage() {
    let help = run(here(), &["--help"]);
    assert_exit(&help, 0);
    for command in ["run", "check", "test", "demo", "sandbox", "export", "completions"] {
        assert!(stdout(&help).lines().any(|line| line.trim_start().starts_with(command)), "{command} is listed");
    }
    for wrong in [
        &["fly"][..],
        &[],
        &["test"],
        &["demo", "--incident", "none"],
        &["sandbox", "--speed", "0"],
        &["demo", "--output", "json"],
    ] {
        assert_exit(&run(here(), wrong), 2);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut command = serinus(here());
    let mut child = command.args(["export", "probe-schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_exit(&output, 0);
    assert_eq!(stderr(&output), "");
}

#[test]
fn an_output_that_cannot_be_written_is_the_probers_own_trouble() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = serinus(here()).args(["export", "probe-schema"]).stdout(full).output().unwrap();
    assert_exit(&output, 3);
    assert!(stderr(&output).contains("cannot write the output"), "{}", stderr(&output));
}

#[test]
fn schemas_are_json_and_completions_complete_the_commands() {
    for what in ["probe-schema", "library-schema", "config-schema"] {
        let output = run(here(), &["export", what]);
        assert_exit(&output, 0);
        let schema: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert!(schema["properties"].is_object(), "{what}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let output = run(here(), &["completions", shell]);
        assert_exit(&output, 0);
        assert!(stdout(&output).contains("sandbox"), "{shell}");
    }
}

#[test]
fn check_finds_nothing_wrong_with_a_good_probe() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.toml"), probe("p", target(Answer::Ok), "json.state == 'ok'")).unwrap();
    let output = run(folder.path(), &["check", "p.toml"]);
    assert_exit(&output, 0);
    assert_eq!(stdout(&output), "");
    assert_eq!(stderr(&output), "1 file, 1 canary: no problems\n");
}

#[test]
fn check_shows_every_error_with_its_place_and_exits_2() {
    let folder = tempfile::tempdir().unwrap();
    let text = probe("p", target(Answer::Ok), "json.state ==").replace("deadline", "deadlin");
    std::fs::write(folder.path().join("p.toml"), text).unwrap();
    let output = run(folder.path(), &["check", "p.toml"]);
    assert_exit(&output, 2);
    assert!(stdout(&output).contains("p.toml:5:1") && stdout(&output).contains("p.toml:10:"), "{}", stdout(&output));

    let output = run(folder.path(), &["check", "p.toml", "--output", "json"]);
    assert_exit(&output, 2);
    let found: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(found["valid"], false);
    assert_eq!(found["errors"], found["diagnostics"].as_array().unwrap().len());
    assert!(found["diagnostics"].as_array().unwrap().iter().any(|one| one["line"] == 5 && one["column"] == 1), "{found:#}");
    assert_eq!(found["canaries"], serde_json::Value::Null);
}

#[test]
fn warnings_alone_exit_0() {
    let folder = tempfile::tempdir().unwrap();
    let text = probe("p", target(Answer::Ok), "json.state == 'ok'").replace("owner = \"nobody\"\n", "");
    std::fs::write(folder.path().join("p.toml"), text).unwrap();
    let output = run(folder.path(), &["check", "p.toml", "--output", "json"]);
    assert_exit(&output, 0);
    let found: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&found["valid"], &found["errors"], &found["warnings"]), (&true.into(), &0.into(), &1.into()));
}

/// A folder with a probe that draws one lint, and a service that has it.
fn warned() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = probe("p", target(Answer::Ok), "json.state == 'ok'").replace("owner = \"nobody\"\n", "");
    std::fs::write(folder.path().join("p.toml"), text).unwrap();
    std::fs::write(folder.path().join("service.toml"), "probes = [\"p.toml\"]\nnotify.none = true\n").unwrap();
    folder
}

#[test]
fn with_strict_a_warning_exits_2_and_the_last_line_says_so() {
    let folder = warned();
    for args in [&["check", "p.toml"][..], &["check", "-c", "service.toml"]] {
        assert_exit(&run(folder.path(), args), 0);
        let strict = run(folder.path(), &[args, &["--strict"]].concat());
        assert_exit(&strict, 2);
        assert!(stdout(&strict).contains("lint::unowned"), "{}", stdout(&strict));
        assert!(stderr(&strict).lines().last().unwrap().contains("--strict"), "{}", stderr(&strict));
        let json = run(folder.path(), &[args, &["--strict", "--output", "json"]].concat());
        assert_exit(&json, 2);
        let found: serde_json::Value = serde_json::from_str(&stdout(&json)).unwrap();
        assert_eq!((&found["valid"], &found["strict"], &found["warnings"]), (&true.into(), &true.into(), &1.into()));
    }
    let text = std::fs::read_to_string(folder.path().join("p.toml")).unwrap();
    std::fs::write(folder.path().join("p.toml"), format!("allow = [\"unowned\"]\n{text}")).unwrap();
    let allowed = run(folder.path(), &["check", "-c", "service.toml", "--strict"]);
    assert_exit(&allowed, 0);
    assert_eq!(stderr(&allowed), "2 files, 1 canary: no problems\n");
}

#[test]
fn only_check_prints_warnings_in_full() {
    let folder = warned();
    let output = run(folder.path(), &["test", "p.toml"]);
    assert_exit(&output, 0);
    assert!(!stderr(&output).contains("lint::"), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 warning; `serinus check p.toml` shows it\n"), "{}", stderr(&output));
    let output = run(folder.path(), &["test", "p", "-c", "service.toml"]);
    assert_exit(&output, 0);
    assert!(stderr(&output).contains("1 warning; `serinus check -c service.toml` shows it\n"), "{}", stderr(&output));
    let text = std::fs::read_to_string(folder.path().join("p.toml")).unwrap();
    std::fs::write(folder.path().join("p.toml"), text.replace("deadline", "deadlin")).unwrap();
    let output = run(folder.path(), &["test", "p.toml"]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("config::unknown-key") && stderr(&output).contains("1 warning; "), "{}", stderr(&output));
    assert!(!stderr(&output).contains("lint::"), "{}", stderr(&output));
}

#[test]
fn a_configuration_that_is_not_there_is_bad_usage() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["check"][..], &["run"], &["check", "-c", "nowhere.toml"], &["run", "-c", "nowhere.toml"], &["test", "name"]] {
        let output = run(folder.path(), args);
        assert_exit(&output, 2);
        assert!(!(stderr(&output) + &stdout(&output)).is_empty());
    }
}

#[test]
fn colour_is_for_those_who_ask() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.toml"), "name = 1").unwrap();
    assert!(!stdout(&run(folder.path(), &["check", "p.toml"])).contains('\x1b'));
    assert!(stdout(&run(folder.path(), &["check", "p.toml", "--color", "always"])).contains('\x1b'));
}
