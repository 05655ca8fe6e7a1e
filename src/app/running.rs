//! The service while it runs: what it consists of, in which order that starts and in which it stops.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Either};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::alert::channel::{ClientError, HttpClient};
use crate::alert::heartbeat::BeatOf;
use crate::alert::{AlertParts, Alerts, Paused};
use crate::fleet::{Answerer, DoAsked, Keeper};
use crate::history::{Fleet, ReadError, StartState, Store};
use crate::outcome::{FanOut, OutcomeSink, Secrets};
use crate::plan::{CanaryId, Plan, Role, Service};
use crate::run::{Engine, SelfCheck, StallLog};
use crate::schedule::{Housekeeping, HousekeepingError, Job, Pause, Runner, Scheduler};
use crate::telemetry::{Telemetry, config_reloaded};
use crate::web::{
    AccessState, Api, CertificateList, ListenError, MuteList, Recent, Reloaded, RootKey, RouterState, Snapshots, SyncedPauses,
    WrittenStates, paused, restored_pauses,
};

use super::certificates::CertificateSink;
use super::following::Following;
use super::heartbeat::HeartbeatTask;
use super::last_seen::LastSeenLog;
use super::leaks::{self, Sweeping};
use super::listening::{Listening, listen};
use super::membership::{Joined, Membership, joined};
use super::reload::ConfigWatcher;
use super::reload::{ActiveConfig, ConfigSource, ReloadTargets, Reloader, log_missing_secrets};
use super::standby::StandbyParts;
use super::started::Started;
use super::storage::Sharing;
use super::traces::HeaderError;
use super::{last_seen, process, storage};

/// What a service is put together from.
pub struct ServiceParts {
    /// What to run and how the process around it behaves.
    pub service: Service,
    /// The secrets of the day.
    pub secrets: Arc<Secrets>,
    /// Makes the runs.
    pub runner: Arc<dyn Runner>,
    /// Written by the scheduler's watchdog, read by the runs.
    pub stalls: Arc<StallLog>,
    /// Who else is told of finished runs.
    pub watchers: Vec<Arc<dyn OutcomeSink>>,
    /// Rare jobs beside the service's own.
    pub jobs: Vec<Job>,
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Who uses the store.
    pub sharing: Sharing,
    /// Undoes what earlier runs left; nobody does if absent.
    pub engine: Option<Engine>,
    /// Tells whether the network is there.
    pub self_check: Option<SelfCheck>,
    /// Where the configuration is read again from; there is no reload if absent.
    pub source: Option<ConfigSource>,
}

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error("the service did not start, because what the store remembers cannot be read")]
    Store(#[source] ReadError),
    /// The listener.
    #[error("the service did not start")]
    Listen(#[from] ListenError),
    /// The listener is open to others, and its token cannot be had.
    #[error("the token `{0}` of [listen] cannot be read, and without it anyone could read the metrics; check [secrets]")]
    Token(Arc<str>),
    /// The key of sessions and links.
    #[error("the key `{0}` of [listen], which signs sessions and the links of pages, cannot be read; check [secrets]")]
    Key(Arc<str>),
    /// The same, where it could be guessed.
    #[error(
        "the key `{0}` of [listen] has fewer than {shortest} characters, so that it could be found by trying; `openssl rand -hex 32` \
         makes one",
        shortest = RootKey::SHORTEST
    )]
    ShortKey(Arc<str>),
    /// The headers of traces.
    #[error("the service did not start")]
    Header(#[from] HeaderError),
    /// The exporter of traces.
    #[error("the exporter of traces did not start")]
    Traces(#[source] std::io::Error),
    /// The housekeeping.
    #[error("the service did not start")]
    Housekeeping(#[from] HousekeepingError),
    /// The scheduler's thread.
    #[error("the scheduler's thread cannot be started")]
    Scheduler(#[source] std::io::Error),
    /// What pages are sent with.
    #[error("the client that sends pages cannot be set up")]
    Client(#[source] ClientError),
    /// The thread that owns the alerts.
    #[error("the thread that evaluates alerts cannot be started")]
    Alerts(#[source] std::io::Error),
}

/// A service that probes.
pub struct Running {
    plan: Arc<Plan>,
    access: Arc<AccessState>,
    address: SocketAddr,
    reloader: Option<Arc<Reloader>>,
    started: Started,
}

impl Running {
    /// Starts everything on the runtime it is called on, the listener's address first, so that a second instance ends before
    /// it probes.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running.
    pub async fn start(parts: ServiceParts) -> Result<Self, StartError> {
        match Self::start_unless(parts, std::future::pending::<Infallible>()).await? {
            Either::Left(running) => Ok(running),
            Either::Right(never) => match never {},
        }
    }

    /// The same, unless something else comes first, which is returned then, as soon as nothing is left running: a service that stands by
    /// starts for as long as another one probes its region.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running.
    pub async fn start_unless<T>(parts: ServiceParts, other: impl Future<Output = T>) -> Result<Either<Self, T>, StartError> {
        let plan = Arc::clone(&parts.service.plan);
        // The store and the self check were started by the caller; they are stopped with the rest.
        let (store, self_check) = (Some(parts.store.clone()), parts.self_check.clone());
        let journal = parts.sharing.journal();
        let mut started = Started { store, journal, self_check, ..Started::default() };
        let begun = tokio::select! {
            begun = begin(parts, &mut started) => begun.map(Either::Left),
            other = other => Ok(Either::Right(other)),
        };
        let ended = match begun {
            Ok(Either::Left(Begun { address, access, reloader })) => {
                return Ok(Either::Left(Self { plan, access, address, reloader, started }));
            }
            Ok(Either::Right(other)) => Ok(Either::Right(other)),
            Err(error) => Err(error),
        };
        for straggler in started.stop(&plan.limits, Duration::ZERO).await {
            tracing::warn!(straggler, "the service did not start, and this did not end in time");
        }
        ended
    }

    /// Reads the configuration again. Returns whether it is in force.
    pub async fn reload(&self) -> bool {
        verb(self.reloader.clone())().await.applied
    }

    /// Resolves when another instance probes this one's region: this one has to stop, and may stand by.
    pub async fn lost(&self) {
        let Some(mut lost) = self.started.keeper.as_ref().map(Keeper::lost) else { return std::future::pending().await };
        // Its task never ends by itself.
        if lost.wait_for(|lost| *lost).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Leaves what this process told alone to be handed in, where it did not reach the store of its fleet so far. Resolves within about a minute.
    pub async fn rejoin(&self) {
        if let Some(alerts) = &self.started.alerts {
            alerts.rejoin().await;
        }
    }

    /// Where the listener answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A link that logs somebody in once, within ten minutes, who may act.
    pub fn login_link(&self, name: &str) -> String {
        format!("http://{}/login?code={}", self.address, self.access.new_code(Role::Act, name))
    }

    /// Stops everything, the runs within their grace. Returns what had not ended by its deadline.
    pub async fn stop(self) -> Vec<String> {
        if let Some(reloader) = &self.reloader {
            reloader.stop();
        }
        self.started.stop(&self.plan.limits, self.plan.limits.shutdown_grace).await
    }
}

/// What began besides what is to be stopped.
struct Begun {
    /// Where the listener answers.
    address: SocketAddr,
    access: Arc<AccessState>,
    reloader: Option<Arc<Reloader>>,
}

/// Starts everything in order and notes it in `started`.
async fn begin(parts: ServiceParts, started: &mut Started) -> Result<Begun, StartError> {
    let ServiceParts { service, secrets, runner, stalls, watchers, mut jobs, store, sharing, engine, self_check, source } = parts;
    let start_state = store.start_state(SystemTime::now()).await.map_err(StartError::Store)?;
    process::warn_of_few_files();
    log_missing_secrets(&service.plan, &secrets);
    let Listening { access, links, shared, telemetry, address } =
        listen(&service, &secrets, &start_state, &store, sharing.fleet(), started).await?;
    config_reloaded(true);
    let (fleet, journal) = (sharing.fleet(), sharing.journal());
    let RouterState { api, hosts, status_page, .. } = shared.clone();
    let source = source.map(Arc::new);
    let waiting = StandbyParts {
        service: service.clone(),
        source: source.clone(),
        secrets: Arc::clone(&secrets),
        runner: Arc::clone(&runner),
        store: Arc::clone(&store),
        remembered: start_state,
        self_check: self_check.clone(),
        shared,
        address,
    };
    let Joined { start_state, membership, part, in_force } = joined(sharing, waiting, started).await?;
    let now = SystemTime::now();
    let (last_seen_log, last_seen, attended) = LastSeenLog::start(&start_state, &service.plan, now);
    store.record(attended);
    let (pauses, silent) = kept_pauses(&service, &start_state, now);
    let mutes = MuteList::restored(&start_state.states, now);
    let certificates = certificates(&start_state, &store, now);
    let client = HttpClient::new(&service.plan.limits.extra_roots).map_err(StartError::Client)?;
    let parts = AlertParts {
        plan: Arc::clone(&service.plan),
        alerting: Arc::clone(&service.alerting),
        secrets,
        client: client.clone(),
        store: store.clone(),
        graceful_before: last_seen::ended_gracefully(&start_state),
        remembered: start_state,
        paused: silent,
        mutes: mutes.in_force(),
        alert_states: telemetry.metrics().clone(),
        part,
        links: Some(links),
    };
    let (alerts, alert_thread) = Alerts::start(parts).map_err(StartError::Alerts)?;
    started.alerts = Some(alert_thread);
    let sink = Arc::new(FanOut(with_own(watchers, &telemetry, &alerts, &store, &certificates)));
    let scheduler = Scheduler::start(Arc::clone(&service.plan), runner, sink, stalls, Handle::current(), last_seen);
    let scheduler = scheduler.map_err(StartError::Scheduler)?;
    started.scheduler = Some(scheduler.clone());
    bring_forward(&alerts, &scheduler);
    for pause in pauses {
        scheduler.pauses().pause(pause);
    }
    let active = ActiveConfig::new(&service, hosts, Arc::clone(&status_page), in_force);
    jobs.extend(maintenance(&telemetry, &store, started));
    let sweeping = engine
        .map(|engine| Sweeping::new(engine, store.clone(), Arc::clone(&active.plan), alerts.clone(), Arc::clone(&telemetry)));
    jobs.extend(sweeping.as_ref().map(Sweeping::job));
    let targets = ReloadTargets { scheduler: scheduler.clone(), telemetry, alerts: alerts.clone(), recorder: store.clone() };
    let reloader = source.map(|source| Arc::new(Reloader::new(source, &service, active.clone(), targets, last_seen_log)));
    jobs.extend(reloader.as_ref().map(Reloader::secret_renewal));
    started.config_watcher = reloader.clone().map(ConfigWatcher::start);
    started.heartbeat_tasks = heartbeats(&service, &client, &scheduler, &alerts, membership.as_ref());
    let (others, answerer) = fleet.clone().zip(membership.as_ref()).map(|(fleet, membership)| membership.others(fleet)).unzip();
    let (kept, evaluating) = (Arc::clone(&store), alerts.clone());
    let handles = Arc::new(Api {
        plan: active.shown,
        reader: store.clone(),
        follower: store.clone(),
        ledger: store.clone(),
        recorder: store,
        alerts,
        scheduler,
        self_check: Arc::new(move || self_check.as_ref().map(|check| if check.is_down() { "down" } else { "up" })),
        alerting: active.alerting,
        page_client: client.clone(),
        others,
        sweep: leaks::verb(sweeping),
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
        status_page,
    });
    jobs.push(begin_following(fleet, journal, answerer, &handles, started));
    started.housekeeping = Some(Housekeeping::start(jobs).await?);
    api.set(handles);
    started.end_standby().await;
    // It may evaluate from here on, and nothing else shows then what alerts come to.
    started.keeper = membership.map(|membership| membership.keep(kept, evaluating));
    started.server.iter().for_each(|server| server.set_ready(true));
    Ok(Begun { address, access, reloader })
}

/// Who is told of finished runs: the service's own parts first.
fn with_own(
    others: Vec<Arc<dyn OutcomeSink>>,
    telemetry: &Arc<Telemetry>,
    alerts: &Alerts,
    store: &Arc<dyn Store>,
    certificates: &CertificateList,
) -> Vec<Arc<dyn OutcomeSink>> {
    let certificates = CertificateSink { list: certificates.clone(), recorder: store.clone() };
    let own: [Arc<dyn OutcomeSink>; 4] = [telemetry.clone(), Arc::new(alerts.clone()), store.clone(), Arc::new(certificates)];
    own.into_iter().chain(others).collect()
}

/// The tasks that ask the dead-man's switches, where there are any.
fn heartbeats(
    service: &Service,
    client: &HttpClient,
    scheduler: &Scheduler,
    alerts: &Alerts,
    membership: Option<&Membership>,
) -> Vec<HeartbeatTask> {
    let Some(heartbeat) = &service.heartbeat else { return Vec::new() };
    let region = service.fleet.as_ref().map(|fleet| &fleet.member);
    let start = |of| {
        let evaluates = membership.map(Membership::evaluates);
        let evaluates = move || evaluates.as_ref().is_none_or(|evaluates| evaluates());
        HeartbeatTask::start(Arc::clone(heartbeat), of, client.clone(), scheduler.clone(), alerts.clone(), evaluates)
    };
    BeatOf::of_process(heartbeat, region, membership.is_some()).into_iter().map(start).collect()
}

/// The pauses that were kept, and the canaries of the whole fleet that they are about.
pub(super) fn kept_pauses(
    service: &Service,
    start_state: &StartState,
    now: SystemTime,
) -> (Vec<Pause>, HashMap<CanaryId, Paused>) {
    let plan = super::reload::shown(service);
    let kept = restored_pauses(&start_state.states, &plan, now);
    let canaries = paused(&plan, &kept);
    (kept, canaries)
}

/// Tells alerting what is paused and muted, here and, in a fleet, on other processes from now on, and does what those ask. Returns the
/// job that tells what of it has ended.
fn begin_following(
    fleet: Option<Arc<dyn Fleet>>,
    journal: Option<Arc<dyn Store>>,
    answerer: Option<Answerer>,
    api: &Arc<Api>,
    started: &mut Started,
) -> Job {
    api.sync_pauses();
    api.sync_mutes();
    started.following = fleet.map(|fleet| Following::start(fleet, journal, api));
    started.answering = answerer.map(|answerer| answerer.start(do_asked(api)));
    pauses_that_end(api)
}

/// What does what other processes of the fleet ask of this one: the verbs of the API, for as long as that is there.
fn do_asked(api: &Arc<Api>) -> DoAsked {
    let api = Arc::downgrade(api);
    Arc::new(move |asked| match api.upgrade() {
        Some(api) => async move { api.do_asked(&asked).await }.boxed(),
        // Nobody knows what to make of that, so that it is told as uncertain.
        None => std::future::ready(String::new()).boxed(),
    })
}

/// Has the rules make runs before their ticks.
fn bring_forward(alerts: &Alerts, scheduler: &Scheduler) {
    let scheduler = scheduler.clone();
    alerts.bring_forward_by(Arc::new(move |canary| scheduler.bring_forward([canary.clone()])));
}

/// The certificates that were met before this process; what nobody met for long is forgotten.
fn certificates(start_state: &StartState, store: &Arc<dyn Store>, now: SystemTime) -> CertificateList {
    let (certificates, forgotten) = CertificateList::restored(&start_state.states, now);
    if !forgotten.is_empty() {
        store.record(forgotten);
    }
    certificates
}

/// The job that reports pauses and mutes that ended by themselves to the alert rules.
pub(super) fn pauses_that_end(api: &Arc<Api>) -> Job {
    // The cron scheduler may keep its jobs for longer than the service is there, and must not keep that.
    let api = Arc::downgrade(api);
    let run = move || {
        let api = api.upgrade();
        // It walks over all canaries. A panic has been printed and the next time tries again.
        let tell = |api: &Arc<Api>| {
            api.sync_pauses();
            api.sync_mutes();
        };
        spawn_blocking(move || api.iter().for_each(tell)).map(drop).boxed()
    };
    Job { name: "pauses", cron: "*/5 * * * * *", run: Arc::new(run) }
}

/// Keeping metrics, the store and the journal within bounds.
fn maintenance(telemetry: &Arc<Telemetry>, store: &Arc<dyn Store>, started: &Started) -> Vec<Job> {
    let stores = [Some(store), started.journal.as_ref()];
    stores.into_iter().flatten().map(storage::housekeeping).chain([maintain_metrics(telemetry)]).collect()
}

fn maintain_metrics(telemetry: &Arc<Telemetry>) -> Job {
    let telemetry = Arc::clone(telemetry);
    let run = move || {
        let telemetry = Arc::clone(&telemetry);
        // It blocks shortly. A panic has been printed and the next time it tries again.
        spawn_blocking(move || telemetry.maintain()).map(drop).boxed()
    };
    Job { name: "metrics maintenance", cron: "*/5 * * * * *", run: Arc::new(run) }
}

/// The verb that reloads, off whatever thread asks.
pub(super) fn verb(reloader: Option<Arc<Reloader>>) -> Arc<dyn Fn() -> BoxFuture<'static, Reloaded> + Send + Sync> {
    Arc::new(move || {
        let reloader = reloader.clone();
        let reload = move || match reloader {
            Some(reloader) => reloader.reload(),
            None => not_reloaded("this service was not started from a file, so there is nothing to read again"),
        };
        let failed = |_panic| not_reloaded("the reload panicked, which is a defect; the log says where");
        spawn_blocking(reload).map(move |reloaded| reloaded.unwrap_or_else(failed)).boxed()
    })
}

fn not_reloaded(message: &str) -> Reloaded {
    Reloaded { applied: false, message: message.to_owned(), diagnostics: String::new() }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::BoxFuture;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;

    use super::super::files::Files;
    use super::super::fixture;
    use super::super::run_events::{RunEvent, RunEventsReader, run_events};
    use super::*;
    use crate::config::load_cancellable;
    use crate::history::memory::MemoryStore;
    use crate::outcome::Verdict;
    use crate::plan::Canary;
    use crate::run::{Finished, RunRequest};

    /// Passes at once, or hangs, heeding its cancellation or not.
    #[derive(Clone, Copy)]
    enum Way {
        Passes,
        HangsUntilCancelled,
        HangsForEver,
    }

    struct Fake {
        way: Way,
        started: Arc<Notify>,
    }

    impl Runner for Fake {
        fn run(&self, canary: Arc<Canary>, request: RunRequest) -> BoxFuture<'static, Finished> {
            let way = self.way;
            self.started.notify_one();
            async move {
                let verdict = match way {
                    Way::Passes => Verdict::Passed,
                    Way::HangsUntilCancelled => {
                        request.cancel.cancelled().await;
                        Verdict::Errored
                    }
                    Way::HangsForEver => std::future::pending().await,
                };
                Finished { report: fixture::run(&canary, verdict, 1), cleanup: None }
            }
            .boxed()
        }
    }

    fn parts(runner: Arc<Fake>, watcher: Arc<dyn OutcomeSink>) -> ServiceParts {
        ServiceParts {
            service: fixture::service(vec![fixture::canary("eu")]),
            secrets: Arc::default(),
            runner,
            stalls: Arc::default(),
            watchers: vec![watcher],
            jobs: Vec::new(),
            store: Arc::new(MemoryStore::default()),
            sharing: Sharing::Own,
            engine: None,
            self_check: None,
            source: None,
        }
    }

    /// A service whose first run has started.
    async fn start(way: Way) -> (Running, RunEventsReader) {
        let (watcher, reader) = run_events(64);
        let started = Arc::new(Notify::new());
        let runner = Arc::new(Fake { way, started: Arc::clone(&started) });
        let running = Running::start(parts(runner, watcher)).await.unwrap();
        tokio::time::timeout(Duration::from_secs(20), started.notified()).await.expect("its canary is due every second");
        (running, reader)
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_service_probes_shows_its_metrics_and_stops_with_nobody_left() {
        let (running, mut reader) = start(Way::Passes).await;
        let Some(RunEvent::Run(report)) = reader.next().await else { panic!("a run ends first") };
        assert_eq!(report.verdict, Verdict::Passed);
        let address = running.address();
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        let metrics = get(address, "/metrics").await;
        assert!(metrics.contains("serinus_runs_total{probe=\"p\",region=\"eu\",verdict=\"passed\""), "{metrics}");
        assert!(running.stop().await.is_empty());
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_start_that_fails_at_its_last_part_leaves_no_listener_no_ticks_and_no_thread() {
        let (watcher, mut reader) = run_events(64);
        let runner = Arc::new(Fake { way: Way::HangsUntilCancelled, started: Arc::new(Notify::new()) });
        let ticking = Arc::downgrade(&runner);
        let mut parts = parts(runner, watcher);
        // The housekeeping is the last to start, and takes no such job.
        parts.jobs.push(Job { name: "odd", cron: "never", run: Arc::new(|| async {}.boxed()) });
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        parts.service.listen.address = free;
        let failed = Running::start(parts).await.map(drop).unwrap_err();
        assert!(matches!(failed, StartError::Housekeeping(_)), "{failed}");
        assert!(ticking.upgrade().is_none(), "something could still start runs");
        while reader.next().await.is_some() {}
        std::net::TcpListener::bind(free).expect("nobody listens there any more");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reload_frees_what_only_the_former_plan_used() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("serinus.toml");
        std::fs::write(&config, "region = \"eu\"\nprobes = [\"probe.toml\"]\nnotify.none = true\n").unwrap();
        let probe = "name = \"new\"\nevery = \"1m\"\ndeadline = \"9s\"\n[[step]]\nname = \"read\"\n\
            http.get = \"http://127.0.0.1/\"\nexpect = [\"status == 200\"]\n";
        std::fs::write(directory.path().join("probe.toml"), probe).unwrap();
        let used: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&used);
        let source = ConfigSource {
            files: Files::read(Vec::new()),
            check: "serinus check".to_owned(),
            load: Box::new(move |given_up| load_cancellable(&config, Vec::new(), given_up)),
            secrets: Box::new(|_| Secrets::default()),
            renew: Box::new(|_| {}),
            retire: Box::new(move |plan| {
                told.lock().unwrap().extend(plan.canaries.iter().map(|canary| canary.id.to_string()));
            }),
        };
        let runner = Arc::new(Fake { way: Way::Passes, started: Arc::new(Notify::new()) });
        let (watcher, _reader) = run_events(64);
        let running = Running::start(ServiceParts { source: Some(source), ..parts(runner, watcher) }).await.unwrap();
        // The watch may have been the first to find the files.
        running.reload().await;
        assert!(used.lock().unwrap().contains(&"new/eu".to_owned()));
        assert!(running.stop().await.is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_that_outlives_the_grace_is_cut_and_reported() {
        let (running, mut reader) = start(Way::HangsUntilCancelled).await;
        assert!(running.stop().await.is_empty());
        let mut cut = false;
        while let Some(RunEvent::Run(report)) = reader.next().await {
            cut |= report.verdict == Verdict::Errored;
        }
        assert!(cut);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_that_does_not_end_is_named() {
        let (running, _reader) = start(Way::HangsForEver).await;
        assert_eq!(running.stop().await, ["run of p/eu"]);
    }
}
