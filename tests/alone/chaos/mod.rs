//! `kill -9` at random moments, a receiver that cannot be relied on, a disk that is full, a store that is damaged: what should
//! have paged did, nothing is lost, nothing leaks, no key changes.
//!
//! `SERINUS_CHAOS_KILLS` says how often the service is killed (25), `SERINUS_CHAOS_SEED` repeats a timetable,
//! `SERINUS_CHAOS_PROGRAM` names another build of the program; the seed and the counts are printed (`cargo test --test alone
//! chaos:: -- --nocapture`). Times are the machine's own, so a seed repeats what is done and not what happens.

#![expect(clippy::print_stdout, reason = "the counts are what it is run for")]

mod audit;
mod faults;
mod kills;
mod prober;
mod reader;
mod receiver;
mod target;
mod trouble;
mod verdicts;
mod world;

use std::time::SystemTime;

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// A number from the environment.
pub(crate) fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}
