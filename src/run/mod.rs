//! One run of a canary: steps, devices, judging, cleanup.
//!
//! A run cannot return an error: whatever happens ends in a [`RunReport`](crate::outcome::RunReport) with a verdict.

pub mod judge;
mod request;
mod stall;
pub mod step;

pub use request::{CleanupTask, Detail, Finished, RunRequest};
pub use stall::StallLog;
