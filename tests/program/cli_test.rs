//! `serinus test` against a target on loopback.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::cli_support::{
    Answer, PATIENCE, Running, assert_exit, probe, run, serinus, stderr, stdout, target, target_that_tells,
};

fn folder(expectation: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.toml"), probe("p", target(Answer::Ok), expectation)).unwrap();
    folder
}

fn objects(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

#[test]
fn a_probe_that_holds_exits_0_and_shows_every_expectation() {
    let folder = folder("json.state == 'ok'");
    let output = run(folder.path(), &["test", "p.toml", "-v"]);
    assert_exit(&output, 0);
    let page = stdout(&output);
    for part in ["✓ passed p/local", "front page", "✓ status == 200  p.toml:10:", "✓ json.state == 'ok'", "200 HTTP/1.1"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[test]
fn a_probe_that_holds_is_one_line_and_nothing_else() {
    let folder = folder("json.state == 'ok'");
    let output = run(folder.path(), &["test", "p.toml"]);
    assert_exit(&output, 0);
    let page = stdout(&output);
    assert!(page.starts_with("✓ passed  p/local ") && page.lines().count() == 1, "{page}");
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_probe_that_does_not_hold_shows_the_failed_step_in_full_and_a_line_for_each_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let text = probe("p", target(Answer::Ok), "json.state == 'ok'");
    let (_, step) = text.split_once("[[step]]").unwrap();
    let failing = step.replace("front page", "second").replace("'ok'", "'gone'");
    std::fs::write(
        folder.path().join("p.toml"),
        format!("{text}[[step]]{failing}[[step]]{}", step.replace("front page", "third")),
    )
    .unwrap();
    let output = run(folder.path(), &["test", "p.toml"]);
    assert_exit(&output, 1);
    let page = stdout(&output);
    for part in [
        "✗ failed  p/local ",
        "  second: `json.state == 'gone'` does not hold: `json.state` was \"ok\"\n",
        "\n  ✓ front page ",
        "\n    ✗ violated: json.state == 'gone'  p.toml:",
        "\n      json.state was \"ok\"\n",
        "> GET http://",
        "< {\"state\"",
        "\n  – not reached: third\n",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert_eq!(page.matches("✓ status == 200").count(), 1, "the step that held is one line\n{page}");
}

#[test]
fn a_probe_that_does_not_hold_exits_1_and_shows_what_was_seen() {
    let folder = folder("json.state == 'gone'");
    let output = run(folder.path(), &["test", "p.toml", "--verbose"]);
    assert_exit(&output, 1);
    for part in [
        "✗ failed (expectation) p/local",
        "violated: json.state == 'gone'",
        "json.state was \"ok\"",
        "> GET http://",
        "< {\"state\"",
    ] {
        assert!(stdout(&output).contains(part), "{part}\n{}", stdout(&output));
    }
}

#[test]
fn json_is_one_object_a_run() {
    let folder = folder("json.state == 'gone'");
    let output = run(folder.path(), &["test", "p.toml", "--repeat", "3", "--output", "json"]);
    assert_exit(&output, 1);
    let runs = objects(&output);
    assert_eq!(runs.len(), 3);
    for run in &runs {
        assert_eq!((&run["verdict"], &run["trigger"], &run["canary"]), (&"failed".into(), &"test".into(), &"p/local".into()));
        assert_eq!(run["cause"]["seen"][0]["source"], "json.state");
        assert_eq!(run["steps"][0]["attempts"][0]["http"]["status"], 200);
        assert_eq!(run["steps"][0]["expectations"][0]["held"], "yes");
        assert_eq!(run["steps"][0]["expectations"][1]["held"], "no");
    }
    assert_ne!(runs[0]["run_id"], runs[1]["run_id"]);
    assert_eq!(stderr(&output), "3 runs: 3 failed\n");
}

#[test]
fn junit_is_one_document_of_all_runs() {
    let folder = folder("json.state == 'gone'");
    let output = run(folder.path(), &["test", "p.toml", "--repeat", "2", "--output", "junit"]);
    assert_exit(&output, 1);
    let document = stdout(&output);
    assert!(document.starts_with("<?xml version=\"1.0\""), "{document}");
    assert!(document.contains("<testsuite name=\"p\" tests=\"2\" skipped=\"0\" errors=\"0\" failures=\"2\""), "{document}");
    assert!(document.contains("<testcase name=\"local #2\" classname=\"p\""), "{document}");
    assert_balanced(&document);
}

/// Every element that is opened is closed, in the right order.
fn assert_balanced(document: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in document.split('<').skip(1).map(|rest| rest.split_once('>').expect("a tag is closed").0) {
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.starts_with('?') => {}
            None => open.push(tag.split(' ').next().unwrap_or_default()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_file_that_is_not_valid_exits_2_and_runs_nothing() {
    let folder = folder("json.state ==");
    let output = run(folder.path(), &["test", "p.toml"]);
    assert_exit(&output, 2);
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("p.toml:10:"), "{}", stderr(&output));
}

#[test]
fn what_the_prober_could_not_do_exits_3() {
    let folder = tempfile::tempdir().unwrap();
    let text = probe("p", target(Answer::Ok), "secret.token == 'x'");
    std::fs::write(folder.path().join("p.toml"), text).unwrap();
    let service = "probes = [\"p.toml\"]\n[secrets]\ntoken = { file = \"nowhere\" }\n";
    std::fs::write(folder.path().join("serinus.toml"), service).unwrap();
    let output = run(folder.path(), &["test", "p", "--output", "json"]);
    assert_exit(&output, 3);
    let run = &objects(&output)[0];
    assert_eq!((&run["verdict"], &run["cause"]["reason"]), (&"errored".into(), &"secret".into()));
}

#[test]
fn a_hang_is_the_targets_and_a_process_that_stood_still_is_the_probers() {
    for (stopped_for, exit, verdict, reason) in [(0, 1, "failed", "deadline"), (4, 3, "errored", "stall")] {
        let (target, told) = target_that_tells(Answer::Silence);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("p.toml"), probe("p", target, "true == json.ok")).unwrap();
        let mut command = serinus(folder.path());
        command.args(["test", "p.toml", "--output", "json"]);
        let mut running = Running::start(command);
        told.recv_timeout(PATIENCE).expect("a run begins within seconds");
        if stopped_for > 0 {
            running.signal("STOP");
            std::thread::sleep(Duration::from_secs(stopped_for));
            running.signal("CONT");
        }
        let run: Value = serde_json::from_str(&running.first_line()).unwrap();
        assert_eq!((&run["verdict"], &run["cause"]["reason"]), (&verdict.into(), &reason.into()), "{run:#}");
        assert_eq!(running.wait().code(), Some(exit));
        assert_eq!(run["stalled_seconds"].as_f64().unwrap() > 3.0, stopped_for > 0, "{run:#}");
        // What was under way is told all the same.
        assert_eq!((&run["cause"]["attempts"], &run["steps"][0]["attempts_made"]), (&1.into(), &1.into()), "{run:#}");
        let asked = &run["steps"][0]["attempts"][0]["http"];
        assert_eq!((&asked["method"], &asked["url"]), (&"GET".into(), &format!("http://{target}/").into()), "{run:#}");
    }
}

const MATRIX: &str = "[matrix]\nplatform = [\"ios\", \"web\"]\ntracks = [1, 10]\n\n[[step]]";

fn fleet() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = probe("p", target(Answer::Ok), "json.state == 'ok'").replace("[[step]]", MATRIX);
    std::fs::write(folder.path().join("p.toml"), text).unwrap();
    std::fs::write(folder.path().join("serinus.toml"), "regions = [\"eu\", \"us\"]\nprobes = [\"*.toml\"]\n").unwrap();
    std::fs::rename(folder.path().join("serinus.toml"), folder.path().join("service")).unwrap();
    folder
}

fn canaries(folder: &Path, args: &[&str]) -> Vec<String> {
    let output = run(folder, &[&["test", "-c", "service", "--output", "json"], args].concat());
    assert_exit(&output, 0);
    objects(&output).iter().map(|run| run["canary"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn cells_and_regions_narrow_what_is_run() {
    let folder = fleet();
    assert_eq!(canaries(folder.path(), &["p"]).len(), 8);
    assert_eq!(
        canaries(folder.path(), &["p.toml", "--cell", "platform=ios", "--cell", "tracks=10"]),
        ["p/eu/platform=ios,tracks=10", "p/us/platform=ios,tracks=10"]
    );
    assert_eq!(canaries(folder.path(), &["p", "--cell", "platform=ios", "--region", "us"]).len(), 2);
}

#[test]
fn what_is_not_there_to_run_is_bad_usage_that_says_what_there_is() {
    let folder = fleet();
    for (args, named) in [
        (&["q"][..], "is only p"),
        (&["p", "--region", "ap"], "eu, us"),
        (&["p", "--cell", "platform=tv"], "platform=web,tracks=10"),
        (&["q.toml"], "p.toml"),
    ] {
        let output = run(folder.path(), &[&["test", "-c", "service"], args].concat());
        assert_exit(&output, 2);
        assert!(stderr(&output).contains(named), "{named}\n{}", stderr(&output));
    }
}

#[test]
fn canaries_run_side_by_side_and_are_told_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let text = probe("p", target(Answer::Later(200)), "json.state == 'ok'").replace("[[step]]", MATRIX);
    std::fs::write(folder.path().join("p.toml"), text).unwrap();
    for (jobs, together) in [("4", true), ("1", false)] {
        let output = run(folder.path(), &["test", "p.toml", "--output", "json", "--jobs", jobs]);
        assert_exit(&output, 0);
        let runs = objects(&output);
        let names: Vec<&str> = runs.iter().map(|run| run["canary"].as_str().unwrap()).collect();
        let expected =
            ["ios,tracks=1", "ios,tracks=10", "web,tracks=1", "web,tracks=10"].map(|cell| format!("p/local/platform={cell}"));
        assert_eq!(names, expected);
        let started = |at: usize| chrono::DateTime::parse_from_rfc3339(runs[at]["started"].as_str().unwrap()).unwrap();
        let apart = (started(3) - started(0)).num_milliseconds();
        assert_eq!(apart.abs() < 400, together, "{apart} ms");
    }
}

#[test]
fn a_run_over_an_objective_is_told_and_exits_0() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        probe("p", target(Answer::Later(20)), "json.state == 'ok'") + "[slo]\nlatency = { p95 = \"10ms\" }\nwindow = \"24h\"\n";
    std::fs::write(folder.path().join("p.toml"), text).unwrap();
    let output = run(folder.path(), &["test", "p.toml"]);
    assert_exit(&output, 0);
    assert!(stdout(&output).contains(", over the p95 objective of 10ms\n"), "{}", stdout(&output));
    let output = run(folder.path(), &["test", "p.toml", "--repeat", "3"]);
    assert_exit(&output, 0);
    for part in
        ["3 runs: 3 passed (100 %)\n", "p50", "p/local", " 3/3 ", "p/local: p95 duration ", "over the p95 objective of 10ms\n"]
    {
        assert!(stdout(&output).contains(part), "{part}\n{}", stdout(&output));
    }
}

#[test]
fn only_a_step_is_run_with_what_it_needs_and_a_wrong_name_has_its_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let text = probe("p", target(Answer::Ok), "json.state == 'ok'");
    let (_, step) = text.split_once("[[step]]").unwrap();
    let capturing = step.replace("front page", "captures") + "capture = { state = \"json.state\" }\n";
    let reading = step.replace("front page", "reads").replace("'ok'", "state");
    std::fs::write(folder.path().join("p.toml"), format!("{text}[[step]]{capturing}[[step]]{reading}")).unwrap();
    let output = run(folder.path(), &["test", "p.toml", "--only", "reads", "--output", "json"]);
    assert_exit(&output, 0);
    let runs = objects(&output);
    let steps: Vec<&str> = runs[0]["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(steps, ["captures", "reads"]);
    assert_eq!(stderr(&output), "p: \"reads\" needs \"captures\"; left out: \"front page\"\n");
    let output = run(folder.path(), &["test", "p.toml", "--only", "raeds"]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("there is no step `raeds`; did you mean `reads`?"), "{}", stderr(&output));
}

#[test]
fn a_watched_probe_is_run_again_when_it_changes_and_one_that_is_broken_waits_to_be_mended() {
    let folder = folder("json.state == 'gone'");
    let file = folder.path().join("p.toml");
    let failing = std::fs::read_to_string(&file).unwrap();
    let mut command = serinus(folder.path());
    command.args(["test", "p.toml", "--watch"]);
    let mut running = Running::start(command);
    assert!(running.first_line().starts_with("✗ failed  p/local"));
    running.said("watching 1 file; Ctrl-C ends it");
    std::fs::write(&file, failing.replace("expect", "expct")).unwrap();
    running.said("p.toml changed");
    running.said("the configuration has");
    running.said("watching");
    std::fs::write(&file, failing.replace("'gone'", "'ok'")).unwrap();
    running.said("p.toml changed");
    running.said("watching");
    running.signal("INT");
    assert_eq!(running.wait().code(), Some(0), "it ends as the last round did");
}
