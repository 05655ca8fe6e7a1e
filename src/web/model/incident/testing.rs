//! Incidents made by hand.

use serde_json::Value;

use crate::history::{EventView, TimelineView, TryView};

use super::{FailedRun, HowEnded, IncidentModel, Member, Standing};

pub(in crate::web) fn row(at_ms: i64, what: &str, text: &str) -> TimelineView {
    TimelineView { at_ms, what: what.to_owned(), text: text.to_owned() }
}

pub(in crate::web) fn try_of(channel: &str, what: &str, state: &'static str, message: Value) -> TryView {
    TryView {
        id: "T".to_owned(),
        channel: channel.to_owned(),
        what: what.to_owned(),
        key: "probe/p/1".to_owned(),
        made_ms: 1_000,
        state,
        attempts: 1,
        tried_ms: Some(1_000),
        ended_ms: (state == "taken").then_some(1_500),
        error: None,
        message,
    }
}

pub(in crate::web) fn event(kind: &'static str, at_ms: i64, what: &str, text: &str) -> EventView {
    EventView {
        id: format!("E{at_ms}"),
        at_ms,
        kind,
        probe: None,
        incident: None,
        by: Some("ann".to_owned()),
        what: what.to_owned(),
        text: text.to_owned(),
    }
}

pub(in crate::web) fn member(region: &str, cell: &str, standing: &str) -> Member {
    let slash = if cell.is_empty() { "" } else { "/" };
    let id = format!("p/{region}{slash}{cell}");
    Member {
        name: id.clone(),
        canary: Some(id),
        region: region.to_owned(),
        cell: cell.to_owned(),
        standing: Standing::of(standing),
        since_ms: 1_000,
        failures: 6,
        of: 0,
        reason: Some("expectation".to_owned()),
        why: None,
    }
}

pub(in crate::web) fn failed(canary: &str, step: &str, reason: &str) -> FailedRun {
    FailedRun {
        canary: canary.to_owned(),
        run_id: format!("run-of-{canary}"),
        region: canary.split('/').nth(1).unwrap_or_default().to_owned(),
        at_ms: 2_000,
        reason: reason.to_owned(),
        message: "json.status was \"pending\"".to_owned(),
        step: Some(step.to_owned()),
        expectation: Some("json.status == 'active'".to_owned()),
        ..FailedRun::default()
    }
}

/// An open incident of the probe `p` that begins at second 1.
pub(in crate::web) fn incident(members: Vec<Member>, failures: Vec<FailedRun>) -> IncidentModel {
    IncidentModel {
        id: "01A".to_owned(),
        scope: "probe/p".to_owned(),
        probe: Some("p".to_owned()),
        severity: "page".to_owned(),
        title: "p fails in eu".to_owned(),
        since_ms: 1_000,
        ended_ms: None,
        how_ended: HowEnded::Unknown,
        critical: Vec::new(),
        members_total: members.len(),
        members,
        failures,
        acknowledged: Vec::new(),
        owed: Vec::new(),
        unanswered: 1,
        timeline: Vec::new(),
        tries: Vec::new(),
        is_partial: false,
    }
}
