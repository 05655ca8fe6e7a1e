//! Reading the configuration again while the service runs: load, validate, diff, apply.
//!
//! The configuration in force stays until the new one is complete and valid. Settings of the process itself (where it listens,
//! where it stores) need a restart, and the answer to a reload says so.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant, SystemTime};

use futures::FutureExt as _;
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;

use crate::alert::Alerts;
use crate::base::time::now_ms;
use crate::config::{Diagnostics, Loaded, Severity};
use crate::history::{Commit, EventKind, EventRow, Recorder};
use crate::outcome::Secrets;
use crate::plan::{Alerting, Fingerprints, Plan, SecretSource, Service};
use crate::schedule::{Job, Scheduler};
use crate::telemetry::{Telemetry, config_reloaded};
use crate::web::{Hosts, LastReload, MissingSecret, Reloaded, StatusPages, missing_secrets};

use super::difference::{difference, fixed, probes};
use super::files::{ChangeCheck, Files, Stamps};
use super::last_seen::LastSeenLog;

/// Reads a configuration, unless what it is given says that it is given up.
pub(super) type Load = Box<dyn Fn(&(dyn Fn() -> bool + Sync)) -> Option<Loaded> + Send + Sync>;

/// Where a configuration comes from, and who uses its secrets.
pub struct ConfigSource {
    /// The files that were read at the start, as they stood then.
    pub files: Files,
    /// The command that shows its warnings.
    pub check: String,
    /// Reads all of it.
    pub load: Load,
    /// Reads a plan's secrets.
    pub secrets: Box<dyn Fn(&Plan) -> Secrets + Send + Sync>,
    /// Has runs use other secrets.
    pub renew: Box<dyn Fn(Arc<Secrets>) + Send + Sync>,
    /// Frees what only former plans used.
    pub retire: Box<dyn Fn(&Plan) + Send + Sync>,
}

/// What is in force, for whoever shows it.
#[derive(Clone)]
pub(super) struct ActiveConfig {
    pub(super) plan: Arc<RwLock<Arc<Plan>>>,
    /// What people look at: that plan, or that of the whole fleet.
    pub(super) shown: Arc<RwLock<Arc<Plan>>>,
    pub(super) alerting: Arc<RwLock<Arc<Alerting>>>,
    pub(super) loaded: Arc<RwLock<SystemTime>>,
    pub(super) last_reload: Arc<RwLock<Option<LastReload>>>,
    /// What others compare it by; empty where there are none.
    pub(super) fingerprints: Arc<RwLock<Fingerprints>>,
    /// By which names the listener may be called.
    pub(super) hosts: Arc<Hosts>,
    /// What everybody may see.
    pub(super) status_page: Arc<StatusPages>,
}

impl ActiveConfig {
    /// Since now.
    pub(super) fn new(
        service: &Service,
        hosts: Arc<Hosts>,
        status_page: Arc<StatusPages>,
        fingerprints: Arc<RwLock<Fingerprints>>,
    ) -> Self {
        Self {
            plan: Arc::new(RwLock::new(Arc::clone(&service.plan))),
            shown: Arc::new(RwLock::new(shown(service))),
            alerting: Arc::new(RwLock::new(Arc::clone(&service.alerting))),
            loaded: Arc::new(RwLock::new(SystemTime::now())),
            last_reload: Arc::default(),
            fingerprints,
            hosts,
            status_page,
        }
    }
}

/// What other processes of the fleet compare a configuration by; empty where there are none.
pub(super) fn fingerprints(service: &Service) -> Fingerprints {
    if service.fleet.is_some() { Fingerprints::of(&service.plan, &service.alerting) } else { Fingerprints::default() }
}

/// What people look at.
pub(super) fn shown(service: &Service) -> Arc<Plan> {
    if service.fleet.is_some() { service.plan.of_fleet() } else { Arc::clone(&service.plan) }
}

/// The longest a configuration is read before that is given up: ten thousand probe files take a tenth of a second.
const LONGEST: Duration = Duration::from_secs(30);

/// How often a configuration is read that changes while it is.
const TRIES: u32 = 3;

/// Reloads on request.
pub(super) struct Reloader {
    source: Arc<ConfigSource>,
    active: ActiveConfig,
    /// The settings that only a restart changes, as text to compare, and the files. Locked over a whole reload, so that two
    /// at once come one after the other.
    state: Mutex<ReloadState>,
    stopping: AtomicBool,
    handles: ReloadTargets,
    last_seen_log: Mutex<LastSeenLog>,
}

/// Who is told of another configuration.
pub(super) struct ReloadTargets {
    pub(super) scheduler: Scheduler,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) alerts: Alerts,
    pub(super) recorder: Arc<dyn Recorder>,
}

struct ReloadState {
    fixed: Vec<(&'static str, String)>,
    /// What was read last, whether it is in force or not.
    files: Files,
    /// These files and the folders in which others may appear, with their stamps from before the reading.
    watched: Vec<PathBuf>,
    stamps: Stamps,
}

impl Reloader {
    /// Reloads what `service` was loaded from.
    pub(super) fn new(
        source: Arc<ConfigSource>,
        service: &Service,
        active: ActiveConfig,
        handles: ReloadTargets,
        last_seen_log: LastSeenLog,
    ) -> Self {
        // Without stamps the first look reads the files, and so finds what changed since the first load.
        let watched = source.files.paths().cloned().collect();
        let state = ReloadState { fixed: fixed(service), files: source.files.clone(), watched, stamps: Stamps::default() };
        let (state, last_seen_log) = (Mutex::new(state), Mutex::new(last_seen_log));
        Self { source, active, state, stopping: AtomicBool::new(false), handles, last_seen_log }
    }

    /// The job of reading secrets anew, so that a file that is renewed is used from then on.
    pub(super) fn secret_renewal(self: &Arc<Self>) -> Job {
        let reloader = Arc::clone(self);
        let run = move || {
            let reloader = Arc::clone(&reloader);
            // A panic has been printed, and the secrets are read again at the next time.
            spawn_blocking(move || reloader.renew_secrets()).map(drop).boxed()
        };
        Job { name: "secret renewal", cron: "*/10 * * * * *", run: Arc::new(run) }
    }

    fn renew_secrets(&self) {
        // Not during a reload: its plan may have other secrets, and it reads them too.
        let _process = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let plan = Arc::clone(&self.active.plan.read().unwrap_or_else(PoisonError::into_inner));
        if plan.secrets.values().any(|source| matches!(source, SecretSource::File(_))) {
            let secrets = Arc::new((self.source.secrets)(&plan));
            let before = self.handles.alerts.secrets();
            // Replacing secrets gives channels that refuse or asked for a pause another chance, so it is only done for other
            // ones.
            if secrets.is_same(&before) {
                return;
            }
            if !secrets.missing().map(|(name, _)| name).eq(before.missing().map(|(name, _)| name)) {
                log_missing_secrets(&plan, &secrets);
            }
            (self.source.renew)(Arc::clone(&secrets));
            self.handles.alerts.replace_secrets(secrets);
        }
    }

    /// The stamps of the files, if they differ from those when the files were last read. Blocks, but reads no file.
    pub(super) fn changed(&self) -> Option<Stamps> {
        let state = self.lock();
        let now = Stamps::of(&state.watched);
        (now != state.stamps).then_some(now)
    }

    /// Reloads if a file says something else than when it was last read, or one is new or gone. Blocks.
    pub(super) fn reload_if_changed(&self) {
        let mut state = self.lock();
        if self.is_stopping() {
            return;
        }
        let before = state.files.clone();
        match self.read(&mut state) {
            Some(loaded) if state.files != before => drop(self.take(loaded, &before, &state, true)),
            Some(_) => {}
            None => drop(self.report(given_up())),
        }
    }

    /// Reloads now. Blocks while it reads.
    pub(super) fn reload(&self) -> Reloaded {
        let mut state = self.lock();
        if self.is_stopping() {
            return given_up();
        }
        let before = state.files.clone();
        match self.read(&mut state) {
            Some(loaded) => self.take(loaded, &before, &state, false),
            None => self.report(given_up()),
        }
    }

    /// Makes the reload under way, and every further one, give up, because the service stops.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Blocks until the reload under way has ended. After [`stop`](Self::stop) there is none any more then, and nothing of one is
    /// handed to a store that is closed.
    fn wait(&self) {
        drop(self.lock());
    }

    /// Loads, and notes what was loaded. Files that change while they are read are read again. Returns `None` if it was given up,
    /// because the service stops or it took too long. The files then count as read, so that only the next change is noticed.
    fn read(&self, state: &mut ReloadState) -> Option<Loaded> {
        let until = Instant::now() + LONGEST;
        let given_up = || self.is_stopping() || Instant::now() > until;
        let mut tries = 0;
        loop {
            let stamps = Stamps::of(&state.watched);
            state.stamps = stamps.clone();
            let before = Files::read(state.files.paths().cloned());
            let changes = ChangeCheck::new(&state.watched, &stamps);
            tries += 1;
            // A change restarts the reading, but not for ever.
            let loaded = (self.source.load)(&|| given_up() || tries < TRIES && changes.any());
            let Some(loaded) = loaded else {
                if given_up() || tries == TRIES {
                    state.files = before;
                    return None;
                }
                continue;
            };
            let files = Files::read(loaded.files.iter().cloned());
            let settled = files == before;
            state.files = files;
            let watched: Vec<PathBuf> = loaded.files.iter().chain(&loaded.folders).cloned().collect();
            // Without stamps for the newly watched files the next look reads them again, and finds them unchanged.
            if watched != state.watched {
                state.watched = watched;
                state.stamps = Stamps::default();
            }
            if settled || tries >= TRIES {
                return Some(loaded);
            }
        }
    }

    /// Puts what was loaded into force, or says why not; `found` by looking at files, and not asked for by somebody.
    fn take(&self, loaded: Loaded, before: &Files, state: &ReloadState, found: bool) -> Reloaded {
        let tells_nobody = loaded.tells_nobody();
        let Loaded { service, diagnostics, files: _, folders: _ } = loaded;
        let reloaded = match service {
            Some(_) if tells_nobody => refused(TELLS_NOBODY, self.brief(&diagnostics)),
            Some(service) => self.apply(&service, &diagnostics, &before.difference(&state.files), &state.fixed, found),
            None => refused(&errors(&diagnostics), self.brief(&diagnostics)),
        };
        self.report(reloaded)
    }

    /// What is wrong with what was read: errors in full, and how many warnings there are.
    fn brief(&self, diagnostics: &Diagnostics) -> String {
        diagnostics.brief(false, &self.source.check)
    }

    /// Tells everybody how a reload went.
    fn report(&self, reloaded: Reloaded) -> Reloaded {
        config_reloaded(reloaded.applied);
        if reloaded.applied {
            tracing::info!("{}", reloaded.message);
        } else {
            tracing::error!("{}\n{}", reloaded.message, reloaded.diagnostics.trim_end());
        }
        self.handles.recorder.record(Commit { events: vec![event(&reloaded)], ..Commit::default() });
        let last = LastReload { at_ms: now_ms(), applied: reloaded.applied, message: reloaded.message.clone() };
        *self.active.last_reload.write().unwrap_or_else(PoisonError::into_inner) = Some(last);
        reloaded
    }

    fn lock(&self) -> MutexGuard<'_, ReloadState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(
        &self,
        service: &Service,
        diagnostics: &Diagnostics,
        files: &str,
        running: &[(&'static str, String)],
        found: bool,
    ) -> Reloaded {
        let plan = Arc::clone(&service.plan);
        let secrets = Arc::new((self.source.secrets)(&plan));
        let old = Arc::clone(&self.active.plan.read().unwrap_or_else(PoisonError::into_inner));
        log_missing_secrets(&plan, &secrets);
        (self.source.renew)(Arc::clone(&secrets));
        // Series and rules first, so that the first run of a new canary finds them.
        self.handles.telemetry.metrics().apply(&plan);
        self.handles.alerts.apply(Arc::clone(&plan), Arc::clone(&service.alerting), secrets, found);
        let mut last_seen_log = self.last_seen_log.lock().unwrap_or_else(PoisonError::into_inner);
        self.handles.recorder.record(last_seen_log.apply(&old, &plan, SystemTime::now()));
        drop(last_seen_log);
        self.handles.scheduler.apply(Arc::clone(&plan));
        (self.source.retire)(&plan);
        self.active.status_page.set(service.status_page.clone());
        self.active.hosts.set_public(service.alerting.public_url.as_deref());
        let changed: Vec<&str> =
            fixed(service).iter().zip(running).filter(|(new, old)| new != old).map(|((name, _), _)| *name).collect();
        let mut message =
            format!("the configuration was loaded again ({files}): {}{}", difference(&old, &plan), probes(&old, &plan));
        if !changed.is_empty() {
            message.extend(["; a restart is needed for changes of ", &changed.join(", ")]);
        }
        *self.active.fingerprints.write().unwrap_or_else(PoisonError::into_inner) = fingerprints(service);
        *self.active.alerting.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&service.alerting);
        *self.active.shown.write().unwrap_or_else(PoisonError::into_inner) = shown(service);
        *self.active.plan.write().unwrap_or_else(PoisonError::into_inner) = plan;
        *self.active.loaded.write().unwrap_or_else(PoisonError::into_inner) = SystemTime::now();
        Reloaded { applied: true, message, diagnostics: self.brief(diagnostics) }
    }
}

/// Says in the log which secrets cannot be read, and what cannot run without them.
pub(super) fn log_missing_secrets(plan: &Plan, secrets: &Secrets) {
    for MissingSecret { name, error, probes } in missing_secrets(plan, secrets) {
        tracing::error!(
            secret = name,
            error,
            probes = probes.join(", "),
            "a secret cannot be read: runs of probes that name it do not count"
        );
    }
}

/// Why a configuration without a channel is refused; the start refuses it too.
const TELLS_NOBODY: &str = "probes page, and nobody would be told";

fn given_up() -> Reloaded {
    let longest = humantime::format_duration(LONGEST);
    let message = format!(
        "the configuration was not loaded again, reading it was given up after {longest} or because the service stops: the one \
         before stays in force"
    );
    Reloaded { applied: false, message, diagnostics: String::new() }
}

fn refused(why: &str, diagnostics: String) -> Reloaded {
    Reloaded {
        applied: false,
        message: format!("the configuration was not loaded again, {why}: the one before stays in force"),
        diagnostics,
    }
}

fn errors(diagnostics: &Diagnostics) -> String {
    let errors = diagnostics.count(Severity::Error);
    format!("it has {errors} error{}", if errors == 1 { "" } else { "s" })
}

/// What the store keeps of a reload.
fn event(reloaded: &Reloaded) -> EventRow {
    EventRow {
        id: ulid::Ulid::generate().to_string(),
        at_ms: now_ms(),
        kind: EventKind::Reload,
        probe: None,
        incident: None,
        by: None,
        what: if reloaded.applied { "applied" } else { "refused" }.to_owned(),
        text: reloaded.message.clone(),
    }
}

/// How often the files are looked at. Changed files are read once two looks in a row found the same, because writing them takes
/// more than one step.
const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// How long a stop waits for the reload under way, which gives up at its next file.
const LAST_RELOAD: Duration = Duration::from_secs(2);

/// The task that reloads when the configuration's files change. It reads their metadata once a second, which notices files that
/// editors rename, orchestrators link, mounts replace and network drives change, and costs a few microseconds a file. It ends when it
/// is dropped.
pub(super) struct ConfigWatcher {
    task: tokio::task::JoinHandle<()>,
    reloader: Arc<Reloader>,
}

impl ConfigWatcher {
    /// Reloads whenever a file of the configuration has changed, went or came.
    pub(super) fn start(reloader: Arc<Reloader>) -> Self {
        Self { task: tokio::spawn(follow(Arc::clone(&reloader))), reloader }
    }

    /// Makes the reload under way give up, whoever asked for it, and waits for its end.
    pub(super) async fn stop(self) {
        self.task.abort();
        let reloader = Arc::clone(&self.reloader);
        reloader.stop();
        // A panic has been printed. What hangs on a file costs what is still to be written no more than this.
        if tokio::time::timeout(LAST_RELOAD, spawn_blocking(move || reloader.wait())).await.is_err() {
            tracing::warn!("a reload of the configuration hangs, and the service stops without its end");
        }
    }
}

impl Drop for ConfigWatcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(reloader: Arc<Reloader>) {
    let mut rounds = tokio::time::interval(WATCH_PERIOD);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    loop {
        rounds.tick().await;
        let reloader = Arc::clone(&reloader);
        // A panic has been printed, and the next round looks again.
        before = spawn_blocking(move || look(&reloader, before.as_ref())).await.unwrap_or_default();
    }
}

/// Reloads if the files have changed since they were read, but not since the round before. Returns their stamps if they changed
/// since the round before.
fn look(reloader: &Reloader, before: Option<&Stamps>) -> Option<Stamps> {
    let now = reloader.changed()?;
    if before != Some(&now) {
        return Some(now);
    }
    reloader.reload_if_changed();
    None
}
