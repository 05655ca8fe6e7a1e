//! Simulation tests: random histories of faults, restarts and people, run through all of alerting in simulated time and judged by
//! what readers believe.
//!
//! | part | is |
//! |---|---|
//! | `environment` | probes, regions, channels; what is broken; when runs are due |
//! | `event` | what can happen |
//! | `drive` | time: runs, the evaluator, requests and their answers, processes that die |
//! | `store` | rows, as the store keeps them |
//! | `readers` | the receivers with their readers: the stand-ins that are held against the real ones |
//! | `truth` | the true state of each canary, by the plainest reading of the rules |
//! | `log` | what happened and what was heard |
//! | `judge` | the invariants, each a function over truth and log |
//!
//! A new kind of event is a variant of `event::Event` and an arm of `drive`; a new invariant is a judge.

mod drive;
mod environment;
mod event;
mod judge;
mod log;
mod readers;
pub(super) mod store;
mod tests;
mod truth;
