//! What is said of a failure and of an incident. Everything is bounded here; it was redacted when the report was made.

use std::sync::Arc;
use std::time::SystemTime;

use crate::outcome::{Cause, RunReport};
use crate::plan::expr::Place;
use crate::plan::{Alerting, Severity};

use super::incident::Incident;
use super::{Failure, Links, Scope};

/// Longest sentence, in characters.
const SENTENCE: usize = 1_000;

/// Longest name or value, in characters.
const WORDS: usize = 200;

/// Most parts of an expectation.
const PARTS: usize = 12;

/// A failed run, as far as a page tells of it.
pub(super) fn failure(report: &RunReport, cause: &Cause) -> Failure {
    let ended = report.started + report.duration;
    let at_ms = ended.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |at| i64::try_from(at.as_millis()).unwrap_or(i64::MAX));
    Failure {
        canary: report.canary.id.to_string(),
        run_id: report.run_id.to_string(),
        trace_id: report.trace_id.to_string(),
        at_ms,
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

/// Tells texts apart whose beginnings are alike. The same in every version, since keys are made of it.
pub(super) fn hash(text: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, fnv)
}

/// The scope of a subject. A name that is too long for a key is cut, and kept apart from others by a hash of the whole.
pub(super) fn subject_scope(probe: &Arc<str>, subject: &str) -> Scope {
    let tame: String = subject.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let name = if tame == subject && subject.chars().count() <= WORDS / 2 {
        tame
    } else {
        format!("{} {:016x}", cut(&tame, WORDS / 2), hash(subject))
    };
    Scope::Subject(Arc::clone(probe), name.into())
}

/// One line: what broke, for whom.
pub(super) fn title(incident: &Incident) -> String {
    let critical = if incident.severity() == Severity::Critical { "critical: " } else { "" };
    let what = match &incident.scope {
        Scope::Probe(probe) => format!("{probe} fails{}", whom(incident)),
        Scope::Subject(probe, subject) => format!("{probe}: subject {subject} fails"),
        Scope::Subjects(probe) => format!("{probe}: {} more subjects fail", incident.members.len()),
        // Where it is over nobody is left to count.
        Scope::Blind(region) if incident.members.is_empty() => format!("the prober is blind in {region}"),
        Scope::Blind(region) => {
            format!("the prober is blind in {region}: {} without a counted run", canaries(incident.members.len()))
        }
        Scope::Budget(probe) => format!("{probe} burns its error budget"),
        Scope::Latency(probe) => format!("{probe} breaks its latency objective"),
        Scope::Leak(probe) => format!("{probe} left test data behind that cannot be removed"),
        Scope::Test => "this is a test".to_owned(),
    };
    cut(&format!("{critical}{what}"), WORDS)
}

/// The line of a message that closes a key: nobody may take it for a page.
pub(super) fn resolved_title(incident: &Incident, severity: Severity) -> String {
    let what = match &incident.scope {
        Scope::Probe(probe) if severity == Severity::Critical => match incident.level {
            Some(_) => format!("{probe} is no longer critical; it still fails{}", whom(incident)),
            None => format!("{probe} is no longer critical"),
        },
        Scope::Probe(probe) => format!("{probe} no longer fails"),
        Scope::Subject(probe, subject) => format!("{probe}: subject {subject} no longer fails"),
        Scope::Subjects(probe) => format!("{probe}: the further subjects no longer fail"),
        Scope::Blind(region) => format!("the prober is no longer blind in {region}"),
        Scope::Budget(probe) => format!("{probe} no longer burns its error budget"),
        Scope::Latency(probe) => format!("{probe} no longer breaks its latency objective"),
        Scope::Leak(probe) => format!("{probe} has no test data left behind any more"),
        Scope::Test => "the test is over".to_owned(),
    };
    cut(&what, WORDS)
}

fn canaries(count: usize) -> String {
    if count == 1 { "1 canary".to_owned() } else { format!("{count} canaries") }
}

fn whom(incident: &Incident) -> String {
    let regions = incident.members.regions();
    if regions.is_empty() {
        return String::new();
    }
    let named: Vec<&str> = regions.iter().copied().take(5).collect();
    let more =
        if regions.len() > named.len() { format!(" and {} more regions", regions.len() - named.len()) } else { String::new() };
    format!(" in {}{more} ({})", named.join(", "), canaries(incident.members.len()))
}

/// Where to look.
pub(super) fn links(alerting: &Alerting, incident: &str, failure: Option<&Failure>) -> Links {
    let page = |path: &str, id: &str| alerting.public_url.as_ref().map(|url| format!("{url}/{path}/{id}"));
    let trace = |failure: &Failure| {
        let scope = minijinja::context! { trace_id => failure.trace_id.as_str() };
        alerting.trace_url.as_ref()?.render(&scope, Place::Url).ok()
    };
    Links {
        incident: page("incidents", incident),
        run: failure.and_then(|failure| page("runs", &failure.run_id)),
        trace: failure.and_then(trace),
    }
}
