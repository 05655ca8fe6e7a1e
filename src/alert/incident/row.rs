//! An incident as the store keeps it. Times are of the wall clock.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::members::Named;
use super::{Acknowledged, Critical, Incident, Keys, Members, Root, Told};
use crate::alert::{Failure, Member, Moment, Scope};
use crate::history::IncidentRow;
use crate::plan::Severity;

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    scope: Scope,
    /// For readers.
    title: String,
    /// For readers.
    members: Vec<Member>,
    /// For readers.
    members_total: usize,
    since_ms: i64,
    level: Option<String>,
    named: Named,
    quiet_ms: Option<i64>,
    critical: Option<KeptCritical>,
    acknowledged: Option<Acknowledged>,
    attached: Vec<Root>,
    #[serde(default)]
    unexplained: u32,
    told: Vec<KeptTold>,
    told_ms: Option<i64>,
    spreads: u32,
    failure: Option<Arc<Failure>>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptCritical {
    lost_ms: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptTold {
    key: String,
    severity: String,
    channels: BTreeSet<Arc<str>>,
    delivered: BTreeSet<Arc<str>>,
    resolved: bool,
}

impl Incident {
    /// The row for the store.
    pub(in crate::alert) fn to_row(&self, title: String, resolved: bool, now: Moment) -> IncidentRow {
        let kept = Kept {
            scope: self.scope.clone(),
            title,
            members: self.members.listed(now),
            members_total: self.members.len(),
            since_ms: self.since_ms,
            level: self.level.map(|level| level.as_str().to_owned()),
            named: self.members.named().clone(),
            quiet_ms: self.quiet.map(|at| now.wall_ms_of(at)),
            critical: self.critical.map(|critical| KeptCritical { lost_ms: critical.lost.map(|at| now.wall_ms_of(at)) }),
            acknowledged: self.acknowledged.clone(),
            attached: self.attached.clone(),
            unexplained: self.unexplained,
            told: self.keys.told.iter().map(KeptTold::of).collect(),
            told_ms: self.keys.last.map(|at| now.wall_ms_of(at)),
            spreads: self.keys.spreads,
            failure: self.failure.clone(),
            notes: self.notes.clone(),
        };
        IncidentRow {
            id: self.id.clone(),
            scope: self.scope.to_string(),
            probe: self.scope.probe().map(ToString::to_string),
            severity: self.worst.as_str(),
            opened_ms: self.opened_ms,
            // The clock may have been set back meanwhile, and nothing ends before it began.
            resolved_ms: resolved.then(|| now.wall_ms().max(self.opened_ms)),
            json: serde_json::to_string(&kept).expect("its keys are strings"),
        }
    }

    /// The incident of a row, without its members.
    pub(in crate::alert) fn from_row(row: &IncidentRow, now: Moment) -> Result<Self, serde_json::Error> {
        let kept: Kept = serde_json::from_str(&row.json)?;
        let steady = |at: Option<i64>| at.map(|at| now.steady_of(at));
        Ok(Self {
            id: row.id.clone(),
            scope: kept.scope,
            opened_ms: row.opened_ms,
            since_ms: kept.since_ms,
            level: kept.level.as_deref().and_then(Severity::of),
            worst: Severity::of(row.severity).unwrap_or(Severity::Page),
            members: Members::after(kept.named),
            quiet: steady(kept.quiet_ms),
            critical: kept.critical.map(|critical| Critical { lost: steady(critical.lost_ms) }),
            acknowledged: kept.acknowledged,
            unexplained: kept.unexplained,
            attached: kept.attached,
            keys: Keys {
                told: kept.told.into_iter().map(KeptTold::told).collect(),
                last: steady(kept.told_ms),
                spreads: kept.spreads,
            },
            failure: kept.failure,
            notes: kept.notes,
            due: None,
        })
    }
}

impl KeptTold {
    fn of(told: &Told) -> Self {
        Self {
            key: told.key.clone(),
            severity: told.severity.as_str().to_owned(),
            channels: told.channels.clone(),
            delivered: told.delivered.clone(),
            resolved: told.resolved,
        }
    }

    fn told(self) -> Told {
        Told {
            key: self.key,
            severity: Severity::of(&self.severity).unwrap_or(Severity::Page),
            channels: self.channels,
            delivered: self.delivered,
            resolved: self.resolved,
        }
    }
}
