//! The engine, which makes runs. Whatever happens in a run ends in a report.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::base::time::{from_epoch_ms, millis, since_epoch};
use crate::outcome::{Cause, Ledger, LedgerEnd, LedgerEntry, Reason, RunId, RunReport, Secrets, SpanId, TraceId, Verdict};
use crate::plan::{Canary, Limits, Plan};

use super::cleanup;
use super::compute::compute;
use super::context::Context;
use super::cut::{self, at_open_step};
use super::environment::{Environment, held_against};
use super::ledger::{LiveRuns, RunLedger};
use super::request::{Detail, Finished, RunRequest};
use super::scope::{Names, RunIdentity};
use super::self_check::SelfCheck;
use super::sequence;
use super::shown::shown_all;
use super::stall::StallLog;
use super::step::Pool;
use super::step::http::HttpClients;
use super::step_context::StepContext;
use super::subjects;
use super::unanswered::{self, RunPart};

/// Makes runs. Cheap to clone; all clones share connections' settings and secrets.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<EngineParts>,
    ledger: Option<Arc<dyn Ledger>>,
    self_check: Option<SelfCheck>,
    /// Share of traces that are kept whatever becomes of the run.
    kept_traces: f64,
}

struct EngineParts {
    pool: Pool,
    limits: Arc<Limits>,
    stalls: Arc<StallLog>,
    secrets: RwLock<Arc<Secrets>>,
    live: Arc<LiveRuns>,
}

/// How the steps of a run ended.
enum JourneyEnd {
    /// By themselves.
    Journey(Result<(), Cause>),
    /// By a panic.
    Panicked(String),
    /// Cut by the run's bound.
    Deadline,
    /// Cut because the process stops.
    Shutdown,
}

impl Engine {
    /// An engine with these settings.
    pub fn new(clients: HttpClients, limits: Limits, stalls: Arc<StallLog>, secrets: Arc<Secrets>) -> Self {
        let (limits, secrets) = (Arc::new(limits), RwLock::new(secrets));
        let inner = Arc::new(EngineParts { pool: Pool::new(clients), limits, stalls, secrets, live: Arc::default() });
        Self { inner, ledger: None, self_check: None, kept_traces: 1.0 }
    }

    /// Runs write down what they are about to create.
    #[must_use]
    pub fn with_ledger(self, ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger: Some(ledger), ..self }
    }

    /// Runs that got no answer ask whether it is the prober's own network that is down.
    #[must_use]
    pub fn with_self_check(self, self_check: SelfCheck) -> Self {
        Self { self_check: Some(self_check), ..self }
    }

    /// The share of traces that are kept whatever becomes of the run, 0 ≤ share ≤ 1. Only for these are targets told to keep
    /// their part: other traces are kept if the run does not pass, which is not known when it starts. By default all traces are
    /// kept.
    #[must_use]
    pub fn keeping_traces(self, share: f64) -> Self {
        Self { kept_traces: share, ..self }
    }

    /// Runs that start from now on use these secrets.
    pub fn replace_secrets(&self, secrets: Arc<Secrets>) {
        *self.inner.secrets.write().unwrap_or_else(PoisonError::into_inner) = secrets;
    }

    /// Frees the settings of connections that no canary of `plan` uses. Runs that are going keep theirs; what is asked for again is
    /// made again.
    pub fn retire_all_but(&self, plan: &Plan) {
        self.inner.pool.retire_all_but(plan);
    }

    /// Makes one run. The future never fails and never panics; dropping it cuts the run without a report.
    pub fn run(&self, canary: Arc<Canary>, request: RunRequest) -> BoxFuture<'static, Finished> {
        let engine = self.clone();
        async move { engine.run_now(canary, request).await }.boxed()
    }

    /// Undoes what a run of `canary` left, from its entry in the ledger, on the budget of a cleanup. Whoever asks tells the
    /// ledger what came of it: `Gone`, `Again` or `Retry`.
    pub fn resume(&self, canary: Arc<Canary>, entry: LedgerEntry) -> BoxFuture<'static, LedgerEnd> {
        let engine = self.clone();
        async move { engine.resume_now(&canary, &entry).await }.boxed()
    }

    /// Whether the run of an entry is still going in this process, its cleanup included.
    pub(super) fn is_live(&self, entry: &LedgerEntry) -> bool {
        ulid::Ulid::from_string(&entry.run_id).is_ok_and(|id| self.inner.live.holds(RunId(id)))
    }

    async fn run_now(&self, canary: Arc<Canary>, request: RunRequest) -> Finished {
        let wall = SystemTime::now();
        let run_id = RunId(ulid::Ulid::from_parts(millis(since_epoch(wall)), fastrand::u128(..)));
        let trace_id = TraceId::random();
        let identity = RunIdentity { id: run_id, trace_id, started: wall };
        let ledger = self.ledger.as_ref().map(|ledger| RunLedger::new(Arc::clone(ledger), Arc::clone(&self.inner.live), run_id));
        let context = Arc::new(self.context(&canary, identity, request.detail, ledger));
        let started = context.env.started;
        let end = drive(&context, &request).await;
        let ended = Instant::now();
        let journey = self.excused(&context, RunPart::Journey, cause_of(&context, end, ended), &request, ended).await;
        let subjects = self.excused(&context, RunPart::Subjects, context.log.subjects.cause(), &request, ended).await;
        let cause = subjects::combined(journey.clone(), subjects);
        let verdict = cause.as_ref().map_or(Verdict::Passed, |cause| Verdict::of(cause.reason));
        if let Some(cut) = &journey {
            cut::keep_attempts((&context.env, &context.log), ended, cut.reason);
        }
        let report = RunReport {
            run_id,
            trigger: request.trigger,
            tick: request.tick,
            started: wall,
            lateness: wall.duration_since(request.tick.due).unwrap_or_default(),
            duration: ended.duration_since(started),
            stalled: context.env.stalls.stalled_between(started, ended),
            trace_id,
            span_id: SpanId::random(),
            verdict,
            steps: context.log.finish(ended, started, journey.as_ref()),
            vars: if verdict != Verdict::Passed || request.detail == Detail::Everything {
                shown_vars(&context)
            } else {
                Vec::new()
            },
            cause,
            canary,
        };
        let report = Arc::new(report.sealed(context.env.redactor()));
        let cleanup = cleanup::task(context, &report);
        Finished { report, cleanup }
    }

    fn context(&self, canary: &Arc<Canary>, run: RunIdentity, detail: Detail, ledger: Option<RunLedger>) -> Context {
        let inner = &self.inner;
        let secrets = Arc::clone(&inner.secrets.read().unwrap_or_else(PoisonError::into_inner));
        let process = (&inner.limits, &inner.stalls, &inner.pool);
        Context::new(Environment::new(canary, run, detail, self.kept_traces, process, &secrets), ledger)
    }

    /// The cause, or that the prober's own network is down. That is only asked if no failed attempt had a byte of an answer.
    async fn excused(
        &self,
        context: &Context,
        of: RunPart,
        cause: Option<Cause>,
        request: &RunRequest,
        failed_at: Instant,
    ) -> Option<Cause> {
        let cause = cause?;
        let Some(self_check) = &self.self_check else { return Some(cause) };
        if Verdict::of(cause.reason) != Verdict::Failed {
            return Some(cause);
        }
        let Some(began) = unanswered::last_attempt(&context.log, of, context.env.started, failed_at) else { return Some(cause) };
        let excused = tokio::select! {
            biased;
            excused = self_check.excuses(began, failed_at) => excused,
            () = request.cancel.cancelled() => false,
        };
        if excused {
            let message = format!("the prober's own network is down: {}", cause.message);
            Some(Cause { reason: Reason::SelfCheck, message, ..cause })
        } else {
            Some(cause)
        }
    }

    async fn resume_now(&self, canary: &Arc<Canary>, entry: &LedgerEntry) -> LedgerEnd {
        // Ids that cannot be read, in an entry of another version, are replaced by random ones: only the target sees them.
        let id = RunId(ulid::Ulid::from_string(&entry.run_id).unwrap_or_else(|_| ulid::Ulid::generate()));
        let trace_id = u128::from_str_radix(&entry.trace_id, 16).map_or_else(|_| TraceId::random(), TraceId);
        let started = from_epoch_ms(entry.started_ms);
        let context = self.context(canary, RunIdentity { id, trace_id, started }, Detail::Failures, None);
        cleanup::resume(&context, entry).await
    }
}

/// Drives the journey to its end or to what cuts it.
async fn drive(context: &Arc<Context>, request: &RunRequest) -> JourneyEnd {
    let mut journey = std::pin::pin!(AssertUnwindSafe(journey(context)).catch_unwind());
    loop {
        let until = deadline(context);
        tokio::select! {
            biased;
            ended = tokio::time::timeout_at(until.into(), &mut journey) => match ended {
                Ok(Ok(result)) => return JourneyEnd::Journey(result),
                Ok(Err(panic)) => return JourneyEnd::Panicked(panic_message(&*panic)),
                // It waited for the ledger or the process stood still meanwhile, which its deadline does not count.
                Err(_elapsed) if deadline(context) > until => {}
                Err(_elapsed) => return JourneyEnd::Deadline,
            },
            () = request.cancel.cancelled() => return JourneyEnd::Shutdown,
        }
    }
}

/// When the run is cut, as far as is known now.
fn deadline(context: &Context) -> Instant {
    let now = Instant::now();
    context.deadline(now).end(now)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}

/// Vars, then steps.
async fn journey(context: &Context) -> Result<(), Cause> {
    let probe = &context.env.canary.probe;
    let (mut names, failed) = compute(0, || vars(&context.env));
    context.log.remember_vars(&names);
    failed.map_or(Ok(()), Err)?;
    sequence::steps(context, &probe.steps, &mut names, &StepContext::default()).await
}

/// The run's vars up to the first that cannot be evaluated, and why that one cannot.
fn vars(env: &Environment) -> (Names, Option<Cause>) {
    let mut names: Names = Names::default();
    for (name, template) in &env.canary.probe.vars {
        match template.value(&env.scope(&names)) {
            Ok(value) => Arc::make_mut(&mut names).push((Arc::clone(name), value)),
            Err(error) => {
                let cause = env.not_evaluable(None, &format!("var `{name}` = `{}`", template.source()), &error);
                return (names, Some(Cause { location: Some(template.location().clone()), ..cause }));
            }
        }
    }
    (names, None)
}

fn shown_vars(context: &Context) -> Vec<(Arc<str>, String)> {
    compute(0, || shown_all(&context.log.vars(), context.env.redactor()))
}

/// Why the run did not pass; `None` if it did. This is the only place that lets a run pass.
fn cause_of(context: &Context, end: JourneyEnd, now: Instant) -> Option<Cause> {
    match end {
        JourneyEnd::Journey(Err(cause)) => Some(cause),
        JourneyEnd::Journey(Ok(())) if now > context.deadline(now).end(now) => Some(deadline_cause(context, now)),
        JourneyEnd::Journey(Ok(())) if context.log.judged() == 0 && context.log.subjects.cause().is_none() => {
            Some(context.env.cause(
                Reason::NotEvaluable,
                None,
                "the run expected nothing: no expectation was evaluated, so it cannot have passed",
            ))
        }
        JourneyEnd::Journey(Ok(())) => None,
        JourneyEnd::Panicked(message) => Some(at_open_step(
            (&context.env, &context.log),
            context.env.cause(Reason::Internal, None, &format!("the prober panicked: {message}")),
        )),
        JourneyEnd::Deadline => Some(deadline_cause(context, now)),
        JourneyEnd::Shutdown => {
            Some(at_open_step((&context.env, &context.log), context.env.cause(Reason::Shutdown, None, "the process is stopping")))
        }
    }
}

fn deadline_cause(context: &Context, now: Instant) -> Cause {
    let deadline = context.deadline(now);
    let (reason, stalled) = held_against(Reason::Deadline, &deadline, now);
    let open_attempts = context.log.open_attempts();
    // A name that was not even looked up says nothing about the target.
    let waits_for_permit = !open_attempts.is_empty() && open_attempts.iter().all(|open| open.of_kind.waits_for_permit());
    let reason = if waits_for_permit { Reason::Resources } else { reason };
    let message = format!("the run's deadline of {} has passed", humantime::format_duration(deadline.lasting()));
    let cause = at_open_step((&context.env, &context.log), context.env.cause(reason, None, &message));
    Cause { message: cause.message + &stalled, ..cause }
}
