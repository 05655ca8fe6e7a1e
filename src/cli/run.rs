//! `serinus run`: the service, until it is asked to stop.

use std::path::Path;
use std::sync::Arc;

use crate::app::{Parts, Running, StopSignals, engine, secret_renewal};
use crate::config::{load, process_environment, read_secrets};

use super::config::{accept, required, variable};
use super::exit::Failure;
use super::logs::{self, Talk, chain};
use super::{Exit, Printer};

pub(crate) async fn run(printer: &Printer, config: Option<&Path>) -> Result<Exit, Failure> {
    let mut signals = StopSignals::catch().map_err(|error| Failure::prober(format!("cannot catch signals: {error}")))?;
    let service = accept(printer, load(required(config)?, process_environment()))?;
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

    signals.next().await;
    tracing::info!(grace = ?grace, "asked to stop: no more runs start, those that are going have their grace");
    tokio::select! {
        stragglers = running.stop() => Ok(stopped(&stragglers)),
        () = signals.next() => Err(Failure::prober("stopped at once: runs that were going were not cleaned up after")),
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
