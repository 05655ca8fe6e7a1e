//! Past and present incidents of a component, and what the owner says of them. Pure.
//!
//! Listed are those that users could notice and somebody was to be woken for, and those of which something is said in public. Those of
//! one component that overlap are one.

use ring::digest::{SHA256, digest};

use crate::history::{EventKind, EventView, IncidentView};
use crate::web::model::incident::notes::PUBLIC_NOTE;

use super::model::{PublicIncident, PublicNote};
use super::render::uuid;
use super::state::is_noticed;

/// Notes of an incident, the latest ones.
const NOTES: usize = 20;

/// Whether everybody may read it.
pub(super) fn is_public(event: &EventView) -> bool {
    event.kind == EventKind::Note.as_str() && event.what == PUBLIC_NOTE
}

/// The incidents of a component since then, by their beginning.
pub(super) fn of_component<'i>(
    component: &str,
    incidents: impl Iterator<Item = &'i IncidentView>,
    notes: &[EventView],
    since_ms: i64,
) -> Vec<PublicIncident> {
    let is_recent = |incident: &&IncidentView| incident.resolved_ms.is_none_or(|ended| ended >= since_ms);
    let mut found: Vec<PublicIncident> = incidents
        .filter(|incident| is_noticed(&incident.scope))
        .filter(is_recent)
        .filter_map(|incident| {
            let notes = notes_of(&incident.id, notes);
            (incident.severity != "warn" || !notes.is_empty()).then(|| PublicIncident {
                id: name(component, &incident.id),
                component: component.to_owned(),
                begun_ms: incident.opened_ms,
                ended_ms: incident.resolved_ms,
                notes,
            })
        })
        .collect();
    found.sort_by_key(|incident| incident.begun_ms);
    let mut joined: Vec<PublicIncident> = Vec::new();
    for next in found {
        match joined.last_mut() {
            Some(last) if last.ended_ms.is_none_or(|ended| next.begun_ms <= ended) => {
                last.ended_ms = last.ended_ms.zip(next.ended_ms).map(|(one, other)| one.max(other));
                last.notes.extend(next.notes);
            }
            _ => joined.push(next),
        }
    }
    for incident in &mut joined {
        incident.notes.sort_by_key(|note| note.at_ms);
        incident.notes.drain(..incident.notes.len().saturating_sub(NOTES));
    }
    joined
}

fn notes_of(incident: &str, notes: &[EventView]) -> Vec<PublicNote> {
    let of_it = notes.iter().filter(|note| is_public(note) && note.incident.as_deref() == Some(incident));
    // XML, which the feed is, cannot tell these two.
    let text = |note: &EventView| note.text.trim().replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
    of_it.map(|note| PublicNote { at_ms: note.at_ms, text: text(note) }).collect()
}

/// A UUID that is always the same and says nothing.
fn name(component: &str, id: &str) -> String {
    let hash = digest(&SHA256, format!("serinus status {id} {component}").as_bytes());
    uuid(hash.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(id: &str, scope: &str, severity: &str, opened_ms: i64, resolved_ms: Option<i64>) -> IncidentView {
        IncidentView {
            id: id.to_owned(),
            scope: scope.to_owned(),
            probe: Some("p".to_owned()),
            severity: severity.to_owned(),
            opened_ms,
            resolved_ms,
            details: serde_json::json!({ "title": "secret-host.internal fails" }),
        }
    }

    fn note(incident: &str, what: &str, text: &str) -> EventView {
        EventView {
            id: "01N".to_owned(),
            at_ms: 5,
            kind: "note",
            probe: Some("p".to_owned()),
            incident: Some(incident.to_owned()),
            by: Some("ann".to_owned()),
            what: what.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn incidents_that_overlap_are_one_and_those_that_nobody_notices_are_none() {
        let incidents = [
            incident("01E", "probe/p", "page", 50, None),
            incident("01A", "probe/p", "page", 10, Some(20)),
            incident("01B", "subject/p/s", "critical", 15, Some(30)),
            incident("01C", "probe/p", "warn", 35, Some(36)),
            incident("01D", "no-data/p", "critical", 37, Some(38)),
            incident("010", "probe/p", "page", 1, Some(4)),
            incident("01F", "leak/p", "page", 40, None),
        ];
        let found = of_component("Shop", incidents.iter(), &[], 5);
        let times: Vec<_> = found.iter().map(|incident| (incident.begun_ms, incident.ended_ms)).collect();
        assert_eq!(times, [(10, Some(30)), (50, None)]);
    }

    #[test]
    fn only_public_notes_are_told_and_nobody_who_wrote_them() {
        let incidents = [incident("01A", "probe/p", "warn", 10, Some(20)), incident("01B", "probe/p", "warn", 30, Some(40))];
        let notes = [
            note("01A", "note", "db7 is full"),
            note("01A", PUBLIC_NOTE, "We are at it.\u{ffff}"),
            note("01C", PUBLIC_NOTE, "no"),
        ];
        let found = of_component("Shop", incidents.iter(), &notes, 0);
        assert_eq!(found.len(), 1, "what only warned is told where something is said of it");
        assert_eq!(found[0].notes, [PublicNote { at_ms: 5, text: "We are at it.\u{fffd}".to_owned() }]);
        let json = serde_json::to_string(&found).unwrap();
        assert!(!["01A", "ann", "db7", "secret-host", "probe"].iter().any(|word| json.contains(word)), "{json}");
        assert_eq!(found[0].id, of_component("Shop", incidents.iter(), &notes, 0)[0].id);
    }
}
