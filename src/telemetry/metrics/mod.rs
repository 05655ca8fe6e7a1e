//! Metrics: what finished runs and the process itself look like to Prometheus.
//!
//! Canary series are atomics of our own: [`recorder`] counts, [`families`] names and writes them. The process's own numbers come
//! through the `metrics` façade ([`process`]), those of its resources from the system ([`usage`]); one body joins all. Labels are
//! in [`labels`] and nowhere else. A new metric of the process begins in [`process`].
//!
//! A new canary metric is a field of `CanarySeries` or `StepSeries` in [`series`] with a line in that type's `record`, a function in
//! [`families`] that its `write` calls, and a row in `config/README.md`. [`index`] says what a reload keeps of it, [`labels`] has its
//! labels, and one that is by probe alone is in [`probe`]. A canary of one step may have 40 series.

mod alert_state;
mod edges;
mod exposition;
mod families;
mod histogram;
mod incidents;
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
