//! Serinus: a synthetic canary prober that walks user journeys end to end and notices when one no longer *completes*.
//!
//! Data flows one way: [`config`] reads TOML into an immutable [`plan`], [`schedule`] decides when, [`run`] executes, and the result
//! is plain data in [`outcome`]. [`telemetry`] makes metrics and traces of it, [`history`] keeps it, and [`alert`] decides who is told
//! of it. [`web`] answers over HTTP. [`export`] makes files for an existing stack of a plan. [`app`] is the only wiring of all these, and [`cli`] holds the commands. [`sandbox`] is the
//! simulated product. [`source`] has positions in files, [`base`] what several modules need and none owns. Which module may use which
//! other is a table, and `tests/in_process/module_table.rs` holds the `use crate::…` lines against it.
//!
//! Where to begin if you want to add one more; each module's documentation says what belongs to it:
//!
//! | one more | begin in |
//! |---|---|
//! | kind of step | `run/step/mod.rs` |
//! | key of a probe or of the service; lint | `config/mod.rs` |
//! | filter, test or function of expressions | `plan/expr/mod.rs` |
//! | alert condition, objective | `alert/condition/mod.rs` |
//! | notification channel | `alert/channel/mod.rs` |
//! | metric | `telemetry/metrics/mod.rs` |
//! | thing that is kept, question to the store | `history/mod.rs` |
//! | route of the API | `web/api/mod.rs` |
//! | page of the dashboard | `web/pages/mod.rs` |
//! | file for Prometheus, Alertmanager or Grafana | `export/mod.rs` |
//! | command | `cli/mod.rs` |
//! | fault of the sandbox | `sandbox/mod.rs` |

pub mod alert;
pub mod app;
pub mod base;
pub mod cli;
pub mod config;
pub mod export;
pub mod fleet;
pub mod history;
pub mod outcome;
pub mod plan;
pub mod run;
pub mod sandbox;
pub mod schedule;
pub mod source;
pub mod telemetry;
pub mod web;
