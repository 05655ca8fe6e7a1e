//! Faults: what can be broken, for whom, and the switches.
//!
//! Owns the closed set of faults and who is hit. Must not act: the product's stages ask, and do what the fault says. To add
//! one, add a variant to [`FaultName`], ask [`Faults::hit`] where it bites, add a row to the table in the sandbox's module
//! documentation, and a test that sees it bite and heal.

mod name;
mod routes;
mod scope;
mod switchboard;

pub use name::{FaultName, UnknownFault};
pub(super) use routes::routes;
pub use scope::{FaultScope, FaultScopeError};
pub use switchboard::Faults;
