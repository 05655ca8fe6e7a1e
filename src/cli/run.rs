//! `serinus run`: the service, until it is asked to stop.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{Parts, Running, StopSignals, engine, secret_renewal};
use crate::config::{load, process_environment, read_secrets};

use super::config::{accept, required, variable};
use super::exit::Failure;
use super::logs::{self, Talk, chain};
use super::{Exit, Printer};

pub(crate) async fn run(printer: &Printer, config: Option<&Path>) -> Result<Exit, Failure> {
    let mut signals = StopSignals::catch().map_err(|error| Failure::prober(format!("cannot catch signals: {error}")))?;
    let mut hangups = signal(SignalKind::hangup()).map_err(|error| Failure::prober(format!("cannot catch signals: {error}")))?;
    let loaded = load(required(config)?, process_environment());
    let tells_nobody = loaded.tells_nobody();
    let service = accept(printer, loaded)?;
    if tells_nobody {
        return Err(Failure::usage(
            "probes page, and nobody would be told: add a channel, such as `[notify.slack]`, or say that this is meant: `[notify]` \
             `none = true` (or SERINUS_NOTIFY__NONE=true)",
        ));
    }
    let _logs = logs::start(service.log_format, Talk::Everything)?;
    let grace = service.plan.limits.shutdown_grace;
    let canaries = service.plan.canaries.len();
    let secrets = Arc::new(read_secrets(&service.plan.secrets, variable));
    let stalls = Arc::default();
    let runner = Arc::new(engine(&service.plan, &secrets, &stalls).map_err(|error| Failure::usage(chain(&error)))?);
    let chores = secret_renewal(&runner, &service.plan, variable).into_iter().collect();
    let running = Running::start(Parts { service, secrets, runner, stalls, watchers: Vec::new(), chores })
        .await
        .map_err(|error| Failure::prober(chain(&error)))?;
    tracing::info!(canaries, address = %running.address(), "probing; the metrics are at /metrics");

    until_asked(&mut signals, &mut hangups).await;
    tracing::info!(grace = ?grace, "asked to stop: no more runs start, those that are going have their grace");
    tokio::select! {
        stragglers = running.stop() => Ok(stopped(&stragglers)),
        () = asked_again(&mut signals) => Err(Failure::prober("stopped at once: runs that were going were not cleaned up after")),
    }
}

/// Waits for a signal to stop. A hang-up, by which other services are asked to read their configuration again, must not end
/// the process without its shutdown.
async fn until_asked(signals: &mut StopSignals, hangups: &mut Signal) {
    loop {
        tokio::select! {
            () = signals.next() => return,
            _ = hangups.recv() => tracing::warn!("SIGHUP changes nothing yet: restart to read the configuration again"),
        }
    }
}

/// Waits for a further signal to stop. Supervisors that signal a process and its group deliver the first one twice, so what
/// comes within a second of it is the same wish.
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
