//! Incidents, saying that somebody is at one, and closing what nothing will settle.

use axum::extract::{Path, Query};
use axum::{Extension, Json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::alert::status::IncidentStatus;
use crate::alert::{Acked, Closed};
use crate::history::{EventView, IncidentDetail, IncidentFilter, IncidentView, LeaseName, Page};
use crate::web::model::incident::before::Change;
use crate::web::model::incident::facts::facts;
use crate::web::model::incident::notes::notes;
use crate::web::model::incident::seen::Earlier;
use crate::web::model::incident::shared::Shared;
use crate::web::model::incident::timeline::Timeline;
use crate::web::model::incident::times::Times;
use crate::web::model::incident::{FailedRun, HowEnded, Member};

use super::audit::{Action, Who};
use super::body::Body;
use super::requests::Verb;
use super::runs::{limit, short};
use super::table::{Asked, Format, Listing};
use super::verbs::{said, until_and_why};
use super::{Api, ApiState, Failure};

/// Members of an incident in a list, and of one that is asked for.
const LISTED: usize = 20;
/// See [`LISTED`].
const SHOWN: usize = 1_000;

/// What an incident's own fields say already.
const OF_THE_LIST: [&str; 4] = ["id", "scope", "probe", "severity"];

/// What may be asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct IncidentsQuery {
    /// Only open ones.
    #[serde(default)]
    open: bool,
    /// About this probe.
    probe: Option<String>,
    /// The page's size, 1 to 500; 50 unless said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
    /// The form of the answer, whatever the request accepts.
    format: Option<Format>,
}

/// Who is at it, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct AckRequest {
    /// Who is at it.
    by: Option<String>,
    /// Why, in their words.
    reason: Option<String>,
}

/// What became of an acknowledgement.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(in crate::web) struct AckAnswer {
    /// The incident, as it was called.
    acknowledged: String,
    /// Members that are acknowledged now and were not before.
    members: usize,
    /// Who was first, if somebody was.
    already: Option<AckedBefore>,
}

/// An acknowledgement that came before.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(in crate::web) struct AckedBefore {
    /// Whose.
    by: String,
    /// When, milliseconds since the epoch.
    at_ms: i64,
}

/// What became of a closing.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(in crate::web) struct CloseAnswer {
    /// The incident, as it was called.
    closed: String,
    /// Members that are taken for well now.
    members: usize,
}

/// Who says that it is over, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct CloseRequest {
    /// Who closes it; needed of whoever is not known by name.
    by: Option<String>,
    /// What for; needed.
    why: Option<String>,
}

/// Incidents, the newest first.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "incidents", params(IncidentsQuery), responses(
    (status = 200, description = "A page of them.", content((Page<IncidentView> = "application/json"), (String = "text/csv"))),
))]
pub(in crate::web) async fn list(
    Extension(api): Extension<ApiState>,
    asked: Asked,
    Query(wanted): Query<IncidentsQuery>,
) -> Result<Listing<IncidentView>, Failure> {
    let (limit, after) = (limit(wanted.limit)?, wanted.after);
    let is_first = after.is_none();
    let filter = IncidentFilter { open: wanted.open, probe: wanted.probe.clone() };
    let open = open(&api).await?;
    let mut page = api.read(api.reader.incidents(filter, limit, after)).await?;
    if is_first {
        let is_asked = |now: &&IncidentStatus| wanted.probe.is_none() || now.probe == wanted.probe;
        with_unwritten(&mut page.items, open.iter().filter(is_asked));
    }
    page.items.iter_mut().for_each(|incident| up_to_date(incident, &open, LISTED));
    Ok(Listing::of(page, wanted.format, &asked))
}

/// An incident with what happened to it and what was told of it.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "incidents",
    params(("id" = String, Path, description = "Its id, or of an open one its scope or a key.")),
    responses((status = 200, description = "The incident.", body = IncidentDetail)))]
pub(in crate::web) async fn one(
    Extension(api): Extension<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<IncidentDetail>, Failure> {
    let missing = format!("no incident `{}` is kept; `serinus incidents --all` lists them", short(&id));
    let open = open(&api).await?;
    let now = find(&open, &id);
    let kept = api.read(api.reader.incident(now.map_or(id, |now| now.id.clone()))).await?;
    let mut incident = kept.or_else(|| now.map(unwritten)).ok_or_else(|| Failure::unknown(missing))?;
    up_to_date(&mut incident.incident, &open, SHOWN);
    Ok(Json(incident))
}

/// An open incident that the store does not have yet: a channel may be told before that is written.
fn unwritten(now: &IncidentStatus) -> IncidentDetail {
    let opened_ms = ulid::Ulid::from_string(&now.id).ok().and_then(|id| i64::try_from(id.timestamp_ms()).ok());
    let incident = IncidentView {
        id: now.id.clone(),
        scope: now.scope.clone(),
        probe: now.probe.clone(),
        severity: now.severity.to_owned(),
        opened_ms: opened_ms.unwrap_or(now.since_ms),
        resolved_ms: None,
        details: json!({}),
    };
    IncidentDetail { incident, timeline: Vec::new(), tries: Vec::new() }
}

/// Puts open incidents that the store does not have yet before the newest ones, which `kept` are.
fn with_unwritten<'a>(kept: &mut Vec<IncidentView>, open: impl Iterator<Item = &'a IncidentStatus>) {
    let newest = kept.first().map_or(String::new(), |first| first.id.clone());
    let mut new: Vec<IncidentView> = open.filter(|now| now.id > newest).map(|now| unwritten(now).incident).collect();
    new.sort_by(|one, other| other.id.cmp(&one.id));
    kept.splice(..0, new);
}

/// What is known of an incident beyond its own record.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct AnalysisAnswer {
    /// The incident's id.
    incident: String,
    /// What broke, for whom.
    title: String,
    /// The moments from which it follows how long it took to be seen, taken up and ended.
    times: Times,
    /// How it ended, as far as it is told.
    ended: HowEnded,
    /// What the failing runs share, and who passes.
    shared: Shared,
    /// What changed before it, the latest first.
    changes: Vec<Change>,
    /// Earlier incidents of the same probe, those that failed alike first.
    earlier: Vec<Earlier>,
    /// Who failed in it, and canaries that failed once.
    members: Vec<Member>,
    /// How many members there are.
    members_total: usize,
    /// Failed runs that can be looked at.
    failures: Vec<FailedRun>,
    /// What happened, oldest first.
    timeline: Timeline,
    /// What people wrote about it, oldest first.
    notes: Vec<EventView>,
    /// Whether something of it could not be read.
    is_partial: bool,
}

/// What the failing runs of an incident share, what changed before it, whether it was seen before, and how long it took.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/analysis", tag = "incidents",
    params(("id" = String, Path, description = "Its id, or of an open one its scope or a key.")),
    responses((status = 200, description = "The analysis.", body = AnalysisAnswer)))]
pub(in crate::web) async fn analysis(
    Extension(api): Extension<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<AnalysisAnswer>, Failure> {
    let snapshot = api.snapshots.get(&api).await.ok_or_else(Failure::stopping)?;
    let facts = facts(&api, &snapshot, &id).await?;
    let notes = notes(&facts.events, Some(&facts.incident.id));
    let mut incident = facts.incident;
    incident.members.truncate(SHOWN);
    Ok(Json(AnalysisAnswer {
        incident: incident.id,
        title: incident.title,
        times: facts.times,
        ended: incident.how_ended,
        shared: facts.shared,
        changes: facts.changes,
        earlier: facts.earlier,
        members: incident.members,
        members_total: incident.members_total,
        failures: incident.failures,
        timeline: facts.timeline,
        notes,
        is_partial: incident.is_partial,
    }))
}

/// An incident that is kept.
pub(super) struct KnownIncident {
    pub(super) id: String,
    /// What it is about, such as `probe/checkout`.
    pub(super) scope: String,
    /// The probe, if it is about one.
    pub(super) probe: Option<String>,
}

/// The incident that is called so, open or ended.
pub(super) async fn known(api: &ApiState, called: &str) -> Result<KnownIncident, Failure> {
    if let Some(IncidentStatus { id, scope, probe, .. }) = find(&open(api).await?, called).cloned() {
        return Ok(KnownIncident { id, scope, probe });
    }
    let kept = api.read(api.reader.incident(called.to_owned())).await?;
    let kept = kept.ok_or_else(|| {
        Failure::unknown(format!("no incident `{}` is kept; `serinus incidents --all` lists them", short(called)))
    })?;
    let IncidentView { id, scope, probe, .. } = kept.incident;
    Ok(KnownIncident { id, scope, probe })
}

/// The open incident that is called so: by its id, its scope or a key.
pub(super) fn find<'i>(open: &'i [IncidentStatus], called: &str) -> Option<&'i IncidentStatus> {
    open.iter()
        .find(|incident| incident.id == called || incident.scope == called || incident.keys.iter().any(|key| key == called))
}

async fn open(api: &ApiState) -> Result<Vec<IncidentStatus>, Failure> {
    Ok(api.alerts.status().await.ok_or_else(|| api.without_status())?.incidents)
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

/// An acknowledgement, as one process asks another one for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ack {
    /// The incident, as it was called.
    pub(super) incident: String,
    /// Who is at it.
    pub(super) by: String,
    /// Why, in his words.
    pub(super) reason: Option<String>,
}

/// Says that somebody is at an open incident.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/ack", tag = "incidents", request_body = AckRequest,
    params(("id" = String, Path, description = "Its id, its scope or a key.")),
    responses((status = 200, description = "It is acknowledged.", body = AckAnswer)))]
pub(in crate::web) async fn acknowledge(
    Extension(api): Extension<ApiState>,
    Path(id): Path<String>,
    who: Who,
    Body(asked): Body<AckRequest>,
) -> Result<Json<AckAnswer>, Failure> {
    let ack = Ack { incident: id, by: who.or(asked.by), reason: said(asked.reason) };
    Ok(Json(match acknowledge_here(&api, &ack).await? {
        Some(answer) => answer,
        None => api.ask_evaluator(Verb::Acknowledge(ack)).await?,
    }))
}

/// Acknowledges it, if this process evaluates.
pub(super) async fn acknowledge_here(api: &ApiState, ack: &Ack) -> Result<Option<AckAnswer>, Failure> {
    let Ack { incident: id, by, reason } = ack;
    let incident = find(&open(api).await?, id).cloned();
    let acked = api.alerts.acknowledge(id.clone(), by.clone(), reason.clone()).await.ok_or_else(Failure::stopping)?;
    let Some(answer) = answer_to_ack(id, acked)? else { return Ok(None) };
    let text = format!("acknowledged by {by}: {}{}", members(answer.members), until_and_why(None, reason.as_deref()));
    audit(api, incident, by, "acknowledge", text);
    Ok(Some(answer))
}

/// What whoever asked is told; nothing where another process has the incidents.
fn answer_to_ack(id: &str, acked: Acked) -> Result<Option<AckAnswer>, Failure> {
    let acknowledged = id.to_owned();
    match acked {
        Acked::Elsewhere => Ok(None),
        Acked::Unknown => Err(not_open(id)),
        Acked::NothingTold => Err(Failure::conflict(
            "no channel has taken anything of it yet, so that there is nothing to acknowledge; `serinus status` says who is owed what",
        )),
        Acked::Already { by, at_ms, newly } => {
            let already = Some(AckedBefore { by: by.to_string(), at_ms });
            Ok(Some(AckAnswer { acknowledged, members: newly, already }))
        }
        Acked::Done { members } => Ok(Some(AckAnswer { acknowledged, members, already: None })),
    }
}

/// A closing, as one process asks another one for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Close {
    /// The incident, as it was called.
    pub(super) incident: String,
    /// Who closes it.
    pub(super) by: String,
    /// What for.
    pub(super) why: String,
}

/// Closes an open incident that nothing will settle.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/close", tag = "incidents", request_body = CloseRequest,
    params(("id" = String, Path, description = "Its id, its scope or a key.")),
    responses((status = 200, description = "It is closed.", body = CloseAnswer)))]
pub(in crate::web) async fn close(
    Extension(api): Extension<ApiState>,
    Path(id): Path<String>,
    who: Who,
    Body(asked): Body<CloseRequest>,
) -> Result<Json<CloseAnswer>, Failure> {
    let (Some(by), Some(why)) = (who.known_or(asked.by), said(asked.why)) else {
        return Err(Failure::bad("give `by` and `why`: who closes an incident and what for is told to everybody who was rung"));
    };
    let close = Close { incident: id, by, why };
    Ok(Json(match close_here(&api, &close).await? {
        Some(answer) => answer,
        None => api.ask_evaluator(Verb::Close(close)).await?,
    }))
}

/// Closes it, if this process evaluates.
pub(super) async fn close_here(api: &ApiState, close: &Close) -> Result<Option<CloseAnswer>, Failure> {
    let Close { incident: id, by, why } = close;
    let incident = find(&open(api).await?, id).cloned();
    let closed = api.alerts.close(id.clone(), by.clone(), why.clone()).await.ok_or_else(Failure::stopping)?;
    let Some(answer) = answer_to_close(id, closed)? else { return Ok(None) };
    let text = format!("closed by {by}: {}{}", members(answer.members), until_and_why(None, Some(why)));
    audit(api, incident, by, "close", text);
    Ok(Some(answer))
}

impl Api {
    /// Has whoever evaluates for the fleet do it.
    async fn ask_evaluator<T: DeserializeOwned>(&self, verb: Verb) -> Result<T, Failure> {
        // Without others this process evaluates.
        let others = self.others.as_ref().ok_or_else(Failure::internal)?;
        others.ask(LeaseName::Evaluator, verb).await
    }
}

/// What whoever asked is told; nothing where another process has the incidents.
fn answer_to_close(id: &str, closed: Closed) -> Result<Option<CloseAnswer>, Failure> {
    match closed {
        Closed::Elsewhere => Ok(None),
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
        Closed::Done { members } => Ok(Some(CloseAnswer { closed: id.to_owned(), members })),
    }
}

fn audit(api: &ApiState, incident: Option<IncidentStatus>, by: &str, what: &'static str, text: String) {
    let (id, probe) = incident.map(|incident| (incident.id, incident.probe)).unzip();
    api.audit(Action { by, what, probe: probe.flatten(), incident: id, text });
}

/// `9 members`
fn members(count: usize) -> String {
    if count == 1 { "1 member".to_owned() } else { format!("{count} members") }
}

pub(super) fn not_open(id: &str) -> Failure {
    Failure::unknown(format!("no incident `{}` is open; `serinus incidents` lists those that are", short(id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse as _;

    fn now(id: &str) -> IncidentStatus {
        IncidentStatus {
            id: id.to_owned(),
            scope: "probe/p".to_owned(),
            probe: Some("p".to_owned()),
            key: None,
            keys: Vec::new(),
            severity: "page",
            title: "p fails in eu".to_owned(),
            since_ms: 5,
            critical: Vec::new(),
            members: Vec::new(),
            members_total: 1,
            suspects: 0,
            failures: Vec::new(),
            unanswered: 1,
            acknowledged: Vec::new(),
            told: Vec::new(),
            owed: Vec::new(),
        }
    }

    #[test]
    fn an_open_incident_is_shown_before_the_store_has_it() {
        let open = [now("01KAPB0000AAAAAAAAAAAAAAAA"), now("01KAPC0000AAAAAAAAAAAAAAAA")];
        let mut detail = unwritten(&open[1]);
        up_to_date(&mut detail.incident, &open, SHOWN);
        assert_eq!((detail.incident.severity.as_str(), detail.incident.resolved_ms), ("page", None));
        assert!(detail.incident.opened_ms > 1_700_000_000_000 && detail.incident.details["members"].is_array());
        let kept = |id: &str| unwritten(&now(id)).incident;
        let listed = |mut items: Vec<IncidentView>| -> Vec<String> {
            with_unwritten(&mut items, open.iter());
            items.into_iter().map(|one| one.id[..6].to_owned()).collect()
        };
        assert_eq!(listed(Vec::new()), ["01KAPC", "01KAPB"]);
        assert_eq!(
            listed(vec![kept("01KAPB0000AAAAAAAAAAAAAAAA"), kept("01KAPA0000AAAAAAAAAAAAAAAA")]),
            ["01KAPC", "01KAPB", "01KAPA"]
        );
        assert_eq!(listed(vec![kept("01KAPC0000AAAAAAAAAAAAAAAA")]), ["01KAPC"]);
    }

    fn status<T>(answer: Result<T, Failure>) -> u16 {
        answer.map_or_else(|failure| failure.into_response().status().as_u16(), |_| 200)
    }

    #[test]
    fn a_second_acknowledgement_says_who_was_first_and_what_it_newly_covers() {
        let answer = answer_to_ack("01X", Acked::Already { by: "ann".into(), at_ms: 5, newly: 2 }).unwrap().unwrap();
        let answer = serde_json::to_value(answer).unwrap();
        assert_eq!(answer, json!({ "acknowledged": "01X", "members": 2, "already": { "by": "ann", "at_ms": 5 } }));
        let first = answer_to_ack("01X", Acked::Done { members: 9 }).unwrap().unwrap();
        let first = serde_json::to_value(first).unwrap();
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
