//! What happened: reports of runs as plain data, with the words everything else reuses.
//!
//! Owns verdicts, reasons, reports, redaction and the ports through which finished runs leave. It must not decide anything
//! about time or configuration. A new reason is a variant of [`Reason`]; a new thing to report is a field of a report and,
//! in `json`, a key of the one shape of a run.

mod attempt;
mod certificate;
mod credential;
mod http;
mod ids;
mod json;
mod ledger;
mod link_key;
mod reason;
mod redact;
mod report;
mod seal;
mod secret;
mod shed;
mod sink;
#[cfg(test)]
pub(crate) mod testing;
mod verdict;
mod visible;

pub use self::http::{Exchange, HttpAnswer, Phases, Withheld};
pub use attempt::{AttemptDetail, AttemptReport, Fact, FactValue, HttpDetail, Observed, Transcript, Transcripts};
pub use certificate::PeerCertificate;
pub use credential::{is_credential, mask_credentials};
pub use ids::{RunId, SpanId, TraceId};
pub use json::{REPORT_VERSION, cell_to_json, location_to_json, seen_to_json};
pub use ledger::{Ledger, LedgerEnd, LedgerEntry, LedgerUnavailable};
pub use link_key::LinkKey;
pub use reason::Reason;
pub use redact::{Redactor, TextKind};
pub use report::{
    Cause, CleanupReport, CleanupResult, ExpectationReport, Held, MissedTicks, RunReport, SeenValue, StepReport, StepResult,
    Tick, Trigger,
};
pub use secret::{Secret, SecretError, Secrets};
pub use shed::{MayShed, canaries_to_shed};
pub use sink::{AlertStateSink, FanOut, IncidentScope, OutcomeSink};
pub use verdict::{NoData, NoDataCount, SloCount, Verdict};
pub use visible::{is_steering, visible, visible_block};
