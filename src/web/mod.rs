//! The HTTP listener: metrics, health, and the API of a running service.
//!
//! It reads through handles and acts through verbs (pause, acknowledge, trigger); it keeps nothing itself and never runs on the
//! runtime that probes. A new route of the API begins in `api`.

mod api;
mod connection;
mod connection_slots;
mod gzip;
mod hosts;
mod markdown;
mod routes;
mod secrets;
mod server;

pub use api::{
    Api, CertificateList, CertificateView, LastReload, MuteList, ROUTES, Reloaded, Sweep, SweepOutcome, SweptEntry, SyncedPauses,
    paused, restored_pauses,
};
pub(crate) use hosts::Hosts;
pub use markdown::SafeHtml;
pub(crate) use routes::{RenderMetrics, RouterState};
pub use secrets::{MissingSecret, missing_secrets};
pub use server::ListenError;
pub(crate) use server::{Bound, Server};
