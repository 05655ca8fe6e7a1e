//! Metrics: what finished runs and the process itself look like to Prometheus.
//!
//! Canary series are atomics of our own ([`recorder`] counts, [`families`] names and writes them); the process's own numbers
//! come through the `metrics` façade ([`process`]), what it uses is asked of the system ([`usage`]); one body joins all. Labels are in [`labels`] and nowhere else. A new
//! canary metric is a field in [`series`], a line in its `record` and a function in [`families`].

mod alert_state;
mod exposition;
mod families;
mod histogram;
mod index;
mod labels;
mod probe;
pub(super) mod process;
mod recorder;
mod series;
mod shape;
mod uncounted;
mod usage;

pub use exposition::Format;
pub use process::{config_reloaded, runtime_stalled};
pub use recorder::Metrics;
use uncounted::Uncounted;
