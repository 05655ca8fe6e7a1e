//! Who is told: what went wrong with the first alerting, each case a scenario with the built program, judged by what its readers
//! saw and believe.
//!
//! Readers are the stand-ins of `tests/readers` behind a real listener, and Debian's own Alertmanager with a receiver of ours
//! (`tests/setup/packages paging`; where it is missing, tests fail). Intervals are a second, so that what takes a night takes
//! half a minute; rules are as they are, but for `flapping.hold`. `cargo test --test who_is_told -- --nocapture` shows what each
//! reader got and when.
//!
//! One more case is a function in the file that it is about, with a world of its own or a further probe in one that is there.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![expect(clippy::print_stderr, reason = "what the readers got is what these are run for")]

#[path = "../cli_support/mod.rs"]
mod cli_support;
#[expect(dead_code, reason = "other test programs use the rest of it")]
#[path = "../pages/pager.rs"]
mod pager;
#[expect(dead_code, reason = "other test programs use the rest of it")]
#[path = "../readers/mod.rs"]
mod readers;
#[expect(dead_code, reason = "other test programs use the rest of it")]
#[path = "../pages/service.rs"]
mod service;
#[expect(dead_code, reason = "other test programs use the rest of it")]
#[path = "../pages/target.rs"]
mod target;

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
