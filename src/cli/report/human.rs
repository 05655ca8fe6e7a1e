//! A run for people: the waterfall, every expectation with the values seen, and what became of the cleanup.

use std::fmt::Write as _;
use std::time::Duration;

use crate::cli::style::{Style, cut, human_duration, mark, printable};
use crate::outcome::{
    AttemptReport, Cause, CleanupReport, CleanupResult, Exchange, ExpectationReport, Held, HttpAnswer, RunReport, Seen,
    StepReport, StepResult,
};

use super::waterfall::bar;
use super::{Done, rfc3339};

/// Lines of a body shown; more is for `--output json`.
const BODY_LINES: usize = 20;

/// Renders a run. `width` is the number of columns there are; the text itself is not cut to it, only bars adapt.
pub(crate) fn human(done: &Done, style: Style, width: usize) -> String {
    let mut page = Page { text: String::new(), style, width: width.clamp(60, 160) };
    page.head(&done.report);
    page.steps(&done.report.steps, done.report.duration);
    if let Some(cleanup) = &done.cleanup {
        page.cleanup(cleanup);
    }
    page.text
}

struct Page {
    text: String,
    style: Style,
    width: usize,
}

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{:indent$}{text}", "");
    }

    fn head(&mut self, report: &RunReport) {
        let verdict = self.style.verdict(report.verdict, &format!("{} {}", mark(report.verdict), report.verdict));
        let reason = report.cause.as_ref().map_or(String::new(), |cause| format!(" ({})", cause.reason));
        let canary = self.style.bold(&printable(report.canary.id.as_str()));
        self.line(0, &format!("{verdict}{reason} {canary} in {}", human_duration(report.duration)));
        let ids = format!("run {}  trace {}  started {}", report.run_id, report.trace_id, rfc3339(report.started));
        let ids = self.style.dim(&ids);
        self.line(2, &ids);
        if let Some(cause) = &report.cause {
            self.cause(cause);
        }
        for (name, value) in &report.vars {
            self.line(2, &format!("{name} = {}", printable(value)));
        }
    }

    fn cause(&mut self, cause: &Cause) {
        let place = cause.step.as_ref().map_or(String::new(), |step| format!("{}: ", printable(step)));
        let subject = cause.subject.as_ref().map_or(String::new(), |subject| format!("[{}] ", printable(subject)));
        let message = self.style.bad(&format!("{place}{subject}{}", printable(&cause.message)));
        self.line(2, &message);
        if let Some(expectation) = &cause.expectation {
            let location = cause.location.as_ref().map_or(String::new(), ToString::to_string);
            let location = self.style.dim(&location);
            self.line(4, &format!("{}  {location}", printable(expectation)));
        }
        self.seen(4, &cause.seen);
    }

    fn seen(&mut self, indent: usize, seen: &[Seen]) {
        for Seen { source, value } in seen {
            self.line(indent, &format!("{} was {}", printable(source), printable(value)));
        }
    }

    fn steps(&mut self, steps: &[StepReport], whole: Duration) {
        let names: Vec<String> = steps.iter().map(title).collect();
        let name_width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(self.width / 3);
        let bar_width = self.width.saturating_sub(name_width + 22).clamp(10, 60);
        for (step, name) in steps.iter().zip(&names) {
            self.step(step, &cut(name, name_width), name_width, bar_width, whole);
        }
    }

    fn step(&mut self, step: &StepReport, name: &str, name_width: usize, bar_width: usize, whole: Duration) {
        let mark = match &step.result {
            StepResult::Passed => self.style.good("✓"),
            StepResult::Failed(_) if step.allow_failure => self.style.odd("✗"),
            StepResult::Failed(_) => self.style.bad("✗"),
            StepResult::NotNeeded => self.style.dim("–"),
            StepResult::Blocked(_) => self.style.odd("■"),
        };
        let bar = self.style.dim(&format!("▕{}▏", bar(step.started, step.duration, whole, bar_width)));
        let line = format!("{mark} {name:name_width$} {bar} {}", human_duration(step.duration));
        self.line(0, line.trim_end());
        self.result(step);
        self.attempts(step);
        for expectation in &step.expectations {
            self.expectation(expectation);
        }
        if let Some(convergence) = step.convergence {
            self.line(4, &format!("converged after {}", human_duration(convergence)));
        }
        for (name, value) in &step.captures {
            self.line(4, &format!("captured {name} = {}", printable(value)));
        }
        let last_failed = step.attempts.iter().rev().find(|attempt| attempt.failure.is_some());
        if let (StepResult::Failed(_) | StepResult::Blocked(_), Some(attempt)) =
            (&step.result, last_failed.or(step.attempts.last()))
        {
            self.exchange(attempt);
        }
    }

    fn result(&mut self, step: &StepReport) {
        match &step.result {
            StepResult::Passed => {}
            StepResult::NotNeeded => self.line(4, "not needed: `when` was false"),
            StepResult::Failed(cause) | StepResult::Blocked(cause) => {
                let allowed = if step.allow_failure { " (allowed)" } else { "" };
                let text = format!("{}{allowed}: {}", cause.reason, printable(&cause.message));
                let text = if step.allow_failure { self.style.odd(&text) } else { self.style.bad(&text) };
                self.line(4, &text);
            }
        }
    }

    fn attempts(&mut self, step: &StepReport) {
        let kept = u32::try_from(step.attempts.len()).unwrap_or(u32::MAX);
        if step.attempts_made > 1 {
            self.line(4, &format!("{} attempts", step.attempts_made));
        }
        for (at, attempt) in step.attempts.iter().enumerate() {
            let last = at + 1 == step.attempts.len();
            if last && at > 0 && step.attempts_made > kept {
                let left_out = format!("… {} attempts not kept", step.attempts_made - kept);
                let left_out = self.style.dim(&left_out);
                self.line(4, &left_out);
            }
            let when = if step.attempts_made > 1 { format!("at {}: ", human_duration(attempt.started)) } else { String::new() };
            self.line(4, &format!("{when}{}", attempt_text(attempt)));
        }
    }

    fn expectation(&mut self, expectation: &ExpectationReport) {
        let source = printable(&expectation.source);
        let (mark, why) = match &expectation.held {
            Held::Yes => (self.style.good("✓"), None),
            Held::No => (self.style.bad("✗ violated:"), None),
            Held::NotEvaluable(why) => (self.style.bad("✗ not evaluable:"), Some(why)),
        };
        let location = self.style.dim(&expectation.location.to_string());
        self.line(4, &format!("{mark} {source}  {location}"));
        if let Some(why) = why {
            self.line(6, &printable(why));
        }
        self.seen(6, &expectation.seen);
    }

    fn exchange(&mut self, attempt: &AttemptReport) {
        let (Some(http), Some(exchange)) = (&attempt.http, &attempt.exchange) else { return };
        let Exchange { request_headers, request_body, response_headers, response_body, truncated } = &**exchange;
        self.message('>', &format!("{} {}", http.method, http.url), request_headers, request_body);
        if let Some(status) = http.status {
            self.message('<', &format!("HTTP/{} {status}", http.version.unwrap_or("?")), response_headers, response_body);
        }
        if *truncated {
            let note = self.style.dim("(cut)");
            self.line(4, &note);
        }
    }

    fn message(&mut self, prefix: char, first: &str, headers: &[(String, String)], body: &str) {
        self.line(4, &format!("{prefix} {}", printable(first)));
        for (name, value) in headers {
            self.line(4, &format!("{prefix} {}: {}", printable(name), printable(value)));
        }
        if body.is_empty() {
            return;
        }
        self.line(4, &prefix.to_string());
        let lines = body.lines().count();
        for line in body.lines().take(BODY_LINES) {
            self.line(4, &format!("{prefix} {}", printable(line)));
        }
        if lines > BODY_LINES {
            self.line(4, &format!("{prefix} … {} more lines", lines - BODY_LINES));
        }
    }

    fn cleanup(&mut self, cleanup: &CleanupReport) {
        let took = human_duration(cleanup.duration);
        match &cleanup.result {
            CleanupResult::Clean => self.line(0, &format!("cleanup: clean in {took}")),
            CleanupResult::Leaked(causes) => {
                let leaked = self.style.odd("cleanup: leaked");
                self.line(0, &format!("{leaked} after {took}"));
                for cause in causes {
                    self.cause(cause);
                }
            }
        }
        let whole = cleanup.started + cleanup.duration;
        self.steps(&cleanup.steps, whole);
    }
}

/// Name, round, subject and device of a step, as far as they say anything.
fn title(step: &StepReport) -> String {
    let inside = if step.parent.is_some() { "└ " } else { "" };
    let mut title = format!("{inside}{}", printable(&step.name));
    if let Some(round) = step.round {
        let _ = write!(title, " #{round}");
    }
    if let Some(subject) = &step.subject {
        let _ = write!(title, " {}", printable(subject));
    }
    if &*step.device != "default" {
        let _ = write!(title, " [{}]", step.device);
    }
    title
}

fn attempt_text(attempt: &AttemptReport) -> String {
    let failure = match &attempt.failure {
        Some((reason, _)) => format!("  {reason}"),
        None => String::new(),
    };
    match &attempt.http {
        Some(http) => format!("{}{failure}", http_text(http)),
        None => format!("took {}{failure}", human_duration(attempt.duration)),
    }
}

fn http_text(http: &HttpAnswer) -> String {
    let answer = match http.status {
        Some(status) => format!("{status} HTTP/{}, {} bytes", http.version.unwrap_or("?"), http.body_bytes),
        None => "no answer".to_owned(),
    };
    let phases: Vec<String> = http
        .phases
        .each()
        .map(|(name, took)| format!("{} {}", name.replace('_', " "), human_duration(took)))
        .chain(http.phases.reused.then(|| "connection reused".to_owned()))
        .collect();
    let phases = if phases.is_empty() { String::new() } else { format!("; {}", phases.join(", ")) };
    format!("{} {} → {answer}{phases}", http.method, printable(&http.url))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_snapshot, missed, passed, silent_registration};
    use super::*;

    #[test]
    fn a_run_shows_its_waterfall_every_expectation_and_the_failing_exchange() {
        let runs = [passed(), silent_registration(), missed()];
        let pages: Vec<String> = runs.iter().map(|done| human(done, Style::PLAIN, 100)).collect();
        assert_snapshot("human.txt", &pages.join("\n"));
    }

    #[test]
    fn no_escape_sequence_of_the_target_reaches_the_terminal() {
        let page = human(&silent_registration(), Style::PLAIN, 80);
        assert!(!page.contains('\x1b'));
        assert!(human(&silent_registration(), Style { colour: true }, 80).contains("\x1b[1;31m"));
    }
}
