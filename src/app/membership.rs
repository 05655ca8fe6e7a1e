//! The part of a service in its fleet: waiting for its region, what alerting has to know of it, and the task that keeps it.

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant, SystemTime};

use futures::FutureExt as _;

use crate::alert::{AlertPart, Alerts, Evaluation, FleetPart, ReadEvaluation};
use crate::fleet::{
    Announcing, Answerer, Keeper, KeeperParts, Lately, LeaseWatch, Member, Roster, hand_in_cleanups, hand_in_states,
};
use crate::history::{Epoch, Fleet, ReadError, Recorder, Recovery, StartState, Store};
use crate::plan::{Fingerprints, FleetSettings, Plan};
use crate::web::Others;

use super::last_seen;
use super::reload::fingerprints;
use super::running::StartError;
use super::standby::{StandbyParts, Waiting};
use super::started::Started;
use super::storage::Sharing;

/// What whoever evaluates has written, and the facts of regions other than this process's own, where it knows those by itself.
async fn read_evaluation(
    recovery: Arc<dyn Recovery>,
    fleet: Arc<dyn Fleet>,
    own: Option<Arc<str>>,
) -> Result<Evaluation, ReadError> {
    let remembered = recovery.start_state(SystemTime::now()).await?;
    let facts = fleet.facts().await?.facts.into_iter().filter(|fact| own.as_deref() != Some(&*fact.region)).collect();
    let probers = Roster::of(Vec::new(), &fleet.leases().await?).probers.into_iter();
    let heard = probers.flat_map(|prober| prober.regions.into_iter().map(move |region| (region, prober.heard))).collect();
    Ok(Evaluation { remembered, facts, heard })
}

/// How long what whoever evaluates had written is told on.
const FRESH: Duration = Duration::from_secs(3);

/// Reads what whoever evaluates has written, for a process that does not, and that knows the facts of its `own` region if there is one.
pub(super) fn evaluation(recovery: Arc<dyn Recovery>, fleet: Arc<dyn Fleet>, own: Option<Arc<str>>) -> ReadEvaluation {
    let lately = Arc::new(Lately::new(FRESH));
    Arc::new(move || {
        let evaluation = read_evaluation(Arc::clone(&recovery), Arc::clone(&fleet), own.clone());
        let lately = Arc::clone(&lately);
        async move { lately.get(evaluation).await }.boxed()
    })
}

/// A process that has the lease of its region.
pub(super) struct Membership {
    member: Member,
    announcing: Announcing,
    fleet: Arc<dyn Fleet>,
    settings: FleetSettings,
    region: Epoch,
    evaluator: LeaseWatch,
}

impl Membership {
    /// Waits until no other instance probes this one's region, and says meanwhile that it stands by. `stands_by` is given who this
    /// process is, where it has to wait.
    pub(super) async fn begin(
        fleet: Arc<dyn Fleet>,
        settings: FleetSettings,
        plan: &Plan,
        in_force: Arc<RwLock<Fingerprints>>,
        stands_by: impl FnOnce(Others),
    ) -> Result<Self, ReadError> {
        let regions = plan.regions.iter().map(|region| Arc::clone(&region.name)).collect();
        let member = Member::new(Arc::clone(&fleet), &settings, regions, in_force);
        let announcing = member.announce();
        let others = Others::new(Arc::clone(&fleet), member.holder().to_owned());
        let region = member.wait_for_region(settings.alone_after, || stands_by(others)).await?;
        let evaluator = member.watch();
        Ok(Self { member, announcing, fleet, settings, region, evaluator })
    }

    /// What alerting starts with.
    pub(super) async fn part(
        &self,
        recovery: Arc<dyn Recovery>,
        journal: Option<Arc<dyn Recorder>>,
    ) -> Result<FleetPart, ReadError> {
        let facts = self.fleet.facts().await?.facts.into_iter().filter(|fact| fact.json.is_some());
        let reported = facts.filter(|fact| *fact.region == *self.settings.member).collect();
        let evaluates = self.evaluates();
        let read = evaluation(recovery, Arc::clone(&self.fleet), Some(Arc::clone(&self.settings.member)));
        Ok(FleetPart { reported, may_send: Arc::new(evaluates), read, journal })
    }

    /// Whether it is certain that this process evaluates for the fleet.
    pub(super) fn evaluates(&self) -> impl Fn() -> bool + Send + Sync + Clone + 'static {
        let evaluator = self.evaluator.clone();
        move || evaluator.is_certain(Instant::now(), SystemTime::now())
    }

    /// The other processes, as this one asks them, and who does what they ask of this one.
    pub(super) fn others(&self, fleet: Arc<dyn Fleet>) -> (Others, Answerer) {
        let others = Others::new(fleet, self.member.holder().to_owned());
        (others, Answerer::new(self.member.clone(), self.evaluator.clone()))
    }

    /// Keeps the leases from now on.
    pub(super) fn keep(self, store: Arc<dyn Store>, alerts: Alerts) -> Keeper {
        let Self { member, announcing, settings, region, evaluator, .. } = self;
        let alone_after = settings.alone_after;
        Keeper::start(KeeperParts { member, region, evaluator, store, alone_after, alerts }, announcing)
    }
}

/// What a process has that may begin to probe.
pub(super) struct Joined {
    pub(super) start_state: StartState,
    pub(super) membership: Option<Membership>,
    pub(super) part: AlertPart,
    /// What other processes compare its configuration by.
    pub(super) in_force: Arc<RwLock<Fingerprints>>,
}

/// Waits for the region of this process, where it is one of a fleet. What the store remembers is read again then, since another instance
/// has written meanwhile.
pub(super) async fn joined(sharing: Sharing, parts: StandbyParts, started: &mut Started) -> Result<Joined, StartError> {
    let in_force = Arc::new(RwLock::new(fingerprints(&parts.service)));
    let joined = |start_state, part| Joined { start_state, membership: None, part, in_force: Arc::clone(&in_force) };
    let (fleet, journal, spool) = match sharing {
        Sharing::Fleet { fleet, journal, spool } => (fleet, journal, spool),
        Sharing::Own => return Ok(joined(parts.remembered, AlertPart::Single)),
        Sharing::Journal { is_reached } => return Ok(joined(alone(parts.remembered), AlertPart::Alone { is_reached })),
    };
    let Some(settings) = parts.service.fleet.clone() else { return Ok(joined(parts.remembered, AlertPart::Single)) };
    let (plan, store) = (Arc::clone(&parts.service.plan), Arc::clone(&parts.store));
    // One that stands by is as ready as it can be: a roll-out goes on, and ends the instance that it waits for.
    started.server.iter().for_each(|server| server.set_ready(true));
    let journalled = journal.as_deref().map(|journal| (journal, &*store));
    if let Some((journal, store)) = journalled {
        match hand_in_cleanups(journal, store).await {
            Ok(0) => {}
            Ok(cleanups) => tracing::info!(cleanups, "what was left in the journal to be cleaned up is in the store"),
            Err(error) => unreadable(&error),
        }
    }
    let standby = &mut started.standby;
    let (its_fleet, its_journal, its_fingerprints) = (Arc::clone(&fleet), journal.clone(), Arc::clone(&in_force));
    let stands_by = |others| {
        *standby = parts.start(Waiting { fleet: its_fleet, journal: its_journal, others, in_force: its_fingerprints });
    };
    let membership = Membership::begin(fleet, settings, &plan, Arc::clone(&in_force), stands_by).await;
    let membership = membership.map_err(StartError::Store)?;
    let remembered = store.start_state(SystemTime::now()).await.map_err(StartError::Store)?;
    if let Some((journal, store)) = journalled
        && let Err(error) = hand_in_states(journal, store, &remembered).await
    {
        unreadable(&error);
    }
    spool.hand_in(&*store, &remembered.last_ticks).await;
    let journal = journal.map(|journal| journal as Arc<dyn Recorder>);
    let part = membership.part(store.clone(), journal).await.map_err(StartError::Store)?;
    let start_state = store.start_state(SystemTime::now()).await.map_err(StartError::Store)?;
    Ok(Joined { start_state, membership: Some(membership), part: AlertPart::Fleet(part), in_force })
}

fn unreadable(error: &ReadError) {
    let error = error as &dyn std::error::Error;
    tracing::error!(error, "the journal cannot be read; what an earlier process left there stays there");
}

/// What a journal remembers. When this process was last there, only the store of the fleet knows, which finds the ticks that were missed.
fn alone(journal: StartState) -> StartState {
    metrics::gauge!("serinus_fleet_alone").set(1.0);
    let states = journal.states.into_iter().filter(|state| !last_seen::KINDS.contains(&&*state.kind)).collect();
    StartState { states, last_ticks: Vec::new(), ..journal }
}
