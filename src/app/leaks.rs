//! Deleting what earlier runs left: a job, and now where somebody asks for it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use futures::FutureExt as _;
use metrics::gauge;
use tokio::runtime::Handle;

use crate::alert::Alerts;
use crate::alert::Event;
use crate::history::{CleanupLedger, LedgerRows, LedgerView};
use crate::outcome::{Ledger, LedgerEnd};
use crate::plan::Plan;
use crate::run::{Engine, Sweeper, Swept};
use crate::schedule::Job;
use crate::telemetry::Telemetry;
use crate::web::{Sweep, SweepOutcome, SweptEntry};

/// Entries of the ledger that cannot be read; each was told when the store was opened.
const UNREADABLE: &str = "serinus_cleanup_unreadable";

/// Who sweeps, and who is told.
#[derive(Clone)]
pub(super) struct Sweeping {
    sweeper: Arc<Sweeper>,
    ledger: Arc<dyn CleanupLedger>,
    plan: Arc<RwLock<Arc<Plan>>>,
    alerts: Alerts,
    telemetry: Arc<Telemetry>,
}

impl Sweeping {
    /// Cleans up through `engine`.
    pub(super) fn new(
        engine: Engine,
        ledger: Arc<dyn CleanupLedger>,
        plan: Arc<RwLock<Arc<Plan>>>,
        alerts: Alerts,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let sweeper = Arc::new(Sweeper::new(engine, Arc::clone(&ledger) as Arc<dyn Ledger>));
        Self { sweeper, ledger, plan, alerts, telemetry }
    }

    /// The job that sweeps once a minute, updates the metric of leaks, and reports entries that were given up to the alert rules.
    pub(super) fn job(&self) -> Job {
        let sweeping = self.clone();
        let run = move || sweeping.clone().sweep_due().boxed();
        Job { name: "cleanup ledger", cron: "20 * * * * *", run: Arc::new(run) }
    }

    fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn sweep_due(self) {
        let LedgerRows { entries, unreadable } = match self.ledger.ledger().await {
            Ok(rows) => rows,
            // The next minute tries again.
            Err(error) => return tracing::warn!(error = &error as &dyn std::error::Error, "the cleanup ledger cannot be read"),
        };
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        gauge!(UNREADABLE).set(unreadable.len() as f64);
        self.telemetry.metrics().set_leaked(&self.sweeper.leaked(entries.iter().map(|view| &view.entry)));
        let ids = entries.iter().map(|view| &view.entry.id).chain(unreadable.iter().map(|row| &row.id));
        self.alerts.event(Event::LedgerHas(ids.cloned().collect()));
        // The alert rules know most of them already, but not one that was given up just before a crash.
        for LedgerView { entry, message, .. } in entries.iter().filter(|view| view.given_up) {
            let message = message.clone().unwrap_or_else(|| "its cleanup was given up".to_owned());
            self.alerts.event(Event::Leaked { probe: entry.probe.as_str().into(), entry: entry.id.clone(), message });
        }
        let due = entries.into_iter().filter(|view| !view.given_up).map(|view| view.entry).collect();
        let sweep = self.sweeper.sweep_once(&self.plan(), due, Instant::now()).await;
        self.tell_cleared(&sweep.swept);
        for leak in sweep.leaks {
            for entry in leak.entries {
                self.alerts.event(Event::Leaked { probe: leak.probe.as_str().into(), entry, message: leak.message.clone() });
            }
        }
    }

    /// Tries every entry now, also those that were given up.
    async fn sweep_now(self) -> Result<SweepOutcome, String> {
        let rows = self.ledger.ledger().await.map_err(|error| error.to_string())?;
        let entries = rows.entries.into_iter().map(|view| view.entry).collect();
        let swept = self.sweeper.sweep_all(&self.plan(), entries).await;
        self.tell_cleared(&swept);
        let mut outcome = SweepOutcome::default();
        swept.into_iter().map(entry).for_each(|entry| outcome.add(entry));
        Ok(outcome)
    }

    fn tell_cleared(&self, swept: &[Swept]) {
        for Swept { entry, .. } in swept.iter().filter(|swept| swept.end == LedgerEnd::Gone) {
            self.alerts.event(Event::LeakCleared { probe: entry.probe.as_str().into(), entry: entry.id.clone() });
        }
    }
}

/// The verb that sweeps now, on the runtime that probes; it goes on where whoever asked has gone.
pub(super) fn verb(sweeping: Option<Sweeping>) -> Arc<Sweep> {
    let runtime = Handle::current();
    Arc::new(move || {
        let Some(sweeping) = sweeping.clone() else {
            return std::future::ready(Err("this service makes no runs itself, so that it has nothing to sweep".to_owned()))
                .boxed();
        };
        let going = runtime.spawn(sweeping.sweep_now());
        async { going.await.unwrap_or_else(|_panic| Err("the sweep was stopped, or panicked; the log says".to_owned())) }.boxed()
    })
}

fn entry(Swept { entry, end }: Swept) -> SweptEntry {
    let (result, message) = match end {
        LedgerEnd::Gone => ("gone", None),
        LedgerEnd::Again => ("again", None),
        LedgerEnd::Retry { message } | LedgerEnd::GivenUp { message } => ("left", Some(message)),
    };
    SweptEntry { id: entry.id, canary: entry.canary, step: entry.step, result, message }
}
