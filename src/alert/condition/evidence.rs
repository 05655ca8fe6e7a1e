//! Bounds what a fact tells of a failed run. The report was redacted when it was made.

use std::sync::Arc;

use crate::alert::Failure;
use crate::base::time::epoch_ms;
use crate::outcome::{Cause, RunReport};

/// Longest sentence, in characters.
pub(super) const SENTENCE: usize = 1_000;

/// Longest name or value, in characters.
const WORDS: usize = 200;

/// Most parts of an expectation.
const PARTS: usize = 12;

/// A failed run, as far as it is told of.
pub(super) fn failure(report: &RunReport, cause: &Cause) -> Failure {
    let ended = report.started + report.duration;
    Failure {
        canary: report.canary.id.to_string(),
        run_id: report.run_id.to_string(),
        trace_id: report.trace_id.to_string(),
        at_ms: epoch_ms(ended),
        reason: cause.reason.as_str().to_owned(),
        message: cut(&cause.message, SENTENCE),
        step: cause.step.as_deref().map(|step| cut(step, WORDS)),
        attempts: cause.attempts,
        expectation: cause.expectation.as_deref().map(|text| cut(text, SENTENCE)),
        location: cause.location.as_ref().map(|location| cut(&location.to_string(), SENTENCE)),
        seen: cause.seen.iter().take(PARTS).map(|seen| (cut(&seen.source, WORDS), cut(&seen.value, WORDS))).collect(),
    }
}

/// A text of at most so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// A hash that tells long texts apart. Keys are made of it, so it must never change.
pub(super) fn hash(text: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, fnv)
}

/// The name of a subject in keys and scopes: without control characters, and cut with a hash where it is too long.
pub(super) fn subject_name(subject: &Arc<str>) -> Arc<str> {
    let tame: String = subject.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if tame == **subject && subject.chars().count() <= WORDS / 2 {
        return Arc::clone(subject);
    }
    format!("{} {:016x}", cut(&tame, WORDS / 2), hash(subject)).into()
}
