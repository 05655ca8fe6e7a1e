//! `serinus run`: the service, until it is asked to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{ConfigSource, Files, OpenError, OpenedStore, Running, ServiceParts, StopSignals, open_store, store_in_memory};
use crate::config::{load, load_cancellable, process_environment, read_secrets};
use crate::plan::Service;
use crate::run::step::http::HttpClients;
use crate::run::{Engine, SelfCheck, StallLog};

use super::config::{TELLS_NOBODY, accept, check_command, required, variable};
use super::exit::Failure;
use super::logs::{self, Verbosity, chain};
use super::{Exit, Printer};

pub(crate) async fn run(printer: &Printer, config: Option<&Path>) -> Result<Exit, Failure> {
    let mut signals = StopSignals::catch().map_err(|error| Failure::prober(format!("cannot catch signals: {error}")))?;
    let mut hangups = signal(SignalKind::hangup()).map_err(|error| Failure::prober(format!("cannot catch signals: {error}")))?;
    let config = required(config)?.to_owned();
    let loaded = load(&config, process_environment());
    let (tells_nobody, files) = (loaded.tells_nobody(), Files::read(loaded.files.clone()));
    let service = accept(printer, loaded, Some(&config), &[])?;
    if tells_nobody {
        return Err(Failure::usage(TELLS_NOBODY));
    }
    let _logs = logs::start(service.log_format, Verbosity::Info)?;
    let grace = service.plan.limits.shutdown_grace;
    let canaries = service.plan.canaries.len();
    let running = tokio::select! {
        running = start(service, config, files) => running?,
        // An instance that stands by has nothing to end.
        () = signals.next() => return Ok(stopped(&[])),
    };
    tracing::info!(canaries, address = %running.address(), "probing; the metrics are at /metrics");

    if until_asked(&mut signals, &mut hangups, &running).await == Ending::Lost {
        tracing::error!("another instance probes this one's region: this one stops, and stands by where it is started again");
        let stragglers = running.stop().await;
        if !stragglers.is_empty() {
            tracing::error!(stragglers = stragglers.join(", "), "these did not end in time");
        }
        return Ok(Exit::Prober);
    }
    tracing::info!(grace = ?grace, "asked to stop: no more runs start, those that are going have their grace");
    tokio::select! {
        stragglers = running.stop() => Ok(stopped(&stragglers)),
        () = asked_again(&mut signals) => Err(Failure::prober("stopped at once: runs that were going were not cleaned up after")),
    }
}

/// Puts a service together from its configuration and starts it.
async fn start(service: Service, config: PathBuf, files: Files) -> Result<Running, Failure> {
    let prober = |error: &dyn std::error::Error| Failure::prober(chain(error));
    let usage = |error: &dyn std::error::Error| Failure::usage(chain(error));
    let secrets = Arc::new(read_secrets(&service.plan.secrets, variable));
    let clients = HttpClients::new(&service.plan.limits).map_err(|error| usage(&error))?;
    let check = service.self_check.as_ref().map(|settings| SelfCheck::start(settings, clients.clone()));
    let self_check = check.transpose().map_err(|error| prober(&error))?;
    let OpenedStore { store, fleet } = match open(&service).await {
        Ok(opened) => opened,
        Err(error) => {
            self_check.iter().for_each(SelfCheck::stop);
            return Err(error);
        }
    };
    let stalls: Arc<StallLog> = Arc::default();
    let mut engine =
        Engine::new(clients, service.plan.limits.clone(), Arc::clone(&stalls), Arc::clone(&secrets)).with_ledger(store.clone());
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
    let parts = ServiceParts {
        service,
        secrets,
        runner: Arc::new(engine.clone()),
        stalls,
        watchers: Vec::new(),
        jobs: Vec::new(),
        store,
        fleet,
        engine: Some(engine),
        self_check,
        source: Some(source),
    };
    Running::start(parts).await.map_err(|error| prober(&error))
}

/// Opens the store. A disk that is full is told of, and the service goes on from memory.
async fn open(service: &Service) -> Result<OpenedStore, Failure> {
    let in_memory = || OpenedStore { store: store_in_memory(), fleet: None };
    let Some(settings) = &service.store else { return Ok(in_memory()) };
    match open_store(settings, service.fleet.as_ref()).await {
        Ok(opened) => Ok(opened),
        Err(OpenError::File(error)) if error.is_full() => {
            let error = chain(&error);
            tracing::error!(
                error,
                "the disk is full: probing and paging go on from memory, and a restart forgets what happens now"
            );
            Ok(in_memory())
        }
        Err(OpenError::File(error)) if error.is_misnamed() => Err(Failure::usage(chain(&error))),
        Err(error) => Err(Failure::prober(chain(&error))),
    }
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
