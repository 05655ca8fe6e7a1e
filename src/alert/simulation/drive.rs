//! Drives a history through all of alerting, in simulated time: runs, the evaluator, a store of rows, receivers with readers.
//!
//! There are two clocks: that of the environment, by which things happen, and the machine's, which may be set. The steady time of
//! a process begins at the machine's clock of its start.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::environment::{CHANNELS, CHAT, DUTY, Environment, PROBES, PROM, REASON, alerting, schedule};
use super::event::{Event as Happens, Step};
use super::judge::{Case, Channel, ReaderKind};
use super::log::{Log, LogEntry, Sound};
use super::readers::{Health, Readers};
use super::store::Tables;
use super::truth::{Ran, Truth};
use crate::alert::Moment;
use crate::alert::evaluate::{Effects, Evaluator, Event};
use crate::alert::mute::{Acked, Mute, Mutes};
use crate::alert::muting::Paused;
use crate::alert::testing;
use crate::alert::tries::Outcome;
use crate::outcome::{Reason, RunReport, Tick, Trigger, Verdict};
use crate::plan::{Alerting, Canary};

/// When the simulation begins.
const BEGIN: Duration = Duration::from_secs(1_763_724_828);

/// How long an answer takes, and how long it is waited for.
const ANSWER: Duration = Duration::from_millis(50);
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a run takes.
const RUN: Duration = Duration::from_secs(1);

/// If nothing changes and every channel is well, every reader is up to date after this time: the longest pause, the longest
/// backoff and Alertmanager's own time.
const QUIET: Duration = Duration::from_mins(25);

/// What is to happen at some time.
#[derive(Debug)]
enum Due {
    Tick(usize),
    Ends(usize, Box<RunReport>, Ran),
    Lands { channel: Arc<str>, id: String, outcome: Outcome, life: u32 },
    Round,
}

/// A canary with its next tick.
#[derive(Debug)]
struct ScheduledCanary {
    canary: Arc<Canary>,
    every: Duration,
    next: Duration,
    /// A run was brought forward in place of the next tick.
    replaced: bool,
}

/// A history while it is driven.
pub(super) struct Drive {
    now: Duration,
    clock_is_ahead_ms: i64,
    started: (Duration, Duration),
    /// The number of the process; answers to earlier ones are dropped.
    life: u32,
    evaluator: Option<Evaluator>,
    alerting: Arc<Alerting>,
    tables: Tables,
    readers: Readers,
    environment: Environment,
    scheduled: Vec<ScheduledCanary>,
    order: u64,
    heap: BinaryHeap<Reverse<(Duration, u64)>>,
    due: HashMap<u64, Due>,
    sequence: u64,
    truth: Truth,
    log: Log,
    /// How often something happened at the same moment.
    spins: u32,
}

/// Drives a history to its end; judges look at it when all has been quiet while things failed, and when all is well.
pub(super) fn drive(steps: &[Step], flapping: bool) -> Finished {
    let mut drive = Drive::new(flapping);
    for step in steps {
        drive.advance(drive.now + Duration::from_secs(step.wait));
        drive.happens(step.event);
    }
    drive.calm();
    drive.advance(drive.now + QUIET + Duration::from_mins(10));
    let failing = drive.now;
    drive.mend();
    drive.advance(drive.now + QUIET + Duration::from_mins(10));
    let well = drive.now;
    Finished { case: drive.case(), failing, well }
}

/// A history that is over.
pub(super) struct Finished {
    pub(super) case: Case,
    /// What failed had failed for long, and every channel was well.
    pub(super) failing: Duration,
    /// All had been well for long.
    pub(super) well: Duration,
}

impl Drive {
    fn new(flapping: bool) -> Self {
        let environment = Environment::default();
        let mut truth = Truth::default();
        let mut scheduled = Vec::new();
        for canary in &environment.plan().canaries {
            let (phase, every) = schedule(canary);
            truth.add(canary.id.as_str(), &canary.probe.name, &canary.region.name, every);
            scheduled.push(ScheduledCanary { canary: Arc::clone(canary), every, next: BEGIN + phase, replaced: false });
        }
        let mut drive = Self {
            now: BEGIN,
            clock_is_ahead_ms: 0,
            started: (BEGIN, BEGIN),
            life: 0,
            evaluator: None,
            alerting: alerting(flapping),
            tables: Tables::default(),
            readers: Readers::new(BEGIN),
            environment,
            scheduled,
            order: 0,
            heap: BinaryHeap::new(),
            due: HashMap::new(),
            sequence: 0,
            truth,
            log: Log::default(),
            spins: 0,
        };
        for place in 0..drive.scheduled.len() {
            drive.put(drive.scheduled[place].next, Due::Tick(place));
        }
        drive.put(BEGIN, Due::Round);
        drive.start(true);
        drive
    }

    fn case(self) -> Case {
        let channel = |(name, kind): (&str, ReaderKind)| Channel { name: name.to_owned(), kind };
        let needs =
            PROBES.iter().flat_map(|(name, _, _, roots)| roots.iter().map(|root| ((*name).to_owned(), (*root).to_owned())));
        Case {
            truth: self.truth,
            log: self.log,
            channels: [(DUTY, ReaderKind::PagerDuty), (PROM, ReaderKind::Alertmanager), (CHAT, ReaderKind::Chat)]
                .map(channel)
                .into(),
            needs: needs.collect(),
            alertmanager: Duration::from_secs(40),
        }
    }

    fn put(&mut self, at: Duration, due: Due) {
        self.sequence += 1;
        self.heap.push(Reverse((at, self.sequence)));
        self.due.insert(self.sequence, due);
    }

    fn wall_ms(&self, at: Duration) -> i64 {
        i64::try_from(at.as_millis()).unwrap() + self.clock_is_ahead_ms
    }

    fn wall(&self, at: Duration) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(self.wall_ms(at)).unwrap())
    }

    fn moment(&self) -> Moment {
        let (environment, steady) = self.started;
        Moment { steady: steady + self.now.saturating_sub(environment), wall: self.wall(self.now) }
    }

    /// Starts a process with what the store remembers.
    fn start(&mut self, graceful_before: bool) {
        self.life += 1;
        self.started = (self.now, Duration::from_millis(u64::try_from(self.wall_ms(self.now)).unwrap()));
        let remembered = self.tables.remembered();
        let mut evaluator = Evaluator::new(&self.environment.plan(), &self.alerting, &remembered, self.moment());
        evaluator.take(Event::Started { graceful_before }, self.moment());
        self.evaluator = Some(evaluator);
        self.mutes();
        self.log.entries.push(LogEntry::Up { at: self.now, up: true });
        self.settle();
    }

    /// Lets time pass.
    fn advance(&mut self, to: Duration) {
        loop {
            let next = self.heap.peek().map(|Reverse((at, _))| *at);
            let evaluator = self.evaluator.as_ref().and_then(|evaluator| evaluator.due(self.moment()));
            let (environment, steady) = self.started;
            let evaluator = evaluator.map(|due| (environment + due.saturating_sub(steady)).max(self.now));
            let Some(at) =
                [next, evaluator, Some(self.readers.due().max(self.now))].into_iter().flatten().min().filter(|at| *at <= to)
            else {
                break;
            };
            self.spins = if at == self.now { self.spins + 1 } else { 0 };
            assert!(self.spins < 10_000, "something wants to be asked again and again at {at:?}");
            self.now = self.now.max(at);
            if next == Some(at) {
                self.pop();
            }
            self.settle();
        }
        self.now = to;
    }

    fn pop(&mut self) {
        let Some(Reverse((_, sequence))) = self.heap.pop() else { return };
        match self.due.remove(&sequence) {
            Some(Due::Tick(place)) => self.tick(place),
            Some(Due::Ends(place, report, ran)) => self.ends(place, *report, ran),
            Some(Due::Lands { channel, id, outcome, life }) if life == self.life => {
                let chance = f64::from(u32::try_from(self.sequence % 97).unwrap()) / 97.0;
                self.tell(Event::Completed { channel, id, outcome, chance });
            }
            Some(Due::Lands { .. }) | None => {}
            Some(Due::Round) => {
                let wall_ms = self.wall_ms(self.now);
                if self.evaluator.is_some() {
                    let heard = self.readers.round(self.now, wall_ms);
                    self.log.entries.extend(heard.into_iter().map(LogEntry::Heard));
                }
                self.beat();
                self.put(self.now + Duration::from_mins(1), Due::Round);
            }
        }
    }

    /// Sends the heartbeat if no sign is missing. Ticks and conditions are always on time here.
    fn beat(&mut self) {
        let now = self.moment();
        let Some(evaluator) = &self.evaluator else { return };
        let backlog = evaluator.backlog(now);
        if backlog.signs(true, true, true).missing(backlog.escalate_after, now.steady).is_empty() {
            self.log.entries.push(LogEntry::Beat { at: self.now });
        }
    }

    fn tell(&mut self, event: Event) {
        let now = self.moment();
        if let Some(evaluator) = &mut self.evaluator {
            evaluator.take(event, now);
        }
    }

    /// Carries out effects until there are none.
    fn settle(&mut self) {
        let heard = self.readers.listen(self.now);
        self.log.entries.extend(heard.into_iter().map(LogEntry::Heard));
        let now = self.moment();
        let Some(evaluator) = &mut self.evaluator else { return };
        let Effects { commit, tries, held, wanted, .. } = evaluator.finish(now);
        self.tables.write(commit);
        for held in &held {
            self.readers.hold(held, self.now);
        }
        let wall_ms = self.wall_ms(self.now);
        for outgoing in tries {
            let (outcome, heard) = self.readers.send(&outgoing, self.now, wall_ms);
            self.log.entries.extend(heard.into_iter().map(LogEntry::Heard));
            let (channel, id) = (Arc::clone(&outgoing.attempt.channel), outgoing.attempt.id.clone());
            let lost = matches!(outcome, Outcome::Unknown(_));
            if lost {
                self.log.entries.push(LogEntry::Unknown { at: self.now, channel: channel.to_string(), id: id.clone() });
            }
            let at = self.now + if lost { TIMEOUT } else { ANSWER };
            let life = self.life;
            self.put(at, Due::Lands { channel, id, outcome, life });
        }
        for wanted in wanted {
            let place = self.scheduled.iter().position(|place| place.canary.id == wanted && !place.replaced);
            if let Some(place) = place {
                self.put(self.now, Due::Tick(place));
            }
        }
    }

    /// A tick of a canary: its run begins, if it can.
    fn tick(&mut self, at: usize) {
        let place = &mut self.scheduled[at];
        let trigger = if place.next > self.now { Trigger::Needed } else { Trigger::Schedule };
        if trigger == Trigger::Needed {
            place.replaced = true;
        } else {
            place.next += place.every;
            let (next, replaced) = (place.next, std::mem::take(&mut place.replaced));
            self.put(next, Due::Tick(at));
            if replaced {
                return;
            }
        }
        let canary = Arc::clone(&self.scheduled[at].canary);
        let probe = PROBES.iter().position(|(name, ..)| **name == *canary.probe.name).unwrap();
        if self.evaluator.is_none() || self.environment.removed.contains(&probe) {
            return;
        }
        self.order += 1;
        let (started, order) = (self.now, self.order);
        let (verdict, reason) = if self.environment.paused.contains(&probe) {
            (Verdict::Skipped, Some(Reason::Paused))
        } else if self.environment.is_blocked(&canary) {
            (Verdict::Errored, Some(Reason::Secret))
        } else if self.environment.fails(&canary, order) {
            (Verdict::Failed, Some(Reason::Expectation))
        } else {
            (Verdict::Passed, None)
        };
        let cause = reason.map(|reason| testing::cause(reason, "read", None));
        let tick = Tick { due: self.wall(started), slot: 0, order };
        let report = testing::run(&canary, order, verdict, cause, Vec::new());
        let report = RunReport { trigger, tick, started: self.wall(started), duration: RUN, ..report };
        let ran = Ran {
            tick: started,
            started,
            ended: started + RUN,
            failed: verdict == Verdict::Failed,
            needed: trigger == Trigger::Needed,
        };
        self.put(started + RUN, Due::Ends(at, Box::new(report), ran));
    }

    fn ends(&mut self, at: usize, report: RunReport, ran: Ran) {
        if self.evaluator.is_none() {
            return;
        }
        let name = self.scheduled[at].canary.id.as_str().to_owned();
        match report.verdict {
            Verdict::Passed | Verdict::Failed => self.truth.ran(&name, ran),
            Verdict::Errored => self.truth.blocked(&name, ran.ended),
            _ => {}
        }
        self.tell(Event::Run(Arc::new(report)));
    }

    fn happens(&mut self, event: Happens) {
        match event {
            Happens::Break(fault) => self.environment.faults.push(fault),
            Happens::Mend(probe) => self.environment.faults.retain(|fault| fault.probe != probe),
            Happens::Block(probe, region, true) => drop(self.environment.blocked.insert((probe, region))),
            Happens::Block(probe, region, false) => drop(self.environment.blocked.remove(&(probe, region))),
            Happens::Acknowledge(probe) => self.acknowledge(PROBES[probe].0),
            Happens::AcknowledgeThere => {
                for key in self.readers.open_at_duty() {
                    self.readers.acknowledged_at_duty(&key);
                }
            }
            Happens::Pause(probe, on) => {
                if on {
                    self.environment.paused.insert(probe)
                } else {
                    self.environment.paused.remove(&probe)
                };
                self.mute_in_truth(probe);
            }
            Happens::Mute(probe, on) => {
                if on {
                    self.environment.muted.insert(probe)
                } else {
                    self.environment.muted.remove(&probe)
                };
                self.mute_in_truth(probe);
            }
            Happens::Remove(probe, found) => self.load(probe, true, found),
            Happens::Add(probe, found) => self.load(probe, false, found),
            Happens::Receiver(channel, health) => self.receiver(CHANNELS[channel], health),
            Happens::RestartProm => {
                self.readers.restart_prom(self.now);
                self.log.entries.push(LogEntry::Restarted { at: self.now });
            }
            Happens::Stop { graceful, away } => self.stop(graceful, Duration::from_secs(away)),
            Happens::LoseStore => {
                self.end();
                self.tables.lose();
                self.truth.forget(self.now);
                self.log.entries.push(LogEntry::Forgot { at: self.now });
                self.start(true);
            }
            Happens::SetClock(seconds) => self.clock_is_ahead_ms = seconds * 1_000,
        }
        self.settle();
    }

    fn receiver(&mut self, channel: &'static str, health: Health) {
        self.readers.health.insert(channel, health);
        let takes = health == Health::Well;
        self.log.entries.push(LogEntry::Takes { at: self.now, channel: channel.to_owned(), takes });
        // A receiver that refused is mended by a new configuration.
        if takes {
            self.tell(Event::Mended(BTreeSet::from([channel.into()])));
        }
    }

    fn mute_in_truth(&mut self, probe: usize) {
        let muted = self.environment.paused.contains(&probe) || self.environment.muted.contains(&probe);
        let name = PROBES[probe].0;
        let was = self.truth.of(name).next().is_some_and(|canary| canary.at(self.now).muted);
        if was != muted {
            self.truth.mute(|canary| canary.probe == name, muted, self.now);
        }
        self.mutes();
    }

    /// Tells the evaluator what is paused and muted.
    fn mutes(&mut self) {
        let of = |probes: &BTreeSet<usize>, canary: &Canary| probes.iter().any(|at| *PROBES[*at].0 == *canary.probe.name);
        let paused = self.scheduled.iter().filter(|place| of(&self.environment.paused, &place.canary));
        let paused: HashMap<_, _> =
            paused.map(|place| (place.canary.id.clone(), Paused { by: "ann".into(), why: None, until_ms: None })).collect();
        let mute = |at: &usize| Mute {
            probe: PROBES[*at].0.into(),
            mutes: Mutes::Reason(REASON.into()),
            since_ms: 0,
            until_ms: None,
            by: "ann".into(),
            why: None,
        };
        let muted = self.environment.muted.iter().map(mute).collect();
        self.tell(Event::Paused(paused));
        self.tell(Event::Muted(muted));
    }

    fn acknowledge(&mut self, probe: &str) {
        let scope = format!("probe/{probe}");
        let now = self.moment();
        let Some(evaluator) = &mut self.evaluator else { return };
        if matches!(evaluator.acknowledge(&scope, "ann", None, now), Acked::Unknown | Acked::NothingTold) {
            return;
        }
        let mut told = BTreeSet::new();
        for heard in self.log.all_heard().filter(|heard| heard.sound == Sound::Rang && heard.scope == scope) {
            let suspect = heard.apart.iter().filter(|(_, how)| how.as_str() == "suspect").map(|(name, _)| name);
            for name in heard.failing.iter().chain(suspect) {
                if self.truth.canaries.get(name).is_some_and(|canary| canary.at(self.now).episode <= heard.made) {
                    told.insert(name.clone());
                }
            }
        }
        self.truth.acknowledge(&told, self.now);
        self.log.entries.push(LogEntry::Acknowledged { at: self.now, scope });
    }

    fn load(&mut self, probe: usize, removed: bool, found: bool) {
        let changed = if removed { self.environment.removed.insert(probe) } else { self.environment.removed.remove(&probe) };
        if changed {
            self.truth.watch(PROBES[probe].0, !removed, self.now);
            let (plan, alerting) = (self.environment.plan(), Arc::clone(&self.alerting));
            self.tell(Event::Plan { plan, alerting, found });
        }
    }

    fn stop(&mut self, graceful: bool, away: Duration) {
        if graceful {
            // Tries in flight may complete first.
            self.advance(self.now + TIMEOUT);
        }
        self.end();
        self.advance(self.now + away);
        self.start(graceful);
    }

    fn end(&mut self) {
        self.evaluator = None;
        self.life += 1;
        self.readers.died();
        self.log.entries.push(LogEntry::Died { at: self.now });
    }

    /// Every receiver is well, and what fails in some runs fails in all from now on.
    fn calm(&mut self) {
        for channel in CHANNELS {
            self.receiver(channel, Health::Well);
        }
        self.environment.faults.iter_mut().for_each(|fault| fault.share = 5);
        self.settle();
    }

    /// Everything that is broken is mended.
    fn mend(&mut self) {
        self.environment.faults.clear();
        self.environment.blocked.clear();
        for probe in 0..PROBES.len() {
            self.environment.paused.remove(&probe);
            self.environment.muted.remove(&probe);
            self.mute_in_truth(probe);
        }
        self.settle();
    }
}
