//! A run for people: the waterfall, every expectation with the values seen, and what became of the cleanup.
//!
//! It is drawn from the run's JSON, so that a run that a service kept looks like one that was just made.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::cli::style::{Style, cut, human_duration, mark, printable};
use crate::outcome::Verdict;

/// Lines of a body shown; more is for `--output json`.
const BODY_LINES: usize = 20;

/// Renders a run in the form of [`RunReport::to_json`](crate::outcome::RunReport::to_json). `width` is the number of columns. Only
/// bars adapt to it; text is not cut.
pub(crate) fn human(run: &Value, style: Style, width: usize) -> String {
    let mut page = RunText { text: String::new(), style, width: width.clamp(60, 160) };
    page.head(run);
    page.steps(list(run, "steps"), duration(run, "duration_seconds"));
    if run["cleanup"].is_object() {
        page.cleanup(&run["cleanup"]);
    }
    page.text
}

/// A text of an object; empty if there is none.
fn text<'v>(of: &'v Value, key: &str) -> &'v str {
    of[key].as_str().unwrap_or_default()
}

fn list<'v>(of: &'v Value, key: &str) -> &'v [Value] {
    of[key].as_array().map_or(&[], Vec::as_slice)
}

fn pairs<'v>(of: &'v Value, key: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    of[key].as_object().into_iter().flat_map(Map::iter)
}

fn seconds(value: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(value.as_f64()?).ok()
}

fn duration(of: &Value, key: &str) -> Duration {
    seconds(&of[key]).unwrap_or_default()
}

/// `file:line:column`; empty if it is not known.
fn location(of: &Value) -> String {
    let at = &of["location"];
    if at.is_null() { String::new() } else { format!("{}:{}:{}", printable(text(at, "file")), at["line"], at["column"]) }
}

struct RunText {
    text: String,
    style: Style,
    width: usize,
}

impl RunText {
    fn line(&mut self, indent: usize, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{:indent$}{text}", "");
    }

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
        for warning in list(run, "degraded_by") {
            self.warning(warning);
        }
        for (name, value) in pairs(run, "vars") {
            self.line(2, &format!("{} = {}", printable(name), printable(value.as_str().unwrap_or_default())));
        }
    }

    fn cause(&mut self, cause: &Value) {
        if cause.is_null() {
            return;
        }
        let place = cause["step"].as_str().map_or(String::new(), |step| format!("{}: ", printable(step)));
        let subject = cause["subject"].as_str().map_or(String::new(), |subject| format!("[{}] ", printable(subject)));
        let message = self.style.bad(&format!("{place}{subject}{}", printable(text(cause, "message"))));
        self.line(2, &message);
        if let Some(expectation) = cause["expectation"].as_str() {
            let location = self.style.dim(&location(cause));
            self.line(4, &format!("{}  {location}", printable(expectation)));
        }
        self.seen(4, cause);
    }

    /// What the run is degraded by.
    fn warning(&mut self, warning: &Value) {
        let round = warning["round"].as_u64().map_or(String::new(), |round| format!(" #{round}"));
        let subject = warning["subject"].as_str().map_or(String::new(), |subject| format!(" [{}]", printable(subject)));
        let (step, message) = (printable(text(warning, "step")), printable(text(warning, "message")));
        let line = self.style.odd(&format!("degraded: {step}{round}{subject}: {message}"));
        let location = self.style.dim(&location(warning));
        self.line(2, &format!("{line}  {location}"));
    }

    fn seen(&mut self, indent: usize, of: &Value) {
        for seen in list(of, "seen") {
            self.line(indent, &format!("{} was {}", printable(text(seen, "source")), printable(text(seen, "value"))));
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
        let mark = match result {
            "failed" if allowed => self.style.odd("✗"),
            "failed" => self.style.bad("✗"),
            "not_needed" => self.style.dim("–"),
            "blocked" => self.style.odd("■"),
            _ => self.style.good("✓"),
        };
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
        let kept = attempts.len() as u64;
        if made > 1 {
            self.line(4, &format!("{made} attempts"));
        }
        for (at, attempt) in attempts.iter().enumerate() {
            let last = at + 1 == attempts.len();
            if last && at > 0 && made > kept {
                let left_out = self.style.dim(&format!("… {} attempts not kept", made - kept));
                self.line(4, &left_out);
            }
            let when =
                if made > 1 { format!("at {}: ", human_duration(duration(attempt, "started_seconds"))) } else { String::new() };
            self.line(4, &format!("{when}{}", attempt_text(attempt)));
            for withheld in list(&attempt["http"], "withheld") {
                self.line(6, &withheld_text(withheld));
            }
        }
    }

    fn expectation(&mut self, expectation: &Value) {
        let mark = match text(expectation, "held") {
            "yes" => self.style.good("✓"),
            "no" => self.style.bad("✗ violated:"),
            _ => self.style.bad("✗ not evaluable:"),
        };
        let location = self.style.dim(&location(expectation));
        let source = format!("{}  {location}", printable(text(expectation, "source")));
        match expectation["say"].as_str().filter(|_| text(expectation, "held") != "yes") {
            Some(say) => {
                self.line(4, &format!("{mark} {}", printable(say)));
                self.line(6, &source);
            }
            None => self.line(4, &format!("{mark} {source}")),
        }
        if let Some(why) = expectation["why"].as_str() {
            self.line(6, &printable(why));
        }
        self.seen(6, expectation);
    }

    fn judged_warning(&mut self, warning: &Value) {
        let mark = if text(warning, "held") == "yes" { self.style.good("✓") } else { self.style.odd("!") };
        let location = self.style.dim(&location(warning));
        self.line(4, &format!("{mark} warn: {}  {location}", printable(text(warning, "source"))));
        self.seen(6, warning);
    }

    fn exchange(&mut self, attempt: &Value) {
        let transcript = &attempt["observed"]["transcript"];
        if !transcript.is_null() {
            self.transcript(text(&attempt["observed"], "asked"), transcript);
        }
        let (http, exchange) = (&attempt["http"], &attempt["exchange"]);
        if http.is_null() || exchange.is_null() {
            return;
        }
        let request = format!("{} {}", text(http, "method"), text(http, "url"));
        self.message('>', &request, list(exchange, "request_headers"), text(exchange, "request_body"));
        if let Some(status) = http["status"].as_u64() {
            let first = format!("HTTP/{} {status}", http["version"].as_str().unwrap_or("?"));
            self.message('<', &first, list(exchange, "response_headers"), text(exchange, "response_body"));
        }
        self.cut(exchange);
    }

    fn transcript(&mut self, asked: &str, transcript: &Value) {
        self.message('>', asked, &[], text(transcript, "sent"));
        if !text(transcript, "received").is_empty() {
            self.message('<', "", &[], text(transcript, "received"));
        }
        self.cut(transcript);
    }

    fn cut(&mut self, kept: &Value) {
        if kept["truncated"] == true {
            let note = self.style.dim("(cut)");
            self.line(4, &note);
        }
    }

    fn message(&mut self, prefix: char, first: &str, headers: &[Value], body: &str) {
        self.line(4, &format!("{prefix} {}", printable(first)));
        for header in headers {
            let part = |at: usize| printable(header[at].as_str().unwrap_or_default());
            self.line(4, &format!("{prefix} {}: {}", part(0), part(1)));
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

/// Name, round, subject and device of a step, as far as they say anything.
fn title(step: &Value) -> String {
    let inside = if step["parent_span_id"].is_null() { "" } else { "└ " };
    let mut title = format!("{inside}{}", printable(text(step, "name")));
    if let Some(round) = step["round"].as_u64() {
        let _ = write!(title, " #{round}");
    }
    if let Some(subject) = step["subject"].as_str() {
        let _ = write!(title, " {}", printable(subject));
    }
    if let Some(device) = step["device"].as_str().filter(|device| *device != "default") {
        let _ = write!(title, " [{}]", printable(device));
    }
    title
}

fn attempt_text(attempt: &Value) -> String {
    let failure = attempt["failure"]["reason"].as_str().map_or(String::new(), |reason| format!("  {}", printable(reason)));
    match (&attempt["http"], &attempt["observed"]) {
        (Value::Null, Value::Null) => format!("took {}{failure}", human_duration(duration(attempt, "duration_seconds"))),
        (Value::Null, observed) => format!("{}{failure}", observed_text(observed)),
        (http, _) => format!("{}{failure}", http_text(http)),
    }
}

/// `redirect 1 to https://b.example went without x-api-key`.
fn withheld_text(withheld: &Value) -> String {
    let headers: Vec<_> = list(withheld, "headers").iter().filter_map(Value::as_str).map(printable).collect();
    format!("redirect {} to {} went without {}", withheld["redirect"], printable(text(withheld, "to")), headers.join(", "))
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

fn phases_text(of: &Value, more: Option<String>) -> String {
    let phase = |(name, took): (&String, &Value)| {
        Some(format!("{} {}", printable(name).replace('_', " "), human_duration(seconds(took)?)))
    };
    let phases: Vec<String> = pairs(of, "phases_seconds").filter_map(phase).chain(more).collect();
    if phases.is_empty() { String::new() } else { format!("; {}", phases.join(", ")) }
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
