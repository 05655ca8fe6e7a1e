//! The audit log: who did what, to which probe or incident, and what came of it. Every handler that changes something tells it here
//! once it is done; what is refused changes nothing and is not told. What the service saw by itself (reloads, certificates) is
//! among the events too, and is written where it happens.

use axum::Extension;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;

use crate::base::time::now_ms;
use crate::history::{Commit, EventFilter, EventKind, EventRow, EventView, Page};

use crate::plan::ListenToken;
use crate::web::access::{Caller, Via};

use super::pauses::DURABLE_WITHIN;
use super::runs::{limit, short};
use super::table::{Asked, Format, Listing};
use super::verbs::said;
use super::{Api, ApiState, Failure};

/// Who makes a request, as far as that is known without its body.
#[derive(Debug, Default)]
pub(in crate::web) struct Who {
    /// The name of somebody who logged in, or whom the trusted proxy knows. No body says otherwise.
    person: Option<String>,
    /// The name of the token, which several people and programs may share.
    token: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Caller>().map(Self::of).unwrap_or_default())
    }
}

impl Who {
    /// As the guard knows him.
    pub(in crate::web) fn of(caller: &Caller) -> Self {
        let name = Some(caller.name.to_string());
        match caller.via {
            Via::Session | Via::Proxy => Self { person: name, token: None },
            Via::Bearer => Self { person: None, token: name },
            Via::Open | Via::Link(_) => Self::default(),
        }
    }

    /// The caller's own name, the one that the body gives, or the token's.
    pub(super) fn or(self, by: Option<String>) -> String {
        self.known_or(by).unwrap_or_else(|| "somebody".to_owned())
    }

    /// The same; nothing if nobody is named but by a token that anybody may have.
    /// A name that a program gives stands with the token's, so that nobody mistakes it for who logged in.
    pub(super) fn known_or(self, by: Option<String>) -> Option<String> {
        let named = |by: String| match self.token.as_deref() {
            Some(token) if token != ListenToken::UNNAMED => format!("{by} (token {token})"),
            _ => by,
        };
        self.person.or_else(|| said(by).map(named)).or(self.token)
    }
}

/// Something that was done.
pub(super) struct Action<'a> {
    /// Who did it.
    pub(super) by: &'a str,
    /// The verb, such as "acknowledge".
    pub(super) what: &'static str,
    /// The probe that it was about, if it was about one.
    pub(super) probe: Option<String>,
    /// The incident's id, likewise.
    pub(super) incident: Option<String>,
    /// What was done, to what, and what came of it: `acknowledged by ann: 9 members`.
    pub(super) text: String,
}

impl Api {
    /// Writes down what was done.
    pub(super) fn audit(&self, action: Action<'_>) {
        let Action { by, what, probe, incident, text } = action;
        tracing::info!(by, probe, incident, "{text}");
        let event = event(EventKind::Action, Some(by.to_owned()), what.to_owned(), text);
        self.recorder.record(Commit { events: vec![EventRow { probe, incident, ..event }], ..Commit::default() });
    }

    /// Writes something down at once. Returns whether that is durable; where the store is away it is tried on until it is.
    pub(in crate::web) async fn keep(&self, commit: Commit) -> bool {
        tokio::time::timeout(DURABLE_WITHIN, self.recorder.commit(commit)).await.is_ok_and(|durable| durable.is_ok())
    }
}

/// An event of now that is about nothing in particular.
pub(super) fn event(kind: EventKind, by: Option<String>, what: String, text: String) -> EventRow {
    let id = ulid::Ulid::generate().to_string();
    EventRow { id, at_ms: now_ms(), kind, probe: None, incident: None, by, what, text }
}

/// Which events are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct EventsQuery {
    /// Of these kinds, with commas between them: annotation, action, reload, certificate, note.
    kind: Option<String>,
    /// About this probe, or about none.
    probe: Option<String>,
    /// About this incident, by its id.
    incident: Option<String>,
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

/// What happened: annotations, what people did, reloads, new certificates and notes; the newest first.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(EventsQuery), responses(
    (status = 200, description = "A page of events.", content((Page<EventView> = "application/json"), (String = "text/csv"))),
))]
pub(in crate::web) async fn list(
    Extension(api): Extension<ApiState>,
    asked: Asked,
    Query(wanted): Query<EventsQuery>,
) -> Result<Listing<EventView>, Failure> {
    let kinds = wanted.kind.as_deref().map(kinds).transpose()?.unwrap_or_default();
    let EventsQuery { kind: _, probe, incident, since_ms, until_ms, limit: most, after, format } = wanted;
    let filter = EventFilter { kinds, probe, incident, since_ms, until_ms };
    let page = api.read(api.reader.events(filter, limit(most)?, after)).await?;
    Ok(Listing::of(page, format, &asked))
}

/// `annotation,reload`
fn kinds(words: &str) -> Result<Vec<EventKind>, Failure> {
    let kind = |word: &str| {
        let known = || EventKind::ALL.map(EventKind::as_str).join(", ");
        word.parse().map_err(|_| Failure::bad(format!("`{}` is no kind of event; known are {}", short(word), known())))
    };
    words.split(',').map(|word| kind(word.trim())).collect()
}
