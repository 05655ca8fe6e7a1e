//! TOML files into a plan, or into diagnostics that say what to do.
//!
//! The way of a file: [`parse`] makes a tree that keeps positions. [`check`] compares the tree with [`keys`], the one declaration
//! of all keys; its words are in [`declaration`], its macro in [`section`]. `service` and `probe` read the typed fields, check what
//! goes beyond a key's type, and make the plan. [`lint`] warns. Every problem of every file is gathered before anything is shown.
//! This module does no network I/O and starts nothing.
//!
//! A new key is a line of a `section!` in `keys`, and where its field is used; a new kind of value begins in [`value_kind`];
//! a new rule is a [`Code`].

mod alert;
mod alerting;
mod calendar;
mod chance;
mod channel;
mod check;
mod code;
mod context;
mod contract;
mod cross;
mod declaration;
mod device;
mod diagnostic;
mod environment;
mod file;
mod find;
mod keys;
mod lint;
mod load;
mod maintenance;
mod mask;
mod newer_toml;
mod parse;
mod probe;
mod redact;
mod render;
mod schema;
mod scope;
mod secrets;
mod section;
mod service;
mod service_template;
mod tree;
mod value;
mod value_kind;
mod wake_lint;

pub use code::{Code, Severity};
pub use declaration::{Key, Rule, Section, SectionOf, ValueKind};
pub use diagnostic::{Diagnostic, Diagnostics, Label};
pub use environment::process_environment;
pub use keys::{Reference, reference};
pub use load::{Loaded, load, load_cancellable, load_listen, load_probes};
pub use schema::{config_schema, probe_schema};
pub use secrets::read_secrets;
