//! What changed before an incident began: deployments that somebody told of, reloads, renewed certificates.

use serde::Serialize;
use utoipa::ToSchema;

use crate::history::{EventKind, EventView};

use super::super::words;

/// How long before the first failure is looked.
pub(in crate::web) const WITHIN_MS: i64 = 2 * 3_600_000;
/// Changes that are named.
const MOST: usize = 20;
/// Characters of a change.
const LONG: usize = 300;

/// The kinds of events that are changes.
pub(in crate::web) const KINDS: [EventKind; 3] = [EventKind::Annotation, EventKind::Reload, EventKind::Certificate];

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct Change {
    /// When, milliseconds since the epoch.
    pub(in crate::web) at_ms: i64,
    /// `12 min before`.
    pub(in crate::web) ago: String,
    /// `deploy 4711`.
    pub(in crate::web) says: String,
    /// Who, if anybody is known to have.
    pub(in crate::web) by: Option<String>,
    /// How often it came, where it came again and again.
    pub(in crate::web) times: usize,
}

/// What an event says in one line: its word and its text, unless the text begins with the word.
pub(in crate::web) fn says(event: &EventView) -> String {
    let (what, text) = (words::clip(event.what.trim(), 60), words::clip(event.text.trim(), LONG));
    if what.is_empty() || text.to_lowercase().contains(&what.to_lowercase()) {
        return text;
    }
    if text.is_empty() { what } else { format!("{what}: {text}") }
}

/// The changes before a moment, the latest first.
pub(in crate::web) fn changes(events: &[EventView], since_ms: i64) -> Vec<Change> {
    let is_change = |event: &&EventView| KINDS.iter().any(|kind| kind.as_str() == event.kind);
    let is_before = |event: &&EventView| event.at_ms <= since_ms && event.at_ms >= since_ms.saturating_sub(WITHIN_MS);
    let mut found: Vec<&EventView> = events.iter().filter(is_change).filter(is_before).collect();
    found.sort_by_key(|event| std::cmp::Reverse(event.at_ms));
    let mut changes: Vec<Change> = Vec::new();
    for event in found {
        let says = says(event);
        match changes.iter_mut().find(|known| known.says == says && known.by == event.by) {
            Some(known) => known.times += 1,
            None => changes.push(Change {
                at_ms: event.at_ms,
                ago: format!("{} before", words::between(event.at_ms, since_ms)),
                says,
                by: event.by.clone(),
                times: 1,
            }),
        }
    }
    changes.truncate(MOST);
    changes
}

#[cfg(test)]
mod tests {
    use super::super::testing::event;
    use super::*;

    #[test]
    fn changes_of_the_last_two_hours_come_newest_first_and_alike_ones_once() {
        let since = 10_000_000;
        let events = [
            event("annotation", since - 720_000, "deploy", "4711 to production"),
            event("certificate", since - 60_000, "renewed", "certificate of pay.example.com renewed"),
            event("annotation", since - 900_000, "deploy", "4711 to production"),
            event("annotation", since + 1, "deploy", "too late"),
            event("reload", since - WITHIN_MS - 1, "reload", "too early"),
            event("action", since - 5, "pause", "no change of a target"),
        ];
        let changes = changes(&events, since);
        let said: Vec<_> = changes.iter().map(|change| (change.says.as_str(), change.ago.as_str(), change.times)).collect();
        assert_eq!(
            said,
            [("certificate of pay.example.com renewed", "1 min before", 1), ("deploy: 4711 to production", "12 min before", 2)]
        );
    }

    #[test]
    fn a_pipeline_that_tells_of_everything_is_bounded() {
        let events: Vec<_> =
            (0..500).map(|at| event("annotation", at, "deploy", &format!("{at} {}", "x".repeat(2_000)))).collect();
        let changes = changes(&events, 1_000);
        assert_eq!(changes.len(), MOST);
        assert!(changes.iter().all(|change| change.says.len() < 400));
    }
}
