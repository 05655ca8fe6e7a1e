//! The loop of the alerts' thread: take commands, fold, write, send.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics::counter;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::base::thread::AtomicInstant;
use crate::history::{Commit, Durable, Recorder};
use crate::outcome::{AlertStateSink, IncidentScope, Secrets};
use crate::plan::{Alerting, CanaryId, Channel};

use super::Scope;
use super::channel::Sender;
use super::evaluate::{Backlog, Effects, Evaluator, Event, OutgoingTry};
use super::inbox::{Command, Inbox, TakeOver};
use super::tries::{Outcome, Refusal, RefusalKind};
use crate::alert::moment::Clock;

/// How long a try waits to be durable before it leaves anyway: in a process that is alone, and in a fleet, whose store is further
/// away.
const DURABLE_WITHIN: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(500));
/// Commands handled before their effects are written and sent.
const AT_ONCE: usize = 256;
/// How long passed runs may wait for others, so that the thread does not wake up for each. Nothing else waits.
const REST: Duration = Duration::from_millis(100);

/// The longest time between two rounds of the loop.
pub(super) const ROUND: Duration = Duration::from_secs(1);

/// Brings the next run of a canary forward.
pub(super) type BringForward = Arc<dyn Fn(&CanaryId) + Send + Sync>;

/// Whether this process may speak for its fleet now.
pub(super) type MaySend = Arc<dyn Fn() -> bool + Send + Sync>;

/// A completed try: its channel, its id and its outcome.
type Answer = (Arc<str>, String, Outcome);

/// What became of a commit by the time at which its tries leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// It is durable, or nothing depends on that.
    Durable,
    /// It was handed to the store, which has not answered yet.
    Late,
    /// It will not be written.
    Refused,
}

/// The outputs besides the channels.
pub(super) struct Outputs {
    pub(super) shown: watch::Sender<Backlog>,
    pub(super) bring_forward: Arc<RwLock<Option<BringForward>>>,
    pub(super) alert_states: Arc<dyn AlertStateSink>,
    /// Absent in a process that is alone, which always may.
    pub(super) may_send: Option<MaySend>,
    /// Keeps what this process tells alone.
    pub(super) journal: Option<Arc<dyn Recorder>>,
}

/// The evaluator with what carries out its effects.
pub(super) struct EventLoop {
    evaluator: Evaluator,
    sender: Sender,
    alerting: Arc<Alerting>,
    secrets: Arc<Secrets>,
    store: Arc<dyn Recorder>,
    clock: Clock,
    round: Arc<AtomicInstant>,
    outputs: Outputs,
    flights: JoinSet<Answer>,
    /// The try of each task, in case it panics.
    in_flight: HashMap<tokio::task::Id, (Arc<str>, String)>,
    /// A commit that was not durable in time. Until it is, later ones are not waited for.
    late: Option<Durable>,
    /// Whether this process needs no lease to send.
    speaks_alone: Arc<AtomicBool>,
}

impl EventLoop {
    pub(super) fn new(
        evaluator: Evaluator,
        sender: Sender,
        (alerting, secrets): (Arc<Alerting>, Arc<Secrets>),
        store: Arc<dyn Recorder>,
        clock: Clock,
        round: Arc<AtomicInstant>,
        outputs: Outputs,
    ) -> Self {
        let (flights, in_flight) = (JoinSet::new(), HashMap::new());
        let speaks_alone = Arc::new(AtomicBool::new(evaluator.speaks_alone()));
        Self { evaluator, sender, alerting, secrets, store, clock, round, outputs, flights, in_flight, late: None, speaks_alone }
    }

    /// Runs until it is asked to stop.
    pub(super) async fn run(mut self, inbox: &Inbox) {
        let sender = self.sender.clone();
        let (may_send, speaks_alone) = (self.outputs.may_send.clone(), Arc::clone(&self.speaks_alone));
        let repeating = tokio::spawn(async move {
            sender.keep_alive(|| speaks_alone.load(Ordering::Relaxed) || may_send.as_ref().is_none_or(|it| it())).await;
        });
        let mut commands = Vec::with_capacity(AT_ONCE);
        let mut ending: Option<(Instant, oneshot::Sender<usize>)> = None;
        loop {
            let now = std::time::Instant::now();
            self.round.set(now);
            self.outputs.alert_states.evaluated(now);
            let effects = self.finish();
            self.act(effects).await;
            self.show();
            if let Some((until, _)) = &ending
                && (self.flights.is_empty() || Instant::now() >= *until)
            {
                break;
            }
            let now = self.clock.now();
            let wait = self.evaluator.due(now).map_or(ROUND, |due| due.saturating_sub(now.steady)).min(ROUND);
            let wait = ending.as_ref().map_or(wait, |(until, _)| wait.min(until.saturating_duration_since(Instant::now())));
            tokio::select! {
                taken = inbox.take(&mut commands, AT_ONCE), if ending.is_none() => {
                    for command in commands.drain(..) {
                        if let Some((within, reply)) = self.open(command) {
                            ending = Some((Instant::now() + within, reply));
                        }
                    }
                    if taken < AT_ONCE && ending.is_none() {
                        self.rest(inbox).await;
                    }
                }
                Some(joined) = self.flights.join_next_with_id(), if !self.flights.is_empty() => self.completed(joined),
                () = tokio::time::sleep(wait) => {}
            }
        }
        repeating.abort();
        // The scheduler holds a handle of this task, and this task one of the scheduler; the cycle is cut here.
        *self.outputs.bring_forward.write().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some((_, reply)) = ending {
            // The receiver may be gone if the process is being killed.
            let _ = reply.send(self.outputs.shown.borrow().owed());
        }
    }

    /// Carries out the effects so far, and gives passed runs a moment to gather.
    async fn rest(&mut self, inbox: &Inbox) {
        let effects = self.finish();
        self.act(effects).await;
        let now = self.clock.now();
        let rest = self.evaluator.due(now).map_or(REST, |due| due.saturating_sub(now.steady)).min(REST);
        tokio::select! {
            // It returns at once if something pressing came meanwhile.
            () = inbox.pressing() => {}
            Some(joined) = self.flights.join_next_with_id(), if !self.flights.is_empty() => self.completed(joined),
            () = tokio::time::sleep(rest) => {}
        }
    }

    /// The effects so far. Nothing is made to be sent while this process may not speak for its fleet.
    fn finish(&mut self) -> Effects {
        self.ask_whether_it_may_send();
        let effects = self.evaluator.finish(self.clock.now());
        let speaks_alone = self.evaluator.speaks_alone();
        if self.speaks_alone.swap(speaks_alone, Ordering::Relaxed) && !speaks_alone {
            self.sender.release();
        }
        effects
    }

    fn ask_whether_it_may_send(&mut self) {
        let may_send = self.outputs.may_send.as_ref().is_none_or(|may_send| may_send());
        self.evaluator.set_may_send(may_send);
    }

    /// Handles a command. Returns the time that is left if it is to stop.
    fn open(&mut self, command: Command) -> Option<(Duration, oneshot::Sender<usize>)> {
        let now = self.clock.now();
        match command {
            Command::Event(event) => self.evaluator.take(event, now),
            Command::Acknowledge { incident, by, reason, reply } => {
                self.ask_whether_it_may_send();
                // The asker may be gone; likewise below.
                let _ = reply.send(self.evaluator.acknowledge(&incident, &by, reason.as_deref(), now));
            }
            Command::Close { incident, by, why, reply } => {
                self.ask_whether_it_may_send();
                let _ = reply.send(self.evaluator.close(&incident, &by, &why, now));
            }
            Command::Status(reply) => {
                let _ = reply.send((self.evaluator.status(now), self.evaluator.evaluates()));
            }
            Command::StatusOf(evaluation, reply) => {
                let _ = reply.send(self.evaluator.status_of(&evaluation, now));
            }
            Command::Apply { plan, alerting, secrets, found } => {
                let mended = self.mended(&alerting, &secrets);
                (self.alerting, self.secrets) = (Arc::clone(&alerting), secrets);
                self.sender.apply(&self.alerting, &self.secrets);
                self.evaluator.take(Event::Plan { plan, alerting, found }, now);
                self.evaluator.take(Event::Mended(mended), now);
            }
            Command::Secrets(secrets) => {
                let mended = self.mended(&Arc::clone(&self.alerting), &secrets);
                self.secrets = secrets;
                self.sender.apply(&self.alerting, &self.secrets);
                self.evaluator.take(Event::Mended(mended), now);
            }
            Command::TakeOver(with) => {
                let TakeOver { epoch, remembered, facts } = *with;
                // What is still open is held anew.
                self.sender.release();
                self.evaluator.take_over(epoch, &remembered, facts, now);
            }
            Command::StandDown => {
                self.evaluator.stand_down(now);
                self.sender.release();
            }
            Command::Alone(ago) => {
                self.sender.release();
                self.evaluator.alone(now.steady.saturating_sub(ago), now);
            }
            Command::Rejoin { hands_in } => self.evaluator.rejoins(hands_in, now),
            Command::Stop { within, reply } => return Some((within, reply)),
        }
        None
    }

    /// The channels whose configuration changed; all of them if secrets changed.
    fn mended(&self, alerting: &Alerting, secrets: &Secrets) -> BTreeSet<Arc<str>> {
        let all = !secrets.is_same(&self.secrets);
        let before: HashMap<&str, String> =
            self.alerting.channels.iter().map(|channel| (&*channel.name, format!("{channel:?}"))).collect();
        let changed = |channel: &&Arc<Channel>| all || before.get(&*channel.name) != Some(&format!("{channel:?}"));
        alerting.channels.iter().filter(changed).map(|channel| Arc::clone(&channel.name)).collect()
    }

    /// Carries out effects: tries leave once they are durable, or after a moment in any case.
    async fn act(&mut self, effects: Effects) {
        let Effects { commit, journal, tries, held, wanted, forgotten, canaries, probes, scopes } = effects;
        let written = self.write(commit, !tries.is_empty() && journal.is_empty()).await;
        self.write_journal(journal).await;
        for outgoing in tries {
            self.send(outgoing, written);
        }
        for held in held {
            self.sender.hold(&held.channel, &held.open, &Arc::new(held.message));
        }
        for (canary, failures, healthy) in canaries {
            self.outputs.alert_states.canary_state(&canary, failures, healthy);
        }
        for (probe, severity) in probes {
            self.outputs.alert_states.probe_severity(&probe, severity);
        }
        for (scope, severity) in scopes {
            let text = scope.to_string();
            let region = if let Scope::Blind(region) = &scope { Some(region) } else { self.alerting.origin.as_ref() };
            let (probe, region) = (scope.probe().map(|probe| &**probe), region.map(|region| &**region));
            let incident = IncidentScope { kind: scope.kind(), text: &text, probe, region };
            self.outputs.alert_states.incident(incident, severity);
        }
        for channel in &forgotten {
            self.sender.forget(channel);
        }
        if !wanted.is_empty()
            && let Some(verb) = &*self.outputs.bring_forward.read().unwrap_or_else(PoisonError::into_inner)
        {
            for canary in &wanted {
                verb(canary);
            }
        }
    }

    /// Writes what was decided. If something is to leave because of it, waits until it is durable, but not for long.
    async fn write(&mut self, commit: Commit, leaves: bool) -> Written {
        if commit.is_empty() {
            return Written::Durable;
        }
        if !commit.is_urgent() {
            self.store.record(commit);
            return Written::Durable;
        }
        let mut durable = self.store.commit(commit);
        let in_fleet = self.outputs.may_send.is_some();
        if in_fleet && !leaves {
            return Written::Late;
        }
        let stands = self.late.as_mut().is_some_and(|late| matches!(late.try_recv(), Err(TryRecvError::Empty)));
        let within = if in_fleet { DURABLE_WITHIN.1 } else { DURABLE_WITHIN.0 };
        let waited = if stands { None } else { tokio::time::timeout(within, &mut durable).await.ok() };
        match waited {
            Some(Ok(())) => {
                self.late = None;
                Written::Durable
            }
            // The store has ended, or another process evaluates by now.
            Some(Err(_)) => {
                self.late = None;
                Written::Refused
            }
            None => {
                counter!("serinus_store_late_commits_total").increment(1);
                if !stands {
                    self.late = Some(durable);
                }
                Written::Late
            }
        }
    }

    /// Writes what this process tells alone on its own disk, which is waited for as a store of its own is.
    async fn write_journal(&self, commit: Commit) {
        let Some(journal) = self.outputs.journal.as_ref().filter(|_| !commit.is_empty()) else { return };
        let leaves = !commit.tries.is_empty();
        let durable = journal.commit(commit);
        if leaves && tokio::time::timeout(DURABLE_WITHIN.0, durable).await.is_err() {
            counter!("serinus_store_late_commits_total").increment(1);
        }
    }

    fn send(&mut self, outgoing: OutgoingTry, written: Written) {
        let OutgoingTry { attempt, message, opens, shortest } = outgoing;
        let may_send = |may_send: &MaySend| written != Written::Refused && may_send();
        if !self.evaluator.speaks_alone() && !self.outputs.may_send.as_ref().is_none_or(may_send) {
            let message = "this process may not speak for the fleet: the store did not confirm its lease".to_owned();
            let outcome = Outcome::Refused(Refusal { message, kind: RefusalKind::Unreachable });
            let (channel, id) = (attempt.channel, attempt.id);
            return self.evaluator.take(Event::Completed { channel, id, outcome, chance: fastrand::f64() }, self.clock.now());
        }
        let (sender, channel, id) = (self.sender.clone(), Arc::clone(&attempt.channel), attempt.id.clone());
        let whose = (Arc::clone(&channel), id.clone());
        let flight = self.flights.spawn(async move {
            let outcome = sender.send(&attempt, &message, &opens, shortest).await;
            (channel, id, outcome)
        });
        self.in_flight.insert(flight.id(), whose);
    }

    fn completed(&mut self, joined: Result<(tokio::task::Id, Answer), tokio::task::JoinError>) {
        let (channel, id, outcome) = match joined {
            Ok((task, flight)) => {
                self.in_flight.remove(&task);
                flight
            }
            Err(error) => {
                let Some((channel, id)) = self.in_flight.remove(&error.id()) else { return };
                let message = "sending it panicked, which is a defect of the prober".to_owned();
                (channel, id, Outcome::Unknown(Refusal { message, kind: RefusalKind::Unreachable }))
            }
        };
        if let Outcome::Refused(refusal) | Outcome::Unknown(refusal) = &outcome {
            tracing::warn!(channel = &*channel, attempt = id, "a channel did not take a try: {}", refusal.message);
        }
        self.evaluator.take(Event::Completed { channel, id, outcome, chance: fastrand::f64() }, self.clock.now());
    }

    fn show(&self) {
        let now = self.clock.now();
        self.outputs.shown.send_replace(self.evaluator.backlog(now));
    }
}
