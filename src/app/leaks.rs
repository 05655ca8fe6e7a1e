//! The job of deleting what earlier runs left.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use futures::FutureExt as _;
use metrics::gauge;

use crate::alert::Alerts;
use crate::alert::Event;
use crate::history::{CleanupLedger, LedgerRows, LedgerView};
use crate::outcome::{Ledger, LedgerEnd};
use crate::plan::Plan;
use crate::run::{Engine, Sweeper};
use crate::schedule::Job;
use crate::telemetry::Telemetry;

/// Entries of the ledger that cannot be read; each was told when the store was opened.
const UNREADABLE: &str = "serinus_cleanup_unreadable";

/// The job that sweeps once a minute, updates the metric of leaks, and reports entries that were given up to the alert rules.
pub(super) fn sweeping(
    engine: Engine,
    ledger: Arc<dyn CleanupLedger>,
    plan: Arc<RwLock<Arc<Plan>>>,
    alerts: Alerts,
    telemetry: Arc<Telemetry>,
) -> Job {
    let sweeper = Arc::new(Sweeper::new(engine, Arc::clone(&ledger) as Arc<dyn Ledger>));
    let run = move || {
        let (sweeper, ledger, alerts, telemetry) =
            (Arc::clone(&sweeper), Arc::clone(&ledger), alerts.clone(), Arc::clone(&telemetry));
        let plan = Arc::clone(&plan.read().unwrap_or_else(PoisonError::into_inner));
        sweep(sweeper, ledger, plan, alerts, telemetry).boxed()
    };
    Job { name: "cleanup ledger", cron: "20 * * * * *", run: Arc::new(run) }
}

async fn sweep(
    sweeper: Arc<Sweeper>,
    ledger: Arc<dyn CleanupLedger>,
    plan: Arc<Plan>,
    alerts: Alerts,
    telemetry: Arc<Telemetry>,
) {
    let LedgerRows { entries, unreadable } = match ledger.ledger().await {
        Ok(rows) => rows,
        // The next minute tries again.
        Err(error) => return tracing::warn!(error = &error as &dyn std::error::Error, "the cleanup ledger cannot be read"),
    };
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    gauge!(UNREADABLE).set(unreadable.len() as f64);
    telemetry.metrics().set_leaked(&sweeper.leaked(entries.iter().map(|view| &view.entry)));
    let ids = entries.iter().map(|view| &view.entry.id).chain(unreadable.iter().map(|row| &row.id));
    alerts.event(Event::LedgerHas(ids.cloned().collect()));
    // The alert rules know most of them already, but not one that was given up just before a crash.
    for LedgerView { entry, message, .. } in entries.iter().filter(|view| view.given_up) {
        let message = message.clone().unwrap_or_else(|| "its cleanup was given up".to_owned());
        alerts.event(Event::Leaked { probe: entry.probe.as_str().into(), entry: entry.id.clone(), message });
    }
    let due = entries.into_iter().filter(|view| !view.given_up).map(|view| view.entry).collect();
    let sweep = sweeper.sweep_once(&plan, due, Instant::now()).await;
    for swept in sweep.swept {
        if swept.end == LedgerEnd::Gone {
            alerts.event(Event::LeakCleared { probe: swept.entry.probe.into(), entry: swept.entry.id });
        }
    }
    for leak in sweep.leaks {
        for entry in leak.entries {
            alerts.event(Event::Leaked { probe: leak.probe.as_str().into(), entry, message: leak.message.clone() });
        }
    }
}
