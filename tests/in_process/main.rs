//! Tests that use the library in their own process: the engine, its scheduler, channels, telemetry and the sandbox, and the rules
//! that the project's own source and documentation keep.
//!
//! Owns nothing but the list. A folder or file is one subject, and `cargo test --test in_process SUBJECT::` runs it alone. What
//! several subjects need lies in `tests/support` and is used as `crate::…`. A test that must not share its process (limits,
//! environment, standard error, peak of memory) runs itself once more in a child, see [`again`].

#![expect(clippy::unwrap_used, reason = "a test that cannot set up what it needs has failed")]

#[path = "../support/again.rs"]
mod again;
#[path = "../support/alertmanager.rs"]
mod alertmanager;
#[path = "../support/book.rs"]
mod book;
#[path = "../support/counting_store.rs"]
mod counting_store;
#[expect(dead_code, reason = "a benchmark uses the rest")]
#[path = "../support/days.rs"]
mod days;
#[path = "../support/dns_server.rs"]
mod dns_server;
#[path = "../support/fleet.rs"]
mod fleet;
#[path = "../support/http_client.rs"]
mod http_client;
#[path = "../support/http_frames.rs"]
mod http_frames;
#[path = "../support/http_pki.rs"]
mod http_pki;
#[path = "../support/http_server.rs"]
mod http_server;
#[path = "../support/journey.rs"]
mod journey;
#[path = "../support/notice.rs"]
mod notice;
#[path = "../support/onset.rs"]
mod onset;
#[path = "../support/programs.rs"]
mod programs;
#[expect(dead_code, reason = "tests of the program use the rest")]
#[path = "../readers/mod.rs"]
mod readers;
#[path = "../support/report.rs"]
mod report;
#[path = "../support/self_check.rs"]
mod self_check;
#[path = "../support/service.rs"]
mod service;
mod source_text;
#[path = "../support/target.rs"]
mod target;
#[path = "../support/waiting.rs"]
mod waiting;

mod alertmanager_rings;
mod chance_pages;
mod channels;
mod config_errors;
mod dependencies;
mod deployments;
mod dns;
mod examples;
mod exec;
mod exports;
mod hostile_files;
mod http_bodies;
mod http_breaches;
mod http_connections;
mod http_hostile;
mod http_memory;
mod http_names;
mod http_process;
mod http_tls;
mod http_wire;
mod layout;
mod module_table;
mod page_questions;
mod pages_without_store;
mod real_intervals;
mod reference_docs;
mod run_semantics;
mod sandbox;
mod schedule;
mod shipped_probes;
mod tcp;
mod telemetry_logs;
mod telemetry_queries;
mod telemetry_retry;
mod telemetry_traces;
