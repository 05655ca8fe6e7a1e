//! When somebody is told: rules, incidents, routing; and in `notify`, how.
//!
//! Decisions are pure state machines that take [`Moment`]s and return what is to be written and sent; one task owns them all
//! (`desk`). It must not run probes or look at the clock by itself. Memory is the truth, the store is written through. A new
//! rule is a machine of its own beside `canary`; a new channel is a file in `notify`.

pub mod across;
pub mod blind;
pub mod budget;
pub mod canary;
pub mod critical;
mod describe;
pub mod desk;
pub mod heartbeat;
mod inbox;
mod incident;
mod moment;
pub mod next;
mod notice;
pub mod notify;
mod route;
mod scope;
pub mod subject;
mod task;
#[cfg(test)]
mod testing;

pub use moment::Moment;
pub use notice::{Action, Failure, Links, Member, Notice, Occasion, RegionState};
pub use scope::Scope;
pub use task::{AlertParts, AlertThread, Alerts};
