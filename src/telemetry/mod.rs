//! Finished runs as metrics, traces and log lines.
//!
//! Owns everything an outside system learns of runs while they happen. Nothing in here may slow or fail a run: what cannot be
//! taken at once is dropped and counted. Texts arrive redacted. A new exporter is a module beside the three, behind a bounded
//! queue and a thread of its own, called from [`Telemetry`].

pub mod logs;
mod metrics;
mod queue;
mod sink;
mod traces;

pub use self::metrics::{Format, Metrics, config_reloaded, runtime_stalled};
pub use sink::Telemetry;
pub use traces::{Flushed, Tracer, TracerConfig};
