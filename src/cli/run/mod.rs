//! `serinus run`: the service, until it is asked to stop.
//!
//! A process of a fleet whose store cannot be reached at its start goes on alone, on the journal on its own disk, and starts anew on the
//! store once that answers. What it starts on is found in `store`.

mod store;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::Either;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{ConfigSource, Files, OpenedStore, Running, ServiceParts, Sharing, Spool, StopSignals};
use crate::config::{load, load_cancellable, process_environment, read_secrets};
use crate::history::Store;
use crate::outcome::OutcomeSink;
use crate::plan::Service;
use crate::run::step::http::HttpClients;
use crate::run::{Engine, SelfCheck, StallLog};

use self::store::{Place, place, reached, with_journal};
use super::config::{TELLS_NOBODY, accept, check_command, required, variable};
use super::exit::Failure;
use super::logs::{self, Verbosity, chain};
use super::{Exit, Printer};

pub(crate) async fn run(printer: &Printer, config: Option<&Path>) -> Result<Exit, Failure> {
    let mut signals = StopSignals::catch().map_err(|error| Failure::prober(format!("cannot catch signals: {error}")))?;
    let mut hangups = signal(SignalKind::hangup()).map_err(|error| Failure::prober(format!("cannot catch signals: {error}")))?;
    let config = required(config)?.to_owned();
    let loaded = load(&config, process_environment());
    let (tells_nobody, files) = (loaded.tells_nobody(), loaded.files.clone());
    let service = accept(printer, loaded, Some(&config), &[])?;
    if tells_nobody {
        return Err(Failure::usage(TELLS_NOBODY));
    }
    let _logs = logs::start(service.log_format, Verbosity::Info)?;
    let loaded = Loaded { service, config, files };
    let spool = Arc::<Spool>::default();
    let place = tokio::select! {
        place = place(&loaded.service, &spool) => place?,
        () = signals.next() => return Ok(stopped(&[])),
    };
    let (loaded, opened) = match place {
        Place::Store(opened) => (loaded, opened),
        Place::Journal(journal, reached) => match alone(loaded, journal, reached, &spool, &mut signals, &mut hangups).await? {
            Alone::Reached(loaded, opened) => (*loaded, opened),
            Alone::Stopped(exit) => return Ok(exit),
        },
    };
    // An instance that stands by is asked to stop before it has started.
    let Some(running) = start(loaded, opened, Vec::new(), signals.next()).await? else { return Ok(stopped(&[])) };
    if until_asked(&mut signals, &mut hangups, &running).await == Ending::Lost {
        tracing::error!("another instance probes this one's region: this one stops, and stands by where it is started again");
        let stragglers = running.stop().await;
        if !stragglers.is_empty() {
            tracing::error!(stragglers = stragglers.join(", "), "these did not end in time");
        }
        return Ok(Exit::Prober);
    }
    stop(running, &mut signals).await
}

/// A configuration, and where it is.
#[derive(Clone)]
struct Loaded {
    service: Service,
    config: PathBuf,
    files: Vec<PathBuf>,
}

impl Loaded {
    /// The configuration as it is now, which may have been changed while this one was in force; this one, where that is not valid.
    fn again(self) -> Self {
        let loaded = load(&self.config, process_environment());
        let files = loaded.files.clone();
        match loaded.service {
            Some(service) => Self { service, files, ..self },
            None => self,
        }
    }
}

/// How a time without the store ended.
enum Alone {
    /// The store answers.
    Reached(Box<Loaded>, OpenedStore),
    /// The service was asked to stop.
    Stopped(Exit),
}

/// Probes and pages on the journal until the store of the fleet is reached, and makes ready then what it told alone.
async fn alone(
    loaded: Loaded,
    journal: Arc<dyn Store>,
    opened: Option<OpenedStore>,
    spool: &Arc<Spool>,
    signals: &mut StopSignals,
    hangups: &mut Signal,
) -> Result<Alone, Failure> {
    let place = OpenedStore { store: journal, sharing: Sharing::Journal { is_reached: opened.is_some() } };
    let start = start(loaded.clone(), place, vec![spool.clone()], signals.next());
    let Some(running) = start.await? else { return Ok(Alone::Stopped(stopped(&[]))) };
    let reach = async {
        let opened = match opened {
            Some(opened) => opened,
            None => reached(&loaded.service).await,
        };
        running.rejoin().await;
        opened
    };
    let opened = tokio::select! {
        opened = reach => Some(opened),
        _ = until_asked(signals, hangups, &running) => None,
    };
    let Some(opened) = opened else { return Ok(Alone::Stopped(stop(running, signals).await?)) };
    tracing::info!("the store of the fleet answers: this process is one of the fleet from now on");
    let stragglers = running.stop().await;
    if !stragglers.is_empty() {
        tracing::error!(stragglers = stragglers.join(", "), "these did not end in time");
    }
    let loaded = loaded.again();
    let opened = with_journal(opened, &loaded.service, spool);
    Ok(Alone::Reached(Box::new(loaded), opened))
}

/// Stops a service that was asked to.
async fn stop(running: Running, signals: &mut StopSignals) -> Result<Exit, Failure> {
    tracing::info!("asked to stop: no more runs start, those that are going have their grace");
    tokio::select! {
        stragglers = running.stop() => Ok(stopped(&stragglers)),
        () = asked_again(signals) => Err(Failure::prober("stopped at once: runs that were going were not cleaned up after")),
    }
}

/// Puts a service together from its configuration and starts it. Returns none where it was asked to `stop` first.
async fn start(
    loaded: Loaded,
    opened: OpenedStore,
    watchers: Vec<Arc<dyn OutcomeSink>>,
    stop: impl Future<Output = ()>,
) -> Result<Option<Running>, Failure> {
    let Loaded { service, config, files } = loaded;
    let files = Files::read(files);
    let prober = |error: &dyn std::error::Error| Failure::prober(chain(error));
    let usage = |error: &dyn std::error::Error| Failure::usage(chain(error));
    let secrets = Arc::new(read_secrets(&service.plan.secrets, variable));
    let clients = HttpClients::new(&service.plan.limits).map_err(|error| usage(&error))?;
    let check = service.self_check.as_ref().map(|settings| SelfCheck::start(settings, clients.clone()));
    let self_check = check.transpose().map_err(|error| prober(&error))?;
    let OpenedStore { store, sharing } = opened;
    let stalls: Arc<StallLog> = Arc::default();
    let mut engine = Engine::new(clients, service.plan.limits.clone(), Arc::clone(&stalls), Arc::clone(&secrets))
        .with_ledger(sharing.ledger(&store));
    if let Some(check) = &self_check {
        engine = engine.with_self_check(check.clone());
    }
    if let Some(traces) = &service.traces {
        engine = engine.keeping_traces(traces.sample_passed);
    }
    let (renewed, retiring) = (engine.clone(), engine.clone());
    let source = ConfigSource {
        files,
        check: check_command(Some(&config), &[]),
        load: Box::new(move |given_up| load_cancellable(&config, process_environment(), given_up)),
        secrets: Box::new(|plan| read_secrets(&plan.secrets, variable)),
        renew: Box::new(move |secrets| renewed.replace_secrets(secrets)),
        retire: Box::new(move |plan| retiring.retire_all_but(plan)),
    };
    let canaries = service.plan.canaries.len();
    let parts = ServiceParts {
        service,
        secrets,
        runner: Arc::new(engine.clone()),
        stalls,
        watchers,
        jobs: Vec::new(),
        store,
        sharing,
        engine: Some(engine),
        self_check,
        source: Some(source),
    };
    let Either::Left(running) = Running::start_unless(parts, stop).await.map_err(|error| prober(&error))? else {
        return Ok(None);
    };
    tracing::info!(canaries, address = %running.address(), "probing; the metrics are at /metrics");
    Ok(Some(running))
}

/// Why a service ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It was asked to.
    Asked,
    /// Another instance probes its region.
    Lost,
}

/// Waits for a signal to stop; a hang-up has the configuration read again.
async fn until_asked(signals: &mut StopSignals, hangups: &mut Signal, running: &Running) -> Ending {
    loop {
        tokio::select! {
            () = signals.next() => return Ending::Asked,
            () = running.lost() => return Ending::Lost,
            _ = hangups.recv() => {
                // It logs how it went. Whoever asks to stop meanwhile does not wait for it.
                tokio::select! {
                    () = signals.next() => return Ending::Asked,
                    _ = running.reload() => {}
                }
            }
        }
    }
}

/// Waits for a second signal to stop. Some supervisors signal both a process and its group, so a signal within a second of the first
/// is taken for the same one.
async fn asked_again(signals: &mut StopSignals) {
    const SAME_WISH: Duration = Duration::from_secs(1);
    let first = Instant::now();
    loop {
        signals.next().await;
        if first.elapsed() > SAME_WISH {
            return;
        }
    }
}

fn stopped(stragglers: &[String]) -> Exit {
    if stragglers.is_empty() {
        tracing::info!("stopped");
        Exit::Well
    } else {
        tracing::error!(stragglers = stragglers.join(", "), "stopped, but these did not end in time");
        Exit::Prober
    }
}
