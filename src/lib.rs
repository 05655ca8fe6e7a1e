//! Serinus: a synthetic canary prober that walks user journeys end to end and notices when one no longer *completes*.
//!
//! Data flows one way: `config` reads TOML into an immutable [`plan`], `schedule` decides when, [`run`] executes, and the
//! result is plain data in [`outcome`], which telemetry turns into metrics and traces. Which module may use which other is a
//! table, and `tests/in_process/module_table.rs` holds the `use crate::…` lines against it.

pub mod alert;
pub mod app;
pub mod base;
pub mod cli;
pub mod config;
pub mod history;
pub mod outcome;
pub mod plan;
pub mod run;
pub mod sandbox;
pub mod schedule;
pub mod source;
pub mod telemetry;
pub mod web;
