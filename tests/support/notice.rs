//! Which shipped probe must notice which fault of the sandbox, and by what.

use serinus::outcome::Reason;
use serinus::plan::Canary;
use serinus::sandbox::{FaultName, Incident};

/// How a fault is noticed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) probe: &'static str,
    pub(crate) step: &'static str,
    pub(crate) reason: Reason,
    /// The expectation that did not hold; none where the attempt got no answer.
    pub(crate) expectation: Option<&'static str>,
}

/// The probe that must notice a fault, and by what. No fault is left to nobody.
pub(crate) fn notice(fault: FaultName) -> Notice {
    let expectation =
        |probe, step, expectation| Notice { probe, step, reason: Reason::Expectation, expectation: Some(expectation) };
    match fault {
        FaultName::RegistrationStopsAfterPayment | FaultName::StoppedConsumer => {
            expectation("premium-registration", "account is active", "json.status == 'active'")
        }
        FaultName::PaymentErrors => expectation("premium-registration", "payment is captured", "status == 200"),
        FaultName::PaymentTimeouts => {
            Notice { probe: "premium-registration", step: "payment is captured", reason: Reason::Timeout, expectation: None }
        }
        FaultName::WarehouseLag => expectation("premium-registration", "row is in the warehouse", "json.rows | length > 0"),
        FaultName::RenamedField => Notice {
            probe: "premium-registration",
            step: "row keeps the contract",
            reason: Reason::NotEvaluable,
            expectation: Some("json.rows[0].plan_id == plan"),
        },
        FaultName::PlaylistLostEdits => expectation("playlist-sync", "phone has every edit", "json.tracks is superset(whole)"),
        FaultName::PlaylistNotSynced => expectation("playlist-sync", "read on the second device", "status == 200"),
        FaultName::SegmentCopyCapped => expectation("segment-copy", "copy holds the whole source", "json.size >= minimum"),
        FaultName::LookalikeEmpty => expectation("segment-copy", "lookalike is not empty", "json.size >= minimum"),
    }
}

/// Whether a canary is one that the incident's own scope hits, in this region.
pub(crate) fn is_affected(canary: &Canary, incident: Incident, region: &str) -> bool {
    let in_cell = |(key, value): (&str, &str)| canary.cell.get(key).is_some_and(|is| is.to_string() == value);
    &*canary.probe.name == incident.probe() && &*canary.region.name == region && incident.cell().is_none_or(in_cell)
}
