//! How an incident of the demo went: for people a few lines, for programs one object.
//!
//! The object's keys: `incident`, `noticed`, `probe`, `healthy_runs`, `onset_at` (RFC 3339), and, `null` if it was not noticed:
//! `first_failed_after_seconds` (from the onset to the verdict), `first_failed_run` (1 = the first run of an affected canary
//! that started after the onset), `canary`, `region`, `cell`, `run_id`, `trace_id`, `reason`, `message`, `step`,
//! `paged_after_seconds` (from the onset to the arrival of the first page about the probe), `paged_after_runs` (runs of the canary
//! it tells of), `critical_after_seconds`, `resolved_after_seconds` (from the fault's end until every page was resolved),
//! `expectation`, `location`, `seen`, `answers` and `successful_answers` (HTTP answers kept of that run, and how many had a
//! status below 400), `writes` and `successful_writes` (the same of requests that change something).

use std::fmt::Write as _;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::app::{DemoResult, Noticed, Page};
use crate::base::time::{rfc3339, seconds};
use crate::outcome::{RunReport, cell_to_json, location_to_json, seen_to_json};

use super::args::summary;
use super::style::{Style, human_duration, printable};

/// The result as one object.
pub(crate) fn result_json(result: &DemoResult) -> Value {
    let noticed = result.noticed.as_ref();
    let report = noticed.map(|noticed| &*noticed.report);
    let cause = report.and_then(|report| report.cause.as_ref());
    let said = report.map(answers);
    json!({
        "incident": result.incident.as_str(),
        "noticed": noticed.is_some(),
        "probe": *result.probe,
        "healthy_runs": result.healthy_runs,
        "onset_at": rfc3339(result.onset),
        "first_failed_after_seconds": noticed.map(|noticed| seconds(noticed.after)),
        "first_failed_run": noticed.map(|noticed| noticed.run),
        "paged_after_seconds": result.paged.as_ref().map(|paged| since(result.onset, paged.page.at)),
        "paged_after_runs": result.paged.as_ref().map(|paged| paged.runs),
        "critical_after_seconds": result.critical().map(|page| since(result.onset, page.at)),
        "resolved_after_seconds": result.resolved().map(|page| since(result.ended, page.at)),
        "pages": result.pages.iter().map(|page| one_page(result, page)).collect::<Vec<_>>(),
        "canary": report.map(|report| report.canary.id.as_str()),
        "region": report.map(|report| &*report.canary.region.name),
        "cell": report.map(|report| cell_to_json(&report.canary.cell)),
        "run_id": report.map(|report| report.run_id.to_string()),
        "trace_id": report.map(|report| report.trace_id.to_string()),
        "reason": cause.map(|cause| cause.reason.as_str()),
        "message": cause.map(|cause| &cause.message),
        "step": cause.and_then(|cause| cause.step.as_deref()),
        "expectation": cause.and_then(|cause| cause.expectation.as_deref()),
        "location": cause.and_then(|cause| cause.location.as_ref()).map(location_to_json),
        "seen": cause.map(|cause| seen_to_json(&cause.seen)),
        "answers": said.map(|said| said.all),
        "successful_answers": said.map(|said| said.successful),
        "writes": said.map(|said| said.writes),
        "successful_writes": said.map(|said| said.successful_writes),
    })
}

/// What arrived, and when.
fn one_page(result: &DemoResult, page: &Page) -> Value {
    let message = &page.message;
    json!({
        "channel": "pager",
        "key": message.key,
        "action": message.action,
        "occasion": message.occasion,
        "severity": message.severity.as_str(),
        "after_seconds": since(result.onset, page.at),
        "title": message.title,
    })
}

/// Seconds from one moment to another; a clock that was set back gives none.
fn since(from: SystemTime, to: SystemTime) -> f64 {
    seconds(to.duration_since(from).unwrap_or_default())
}

/// The result in a few lines.
pub(crate) fn result_human(result: &DemoResult, style: Style) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}  {}", style.bold(result.incident.as_str()), summary(result.incident));
    let runs = if result.healthy_runs == 1 { "1 run".to_owned() } else { format!("{} runs", result.healthy_runs) };
    let _ = writeln!(text, "  {runs} of {} passed before it began at {}", result.probe, rfc3339(result.onset));
    if let Some(noticed) = &result.noticed {
        tell(&mut text, noticed, style);
    } else {
        let nobody = format!("  ✗ nobody noticed within {}", human_duration(result.watched));
        let _ = writeln!(text, "{}", style.bad(&nobody));
    }
    for (arrived, word, from) in [
        (result.paged.as_ref().map(|paged| &paged.page), "paged", result.onset),
        (result.critical(), "critical", result.onset),
        (result.resolved(), "resolved", result.ended),
    ] {
        let line = match arrived {
            Some(page) => {
                let after = page.at.duration_since(from).unwrap_or_default();
                style.good(&format!("  ✓ {word} after {}: {}", human_duration(after), printable(&page.message.title)))
            }
            None => style.bad(&format!("  ✗ no page said that it is {word}")),
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

fn tell(text: &mut String, noticed: &Noticed, style: Style) {
    let report = &noticed.report;
    let _ = writeln!(text, "  {} in the run that failed", answers(report).told());
    let head = format!("  ✓ noticed after {} by run {} of {}", human_duration(noticed.after), noticed.run, report.canary.id);
    let _ = writeln!(text, "{}", style.good(&head));
    let Some(cause) = &report.cause else { return };
    let step = cause.step.as_deref().map_or(String::new(), |step| format!(" at '{}'", printable(step)));
    let _ = writeln!(text, "    {}{step}: {}", cause.reason, printable(&cause.message));
    if let Some(expectation) = &cause.expectation {
        let place = cause.location.as_ref().map_or(String::new(), |location| format!("  {location}"));
        let _ = writeln!(text, "    expected {}{}", printable(expectation), style.dim(&place));
    }
    for seen in &cause.seen {
        let _ = writeln!(text, "    {} was {}", printable(&seen.source), printable(&seen.value));
    }
    let _ = writeln!(text, "    {}", style.dim(&format!("trace {}", report.trace_id)));
}

/// What the services said while the run failed.
#[derive(Clone, Copy)]
struct AnswerCounts {
    all: usize,
    successful: usize,
    writes: usize,
    successful_writes: usize,
}

impl AnswerCounts {
    fn told(self) -> String {
        let Self { all, successful, writes, successful_writes } = self;
        if successful == all {
            format!("every service said success ({all} of {all} answers)")
        } else if successful_writes == writes {
            format!("every write was answered with success ({writes} of {writes})")
        } else {
            format!("{successful} of {all} answers said success")
        }
    }
}

fn answers(report: &RunReport) -> AnswerCounts {
    let answers = report.steps.iter().flat_map(|step| &step.attempts).filter_map(|attempt| attempt.http());
    let answers: Vec<(bool, bool)> =
        answers.filter_map(|http| Some((!matches!(&*http.method, "GET" | "HEAD" | "OPTIONS"), http.status? < 400))).collect();
    let count = |wanted: fn(&(bool, bool)) -> bool| answers.iter().filter(|answer| wanted(answer)).count();
    AnswerCounts {
        all: answers.len(),
        successful: count(|&(_, success)| success),
        writes: count(|&(write, _)| write),
        successful_writes: count(|&(write, success)| write && success),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::cli::report::fixture::{assert_snapshot, silent_registration};
    use crate::sandbox::Incident;

    fn result(noticed: bool) -> DemoResult {
        let report = silent_registration().report;
        DemoResult {
            incident: Incident::RegistrationsSilent,
            probe: "premium-registration".into(),
            healthy_runs: 27,
            onset: SystemTime::UNIX_EPOCH + Duration::from_secs(1_710_758_639),
            watched: Duration::from_secs(25),
            noticed: noticed.then(|| Noticed { report, run: 1, after: Duration::from_millis(3_437) }),
            paged: None,
            ended: SystemTime::UNIX_EPOCH + Duration::from_secs(1_710_758_701),
            pages: Vec::new(),
        }
    }

    #[test]
    fn a_noticed_incident_is_told_in_full() {
        assert_snapshot("demo_result.json", &format!("{:#}\n", result_json(&result(true))));
        assert_snapshot("demo_result.txt", &result_human(&result(true), Style::PLAIN));
    }

    #[test]
    fn an_incident_that_nobody_noticed_says_so() {
        assert_snapshot("demo_result_unnoticed.json", &format!("{:#}\n", result_json(&result(false))));
        assert_snapshot("demo_result_unnoticed.txt", &result_human(&result(false), Style::PLAIN));
    }
}
