//! `GET /api/v1/fleet`: the regions, the instances and what differs between them.

use axum::{Extension, Json};

use crate::base::time::now_ms;
use crate::web::model::fleet::FleetStatus;

use super::{Api, ApiState};

/// Who shares the store with this process: each region with when it was last heard of, and each instance. Nobody is where there is no
/// fleet.
#[utoipa::path(get, path = "/api/v1/fleet", tag = "status",
    responses((status = 200, description = "The fleet.", body = FleetStatus)))]
pub(in crate::web) async fn fleet(Extension(api): Extension<ApiState>) -> Json<FleetStatus> {
    Json(api.fleet_status().await.unwrap_or_default())
}

impl Api {
    /// Who is in the fleet, as far as the store says; nothing where there is none.
    pub(in crate::web) async fn fleet_status(&self) -> Option<FleetStatus> {
        if self.alerts.backlog().alone {
            return Some(FleetStatus::alone());
        }
        let others = self.others.as_ref()?;
        Some(match others.roster.get().await {
            Ok(roster) => FleetStatus::of(&roster, &self.plan(), &others.holder, now_ms()),
            Err(error) => FleetStatus::unread(&error.to_string()),
        })
    }
}
