//! A run for people: the waterfall, every expectation with the values seen, and what became of the cleanup.
//!
//! It is drawn from the run's JSON, so that a run that a service kept looks like one that was just made.

use std::time::Duration;

use serde_json::Value;

use crate::cli::style::{Style, cut, human_duration, mark, printable};
use crate::outcome::Verdict;

use super::page::{RunText, duration, list, pairs, phases_text, seconds, text, title, withheld_text};

/// Renders a run in the form of [`RunReport::to_json`](crate::outcome::RunReport::to_json). `width` is the number of columns. Only
/// bars adapt to it; text is not cut.
pub(crate) fn human(run: &Value, style: Style, width: usize) -> String {
    let mut page = RunText::new(style, width, false);
    page.head(run);
    page.steps(list(run, "steps"), duration(run, "duration_seconds"));
    if run["cleanup"].is_object() {
        page.cleanup(&run["cleanup"]);
    }
    page.text
}

impl RunText {
    fn head(&mut self, run: &Value) {
        let word = text(run, "verdict");
        let verdict = match word.parse::<Verdict>() {
            Ok(verdict) => self.style.verdict(verdict, &format!("{} {verdict}", mark(verdict))),
            Err(_) => printable(word).into_owned(),
        };
        let reason = run["cause"]["reason"].as_str().or((run["degraded"] == true).then_some("degraded"));
        let reason = reason.map_or(String::new(), |reason| format!(" ({})", printable(reason)));
        let canary = self.style.bold(&printable(text(run, "canary")));
        self.line(0, &format!("{verdict}{reason} {canary} in {}", human_duration(duration(run, "duration_seconds"))));
        let id = |key| printable(text(run, key));
        let ids = format!("run {}  trace {}  started {}", id("run_id"), id("trace_id"), id("started"));
        let ids = self.style.dim(&ids);
        self.line(2, &ids);
        self.cause(&run["cause"]);
        self.warnings(run);
        for (name, value) in pairs(run, "vars") {
            self.line(2, &format!("{} = {}", printable(name), printable(value.as_str().unwrap_or_default())));
        }
    }

    fn steps(&mut self, steps: &[Value], whole: Duration) {
        let names: Vec<String> = steps.iter().map(title).collect();
        let name_width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(self.width / 3);
        let bar_width = self.width.saturating_sub(name_width + 22).clamp(10, 60);
        for (step, name) in steps.iter().zip(&names) {
            self.step(step, &cut(name, name_width), name_width, bar_width, whole);
        }
    }

    fn step(&mut self, step: &Value, name: &str, name_width: usize, bar_width: usize, whole: Duration) {
        let allowed = step["allow_failure"] == true;
        let result = text(step, "result");
        let mark = self.mark(step);
        let took = duration(step, "duration_seconds");
        let bar = self.style.dim(&format!("▕{}▏", bar(duration(step, "started_seconds"), took, whole, bar_width)));
        let line = format!("{mark} {name:name_width$} {bar} {}", human_duration(took));
        self.line(0, line.trim_end());
        self.result(step, result, allowed);
        if let Some(stalled) = seconds(&step["stalled_seconds"]).filter(|stalled| !stalled.is_zero()) {
            self.line(4, &format!("the prober itself stood still for {} of that", human_duration(stalled)));
        }
        self.attempts(step);
        for expectation in list(step, "expectations") {
            self.expectation(expectation);
        }
        for warning in list(step, "warnings") {
            self.judged_warning(warning);
        }
        if let Some(convergence) = seconds(&step["convergence_seconds"]) {
            self.line(4, &format!("converged after {}", human_duration(convergence)));
        }
        for (name, value) in pairs(step, "captures") {
            self.line(4, &format!("captured {} = {}", printable(name), printable(value.as_str().unwrap_or_default())));
        }
        let attempts = list(step, "attempts");
        let last_failed = attempts.iter().rev().find(|attempt| !attempt["failure"].is_null());
        if let ("failed" | "blocked", Some(attempt)) = (result, last_failed.or(attempts.last())) {
            self.exchange(attempt);
        }
    }

    fn result(&mut self, step: &Value, result: &str, allowed: bool) {
        let cause = &step["cause"];
        match result {
            "not_needed" => self.line(4, "not needed: `when` was false"),
            "failed" | "blocked" => {
                let (reason, message) = (printable(text(cause, "reason")), printable(text(cause, "message")));
                let text = format!("{reason}{}: {message}", if allowed { " (allowed)" } else { "" });
                let text = if allowed { self.style.odd(&text) } else { self.style.bad(&text) };
                self.line(4, &text);
            }
            _ => {}
        }
    }

    fn attempts(&mut self, step: &Value) {
        let attempts = list(step, "attempts");
        let made = step["attempts_made"].as_u64().unwrap_or(0);
        let alike = |attempt: &Value| attempt["alike"].as_u64().unwrap_or(0);
        let known: u64 = attempts.iter().map(|attempt| 1 + alike(attempt)).sum();
        if made > 1 {
            self.line(4, &format!("{made} attempts"));
        }
        for (at, attempt) in attempts.iter().enumerate() {
            if at + 1 == attempts.len() && at > 0 && made > known {
                self.left_out(&format!("{} attempts not kept", made - known));
            }
            let when =
                if made > 1 { format!("at {}: ", human_duration(duration(attempt, "started_seconds"))) } else { String::new() };
            self.line(4, &format!("{when}{}", attempt_text(attempt)));
            for withheld in list(&attempt["http"], "withheld") {
                self.line(6, &withheld_text(withheld));
            }
            if alike(attempt) > 0 {
                self.left_out(&format!("{} attempts not kept, with the same answer", alike(attempt)));
            }
        }
    }

    fn left_out(&mut self, what: &str) {
        let left_out = self.style.dim(&format!("… {what}"));
        self.line(4, &left_out);
    }

    fn cleanup(&mut self, cleanup: &Value) {
        let took = duration(cleanup, "duration_seconds");
        if text(cleanup, "result") == "leaked" {
            let leaked = self.style.odd("cleanup: leaked");
            self.line(0, &format!("{leaked} after {}", human_duration(took)));
            for cause in list(cleanup, "leaks") {
                self.cause(cause);
            }
        } else {
            self.line(0, &format!("cleanup: clean in {}", human_duration(took)));
        }
        let whole = duration(cleanup, "started_seconds") + took;
        self.steps(list(cleanup, "steps"), whole);
    }
}

fn attempt_text(attempt: &Value) -> String {
    let failure = attempt["failure"]["reason"].as_str().map_or(String::new(), |reason| format!("  {}", printable(reason)));
    match (&attempt["http"], &attempt["observed"]) {
        (Value::Null, Value::Null) => format!("took {}{failure}", human_duration(duration(attempt, "duration_seconds"))),
        (Value::Null, observed) => format!("{}{failure}", observed_text(observed)),
        (http, _) => format!("{}{failure}", http_text(http)),
    }
}

fn http_text(http: &Value) -> String {
    let answer = match http["status"].as_u64() {
        Some(status) => {
            format!("{status} HTTP/{}, {} bytes", printable(http["version"].as_str().unwrap_or("?")), http["body_bytes"])
        }
        None => "no answer".to_owned(),
    };
    let reused = (http["reused"] == true).then(|| "connection reused".to_owned());
    let phases = phases_text(http, reused);
    format!("{} {} → {answer}{phases}", printable(text(http, "method")), printable(text(http, "url")))
}

/// What an attempt of any other kind asked, what is known of it, and where the time went.
fn observed_text(observed: &Value) -> String {
    let fact = |(name, value): (&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string().into(), printable);
        format!("{} {value}", printable(name).replace('_', " "))
    };
    let facts: Vec<String> = pairs(observed, "facts").map(fact).collect();
    let answer = match (observed["answered"] == true, facts.is_empty()) {
        (true, true) => "answered".to_owned(),
        (true, false) => facts.join(", "),
        (false, _) => "no answer".to_owned(),
    };
    format!("{} → {answer}{}", printable(text(observed, "asked")), phases_text(observed, None))
}

/// A bar of `width` columns for something that ran from `started` for `duration` inside `whole`. At least one column is
/// filled, so that the shortest step can be seen.
fn bar(started: Duration, duration: Duration, whole: Duration, width: usize) -> String {
    let (from, to) = (column(started, whole, width), column(started + duration, whole, width));
    let from = from.min(width.saturating_sub(1));
    let to = to.clamp(from + 1, width.max(from + 1));
    format!("{}{}{}", " ".repeat(from), "█".repeat(to - from), " ".repeat(width - to.min(width)))
}

fn column(moment: Duration, whole: Duration, width: usize) -> usize {
    let width_wide = width as u128;
    let at = (moment.as_nanos() * width_wide).checked_div(whole.as_nanos()).unwrap_or(0);
    usize::try_from(at.min(width_wide)).unwrap_or(width)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fixture::{assert_snapshot, missed, passed, silent_registration};
    use super::*;
    use crate::outcome::{AttemptDetail, ExpectationReport, Held, Withheld};

    #[test]
    fn a_run_shows_its_waterfall_every_expectation_and_the_failing_exchange() {
        let runs = [passed(), silent_registration(), missed()];
        let pages: Vec<String> = runs.iter().map(|done| human(&done.to_json(), Style::PLAIN, 100)).collect();
        assert_snapshot("human.txt", &pages.join("\n"));
    }

    #[test]
    fn a_degraded_run_tells_why_in_its_authors_words_and_shows_every_warning() {
        let mut done = passed();
        let report = Arc::make_mut(&mut done.report);
        let mut warned = crate::outcome::testing::warned("front page", "latency < 0.3").warnings;
        warned.push(ExpectationReport { held: Held::Yes, ..warned[0].clone() });
        report.steps[0].warnings = warned;
        let page = human(&done.to_json(), Style::PLAIN, 100);
        for part in [
            "✓ passed (degraded) front-page/eu in ",
            "\n  degraded: front page: it drags: `latency < 0.3` does not hold: `latency` was 0.7  probes/p.toml:1:1\n",
            "\n    ! warn: latency < 0.3  probes/p.toml:1:1\n      latency was 0.7\n    ✓ warn: latency < 0.3",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
    }

    #[test]
    fn what_a_redirect_was_not_given_is_shown_below_its_attempt() {
        let mut done = passed();
        let report = Arc::make_mut(&mut done.report);
        let headers = vec!["cookie".to_owned(), "x-api-key".to_owned()];
        let withheld = Withheld { redirect: 1, to: "https://other.example".to_owned(), headers };
        let Some(AttemptDetail::Http(http)) = &mut report.steps[0].attempts[0].detail else { panic!("it is over HTTP") };
        http.answer.withheld.push(withheld);
        let page = human(&done.to_json(), Style::PLAIN, 100);
        assert!(page.contains("\n      redirect 1 to https://other.example went without cookie, x-api-key\n"), "{page}");
    }

    #[test]
    fn no_escape_sequence_of_the_target_reaches_the_terminal() {
        let page = human(&silent_registration().to_json(), Style::PLAIN, 80);
        assert!(!page.contains('\x1b'));
        assert!(human(&silent_registration().to_json(), Style { colour: true }, 80).contains("\x1b[1;31m"));
    }

    fn drawn(started: u64, duration: u64) -> String {
        bar(Duration::from_millis(started), Duration::from_millis(duration), Duration::from_millis(100), 10)
    }

    #[test]
    fn a_bar_lies_where_the_step_lay_and_is_never_invisible() {
        assert_eq!(drawn(0, 100), "██████████");
        assert_eq!(drawn(0, 1), "█         ");
        assert_eq!(drawn(50, 20), "     ██   ");
        assert_eq!(drawn(100, 0), "         █");
        assert_eq!(drawn(100, 50), "         █");
        assert_eq!(bar(Duration::ZERO, Duration::ZERO, Duration::ZERO, 3), "█  ");
    }
}
