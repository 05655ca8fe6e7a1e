//! Tests that run the built program: its commands, its service with API, pages and store, and who is told of what.
//!
//! Owns nothing but the list. A folder or file is one subject, and `cargo test --test program SUBJECT::` runs it alone. Each test
//! has a folder, ports and a store of its own and mostly waits, so many may run at once.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "../support/again.rs"]
mod again;
#[path = "../support/alertmanager.rs"]
mod alertmanager;
#[path = "../cli_support/mod.rs"]
mod cli_support;
#[path = "../support/delaying.rs"]
mod delaying;
#[path = "../support/namespace.rs"]
mod namespace;
#[path = "../page_support/mod.rs"]
mod page_support;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/programs.rs"]
mod programs;
#[path = "../support/prometheus.rs"]
mod prometheus;
#[expect(dead_code, reason = "its Alertmanager is held against the real one in process, and Debian's runs here")]
#[path = "../readers/mod.rs"]
mod readers;
#[path = "../service_support/mod.rs"]
mod service_support;

mod access;
mod api;
mod api_conformance;
mod cli_fix;
mod cli_run;
mod cli_sweep;
mod cli_test;
mod cli_usage;
mod dashboard;
mod database;
mod degraded;
mod exec;
mod exemplars;
mod exports;
mod fleet;
mod fleet_instances;
mod fleet_standby;
mod healthcheck;
mod journal;
mod pages;
mod reload;
mod roles;
mod slow_store;
mod status_page;
mod store_copy;
mod store_faults;
mod store_start;
mod top;
mod tutorial;
mod who_is_told;
mod written_down;
