//! What waits for the task that owns the evaluator, in the order in which it came, and what gives way where too much waits.
//!
//! Whoever puts something in never waits for the task. Runs are bounded: with too many of them the rows of whole canaries give
//! way ([`canaries_to_shed`]), and in their place stands one letter that says how many ticks of the canary are without data, so that
//! "fail, pass, fail" never becomes "fail, fail". A failure never gives way, nor does anything that is not a run.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::counter;
use tokio::sync::{Notify, oneshot};

use crate::outcome::{MayShed, MissedTicks, Reason, RunReport, Secrets, Verdict, canaries_to_shed};
use crate::plan::{Alerting, CanaryId, Plan};

use super::evaluate::Event;
use super::mute::{Acked, Closed};
use super::status::Status;

/// Runs that may wait before some give way.
const BEHIND: usize = 50_000;

/// What the task is told.
pub(super) enum Letter {
    /// Something happened.
    Event(Event),
    /// Somebody is at an incident.
    Acknowledge { incident: String, by: String, reason: Option<String>, reply: oneshot::Sender<Acked> },
    /// Somebody says that an incident is over.
    Close { incident: String, by: String, why: String, reply: oneshot::Sender<Closed> },
    /// How does everything stand?
    Status(oneshot::Sender<Status>),
    /// Another plan and other channels hold from now on; `found` by looking at files, and not asked for by somebody.
    Apply { plan: Arc<Plan>, alerting: Arc<Alerting>, secrets: Arc<Secrets>, found: bool },
    /// Other secrets hold from now on.
    Secrets(Arc<Secrets>),
    /// End, with so much time for what is on its way.
    Stop { within: Duration, reply: oneshot::Sender<usize> },
}

/// Letters that wait.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    /// Told of everything but passed runs.
    pressing: Notify,
}

#[derive(Default)]
struct Waiting {
    letters: VecDeque<Letter>,
    /// Runs among them.
    runs: usize,
    /// With so many runs it is worth looking again whether some can give way; nothing could, the last time.
    look_at: usize,
    /// Nobody takes anything any more.
    closed: bool,
}

impl Inbox {
    /// Puts something in that does not wait for others.
    pub(super) fn tell(&self, letter: Letter) {
        self.put(letter);
        self.pressing.notify_one();
    }

    /// Puts a run in. A passed one may wait a moment for others.
    pub(super) fn run(&self, report: &Arc<RunReport>) {
        let letter = Letter::Event(Event::Run(Arc::clone(report)));
        if report.verdict == Verdict::Passed { self.put(letter) } else { self.tell(letter) }
    }

    fn put(&self, letter: Letter) {
        let mut waiting = self.lock();
        if waiting.closed {
            return;
        }
        let first = waiting.letters.is_empty();
        waiting.runs += usize::from(is_run(&letter));
        waiting.letters.push_back(letter);
        if waiting.runs > BEHIND.max(waiting.look_at) {
            waiting.make_room(BEHIND - BEHIND / 8);
        }
        drop(waiting);
        if first {
            self.arrived.notify_one();
        }
    }

    /// Waits until there is something, and takes up to `most` letters of it.
    pub(super) async fn take(&self, into: &mut Vec<Letter>, most: usize) -> usize {
        loop {
            let taken = self.lock().take(into, most);
            if taken > 0 {
                return taken;
            }
            self.arrived.notified().await;
        }
    }

    /// Nobody takes anything any more: whoever waits for an answer learns so, and what comes later is dropped.
    pub(super) fn close(&self) {
        let left = {
            let mut waiting = self.lock();
            waiting.closed = true;
            std::mem::take(&mut waiting.letters)
        };
        drop(left);
    }

    /// Waits for something that presses; it is over at once if there was something since the last time.
    pub(super) async fn pressing(&self) {
        self.pressing.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self, into: &mut Vec<Letter>, most: usize) -> usize {
        let taken = self.letters.len().min(most);
        into.extend(self.letters.drain(..taken).inspect(|letter| self.runs -= usize::from(is_run(letter))));
        self.look_at = 0;
        taken
    }

    /// Has whole canaries give way until at most `most` runs wait, if so many can.
    fn make_room(&mut self, most: usize) {
        let runs = self.letters.iter().filter_map(as_run);
        let spare = self.runs.saturating_sub(most);
        let gone = canaries_to_shed(runs.map(|report| (&report.canary.id, report.verdict)), spare, MayShed::NoFailures);
        let mut lost: HashMap<CanaryId, Lost> = HashMap::new();
        self.letters.retain(|letter| {
            let Some(report) = as_run(letter).filter(|report| gone.contains(&report.canary.id)) else { return true };
            lost.entry(report.canary.id.clone()).or_insert_with(|| Lost::new(report)).add(report);
            false
        });
        let dropped: usize = lost.values().map(|lost| lost.rows).sum();
        self.runs -= dropped;
        // What comes later of such a canary comes after all that is lost of it.
        self.letters.extend(lost.into_values().map(|lost| Letter::Event(Event::Lost { ticks: lost.ticks, passed: lost.passed })));
        self.look_at = self.runs + BEHIND / 8;
        counter!("serinus_alert_runs_dropped_total").increment(dropped as u64);
    }
}

/// What gave way of a canary.
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

fn as_run(letter: &Letter) -> Option<&Arc<RunReport>> {
    match letter {
        Letter::Event(Event::Run(report)) => Some(report),
        Letter::Event(_)
        | Letter::Acknowledge { .. }
        | Letter::Close { .. }
        | Letter::Status(_)
        | Letter::Apply { .. }
        | Letter::Secrets(_)
        | Letter::Stop { .. } => None,
    }
}

fn is_run(letter: &Letter) -> bool {
    as_run(letter).is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::alert::testing::{canary, probe, run};
    use crate::plan::AlertPolicy;

    /// What is taken of each canary, as letters: P(assed), F(ailed), and the ticks lost as a number with the passes among them.
    fn taken(inbox: &Inbox, of: &str) -> String {
        let mut letters = Vec::new();
        inbox.lock().take(&mut letters, usize::MAX);
        let said = letters.iter().filter_map(|letter| match letter {
            Letter::Event(Event::Run(report)) if report.canary.id.as_str() == of => {
                Some(if report.verdict == Verdict::Passed { "P".to_owned() } else { "F".to_owned() })
            }
            Letter::Event(Event::Lost { ticks, passed }) if ticks.canary.id.as_str() == of => {
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
            assert_eq!(waiting.letters.iter().filter(|letter| is_run(letter)).count(), waiting.runs);
            drop(waiting);
            assert_eq!(taken(&inbox, told.id.as_str()), expected);
        }
    }

    #[test]
    fn no_failure_gives_way_however_many_wait_and_nothing_that_is_no_run() {
        let probe = Arc::new(probe(Vec::new(), AlertPolicy::default()));
        let fails = Arc::new(run(&canary(&probe, "eu"), 1, Verdict::Failed, None, Vec::new()));
        let inbox = Inbox::default();
        inbox.tell(Letter::Event(Event::LedgerHas(BTreeSet::new())));
        for _ in 0..BEHIND * 2 {
            inbox.run(&fails);
        }
        let mut letters = Vec::new();
        assert_eq!(inbox.lock().take(&mut letters, usize::MAX), 1 + BEHIND * 2);
    }
}
