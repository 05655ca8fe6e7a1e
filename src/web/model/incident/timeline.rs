//! What happened to an incident, in one list in the order of time.
//!
//! The store's timeline tells what alerting did, tries tell what is still on its way, and events what people and programs did
//! meanwhile. Alike entries that follow one another are one line.

use serde::Serialize;
use utoipa::ToSchema;

use crate::history::{EventKind, EventView, TryView};

use super::super::words;
use super::notes::is_withdrawal;
use super::{IncidentModel, before};

/// Lines that are shown, half of them from the begin and half from the end.
const MOST: usize = 160;
/// Names in a line that stands for several.
const NAMED: usize = 6;
/// Characters of a line.
const LONG: usize = 400;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct Entry {
    /// When, milliseconds since the epoch.
    pub(in crate::web) at_ms: i64,
    /// What kind it is, in a word or two.
    pub(in crate::web) what: String,
    /// A sentence.
    pub(in crate::web) text: String,
    /// How many were alike, and when the last of them was.
    pub(in crate::web) more: Option<(usize, i64)>,
    /// How the style sheet shows it.
    #[serde(skip)]
    pub(in crate::web) class: &'static str,
}

/// The timeline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct Timeline {
    /// The first ones.
    pub(in crate::web) begin: Vec<Entry>,
    /// How many lie between and are not shown.
    pub(in crate::web) left_out: usize,
    /// The last ones.
    pub(in crate::web) end: Vec<Entry>,
}

impl Timeline {
    /// All that are shown.
    pub(in crate::web) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.begin.iter().chain(&self.end)
    }
}

/// The timeline of an incident until now. `place` is where its first failing run was.
pub(in crate::web) fn timeline(incident: &IncidentModel, events: &[EventView], place: &str, now_ms: i64) -> Timeline {
    let mut entries = vec![first(incident, place)];
    entries.extend(incident.timeline.iter().map(|row| {
        let text = row.text.replacen("canary/", "", 1);
        Entry { at_ms: row.at_ms, what: what(&row.what), text: words::clip(&text, LONG), more: None, class: class(&row.what) }
    }));
    entries.extend(incident.tries.iter().filter_map(on_its_way));
    let during = |event: &&EventView| event.at_ms >= incident.since_ms && event.at_ms <= incident.until_ms(now_ms);
    let of_this = |event: &&EventView| event.incident.as_deref() == Some(incident.id.as_str());
    let change = |event: &&EventView| before::KINDS.iter().any(|kind| kind.as_str() == event.kind);
    entries.extend(events.iter().filter(|event| of_this(event) || (change(event) && during(event))).filter_map(of_event));
    entries.sort_by_key(|entry| entry.at_ms);
    bounded(folded(entries))
}

fn first(incident: &IncidentModel, place: &str) -> Entry {
    let text = if place.is_empty() {
        "the first failing run started".to_owned()
    } else {
        format!("the first failing run started: {place}")
    };
    Entry { at_ms: incident.since_ms, what: "began".to_owned(), text, more: None, class: "bad" }
}

/// What the words of the store are called.
fn what(word: &str) -> String {
    match word {
        "taken" => "told".to_owned(),
        "refused" => "not told".to_owned(),
        "less_severe" => "less severe".to_owned(),
        "handed_in" => "handed in".to_owned(),
        other => words::clip(other, 40),
    }
}

fn class(word: &str) -> &'static str {
    match word {
        "critical" | "refused" => "bad",
        _ => "",
    }
}

/// A try of which nobody knows, or that is not wanted any more; those that came to an end stand in the store's timeline.
fn on_its_way(one: &TryView) -> Option<Entry> {
    let error = one.error.as_deref().map(|error| format!(": {}", words::clip(error, 200))).unwrap_or_default();
    let attempts = words::count(one.attempts as usize, "attempt", "attempts");
    let (what, text) = match one.state {
        "waiting" => {
            ("on its way", format!("{} has not answered to {} ({}) after {attempts}{error}", one.channel, one.key, one.what))
        }
        "dropped" => ("dropped", format!("{}: {} ({}) is not wanted any more, after {attempts}", one.channel, one.key, one.what)),
        _ => return None,
    };
    let at_ms = one.ended_ms.or(one.tried_ms).unwrap_or(one.made_ms);
    Some(Entry { at_ms, what: what.to_owned(), text: words::clip(&text, LONG), more: None, class: "warned" })
}

fn of_event(event: &EventView) -> Option<Entry> {
    // Acknowledging and closing stand in the store's timeline already.
    let is_known = event.kind == EventKind::Action.as_str() && matches!(event.what.as_str(), "acknowledge" | "close");
    // That a note is withdrawn is said by the action.
    let is_known = is_known || is_withdrawal(event);
    let by = event.by.as_deref().map(|by| format!(" ({})", words::clip(by, 60))).unwrap_or_default();
    let text = if event.kind == EventKind::Note.as_str() { words::clip(event.text.trim(), LONG) } else { before::says(event) };
    (!is_known).then(|| Entry {
        at_ms: event.at_ms,
        what: event.kind.to_owned(),
        text: format!("{text}{by}"),
        more: None,
        class: if before::KINDS.iter().any(|kind| kind.as_str() == event.kind) { "change" } else { "" },
    })
}

/// What follows one another and is alike becomes one line: the same sentence again and again, or members that join or leave.
fn folded(entries: Vec<Entry>) -> Vec<Entry> {
    let mut lines: Vec<(Entry, Vec<String>)> = Vec::new();
    for entry in entries {
        match lines.last_mut() {
            Some((last, names)) if last.what == entry.what && is_alike(last, &entry, names) => {
                let count = last.more.map_or(1, |(count, _)| count) + 1;
                last.more = Some((count, entry.at_ms));
                if names.len() < NAMED && last.text != entry.text {
                    names.push(entry.text);
                }
            }
            _ => lines.push((entry, Vec::new())),
        }
    }
    lines.into_iter().map(|(entry, names)| told_together(entry, &names)).collect()
}

fn is_alike(last: &Entry, entry: &Entry, names: &[String]) -> bool {
    (last.text == entry.text && names.is_empty()) || matches!(entry.what.as_str(), "joined" | "left")
}

/// `p/eu, p/us and 7 more fail`.
fn told_together(mut entry: Entry, names: &[String]) -> Entry {
    let Some((count, _)) = entry.more.filter(|_| !names.is_empty()) else { return entry };
    let verb = if entry.what == "joined" { " fails" } else { " no longer fails" };
    let several = if entry.what == "joined" { "fail" } else { "no longer fail" };
    let name = |text: &str| words::clip(text.strip_suffix(verb).unwrap_or(text), 120);
    let mut all = vec![name(&entry.text)];
    all.extend(names.iter().take(NAMED - 1).map(|text| name(text)));
    let rest = count.saturating_sub(all.len());
    if rest > 0 {
        all.push(format!("{} more", words::thousands(rest)));
    }
    entry.text = format!("{} {several}", words::list(&all));
    entry
}

fn bounded(mut entries: Vec<Entry>) -> Timeline {
    let left_out = entries.len().saturating_sub(MOST);
    let mut end = entries.split_off(entries.len().min(MOST / 2));
    end.drain(..left_out.min(end.len()));
    Timeline { begin: entries, left_out, end }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{event, incident, row, try_of};
    use super::*;

    fn texts(timeline: &Timeline) -> Vec<(i64, &str, &str)> {
        timeline.entries().map(|entry| (entry.at_ms, entry.what.as_str(), entry.text.as_str())).collect()
    }

    #[test]
    fn everything_comes_in_the_order_of_time() {
        let mut open = incident(Vec::new(), Vec::new());
        open.timeline = vec![row(2_000, "opened", "the incident opened"), row(4_000, "taken", "pagerduty took probe/p/1 (ring)")];
        open.tries = vec![try_of("slack", "ring", "waiting", json!({})), try_of("pagerduty", "ring", "taken", json!({}))];
        let note = EventView { incident: Some("01A".to_owned()), ..event("note", 5_000, "note", "looking at payments") };
        let ack = EventView { incident: Some("01A".to_owned()), ..event("action", 4_500, "acknowledge", "ann is at it") };
        let other = EventView { incident: Some("01B".to_owned()), ..event("note", 5_000, "note", "another one") };
        let events = [note, ack, other, event("annotation", 3_000, "deploy", "4712"), event("annotation", 999, "deploy", "4711")];
        let found = timeline(&open, &events, "eu · ios", 60_000);
        assert_eq!(
            texts(&found),
            [
                (1_000, "began", "the first failing run started: eu · ios"),
                (1_000, "on its way", "slack has not answered to probe/p/1 (ring) after 1 attempt"),
                (2_000, "opened", "the incident opened"),
                (3_000, "annotation", "deploy: 4712 (ann)"),
                (4_000, "told", "pagerduty took probe/p/1 (ring)"),
                (5_000, "note", "looking at payments (ann)"),
            ]
        );
    }

    #[test]
    fn members_that_join_one_after_the_other_are_one_line() {
        let mut open = incident(Vec::new(), Vec::new());
        open.timeline = (0..9).map(|at| row(2_000 + at, "joined", &format!("canary/p/r{at} fails"))).collect();
        let found = timeline(&open, &[], "", 60_000);
        assert_eq!(found.begin[1].text, "p/r0, p/r1, p/r2, p/r3, p/r4, p/r5 and 3 more fail");
        assert_eq!(found.begin[1].more, Some((9, 2_008)));
    }

    #[test]
    fn a_thousand_refusals_are_one_line_and_a_thousand_different_things_are_bounded() {
        let mut open = incident(Vec::new(), Vec::new());
        open.timeline = (0..1_000).map(|at| row(2_000 + at, "refused", "slack did not take probe/p/1: 500")).collect();
        assert_eq!(timeline(&open, &[], "", 60_000).begin.len(), 2);
        open.timeline = (0..1_000).map(|at| row(2_000 + at, "refused", &format!("{at}{}", "x".repeat(5_000)))).collect();
        let found = timeline(&open, &[], "", 60_000);
        assert_eq!((found.entries().count(), found.left_out), (MOST, 1_001 - MOST));
        assert!(found.entries().all(|entry| entry.text.chars().count() <= LONG + 1));
        assert_eq!(found.end.last().map(|entry| entry.at_ms), Some(2_999));
    }
}
