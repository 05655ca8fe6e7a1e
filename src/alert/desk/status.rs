//! How everything stands, for the API and the metrics.

use serde::Serialize;

use crate::plan::Severity;

/// How everything stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Every canary, ordered by id.
    pub canaries: Vec<CanaryStatus>,
    /// Open incidents, the worst first, then the oldest.
    pub incidents: Vec<IncidentStatus>,
    /// Their number by severity.
    pub counts: Counts,
}

/// How a canary stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CanaryStatus {
    /// Its id.
    pub canary: String,
    /// The probe's name.
    pub probe: String,
    /// The region's name.
    pub region: String,
    /// `platform=ios,size=large`; empty without a matrix.
    pub cell: String,
    /// In one word.
    pub standing: Standing,
    /// Counted failures in a row.
    pub failures: u32,
    /// Whether it is at page level.
    pub paging: bool,
    /// The verdict of its last run; none since this process began.
    pub last_verdict: Option<&'static str>,
    /// When that run ended, milliseconds since the epoch.
    pub last_ms: Option<i64>,
    /// The open incident of its probe that it is in.
    pub incident: Option<String>,
}

/// How a canary stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its last counted run passed, and it is not at page level.
    Healthy,
    /// It is at page level, or its last counted run failed.
    Failing,
    /// It has had no counted run, or none for long.
    Unknown,
    /// It has had no counted run for too long.
    Blind,
    /// Somebody paused it.
    Paused,
}

/// An open incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentStatus {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub scope: String,
    /// The probe, if it is about one.
    pub probe: Option<String>,
    /// How bad it is now: "warn", "page" or "critical".
    pub severity: &'static str,
    /// One line: what broke, for whom.
    pub title: String,
    /// When it opened, milliseconds since the epoch.
    pub opened_ms: i64,
    /// Canaries (of a leak: entries of the ledger) in it.
    pub members: usize,
    /// Ids of the first 20 of them.
    pub named: Vec<String>,
    /// The latest key under which it was told; absent if nobody was.
    pub key: Option<String>,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
    /// The incident that explains it and whose page stands for it.
    pub attached_to: Option<String>,
}

/// Open incidents by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Worth a look by day.
    pub warn: usize,
    /// Somebody is woken.
    pub page: usize,
    /// More than one region.
    pub critical: usize,
}

impl Counts {
    /// How many have this severity.
    pub fn of(self, severity: Severity) -> usize {
        match severity {
            Severity::Warn => self.warn,
            Severity::Page => self.page,
            Severity::Critical => self.critical,
        }
    }

    pub(super) fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Warn => self.warn += 1,
            Severity::Page => self.page += 1,
            Severity::Critical => self.critical += 1,
        }
    }

    /// Brings the gauge up to date.
    pub(super) fn show(self) {
        for severity in Severity::ALL {
            #[expect(clippy::cast_precision_loss, reason = "there are fewer incidents than 2⁵²")]
            metrics::gauge!("serinus_incidents", "severity" => severity.as_str()).set(self.of(severity) as f64);
        }
    }
}
