//! What changed lately (deployments that somebody told of, reloads, renewed certificates), for the lines through strips and for
//! "12 min after deploy 4711" in the cards of incidents.
//!
//! It is read from the store once for all who look, and at most every few seconds. What it says of an incident's own page is in
//! `incident::before`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::history::{EventFilter, EventKind, EventView, Reader};

use super::incident::before::{self, KINDS, WITHIN_MS};
use super::strip::Axis;
use super::words;

/// How long what was read is shown.
const FRESH: Duration = Duration::from_secs(3);
/// How long the first reading is waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// How far back it is read: the longest strips of the overview, and what may have come before an incident of theirs.
const BACK_MS: i64 = 86_400_000 + WITHIN_MS;
/// Events that are read, the newest.
const MOST: usize = 200;
/// Lines through a strip, the newest; more would hide the marks.
const LINES: usize = 12;

/// When it was read, and what.
type Read = (Instant, Arc<Vec<EventView>>);

/// The latest changes, as several viewers share them.
#[derive(Debug, Default)]
pub(in crate::web) struct LatestChanges {
    read: Mutex<Option<Read>>,
}

impl LatestChanges {
    /// The changes of the last day, newest first; those of before where the store does not answer.
    pub(in crate::web) async fn get(&self, reader: &Arc<dyn Reader>, now_ms: i64) -> Arc<Vec<EventView>> {
        let mut read = self.read.lock().await;
        if let Some((at, known)) = &*read
            && at.elapsed() < FRESH
        {
            return Arc::clone(known);
        }
        let filter = EventFilter { kinds: KINDS.to_vec(), since_ms: Some(now_ms - BACK_MS), ..EventFilter::default() };
        let answer = tokio::time::timeout(PATIENCE, reader.events(filter, MOST, None)).await;
        let events = match answer {
            Ok(Ok(page)) => Arc::new(page.items),
            Ok(Err(_)) | Err(_) => read.as_ref().map(|(_, known)| Arc::clone(known)).unwrap_or_default(),
        };
        *read = Some((Instant::now(), Arc::clone(&events)));
        events
    }
}

/// A line through strips.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::web) struct ChangeLine {
    /// Where it is, in units of the strips' view box.
    pub(in crate::web) x: f64,
    /// When, milliseconds since the epoch.
    pub(in crate::web) at_ms: i64,
    /// `deploy: 4711 (ann)`.
    pub(in crate::web) says: String,
    /// The probe whose strips alone it goes through; all if absent.
    pub(in crate::web) probe: Option<String>,
}

impl ChangeLine {
    /// Whether it goes through the strips of a probe.
    pub(in crate::web) fn is_of(&self, probe: &str) -> bool {
        self.probe.as_deref().is_none_or(|of| of == probe)
    }

    /// `02:22 deploy 4711`.
    pub(in crate::web) fn tip(&self) -> String {
        format!("{} UTC · {}", words::clock(self.at_ms), self.says)
    }
}

/// The newest changes on an axis, the oldest first, and how many more there are.
pub(in crate::web) fn lines(events: &[EventView], axis: Axis) -> (Vec<ChangeLine>, usize) {
    let mut within: Vec<&EventView> = events.iter().filter(|event| (axis.from_ms..=axis.to_ms).contains(&event.at_ms)).collect();
    within.sort_by_key(|event| std::cmp::Reverse(event.at_ms));
    let left_out = within.len().saturating_sub(LINES);
    within.truncate(LINES);
    let line = |event: &&EventView| ChangeLine {
        x: axis.x(event.at_ms),
        at_ms: event.at_ms,
        says: said(event),
        probe: event.probe.clone(),
    };
    (within.iter().rev().map(line).collect(), left_out)
}

/// `deploy: 4711 (ann)`.
fn said(event: &EventView) -> String {
    let by = event.by.as_deref().map(|by| format!(" ({})", words::clip(by, 60))).unwrap_or_default();
    let about = event.probe.as_deref().map(|probe| format!(", {}", words::clip(probe, 80))).unwrap_or_default();
    format!("{}{by}{about}", words::clip(&before::says(event), 160))
}

/// `12 min after deploy 4711`: the last that changed before a moment, for a probe or for everything. What somebody told of goes
/// before what the service saw by itself.
pub(in crate::web) fn after(events: &[EventView], probe: Option<&str>, since_ms: i64) -> Option<String> {
    let is_about = |event: &&EventView| event.probe.is_none() || probe.is_some() && event.probe.as_deref() == probe;
    let is_before = |event: &&EventView| (since_ms.saturating_sub(WITHIN_MS)..=since_ms).contains(&event.at_ms);
    let told = |event: &EventView| event.kind == EventKind::Annotation.as_str();
    let last = events.iter().filter(is_about).filter(is_before).max_by_key(|event| (told(event), event.at_ms))?;
    Some(format!("{} after {}", words::between(last.at_ms, since_ms), words::clip(&before::says(last), 120)))
}

#[cfg(test)]
mod tests {
    use super::super::incident::testing::event;
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn of(probe: &str, event: EventView) -> EventView {
        EventView { probe: Some(probe.to_owned()), ..event }
    }

    #[test]
    fn lines_stand_where_it_happened_and_go_through_the_strips_of_their_probe() {
        let axis = Axis { from_ms: HOUR, to_ms: 2 * HOUR };
        let events = [
            of("q", event("annotation", HOUR + HOUR / 2, "deploy", "deploy 4712")),
            event("annotation", HOUR + HOUR / 4, "deploy", "deploy 4711"),
            event("annotation", HOUR - 1, "deploy", "too early"),
        ];
        let (lines, left_out) = lines(&events, axis);
        let told: Vec<_> = lines.iter().map(|line| (line.x, line.is_of("p"), line.is_of("q"))).collect();
        assert_eq!((told, left_out), (vec![(150.0, true, true), (300.0, false, true)], 0));
        assert!(lines[0].tip().contains("deploy 4711"), "{}", lines[0].tip());
    }

    #[test]
    fn a_pipeline_that_deploys_all_the_time_leaves_the_newest_lines() {
        let axis = Axis { from_ms: 0, to_ms: HOUR };
        let events: Vec<EventView> = (0..50).map(|at| event("annotation", at * 60_000, "deploy", &format!("{at}"))).collect();
        let (lines, left_out) = lines(&events, axis);
        assert_eq!((lines.len(), left_out, lines[LINES - 1].at_ms), (LINES, 50 - LINES, 49 * 60_000));
    }

    #[test]
    fn an_incident_came_after_the_last_change_of_its_probe_and_what_was_told_goes_first() {
        let since = 10 * HOUR;
        let deploy = event("annotation", since - 720_000, "deploy", "deploy 4711");
        let reload = event("reload", since - 60_000, "reload", "the configuration was read again");
        let others = of("q", event("annotation", since - 1_000, "deploy", "deploy of q"));
        let late = event("annotation", since + 1, "deploy", "too late");
        let early = event("annotation", since - WITHIN_MS - 1, "deploy", "too early");
        let all = [late, others, reload.clone(), deploy, early.clone()];
        assert_eq!(after(&all, Some("p"), since).as_deref(), Some("12 min after deploy 4711"));
        assert_eq!(after(&all, Some("q"), since).as_deref(), Some("1 s after deploy of q"));
        assert!(after(&[reload], None, since).unwrap().starts_with("1 min after "));
        assert_eq!(after(&[early], Some("p"), since), None);
    }
}
