//! Scenarios of alerting with the built program, one for each fault of the first alerting, judged by what readers saw and
//! believe.
//!
//! Readers are the stand-ins of `tests/readers` behind a real listener, and Debian's own Alertmanager with a receiver of ours
//! (`tests/setup/packages paging`; where it is missing, tests fail). Intervals are a second, so that what takes a night takes
//! half a minute; rules are as they are, but for `flapping.hold`. `cargo test --test program who_is_told:: -- --nocapture` shows
//! what each reader got and when.
//!
//! A new case is a function in the file that it is about, with a scenario of its own or a further probe in an existing one.

#![expect(clippy::print_stderr, reason = "what the readers got is what these are run for")]

mod alertmanager;
mod blind;
mod outages;
mod places;
mod receiver_faults;
mod receivers;
mod refused;
mod renamed;
mod roots;
mod scenario;
mod spread;
