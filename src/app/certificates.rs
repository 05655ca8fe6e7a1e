//! Hands the certificates that finished runs met to the list of them, and writes what changed.

use std::sync::Arc;
use std::time::SystemTime;

use crate::history::Recorder;
use crate::outcome::{CleanupReport, OutcomeSink, RunReport};
use crate::web::CertificateList;

/// The sink.
pub(super) struct CertificateSink {
    pub(super) list: CertificateList,
    pub(super) recorder: Arc<dyn Recorder>,
}

impl OutcomeSink for CertificateSink {
    fn run_finished(&self, report: &Arc<RunReport>) {
        let met = report.steps.iter().flat_map(|step| &step.attempts).filter_map(|attempt| attempt.certificate.as_ref());
        for certificate in met {
            let commit = self.list.met(certificate, &report.canary.probe.name, SystemTime::now());
            if !commit.is_empty() {
                self.recorder.record(commit);
            }
        }
    }

    fn cleanup_finished(&self, _: &Arc<CleanupReport>) {}
}
