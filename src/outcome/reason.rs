//! Why a run did not pass: a small closed set, used verbatim in metrics, traces, alerts and the API.

use std::fmt;

/// Why a verdict is not `passed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    pub const ALL: [Self; 27] = [
        Self::Expectation,
        Self::NotEvaluable,
        Self::Empty,
        Self::Subject,
        Self::Contract,
        Self::Deadline,
        Self::Timeout,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Protocol,
        Self::Redirects,
        Self::ResponseTooLarge,
        Self::Guard,
        Self::Secret,
        Self::SelfCheck,
        Self::Stall,
        Self::Resources,
        Self::Overlap,
        Self::Overload,
        Self::Slept,
        Self::Down,
        Self::Crashed,
        Self::Shutdown,
        Self::Maintenance,
        Self::Paused,
        Self::Internal,
    ];

    /// The word used everywhere outside.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expectation => "expectation",
            Self::NotEvaluable => "not_evaluable",
            Self::Empty => "empty",
            Self::Subject => "subject",
            Self::Contract => "contract",
            Self::Deadline => "deadline",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Redirects => "redirects",
            Self::ResponseTooLarge => "response_too_large",
            Self::Guard => "guard",
            Self::Secret => "secret",
            Self::SelfCheck => "self_check",
            Self::Stall => "stall",
            Self::Resources => "resources",
            Self::Overlap => "overlap",
            Self::Overload => "overload",
            Self::Slept => "slept",
            Self::Down => "down",
            Self::Crashed => "crashed",
            Self::Shutdown => "shutdown",
            Self::Maintenance => "maintenance",
            Self::Paused => "paused",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
