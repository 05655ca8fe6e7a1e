//! A run beside one that passed: which steps went another way, and which lines of the step that failed differ.
//!
//! Ids and times differ in every run, so that a line that differs only in those is not marked.

use std::fmt::Write as _;

use crate::web::model::words;

use super::details::{Attempt, Details, Step};
use super::{fold, message, sign_of, step_title};

/// Lines of a side that are compared.
const LINES: usize = 400;
/// Steps that are compared.
const STEPS: usize = 60;

/// A line, and whether the other side has none like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Line {
    pub(in crate::web) text: String,
    pub(in crate::web) differs: bool,
}

/// A step in both runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Pair {
    pub(in crate::web) name: String,
    pub(in crate::web) this: String,
    pub(in crate::web) other: String,
    pub(in crate::web) differs: bool,
}

/// Two runs beside one another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Beside {
    /// Their steps.
    pub(in crate::web) pairs: Vec<Pair>,
    /// The step that is shown in lines; empty where both runs do not have it.
    pub(in crate::web) step: String,
    /// Its lines in this run.
    pub(in crate::web) this: Vec<Line>,
    /// Its lines in the other.
    pub(in crate::web) other: Vec<Line>,
    /// Whether lines were left out.
    pub(in crate::web) is_cut: bool,
    /// Whether the other run's messages are not kept.
    pub(in crate::web) is_bare: bool,
}

/// Compares a run with one that passed.
pub(super) fn beside(this: &Details, other: &Details) -> Beside {
    let matching = |step: &Step| {
        let exact = |one: &&Step| one.name == step.name && one.round == step.round && one.subject == step.subject;
        other.steps.iter().find(exact).or_else(|| other.steps.iter().find(|one| one.name == step.name))
    };
    let pair = |step: &Step| {
        let same = matching(step);
        let differs = same.is_none_or(|same| same.result != step.result || last_answer(same) != last_answer(step));
        let other = same.map_or_else(|| "not in it".to_owned(), in_short);
        Pair { name: step_title(step), this: in_short(step), other, differs }
    };
    let mut beside = Beside { pairs: this.steps.iter().take(STEPS).map(pair).collect(), ..Beside::default() };
    let of_cause = this.cause.as_ref().and_then(|cause| cause.step.as_deref());
    let failed = this.steps.iter().rev().find(|step| step.result == "failed" && of_cause.is_none_or(|name| step.name == name));
    if let Some((step, same)) = failed.and_then(|step| matching(step).map(|same| (step, same))) {
        // Only what is known of both can differ.
        beside.is_bare = best(same).is_none_or(|attempt| attempt.exchange.is_none());
        let (left, right) = (lines(step, beside.is_bare), lines(same, beside.is_bare));
        beside.is_cut = left.len() > LINES || right.len() > LINES;
        beside.step = step_title(step);
        (beside.this, beside.other) = marked(left, right);
    }
    beside
}

fn last_answer(step: &Step) -> Option<String> {
    step.attempts.last().map(fold::answer)
}

/// `✕ 4.89 s, 9 × 200, same answer`.
fn in_short(step: &Step) -> String {
    let (_, glyph, _) = sign_of(step);
    let mut text = format!("{glyph} {}", words::took(step.took()));
    let polls = fold::in_words(step.attempts_made, &fold::folded(&step.attempts));
    if !polls.is_empty() {
        let _ = write!(text, ", {polls}");
    }
    text
}

/// The attempt that tells the most of how a step ended.
fn best(step: &Step) -> Option<&Attempt> {
    let last = step.attempts.last();
    let kept = step.attempts.iter().rev().find(|attempt| attempt.exchange.is_some());
    // What an attempt that held was answered is another thing than what was answered before.
    last.filter(|last| last.exchange.is_some() || last.failure.is_none()).or(kept).or(last)
}

/// A step as lines: what was expected, what was sent, what came back.
fn lines(step: &Step, is_bare: bool) -> Vec<String> {
    let mut text = String::new();
    for expectation in step.expectations.iter().take(100) {
        let glyph = if expectation.held == "yes" { "●" } else { "✕" };
        let _ = writeln!(text, "{glyph} {}", crate::outcome::visible(&expectation.source));
        for seen in expectation.seen.iter().take(5) {
            let _ = writeln!(text, "  {} was {}", super::line(&seen.source), super::line(&seen.value));
        }
    }
    let mut attempt = best(step).cloned();
    if let Some(attempt) = attempt.as_mut().filter(|_| is_bare) {
        attempt.exchange = None;
    }
    if let Some(message) = attempt.and_then(|attempt| message::of(&attempt, message::DECIDING)) {
        let _ = write!(text, "\n{}\n\n{}\n", message.request, message.answer);
    }
    text.lines().map(str::to_owned).collect()
}

/// Both sides with what only one of them has.
fn marked(mut this: Vec<String>, mut other: Vec<String>) -> (Vec<Line>, Vec<Line>) {
    this.truncate(LINES);
    other.truncate(LINES);
    let shapes = |lines: &[String]| lines.iter().map(|line| shape(line)).collect::<Vec<_>>();
    let (left, right) = (shapes(&this), shapes(&other));
    // The length of the longest common part of what is left of both from here on.
    let mut common = vec![vec![0_u16; right.len() + 1]; left.len() + 1];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            common[i][j] = if left[i] == right[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let line = |differs: bool| move |text: String| Line { differs: differs && !text.trim().is_empty(), text };
    let mut left_differs = vec![true; left.len()];
    let mut right_differs = vec![true; right.len()];
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if left[i] == right[j] {
            (left_differs[i], right_differs[j]) = (false, false);
            (i, j) = (i + 1, j + 1);
        } else if common[i + 1][j] >= common[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    let lines =
        |texts: Vec<String>, differs: Vec<bool>| texts.into_iter().zip(differs).map(|(text, it)| line(it)(text)).collect();
    (lines(this, left_differs), lines(other, right_differs))
}

/// A line with its ids and times taken out: words of eight signs or more of which four are digits, and times of day.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, shape: &mut String| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        shape.push_str(if digits >= 4 && word.chars().count() >= 8 { "#" } else { word });
        word.clear();
    };
    let mut before = ' ';
    for sign in line.chars() {
        let is_within =
            sign.is_alphanumeric() || matches!(sign, '_' | '-') || (matches!(sign, ':' | '.') && before.is_ascii_digit());
        if is_within {
            word.push(sign);
        } else {
            flush(&mut word, &mut shape);
            shape.push(sign);
        }
        before = sign;
    }
    flush(&mut word, &mut shape);
    if line.starts_with("date:") { "date:".to_owned() } else { shape }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().filter(|line| line.differs).map(|line| line.text.as_str()).collect()
    }

    fn details(status: u64, result: &str, body: &str) -> Details {
        Details::read(&json!({ "version": 1, "cause": { "step": "s" }, "steps": [
            { "name": "first", "result": "passed" },
            { "name": "s", "result": result, "attempts_made": 1,
              "expectations": [{ "source": "status == 200", "held": if result == "passed" { "yes" } else { "no" } }],
              "attempts": [{ "http": { "method": "GET", "url": "http://a/acc_01M82B6PCJ", "status": status, "version": "1.1" },
                             "exchange": { "response_headers": [["date", body]], "response_body": body } }] },
        ] }))
        .unwrap()
    }

    #[test]
    fn what_differs_is_marked_on_its_side_and_ids_and_times_are_not() {
        let this =
            details(404, "failed", r#"{"id":"reg_ae32d272662d2088","at":"2026-11-22T19:19:58.123Z","status":"pending","n":1}"#);
        let other =
            details(200, "passed", r#"{"id":"reg_0032d272662d2011","at":"2026-11-23T19:20:01.999Z","status":"active","n":1}"#);
        let beside = beside(&this, &other);
        assert_eq!(texts(&beside.this), ["✕ status == 200", "HTTP/1.1 404", "  \"status\": \"pending\","]);
        assert_eq!(texts(&beside.other), ["● status == 200", "HTTP/1.1 200", "  \"status\": \"active\","]);
        let differing: Vec<bool> = beside.pairs.iter().map(|pair| pair.differs).collect();
        assert_eq!((differing, beside.is_bare, beside.is_cut), (vec![false, true], false, false));
    }

    #[test]
    fn a_step_that_the_other_run_lacks_is_said_to_be_missing_and_long_bodies_are_cut() {
        let mut other = details(200, "passed", "");
        other.steps.pop();
        let lacking = beside(&details(404, "failed", ""), &other);
        assert_eq!((lacking.pairs[1].other.as_str(), lacking.step.as_str()), ("not in it", ""));
        let long = details(404, "failed", &"line\n".repeat(2_000));
        let cut = beside(&long, &details(200, "passed", "x"));
        assert!(cut.is_cut && cut.this.len() == LINES);
    }
}
