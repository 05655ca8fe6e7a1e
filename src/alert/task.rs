//! The task that owns the desk: it takes finished runs, writes through to the store, and hands messages to the dispatcher.
//!
//! It lives on a thread and runtime of its own, so that a busy probing runtime delays no page and a page delays no probe.
//! Whoever tells it something never waits: it goes to the `inbox`. A new thing to ask of it is a variant of [`Letter`].

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use metrics::counter;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{oneshot, watch};

use crate::history::{Commit, Remembered, Store};
use crate::outcome::{CleanupReport, MissedTicks, OutcomeSink, RunReport, Secrets};
use crate::plan::{Alerting, Plan};

use super::Moment;
use super::desk::{Desk, Event, Status};
use super::inbox::{Inbox, Letter};
use super::notify::{Backlog, Dispatcher, HttpClient};

/// How long a page waits to be durable before it leaves anyway; it is recorded later then.
const DURABLE_WITHIN: Duration = Duration::from_millis(40);
/// Events handled before what they cause is written and sent.
const AT_ONCE: usize = 256;
/// How long passed runs may wait for others, so that the thread does not wake up for each of them. Nothing else waits.
const REST: Duration = Duration::from_millis(10);
/// How long the task may go without a round before it no longer counts as evaluating alerts.
const ROUND: Duration = Duration::from_secs(1);

/// What the task starts with.
pub struct AlertParts {
    /// What is probed.
    pub plan: Arc<Plan>,
    /// Where pages go.
    pub alerting: Arc<Alerting>,
    /// The secrets of the day.
    pub secrets: Arc<Secrets>,
    /// What pages are sent with.
    pub client: HttpClient,
    /// Where everything is written.
    pub store: Store,
    /// What the store remembers.
    pub remembered: Remembered,
}

/// The way to the task: a sink for runs, and verbs. Clones are ways to the same one.
#[derive(Clone)]
pub struct Alerts {
    inbox: Arc<Inbox>,
    pulse: Arc<Pulse>,
    backlog: watch::Receiver<Backlog>,
    secrets: Arc<RwLock<Arc<Secrets>>>,
}

/// When the task last came round, in milliseconds since it began.
#[derive(Debug)]
struct Pulse {
    origin: Instant,
    round: AtomicU64,
}

impl Pulse {
    fn beat(&self) {
        self.round.store(self.millis(), Ordering::Relaxed);
    }

    fn silent(&self) -> Duration {
        Duration::from_millis(self.millis().saturating_sub(self.round.load(Ordering::Relaxed)))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A prober whose alerts are gone must not look alive: whatever supervises the process starts it again, and the store
/// remembers.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the thread that evaluates alerts panicked, which is a defect of the prober; the process ends");
            std::process::abort();
        }
    }
}

/// The thread, to be joined at the end.
pub struct AlertThread {
    alerts: Alerts,
    thread: JoinHandle<()>,
}

impl Alerts {
    /// Starts the thread. Messages that were not delivered when the last process ended leave now.
    ///
    /// # Errors
    /// The operating system gave no thread or no runtime.
    pub fn start(parts: AlertParts) -> io::Result<(Self, AlertThread)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let inbox = Arc::<Inbox>::default();
        let pulse = Arc::new(Pulse { origin: Instant::now(), round: AtomicU64::new(0) });
        let dispatcher = {
            let _inside = runtime.enter();
            dispatcher(&parts, Arc::clone(&inbox))
        };
        let (backlog, secrets) = (dispatcher.watch(), Arc::new(RwLock::new(Arc::clone(&parts.secrets))));
        let alerts = Self { inbox: Arc::clone(&inbox), pulse: Arc::clone(&pulse), backlog, secrets };
        let AlertParts { plan, alerting, store, remembered, .. } = parts;
        let thread = std::thread::Builder::new().name("alerts".to_owned()).spawn(move || {
            let _guard = AbortOnPanic;
            let now = Moment::now(pulse.origin);
            let (desk, effects) = Desk::new(plan, Arc::clone(&alerting), remembered, now);
            let mut work = Work { desk, alerting, store, dispatcher, pulse, late: None };
            runtime.block_on(async {
                work.act(effects.commit).await;
                work.go_on(&inbox).await;
            });
            inbox.close();
        })?;
        Ok((alerts.clone(), AlertThread { alerts, thread }))
    }

    /// Says that somebody is at an incident, named by its id, key or scope; `Some(false)` if none such is open, `None` if the
    /// service is stopping.
    pub async fn acknowledge(&self, incident: String, by: String) -> Option<bool> {
        let (reply, answer) = oneshot::channel();
        self.inbox.tell(Letter::Acknowledge { incident, by, reply });
        answer.await.ok()
    }

    /// How everything stands; `None` if the service is stopping.
    pub async fn status(&self) -> Option<Status> {
        let (reply, answer) = oneshot::channel();
        self.inbox.tell(Letter::Status(reply));
        answer.await.ok()
    }

    /// Pages that leave from now on use these secrets.
    pub fn replace_secrets(&self, secrets: Arc<Secrets>) {
        self.remember(&secrets);
        self.inbox.tell(Letter::Secrets(secrets));
    }

    /// Takes over another plan and other channels.
    pub fn apply(&self, plan: Arc<Plan>, alerting: Arc<Alerting>, secrets: Arc<Secrets>) {
        self.remember(&secrets);
        self.inbox.tell(Letter::Apply { plan, alerting, secrets });
    }

    /// Tells the desk of something that is not a run.
    pub fn event(&self, event: Event) {
        self.inbox.tell(Letter::Event(event));
    }

    /// How much is not delivered.
    pub fn backlog(&self) -> Backlog {
        self.backlog.borrow().clone()
    }

    /// Whether runs are looked at without delay.
    pub fn evaluating(&self) -> bool {
        self.pulse.silent() < ROUND * 10
    }

    /// The secrets of the day.
    pub fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.secrets.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn remember(&self, secrets: &Arc<Secrets>) {
        *self.secrets.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(secrets);
    }
}

impl OutcomeSink for Alerts {
    fn run_finished(&self, report: &Arc<RunReport>) {
        self.inbox.run(report);
    }

    fn cleanup_finished(&self, _report: &Arc<CleanupReport>) {}

    fn ticks_missed(&self, missed: &MissedTicks) {
        self.inbox.tell(Letter::Event(Event::TicksMissed(missed.clone())));
    }
}

impl AlertThread {
    /// Handles what has been told so far, tries for at most `within` to deliver what waits, and ends. Returns how many messages
    /// are left; they are in the store and leave when the service starts again.
    pub async fn stop(self, within: Duration) -> usize {
        let (reply, answer) = oneshot::channel();
        self.alerts.inbox.tell(Letter::Stop { within, reply });
        let left = answer.await.unwrap_or(0);
        // A panic has been printed; at shutdown there is nothing else to do about it.
        let _joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        left
    }
}

fn dispatcher(parts: &AlertParts, inbox: Arc<Inbox>) -> Dispatcher {
    let store = parts.store.clone();
    let record = move |commit| store.offer(commit);
    let tell = move |news| inbox.tell(Letter::Event(Event::from(news)));
    let remembered = parts.remembered.told.iter().chain(&parts.remembered.messages).cloned().collect();
    Dispatcher::start(parts.client.clone(), &parts.alerting, &parts.secrets, remembered, record, tell)
}

struct Work {
    desk: Desk,
    alerting: Arc<Alerting>,
    store: Store,
    dispatcher: Dispatcher,
    pulse: Arc<Pulse>,
    /// A commit that was not durable in time, until it is: those behind it would wait in vain.
    late: Option<oneshot::Receiver<()>>,
}

impl Work {
    async fn go_on(mut self, inbox: &Inbox) {
        let mut letters = Vec::with_capacity(AT_ONCE);
        loop {
            self.pulse.beat();
            let now = Moment::now(self.pulse.origin);
            let wait = self.desk.due().map_or(ROUND, |due| due.saturating_sub(now.steady)).min(ROUND);
            let told = tokio::time::timeout(wait, inbox.take(&mut letters, AT_ONCE)).await;
            let now = Moment::now(self.pulse.origin);
            let mut commit = Commit::default();
            for letter in letters.drain(..) {
                if let Some((within, reply)) = self.open(letter, now, &mut commit) {
                    self.act(commit).await;
                    let left = self.dispatcher.stop(within).await;
                    // Nobody waits for the answer if the process is being ended the hard way.
                    let _ = reply.send(left);
                    return;
                }
            }
            if told.is_err() || self.desk.due().is_some_and(|due| due <= now.steady) {
                commit.append(self.desk.handle(Event::Clock, now).commit);
            }
            self.act(commit).await;
            if told.is_ok_and(|letters| letters < AT_ONCE) {
                // It is over at once if something pressing came meanwhile.
                let _ = tokio::time::timeout(REST, inbox.pressing()).await;
            }
        }
    }

    /// Does what a letter asks for. Returns how long is left if it asks to stop.
    fn open(&mut self, letter: Letter, now: Moment, commit: &mut Commit) -> Option<(Duration, oneshot::Sender<usize>)> {
        match letter {
            Letter::Event(event) => commit.append(self.desk.handle(event, now).commit),
            Letter::Acknowledge { incident, by, reply } => {
                let found = self.desk.find(&incident);
                // Whoever asked may have gone away.
                let _ = reply.send(found.is_some());
                if let Some(incident) = found {
                    commit.append(self.desk.handle(Event::Acknowledge { incident, by }, now).commit);
                }
            }
            Letter::Status(reply) => {
                let _ = reply.send(self.desk.status(now));
            }
            Letter::Apply { plan, alerting, secrets } => {
                self.alerting = Arc::clone(&alerting);
                self.dispatcher.apply(Arc::clone(&alerting), secrets);
                commit.append(self.desk.handle(Event::Plan(plan, alerting), now).commit);
            }
            Letter::Secrets(secrets) => self.dispatcher.apply(Arc::clone(&self.alerting), secrets),
            Letter::Stop { within, reply } => return Some((within, reply)),
        }
        None
    }

    /// Writes what belongs together, and lets messages leave once they are durable, or after a moment in any case.
    async fn act(&mut self, commit: Commit) {
        if commit.is_empty() {
            return;
        }
        if !commit.is_urgent() {
            self.store.offer(commit);
            return;
        }
        let messages = commit.messages.clone();
        let mut durable = self.store.commit(commit);
        let stands = self.late.as_mut().is_some_and(|late| matches!(late.try_recv(), Err(TryRecvError::Empty)));
        if stands {
            counter!("serinus_store_late_commits_total").increment(1);
        } else if tokio::time::timeout(DURABLE_WITHIN, &mut durable).await.is_err() {
            counter!("serinus_store_late_commits_total").increment(1);
            self.late = Some(durable);
        } else {
            self.late = None;
        }
        self.dispatcher.offer(messages);
    }
}
