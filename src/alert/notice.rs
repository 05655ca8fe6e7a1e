//! What a page says, before any channel gives it its form. Kept in the outbox as JSON, so fields are only ever added.

use serde::{Deserialize, Serialize};

use crate::plan::Severity;

/// What a page says. Everything in it is redacted and bounded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Dedup key; `…/critical` for the key of its own that a critical incident has.
    pub key: String,
    /// What the receiver is to do with the key.
    pub action: Action,
    /// Why it is sent.
    pub occasion: Occasion,
    /// How bad it is.
    #[serde(with = "severity_word")]
    pub severity: Severity,
    /// The incident's id.
    pub incident: String,
    /// What it is about, as `Scope` displays it.
    pub scope: String,
    /// One line: what broke, for whom.
    pub title: String,
    /// The probe.
    pub probe: Option<String>,
    /// The probe's sentence.
    pub summary: Option<String>,
    /// Who is responsible.
    pub owner: Option<String>,
    /// What to do.
    pub runbook: Option<String>,
    /// The probe's tags.
    pub tags: Vec<String>,
    /// The subject, if it is about one.
    pub subject: Option<String>,
    /// When the problem began, milliseconds since the epoch.
    pub since_ms: i64,
    /// When this was made, milliseconds since the epoch.
    pub at_ms: i64,
    /// When it was resolved, milliseconds since the epoch.
    pub resolved_ms: Option<i64>,
    /// The canaries in it, worst first, at most [`Notice::MEMBERS`].
    pub members: Vec<Member>,
    /// How many there are.
    pub members_total: usize,
    /// Every region the probe runs in.
    pub regions: Vec<RegionState>,
    /// The failure that decided, or the latest one.
    pub failure: Option<Failure>,
    /// Further sentences: who acknowledged, what it is linked to, that a canary was removed.
    pub notes: Vec<String>,
    /// The key of the generation before this one.
    pub previous: Option<String>,
    /// Where to look.
    pub links: Links,
    /// Whether it is a test page.
    pub test: bool,
}

impl Notice {
    /// Canaries listed by name.
    pub const MEMBERS: usize = 20;
}

/// What the receiver is to do with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Open it, or bring it up to date.
    Trigger,
    /// Note that somebody is at it.
    Acknowledge,
    /// Close it.
    Resolve,
}

/// Why a notice is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// The incident opened.
    Opened,
    /// A canary joined that no notification had named.
    Spread,
    /// It became critical.
    Critical,
    /// It is no longer critical.
    LessSevere,
    /// It is still open.
    Reminder,
    /// Another channel could not deliver it.
    Undelivered,
    /// Somebody is at it.
    Acknowledged,
    /// It is over.
    Resolved,
    /// `serinus notify-test`.
    Test,
}

/// A canary in an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The canary's id.
    pub canary: String,
    /// The region's name.
    pub region: String,
    /// `platform=ios,size=large`; empty without a matrix.
    pub cell: String,
    /// When its failures began, milliseconds since the epoch.
    pub since_ms: i64,
    /// Failures in a row.
    pub failures: u32,
    /// The closed word of the last failure.
    pub reason: Option<String>,
}

/// How a region stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionState {
    /// The region's name.
    pub region: String,
    /// "failing", "passing" or "unknown".
    pub state: String,
}

/// A failed run, as far as a page tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The canary's id.
    pub canary: String,
    /// The run.
    pub run_id: String,
    /// Its trace.
    pub trace_id: String,
    /// When this was made, milliseconds since the epoch.
    pub at_ms: i64,
    /// The closed word.
    pub reason: String,
    /// One sentence: what was tried, what was seen.
    pub message: String,
    /// The step.
    pub step: Option<String>,
    /// Attempts made of it.
    pub attempts: u32,
    /// The expectation that did not hold, as written.
    pub expectation: Option<String>,
    /// `file:line:column`.
    pub location: Option<String>,
    /// Parts of the expectation and the values seen.
    pub seen: Vec<(String, String)>,
}

/// Where to look; absent where nothing is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// The incident.
    pub incident: Option<String>,
    /// The run.
    pub run: Option<String>,
    /// The trace.
    pub trace: Option<String>,
}

mod severity_word {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::plan::Severity;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    pub(super) fn serialize<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(severity.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Severity, D::Error> {
        let word = String::deserialize(deserializer)?;
        Severity::of(&word).ok_or_else(|| D::Error::custom(format!("`{word}` is no severity")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::NOTICE_NAMES;

    #[test]
    fn the_body_of_a_webhook_may_use_exactly_the_fields_of_a_notice() {
        let notice = Notice {
            key: String::new(),
            action: Action::Trigger,
            occasion: Occasion::Test,
            severity: Severity::Page,
            incident: String::new(),
            scope: String::new(),
            title: String::new(),
            probe: None,
            summary: None,
            owner: None,
            runbook: None,
            tags: Vec::new(),
            subject: None,
            since_ms: 0,
            at_ms: 0,
            resolved_ms: None,
            members: Vec::new(),
            members_total: 0,
            regions: Vec::new(),
            failure: None,
            notes: Vec::new(),
            previous: None,
            links: Links::default(),
            test: true,
        };
        let json = serde_json::to_value(notice).unwrap();
        let fields: Vec<&String> = json.as_object().unwrap().keys().collect();
        let mut names = NOTICE_NAMES.to_vec();
        names.sort_unstable();
        let mut fields: Vec<&str> = fields.into_iter().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, names);
    }
}
