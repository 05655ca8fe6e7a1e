//! `POST /api/v1/incidents/{id}/notes/{note}/withdraw`: a note that was for everybody no longer is. It stays among the incident's own.

use axum::extract::Path;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::history::{Commit, EventFilter, EventKind, EventRow, EventView, Page};
use crate::web::model::incident::notes::{PUBLIC_NOTE, WITHDRAWN, notes};

use super::audit::{Action, Who, event};
use super::body::Body;
use super::runs::short;
use super::verbs::ByRequest;
use super::{ApiState, Failure, incidents};

/// Pages of an incident's notes that are looked at.
const PAGES: usize = 4;

/// What became of a withdrawal.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct WithdrawAnswer {
    /// The note's id.
    withdrawn: String,
    /// Whether that is durable already.
    kept: bool,
}

/// Takes a note off the public status page; what was said stays in the incident and the log.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/notes/{note}/withdraw", tag = "incidents", request_body = ByRequest,
    params(("id" = String, Path, description = "Its id, or of an open one its scope or a key."),
        ("note" = String, Path, description = "The note's id.")),
    responses((status = 200, description = "It is not public any more.", body = WithdrawAnswer)))]
pub(in crate::web) async fn withdraw(
    Extension(api): Extension<ApiState>,
    Path((id, note)): Path<(String, String)>,
    who: Who,
    Body(asked): Body<ByRequest>,
) -> Result<Json<WithdrawAnswer>, Failure> {
    let incident = incidents::known(&api, &id).await?;
    let noted = of_incident(&api, &incident.id).await?;
    let known = noted.iter().find(|known| known.id == note);
    let known = known.ok_or_else(|| Failure::unknown(format!("no note `{}` of this incident is kept", short(&note))))?;
    match known.what.as_str() {
        PUBLIC_NOTE => {}
        WITHDRAWN => return Ok(Json(WithdrawAnswer { withdrawn: note, kept: true })),
        _ => return Err(Failure::conflict("this note is not public, so that there is nothing to withdraw")),
    }
    let by = who.or(asked.by);
    let row = event(EventKind::Note, Some(by.clone()), WITHDRAWN.to_owned(), note.clone());
    let row = EventRow { probe: incident.probe.clone(), incident: Some(incident.id.clone()), ..row };
    let kept = api.keep(Commit { events: vec![row], ..Commit::default() }).await;
    let text = format!("public note {note} on incident {} withdrawn by {by}", incident.id);
    api.audit(Action { by: &by, what: "withdraw", probe: incident.probe, incident: Some(incident.id), text });
    Ok(Json(WithdrawAnswer { withdrawn: note, kept }))
}

/// The incident's notes, the newest ones.
async fn of_incident(api: &ApiState, incident: &str) -> Result<Vec<EventView>, Failure> {
    let filter = EventFilter { kinds: vec![EventKind::Note], incident: Some(incident.to_owned()), ..EventFilter::default() };
    let (mut events, mut after) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = api.read(api.reader.events(filter.clone(), Page::<EventView>::LIMIT, after)).await?;
        events.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(notes(&events, Some(incident)))
}
