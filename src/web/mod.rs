//! The HTTP listener: metrics, health, the API and the dashboard of a running service.
//!
//! It reads through handles and acts through verbs (pause, acknowledge, trigger); what it keeps was read from the store, and it
//! never runs on the runtime that probes. A new route of the API begins in `api`, a new page in `pages`; what both show is made in
//! `model`.

mod access;
mod api;
mod api_slot;
mod connection;
mod connection_slots;
mod etag;
mod gzip;
mod hosts;
mod markdown;
mod model;
mod pages;
mod problem;
mod routes;
mod secrets;
mod server;
mod status_page;
mod tls;

pub(crate) use access::{AccessState, Token};
pub use access::{RootKey, restored_root_key, shared_root_key};
pub use api::{
    Api, CertificateList, CertificateView, LastReload, MuteList, Others, ROUTES, Reloaded, Sweep, SweepOutcome, SweptEntry,
    SyncedPauses, WrittenStates, paused, restored_pauses,
};
pub(crate) use api_slot::ApiSlot;
pub(crate) use hosts::Hosts;
pub use model::Snapshots;
pub use model::recent::Recent;
pub(crate) use routes::{RenderMetrics, RouterState};
pub use secrets::{MissingSecret, missing_secrets};
pub use server::ListenError;
pub(crate) use server::{Bound, Server};
pub use status_page::{PublicFile, PublicPage, StatusPages, copy as status_page_copy};
pub(crate) use tls::ListenerTls;
pub use tls::TlsError;
