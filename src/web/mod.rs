//! The HTTP listener: metrics, health, and the API of a running service.
//!
//! It reads through handles and acts through verbs (pause, acknowledge, trigger); it keeps nothing itself and never runs on the
//! runtime that probes. A new route is a line in `server` and a file of its own.

mod api;
mod secrets;
mod server;

pub use api::{Api, LastReload, ROUTES, Reads, Reloaded, ToldPauses, kept_pauses};
pub use secrets::{MissingSecret, missing_secrets};
pub use server::ListenError;
pub(crate) use server::{Bound, RenderMetrics, Server};
