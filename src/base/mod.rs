//! Helpers that several modules need and that know nothing of probes.
//!
//! A thing belongs here if another program could use it unchanged. Code that knows of a probe, a run or an alert does not.

pub mod log_buckets;
mod nearest;
pub mod signing;
pub mod thread;
pub mod time;

pub use nearest::{did_you_mean, nearest, nearest_above, only_near, slip_of};
