//! The lines a process really writes to its standard error, read from a child.

use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serinus::outcome::{OutcomeSink as _, Reason};
use serinus::plan::LogFormat;
use serinus::telemetry::{Metrics, Telemetry, logs};

use crate::{again, report};

/// Set in the child, to its format and filter.
const CHILD: &str = "SERINUS_TEST_LOG_CHILD";

/// Runs this very test again as a process of its own.
fn child(role: &str) -> Output {
    let test = "one_line_a_run_with_its_ids_and_the_louder_the_worse";
    again::command(&[], module_path!(), test).env(CHILD, role).output().expect("the child runs")
}

/// What the child does: one run of each kind, and a cleanup that leaked.
fn log_runs(format: LogFormat, filter: &str) {
    let guard = logs::init(format, filter).expect("nothing logs yet");
    let plan = report::plan(vec![report::probe("sync", vec![report::cell(&[("platform", "ios")])])], &["eu"]);
    let telemetry = Telemetry::new(Metrics::new(&plan), None);
    let canary = &plan.canaries[0];
    let failed = Arc::new(report::failed(canary, SystemTime::now()));
    let degraded = Arc::new(report::degraded(canary, SystemTime::now()));
    telemetry.run_finished(&Arc::new(report::passed(canary, SystemTime::now())));
    telemetry.run_finished(&failed);
    for reason in [Reason::Stall, Reason::Overlap, Reason::Maintenance] {
        telemetry.run_finished(&Arc::new(report::ended(canary, SystemTime::now(), reason)));
    }
    telemetry.run_finished(&degraded);
    telemetry.cleanup_finished(&Arc::new(report::cleanup(&failed, failed.cause.clone().into_iter().collect())));
    assert!(guard.stop(Duration::from_secs(20)), "everything is written");
    assert!(logs::init(format, filter).is_err(), "logging is set up once");
}

#[test]
fn one_line_a_run_with_its_ids_and_the_louder_the_worse() {
    match std::env::var(CHILD).as_deref() {
        Ok("json") => return log_runs(LogFormat::Json, "debug"),
        Ok("human") => return log_runs(LogFormat::Human, "warn"),
        Ok(other) => panic!("no such role: {other}"),
        Err(_) => {}
    }
    let json = child("json");
    let errors = String::from_utf8(json.stderr).expect("lines are UTF-8");
    assert!(json.status.success(), "{errors}");
    let lines: Vec<serde_json::Value> =
        errors.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect();
    let told = |line: &serde_json::Value| format!("{} {} {}", line["level"], line["verdict"], line["reason"]).replace('"', "");
    let words: Vec<String> = lines.iter().map(told).collect();
    let expected = [
        "DEBUG passed null",
        "WARN failed expectation",
        "WARN errored stall",
        "INFO missed overlap",
        "DEBUG skipped maintenance",
        "INFO passed null",
        "WARN null expectation",
    ];
    assert_eq!(words, expected);
    for line in &lines {
        assert_eq!(line["canary"], "sync/eu/platform=ios", "{line}");
        assert_eq!(line["trace_id"].as_str().map(str::len), Some(32), "{line}");
        assert_eq!(line["run_id"].as_str().map(str::len), Some(26), "{line}");
    }
    assert_eq!((&lines[1]["step"], &lines[1]["duration_ms"]), (&"read".into(), &1500.into()));
    assert!(
        lines[1]["message"].as_str().is_some_and(|message| message.contains("`json.status` was \"pending\"")),
        "{}",
        lines[1]
    );
    assert_eq!(
        (&lines[0]["degraded"], &lines[5]["degraded"], &lines[5]["step"]),
        (&serde_json::Value::Null, &true.into(), &"read".into())
    );
    let said = "run passed, degraded: the read drags: `latency < 0.3` does not hold: `latency` was 0.7";
    assert_eq!(lines[5]["message"], said);

    let human = child("human");
    let errors = String::from_utf8(human.stderr).expect("lines are UTF-8");
    assert_eq!(errors.lines().filter(|line| line.contains("WARN")).count(), 3, "{errors}");
    assert!(!errors.contains("run passed"), "{errors}");
}
