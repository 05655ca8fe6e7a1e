//! Reads what is known of one incident: a handful of questions to the store, however many canaries it has.
//!
//! What cannot be read is left out, and the page says so.

use std::sync::Arc;

use futures::future::join_all;

use crate::alert::status::{CanaryStatus, Health, IncidentStatus};
use crate::history::{EventFilter, EventKind, EventView, IncidentDetail, IncidentFilter, IncidentView, Page, RunFilter, RunView};
use crate::plan::Plan;
use crate::web::Api;
use crate::web::api::Failure;
use crate::web::model::Snapshot;
use crate::web::model::incident::before::{self, Change};
use crate::web::model::incident::seen::{self, Earlier};
use crate::web::model::incident::shared::{Shared, shared};
use crate::web::model::incident::timeline::{Timeline, timeline};
use crate::web::model::incident::times::{Times, times};
use crate::web::model::incident::users::Users;
use crate::web::model::incident::{FailedRun, IncidentModel, Member, Standing, detail};
use crate::web::model::words;

/// Failed runs that are read.
const RUNS: usize = 500;
/// Failed runs whose details are read.
const DETAILS: usize = 3;
/// Events that are read of each kind.
const EVENTS: usize = 200;

/// What is known of an incident.
pub(in crate::web) struct IncidentFacts {
    pub(in crate::web) plan: Arc<Plan>,
    pub(in crate::web) incident: IncidentModel,
    pub(in crate::web) shared: Shared,
    pub(in crate::web) changes: Vec<Change>,
    pub(in crate::web) earlier: Vec<Earlier>,
    pub(in crate::web) timeline: Timeline,
    pub(in crate::web) times: Times,
    /// Whom it may have reached, if the probe states how many take its journey.
    pub(in crate::web) users: Option<Users>,
    /// All that were read, newest first.
    pub(in crate::web) events: Vec<EventView>,
    /// Its probe's runs that did not pass meanwhile, newest first.
    pub(in crate::web) runs: Vec<RunView>,
    /// Whether its probe is configured.
    pub(in crate::web) has_probe: bool,
}

/// What the store answers; nothing of what it does not, which is remembered.
struct Reading<'a> {
    api: &'a Api,
    is_partial: bool,
}

impl Reading<'_> {
    async fn page<T>(&mut self, answer: crate::history::ReadFuture<Page<T>>) -> Page<T> {
        match self.api.read(answer).await {
            Ok(page) => page,
            Err(_unreadable) => {
                self.is_partial = true;
                Page { items: Vec::new(), next: None }
            }
        }
    }

    async fn details(&mut self, ids: impl Iterator<Item = String>) -> Vec<IncidentDetail> {
        let answers = join_all(ids.map(|id| self.api.read(self.api.reader.incident(id)))).await;
        self.is_partial |= answers.iter().any(Result::is_err);
        answers.into_iter().filter_map(Result::ok).flatten().collect()
    }

    /// Failed runs with what only their details tell.
    async fn failed(&mut self, ids: impl Iterator<Item = String>) -> Vec<FailedRun> {
        let answers = join_all(ids.map(|id| self.api.read(self.api.reader.run(id)))).await;
        self.is_partial |= answers.iter().any(Result::is_err);
        answers.into_iter().filter_map(Result::ok).flatten().filter_map(|run| detail::failed_run(&run)).collect()
    }
}

/// Everything about the incident of this id, scope or key.
pub(in crate::web) async fn facts(api: &Api, snapshot: &Snapshot, id: &str) -> Result<IncidentFacts, Failure> {
    let called =
        |incident: &&IncidentStatus| incident.id == id || incident.scope == id || incident.keys.iter().any(|key| key == id);
    let open = snapshot.status.incidents.iter().find(called);
    let kept = api.read(api.reader.incident(open.map_or(id, |open| &open.id).to_owned())).await;
    let mut reading = Reading { api, is_partial: kept.is_err() };
    let mut incident = match (open, kept) {
        (Some(open), kept) => IncidentModel::open(open, kept.ok().flatten(), false),
        (None, Ok(Some(kept))) => IncidentModel::kept(kept),
        (None, Ok(None)) => {
            let id = words::clip(id, 200);
            return Err(Failure::unknown(format!("No incident `{id}` is kept. It may be too old, or its id is not whole.")));
        }
        (None, Err(failure)) => return Err(failure),
    };
    let now_ms = snapshot.at_ms;
    let runs = runs(&mut reading, &incident, now_ms).await;
    with_details(&mut reading, &mut incident, &runs.items).await;
    let events = events(&mut reading, &incident, now_ms).await;
    let before = before(&mut reading, &incident).await;
    let ids = before.iter().map(|one| one.id.clone()).filter(|id| *id != incident.id).take(seen::MOST);
    let known = reading.details(ids.collect::<Vec<_>>().into_iter()).await;
    incident.is_partial = reading.is_partial;
    let of_probe = |canary: &&CanaryStatus| incident.probe.as_deref() == Some(canary.probe.as_str());
    let canaries: Vec<&CanaryStatus> = snapshot.status.canaries.iter().filter(of_probe).collect();
    let shared = shared(&incident, &canaries, &runs.items, runs.next.is_none());
    let plan = api.plan();
    let probe = plan.probes.iter().find(|probe| incident.probe.as_deref() == Some(&*probe.name));
    let users = probe.and_then(|probe| Users::of(&incident, probe.users_per_hour?, canaries.len(), now_ms));
    let has_probe = incident.probe.is_none() || probe.is_some();
    if incident.ended_ms.is_none() && incident.is_of_runs() {
        let suspects = canaries.iter().filter(|canary| canary.standing == Health::Suspect);
        incident.members.extend(suspects.map(|canary| suspect(canary)));
    }
    Ok(IncidentFacts {
        users,
        changes: before::changes(&events, incident.since_ms),
        earlier: seen::earlier(&incident, &before, &known, &events),
        timeline: timeline(&incident, &events, &shared.first.place, now_ms),
        times: times(&incident),
        has_probe,
        plan,
        shared,
        events,
        runs: runs.items,
        incident,
    })
}

fn suspect(canary: &CanaryStatus) -> Member {
    Member {
        name: canary.canary.clone(),
        canary: Some(canary.canary.clone()),
        region: canary.region.clone(),
        cell: canary.cell.clone(),
        standing: Standing::Suspect,
        since_ms: canary.since_ms.unwrap_or(0),
        failures: canary.failures,
        of: 0,
        reason: canary.step.clone(),
        why: None,
    }
}

async fn runs(reading: &mut Reading<'_>, incident: &IncidentModel, now_ms: i64) -> Page<RunView> {
    if incident.probe.is_none() {
        return Page { items: Vec::new(), next: None };
    }
    let filter = RunFilter {
        probe: incident.probe.clone(),
        not_passed: true,
        // The first run may have started late.
        since_ms: Some(incident.since_ms - 60_000),
        until_ms: Some(incident.until_ms(now_ms).saturating_add(1)),
        ..RunFilter::default()
    };
    reading.page(reading.api.reader.runs(filter, RUNS, None)).await
}

/// Adds what the details of some failed runs tell; where nothing told of any, these are the newest of the store.
async fn with_details(reading: &mut Reading<'_>, incident: &mut IncidentModel, runs: &[RunView]) {
    let known: Vec<String> = incident.failures.iter().map(|run| run.run_id.clone()).collect();
    let newest = runs.iter().filter(|run| run.verdict == "failed").map(|run| run.run_id.clone());
    let ids: Vec<String> = if known.is_empty() { newest.take(1).collect() } else { known.into_iter().take(DETAILS).collect() };
    let detailed = reading.failed(ids.into_iter()).await;
    for run in detailed {
        match incident.failures.iter_mut().find(|known| known.run_id == run.run_id) {
            Some(known) => known.host = run.host,
            None => incident.failures.push(run),
        }
    }
}

/// What changed before it and while it lasted, what was done and written about it, and the notes of earlier ones.
async fn events(reading: &mut Reading<'_>, incident: &IncidentModel, now_ms: i64) -> Vec<EventView> {
    // What came before has a question of its own, so that many deployments since do not push it out.
    let between = |since_ms, until_ms| EventFilter {
        kinds: before::KINDS.to_vec(),
        probe: incident.probe.clone(),
        incident: None,
        since_ms: Some(since_ms),
        until_ms: Some(until_ms),
    };
    let begun = incident.since_ms.saturating_add(1);
    let before = between(incident.since_ms.saturating_sub(before::WITHIN_MS), begun);
    let since = between(begun, incident.until_ms(now_ms).saturating_add(1));
    let own = EventFilter { incident: Some(incident.id.clone()), ..EventFilter::default() };
    let notes = EventFilter { kinds: vec![EventKind::Note], probe: incident.probe.clone(), ..EventFilter::default() };
    let mut events: Vec<EventView> = Vec::new();
    for filter in [before, since, own, notes] {
        let page = reading.page(reading.api.reader.events(filter, EVENTS, None)).await;
        events.extend(page.items);
    }
    events.sort_by(|one, other| (other.at_ms, &other.id).cmp(&(one.at_ms, &one.id)));
    events.dedup_by(|one, other| one.id == other.id);
    events
}

async fn before(reading: &mut Reading<'_>, incident: &IncidentModel) -> Vec<IncidentView> {
    if incident.probe.is_none() {
        return Vec::new();
    }
    let filter = IncidentFilter { open: false, probe: incident.probe.clone() };
    let page = reading.page(reading.api.reader.incidents(filter, 20, None)).await;
    page.items.into_iter().filter(|one| one.scope == incident.scope && one.opened_ms < incident.since_ms).collect()
}
