//! The windows of maintenance, as their page shows them.

use std::time::SystemTime;

use axum::Extension;
use axum::extract::Query;

use crate::history::Page;
use crate::web::model::quiet::{Window, windows};

use super::ApiState;
use super::table::{Asked, FormatQuery, Listing, Row};

impl Row for Window {
    const FILE: &'static str = "maintenance";
    const COLUMNS: &'static [&'static str] = &["name", "when", "whom", "canaries", "is_open", "changes_ms", "ends_ms"];
}

/// Windows of maintenance: those that are open first, then those that open next, then those that are over.
#[utoipa::path(get, path = "/api/v1/maintenance", tag = "quiet", params(FormatQuery), responses(
    (status = 200, description = "All of them.", content((Page<Window> = "application/json"), (String = "text/csv"))),
))]
pub(in crate::web) async fn list(
    Extension(api): Extension<ApiState>,
    asked: Asked,
    Query(wanted): Query<FormatQuery>,
) -> Listing<Window> {
    Listing::all(windows(&api.plan(), SystemTime::now()), wanted.format, &asked)
}
