//! The task that owns the evaluator: it takes finished runs, writes through to the store, and has tries sent.
//!
//! It has a thread and runtime of its own, so that probing and paging do not delay each other. Senders never wait: commands go to
//! the `inbox`. A new command is a variant of [`Command`].

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::base::thread::{AtomicInstant, spawn_vital};
use crate::history::{Epoch, FactView, ReadFuture, Recorder, StartState};
use crate::outcome::{AlertStateSink, CleanupReport, LinkKey, MissedTicks, OutcomeSink, RunReport, Secrets};
use crate::plan::{Alerting, CanaryId, Plan};

use super::channel::{HttpClient, Sender};
use super::evaluate::{Backlog, Evaluator, Event};
use super::event_loop::{BringForward, EventLoop, MaySend, Outputs, ROUND};
use super::inbox::{Command, Evaluation, Inbox, TakeOver};
use super::mute::{Acked, Closed, Mute};
use super::muting::Paused;
use super::status::Status;
use crate::alert::moment::Clock;

/// What the task starts with.
pub struct AlertParts {
    /// What is probed.
    pub plan: Arc<Plan>,
    /// Where pages go.
    pub alerting: Arc<Alerting>,
    /// The current secrets.
    pub secrets: Arc<Secrets>,
    /// The client for pages.
    pub client: HttpClient,
    /// The store.
    pub store: Arc<dyn Recorder>,
    /// What the store remembers.
    pub remembered: StartState,
    /// Whether the process before this one stopped gracefully, or there was none.
    pub graceful_before: bool,
    /// The canaries that are paused, so that nobody is rung for them at the start.
    pub paused: HashMap<CanaryId, Paused>,
    /// The parts of probes that are muted, for the same reason.
    pub mutes: Vec<Mute>,
    /// Receives the state of canaries and probes.
    pub alert_states: Arc<dyn AlertStateSink>,
    /// The part of this process.
    pub part: AlertPart,
    /// Signs the links of messages; they ask for a log-in if absent.
    pub links: Option<LinkKey>,
}

/// The part that a process has in alerting.
pub enum AlertPart {
    /// It evaluates what it finds.
    Single,
    /// It is one of a fleet.
    Fleet(FleetPart),
    /// It is one of a fleet whose store it has not reached yet: it tells what fails in its region. `store` is its journal. Where the
    /// store is there already, it only ends what an earlier process told.
    Alone {
        /// Whether it is.
        is_reached: bool,
    },
}

/// Reads what whoever evaluates has written.
pub type ReadEvaluation = Arc<dyn Fn() -> ReadFuture<Arc<Evaluation>> + Send + Sync>;

/// What a process of a fleet starts with.
pub struct FleetPart {
    /// What the store has of this process's region: policies, and facts that are not well.
    pub reported: Vec<FactView>,
    /// Whether this process may speak for the fleet now, by its own steady clock.
    pub may_send: MaySend,
    /// Reads what whoever evaluates has written.
    pub read: ReadEvaluation,
    /// Keeps what this process tells alone; a restart does not know that if absent.
    pub journal: Option<Arc<dyn Recorder>>,
}

/// The handle of the task: a sink for runs, and verbs. Clones are handles of the same task.
#[derive(Clone)]
pub struct Alerts {
    inbox: Arc<Inbox>,
    /// When the task last came round.
    round: Arc<AtomicInstant>,
    backlog: watch::Receiver<Backlog>,
    secrets: Arc<RwLock<Arc<Secrets>>>,
    read: Option<ReadEvaluation>,
    bring_forward: Arc<RwLock<Option<BringForward>>>,
}

/// The thread, to be joined at the end.
pub struct AlertThread {
    alerts: Alerts,
    thread: JoinHandle<()>,
}

impl Alerts {
    /// Starts the thread. What is due leaves at once.
    ///
    /// # Errors
    /// The operating system gave no thread or no runtime.
    pub fn start(parts: AlertParts) -> io::Result<(Self, AlertThread)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let inbox = Arc::<Inbox>::default();
        let round = Arc::new(AtomicInstant::at(Instant::now()));
        let (shown, backlog) = watch::channel(Backlog::default());
        let alerts = Self {
            inbox: Arc::clone(&inbox),
            round: Arc::clone(&round),
            backlog,
            secrets: Arc::new(RwLock::new(Arc::clone(&parts.secrets))),
            read: match &parts.part {
                AlertPart::Fleet(fleet) => Some(Arc::clone(&fleet.read)),
                AlertPart::Single | AlertPart::Alone { .. } => None,
            },
            bring_forward: Arc::default(),
        };
        let bring_forward = Arc::clone(&alerts.bring_forward);
        // If the thread panics, the process ends; the next one finds in the store what was told.
        let thread = spawn_vital("alerts", "the thread that evaluates alerts", move || {
            let AlertParts {
                plan,
                alerting,
                secrets,
                client,
                store,
                remembered,
                graceful_before,
                paused,
                mutes,
                alert_states,
                part,
                links,
            } = parts;
            let clock = Clock::start();
            let (mut evaluator, may_send, journal) = match part {
                AlertPart::Fleet(FleetPart { reported, may_send, read: _, journal }) => {
                    (Evaluator::in_fleet(&plan, &alerting, &remembered, &reported, clock.now()), Some(may_send), journal)
                }
                AlertPart::Single => (Evaluator::new(&plan, &alerting, &remembered, clock.now()), None, None),
                AlertPart::Alone { is_reached } => {
                    let mut evaluator = Evaluator::starting_alone(&plan, &alerting, &remembered, clock.now());
                    if is_reached {
                        evaluator.rejoins(true, clock.now());
                    }
                    (evaluator, None, Some(Arc::clone(&store)))
                }
            };
            if let Some(links) = links {
                evaluator.sign_links(links);
            }
            for event in [Event::Paused(paused), Event::Muted(mutes), Event::Started { graceful_before }] {
                evaluator.take(event, clock.now());
            }
            runtime.block_on(async {
                let sender = Sender::new(client, &alerting, &secrets);
                let outputs = Outputs { shown, bring_forward, alert_states, may_send, journal };
                EventLoop::new(evaluator, sender, (alerting, secrets), store, clock, round, outputs).run(&inbox).await;
            });
            inbox.close();
        })?;
        Ok((alerts.clone(), AlertThread { alerts, thread }))
    }

    /// Says that somebody is at an incident, named by its id, a key or its scope; `None` if the service is stopping.
    pub async fn acknowledge(&self, incident: String, by: String, reason: Option<String>) -> Option<Acked> {
        let (reply, answer) = oneshot::channel();
        self.inbox.tell(Command::Acknowledge { incident, by, reason, reply });
        answer.await.ok()
    }

    /// Says that an incident is over, named by its id, a key or its scope; `None` if the service is stopping.
    pub async fn close(&self, incident: String, by: String, why: String) -> Option<Closed> {
        let (reply, answer) = oneshot::channel();
        self.inbox.tell(Command::Close { incident, by, why, reply });
        answer.await.ok()
    }

    /// How everything stands; `None` if the service is stopping, or if another process evaluates and the store does not say what.
    pub async fn status(&self) -> Option<Status> {
        let (reply, answer) = oneshot::channel();
        self.inbox.tell(Command::Status(reply));
        let (status, evaluates) = answer.await.ok()?;
        let Some(read) = self.read.as_ref().filter(|_| !evaluates) else { return Some(status) };
        match read().await {
            Ok(evaluation) => {
                let (reply, answer) = oneshot::channel();
                self.inbox.tell(Command::StatusOf(evaluation, reply));
                answer.await.ok()
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "what the fleet's incidents are cannot be read");
                None
            }
        }
    }

    /// This process evaluates for its fleet from now on: with what the store remembers, and the facts of other regions.
    pub fn take_over(&self, epoch: Epoch, remembered: StartState, facts: Vec<FactView>) {
        self.inbox.tell(Command::TakeOver(Box::new(TakeOver { epoch, remembered, facts })));
    }

    /// Another process evaluates for the fleet from now on.
    pub fn stand_down(&self) {
        self.inbox.tell(Command::StandDown);
    }

    /// The store of the fleet has not answered for so long: this process tells what fails in its own region.
    pub fn alone(&self, since: Duration) {
        self.inbox.tell(Command::Alone(since));
    }

    /// The store of the fleet answers again. `hands_in`: it takes what this process told alone, which this process ends by itself otherwise.
    pub fn rejoin(&self, hands_in: bool) {
        self.inbox.tell(Command::Rejoin { hands_in });
    }

    /// Pages that leave from now on use these secrets.
    pub fn replace_secrets(&self, secrets: Arc<Secrets>) {
        self.remember(&secrets);
        self.inbox.tell(Command::Secrets(secrets));
    }

    /// Applies another plan and other channels; `found` by the file watch and not requested.
    pub fn apply(&self, plan: Arc<Plan>, alerting: Arc<Alerting>, secrets: Arc<Secrets>, found: bool) {
        self.remember(&secrets);
        self.inbox.tell(Command::Apply { plan, alerting, secrets, found });
    }

    /// Tells of something that is not a run.
    pub fn event(&self, event: Event) {
        self.inbox.tell(Command::Event(event));
    }

    /// From now on a canary's next run can be brought forward by this.
    pub fn bring_forward_by(&self, verb: Arc<dyn Fn(&CanaryId) + Send + Sync>) {
        *self.bring_forward.write().unwrap_or_else(PoisonError::into_inner) = Some(verb);
    }

    /// The backlog.
    pub fn backlog(&self) -> Backlog {
        self.backlog.borrow().clone()
    }

    /// Whether runs are evaluated without delay.
    pub fn evaluating(&self) -> bool {
        self.evaluated_within(ROUND * 10)
    }

    /// Whether runs were evaluated so lately.
    pub fn evaluated_within(&self, late: Duration) -> bool {
        self.round.ago(Instant::now()).is_some_and(|ago| ago < late)
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
        self.inbox.tell(Command::Event(Event::TicksMissed(missed.clone())));
    }
}

impl AlertThread {
    /// Leaves what this process told alone in the journal to be handed in, since the store of the fleet answers. Resolves when nothing of it
    /// is on its way any more, or after a minute.
    pub async fn rejoin(&self) {
        self.alerts.rejoin(true);
        let mut backlog = self.alerts.backlog.clone();
        // The answer comes after the command before it was taken, and after the backlog was shown.
        if self.alerts.status().await.is_some() {
            // It fails where the thread has ended, which has been said.
            let _ended = backlog.wait_for(|backlog| !backlog.alone).await;
        }
    }

    /// Handles what has arrived so far, sends what is due for at most `within`, and ends. Returns how much is still due; it is
    /// sent when the service starts again.
    pub async fn stop(self, within: Duration) -> usize {
        let (reply, answer) = oneshot::channel();
        self.alerts.inbox.tell(Command::Stop { within, reply });
        let left = answer.await.unwrap_or(0);
        // A panic has been printed; at shutdown there is nothing else to do about it.
        let _joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        left
    }
}
