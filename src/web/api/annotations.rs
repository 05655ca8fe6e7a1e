//! What people and pipelines write down: annotations (a deployment) and notes on incidents. Both are events of the store.

use axum::extract::{Path, Query};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::time::now_ms;
use crate::history::{Commit, EventFilter, EventKind, EventRow, EventView, Page};
use crate::outcome::{visible, visible_block};
use crate::web::model::incident::notes::PUBLIC_NOTE;

use super::audit::{Action, Who, event};
use super::body::Body;
use super::runs::limit;
use super::table::{Asked, Format, Listing};
use super::{ApiState, Failure, incidents, names};

/// The most characters of an annotation.
const ANNOTATION: usize = 500;
/// The most characters of its word.
const WORD: usize = 40;
/// The most characters of a note: as many as the store keeps.
const NOTE: usize = EventRow::TEXT;

const MINUTE_MS: i64 = 60_000;
/// How long ago something may have happened that is annotated now.
const PAST_MS: i64 = 30 * 24 * 60 * MINUTE_MS;

/// What happened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct AnnotateRequest {
    /// What happened, in at most 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    text: String,
    /// The probe that it is about; about all if absent.
    probe: Option<String>,
    /// A word for it, of at most 40 characters; "deploy" if absent.
    what: Option<String>,
    /// When, milliseconds since the epoch, within the last 30 days; now if absent.
    at_ms: Option<i64>,
    /// Who says so.
    by: Option<String>,
}

/// What was written down of an annotation.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct AnnotateAnswer {
    /// As lists show it.
    annotation: EventView,
    /// Whether that is durable already.
    kept: bool,
}

/// What was written down of a note.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct NoteAnswer {
    /// As lists show it.
    note: EventView,
    /// Whether that is durable already.
    kept: bool,
}

/// Which annotations are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct AnnotationsQuery {
    /// About this probe, or about none.
    probe: Option<String>,
    /// At or after, milliseconds since the epoch.
    since_ms: Option<i64>,
    /// Before, milliseconds since the epoch.
    until_ms: Option<i64>,
    /// The page's size, 1 to 500; 50 unless said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
    /// The form of the answer, whatever the request accepts.
    format: Option<Format>,
}

/// What somebody says about an incident.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct NoteRequest {
    /// At most 2,000 characters.
    #[schema(min_length = 1, max_length = 2_000)]
    text: String,
    /// Who says so.
    by: Option<String>,
    /// Whether everybody may read it, on the public status page, until it is withdrawn.
    #[serde(default)]
    public: bool,
}

/// Writes down that something happened.
#[utoipa::path(post, path = "/api/v1/annotations", tag = "events", request_body = AnnotateRequest,
    responses((status = 200, description = "It is written down.", body = AnnotateAnswer)))]
pub(in crate::web) async fn annotate(
    Extension(api): Extension<ApiState>,
    who: Who,
    Body(asked): Body<AnnotateRequest>,
) -> Result<Json<AnnotateAnswer>, Failure> {
    let text = written(&visible(asked.text.trim()), ANNOTATION, "an annotation")?;
    let what = asked.what.as_deref().map_or("deploy", str::trim);
    let what = written(&visible(what), WORD, "`what`")?;
    let at_ms = moment(asked.at_ms, now_ms())?;
    let probe = asked.probe.map(|name| names::probe(&api.plan(), &name)).transpose()?.map(|name| name.to_string());
    let by = who.known_or(asked.by);
    let row = EventRow { at_ms, probe: probe.clone(), ..event(EventKind::Annotation, by.clone(), what.clone(), text) };
    let annotation = shown(&row);
    let target = probe.as_deref().map_or_else(|| "everything".to_owned(), |probe| format!("`{probe}`"));
    let by = by.unwrap_or_else(|| "somebody".to_owned());
    let kept = api.keep(Commit { events: vec![row], ..Commit::default() }).await;
    let text = format!("annotated by {by}: {what}, about {target}");
    api.audit(Action { by: &by, what: "annotate", probe, incident: None, text });
    Ok(Json(AnnotateAnswer { annotation, kept }))
}

/// Annotations, the newest first; with a probe also those about none.
#[utoipa::path(get, path = "/api/v1/annotations", tag = "events", params(AnnotationsQuery), responses(
    (status = 200, description = "A page of events.", content((Page<EventView> = "application/json"), (String = "text/csv"))),
))]
pub(in crate::web) async fn list(
    Extension(api): Extension<ApiState>,
    asked: Asked,
    Query(wanted): Query<AnnotationsQuery>,
) -> Result<Listing<EventView>, Failure> {
    let AnnotationsQuery { probe, since_ms, until_ms, limit: most, after, format } = wanted;
    let filter = EventFilter { kinds: vec![EventKind::Annotation], probe, incident: None, since_ms, until_ms };
    let page = api.read(api.reader.events(filter, limit(most)?, after)).await?;
    Ok(Listing::of(page, format, &asked))
}

/// Writes a note about an incident, also one that is over.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/notes", tag = "incidents", request_body = NoteRequest,
    params(("id" = String, Path, description = "Its id, or of an open one its scope or a key.")),
    responses((status = 200, description = "It is written down.", body = NoteAnswer)))]
pub(in crate::web) async fn note(
    Extension(api): Extension<ApiState>,
    Path(id): Path<String>,
    who: Who,
    Body(asked): Body<NoteRequest>,
) -> Result<Json<NoteAnswer>, Failure> {
    let text = written(&visible_block(asked.text.trim()), NOTE, "a note")?;
    let incident = incidents::known(&api, &id).await?;
    let is_shown = api.status_page.shows(&incident.scope, incident.probe.as_deref());
    if asked.public && !is_shown {
        return Err(Failure::bad("nobody would read it: the status page does not show incidents of what this one is about"));
    }
    let by = who.known_or(asked.by);
    let what = if asked.public { PUBLIC_NOTE } else { "note" };
    let row = event(EventKind::Note, by.clone(), what.to_owned(), text);
    let row = EventRow { probe: incident.probe.clone(), incident: Some(incident.id.clone()), ..row };
    let note = shown(&row);
    let by = by.unwrap_or_else(|| "somebody".to_owned());
    let kept = api.keep(Commit { events: vec![row], ..Commit::default() }).await;
    let whom = if asked.public { ", for everybody" } else { "" };
    let text = format!("noted by {by} on incident {}{whom}", incident.id);
    api.audit(Action { by: &by, what: "note", probe: incident.probe, incident: Some(incident.id), text });
    Ok(Json(NoteAnswer { note, kept }))
}

/// An event that was just made, as lists show it.
fn shown(row: &EventRow) -> EventView {
    let EventRow { id, at_ms, kind, probe, incident, by, what, text } = row.clone();
    EventView { id, at_ms, kind: kind.as_str(), probe, incident, by, what, text }
}

/// A text that says something and is not too long.
fn written(text: &str, most: usize, of: &str) -> Result<String, Failure> {
    if text.is_empty() {
        return Err(Failure::bad(format!("{of} has no text")));
    }
    match text.chars().count() {
        length if length > most => Err(Failure::bad(format!("{of} has at most {most} characters, and this one has {length}"))),
        _ => Ok(text.to_owned()),
    }
}

/// When it happened: now unless said, within the last 30 days, and no more than a minute ahead by the caller's clock.
fn moment(at_ms: Option<i64>, now_ms: i64) -> Result<i64, Failure> {
    match at_ms {
        None => Ok(now_ms),
        Some(at_ms) if at_ms > now_ms + MINUTE_MS => Err(Failure::bad("`at_ms` lies ahead; it is milliseconds since the epoch")),
        Some(at_ms) if at_ms < now_ms - PAST_MS => {
            Err(Failure::bad("`at_ms` is more than 30 days ago; it is milliseconds since the epoch"))
        }
        Some(at_ms) => Ok(at_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_lies_within_thirty_days_and_a_minute_ahead() {
        let now = 1_800_000_000_000;
        for (at, fits) in [
            (None, true),
            (Some(now + MINUTE_MS), true),
            (Some(now + MINUTE_MS + 1), false),
            (Some(now - PAST_MS), true),
            (Some(now - PAST_MS - 1), false),
            (Some(1_800_000_000), false),
            (Some(i64::MIN), false),
            (Some(i64::MAX), false),
        ] {
            assert_eq!(moment(at, now).is_ok(), fits, "{at:?}");
        }
        assert_eq!(moment(None, now).unwrap(), now);
    }

    #[test]
    fn a_text_has_something_in_it_and_an_end() {
        assert!(written("", 3, "a note").is_err());
        assert_eq!(written("äöü", 3, "a note").unwrap(), "äöü");
        assert!(written("äöüß", 3, "a note").is_err());
    }
}
