//! What is said once all runs are over: how many ended how, which canaries did not pass and, of repeated runs, shares and percentiles.

use std::fmt::Write as _;
use std::time::Duration;

use crate::cli::report::FinishedRun;
use crate::cli::style::{Style, cut, human_duration, mark, printable};
use crate::outcome::Verdict;

use super::objectives::{durations, measured, of_canary, of_run, percent, percentile, share};

/// Canaries that are listed because they did not pass.
const LISTED: usize = 20;

/// `40 runs: 38 passed, 2 failed`, with shares where each canary was run several times.
pub(super) fn counts(runs: &[FinishedRun], with_shares: bool) -> String {
    let count = |verdict| runs.iter().filter(|run| run.report.verdict == verdict).count();
    let counts = Verdict::ALL.into_iter().map(|verdict| (verdict, count(verdict))).filter(|&(_, count)| count > 0);
    let counts: Vec<String> = counts
        .map(|(verdict, count)| {
            let share = if with_shares { format!(" ({})", percent(share(count, runs.len()))) } else { String::new() };
            format!("{count} {verdict}{share}")
        })
        .collect();
    format!("{} run{}: {}", runs.len(), if runs.len() == 1 { "" } else { "s" }, counts.join(", "))
}

/// Where canaries would miss the objectives of their probes, a line each. `runs` has those of one canary beside each other.
pub(super) fn objectives(runs: &[FinishedRun], repeated: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for of_one in canaries(runs) {
        let told = if repeated { of_canary(of_one) } else { of_run(&of_one[0]).into_iter().collect() };
        let id = &of_one[0].report.canary.id;
        lines.extend(told.into_iter().map(|told| format!("{id}: {told}")));
    }
    lines
}

/// The whole of it for people; nothing after a single run, which says all by itself.
pub(super) fn summary(runs: &[FinishedRun], repeated: bool, style: Style) -> Option<String> {
    if runs.len() < 2 {
        return None;
    }
    let mut text = format!("{}\n", style.bold(&counts(runs, repeated)));
    if repeated {
        text.push_str(&table(runs));
    } else {
        text.push_str(&not_passed(runs, style));
    }
    for line in objectives(runs, repeated) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", style.odd(&printable(&line)));
    }
    Some(text)
}

fn canaries(runs: &[FinishedRun]) -> impl Iterator<Item = &[FinishedRun]> {
    runs.chunk_by(|one, other| one.report.canary.id == other.report.canary.id)
}

fn not_passed(runs: &[FinishedRun], style: Style) -> String {
    let mut text = String::new();
    let others: Vec<&FinishedRun> = runs.iter().filter(|run| run.report.verdict != Verdict::Passed).collect();
    for run in others.iter().take(LISTED) {
        let report = &run.report;
        let why = report.cause.as_ref().map_or(String::new(), |cause| match &cause.step {
            Some(step) => format!(": {} at \"{}\"", cause.reason.as_str(), printable(step)),
            None => format!(": {}", cause.reason.as_str()),
        });
        let shown = style.verdict(report.verdict, &format!("{} {}", mark(report.verdict), report.canary.id));
        let _ = writeln!(text, "{shown}{why}");
    }
    if others.len() > LISTED {
        let _ = writeln!(text, "… and {} more", others.len() - LISTED);
    }
    text
}

/// A row for each canary: how many of its runs passed, and how long those took; another where the objective measures something else.
fn table(runs: &[FinishedRun]) -> String {
    let widest = canaries(runs).map(|runs| runs[0].report.canary.id.as_str().chars().count()).max().unwrap_or(0).clamp(19, 44);
    let mut text = format!("{:widest$} {:>7} {:>8} {:>8} {:>8}\n", "time of what passed", "passed", "p50", "p95", "p99");
    for of_one in canaries(runs) {
        let canary = &of_one[0].report.canary;
        let mut took: Vec<Duration> = Vec::new();
        took.extend(of_one.iter().filter(|run| run.report.verdict == Verdict::Passed).map(|run| run.report.duration));
        took.sort_unstable();
        let passed = format!("{}/{}", took.len(), of_one.len());
        let _ = writeln!(text, "{:widest$} {passed:>7}{}", cut(canary.id.as_str(), widest), percentiles(&took));
        let slo = canary.probe.slo.as_ref().and_then(|slo| slo.latency.as_ref());
        if let Some(slo) = slo.filter(|slo| slo.step.is_some()) {
            let seen = durations(of_one);
            let name = format!("  {}", printable(&measured(slo)));
            let width = widest + 8;
            let _ = writeln!(text, "{:width$}{}", cut(&name, width), percentiles(&seen));
        }
    }
    text
}

fn percentiles(ordered: &[Duration]) -> String {
    let one = |percent| if ordered.is_empty() { "–".to_owned() } else { human_duration(percentile(ordered, percent)) };
    [50, 95, 99].map(|percent| format!(" {:>8}", one(percent))).concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::report::fixture::{assert_snapshot, missed, passed, silent_registration};

    #[test]
    fn runs_are_counted_by_verdict_and_those_that_did_not_pass_are_listed() {
        let runs = [passed(), silent_registration(), missed()];
        assert_snapshot("test_summary.txt", &summary(&runs, false, Style::PLAIN).unwrap());
        assert_eq!(summary(&runs[..1], false, Style::PLAIN), None);
    }

    #[test]
    fn repeated_runs_have_shares_and_percentiles() {
        let runs = [passed(), passed(), silent_registration(), silent_registration()];
        let text = summary(&runs, true, Style::PLAIN).unwrap();
        assert_snapshot("test_summary_repeated.txt", &text);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
