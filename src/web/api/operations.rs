//! What is done to the service itself: sweeping what runs left, and trying a channel.

use axum::extract::Path;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::alert::channel::send_test;

use super::audit::{Action, Who};
use super::body::Body;
use super::verbs::ByRequest;
use super::{ApiState, Failure};

/// What a sweep came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct SweepOutcome {
    /// How many entries are undone now.
    pub gone: usize,
    /// How many are left.
    pub left: usize,
    /// The first hundred entries.
    pub entries: Vec<SweptEntry>,
}

impl SweepOutcome {
    /// Adds an entry; of those beyond a hundred only the number is kept.
    pub fn add(&mut self, entry: SweptEntry) {
        if entry.result == "gone" {
            self.gone += 1;
        } else {
            self.left += 1;
        }
        if self.entries.len() < 100 {
            self.entries.push(entry);
        }
    }
}

/// What came of one entry of the cleanup ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SweptEntry {
    /// Its id.
    pub id: String,
    /// The canary whose run left it.
    pub canary: String,
    /// The step that created it.
    pub step: String,
    /// A closed word: gone, again (its cleanup passed, which proves nothing yet), left.
    pub result: &'static str,
    /// What was seen, if it is left.
    pub message: Option<String>,
}

/// What became of a test page.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct TestAnswer {
    /// The channel's name.
    pub(in crate::web) channel: String,
    /// What it speaks.
    pub(in crate::web) kind: &'static str,
    /// The key that was opened and ended.
    pub(in crate::web) key: String,
    /// Whether the channel took it.
    pub(in crate::web) delivered: bool,
    /// Why not.
    pub(in crate::web) error: Option<String>,
}

/// Tries every entry of the cleanup ledger now, also what was given up.
#[utoipa::path(post, path = "/api/v1/sweep", tag = "service", request_body = ByRequest,
    responses((status = 200, description = "What it came to.", body = SweepOutcome)))]
pub(in crate::web) async fn sweep(
    Extension(api): Extension<ApiState>,
    who: Who,
    Body(asked): Body<ByRequest>,
) -> Result<Json<SweepOutcome>, Failure> {
    let outcome = (api.sweep)().await.map_err(Failure::conflict)?;
    let by = who.or(asked.by);
    let text = format!("swept by {by}: {} gone, {} left", outcome.gone, outcome.left);
    api.audit(Action { by: &by, what: "sweep", probe: None, incident: None, text });
    Ok(Json(outcome))
}

/// Sends a test page and its end through a channel.
#[utoipa::path(post, path = "/api/v1/channels/{name}/test", tag = "service", request_body = ByRequest,
    params(("name" = String, Path, description = "The channel's name.")),
    responses((status = 200, description = "What became of it, also if the channel said no.", body = TestAnswer)))]
pub(in crate::web) async fn test_channel(
    Extension(api): Extension<ApiState>,
    Path(name): Path<String>,
    who: Who,
    Body(asked): Body<ByRequest>,
) -> Result<Json<TestAnswer>, Failure> {
    let alerting = api.alerting();
    let tested = send_test(&api.page_client, &alerting, &api.alerts.secrets(), Some(&name)).await;
    let tested = tested.map_err(|error| Failure::unknown(error.to_string()))?.into_iter().next();
    let tested = tested.ok_or_else(Failure::internal)?;
    let (by, channel) = (who.or(asked.by), &tested.channel.name);
    let error = tested.result.as_ref().err();
    let outcome = error.map_or_else(|| "delivered".to_owned(), |error| format!("not delivered: {error}"));
    let text = format!("a test page sent by {by} through {channel}: {outcome}");
    api.audit(Action { by: &by, what: "test_page", probe: None, incident: None, text });
    Ok(Json(TestAnswer {
        channel: channel.to_string(),
        kind: tested.channel.kind.as_str(),
        delivered: error.is_none(),
        error: error.cloned(),
        key: tested.key,
    }))
}
