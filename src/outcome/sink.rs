//! The ports through which the scheduler reports finished runs, and the alert rules the state of canaries and probes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::plan::{CanaryId, Severity};

use super::{CleanupReport, MissedTicks, RunReport};

/// Takes finished runs. Called on the runtime that probes: it must return at once and never block; what it cannot take it
/// drops and counts.
pub trait OutcomeSink: Send + Sync + 'static {
    /// A run ended, or a tick did not run.
    fn run_finished(&self, report: &Arc<RunReport>);

    /// A run's cleanup ended.
    fn cleanup_finished(&self, report: &Arc<CleanupReport>);

    /// More ticks of a canary were missed in a row than are worth a report each; these are the older ones, which
    /// [`run_finished`](Self::run_finished) is not called for. Whoever counts missed ticks adds `missed.count`; the scheduler
    /// has logged them already, so that a sink which only keeps reports may leave this out.
    fn ticks_missed(&self, _missed: &MissedTicks) {}

    /// The process stood still for so long that bounds which passed meanwhile may not be held against targets.
    fn stalled(&self, _lasting: Duration) {}
}

/// Hands what ends to several sinks, in their order.
pub struct FanOut(pub Vec<Arc<dyn OutcomeSink>>);

impl OutcomeSink for FanOut {
    fn run_finished(&self, report: &Arc<RunReport>) {
        self.0.iter().for_each(|sink| sink.run_finished(report));
    }

    fn cleanup_finished(&self, report: &Arc<CleanupReport>) {
        self.0.iter().for_each(|sink| sink.cleanup_finished(report));
    }

    fn ticks_missed(&self, missed: &MissedTicks) {
        self.0.iter().for_each(|sink| sink.ticks_missed(missed));
    }

    fn stalled(&self, lasting: Duration) {
        self.0.iter().for_each(|sink| sink.stalled(lasting));
    }
}

/// What an incident is about.
#[derive(Debug, Clone, Copy)]
pub struct IncidentScope<'a> {
    /// The kind of thing: a closed word, such as `subject`.
    pub kind: &'static str,
    /// Kind and names, such as `subject/segment-copy/seg-1`. There is at most one open incident of each.
    pub text: &'a str,
    /// The probe, if it is about one.
    pub probe: Option<&'a str>,
    /// The region that it is about; else the one this process probes from, where other processes run the others.
    pub region: Option<&'a str>,
}

/// Shows the alert state of canaries and probes outside. The alert rules call it at each change, and once for each canary and
/// probe at a start and after a reload, when the new plan is in force here. Calls for a canary or probe that is not in the plan
/// are ignored. It returns at once and never blocks.
pub trait AlertStateSink: Send + Sync + 'static {
    /// A canary's counted runs: how many have failed in a row, and whether the last one passed; `None` while that is not known.
    fn canary_state(&self, canary: &CanaryId, failures: u32, healthy: Option<bool>);

    /// The highest severity of the open incidents that are about a probe, its subjects, its missing data and its leaks among
    /// them; `None` if none is open, or all that fails in them is muted or explained.
    fn probe_severity(&self, probe: &str, severity: Option<Severity>);

    /// The severity of an incident; `None` if it has ended, or all that fails in it is muted or explained. Called at each change,
    /// and at a start once for each open incident.
    fn incident(&self, scope: IncidentScope<'_>, severity: Option<Severity>);

    /// All of it is as of now: called several times a second, also where nothing changes.
    fn evaluated(&self, now: Instant);
}
