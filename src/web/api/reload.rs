//! Reading the configuration again.

use axum::{Extension, Json};

use serde::Serialize;

use super::Shared;

/// How a reload went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Whether what was read is in force now; if not, the former one is.
    pub applied: bool,
    /// One sentence.
    pub message: String,
    /// Errors and warnings, each with its place.
    pub diagnostics: String,
}

/// How the last one went, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastReload {
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// Whether it is in force.
    pub applied: bool,
    /// One sentence.
    pub message: String,
}

/// `POST /api/v1/reload`
pub(super) async fn reload(Extension(api): Extension<Shared>) -> Json<Reloaded> {
    Json((api.reload)().await)
}
