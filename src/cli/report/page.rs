//! What every page about a run is made of: its lines, causes, expectations and exchanges, drawn from the run's JSON.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::cli::style::{Style, cut, human_duration, printable, wrap_at};

/// Lines of a body shown; more is for `--output json`.
const BODY_LINES: usize = 20;

/// Characters of a line of a body, and of a value that was seen, where pages are short.
const LONGEST: usize = 600;

/// A page that is being written.
pub(super) struct RunText {
    pub(super) text: String,
    pub(super) style: Style,
    /// Columns, for what adapts to them.
    pub(super) width: usize,
    /// Whether sentences are broken at that width, and lines of bodies and values that were seen are cut.
    pub(super) short: bool,
}

impl RunText {
    /// An empty one.
    pub(super) fn new(style: Style, width: usize, short: bool) -> Self {
        Self { text: String::new(), style, width: width.clamp(60, 160), short }
    }

    pub(super) fn line(&mut self, indent: usize, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{:indent$}{text}", "");
    }

    /// A line that may be broken between words.
    pub(super) fn sentence(&mut self, indent: usize, text: &str) {
        if self.short {
            let broken = wrap_at(self.width.saturating_sub(indent), text, 4);
            broken.lines().for_each(|line| self.line(indent, line));
        } else {
            self.line(indent, text);
        }
    }

    /// A text that was seen, as long as it may be here.
    fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let text = printable(text);
        if self.short { cut(&text, LONGEST).into_owned().into() } else { text }
    }

    /// The shape of how a step ended.
    pub(super) fn mark(&self, step: &Value) -> String {
        match text(step, "result") {
            "failed" if step["allow_failure"] == true => self.style.odd("✗"),
            "failed" => self.style.bad("✗"),
            "not_needed" => self.style.dim("–"),
            "blocked" => self.style.odd("■"),
            _ => self.style.good("✓"),
        }
    }

    pub(super) fn cause(&mut self, cause: &Value) {
        if cause.is_null() {
            return;
        }
        let place = cause["step"].as_str().map_or(String::new(), |step| format!("{}: ", printable(step)));
        let subject = cause["subject"].as_str().map_or(String::new(), |subject| format!("[{}] ", printable(subject)));
        let message = self.style.bad(&format!("{place}{subject}{}", printable(text(cause, "message"))));
        self.sentence(2, &message);
        if let Some(expectation) = cause["expectation"].as_str() {
            let location = self.style.dim(&location(cause));
            self.sentence(4, &format!("{}  {location}", printable(expectation)));
        }
        self.seen(4, cause);
    }

    pub(super) fn seen(&mut self, indent: usize, of: &Value) {
        for seen in list(of, "seen") {
            let line = format!("{} was {}", printable(text(seen, "source")), self.shown(text(seen, "value")));
            self.sentence(indent, &line);
        }
    }

    pub(super) fn expectation(&mut self, expectation: &Value) {
        let mark = match text(expectation, "held") {
            "yes" => self.style.good("✓"),
            "no" => self.style.bad("✗ violated:"),
            _ => self.style.bad("✗ not evaluable:"),
        };
        let location = self.style.dim(&location(expectation));
        let source = format!("{}  {location}", printable(text(expectation, "source")));
        match expectation["say"].as_str().filter(|_| text(expectation, "held") != "yes") {
            Some(say) => {
                self.sentence(4, &format!("{mark} {}", printable(say)));
                self.sentence(6, &source);
            }
            None => self.sentence(4, &format!("{mark} {source}")),
        }
        let is_told = |why: &str| self.short && list(expectation, "seen").iter().any(|seen| text(seen, "value").ends_with(why));
        if let Some(why) = expectation["why"].as_str().filter(|why| !is_told(why)) {
            self.sentence(6, &printable(why));
        }
        self.seen(6, expectation);
    }

    /// What the run is degraded by.
    pub(super) fn warnings(&mut self, run: &Value) {
        for warning in list(run, "degraded_by") {
            let round = warning["round"].as_u64().map_or(String::new(), |round| format!(" #{round}"));
            let subject = warning["subject"].as_str().map_or(String::new(), |subject| format!(" [{}]", printable(subject)));
            let (step, message) = (printable(text(warning, "step")), printable(text(warning, "message")));
            let line = self.style.odd(&format!("degraded: {step}{round}{subject}: {message}"));
            let location = self.style.dim(&location(warning));
            self.sentence(2, &format!("{line}  {location}"));
        }
    }

    pub(super) fn judged_warning(&mut self, warning: &Value) {
        let mark = if text(warning, "held") == "yes" { self.style.good("✓") } else { self.style.odd("!") };
        let location = self.style.dim(&location(warning));
        self.sentence(4, &format!("{mark} warn: {}  {location}", printable(text(warning, "source"))));
        self.seen(6, warning);
    }

    pub(super) fn exchange(&mut self, attempt: &Value) {
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

    pub(super) fn transcript(&mut self, asked: &str, transcript: &Value) {
        self.message('>', asked, &[], text(transcript, "sent"));
        if !text(transcript, "received").is_empty() {
            self.message('<', "", &[], text(transcript, "received"));
        }
        self.cut(transcript);
    }

    pub(super) fn cut(&mut self, kept: &Value) {
        if kept["truncated"] == true {
            let note = self.style.dim("(cut)");
            self.line(4, &note);
        }
    }

    pub(super) fn message(&mut self, prefix: char, first: &str, headers: &[Value], body: &str) {
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
            let line = format!("{prefix} {}", self.shown(line));
            self.line(4, &line);
        }
        if lines > BODY_LINES {
            self.line(4, &format!("{prefix} … {} more lines", lines - BODY_LINES));
        }
    }
}

/// A text of an object; empty if there is none.
pub(super) fn text<'v>(of: &'v Value, key: &str) -> &'v str {
    of[key].as_str().unwrap_or_default()
}

pub(super) fn list<'v>(of: &'v Value, key: &str) -> &'v [Value] {
    of[key].as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn pairs<'v>(of: &'v Value, key: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    of[key].as_object().into_iter().flat_map(Map::iter)
}

pub(super) fn seconds(value: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(value.as_f64()?).ok()
}

pub(super) fn duration(of: &Value, key: &str) -> Duration {
    seconds(&of[key]).unwrap_or_default()
}

/// `file:line:column`; empty if it is not known.
pub(super) fn location(of: &Value) -> String {
    let at = &of["location"];
    if at.is_null() { String::new() } else { format!("{}:{}:{}", printable(text(at, "file")), at["line"], at["column"]) }
}

/// Name, round, subject and device of a step, as far as they say anything.
pub(super) fn title(step: &Value) -> String {
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

/// `redirect 1 to https://b.example went without x-api-key`.
pub(super) fn withheld_text(withheld: &Value) -> String {
    let headers: Vec<_> = list(withheld, "headers").iter().filter_map(Value::as_str).map(printable).collect();
    format!("redirect {} to {} went without {}", withheld["redirect"], printable(text(withheld, "to")), headers.join(", "))
}

pub(super) fn phases_text(of: &Value, more: Option<String>) -> String {
    let phase = |(name, took): (&String, &Value)| {
        Some(format!("{} {}", printable(name).replace('_', " "), human_duration(seconds(took)?)))
    };
    let phases: Vec<String> = pairs(of, "phases_seconds").filter_map(phase).chain(more).collect();
    if phases.is_empty() { String::new() } else { format!("; {}", phases.join(", ")) }
}
