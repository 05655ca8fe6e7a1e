//! `GET /api/v1/status-page`: what the page shows, for a copy of it elsewhere.

use axum::{Extension, Json};

use crate::web::api::{ApiState, Failure};

use super::model::PublicPage;

/// What the public status page shows; `serinus export status-page` makes its files of it.
#[utoipa::path(get, path = "/api/v1/status-page", tag = "service",
    responses((status = 200, description = "All of it.", body = PublicPage),
        (status = 404, description = "The configuration has no `[status_page]`.")))]
pub(in crate::web) async fn shown(Extension(api): Extension<ApiState>) -> Result<Json<PublicPage>, Failure> {
    if !api.status_page.is_shown() {
        return Err(Failure::unknown("this service has no status page: its configuration has no `[status_page]`"));
    }
    let page = api.status_page.get(&api).await.ok_or_else(Failure::stopping)?;
    Ok(Json(page.page.clone()))
}
