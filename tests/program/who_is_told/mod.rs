//! Who is told: what went wrong with the first alerting, each case a scenario with the built program, judged by what its readers
//! saw and believe.
//!
//! Readers are the stand-ins of `tests/readers` behind a real listener, and Debian's own Alertmanager with a receiver of ours
//! (`tests/setup/packages paging`; where it is missing, tests fail). Intervals are a second, so that what takes a night takes
//! half a minute; rules are as they are, but for `flapping.hold`. `cargo test --test program who_is_told:: -- --nocapture` shows
//! what each reader got and when.
//!
//! One more case is a function in the file that it is about, with a world of its own or a further probe in one that is there.

#![expect(clippy::print_stderr, reason = "what the readers got is what these are run for")]

mod alertmanager;
mod blind;
mod desk;
mod outages;
mod places;
mod refused;
mod renamed;
mod roots;
mod spread;
mod trouble;
mod world;
