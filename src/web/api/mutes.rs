//! Muting a known bug: one reason or one subject of a probe, which goes on being run. Mutes outlive the process, as pauses do: they
//! are kept in the store as states of the kind `mute`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::extract::Query;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::alert::{Event, Mute, Mutes};
use crate::base::did_you_mean;
use crate::base::time::{epoch_ms, now_ms};
use crate::history::{Commit, Page, RestoredState, StateRow};
use crate::outcome::{Reason, Verdict, visible};

use super::audit::{Action, Who};
use super::body::Body;
use super::runs::short;
use super::table::{Asked, FormatQuery, Listing};
use super::verbs::{lasting, said, until_and_why};
use super::{Api, ApiState, Failure, names};

const KIND: &str = "mute";

/// Mutes there may be at once; each is told to whoever asks for the status.
const MOST: usize = 1_000;

/// The longest name of a subject that can be muted, in characters.
const LONGEST: usize = 500;

/// What is muted, by probe and part.
type MutesByPart = BTreeMap<(Arc<str>, Mutes), Mute>;

/// The mutes of a service.
#[derive(Debug, Default)]
pub struct MuteList {
    list: Mutex<MutesByPart>,
    /// What alerting was told last.
    synced: Mutex<Vec<Mute>>,
}

impl MuteList {
    /// The stored mutes that are not over.
    pub fn restored(states: &[RestoredState], now: SystemTime) -> Self {
        let kept = states.iter().filter(|state| state.kind == KIND).filter_map(|state| serde_json::from_str(&state.json).ok());
        let list = kept.filter(|mute: &Mute| mute.holds(epoch_ms(now))).map(|mute| (id(&mute), mute)).collect();
        Self { list: Mutex::new(list), synced: Mutex::default() }
    }

    /// Takes a mute that was made or ended on another process, by the key of its row.
    pub(super) fn take(&self, key: &str, json: Option<&str>) {
        match json.map(serde_json::from_str::<Mute>) {
            Some(Ok(mute)) => {
                self.lock().insert(id(&mute), mute);
            }
            Some(Err(error)) => tracing::error!(key, %error, "a mute cannot be read and is left out"),
            None => self.lock().retain(|_, mute| row(mute, false).key != key),
        }
    }

    /// Those in force, by probe and part.
    pub(crate) fn in_force(&self) -> Vec<Mute> {
        let now = now_ms();
        self.lock().values().filter(|mute| mute.holds(now)).cloned().collect()
    }

    /// Takes out those that are over.
    fn ended(&self) -> Vec<Mute> {
        let now = now_ms();
        let mut list = self.lock();
        let over: Vec<Mute> = list.values().filter(|mute| !mute.holds(now)).cloned().collect();
        list.retain(|_, mute| mute.holds(now));
        over
    }

    fn lock(&self) -> MutexGuard<'_, MutesByPart> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn id(mute: &Mute) -> (Arc<str>, Mutes) {
    (Arc::clone(&mute.probe), mute.mutes.clone())
}

/// The row that keeps a mute, or forgets it.
fn row(mute: &Mute, keep: bool) -> StateRow {
    let json = keep.then(|| serde_json::to_string(mute).expect("texts and numbers have a JSON spelling"));
    let (part, name) = match &mute.mutes {
        Mutes::Reason(reason) => ("reason", reason),
        Mutes::Subject(subject) => ("subject", subject),
    };
    StateRow { kind: KIND, key: format!("{}/{part}/{name}", mute.probe), json }
}

/// What is to be muted, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct MuteRequest {
    /// The probe's name.
    probe: String,
    /// The reason that is muted; this or a subject.
    reason: Option<String>,
    /// The subject that is muted, in at most 500 characters.
    subject: Option<String>,
    /// For how long, at most a year; until somebody says so if absent.
    #[schema(exclusive_minimum = 0, maximum = 31_622_400)]
    for_seconds: Option<f64>,
    /// Who says so.
    by: Option<String>,
    /// What for.
    why: Option<String>,
}

/// What is not to be muted any more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct UnmuteRequest {
    /// The probe's name.
    probe: String,
    /// The reason that is muted; this or a subject.
    reason: Option<String>,
    /// The subject that is muted.
    subject: Option<String>,
    /// Who says so.
    by: Option<String>,
}

/// What of a probe is muted.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct MuteView {
    /// The probe's name.
    probe: String,
    /// The reason that is muted; this or a subject.
    reason: Option<String>,
    /// The subject that is muted.
    subject: Option<String>,
    /// Since when, milliseconds since the epoch.
    since_ms: i64,
    /// Until when; until somebody says so if absent.
    until_ms: Option<i64>,
    /// Who said so.
    by: String,
    /// What for.
    why: Option<String>,
}

/// What is muted now.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct MuteAnswer {
    /// The mute.
    muted: MuteView,
    /// Whether that is durable already.
    kept: bool,
}

/// What is not muted any more.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct UnmuteAnswer {
    /// The mute that ended.
    unmuted: MuteView,
    /// Whether that is durable already.
    kept: bool,
}

/// What is muted.
#[utoipa::path(get, path = "/api/v1/mutes", tag = "quiet", params(FormatQuery), responses(
    (status = 200, description = "All of them.", content((Page<MuteView> = "application/json"), (String = "text/csv"))),
))]
pub(in crate::web) async fn list(
    Extension(api): Extension<ApiState>,
    asked: Asked,
    Query(wanted): Query<FormatQuery>,
) -> Listing<MuteView> {
    Listing::all(api.mutes.in_force().iter().map(shown).collect(), wanted.format, &asked)
}

/// Mutes a reason or a subject of a probe; a mute of the same is replaced.
#[utoipa::path(post, path = "/api/v1/mutes", tag = "quiet", request_body = MuteRequest,
    responses((status = 200, description = "It is muted.", body = MuteAnswer)))]
pub(in crate::web) async fn mute(
    Extension(api): Extension<ApiState>,
    who: Who,
    Body(asked): Body<MuteRequest>,
) -> Result<Json<MuteAnswer>, Failure> {
    let mutes = part(asked.reason, asked.subject)?;
    if let Mutes::Reason(word) = &mutes {
        known_reason(word)?;
    }
    let probe = names::probe(&api.plan(), &asked.probe)?;
    let until = asked.for_seconds.map(lasting).transpose()?.map(|lasting| SystemTime::now() + lasting);
    let mute = Mute {
        probe,
        mutes,
        since_ms: now_ms(),
        until_ms: until.map(epoch_ms),
        by: who.or(asked.by).into(),
        why: said(asked.why).map(Into::into),
    };
    {
        let mut list = api.mutes.lock();
        if list.len() >= MOST && !list.contains_key(&id(&mute)) {
            return Err(Failure::conflict(format!("{MOST} things are muted already; `serinus status` lists them: end some")));
        }
        list.insert(id(&mute), mute.clone());
    }
    api.sync_mutes();
    let text = format!("{} of `{}` muted by {}{}", mute.mutes, mute.probe, mute.by, until_and_why(until, mute.why.as_deref()));
    api.audit(Action { by: &mute.by, what: "mute", probe: Some(mute.probe.to_string()), incident: None, text });
    let kept = api.store_state(row(&mute, true)).await;
    Ok(Json(MuteAnswer { muted: shown(&mute), kept }))
}

/// Ends a mute.
#[utoipa::path(post, path = "/api/v1/mutes/end", tag = "quiet", request_body = UnmuteRequest,
    responses((status = 200, description = "It is over.", body = UnmuteAnswer)))]
pub(in crate::web) async fn end(
    Extension(api): Extension<ApiState>,
    who: Who,
    Body(asked): Body<UnmuteRequest>,
) -> Result<Json<UnmuteAnswer>, Failure> {
    let mutes = part(asked.reason, asked.subject)?;
    // The probe may have been removed from the configuration since.
    let found = api.mutes.lock().remove(&(Arc::from(&*asked.probe), mutes.clone()));
    let Some(mute) = found else {
        names::probe(&api.plan(), &asked.probe)?;
        return Err(Failure::conflict(format!("{mutes} of `{}` is not muted; `serinus status` lists what is", asked.probe)));
    };
    api.sync_mutes();
    let by = who.or(asked.by);
    let text = format!("{} of `{}` unmuted by {by}", mute.mutes, mute.probe);
    api.audit(Action { by: &by, what: "unmute", probe: Some(mute.probe.to_string()), incident: None, text });
    let kept = api.store_state(row(&mute, false)).await;
    Ok(Json(UnmuteAnswer { unmuted: shown(&mute), kept }))
}

impl Api {
    /// Tells alerting what is muted now, if that changed: somebody said so, or a mute ended by itself.
    pub fn sync_mutes(&self) {
        // The lock is held while the list is read and sent, so that the newest list is sent last.
        let mut synced = self.mutes.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let over = self.mutes.ended();
        if !over.is_empty() {
            self.recorder.record(Commit { states: over.iter().map(|mute| row(mute, false)).collect(), ..Commit::default() });
        }
        let in_force = self.mutes.in_force();
        if *synced != in_force {
            self.alerts.event(Event::Muted(in_force.clone()));
            *synced = in_force;
        }
    }

    /// Writes a state. Returns whether that is durable; where the store is away it is tried on until it is.
    pub(in crate::web) async fn store_state(&self, row: StateRow) -> bool {
        let durable = self.recorder.commit(Commit { states: vec![row.clone()], ..Commit::default() });
        let written = self.others.is_some().then(|| self.written.clone());
        let noted = tokio::spawn(async move {
            let is_durable = durable.await.is_ok();
            if let Some(written) = written.filter(|_| is_durable) {
                written.note(row);
            }
            is_durable
        });
        tokio::time::timeout(super::pauses::DURABLE_WITHIN, noted)
            .await
            .is_ok_and(|noted| noted.is_ok_and(|is_durable| is_durable))
    }
}

/// A mute as the API shows it.
pub(super) fn shown(mute: &Mute) -> MuteView {
    let (reason, subject) = match &mute.mutes {
        Mutes::Reason(reason) => (Some(reason.to_string()), None),
        Mutes::Subject(subject) => (None, Some(subject.to_string())),
    };
    MuteView {
        probe: mute.probe.to_string(),
        reason,
        subject,
        since_ms: mute.since_ms,
        until_ms: mute.until_ms,
        by: mute.by.to_string(),
        why: mute.why.as_deref().map(str::to_owned),
    }
}

/// Exactly one of the two.
fn part(reason: Option<String>, subject: Option<String>) -> Result<Mutes, Failure> {
    let (reason, subject) = (said(reason), subject.filter(|subject| !subject.trim().is_empty()));
    match (reason, subject) {
        (Some(reason), None) => Ok(Mutes::Reason(reason.into())),
        (None, Some(subject)) if subject.chars().count() <= LONGEST => Ok(Mutes::Subject(visible(&subject).into())),
        (None, Some(_)) => Err(Failure::bad(format!("the name of a subject has at most {LONGEST} characters"))),
        (None, None) | (Some(_), Some(_)) => {
            Err(Failure::bad("give `reason` or `subject`, one of them; to mute all of a probe, pause it (`serinus pause`)"))
        }
    }
}

/// Errors unless a canary can have failed for this reason.
fn known_reason(word: &str) -> Result<(), Failure> {
    // A run of which only subjects failed is no failure of its canary: there is nothing to be muted by that reason.
    let may = |reason: &Reason| Verdict::of(*reason) == Verdict::Failed && *reason != Reason::Subject;
    let known: Vec<&str> = Reason::ALL.iter().filter(|reason| may(reason)).map(|reason| reason.as_str()).collect();
    if known.contains(&word) {
        return Ok(());
    }
    let hint = did_you_mean(word, known.iter().copied()).unwrap_or_else(|| {
        if word == Reason::Subject.as_str() {
            "mute a subject by its name, with `subject`".to_owned()
        } else {
            format!("known are {}", known.join(", "))
        }
    });
    Err(Failure::bad(format!("`{}` is no reason for which a run fails; {hint}", short(word))))
}
