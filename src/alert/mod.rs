//! Who is told: alerting as reconciliation.
//!
//! ```text
//! run reports ─▶ conditions ─▶ facts ─▶ incidents ─▶ owed, per channel ─▶ rings (tries) ─▶ taken
//! ```
//!
//! What each channel ought to have been told is a function of the state and of what it has taken; the difference is sent until
//! there is none. Each part owns its state, is pure, takes `now`, and says when it wants to be called again:
//!
//! | part | owns | one more |
//! |---|---|---|
//! | `condition` | what runs say of canaries, subjects, objectives, …: [`Fact`]s | see its documentation |
//! | `fact` | nothing: the words that conditions, incidents and messages share | a [`FactKey`] |
//! | `incident` | members, episodes, acknowledgements, severity, ends | a [`Scope`] |
//! | `migrate` | nothing: it migrates the incidents of the version before this one | – |
//! | `critical` | whether a probe's incident is critical, and since when it would not be | – |
//! | `explain` | what the failures of a root explain, and who waits for a root's run | – |
//! | `owed` | nothing: what a channel is due, from an incident and what the channel took | – |
//! | `delivery` | which tries are in flight, backoff, gathering | – |
//! | `muting` | which canaries are muted: by a pause, a mute or a window of maintenance | – |
//! | `evaluate` | all of these, and the order in which an event passes through them | an `Event` |
//! | `status` | nothing: what is so, for people and programs that ask | – |
//! | `message` | nothing: what is said, from an incident as it is | – |
//! | `channel` | the formats and protocols of channels | see its documentation |
//! | `task`, `event_loop` | the thread that all this runs in: commands in, rows and tries out | a `Command` |

pub mod channel;
pub mod condition;
pub mod critical;
pub mod delivery;
pub mod evaluate;
mod event_loop;
pub mod explain;
pub mod fact;
pub mod heartbeat;
mod inbox;
pub mod incident;
pub mod message;
pub mod metrics;
mod migrate;
mod moment;
pub mod mute;
pub mod muting;
pub mod owed;
pub mod route;
pub mod scope;
pub mod scope_records;
pub mod serde_with;
#[cfg(test)]
mod simulation;
pub mod status;
mod task;
#[cfg(test)]
mod testing;
pub mod tries;
pub mod view;

pub use condition::fails_since;
pub use evaluate::{Backlog, Event};
pub use fact::{Fact, FactKey, Failure, Objective, State};
pub use inbox::Evaluation;
pub use moment::Moment;
pub use mute::{Acked, Closed, Mute, Mutes};
pub use muting::Paused;
pub use scope::Scope;
pub use status::Status;
pub use task::{AlertPart, AlertParts, AlertThread, Alerts, FleetPart, ReadEvaluation};
pub use view::{MemberState, MemberView, View};
