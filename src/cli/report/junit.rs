//! Runs as one XML document of the `JUnit` kind: a suite a probe, a test case a run.
//!
//! A failed run is a `failure`; a run the prober could not do, or that a guard blocked, is an `error`, since it has proven
//! nothing. The waterfall is the test case's `system-out`.

use std::fmt::Write as _;
use std::time::Duration;

use indexmap::IndexMap;

use crate::base::time::rfc3339;
use crate::cli::style::Style;
use crate::outcome::{Cause, Verdict};

use super::{FinishedRun, human};

/// Columns of the waterfall in `system-out`.
const WIDTH: usize = 120;

/// All runs as one document.
pub(crate) fn junit(runs: &[FinishedRun]) -> String {
    let mut suites: IndexMap<&str, Vec<&FinishedRun>> = IndexMap::new();
    for done in runs {
        suites.entry(&done.report.canary.probe.name).or_default().push(done);
    }
    let all: Vec<&FinishedRun> = runs.iter().collect();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(xml, "<testsuites name=\"serinus\" {}>", counts(&all));
    for (probe, runs) in &suites {
        suite(&mut xml, probe, runs);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, probe: &str, runs: &[&FinishedRun]) {
    let started = runs.iter().map(|done| done.report.started).min().map_or(String::new(), rfc3339);
    let _ = writeln!(xml, "  <testsuite name=\"{}\" {} timestamp=\"{started}\">", attribute(probe), counts(runs));
    let mut seen: IndexMap<&str, u32> = IndexMap::new();
    for done in runs {
        let round = seen.entry(done.report.canary.id.as_str()).or_default();
        *round += 1;
        case(xml, probe, done, *round);
    }
    xml.push_str("  </testsuite>\n");
}

fn case(xml: &mut String, probe: &str, done: &FinishedRun, round: u32) {
    let report = &done.report;
    let mut name = report.canary.region.name.to_string();
    if !report.canary.cell.0.is_empty() {
        let _ = write!(name, " {}", report.canary.cell);
    }
    if round > 1 {
        let _ = write!(name, " #{round}");
    }
    let _ = writeln!(
        xml,
        "    <testcase name=\"{}\" classname=\"{}\" time=\"{:.3}\">",
        attribute(&name),
        attribute(probe),
        report.duration.as_secs_f64()
    );
    if let (Some(element), Some(cause)) = (element(report.verdict), &report.cause) {
        outcome(xml, element, cause);
    }
    let _ = writeln!(xml, "      <system-out>{}</system-out>", text(&human(&done.to_json(), Style::PLAIN, WIDTH)));
    xml.push_str("    </testcase>\n");
}

fn outcome(xml: &mut String, element: &str, cause: &Cause) {
    let (reason, message) = (cause.reason.as_str(), attribute(&cause.message));
    let _ = write!(xml, "      <{element} type=\"{reason}\" message=\"{message}\">");
    if let Some(step) = &cause.step {
        let _ = writeln!(xml, "step: {}", text(step));
    }
    if let Some(expectation) = &cause.expectation {
        let place = cause.location.as_ref().map_or(String::new(), |location| format!(" ({location})"));
        let _ = writeln!(xml, "expectation: {}{}", text(expectation), text(&place));
    }
    for seen in &cause.seen {
        let _ = writeln!(xml, "{} was {}", text(&seen.source), text(&seen.value));
    }
    let _ = writeln!(xml, "</{element}>");
}

/// The element that says how a test case went; none where it went well.
fn element(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Passed => None,
        Verdict::Failed => Some("failure"),
        Verdict::Errored | Verdict::Missed | Verdict::Blocked => Some("error"),
        Verdict::Skipped => Some("skipped"),
    }
}

fn counts(runs: &[&FinishedRun]) -> String {
    let count = |wanted: &str| runs.iter().filter(|done| element(done.report.verdict) == Some(wanted)).count();
    let time: Duration = runs.iter().map(|done| done.report.duration).sum();
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\"",
        runs.len(),
        count("failure"),
        count("error"),
        count("skipped"),
        time.as_secs_f64()
    )
}

/// Text inside an attribute: line breaks are kept by their references, as parsers turn bare ones into spaces.
fn attribute(value: &str) -> String {
    text(value).replace('\n', "&#10;").replace('\t', "&#9;")
}

/// Text between tags. Characters that XML 1.0 cannot hold at all are spelled out.
fn text(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            '\n' | '\t' => escaped.push(character),
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            }
            character => escaped.push(character),
        }
    }
    escaped
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
        assert_eq!(text("a\u{0}\u{1b}<&>\"\u{ffff}\t"), "a\\u0000\\u001b&lt;&amp;&gt;&quot;\\uffff\t");
        assert_eq!(attribute("a\nb\tc\r"), "a&#10;b&#9;c&#13;");
    }

    #[test]
    fn no_run_at_all_is_a_document_too() {
        assert!(junit(&[]).contains("tests=\"0\" failures=\"0\" errors=\"0\" skipped=\"0\" time=\"0.000\""));
    }
}
