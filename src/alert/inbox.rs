//! The inbox of the task that owns the evaluator, in order of arrival, and what is dropped when too much waits.
//!
//! Senders never wait for the task. The number of runs is bounded. Beyond it, all waiting runs of some canaries are dropped
//! ([`canaries_to_shed`]) and replaced by one command that says how many ticks were lost, so that "fail, pass, fail" never becomes "fail,
//! fail". Failures are never dropped, nor is anything that is not a run.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::counter;
use tokio::sync::{Notify, oneshot};

use crate::history::{Epoch, FactView, StartState};
use crate::outcome::{MayShed, MissedTicks, Reason, RunReport, Secrets, Verdict, canaries_to_shed};
use crate::plan::{Alerting, CanaryId, Plan};

use super::evaluate::Event;
use super::mute::{Acked, Closed};
use super::status::Status;

/// Runs that may wait before some are dropped.
const BEHIND: usize = 50_000;

/// What a process that does not evaluate knows by the store.
pub struct Evaluation {
    /// What whoever evaluates has written.
    pub remembered: StartState,
    /// The facts of other regions.
    pub facts: Vec<FactView>,
    /// The regions that a process has spoken for, and how long ago.
    pub heard: Vec<(Arc<str>, Duration)>,
}

/// What a process begins to evaluate with.
pub(super) struct TakeOver {
    /// That of the evaluator's lease.
    pub(super) epoch: Epoch,
    /// What the store remembers.
    pub(super) remembered: StartState,
    /// The facts of other regions.
    pub(super) facts: Vec<FactView>,
}

/// A command to the task.
pub(super) enum Command {
    /// Something happened.
    Event(Event),
    /// Somebody is at an incident.
    Acknowledge { incident: String, by: String, reason: Option<String>, reply: oneshot::Sender<Acked> },
    /// Somebody says that an incident is over.
    Close { incident: String, by: String, why: String, reply: oneshot::Sender<Closed> },
    /// Asks for the status, and whether this process knows the incidents by itself.
    Status(oneshot::Sender<(Status, bool)>),
    /// Asks for the status as whoever evaluates knows it.
    StatusOf(Arc<Evaluation>, oneshot::Sender<Status>),
    /// Applies another plan and other channels; `found` by the file watch and not requested.
    Apply { plan: Arc<Plan>, alerting: Arc<Alerting>, secrets: Arc<Secrets>, found: bool },
    /// Other secrets hold from now on.
    Secrets(Arc<Secrets>),
    /// This process evaluates for its fleet from now on.
    TakeOver(Box<TakeOver>),
    /// Another process does.
    StandDown,
    /// The store has not answered for so long: this process speaks for its own region.
    Alone(Duration),
    /// The store answers again; whether it takes what this process told alone.
    Rejoin { hands_in: bool },
    /// Stops, with this much time for tries in flight.
    Stop { within: Duration, reply: oneshot::Sender<usize> },
}

/// Commands that wait.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    /// Notified of everything but passed runs.
    pressing: Notify,
}

#[derive(Default)]
struct Waiting {
    commands: VecDeque<Command>,
    /// Runs among them.
    runs: usize,
    /// The number of runs at which to look again for droppable ones, after too few could be dropped.
    look_at: usize,
    /// The task has ended.
    closed: bool,
}

impl Inbox {
    /// Puts in a command that is handled at once.
    pub(super) fn tell(&self, command: Command) {
        self.put(command);
        self.pressing.notify_one();
    }

    /// Puts a run in. A passed one may wait a moment for others.
    pub(super) fn run(&self, report: &Arc<RunReport>) {
        let command = Command::Event(Event::Run(Arc::clone(report)));
        if report.verdict == Verdict::Passed { self.put(command) } else { self.tell(command) }
    }

    fn put(&self, command: Command) {
        let mut waiting = self.lock();
        if waiting.closed {
            return;
        }
        let first = waiting.commands.is_empty();
        waiting.runs += usize::from(is_run(&command));
        waiting.commands.push_back(command);
        if waiting.runs > BEHIND.max(waiting.look_at) {
            waiting.make_room(BEHIND - BEHIND / 8);
        }
        drop(waiting);
        if first {
            self.arrived.notify_one();
        }
    }

    /// Waits for commands and takes up to `most` of them.
    pub(super) async fn take(&self, into: &mut Vec<Command>, most: usize) -> usize {
        loop {
            let taken = self.lock().take(into, most);
            if taken > 0 {
                return taken;
            }
            self.arrived.notified().await;
        }
    }

    /// The task has ended: pending replies are dropped, which tells their senders, and later commands are dropped.
    pub(super) fn close(&self) {
        let left = {
            let mut waiting = self.lock();
            waiting.closed = true;
            std::mem::take(&mut waiting.commands)
        };
        drop(left);
    }

    /// Waits for anything but a passed run; returns at once if there was something since the last call.
    pub(super) async fn pressing(&self) {
        self.pressing.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self, into: &mut Vec<Command>, most: usize) -> usize {
        let taken = self.commands.len().min(most);
        into.extend(self.commands.drain(..taken).inspect(|command| self.runs -= usize::from(is_run(command))));
        self.look_at = 0;
        taken
    }

    /// Drops the runs of whole canaries until at most `most` runs wait, as far as possible.
    fn make_room(&mut self, most: usize) {
        let runs = self.commands.iter().filter_map(as_run);
        let spare = self.runs.saturating_sub(most);
        let gone = canaries_to_shed(runs.map(|report| (&report.canary.id, report.verdict)), spare, MayShed::NoFailures);
        let mut lost: HashMap<CanaryId, Lost> = HashMap::new();
        self.commands.retain(|command| {
            let Some(report) = as_run(command).filter(|report| gone.contains(&report.canary.id)) else { return true };
            lost.entry(report.canary.id.clone()).or_insert_with(|| Lost::new(report)).add(report);
            false
        });
        let dropped: usize = lost.values().map(|lost| lost.rows).sum();
        self.runs -= dropped;
        // Later runs of such a canary come after the dropped ones.
        self.commands
            .extend(lost.into_values().map(|lost| Command::Event(Event::Lost { ticks: lost.ticks, passed: lost.passed })));
        self.look_at = self.runs + BEHIND / 8;
        counter!("serinus_alert_runs_dropped_total").increment(dropped as u64);
    }
}

/// The dropped runs of a canary.
struct Lost {
    ticks: MissedTicks,
    passed: u64,
    rows: usize,
}

impl Lost {
    fn new(report: &RunReport) -> Self {
        let (canary, due) = (Arc::clone(&report.canary), report.tick.due);
        Self { ticks: MissedTicks { canary, reason: Reason::Resources, first: due, before: due, count: 0 }, passed: 0, rows: 0 }
    }

    fn add(&mut self, report: &RunReport) {
        self.rows += 1;
        if report.trigger.counts() {
            self.ticks.count += 1;
            self.passed += u64::from(report.verdict == Verdict::Passed);
            self.ticks.before = self.ticks.before.max(report.tick.due + Duration::from_nanos(1));
        }
    }
}

fn as_run(command: &Command) -> Option<&Arc<RunReport>> {
    match command {
        Command::Event(Event::Run(report)) => Some(report),
        Command::Event(_)
        | Command::Acknowledge { .. }
        | Command::Close { .. }
        | Command::Status(_)
        | Command::StatusOf(..)
        | Command::Apply { .. }
        | Command::Secrets(_)
        | Command::TakeOver(_)
        | Command::StandDown
        | Command::Alone(_)
        | Command::Rejoin { .. }
        | Command::Stop { .. } => None,
    }
}

fn is_run(command: &Command) -> bool {
    as_run(command).is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::alert::testing::{canary, probe, run};
    use crate::plan::AlertPolicy;

    /// What is taken of each canary as letters: P(assed), F(ailed), and dropped ticks as a number with the passes among them.
    fn taken(inbox: &Inbox, of: &str) -> String {
        let mut commands = Vec::new();
        inbox.lock().take(&mut commands, usize::MAX);
        let said = commands.iter().filter_map(|command| match command {
            Command::Event(Event::Run(report)) if report.canary.id.as_str() == of => {
                Some(if report.verdict == Verdict::Passed { "P".to_owned() } else { "F".to_owned() })
            }
            Command::Event(Event::Lost { ticks, passed }) if ticks.canary.id.as_str() == of => {
                Some(format!("({} lost, {passed} passed)", ticks.count))
            }
            _ => None,
        });
        said.collect()
    }

    #[test]
    fn where_too_much_waits_a_canary_loses_all_that_waits_of_it_or_nothing() {
        let probe = Arc::new(probe(Vec::new(), AlertPolicy::default()));
        let of = |region: &str| canary(&probe, region);
        for (region, expected) in [("mixed", "FPF"), ("well", "(3 lost, 3 passed)P")] {
            let inbox = Inbox::default();
            let told = of(region);
            let say = |verdict| inbox.run(&Arc::new(run(&told, 1, verdict, None, Vec::new())));
            let verdicts =
                if region == "mixed" { [Verdict::Failed, Verdict::Passed, Verdict::Failed] } else { [Verdict::Passed; 3] };
            verdicts.into_iter().for_each(say);
            // One canary that only fails fills what is allowed to wait.
            let fails = Arc::new(run(&of("fails"), 1, Verdict::Failed, None, Vec::new()));
            for _ in 0..BEHIND {
                inbox.run(&fails);
            }
            if region == "well" {
                say(Verdict::Passed);
            }
            let waiting = inbox.lock();
            assert_eq!(waiting.commands.iter().filter(|command| is_run(command)).count(), waiting.runs);
            drop(waiting);
            assert_eq!(taken(&inbox, told.id.as_str()), expected);
        }
    }

    #[test]
    fn no_failure_gives_way_however_many_wait_and_nothing_that_is_no_run() {
        let probe = Arc::new(probe(Vec::new(), AlertPolicy::default()));
        let fails = Arc::new(run(&canary(&probe, "eu"), 1, Verdict::Failed, None, Vec::new()));
        let inbox = Inbox::default();
        inbox.tell(Command::Event(Event::LedgerHas(BTreeSet::new())));
        for _ in 0..BEHIND * 2 {
            inbox.run(&fails);
        }
        let mut commands = Vec::new();
        assert_eq!(inbox.lock().take(&mut commands, usize::MAX), 1 + BEHIND * 2);
    }
}
