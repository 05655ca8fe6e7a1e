//! What people wrote about an incident. A note is an event and never changes: that one is no longer for everybody is another event,
//! a withdrawal, which names it.

use std::collections::HashSet;

use crate::history::{EventKind, EventView};

/// The `what` of a note that everybody may read.
pub(in crate::web) const PUBLIC_NOTE: &str = "public";
/// The `what` of a withdrawal, whose text is the id of the note; of the note itself wherever it is shown from then on.
pub(in crate::web) const WITHDRAWN: &str = "withdrawn";

/// Whether it says that another note is withdrawn.
pub(in crate::web) fn is_withdrawal(event: &EventView) -> bool {
    event.kind == EventKind::Note.as_str() && event.what == WITHDRAWN
}

/// What people wrote, oldest first: of all incidents of these events, or of one.
pub(in crate::web) fn notes(events: &[EventView], incident: Option<&str>) -> Vec<EventView> {
    let withdrawn: HashSet<(Option<&str>, &str)> =
        events.iter().filter(|event| is_withdrawal(event)).map(|event| (event.incident.as_deref(), &*event.text)).collect();
    let is_note = |event: &&EventView| {
        let is_of_it = incident.is_none_or(|incident| event.incident.as_deref() == Some(incident));
        event.kind == EventKind::Note.as_str() && is_of_it && !is_withdrawal(event)
    };
    let shown = |event: &EventView| {
        let is_withdrawn = event.what == PUBLIC_NOTE && withdrawn.contains(&(event.incident.as_deref(), &event.id));
        let what = if is_withdrawn { WITHDRAWN.to_owned() } else { event.what.clone() };
        EventView { what, ..event.clone() }
    };
    let mut notes: Vec<EventView> = events.iter().filter(is_note).map(shown).collect();
    notes.sort_by_key(|note| note.at_ms);
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, incident: &str, what: &str, text: &str) -> EventView {
        EventView {
            id: id.to_owned(),
            at_ms: 5,
            kind: "note",
            probe: None,
            incident: Some(incident.to_owned()),
            by: None,
            what: what.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_withdrawal_is_no_note_and_takes_back_the_public_one_that_it_names_in_its_own_incident() {
        let events = [
            event("W1", "01A", WITHDRAWN, "N1"),
            event("W2", "01B", WITHDRAWN, "N2"),
            event("W3", "01A", WITHDRAWN, "N3"),
            event("N1", "01A", PUBLIC_NOTE, "db7 is full"),
            event("N2", "01A", PUBLIC_NOTE, "We are at it."),
            event("N3", "01A", "note", "db7"),
            event("N4", "01B", "note", "N2"),
        ];
        let told = |incident| -> Vec<(String, String)> {
            notes(&events, incident).into_iter().map(|note| (note.id, note.what)).collect()
        };
        let of = |id: &str, what: &str| (id.to_owned(), what.to_owned());
        assert_eq!(told(Some("01A")), [of("N1", WITHDRAWN), of("N2", PUBLIC_NOTE), of("N3", "note")]);
        assert_eq!(told(None).len(), 4);
    }
}
