//! Incidents, saying that somebody is at one, and closing what nothing will settle.

use axum::extract::{Path, Query};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::alert::status::IncidentStatus;
use crate::alert::{Acked, Closed};
use crate::history::{IncidentDetail, IncidentFilter, IncidentView, Page};

use super::audit::{Action, Who};
use super::runs::{limit, short};
use super::verbs::{said, until_and_why};
use super::{ApiState, Failure};

/// Members of an incident in a list, and of one that is asked for.
const LISTED: usize = 20;
/// See [`LISTED`].
const SHOWN: usize = 1_000;

/// What an incident's own fields say already.
const OF_THE_LIST: [&str; 4] = ["id", "scope", "probe", "severity"];

/// What may be asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct IncidentsQuery {
    #[serde(default)]
    open: bool,
    probe: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// Who is at it, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct AckRequest {
    by: Option<String>,
    reason: Option<String>,
}

/// Who says that it is over, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct CloseRequest {
    by: Option<String>,
    why: Option<String>,
}

/// `GET /api/v1/incidents`
pub(in crate::web) async fn list(
    Extension(api): Extension<ApiState>,
    Query(wanted): Query<IncidentsQuery>,
) -> Result<Json<Page<IncidentView>>, Failure> {
    let (limit, after) = (limit(wanted.limit)?, wanted.after);
    let filter = IncidentFilter { open: wanted.open, probe: wanted.probe };
    let open = open(&api).await?;
    let mut page = api.read(api.reader.incidents(filter, limit, after)).await?;
    page.items.iter_mut().for_each(|incident| up_to_date(incident, &open, LISTED));
    Ok(Json(page))
}

/// `GET /api/v1/incidents/{id}`
pub(in crate::web) async fn one(
    Extension(api): Extension<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<IncidentDetail>, Failure> {
    let missing = format!("no incident `{}` is kept; `serinus incidents --all` lists them", short(&id));
    let open = open(&api).await?;
    let id = find(&open, &id).map_or(id.clone(), |incident| incident.id.clone());
    let incident = api.read(api.reader.incident(id)).await?;
    let mut incident = incident.ok_or_else(|| Failure::unknown(missing))?;
    up_to_date(&mut incident.incident, &open, SHOWN);
    Ok(Json(incident))
}

/// An incident that is kept.
pub(super) struct KnownIncident {
    pub(super) id: String,
    /// The probe, if it is about one.
    pub(super) probe: Option<String>,
}

/// The incident that is called so, open or ended.
pub(super) async fn known(api: &ApiState, called: &str) -> Result<KnownIncident, Failure> {
    if let Some(IncidentStatus { id, probe, .. }) = find(&open(api).await?, called).cloned() {
        return Ok(KnownIncident { id, probe });
    }
    let kept = api.read(api.reader.incident(called.to_owned())).await?;
    let kept = kept.ok_or_else(|| {
        Failure::unknown(format!("no incident `{}` is kept; `serinus incidents --all` lists them", short(called)))
    })?;
    Ok(KnownIncident { id: kept.incident.id, probe: kept.incident.probe })
}

/// The open incident that is called so: by its id, its scope or a key.
pub(super) fn find<'i>(open: &'i [IncidentStatus], called: &str) -> Option<&'i IncidentStatus> {
    open.iter()
        .find(|incident| incident.id == called || incident.scope == called || incident.keys.iter().any(|key| key == called))
}

async fn open(api: &ApiState) -> Result<Vec<IncidentStatus>, Failure> {
    Ok(api.alerts.status().await.ok_or_else(Failure::stopping)?.incidents)
}

/// Updates a stored incident, which may be older, with its current members and state from alerting.
fn up_to_date(incident: &mut IncidentView, open: &[IncidentStatus], members: usize) {
    let Some(details) = incident.details.as_object_mut() else { return };
    // How alerting keeps it for itself.
    details.remove("incident");
    let Some(now) = open.iter().find(|now| now.id == incident.id) else { return };
    if let Ok(Value::Object(now)) = serde_json::to_value(now.clone().clipped(members)) {
        details.extend(now.into_iter().filter(|(key, _)| !OF_THE_LIST.contains(&&**key)));
    }
}

/// `POST /api/v1/incidents/{id}/ack`
pub(in crate::web) async fn acknowledge(
    Extension(api): Extension<ApiState>,
    Path(id): Path<String>,
    who: Who,
    Json(asked): Json<AckRequest>,
) -> Result<Json<Value>, Failure> {
    let (by, reason) = (who.or(asked.by), said(asked.reason));
    let incident = find(&open(&api).await?, &id).cloned();
    let answer = api.alerts.acknowledge(id.clone(), by.clone(), reason.clone()).await.ok_or_else(Failure::stopping)?;
    let answer = answer_to_ack(&id, answer)?;
    let text = format!("acknowledged by {by}: {}{}", members(&answer), until_and_why(None, reason.as_deref()));
    audit(&api, incident, &by, "acknowledge", text);
    Ok(Json(answer))
}

fn answer_to_ack(id: &str, acked: Acked) -> Result<Value, Failure> {
    match acked {
        Acked::Unknown => Err(not_open(id)),
        Acked::NothingTold => Err(Failure::conflict(
            "no channel has taken anything of it yet, so that there is nothing to acknowledge; `serinus status` says who is owed what",
        )),
        Acked::Already { by, at_ms, newly } => {
            Ok(json!({ "acknowledged": id, "members": newly, "already": { "by": by, "at_ms": at_ms } }))
        }
        Acked::Done { members } => Ok(json!({ "acknowledged": id, "members": members, "already": null })),
    }
}

/// `POST /api/v1/incidents/{id}/close`
pub(in crate::web) async fn close(
    Extension(api): Extension<ApiState>,
    Path(id): Path<String>,
    who: Who,
    Json(asked): Json<CloseRequest>,
) -> Result<Json<Value>, Failure> {
    let (Some(by), Some(why)) = (who.known_or(asked.by), said(asked.why)) else {
        return Err(Failure::bad("give `by` and `why`: who closes an incident and what for is told to everybody who was rung"));
    };
    let incident = find(&open(&api).await?, &id).cloned();
    let closed = api.alerts.close(id.clone(), by.clone(), why.clone()).await.ok_or_else(Failure::stopping)?;
    let answer = answer_to_close(&id, closed)?;
    let text = format!("closed by {by}: {}{}", members(&answer), until_and_why(None, Some(&why)));
    audit(&api, incident, &by, "close", text);
    Ok(Json(answer))
}

fn answer_to_close(id: &str, closed: Closed) -> Result<Value, Failure> {
    match closed {
        Closed::Unknown => Err(not_open(id)),
        Closed::Refused { failing } => {
            let named = failing.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = failing
                .len()
                .checked_sub(3)
                .filter(|more| *more > 0)
                .map_or_else(String::new, |more| format!(" and {more} more"));
            Err(Failure::conflict(format!(
                "{named}{more} still fails; only what is muted or without data can be closed: pause or mute it first"
            )))
        }
        Closed::Done { members } => Ok(json!({ "closed": id, "members": members })),
    }
}

fn audit(api: &ApiState, incident: Option<IncidentStatus>, by: &str, what: &'static str, text: String) {
    let (id, probe) = incident.map(|incident| (incident.id, incident.probe)).unzip();
    api.audit(Action { by, what, probe: probe.flatten(), incident: id, text });
}

/// `9 members`
fn members(answer: &Value) -> String {
    let count = answer["members"].as_u64().unwrap_or(0);
    if count == 1 { "1 member".to_owned() } else { format!("{count} members") }
}

pub(super) fn not_open(id: &str) -> Failure {
    Failure::unknown(format!("no incident `{}` is open; `serinus incidents` lists those that are", short(id)))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    fn status(answer: Result<Value, Failure>) -> u16 {
        answer.map_or_else(|failure| failure.into_response().status().as_u16(), |_| 200)
    }

    #[test]
    fn a_second_acknowledgement_says_who_was_first_and_what_it_newly_covers() {
        let answer = answer_to_ack("01X", Acked::Already { by: "ann".into(), at_ms: 5, newly: 2 }).unwrap();
        assert_eq!(answer, json!({ "acknowledged": "01X", "members": 2, "already": { "by": "ann", "at_ms": 5 } }));
        let first = answer_to_ack("01X", Acked::Done { members: 9 }).unwrap();
        assert_eq!(first, json!({ "acknowledged": "01X", "members": 9, "already": null }));
    }

    #[test]
    fn what_cannot_be_acknowledged_or_closed_is_told_apart_by_its_status() {
        assert_eq!(status(answer_to_ack("01X", Acked::Unknown)), 404);
        assert_eq!(status(answer_to_ack("01X", Acked::NothingTold)), 409);
        assert_eq!(status(answer_to_close("01X", Closed::Unknown)), 404);
        assert_eq!(status(answer_to_close("01X", Closed::Refused { failing: vec!["p/eu".to_owned()] })), 409);
        assert_eq!(status(answer_to_close("01X", Closed::Done { members: 1 })), 200);
    }
}
