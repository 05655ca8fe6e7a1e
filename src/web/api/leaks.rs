//! `GET /api/v1/leaks`: what the cleanup ledger holds.
//!
//! An entry is written before a step creates something, and is gone when that was removed. So what is there and was not given up may
//! belong to a run that goes on, or is tried again by itself; what was given up stays until somebody does something.

use std::collections::BTreeMap;

use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::history::{LedgerRows, LedgerView};
use crate::plan::Plan;

use super::{ApiState, Failure};

/// Entries that are listed.
const LISTED: usize = 500;

/// What the cleanup ledger holds.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct LeaksAnswer {
    /// By probe, in the order of their names.
    probes: Vec<LeakingProbe>,
    /// Those that were given up first, and then the oldest first; at most 500.
    entries: Vec<LeakView>,
    /// How many there are.
    entries_total: usize,
    /// How many of them were given up.
    given_up: usize,
    /// Entries that cannot be read.
    unreadable: usize,
}

/// What runs of a probe left.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct LeakingProbe {
    /// Its name; it may be gone.
    probe: String,
    /// Whose it is.
    owner: Option<String>,
    /// Entries.
    entries: usize,
    /// Those of them that were given up.
    given_up: usize,
    /// When the run that left the oldest of them started, milliseconds since the epoch.
    oldest_ms: i64,
}

/// An entry.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct LeakView {
    /// Its id.
    id: String,
    /// The canary whose run left it.
    canary: String,
    /// The step that created it.
    step: String,
    /// The run.
    run_id: String,
    /// When that started, milliseconds since the epoch.
    started_ms: i64,
    /// Whether it was given up: nothing is tried any more but by hand.
    given_up: bool,
    /// Cleanups that failed so far.
    attempts: u32,
    /// What the last try saw.
    message: Option<String>,
}

/// What the cleanup ledger holds: by probe, and each entry.
#[utoipa::path(get, path = "/api/v1/leaks", tag = "service",
    responses((status = 200, description = "What is there.", body = LeaksAnswer)))]
pub(in crate::web) async fn list(Extension(api): Extension<ApiState>) -> Result<Json<LeaksAnswer>, Failure> {
    let rows = api.read(api.ledger.ledger()).await?;
    Ok(Json(leaks(&api.plan(), rows)))
}

fn leaks(plan: &Plan, rows: LedgerRows) -> LeaksAnswer {
    let LedgerRows { mut entries, unreadable } = rows;
    let mut probes: BTreeMap<String, LeakingProbe> = BTreeMap::new();
    for LedgerView { entry, given_up, .. } in &entries {
        let owner = || plan.probes.iter().find(|probe| *probe.name == *entry.probe)?.owner.as_deref().map(str::to_owned);
        let probe = probes.entry(entry.probe.clone()).or_insert_with(|| LeakingProbe {
            probe: entry.probe.clone(),
            owner: owner(),
            entries: 0,
            given_up: 0,
            oldest_ms: entry.started_ms,
        });
        probe.entries += 1;
        probe.given_up += usize::from(*given_up);
        probe.oldest_ms = probe.oldest_ms.min(entry.started_ms);
    }
    entries.sort_by_key(|view| (!view.given_up, view.entry.started_ms));
    LeaksAnswer {
        probes: probes.into_values().collect(),
        entries_total: entries.len(),
        given_up: entries.iter().filter(|view| view.given_up).count(),
        unreadable: unreadable.len(),
        entries: entries.into_iter().take(LISTED).map(shown).collect(),
    }
}

fn shown(LedgerView { entry, given_up, message }: LedgerView) -> LeakView {
    LeakView {
        id: entry.id,
        canary: entry.canary,
        step: entry.step,
        run_id: entry.run_id,
        started_ms: entry.started_ms,
        given_up,
        attempts: entry.attempts,
        message,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::history::UnreadableEntry;
    use crate::outcome::LedgerEntry;
    use crate::plan::testing;

    use super::*;

    fn entry(id: &str, probe: &str, started_ms: i64, given_up: bool) -> LedgerView {
        let entry = LedgerEntry {
            id: id.to_owned(),
            run_id: "01R".to_owned(),
            trace_id: String::new(),
            canary: format!("{probe}/eu"),
            probe: probe.to_owned(),
            region: "eu".to_owned(),
            step: "create".to_owned(),
            device: String::new(),
            started_ms,
            names: Value::Null,
            created: true,
            passed: 0,
            attempts: 3,
        };
        LedgerView { entry, given_up, message: None }
    }

    #[test]
    fn what_was_given_up_comes_first_and_each_probe_says_how_old_its_oldest_is() {
        let plan = testing::plan(Vec::new(), &["eu"]);
        let entries = vec![entry("1", "b", 5, false), entry("2", "a", 9, true), entry("3", "b", 3, true)];
        let unreadable = vec![UnreadableEntry { id: "4".to_owned(), why: "it is cut".to_owned() }];
        let found = leaks(&plan, LedgerRows { entries, unreadable });
        let ids: Vec<&str> = found.entries.iter().map(|entry| &*entry.id).collect();
        assert_eq!((ids, found.entries_total, found.given_up, found.unreadable), (vec!["3", "2", "1"], 3, 2, 1));
        let probes: Vec<_> =
            found.probes.iter().map(|probe| (&*probe.probe, probe.entries, probe.given_up, probe.oldest_ms)).collect();
        assert_eq!(probes, [("a", 1, 1, 9), ("b", 2, 1, 3)]);
    }
}
