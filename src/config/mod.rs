//! TOML files into a plan, or into diagnostics that say what to do.
//!
//! The way of a file: [`tree`] parses it and keeps positions, [`check`] holds it against the one declaration of all keys
//! ([`keys`], made of [`shape`]'s words), `service` and `probe` read it into the plan and check what goes beyond a key's type,
//! [`lint`] warns. Every problem of every file is gathered before anything is shown. It does no network I/O and starts nothing.
//!
//! A new key is an entry of a table in `keys`, read in `service` or `probe`; a new rule is a [`Code`].

mod alert;
mod alerting;
mod chance;
mod channel;
mod check;
mod code;
mod contract;
mod convert;
mod cron;
mod cross;
mod device;
mod diagnostic;
mod environment;
mod file;
mod find;
mod json_place;
mod keys;
mod kind;
mod lint;
mod literal;
mod load;
mod maintenance;
mod mask;
mod moment;
mod names;
mod nearest;
mod newer_toml;
mod outside;
mod probe;
mod redact;
mod render;
mod ringing;
mod rules;
mod schema;
mod scope;
mod secrets;
mod section;
mod service;
mod shape;
mod tree;
mod upkeep;
mod value;
mod world;

pub use code::Code;
pub use diagnostic::{Diagnostic, Diagnostics, Label, Severity};
pub use environment::process_environment;
pub use keys::{Reference, reference};
pub use load::{Loaded, load, load_listen, load_probes, load_unless};
pub use schema::{config_schema, probe_schema};
pub use secrets::read_secrets;
pub use shape::{Key, Kind, Rule, Section, SectionOf};
