//! A service while it stands by: another instance probes its region, and this one shows the whole fleet.
//!
//! It has the parts that its pages and its API ask, and nothing else: a scheduler without canaries, and alerts that report nothing and
//! read what whoever evaluates has written. What people do goes through the store to whom it concerns. Nothing is written of what belongs
//! to the region, since whoever probes it writes that, and no page and no heartbeat is sent. All of it ends once the region is this one's.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

use crate::alert::channel::HttpClient;
use crate::alert::{AlertPart, AlertParts, AlertThread, Alerts, FleetPart, Mute, Paused};
use crate::config::Loaded;
use crate::history::{Commit, Durable, Fleet, Recorder, StartState, Store};
use crate::outcome::{FanOut, Secrets};
use crate::plan::{CanaryId, Fingerprints, Service};
use crate::run::SelfCheck;
use crate::schedule::{Job, Runner, Scheduler};
use crate::telemetry::{Metrics, Telemetry};
use crate::web::{Api, CertificateList, MuteList, Others, Recent, RouterState, Snapshots, SyncedPauses, WrittenStates};

use super::following::Following;
use super::last_seen::LastSeenLog;
use super::membership::evaluation;
use super::reload::{ActiveConfig, ConfigSource, ConfigWatcher, ReloadTargets, Reloader};
use super::running::{StartError, kept_pauses, pauses_that_end, verb};

/// How often its jobs are done.
const JOBS: Duration = Duration::from_secs(5);

/// What a service has that may have to stand by.
pub(super) struct StandbyParts {
    pub(super) service: Service,
    pub(super) source: Option<Arc<ConfigSource>>,
    pub(super) secrets: Arc<Secrets>,
    pub(super) runner: Arc<dyn Runner>,
    pub(super) store: Arc<dyn Store>,
    /// What the store remembered when the process began.
    pub(super) remembered: StartState,
    pub(super) self_check: Option<SelfCheck>,
    /// What the listener answers with.
    pub(super) shared: RouterState,
    /// Where it answers.
    pub(super) address: SocketAddr,
}

/// Where a service that stands by is in its fleet.
pub(super) struct Waiting {
    pub(super) fleet: Arc<dyn Fleet>,
    pub(super) journal: Option<Arc<dyn Store>>,
    pub(super) others: Others,
    /// What other processes compare its configuration by.
    pub(super) in_force: Arc<RwLock<Fingerprints>>,
}

/// What runs while a service stands by.
pub(super) struct Standby {
    alerts: AlertThread,
    scheduler: Scheduler,
    following: Following,
    jobs: AbortOnDropHandle<()>,
    config_watcher: Option<ConfigWatcher>,
}

impl StandbyParts {
    /// Starts it, on the runtime it is called on. Where that cannot be, the instance waits for its region all the same.
    pub(super) fn start(self, waiting: Waiting) -> Option<Standby> {
        let address = self.address;
        match self.begin(waiting) {
            Ok(standby) => {
                tracing::info!(pages = %format_args!("http://{address}/"), "this instance stands by and shows the whole fleet");
                Some(standby)
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "this instance stands by, and can show nothing meanwhile");
                None
            }
        }
    }

    fn begin(self, waiting: Waiting) -> Result<Standby, StartError> {
        let Self { service, source, secrets, runner, store, remembered, self_check, shared, address: _ } = self;
        let Waiting { fleet, journal, others, in_force } = waiting;
        let service = run_by_others(service);
        let (plan, now) = (Arc::clone(&service.plan), SystemTime::now());
        let (pauses, silent) = kept_pauses(&service, &remembered, now);
        let mutes = MuteList::restored(&remembered.states, now);
        // Those that nobody met for long are forgotten by who probes.
        let (certificates, _forgotten) = CertificateList::restored(&remembered.states, now);
        let page_client = HttpClient::new(&plan.limits.extra_roots).map_err(StartError::Client)?;
        // The metrics of the process have its own canaries, so that what follows from another plan here is shown nowhere.
        let telemetry = Arc::new(Telemetry::new(Metrics::new(&plan), None));
        let (sink, stalls) = (Arc::new(FanOut(Vec::new())), Arc::default());
        let scheduler = Scheduler::start(plan, runner, sink, stalls, Handle::current(), HashMap::new());
        let scheduler = scheduler.map_err(StartError::Scheduler)?;
        for pause in pauses {
            scheduler.pauses().pause(pause);
        }
        let part = reads(store.clone(), Arc::clone(&fleet));
        let parts = alert_parts(&service, secrets, page_client.clone(), &telemetry, (silent, mutes.in_force()), part);
        let (alerts, alert_thread) = Alerts::start(parts).map_err(StartError::Alerts)?;
        let active = ActiveConfig::new(&service, shared.hosts, shared.status_page, in_force);
        let recorder = Arc::new(Nowhere);
        let targets = ReloadTargets { scheduler: scheduler.clone(), telemetry, alerts: alerts.clone(), recorder };
        let reloader = source.map(|source| reads_again(&source, &service, active.clone(), targets));
        let api = Arc::new(Api {
            plan: active.shown,
            reader: store.clone(),
            follower: store.clone(),
            ledger: store.clone(),
            recorder: store,
            alerts,
            scheduler: scheduler.clone(),
            self_check: Arc::new(move || self_check.as_ref().map(|check| if check.is_down() { "down" } else { "up" })),
            alerting: active.alerting,
            page_client,
            others: Some(others),
            sweep: Arc::new(|| std::future::ready(Err(SWEEPS_NOT.to_owned())).boxed()),
            reload: verb(reloader.clone()),
            loaded: active.loaded,
            last_reload: active.last_reload,
            started: now,
            synced_pauses: SyncedPauses::default(),
            written: WrittenStates::default(),
            mutes,
            snapshots: Snapshots::default(),
            recent: Recent::default(),
            certificates,
            status_page: active.status_page,
        });
        api.sync_pauses();
        api.sync_mutes();
        let following = Following::start(fleet, journal, &api);
        let renewal = reloader.as_ref().map(Reloader::secret_renewal);
        let jobs = AbortOnDropHandle::new(tokio::spawn(jobs(renewal.into_iter().chain([pauses_that_end(&api)]).collect())));
        let config_watcher = reloader.map(ConfigWatcher::start);
        shared.api.set(api);
        Ok(Standby { alerts: alert_thread, scheduler, following, jobs, config_watcher })
    }
}

impl Standby {
    /// Ends all of it. Requests that are still being answered by it are told that the service stops.
    pub(super) async fn stop(self) {
        let Self { alerts, scheduler, following, jobs, config_watcher } = self;
        drop((following, jobs));
        if let Some(config_watcher) = config_watcher {
            config_watcher.stop().await;
        }
        scheduler.stop(Duration::ZERO).await;
        alerts.stop(Duration::ZERO).await;
    }
}

/// The service as an instance has it that runs nothing of it.
fn run_by_others(service: Service) -> Service {
    Service { plan: service.plan.run_by_others(), ..service }
}

/// Reads that again. Who has run nothing has nothing to free.
fn reads_again(source: &Arc<ConfigSource>, service: &Service, active: ActiveConfig, targets: ReloadTargets) -> Arc<Reloader> {
    let [loads, reads, renews] = [(); 3].map(|()| Arc::clone(source));
    let source = ConfigSource {
        files: source.files.clone(),
        check: source.check.clone(),
        load: Box::new(move |given_up| {
            let loaded = (loads.load)(given_up)?;
            Some(Loaded { service: loaded.service.map(run_by_others), ..loaded })
        }),
        secrets: Box::new(move |plan| (reads.secrets)(plan)),
        renew: Box::new(move |secrets| (renews.renew)(secrets)),
        retire: Box::new(|_| {}),
    };
    Arc::new(Reloader::new(Arc::new(source), service, active, targets, LastSeenLog::default()))
}

/// Alerts that write, show and send nothing; what is paused and muted is shown.
fn alert_parts(
    service: &Service,
    secrets: Arc<Secrets>,
    client: HttpClient,
    telemetry: &Telemetry,
    (paused, mutes): (HashMap<CanaryId, Paused>, Vec<Mute>),
    part: AlertPart,
) -> AlertParts {
    AlertParts {
        plan: Arc::clone(&service.plan),
        alerting: Arc::clone(&service.alerting),
        secrets,
        client,
        store: Arc::new(Nowhere),
        remembered: StartState::default(),
        graceful_before: true,
        paused,
        mutes,
        alert_states: telemetry.metrics().clone(),
        part,
        links: None,
    }
}

/// The part of a process that only reads what whoever evaluates has written.
fn reads(store: Arc<dyn Store>, fleet: Arc<dyn Fleet>) -> AlertPart {
    let (may_send, read) = (Arc::new(|| false), evaluation(store, fleet, None));
    AlertPart::Fleet(FleetPart { reported: Vec::new(), may_send, read, journal: None })
}

/// Does each of these in turn, now and then.
async fn jobs(jobs: Vec<Job>) {
    let mut rounds = tokio::time::interval(JOBS);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        for job in &jobs {
            (job.run)().await;
        }
    }
}

const SWEEPS_NOT: &str =
    "this instance stands by and makes no runs, so that it has nothing to sweep: ask the one that probes its region";

/// Takes what alerts and reloads would write: whoever probes the region does that.
struct Nowhere;

impl Recorder for Nowhere {
    fn record(&self, _: Commit) {}

    fn commit(&self, _: Commit) -> Durable {
        // Nobody waits for it, since nothing is sent because of it.
        oneshot::channel().1
    }
}
