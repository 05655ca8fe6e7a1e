//! Whether an incident was seen before: earlier ones of the same probe, what they had in common with it, and what was said of them.

use std::collections::BTreeSet;

use serde::Serialize;
use utoipa::ToSchema;

use crate::history::{EventView, IncidentDetail, IncidentView};

use super::super::words;
use super::notes::notes;
use super::{FailedRun, HowEnded, IncidentModel, how_ended, told, who_had_it};

/// Earlier incidents that are shown.
pub(in crate::web) const MOST: usize = 5;

/// An earlier incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct Earlier {
    /// Its id.
    pub(in crate::web) id: String,
    /// When it opened, milliseconds since the epoch.
    pub(in crate::web) opened_ms: i64,
    /// How long it lasted; absent if it is open.
    pub(in crate::web) lasted: Option<String>,
    /// Its title.
    pub(in crate::web) title: String,
    /// What it has in common: `same step, same expectation`; nothing, or nothing that is known, if empty.
    pub(in crate::web) alike: String,
    /// Who had it.
    pub(in crate::web) by: Option<String>,
    /// What was said of it last: a note, why it was closed, or why somebody took it.
    pub(in crate::web) said: Option<String>,
}

/// Earlier incidents: those that failed alike first, and of these the latest. `known` are the same in full, as far as they were
/// read, and `events` the notes about the probe.
pub(in crate::web) fn earlier(
    incident: &IncidentModel,
    before: &[IncidentView],
    known: &[IncidentDetail],
    events: &[EventView],
) -> Vec<Earlier> {
    let others = before.iter().filter(|one| one.id != incident.id && one.opened_ms <= incident.since_ms.max(0));
    let mut found: Vec<(usize, Earlier)> = others
        .map(|one| {
            let failures = known
                .iter()
                .find(|detail| detail.incident.id == one.id)
                .map(|detail| told::failures(&detail.tries, &one.id))
                .unwrap_or_default();
            let alike = alike(&incident.failures, &failures);
            (alike.len(), of(one, &alike, events))
        })
        .collect();
    found.sort_by_key(|(alike, one)| std::cmp::Reverse((*alike, one.opened_ms)));
    found.into_iter().map(|(_, one)| one).take(MOST).collect()
}

fn of(one: &IncidentView, alike: &[&str], events: &[EventView]) -> Earlier {
    let own = &one.details["incident"];
    let note = notes(events, Some(&one.id)).pop().map(|note| note.text);
    let closed = || match how_ended(own) {
        HowEnded::Closed { why, .. } => Some(why),
        HowEnded::Well | HowEnded::Unwatched | HowEnded::Unknown => None,
    };
    let acknowledged = || told::acknowledged(own, one.opened_ms).pop().and_then(|said| said.reason);
    Earlier {
        id: one.id.clone(),
        opened_ms: one.opened_ms,
        lasted: one.resolved_ms.map(|ended| words::between(one.opened_ms, ended)),
        title: words::clip(&super::title(one), 200),
        alike: if alike.is_empty() { String::new() } else { format!("same {}", words::list(alike)) },
        by: who_had_it(one),
        said: note.or_else(closed).or_else(acknowledged).map(|said| words::clip(&said, 300)),
    }
}

/// What of a failed run is compared.
type Dimension = fn(&FailedRun) -> Option<&str>;

/// The dimensions in which some failed run of one is like some failed run of the other.
fn alike(one: &[FailedRun], other: &[FailedRun]) -> Vec<&'static str> {
    let dimensions: [(&str, Dimension); 3] = [
        ("step", |run| run.step.as_deref()),
        ("expectation", |run| run.expectation.as_deref()),
        ("reason", |run| Some(run.reason.as_str()).filter(|reason| !reason.is_empty())),
    ];
    let shares = |value: Dimension| {
        let known: BTreeSet<&str> = one.iter().filter_map(value).collect();
        other.iter().filter_map(value).any(|value| known.contains(value))
    };
    dimensions.into_iter().filter(|(_, value)| shares(*value)).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{event, failed, incident, try_of};
    use super::*;

    fn view(id: &str, opened_ms: i64, own: &serde_json::Value) -> IncidentView {
        IncidentView {
            id: id.to_owned(),
            scope: "probe/p".to_owned(),
            probe: Some("p".to_owned()),
            severity: "page".to_owned(),
            opened_ms,
            resolved_ms: Some(opened_ms + 41 * 60_000),
            details: json!({ "title": "p failed", "incident": own }),
        }
    }

    fn detail(view: &IncidentView, step: &str) -> IncidentDetail {
        let message = json!({ "incident": view.id, "probe": "p",
            "evidence": [{ "region": "eu", "run": "R", "step": step, "reason": "expectation", "expectation": "json.status == 'active'" }] });
        IncidentDetail { incident: view.clone(), timeline: Vec::new(), tries: vec![try_of("slack", "ring", "taken", message)] }
    }

    #[test]
    fn the_incident_that_failed_alike_comes_first_with_who_had_it_and_what_was_noted() {
        let day = 86_400_000;
        let now = IncidentModel { since_ms: 9 * day, ..incident(Vec::new(), vec![failed("p/eu", "pay", "expectation")]) };
        let alike = view("01X", day, &json!({ "acknowledged": [{ "by": "ann", "at": 1 }] }));
        let other = view("01Y", 2 * day, &json!({ "end": { "how": { "closed": { "by": "operator", "why": "a test" } } } }));
        let known = [detail(&alike, "pay"), detail(&other, "sign up")];
        let note = EventView { incident: Some("01X".to_owned()), ..event("note", day, "note", "payment worker stuck") };
        let found = earlier(&now, &[other, alike], &known, &[note]);
        assert_eq!((found[0].id.as_str(), found[0].alike.as_str()), ("01X", "same step, expectation and reason"));
        assert_eq!((found[0].by.as_deref(), found[0].said.as_deref()), (Some("ann"), Some("payment worker stuck")));
        assert_eq!(found[0].lasted.as_deref(), Some("41 min"));
        assert_eq!((found[1].by.as_deref(), found[1].said.as_deref()), (Some("operator"), Some("a test")));
        assert_eq!(found[1].alike, "same expectation and reason");
    }

    #[test]
    fn neither_itself_nor_a_later_one_was_seen_before() {
        let now = incident(Vec::new(), Vec::new());
        assert!(earlier(&now, &[view("01A", 500, &json!({})), view("01Z", 5_000, &json!({}))], &[], &[]).is_empty());
    }
}
