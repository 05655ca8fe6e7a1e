//! Hands each finished run to several sinks.

use std::sync::Arc;
use std::time::Duration;

use crate::outcome::{CleanupReport, MissedTicks, OutcomeSink, RunReport};

/// Sinks in the order they are told.
pub(super) struct Fan(pub(super) Vec<Arc<dyn OutcomeSink>>);

impl OutcomeSink for Fan {
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
