//! Who is told: alerting as reconciliation.
//!
//! ```text
//! run reports ─▶ conditions ─▶ facts ─▶ incidents ─▶ owed, per channel ─▶ rings (tries) ─▶ taken
//! ```
//!
//! What each channel ought to have been told is a function of the state and of what it has taken; the difference is sent until
//! there is none. Each part has a state of its own, is pure, takes `now`, and says when it wants to be asked again:
//!
//! | part | owns | one more |
//! |---|---|---|
//! | `condition` | what runs say of canaries, subjects, objectives, …: [`Fact`]s | a file and an arm of `Condition` |
//! | `incident` | members, episodes, acknowledgements, severity, ends | a [`Scope`] |
//! | `carry` | nothing: what the version before this one left, taken over | – |
//! | `critical` | whether a probe's incident is critical, and since when it would not be | – |
//! | `explain` | what the failures of a root explain, and who waits for a root's run | – |
//! | `owed` | nothing: what a channel is due, from an incident and what the channel took | – |
//! | `delivery` | which tries are on their way, backoff, gathering | – |
//! | `message` | nothing: what is said, from an incident as it is | – |
//! | `channel` | what each channel speaks | a file and its arms |

mod carry;
pub mod channel;
pub mod condition;
pub mod counts;
pub mod critical;
pub mod delivery;
pub mod evaluate;
pub mod explain;
pub mod fact;
mod failure;
pub mod heartbeat;
#[cfg(test)]
mod histories;
mod inbox;
pub mod incident;
pub mod memory;
pub mod message;
mod moment;
pub mod mute;
pub mod muting;
pub mod owed;
pub mod route;
pub mod scope;
pub mod status;
mod task;
#[cfg(test)]
mod testing;
pub mod told;
pub mod view;
mod work;

pub use evaluate::{Backlog, Event};
pub use fact::{Fact, FactKey, Objective, State};
pub use failure::Failure;
pub use moment::Moment;
pub use mute::{Acked, Closed, Mute, Mutes};
pub use muting::Paused;
pub use scope::Scope;
pub use status::Status;
pub use task::{AlertParts, AlertThread, Alerts};
pub use view::{MemberView, Standing, View};
