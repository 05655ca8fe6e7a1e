//! What several modules need and what knows nothing of probes, so that it exists once and every module may use it.
//!
//! A thing belongs here if it could be lifted into another program as it is. What knows of a probe, a run or an alert does not.

pub mod log_buckets;
mod nearest;
pub mod thread;
pub mod time;

pub use nearest::{did_you_mean, nearest, nearest_above};
