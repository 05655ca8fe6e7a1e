//! The closed set of faults.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A way in which the sandbox can be broken while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum FaultName {
    /// Registrations stop after their payment, and every call goes on answering 200.
    RegistrationStopsAfterPayment,
    /// The payment service answers 500, and payments make no progress until it ends.
    PaymentErrors,
    /// The payment service hangs for the fault's delay, then answers 504; payments make no progress until it ends.
    PaymentTimeouts,
    /// Warehouse rows appear only the fault's delay after the receipt.
    WarehouseLag,
    /// Warehouse rows are written with `plan` where `plan_id` should be.
    RenamedField,
    /// Nobody consumes the activation queue; its backlog drains when the fault ends.
    StoppedConsumer,
    /// Of playlist edits within the fault's delay of each other only the last survives; each says it succeeded.
    PlaylistLostEdits,
    /// What a user of the share writes on one device never reaches the user's other devices.
    PlaylistNotSynced,
    /// Copy jobs copy 10,000 users at most and report success.
    SegmentCopyCapped,
    /// Lookalike jobs leave the segment empty and report success.
    LookalikeEmpty,
}

impl FaultName {
    /// All of them, in the order they are listed in.
    pub const ALL: [Self; 10] = [
        Self::RegistrationStopsAfterPayment,
        Self::PaymentErrors,
        Self::PaymentTimeouts,
        Self::WarehouseLag,
        Self::RenamedField,
        Self::StoppedConsumer,
        Self::PlaylistLostEdits,
        Self::PlaylistNotSynced,
        Self::SegmentCopyCapped,
        Self::LookalikeEmpty,
    ];

    /// The name as it stands in `/faults/NAME`: the variant's name in small letters.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// One sentence for people.
    pub fn summary(self) -> &'static str {
        match self {
            Self::RegistrationStopsAfterPayment => "registrations stop after their payment; every call goes on answering 200",
            Self::PaymentErrors => "the payment service answers 500 and payments make no progress",
            Self::PaymentTimeouts => "the payment service hangs for `delay`, then answers 504; payments make no progress",
            Self::WarehouseLag => "warehouse rows appear only `delay` after the receipt",
            Self::RenamedField => "warehouse rows carry `plan` where `plan_id` should be",
            Self::StoppedConsumer => "nobody consumes the activation queue; the backlog drains when the fault ends",
            Self::PlaylistLostEdits => "of playlist edits within `delay` of each other only the last survives; all answer 200",
            Self::PlaylistNotSynced => "what an affected user writes on one device never reaches the others",
            Self::SegmentCopyCapped => "copy jobs copy 10,000 users at most and report success",
            Self::LookalikeEmpty => "lookalike jobs leave the segment empty and report success",
        }
    }

    /// The delay it has where its scope names none, in product time; `None` for faults that have no delay.
    pub fn default_delay(self) -> Option<Duration> {
        match self {
            Self::PaymentTimeouts => Some(Duration::from_mins(1)),
            Self::WarehouseLag => Some(Duration::from_mins(10)),
            Self::PlaylistLostEdits => Some(Duration::from_millis(500)),
            Self::RegistrationStopsAfterPayment
            | Self::PaymentErrors
            | Self::RenamedField
            | Self::StoppedConsumer
            | Self::PlaylistNotSynced
            | Self::SegmentCopyCapped
            | Self::LookalikeEmpty => None,
        }
    }
}

impl fmt::Display for FaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no fault's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault `{0}`; the faults are {known}", known = FaultName::ALL.map(FaultName::as_str).join(", "))]
pub struct UnknownFault(String);

impl FromStr for FaultName {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_found_by_its_name_and_no_other() {
        for name in FaultName::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
        }
        let error = "payment-eror".parse::<FaultName>().unwrap_err();
        assert!(error.to_string().contains("payment-errors"), "{error}");
    }
}
