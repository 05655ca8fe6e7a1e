//! The alerting of a whole service on simulated time: every canary has its ticks at its real interval and phase, what comes of a
//! run is said by whoever asks, and the evaluator is told when it ends. Its one channel takes every try at once. Nothing waits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serinus::alert::evaluate::{Effects, Evaluator};
use serinus::alert::message::Message;
use serinus::alert::tries::Outcome;
use serinus::alert::{Event, Moment};
use serinus::history::{StartState, TimelineRow};
use serinus::outcome::{Cause, Reason, RunId, RunReport, SpanId, StepReport, StepResult, Tick, TraceId, Trigger, Verdict};
use serinus::plan::{Alerting, Cadence, Canary, Channel, ChannelKind, Plan, Severity};

/// Where simulated time begins.
const BEGIN: Duration = Duration::from_hours(80_000);

/// What came of a run.
pub(crate) struct Drawn {
    pub(crate) failed: bool,
    pub(crate) took: Duration,
    /// What the step of the latency objective took, if it passed.
    pub(crate) lag: Option<Duration>,
}

/// A message that was taken.
pub(crate) struct Told {
    /// Since the beginning.
    pub(crate) at: Duration,
    pub(crate) message: Message,
}

/// A run that ended.
pub(crate) struct Ended {
    pub(crate) canary: Arc<Canary>,
    /// Since the beginning.
    pub(crate) started: Duration,
    /// Since the beginning.
    pub(crate) at: Duration,
    pub(crate) failed: bool,
}

/// A service on simulated time.
pub(crate) struct Service {
    evaluator: Evaluator,
    now: Duration,
    order: u64,
    /// When canaries are due.
    ticks: BinaryHeap<Reverse<(Duration, usize)>>,
    canaries: Vec<Arc<Canary>>,
    /// Runs that go on, by when they end.
    runs: BTreeMap<(Duration, u64), Arc<RunReport>>,
    pub(crate) told: Vec<Told>,
    pub(crate) timeline: Vec<TimelineRow>,
}

impl Service {
    pub(crate) fn new(plan: &Arc<Plan>) -> Self {
        let kind = ChannelKind::PagerDuty { routing_key: "key".into(), url: "http://127.0.0.1".to_owned() };
        let channel =
            Channel { name: "pager".into(), least: Severity::Warn, wakes: true, timeout: Duration::from_secs(10), kind };
        let alerting = Alerting { channels: vec![Arc::new(channel)], ..Alerting::default() };
        let begin = moment(Duration::ZERO);
        let mut evaluator = Evaluator::new(plan, &Arc::new(alerting), &StartState::default(), begin);
        evaluator.take(Event::Started { graceful_before: true }, begin);
        let canaries = plan.canaries.clone();
        let ticks = canaries.iter().enumerate().map(|(number, canary)| {
            // As the scheduler spreads them.
            let apart = spacing(canary).as_nanos();
            let phase = u128::from(canary.id.stable_hash()) % apart;
            Reverse((Duration::from_nanos(u64::try_from(phase).expect("an interval is shorter than that")), number))
        });
        let ticks = ticks.collect();
        let (runs, told, timeline) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { evaluator, now: Duration::ZERO, order: 0, ticks, canaries, runs, told, timeline }
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// Lets time pass. `draw` says what comes of a run that starts then, and is asked in the order of the ticks.
    pub(crate) fn until(
        &mut self,
        end: Duration,
        draw: &mut dyn FnMut(&Canary, Duration) -> Drawn,
        ended: &mut dyn FnMut(Ended),
    ) {
        loop {
            let tick = self.ticks.peek().map(|Reverse((at, _))| *at);
            let run = self.runs.keys().next().map(|(at, _)| *at);
            let clock = self.evaluator.due(moment(self.now)).map(|due| due.saturating_sub(BEGIN).max(self.now));
            let Some(next) = [tick, run, clock].into_iter().flatten().min().filter(|next| *next <= end) else { break };
            self.now = next;
            if run == Some(next) {
                if let Some((_, report)) = self.runs.pop_first() {
                    let started = next.saturating_sub(report.duration);
                    let failed = report.verdict == Verdict::Failed;
                    ended(Ended { canary: Arc::clone(&report.canary), started, at: next, failed });
                    self.tell(Event::Run(report));
                }
            } else if clock == Some(next) {
                self.finish();
            } else if let Some(Reverse((at, number))) = self.ticks.pop() {
                let canary = Arc::clone(&self.canaries[number]);
                self.ticks.push(Reverse((at + spacing(&canary), number)));
                self.order += 1;
                let drawn = draw(&canary, at);
                let report = report(canary, at, self.order, &drawn);
                self.runs.insert((at + drawn.took, self.order), Arc::new(report));
            }
        }
        self.now = end;
    }

    fn tell(&mut self, event: Event) {
        self.evaluator.take(event, moment(self.now));
        self.finish();
    }

    /// Takes what follows, and what follows from its being taken.
    fn finish(&mut self) {
        loop {
            let Effects { mut commit, tries, .. } = self.evaluator.finish(moment(self.now));
            self.timeline.append(&mut commit.timeline);
            if tries.is_empty() {
                break;
            }
            for outgoing in tries {
                let (channel, id) = (outgoing.attempt.channel, outgoing.attempt.id);
                self.told.push(Told { at: self.now, message: outgoing.message });
                self.evaluator.take(Event::Completed { channel, id, outcome: Outcome::Taken, chance: 0.5 }, moment(self.now));
            }
        }
    }
}

/// Between two runs of a canary.
pub(crate) fn spacing(canary: &Canary) -> Duration {
    let Cadence::Every(every) = canary.probe.cadence else { panic!("the phases of a cron expression are not drawn here") };
    every / canary.probe.runs
}

/// The shipped probes with these names, or all, in these regions, with texts in their files replaced by others.
pub(crate) fn shipped(names: &[&str], regions: &[&str], replaced: &[(&str, &str)]) -> Arc<Plan> {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let service = directory.path().join("serinus.toml");
    let text = format!(
        "regions = {regions:?}\n[vars]\napi = \"http://127.0.0.1\"\n[secrets]\ncanary_password = {{ env = \"CANARY_PASSWORD\" }}\n\
         [notify]\nnone = true\n"
    );
    std::fs::write(&service, text).expect("the directory can be written to");
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/probes"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
        if entry.path().extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let mut text = std::fs::read_to_string(entry.path()).expect("a probe can be read");
        if names.is_empty() || names.iter().any(|name| text.contains(&format!("\nname     = \"{name}\"\n"))) {
            for (old, new) in replaced.iter().filter(|(old, _)| text.contains(old)).collect::<Vec<_>>() {
                text = text.replace(old, new);
            }
            let file = directory.path().join(entry.file_name());
            std::fs::write(&file, text).expect("the directory can be written to");
            files.push(file);
        }
    }
    assert!(files.len() >= names.len(), "a probe of {names:?} is not shipped");
    let loaded = serinus::config::load_probes(&files, Some(&service), [("CANARY_PASSWORD".to_owned(), "canary".to_owned())]);
    assert!(!loaded.diagnostics.has_errors(), "{}", loaded.diagnostics.render(false));
    loaded.service.expect("there was no error").plan
}

fn moment(since: Duration) -> Moment {
    let steady = BEGIN + since;
    Moment { steady, wall: SystemTime::UNIX_EPOCH + steady }
}

fn report(canary: Arc<Canary>, at: Duration, order: u64, drawn: &Drawn) -> RunReport {
    let due = moment(at).wall;
    let step = canary.probe.slo.as_ref().and_then(|slo| slo.latency.as_ref()?.step.clone());
    let steps = step.into_iter().filter(|_| !drawn.failed).map(|name| measured(name, drawn.lag));
    let cause = drawn.failed.then(|| Cause {
        reason: Reason::Expectation,
        message: "it did not hold".to_owned(),
        step: None,
        subject: None,
        attempts: 1,
        expectation: None,
        location: None,
        seen: Vec::new(),
    });
    RunReport {
        run_id: RunId(ulid::Ulid::nil()),
        trigger: Trigger::Schedule,
        tick: Tick { due, slot: 0, order },
        started: due,
        lateness: Duration::ZERO,
        // The whole run is what a latency objective without a step is about.
        duration: drawn.took,
        stalled: Duration::ZERO,
        trace_id: TraceId(1),
        span_id: SpanId(1),
        verdict: if drawn.failed { Verdict::Failed } else { Verdict::Passed },
        cause,
        steps: steps.collect(),
        vars: Vec::new(),
        canary,
    }
}

fn measured(name: Arc<str>, lag: Option<Duration>) -> StepReport {
    StepReport {
        name,
        span_id: SpanId(1),
        parent: None,
        device: "default".into(),
        round: None,
        subject: None,
        started: Duration::ZERO,
        duration: lag.unwrap_or_default(),
        stalled: Duration::ZERO,
        convergence: lag,
        convergence_stalled: Duration::ZERO,
        attempts: Vec::new(),
        attempts_made: 1,
        expectations: Vec::new(),
        warnings: Vec::new(),
        captures: Vec::new(),
        result: StepResult::Passed,
        allow_failure: false,
    }
}
