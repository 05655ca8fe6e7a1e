//! Metrics: what finished runs and the process itself look like to Prometheus.
//!
//! Canary series are atomics of our own: [`recorder`] counts, [`families`] names and writes them. The process's own numbers come
//! through the `metrics` façade ([`process`]), those of its resources from the system ([`usage`]); one body joins all. Labels are
//! in [`labels`] and nowhere else. A new canary metric is a field in [`series`], a line in its `record` and a function in
//! [`families`].

mod alert_state;
mod edges;
mod exposition;
mod families;
mod histogram;
mod index;
mod labels;
mod probe;
pub(super) mod process;
mod recorder;
mod series;
mod usage;

pub use exposition::Format;
pub use process::{config_reloaded, runtime_stalled};
pub use recorder::Metrics;
