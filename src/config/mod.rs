//! TOML files into a plan, or into diagnostics that say what to do.

mod check;
mod code;
mod diagnostic;
mod keys;
mod literal;
mod nearest;
mod newer_toml;
mod render;
mod shape;
mod tree;
mod value;

pub use code::Code;
pub use diagnostic::{Diagnostic, Diagnostics, Label, Severity};
pub use keys::{Reference, reference};
pub use shape::{Key, Kind, Rule, Section};
