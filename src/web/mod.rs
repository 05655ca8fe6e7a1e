//! The HTTP listener: metrics, health, and the API of a running service.
//!
//! It reads through handles and acts through verbs (pause, acknowledge, trigger); it keeps nothing itself and never runs on the
//! runtime that probes. A new route of the API begins in `api`.

mod access;
mod api;
mod connection;
mod connection_slots;
mod gzip;
mod hosts;
mod routes;
mod secrets;
mod server;
mod tls;

pub(crate) use access::{AccessState, Token};
pub use access::{RootKey, restored_root_key};
pub use api::{Api, LastReload, MuteList, ROUTES, Reloaded, SyncedPauses, paused, restored_pauses};
pub(crate) use hosts::Hosts;
pub(crate) use routes::{RenderMetrics, RouterState};
pub use secrets::{MissingSecret, missing_secrets};
pub use server::ListenError;
pub(crate) use server::{Bound, Server};
pub(crate) use tls::ListenerTls;
pub use tls::TlsError;
