//! The port through which how canaries and probes stand leaves the alert rules.

use crate::plan::{CanaryId, Severity};

/// Shows outside how canaries and probes stand. Whoever evaluates facts calls it at each change, and once for each canary and
/// probe at a start and after a reload, when the new plan is in force here; what is told of a canary or probe that is not in
/// the plan is lost. It returns at once and never blocks.
pub trait StandingSink: Send + Sync + 'static {
    /// A canary's counted runs: how many have failed in a row, and whether the last one passed; `None` while that is not known.
    fn canary_stands(&self, canary: &CanaryId, failures: u32, healthy: Option<bool>);

    /// The highest severity of the open incidents that are about a probe, its subjects, its missing data and its leaks among
    /// them; `None` if none is open, or all that fails in them is muted or explained.
    fn probe_stands(&self, probe: &str, severity: Option<Severity>);
}
