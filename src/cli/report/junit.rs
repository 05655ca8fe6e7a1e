//! Runs as one XML document of the `JUnit` kind: a suite a probe, a test case a run.
//!
//! A failed run is a `failure`; a run the prober could not do, or that a guard blocked, is an `error`, since it has proven
//! nothing. The waterfall is the test case's `system-out`.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::cli::style::Style;
use crate::outcome::{Cause, Verdict, visible_block};

use super::{FinishedRun, human};

/// Columns of the waterfall in `system-out`.
const WIDTH: usize = 120;

/// All runs as one document.
pub(crate) fn junit(runs: &[FinishedRun]) -> String {
    let mut suites: IndexMap<&str, Vec<&FinishedRun>> = IndexMap::new();
    for done in runs {
        suites.entry(&done.report.canary.probe.name).or_default().push(done);
    }
    let mut report = Report::new("serinus");
    report.set_time(runs.iter().map(|done| done.report.duration).sum());
    report.add_test_suites(suites.iter().map(|(probe, runs)| suite(probe, runs)));
    report.to_string().expect("a document in memory can be written")
}

fn suite(probe: &str, runs: &[&FinishedRun]) -> TestSuite {
    let mut suite = TestSuite::new(xml(probe));
    suite.set_time(runs.iter().map(|done| done.report.duration).sum::<Duration>());
    if let Some(started) = runs.iter().map(|done| done.report.started).min() {
        suite.set_timestamp(DateTime::<Utc>::from(started));
    }
    let mut rounds: IndexMap<&str, u32> = IndexMap::new();
    for done in runs {
        let round = rounds.entry(done.report.canary.id.as_str()).or_default();
        *round += 1;
        suite.add_test_case(case(probe, done, *round));
    }
    suite
}

fn case(probe: &str, done: &FinishedRun, round: u32) -> TestCase {
    let report = &done.report;
    let mut name = report.canary.region.name.to_string();
    if !report.canary.cell.0.is_empty() {
        let _ = write!(name, " {}", report.canary.cell);
    }
    if round > 1 {
        let _ = write!(name, " #{round}");
    }
    let mut case = TestCase::new(xml(&name), status(report.verdict, report.cause.as_ref()));
    case.set_classname(xml(probe));
    case.set_time(report.duration);
    case.set_system_out(xml(&human(&done.to_json(), Style::PLAIN, WIDTH)));
    case
}

fn status(verdict: Verdict, cause: Option<&Cause>) -> TestCaseStatus {
    let mut status = match verdict {
        Verdict::Passed => return TestCaseStatus::success(),
        Verdict::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Errored | Verdict::Missed | Verdict::Blocked => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::Skipped => TestCaseStatus::skipped(),
    };
    if let Some(cause) = cause {
        status.set_type(cause.reason.as_str()).set_message(xml(&cause.message)).set_description(xml(&description(cause)));
    }
    status
}

fn description(cause: &Cause) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    if let Some(step) = &cause.step {
        let _ = writeln!(text, "step: {step}");
    }
    if let Some(expectation) = &cause.expectation {
        let place = cause.location.as_ref().map_or(String::new(), |location| format!(" ({location})"));
        let _ = writeln!(text, "expectation: {expectation}{place}");
    }
    for seen in &cause.seen {
        let _ = writeln!(text, "{} was {}", seen.source, seen.value);
    }
    text
}

/// Text in which characters that XML 1.0 cannot hold are spelled out.
fn xml(text: &str) -> String {
    visible_block(text).replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_snapshot, missed, passed, silent_registration};
    use super::*;

    #[test]
    fn runs_become_suites_by_probe_and_cases_by_run() {
        assert_snapshot("junit.xml", &junit(&[passed(), silent_registration(), missed(), passed()]));
    }

    #[test]
    fn what_xml_cannot_hold_is_spelled_out() {
        assert_eq!(xml("a\u{0}\u{1b}[2J<&>\u{ffff}\t\n"), "a\\u0000\\u001b[2J<&>\\uffff\t\n");
    }

    #[test]
    fn no_run_at_all_is_a_document_too() {
        let document = junit(&[]);
        assert!(
            ["tests", "failures", "errors", "skipped"].iter().all(|count| document.contains(&format!("{count}=\"0\""))),
            "{document}"
        );
    }
}
