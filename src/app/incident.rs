//! Watching a probe through an incident: was it healthy before, and which run noticed first.
//!
//! A pure state machine over finished runs. What breaks and when is decided elsewhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::alert::message::{Action, Evidence};
use crate::outcome::{RunReport, Verdict};
use crate::plan::{Canary, CanaryId, Severity};
use crate::sandbox::Incident;

use super::page_receiver::{Page, is_outage, open_incidents};

/// Counts the runs of the canaries that an incident affects.
#[derive(Debug)]
pub struct IncidentWatch {
    affected: HashMap<CanaryId, RunCounts>,
    onset: Option<SystemTime>,
}

#[derive(Debug, Default)]
struct RunCounts {
    healthy: u64,
    since_onset: u64,
}

/// The first failed run after an incident began.
#[derive(Debug, Clone)]
pub struct Noticed {
    /// The run.
    pub report: Arc<RunReport>,
    /// Which of its canary's runs that started after the onset it was, from 1.
    pub run: u64,
    /// From the onset to the run's verdict.
    pub after: Duration,
}

/// How an incident went.
#[derive(Debug, Clone)]
pub struct DemoResult {
    /// Which.
    pub incident: Incident,
    /// The probe that ought to notice.
    pub probe: Arc<str>,
    /// Passed runs of affected canaries before the onset.
    pub healthy_runs: u64,
    /// When the fault was on.
    pub onset: SystemTime,
    /// How long it was waited for, from the onset on.
    pub watched: Duration,
    /// The run that noticed, if one did.
    pub noticed: Option<Noticed>,
    /// The first page, if one arrived.
    pub paged: Option<Paged>,
    /// When the fault was off again.
    pub ended: SystemTime,
    /// Everything that arrived at the receiver, in its order.
    pub pages: Vec<Page>,
}

impl DemoResult {
    /// The first page that said it is critical.
    pub fn critical(&self) -> Option<&Page> {
        self.pages.iter().find(|page| page.message.severity == Severity::Critical && page.message.action == Action::Ring)
    }

    /// The page after which none was open any more, if it came to that.
    pub fn resolved(&self) -> Option<&Page> {
        let last = self.pages.iter().rfind(|page| is_outage(&page.message, &self.probe));
        last.filter(|page| page.at > self.ended && open_incidents(&self.pages, &self.probe).is_empty())
    }
}

/// The first page of an incident, as it arrived.
#[derive(Debug, Clone)]
pub struct Paged {
    /// The page.
    pub page: Page,
    /// Runs since the onset, of the canary whose failure it tells.
    pub runs: u64,
}

impl IncidentWatch {
    /// Watches these canaries.
    pub fn new<'a>(affected: impl IntoIterator<Item = &'a Arc<Canary>>) -> Self {
        Self { affected: affected.into_iter().map(|canary| (canary.id.clone(), RunCounts::default())).collect(), onset: None }
    }

    /// Whether every affected canary has passed at least once. Never true of no canaries.
    pub fn healthy(&self) -> bool {
        !self.affected.is_empty() && self.affected.values().all(|counts| counts.healthy > 0)
    }

    /// Passed runs of affected canaries before the onset.
    pub fn healthy_runs(&self) -> u64 {
        self.affected.values().map(|counts| counts.healthy).sum()
    }

    /// Affected canaries that have not passed yet.
    pub fn never_passed(&self) -> usize {
        self.affected.values().filter(|counts| counts.healthy == 0).count()
    }

    /// The fault has been on since `at`.
    pub fn begin(&mut self, at: SystemTime) {
        self.onset = Some(at);
    }

    /// Runs since the onset of the canary that a page tells of.
    pub fn runs_since_onset(&self, probe: &str, failure: Option<&Evidence>) -> u64 {
        let counts = failure.and_then(|failure| {
            let id = match &*failure.cell {
                "" => format!("{probe}/{}", failure.region),
                cell => format!("{probe}/{}/{cell}", failure.region),
            };
            self.affected.get(&CanaryId::read_back(&id))
        });
        counts.map_or(0, |counts| counts.since_onset)
    }

    /// A run ended. Gives the notice if it failed and had started after the onset; a run that was under way when the fault
    /// came proves nothing in either direction.
    pub fn run_finished(&mut self, report: &Arc<RunReport>) -> Option<Noticed> {
        let counts = self.affected.get_mut(&report.canary.id)?;
        let Some(onset) = self.onset else {
            counts.healthy += u64::from(report.verdict == Verdict::Passed);
            return None;
        };
        let lead = report.started.duration_since(onset).ok()?;
        counts.since_onset += match report.verdict {
            Verdict::Passed | Verdict::Failed | Verdict::Errored | Verdict::Blocked => 1,
            Verdict::Missed | Verdict::Skipped => 0,
        };
        let noticed = || Noticed { report: Arc::clone(report), run: counts.since_onset, after: lead + report.duration };
        (report.verdict == Verdict::Failed).then(noticed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{canary, run};
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_start_is_healthy_once_every_affected_canary_has_passed() {
        let (eu, us, other) = (canary("eu"), canary("us"), canary("ap"));
        let mut watch = IncidentWatch::new([&eu, &us]);
        for (canary, verdict) in [(&eu, Verdict::Passed), (&other, Verdict::Passed), (&us, Verdict::Failed)] {
            assert!(watch.run_finished(&run(canary, verdict, 1)).is_none());
        }
        assert!(!watch.healthy());
        watch.run_finished(&run(&us, Verdict::Passed, 2));
        assert!(watch.healthy());
        assert_eq!(watch.healthy_runs(), 2);
        assert!(!IncidentWatch::new([]).healthy());
    }

    #[test]
    fn only_runs_that_started_after_the_onset_count() {
        let (eu, us) = (canary("eu"), canary("us"));
        let mut watch = IncidentWatch::new([&eu, &us]);
        watch.begin(at(100));
        assert!(watch.run_finished(&run(&eu, Verdict::Failed, 99)).is_none(), "it was under way when the fault came");
        assert!(watch.run_finished(&run(&eu, Verdict::Missed, 101)).is_none(), "it did not run");
        assert!(watch.run_finished(&run(&us, Verdict::Passed, 102)).is_none());
        let noticed = watch.run_finished(&run(&us, Verdict::Failed, 104)).unwrap();
        assert_eq!((noticed.run, noticed.after), (2, Duration::from_secs(6)));
        let noticed = watch.run_finished(&run(&eu, Verdict::Failed, 105)).unwrap();
        assert_eq!((noticed.run, noticed.after), (1, Duration::from_secs(7)));
    }
}
