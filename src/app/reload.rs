//! Reading the configuration again while the service runs: load, validate, diff, apply.
//!
//! What is in force is untouched until the new one is whole. Settings of the process itself (where it listens, where it keeps
//! things) hold until a restart, and whoever reloads is told so.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use futures::FutureExt as _;
use tokio::task::spawn_blocking;

use crate::alert::Alerts;
use crate::config::{Diagnostics, Loaded, Severity};
use crate::outcome::Secrets;
use crate::plan::{Plan, SecretSource, Service};
use crate::schedule::{Job, Scheduler};
use crate::telemetry::{Telemetry, config_reloaded};
use crate::web::{LastReload, Reloaded};

/// Where a configuration comes from, and who uses its secrets.
pub struct Source {
    /// The files that were read at the start.
    pub files: Vec<PathBuf>,
    /// Reads all of it.
    pub load: Box<dyn Fn() -> Loaded + Send + Sync>,
    /// Reads a plan's secrets.
    pub secrets: Box<dyn Fn(&Plan) -> Secrets + Send + Sync>,
    /// Has runs use other secrets.
    pub renew: Box<dyn Fn(Arc<Secrets>) + Send + Sync>,
}

/// What is in force, for whoever shows it.
#[derive(Clone)]
pub(super) struct InForce {
    pub(super) plan: Arc<RwLock<Arc<Plan>>>,
    pub(super) loaded: Arc<RwLock<SystemTime>>,
    pub(super) last_reload: Arc<RwLock<Option<LastReload>>>,
    /// Secrets of the day.
    pub(super) secrets: Arc<RwLock<Arc<Secrets>>>,
}

impl InForce {
    /// Since now.
    pub(super) fn new(plan: &Arc<Plan>, secrets: &Arc<Secrets>) -> Self {
        Self {
            plan: Arc::new(RwLock::new(Arc::clone(plan))),
            loaded: Arc::new(RwLock::new(SystemTime::now())),
            last_reload: Arc::default(),
            secrets: Arc::new(RwLock::new(Arc::clone(secrets))),
        }
    }
}

/// Reloads on request.
pub(super) struct Reloader {
    source: Source,
    in_force: InForce,
    /// The settings that only a restart changes, as text to compare, and the files. Held over a whole reload, so that two
    /// at once come one after the other.
    process: Mutex<Process>,
    scheduler: Scheduler,
    telemetry: Arc<Telemetry>,
    alerts: Alerts,
}

struct Process {
    fixed: Vec<(&'static str, String)>,
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Reloader {
    /// Reloads what `service` was loaded from.
    pub(super) fn new(
        source: Source,
        service: &Service,
        in_force: InForce,
        scheduler: Scheduler,
        telemetry: Arc<Telemetry>,
        alerts: Alerts,
    ) -> Self {
        let process = Process { fixed: fixed(service), files: contents(source.files.clone()) };
        Self { source, in_force, process: Mutex::new(process), scheduler, telemetry, alerts }
    }

    /// The chore of reading secrets anew, so that a file that is renewed is used from then on.
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
        let plan = Arc::clone(&self.in_force.plan.read().unwrap_or_else(PoisonError::into_inner));
        if plan.secrets.values().any(|source| matches!(source, SecretSource::File(_))) {
            let secrets = Arc::new((self.source.secrets)(&plan));
            self.renew(&secrets);
            self.alerts.replace_secrets(secrets);
        }
    }

    fn renew(&self, secrets: &Arc<Secrets>) {
        (self.source.renew)(Arc::clone(secrets));
        *self.in_force.secrets.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(secrets);
    }

    /// The files whose change is a reason to reload.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).files.iter().map(|(path, _)| path.clone()).collect()
    }

    /// Reloads if a file has changed since it was last read. Blocks.
    pub(super) fn reload_if_changed(&self) {
        let known = |process: &Process| process.files.clone();
        let before = known(&self.process.lock().unwrap_or_else(PoisonError::into_inner));
        if contents((self.source.load)().files) != before {
            self.reload();
        }
    }

    /// Reloads now. Blocks while it reads.
    pub(super) fn reload(&self) -> Reloaded {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let Loaded { service, diagnostics, files } = (self.source.load)();
        process.files = contents(files);
        let reloaded = match service {
            Some(service) => self.apply(service, &diagnostics, &process.fixed),
            None => refused(&diagnostics),
        };
        drop(process);
        config_reloaded(reloaded.applied);
        if reloaded.applied {
            tracing::info!("{}", reloaded.message);
        } else {
            tracing::error!("{}\n{}", reloaded.message, reloaded.diagnostics.trim_end());
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let last = LastReload { at_ms, applied: reloaded.applied, message: reloaded.message.clone() };
        *self.in_force.last_reload.write().unwrap_or_else(PoisonError::into_inner) = Some(last);
        reloaded
    }

    fn apply(&self, service: Service, diagnostics: &Diagnostics, running: &[(&'static str, String)]) -> Reloaded {
        let plan = Arc::clone(&service.plan);
        let secrets = Arc::new((self.source.secrets)(&plan));
        let old = Arc::clone(&self.in_force.plan.read().unwrap_or_else(PoisonError::into_inner));
        self.renew(&secrets);
        // Series and rules first, so that the first run of a new canary finds them.
        self.telemetry.metrics().apply(&plan);
        self.alerts.apply(Arc::clone(&plan), Arc::clone(&service.alerting), secrets);
        self.scheduler.apply(Arc::clone(&plan));
        let changed: Vec<&str> =
            fixed(&service).iter().zip(running).filter(|(new, old)| new != old).map(|((name, _), _)| *name).collect();
        let mut message = format!("the configuration was loaded again: {}", difference(&old, &plan));
        if !changed.is_empty() {
            message += &format!("; a restart is needed for changes of {}", changed.join(", "));
        }
        *self.in_force.plan.write().unwrap_or_else(PoisonError::into_inner) = plan;
        *self.in_force.loaded.write().unwrap_or_else(PoisonError::into_inner) = SystemTime::now();
        Reloaded { applied: true, message, diagnostics: diagnostics.render(false) }
    }
}

fn refused(diagnostics: &Diagnostics) -> Reloaded {
    let errors = diagnostics.count(Severity::Error);
    let plural = if errors == 1 { "" } else { "s" };
    Reloaded {
        applied: false,
        message: format!("the configuration was not loaded again, it has {errors} error{plural}: the one before stays in force"),
        diagnostics: diagnostics.render(false),
    }
}

/// What only a restart changes.
fn fixed(service: &Service) -> Vec<(&'static str, String)> {
    let Service { plan, listen, traces, log_format, alerting: _, store, self_check, heartbeat } = service;
    let crate::plan::Limits {
        concurrent_runs: _,
        step_timeout,
        response_bytes,
        cleanup,
        shutdown_grace,
        min_interval: _,
        extra_roots,
    } = &plan.limits;
    vec![
        ("listen", format!("{listen:?}")),
        ("traces", format!("{traces:?}")),
        ("log_format", format!("{log_format:?}")),
        ("store", format!("{store:?}")),
        ("self_check", format!("{self_check:?}")),
        ("heartbeat", format!("{heartbeat:?}")),
        ("limits", format!("{:?}", (step_timeout, response_bytes, cleanup, shutdown_grace, extra_roots))),
    ]
}

/// `2 canaries added, 1 removed, 30 kept`.
fn difference(old: &Plan, new: &Plan) -> String {
    let is_in = |plan: &Plan, id| plan.canaries.binary_search_by(|canary| canary.id.cmp(id)).is_ok();
    let added = new.canaries.iter().filter(|canary| !is_in(old, &canary.id)).count();
    let removed = old.canaries.iter().filter(|canary| !is_in(new, &canary.id)).count();
    format!("{added} canaries added, {removed} removed, {} kept", new.canaries.len() - added)
}

/// The files with what stands in them, so that a touch is no change.
fn contents(files: Vec<PathBuf>) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let read = |path: &Path| std::fs::read(path).ok();
    files.into_iter().map(|path| (path.clone(), read(&path))).collect()
}
