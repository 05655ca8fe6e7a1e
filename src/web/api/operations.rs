//! What is done to the service itself: sweeping what runs left, and trying a channel.

use axum::extract::Path;
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::{Value, json};

use crate::alert::channel::send_test;

use super::audit::{Action, Who};
use super::verbs::ByRequest;
use super::{ApiState, Failure};

/// What a sweep came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// `POST /api/v1/sweep`
pub(in crate::web) async fn sweep(
    Extension(api): Extension<ApiState>,
    who: Who,
    Json(asked): Json<ByRequest>,
) -> Result<Json<SweepOutcome>, Failure> {
    let outcome = (api.sweep)().await.map_err(Failure::conflict)?;
    let by = who.or(asked.by);
    let text = format!("swept by {by}: {} gone, {} left", outcome.gone, outcome.left);
    api.audit(Action { by: &by, what: "sweep", probe: None, incident: None, text });
    Ok(Json(outcome))
}

/// `POST /api/v1/channels/{name}/test`
pub(in crate::web) async fn test_channel(
    Extension(api): Extension<ApiState>,
    Path(name): Path<String>,
    who: Who,
    Json(asked): Json<ByRequest>,
) -> Result<Json<Value>, Failure> {
    let alerting = api.alerting();
    let tested = send_test(&api.page_client, &alerting, &api.alerts.secrets(), Some(&name)).await;
    let tested = tested.map_err(|error| Failure::unknown(error.to_string()))?.into_iter().next();
    let tested = tested.ok_or_else(Failure::internal)?;
    let (by, channel) = (who.or(asked.by), &tested.channel.name);
    let error = tested.result.as_ref().err();
    let outcome = error.map_or_else(|| "delivered".to_owned(), |error| format!("not delivered: {error}"));
    let text = format!("a test page sent by {by} through {channel}: {outcome}");
    api.audit(Action { by: &by, what: "test_page", probe: None, incident: None, text });
    Ok(Json(json!({
        "channel": channel, "kind": tested.channel.kind.as_str(), "key": tested.key, "delivered": error.is_none(), "error": error,
    })))
}
