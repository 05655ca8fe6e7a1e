//! A step of a run as it is shown: its bars, what was expected of it, its attempts, and what was sent and received.

use std::fmt::Write as _;

use crate::web::model::words;

use super::details::{Attempt, Expectation, Step};
use super::message::{self, Message};
use super::waterfall::{Bar, Scale};
use super::{Cause, CauseModel, VALUES, cause_model, contrast, fold, line, places, values};

/// Answers that differ of which the first ones are shown, and of which the last ones are.
const POLLS: (usize, usize) = (6, 4);
/// Messages of a step that are shown.
const MESSAGES: usize = 4;
/// Expectations of a step that are shown.
const EXPECTATIONS: usize = 100;

/// A step.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct StepModel {
    /// Which of the run's, from 1.
    pub(in crate::web) number: usize,
    /// Name, round, subject and device.
    pub(in crate::web) title: String,
    /// Whether it is an entry of the step before.
    pub(in crate::web) is_inside: bool,
    /// How it ended: class, glyph, word.
    pub(in crate::web) sign: (&'static str, &'static str, &'static str),
    /// How long it took.
    pub(in crate::web) took: String,
    /// Its attempts in a line.
    pub(in crate::web) polls_in_words: String,
    /// Where the waterfall shows it, in percent: from, to.
    pub(in crate::web) span: (String, String),
    /// Its bars.
    pub(in crate::web) bars: Vec<Bar>,
    /// Whether it decided how the run ended.
    pub(in crate::web) is_decisive: bool,
    /// Why it did not pass.
    pub(in crate::web) cause: Option<CauseModel>,
    /// What else is to be said of it.
    pub(in crate::web) notes: Vec<String>,
    /// What was expected.
    pub(in crate::web) expectations: Vec<Judged>,
    /// What it was warned of.
    pub(in crate::web) warnings: Vec<Judged>,
    /// Names and values.
    pub(in crate::web) captures: Vec<(String, String)>,
    /// Its attempts, alike ones folded.
    pub(in crate::web) polls: Vec<Poll>,
    /// What was sent and received, the attempt that decided it first.
    pub(in crate::web) messages: Vec<Message>,
}

/// An expectation and how it was judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Judged {
    /// Whether it held.
    pub(in crate::web) holds: bool,
    /// As written.
    pub(in crate::web) source: String,
    /// Both sides in words: `json.status was "pending", not "active"`, or why it could not be judged.
    pub(in crate::web) why: String,
    /// What its author says where it does not hold.
    pub(in crate::web) say: String,
    /// Parts and what they were.
    pub(in crate::web) seen: Vec<(String, String)>,
    /// Where it is written.
    pub(in crate::web) location: String,
}

/// Attempts that saw the same, or a sentence about those that are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Poll {
    /// `at 766 ms`; empty for a sentence about others.
    pub(in crate::web) at: String,
    /// `19 × 200, same answer`.
    pub(in crate::web) answer: String,
    /// How long the first of them took.
    pub(in crate::web) took: String,
    /// Its phases.
    pub(in crate::web) phases: String,
    /// Why it did not hold.
    pub(in crate::web) why: String,
}

/// A step for the page.
pub(super) fn model(at: usize, step: &Step, scale: Scale, is_decisive: bool) -> StepModel {
    let alike = fold::folded(&step.attempts);
    let is_bad = step.result == "failed" && !step.allow_failure;
    StepModel {
        number: at + 1,
        title: step_title(step),
        is_inside: step.parent_span_id.is_some(),
        sign: sign_of(step),
        took: if step.result == "not_needed" { String::new() } else { words::took(step.took()) },
        polls_in_words: fold::in_words(step.attempts_made, &alike),
        span: scale.span(step),
        bars: if step.result == "not_needed" { Vec::new() } else { scale.bars(step, is_bad) },
        is_decisive,
        cause: step.cause.as_ref().map(|cause| of_step(cause, step)),
        notes: notes(step),
        expectations: step.expectations.iter().take(EXPECTATIONS).map(judged).collect(),
        warnings: step.warnings.iter().take(EXPECTATIONS).map(judged).collect(),
        captures: values(&step.captures).into_iter().take(VALUES).collect(),
        polls: polls(step.attempts_made, &alike),
        messages: messages(step, &alike, is_decisive),
    }
}

/// Name, round, subject and device of a step, as far as they say anything.
pub(super) fn step_title(step: &Step) -> String {
    let mut title = words::clip(&line(&step.name), 200);
    if let Some(round) = step.round {
        let _ = write!(title, " #{round}");
    }
    if let Some(subject) = &step.subject {
        let _ = write!(title, " [{}]", words::clip(&line(subject), 200));
    }
    if !matches!(step.device.as_str(), "" | "default") {
        let _ = write!(title, " on {}", words::clip(&line(&step.device), 100));
    }
    title
}

/// Class, glyph and word of how a step ended.
pub(super) fn sign_of(step: &Step) -> (&'static str, &'static str, &'static str) {
    match step.result.as_str() {
        "passed" => ("", "●", "passed"),
        "failed" if step.allow_failure => ("warned", "✕", "failed, which is allowed"),
        "failed" => ("bad", "✕", "failed"),
        "blocked" => ("gone", "■", "blocked"),
        "not_needed" => ("muted", "–", "not needed"),
        _ => ("muted", "?", "unknown"),
    }
}

/// The attempt that decided a step.
pub(super) fn deciding(step: &Step) -> Option<&Attempt> {
    let is_failed = matches!(step.result.as_str(), "failed" | "blocked");
    let failed = step.attempts.iter().rev().find(|attempt| is_failed && attempt.failure.is_some());
    failed.or(step.attempts.last())
}

fn of_step(cause: &Cause, step: &Step) -> CauseModel {
    let say = step.expectations.iter().find(|expectation| expectation.held != "yes").and_then(|it| it.say.as_deref());
    cause_model(cause, say)
}

fn notes(step: &Step) -> Vec<String> {
    let mut notes = Vec::new();
    if step.result == "not_needed" {
        notes.push("not needed: `when` was false".to_owned());
    }
    if let Some(convergence) = step.convergence_seconds {
        notes.push(format!("converged after {}", words::took(super::details::duration(convergence))));
    }
    let stalled = super::details::duration(step.stalled_seconds);
    if !stalled.is_zero() {
        notes.push(format!("the prober itself stood still for {} of that", words::took(stalled)));
    }
    if step.expectations.len() > EXPECTATIONS {
        notes.push(format!("{} more expectations", step.expectations.len() - EXPECTATIONS));
    }
    notes
}

fn judged(expectation: &Expectation) -> Judged {
    let seen: Vec<(String, String)> =
        expectation.seen.iter().take(20).map(|seen| (line(&seen.source), line(&seen.value))).collect();
    let holds = expectation.held == "yes";
    let why = match expectation.held.as_str() {
        "yes" => String::new(),
        "no" => contrast(&expectation.source, &seen).unwrap_or_default(),
        _ => format!(
            "could not be evaluated{}",
            expectation.why.as_deref().map(|why| format!(": {}", line(why))).unwrap_or_default()
        ),
    };
    Judged {
        holds,
        source: line(&expectation.source),
        say: expectation.say.as_deref().filter(|_| !holds).map(line).unwrap_or_default(),
        // What is said already needs no list.
        seen: if why.contains(" was ") { Vec::new() } else { seen },
        why,
        location: expectation.location.as_ref().map(|location| places(location).0).unwrap_or_default(),
    }
}

/// What a run is degraded by, as a cause.
pub(super) fn degraded(by: &Expectation) -> CauseModel {
    let judged = judged(by);
    let message = by.message.as_deref().map(line).unwrap_or_default();
    let short = match (judged.say.is_empty(), judged.why.is_empty()) {
        (false, false) => format!("{}: {}", judged.say, judged.why),
        (true, false) => judged.why.clone(),
        (_, true) => message.clone(),
    };
    let (location, full_location) = by.location.as_ref().map(places).unwrap_or_default();
    let long = if short == message { String::new() } else { message };
    CauseModel { at: by.step.as_deref().map(line).unwrap_or_default(), short, long, location, full_location, seen: judged.seen }
}

fn polls(made: u64, all: &[fold::Alike<'_>]) -> Vec<Poll> {
    let (from_start, from_end) = POLLS;
    let is_long = all.len() > from_start + from_end;
    let known = all.iter().fold(0_u64, |sum, alike| sum.saturating_add(alike.count));
    let mut polls = Vec::new();
    for (number, alike) in all.iter().enumerate() {
        if is_long && number == from_start {
            let between = &all[from_start..all.len() - from_end];
            let others = between.iter().fold(0_u64, |sum, alike| sum.saturating_add(alike.count));
            let answer = format!("{others} attempts with {} other answers", between.len());
            polls.push(Poll { answer, ..Poll::default() });
        }
        if is_long && (from_start..all.len() - from_end).contains(&number) {
            continue;
        }
        if number + 1 == all.len() && made > known {
            polls.push(Poll { answer: format!("{} attempts, not kept", made - known), ..Poll::default() });
        }
        polls.push(poll(alike));
    }
    polls
}

fn poll(alike: &fold::Alike<'_>) -> Poll {
    let first = alike.first;
    let answer = fold::answer(first);
    let at = words::took(first.started());
    let phase = |(name, took): (&str, std::time::Duration)| format!("{} {}", line(name).replace('_', " "), words::took(took));
    let phases: Vec<String> = first.phases().take(12).map(phase).collect();
    Poll {
        at: if alike.count > 1 { format!("{at} to {}", words::took(alike.last.started())) } else { at },
        answer: if alike.count > 1 { format!("{} × {answer}, same answer", alike.count) } else { answer },
        took: words::took(first.took()),
        phases: phases.join(" · "),
        why: first.failure.as_ref().map(|failure| line(&failure.message)).unwrap_or_default(),
    }
}

/// What was sent and received: by the attempt that decided the step, and by others that saw something else.
fn messages(step: &Step, all: &[fold::Alike<'_>], is_decisive: bool) -> Vec<Message> {
    let Some(decided) = deciding(step) else { return Vec::new() };
    let most = if is_decisive { message::DECIDING } else { message::OTHERS };
    let first = message::of(decided, most);
    let is_kept = |attempt: &&Attempt| {
        attempt.exchange.is_some() || attempt.observed.as_ref().is_some_and(|observed| observed.transcript.is_some())
    };
    let is_other = |alike: &&fold::Alike<'_>| !std::ptr::eq(alike.first, decided) && !std::ptr::eq(alike.last, decided);
    let others = all.iter().rev().filter(is_other).map(|alike| alike.first).filter(is_kept);
    let others = others.filter_map(|attempt| message::of(attempt, message::OTHERS));
    first.into_iter().chain(others).take(MESSAGES).collect()
}
