//! Why a run did not pass: a small closed set, used verbatim in metrics, traces, alerts and the API.

use std::fmt;

/// Why a verdict is not `passed`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantArray,
    utoipa::ToSchema,
)]
#[strum(serialize_all = "snake_case")]
#[schema(rename_all = "snake_case")]
pub enum Reason {
    /// An expectation did not hold.
    Expectation,
    /// An expectation, capture or template could not be evaluated, or nothing was expected at all.
    NotEvaluable,
    /// A loop had nothing to loop over.
    Empty,
    /// One or more subjects failed.
    Subject,
    /// The body did not match its contract.
    Contract,
    /// The run's bound cut it.
    Deadline,
    /// An attempt's bound cut it.
    Timeout,
    /// A name did not resolve.
    Dns,
    /// No connection.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The target broke its protocol.
    Protocol,
    /// Redirects went on past their bound.
    Redirects,
    /// The body was larger than allowed.
    ResponseTooLarge,
    /// A guard said no.
    Guard,
    /// A secret is missing or unreadable.
    Secret,
    /// The prober's own network is down.
    SelfCheck,
    /// The prober's runtime stood still.
    Stall,
    /// The prober is out of sockets, files or memory for one more.
    Resources,
    /// The slot's earlier run was still going.
    Overlap,
    /// Too many runs at once.
    Overload,
    /// The machine slept or the process stood still over the tick.
    Slept,
    /// The process was stopped and started again.
    Down,
    /// The process ended without being stopped.
    Crashed,
    /// The process is stopping.
    Shutdown,
    /// Planned maintenance.
    Maintenance,
    /// Paused by hand.
    Paused,
    /// A defect of the prober, such as a panic.
    Internal,
}

impl Reason {
    /// Every reason, in the order of the declaration.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The word used everywhere outside: the variant's name in small letters.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
