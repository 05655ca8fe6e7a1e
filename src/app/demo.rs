//! The demo: a sandbox, and the shipped probes against it from three regions, on the real engine and scheduler.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, timeout_at};

use crate::config::read_secrets;
use crate::outcome::RunReport;
use crate::plan::{Canary, Plan, Severity};
use crate::run::Engine;
use crate::sandbox::{FaultScope, Incident, SandboxConfig};
use crate::schedule::Runner;

use crate::run::step::http::HttpSetupError;

use super::demo_sandbox::DemoSandbox;
use super::engine::engine;
use super::incident::{DemoResult, IncidentWatch, Noticed, Paged};
use super::page_receiver::{Page, PageReceiver, is_outage, open_incidents};
use super::run_events::{RunEvent, RunEventsReader, run_events};
use super::running::{Running, ServiceParts, StartError};
use super::shipped::{REGIONS, as_shipped, load_shipped, lookup};
use super::storage::{Sharing, store_in_memory};

/// How many times faster than life the sandbox's pipelines run: two minutes become six seconds.
const SPEED: f64 = 20.0;
/// Finished runs that a watcher may be behind.
const BEHIND: usize = 1_024;
/// How long every affected canary may take to pass for the first time.
const HEALTHY_WITHIN: Duration = Duration::from_secs(25);
/// How long an incident is given to be noticed and paged.
const PAGED_WITHIN: Duration = Duration::from_mins(1);
/// How long its spreading is given to become critical.
const CRITICAL_WITHIN: Duration = Duration::from_secs(30);
/// How long its end is given to be seen by every canary in it.
const RESOLVED_WITHIN: Duration = Duration::from_secs(90);

/// Why a demo did not start or did not get anywhere.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The sandbox.
    #[error("the sandbox cannot be started")]
    Sandbox(#[source] io::Error),
    /// The receiver of pages.
    #[error("the demo's receiver of pages cannot be started")]
    PageReceiver(#[source] io::Error),
    /// The temporary files.
    #[error("the shipped probes cannot be written to the temporary folder {folder}")]
    Files {
        /// Where.
        folder: String,
        /// Why.
        source: io::Error,
    },
    /// The shipped probes do not load, which is a defect.
    #[error("the shipped probes are not valid, which is a defect of this program:\n{0}")]
    Invalid(String),
    /// The engine.
    #[error("the demo did not start")]
    Engine(#[from] HttpSetupError),
    /// The service.
    #[error("the demo did not start")]
    Start(#[from] StartError),
    /// The healthy start did not come.
    #[error("{missing} of {affected} canaries of {probe} had not passed after {} s, before anything was broken: {why}", HEALTHY_WITHIN.as_secs())]
    Unhealthy {
        /// The probe.
        probe: String,
        /// Canaries that had not passed.
        missing: usize,
        /// Canaries that the incident affects.
        affected: usize,
        /// What their last run said.
        why: String,
    },
}

/// A demo that is running.
pub struct Demo {
    sandbox: DemoSandbox,
    running: Running,
    receiver: PageReceiver,
    plan: Arc<Plan>,
}

impl Demo {
    /// Starts it, with an event for everything that ends. If an incident is to be looked at, the probe that ought to notice it
    /// comes before the others.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub async fn start(seed: u64, incident: Option<Incident>) -> Result<(Self, RunEventsReader), DemoError> {
        // The sandbox's usual password is a word that stands in many names here, all of which would be redacted.
        let password = format!("demo-{:032x}", fastrand::u128(..));
        let config = SandboxConfig { speed: SPEED, seed, password: password.clone(), ..SandboxConfig::default() };
        let sandbox = DemoSandbox::start(config).await.map_err(DemoError::Sandbox)?;
        let receiver = PageReceiver::start().await.map_err(DemoError::PageReceiver)?;
        let loaded = load_shipped(sandbox.address(), receiver.address(), &password, incident.map(Incident::probe))
            .map_err(|source| DemoError::Files { folder: std::env::temp_dir().display().to_string(), source })?;
        let service = loaded.service.ok_or_else(|| DemoError::Invalid(loaded.diagnostics.render(false)))?;
        let plan = Arc::clone(&service.plan);
        let secrets = Arc::new(read_secrets(&plan.secrets, lookup(&password)));
        let stalls = Arc::default();
        let store = store_in_memory();
        let runner = Arc::new(engine(&plan, &secrets, &stalls)?.with_ledger(store.clone()));
        let (watcher, reader) = run_events(BEHIND);
        let running = Running::start(ServiceParts {
            service,
            secrets,
            runner: Arc::clone(&runner) as Arc<dyn Runner>,
            stalls,
            watchers: vec![watcher],
            jobs: Vec::new(),
            store,
            engine: Some(Engine::clone(&runner)),
            sharing: Sharing::Own,
            self_check: None,
            source: None,
        })
        .await?;
        Ok((Self { sandbox, running, receiver, plan }, reader))
    }

    /// Everything that is probed.
    pub fn canaries(&self) -> &[Arc<Canary>] {
        &self.plan.canaries
    }

    /// Where the metrics are.
    pub fn metrics(&self) -> SocketAddr {
        self.running.address()
    }

    /// Where the dashboard is, with what logs somebody in once.
    pub fn dashboard(&self) -> String {
        self.running.login_link("demo")
    }

    /// Where the sandbox is.
    pub fn sandbox(&self) -> SocketAddr {
        self.sandbox.address()
    }

    /// Waits for a healthy start, switches an incident on for all of its requests in the first region, waits until a run notices
    /// and a page arrives, lets it spread to the other regions until that is critical, switches it off, and waits until every page is
    /// resolved; each within its bound. `told` hears what is being waited for.
    ///
    /// # Errors
    /// [`DemoError::Unhealthy`].
    pub async fn incident(
        &self,
        incident: Incident,
        reader: &mut RunEventsReader,
        mut told: impl FnMut(&str),
    ) -> Result<DemoResult, DemoError> {
        let region = REGIONS[0];
        let mut watch = self.healthy(incident, region, reader, &mut told).await?;
        self.switch_on(incident, &incident.scope(region));
        let onset = SystemTime::now();
        watch.begin(onset);
        told(&format!("{incident} is on in {region}; waiting until {} notices and pages", incident.probe()));
        let (noticed, paged) = self.until_paged(incident, &mut watch, reader).await;
        if paged.is_some() {
            self.switch_on(incident, &incident.scope_everywhere());
            told(&format!("{incident} is on in every region; waiting until it is critical"));
            let critical = |pages: &Vec<Page>| pages.iter().any(|page| page.message.severity == Severity::Critical);
            self.receiver.wait(Instant::now() + CRITICAL_WITHIN, critical).await;
        }
        self.sandbox.faults().clear_all();
        let ended = SystemTime::now();
        if paged.is_some() {
            told(&format!("{incident} is over; waiting until every page is resolved"));
            self.receiver
                .wait(Instant::now() + RESOLVED_WITHIN, |pages| open_incidents(pages, incident.probe()).is_empty())
                .await;
        }
        Ok(DemoResult {
            incident,
            probe: incident.probe().into(),
            healthy_runs: watch.healthy_runs(),
            onset,
            watched: PAGED_WITHIN,
            noticed: noticed.map(as_the_user_knows_it),
            paged,
            ended,
            pages: self.receiver.pages(),
        })
    }

    async fn healthy(
        &self,
        incident: Incident,
        region: &str,
        reader: &mut RunEventsReader,
        told: &mut impl FnMut(&str),
    ) -> Result<IncidentWatch, DemoError> {
        let affected: Vec<&Arc<Canary>> = self.plan.canaries.iter().filter(|canary| affects(incident, region, canary)).collect();
        let mut watch = IncidentWatch::new(affected.iter().copied());
        told(&format!("waiting for a healthy start of {}", incident.probe()));
        let deadline = Instant::now() + HEALTHY_WITHIN;
        let mut last = None;
        while !watch.healthy() {
            let Ok(Some(event)) = timeout_at(deadline, reader.next()).await else {
                return Err(unhealthy(incident, &watch, affected.len(), last.as_deref()));
            };
            if let RunEvent::Run(report) = event {
                watch.run_finished(&report);
                last = if affects(incident, region, &report.canary) { Some(report) } else { last };
            }
        }
        Ok(watch)
    }

    fn switch_on(&self, incident: Incident, scope: &FaultScope) {
        for &fault in incident.faults() {
            self.sandbox.faults().set(fault, scope.clone());
        }
    }

    /// The run that noticed, and how many runs of the canary that failed most often it took until a page arrived.
    async fn until_paged(
        &self,
        incident: Incident,
        watch: &mut IncidentWatch,
        reader: &mut RunEventsReader,
    ) -> (Option<Noticed>, Option<Paged>) {
        let deadline = Instant::now() + PAGED_WITHIN;
        let mut noticed = None;
        let arrival = self.receiver.wait(deadline, |pages| first_page(pages, incident).is_some());
        tokio::pin!(arrival);
        loop {
            tokio::select! {
                // What ended before the page arrived is counted first.
                biased;
                event = reader.next() => match event {
                    Some(RunEvent::Run(report)) => {
                        let first = watch.run_finished(&report);
                        noticed = noticed.or(first);
                    }
                    Some(RunEvent::Cleanup(_)) => {}
                    None => return (noticed, None),
                },
                arrived = &mut arrival => {
                    let there = self.receiver.pages();
                    let first = first_page(&there, incident).filter(|_| arrived);
                    let told = |page: &Page| Paged { page: page.clone(), runs: watch.runs_since_onset(incident.probe(), page.message.evidence.first()) };
                    return (noticed, first.map(told));
                }
            }
        }
    }

    /// Stops probing, then the sandbox. Returns what had not ended by its deadline.
    pub async fn stop(self) -> Vec<String> {
        let stragglers = self.running.stop().await;
        self.sandbox.stop().await;
        stragglers
    }
}

/// The first page about the probe that ought to notice.
fn first_page(pages: &[Page], incident: Incident) -> Option<&Page> {
    pages.iter().find(|page| page.message.severity >= Severity::Page && is_outage(&page.message, incident.probe()))
}

/// Whether an incident in a region hits a canary.
fn affects(incident: Incident, region: &str, canary: &Canary) -> bool {
    let cell = |(key, value): (&str, &str)| canary.cell.get(key).is_some_and(|of| of.to_string() == value);
    &*canary.probe.name == incident.probe() && &*canary.region.name == region && incident.cell().is_none_or(cell)
}

fn unhealthy(incident: Incident, watch: &IncidentWatch, affected: usize, last: Option<&RunReport>) -> DemoError {
    let cause = last.and_then(|report| report.cause.as_ref());
    DemoError::Unhealthy {
        probe: incident.probe().to_owned(),
        missing: watch.never_passed(),
        affected,
        why: cause.map_or_else(|| "no run had ended".to_owned(), |cause| format!("{}: {}", cause.reason, cause.message)),
    }
}

/// The probes were loaded from a temporary folder; the report names the files that the user has.
fn as_the_user_knows_it(mut noticed: Noticed) -> Noticed {
    if let Some(location) = Arc::make_mut(&mut noticed.report).cause.as_mut().and_then(|cause| cause.location.as_mut()) {
        *location = as_shipped(location);
    }
    noticed
}
