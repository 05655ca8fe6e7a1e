//! TOML files into a plan, or into diagnostics that say what to do.
//!
//! The way of a file: [`parse`] makes a tree that keeps positions. [`check`] compares the tree with [`keys`], the one declaration
//! of all keys; its words are in [`declaration`], its macro in [`section`]. `service` and `probe` read the typed fields, check what
//! goes beyond a key's type, and make the plan. [`lint`] warns, as do
//! `chance`, `wake_lint` and `cross` of what is about rules, routes and several files, and `plan::expr::{hints, constant}` of expressions. Every problem of every file is gathered before anything is shown.
//! This module does no network I/O and starts nothing.
//!
//! A new key is a line of a `section!` in `keys`, its field in [`plan`](crate::plan), its reading in `service` or `probe`, and a row in
//! `config/README.md` or `probes/README.md`, which tests ask for. One of `[limits]` also says in `app::reload` whether a reload can
//! change it. A new kind of value begins in [`value_kind`]. A new complaint is a [`Code`] and a case in `tests/config_errors`; if it only
//! warns, it is a function in [`lint`], and a row in the table of lints of one of those READMEs. What `allow` silences is in [`allow`].
//! Steps that probes [share](shared) and [defaults](step_defaults) are put into the tree of a probe before anything of it is read.

mod alert;
mod alerting;
mod allow;
mod calendar;
mod chance;
mod channel;
mod check;
mod code;
mod constant;
mod context;
mod contract;
mod cross;
mod declaration;
mod device;
mod diagnostic;
mod environment;
mod file;
mod find;
mod fix;
mod keys;
mod lint;
mod listen;
mod load;
mod maintenance;
mod mask;
mod mend;
mod nesting;
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
mod shared;
mod status_page;
mod step_defaults;
mod tree;
mod value;
mod value_kind;
mod wake_lint;

pub use code::{Code, Severity};
pub use declaration::{Key, Rule, Section, SectionOf, ValueKind};
pub use diagnostic::{Diagnostic, Diagnostics, Label};
pub use environment::process_environment;
pub use fix::{Change, MendedFile};
pub use keys::{Reference, reference};
pub use load::{Loaded, load, load_cancellable, load_listen, load_probes};
pub use mend::{Edit, Mend};
pub use schema::{config_schema, library_schema, probe_schema};
pub use secrets::read_secrets;
