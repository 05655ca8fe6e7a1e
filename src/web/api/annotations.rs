//! What people and pipelines write down: annotations (a deployment) and notes on incidents. Both are events of the store.

use axum::extract::{Path, Query};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::time::now_ms;
use crate::history::{Commit, EventFilter, EventKind, EventRow, EventView, Page};
use crate::outcome::{visible, visible_block};

use super::audit::{Action, Who, event};
use super::runs::limit;
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
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct AnnotateRequest {
    text: String,
    probe: Option<String>,
    what: Option<String>,
    at_ms: Option<i64>,
    by: Option<String>,
}

/// Which annotations are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct AnnotationsQuery {
    probe: Option<String>,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
    limit: Option<usize>,
    after: Option<String>,
}

/// What somebody says about an incident.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct NoteRequest {
    text: String,
    by: Option<String>,
}

/// `POST /api/v1/annotations`
pub(in crate::web) async fn annotate(
    Extension(api): Extension<ApiState>,
    who: Who,
    Json(asked): Json<AnnotateRequest>,
) -> Result<Json<Value>, Failure> {
    let text = written(&visible(asked.text.trim()), ANNOTATION, "an annotation")?;
    let what = asked.what.as_deref().map_or("deploy", str::trim);
    let what = written(&visible(what), WORD, "`what`")?;
    let at_ms = moment(asked.at_ms, now_ms())?;
    let probe = asked.probe.map(|name| names::probe(&api.plan(), &name)).transpose()?.map(|name| name.to_string());
    let by = who.known_or(asked.by);
    let row = EventRow { at_ms, probe: probe.clone(), ..event(EventKind::Annotation, by.clone(), what.clone(), text) };
    let said = shown(&row);
    let target = probe.as_deref().map_or_else(|| "everything".to_owned(), |probe| format!("`{probe}`"));
    let by = by.unwrap_or_else(|| "somebody".to_owned());
    let kept = api.keep(Commit { events: vec![row], ..Commit::default() }).await;
    let text = format!("annotated by {by}: {what}, about {target}");
    api.audit(Action { by: &by, what: "annotate", probe, incident: None, text });
    Ok(Json(json!({ "annotation": said, "kept": kept })))
}

/// `GET /api/v1/annotations`
pub(in crate::web) async fn list(
    Extension(api): Extension<ApiState>,
    Query(wanted): Query<AnnotationsQuery>,
) -> Result<Json<Page<EventView>>, Failure> {
    let AnnotationsQuery { probe, since_ms, until_ms, limit: most, after } = wanted;
    let filter = EventFilter { kinds: vec![EventKind::Annotation], probe, incident: None, since_ms, until_ms };
    api.read(api.reader.events(filter, limit(most)?, after)).await.map(Json)
}

/// `POST /api/v1/incidents/{id}/notes`
pub(in crate::web) async fn note(
    Extension(api): Extension<ApiState>,
    Path(id): Path<String>,
    who: Who,
    Json(asked): Json<NoteRequest>,
) -> Result<Json<Value>, Failure> {
    let text = written(&visible_block(asked.text.trim()), NOTE, "a note")?;
    let incident = incidents::known(&api, &id).await?;
    let by = who.known_or(asked.by);
    let row = event(EventKind::Note, by.clone(), "note".to_owned(), text);
    let row = EventRow { probe: incident.probe.clone(), incident: Some(incident.id.clone()), ..row };
    let said = shown(&row);
    let by = by.unwrap_or_else(|| "somebody".to_owned());
    let kept = api.keep(Commit { events: vec![row], ..Commit::default() }).await;
    let text = format!("noted by {by} on incident {}", incident.id);
    api.audit(Action { by: &by, what: "note", probe: incident.probe, incident: Some(incident.id), text });
    Ok(Json(json!({ "note": said, "kept": kept })))
}

/// An event that was just made, as lists show it.
fn shown(row: &EventRow) -> Value {
    let EventRow { id, at_ms, kind, probe, incident, by, what, text } = row;
    json!({
        "id": id, "at_ms": at_ms, "kind": kind.as_str(), "probe": probe, "incident": incident, "by": by, "what": what, "text": text,
    })
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
