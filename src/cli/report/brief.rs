//! A run for people who look at many: one line if it passed, and all about what failed if it did not.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cli::style::{Style, cut, human_duration, mark, printable};
use crate::outcome::{StepReport, Verdict};

use super::FinishedRun;
use super::page::{RunText, duration, list, pairs, seconds, text, title};

/// Failed steps that are shown in full, and those that have a line beside them: thousands of subjects may fail in one run.
const IN_FULL: usize = 3;
const IN_SHORT: usize = 20;

/// Columns beside the name of a canary in its line.
const BESIDE: usize = 34;

/// Renders a run. `over` says where it is over an objective; `columns` is the width and `widest` that of the longest name of a canary.
pub(crate) fn brief(done: &FinishedRun, over: Option<&str>, style: Style, (columns, widest): (usize, usize)) -> String {
    let run = done.to_json();
    let mut page = RunText::new(style, columns, true);
    page.headline(&run, done.report.verdict, widest.min(columns.saturating_sub(BESIDE)));
    if let Some(over) = over {
        let over = style.odd(&printable(over));
        page.sentence(2, &over);
    }
    page.warnings(&run);
    let passed = done.report.verdict == Verdict::Passed;
    if !passed {
        page.what_happened(done, &run);
    }
    let leaked = text(&run["cleanup"], "result") == "leaked";
    if leaked {
        page.leaks(done, &run["cleanup"]);
    } else if !passed && run["cleanup"].is_object() {
        let took = human_duration(duration(&run["cleanup"], "duration_seconds"));
        page.line(2, &format!("cleanup: clean in {took}"));
    }
    if !passed || leaked {
        page.identity(&run);
        page.text.push('\n');
    }
    page.text
}

impl RunText {
    /// `✓ passed  checkout/eu  1.20 s  converged 1.00 s`.
    fn headline(&mut self, run: &Value, verdict: Verdict, widest: usize) {
        let shown = self.style.verdict(verdict, &format!("{} {verdict}", mark(verdict)));
        let canary = self.style.bold(&format!("{:widest$}", printable(text(run, "canary"))));
        let took = human_duration(duration(run, "duration_seconds"));
        let longest = list(run, "steps").iter().filter_map(|step| seconds(&step["convergence_seconds"])).max();
        let more = match (run["cause"]["reason"].as_str(), longest) {
            (Some(reason), _) => format!("  {}", printable(reason)),
            (None, Some(longest)) => format!("  converged {}", human_duration(longest)),
            (None, None) => String::new(),
        };
        let degraded = if run["degraded"] == true { "  degraded" } else { "" };
        self.line(0, &format!("{shown}  {canary} {took:>8}{more}{degraded}"));
    }

    /// Why it did not pass, and what was done until then.
    fn what_happened(&mut self, done: &FinishedRun, run: &Value) {
        let shown = list(run, "steps");
        let failed = |step: &Value| matches!(text(step, "result"), "failed" | "blocked") && step["allow_failure"] != true;
        if shown.iter().any(failed) {
            let cause = &run["cause"];
            let place = cause["step"].as_str().map_or(String::new(), |step| format!("{}: ", printable(step)));
            let subject = cause["subject"].as_str().map_or(String::new(), |subject| format!("[{}] ", printable(subject)));
            let message = self.style.bad(&format!("{place}{subject}{}", printable(text(cause, "message"))));
            self.sentence(2, &message);
        } else {
            self.cause(&run["cause"]);
        }
        self.steps_of(&done.report.steps, shown, text(&run["cause"], "message"));
        let made: BTreeSet<&str> = done.report.steps.iter().map(|step| &*step.name).collect();
        let left: Vec<_> =
            done.report.canary.probe.steps.iter().map(|step| &*step.name).filter(|name| !made.contains(name)).collect();
        if !left.is_empty() && !made.is_empty() {
            let left = self.style.dim(&format!("– not reached: {}", printable(&left.join(", "))));
            self.sentence(2, &left);
        }
    }

    /// One line for all rounds of a step that are well, and those that failed in full. `told` is what was said of the run already.
    fn steps_of(&mut self, reports: &[StepReport], shown: &[Value], told: &str) {
        let names: Vec<String> = shown.iter().map(title).collect();
        let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(self.width / 2);
        let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
        let mut failures = 0;
        for (at, step) in shown.iter().enumerate() {
            let is_well = matches!(text(step, "result"), "passed" | "not_needed") || step["allow_failure"] == true;
            if is_well {
                let kind = (text(step, "name"), text(step, "result"));
                if seen.contains(&kind) && step["allow_failure"] != true {
                    continue;
                }
                let alike: Vec<&Value> =
                    shown.iter().filter(|other| other["name"] == step["name"] && other["result"] == step["result"]).collect();
                if alike.len() < 2 || step["allow_failure"] == true {
                    self.short(step, &names[at], widest);
                } else if seen.insert(kind) {
                    self.rounds(step, &alike, widest);
                }
                continue;
            }
            let is_group = shown.iter().any(|other| other["parent_span_id"] == step["span_id"]);
            failures += usize::from(!is_group);
            if failures <= IN_FULL + IN_SHORT {
                self.short(step, &names[at], widest);
            }
            if !is_group && failures <= IN_FULL {
                self.in_full(&reports[at], step, told);
            }
        }
        if failures > IN_FULL + IN_SHORT {
            self.line(2, &format!("… and {} more that failed", failures - IN_FULL - IN_SHORT));
        }
    }

    fn short(&mut self, step: &Value, name: &str, widest: usize) {
        let mut more = String::new();
        if let Some(made) = step["attempts_made"].as_u64().filter(|made| *made > 1) {
            more = format!(", {made} attempts");
        }
        if let Some(convergence) = seconds(&step["convergence_seconds"]) {
            more.extend([", converged ", &human_duration(convergence)]);
        }
        if text(step, "result") == "not_needed" {
            more.push_str(", not needed: `when` was false");
        }
        if step["allow_failure"] == true
            && let Some(message) = step["cause"]["message"].as_str()
        {
            more.extend([", allowed to fail: ", &cut(&printable(message), self.width)]);
        }
        let took = human_duration(duration(step, "duration_seconds"));
        let line = format!("{} {:widest$} {took:>8}{more}", self.mark(step), cut(name, widest));
        self.sentence(2, &line);
    }

    fn rounds(&mut self, step: &Value, alike: &[&Value], widest: usize) {
        let took = || alike.iter().map(|step| duration(step, "duration_seconds"));
        let (least, most) = (took().min().unwrap_or_default(), took().max().unwrap_or_default());
        let inside = if step["parent_span_id"].is_null() { "" } else { "└ " };
        let times = format!(" × {}", alike.len());
        let name = format!("{inside}{}", printable(text(step, "name")));
        let name = format!("{}{times}", cut(&name, widest.max(12).saturating_sub(times.chars().count())));
        let line = format!("{} {name:widest$} {:>8} to {}", self.mark(step), human_duration(least), human_duration(most));
        self.line(2, &line);
    }

    fn in_full(&mut self, report: &StepReport, step: &Value, told: &str) {
        let cause = &step["cause"];
        let message = text(cause, "message");
        if message != told {
            let message = self.style.bad(&format!("{}: {}", printable(text(cause, "reason")), printable(message)));
            self.sentence(4, &message);
        }
        if let Some(stalled) = seconds(&step["stalled_seconds"]).filter(|stalled| !stalled.is_zero()) {
            self.line(4, &format!("the prober itself stood still for {} of that", human_duration(stalled)));
        }
        let attempts = list(step, "attempts");
        self.polls(report.attempts_made, &report.attempts, attempts);
        for expectation in list(step, "expectations") {
            self.expectation(expectation);
        }
        let last_failed = attempts.iter().rev().find(|attempt| !attempt["failure"].is_null());
        if let Some(attempt) = last_failed.or(attempts.last()) {
            self.exchange(attempt);
        }
    }

    fn leaks(&mut self, done: &FinishedRun, cleanup: &Value) {
        let leaked = self.style.odd("cleanup: leaked");
        self.line(2, &format!("{leaked} after {}", human_duration(duration(cleanup, "duration_seconds"))));
        for cause in list(cleanup, "leaks") {
            self.cause(cause);
        }
        if let Some(report) = &done.cleanup {
            self.steps_of(&report.steps, list(cleanup, "steps"), "");
        }
    }

    /// By what it is found again, here and in the target's own logs.
    fn identity(&mut self, run: &Value) {
        let id = |key| printable(text(run, key));
        let ids = self.style.dim(&format!("run {}  trace {}", id("run_id"), id("trace_id")));
        self.sentence(2, &ids);
        for (name, value) in pairs(run, "vars") {
            let line = format!("{} = {}", printable(name), printable(value.as_str().unwrap_or_default()));
            let line = self.style.dim(&cut(&line, self.width - 2));
            self.line(2, &line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_snapshot, missed, passed, silent_registration};
    use super::*;

    #[test]
    fn what_passed_is_a_line_and_what_failed_is_told_in_full() {
        let runs = [passed(), silent_registration(), missed()];
        let over = "duration 2.31 s, over the p95 objective of 2s";
        let pages: Vec<String> =
            runs.iter().zip([Some(over), None, None]).map(|(done, over)| brief(done, over, Style::PLAIN, (80, 24))).collect();
        assert_eq!(pages[0].lines().count(), 2);
        assert_snapshot("test_brief.txt", &pages.concat());
    }

    #[test]
    fn no_escape_sequence_of_the_target_reaches_the_terminal() {
        let page = brief(&silent_registration(), None, Style::PLAIN, (80, 0));
        assert!(!page.contains('\x1b'), "{page}");
    }
}
