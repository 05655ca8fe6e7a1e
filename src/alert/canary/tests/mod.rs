//! Decision tables, and a plain reference that the machine is held against.

mod reference;
mod tables;
