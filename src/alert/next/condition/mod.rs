//! Conditions: one kind of rule each.

pub mod channel;
