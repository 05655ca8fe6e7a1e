//! What runs make of a canary.

mod reference;
mod tables;
