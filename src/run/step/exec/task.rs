//! The exec kind as the run sees it: the command is a task, one execution of it is an attempt, its end is the answer.

use std::sync::Arc;
use std::time::Instant;

use futures::future::{BoxFuture, FutureExt as _};
use tokio::task::spawn_blocking;

use crate::outcome::{AttemptDetail, Fact, FactValue, Observed, Reason, Redactor};
use crate::plan::expr::EvalError;
use crate::plan::{ExecAction, StepKind};
use crate::run::compute::compute;
use crate::run::step::kind::{Answer, Attempt, Setting, Task, Terms, TransportError};
use crate::run::step::resources::ensure_file_available;

use super::ExecPool;
use super::answer::ExecAnswer;
use super::command::{ExecCommand, not_started};
use super::output::{Output, OutputError};
use super::program::{ChildExits, Exit, Pipes, Program};
use super::progress::{ProgramStage, Progress, StartedProgram};
use super::transcript;

/// A program that is to be run.
pub(in crate::run::step) struct ExecTask {
    pool: ExecPool,
    command: Arc<ExecCommand>,
    /// Bytes of each output that are read.
    most: usize,
}

impl ExecTask {
    /// Fills the command in.
    pub(in crate::run::step) fn prepare(action: &ExecAction, setting: &Setting<'_>) -> Result<Self, EvalError> {
        let command = Arc::new(ExecCommand::render(action, setting.scope)?);
        Ok(Self { pool: setting.session.exec().clone(), command, most: setting.limits.response_bytes })
    }
}

impl Task for ExecTask {
    fn sent_bytes(&self) -> usize {
        self.command.stdin.as_ref().map_or(0, String::len)
    }

    fn sent_text(&self) -> String {
        self.command.stdin.clone().unwrap_or_default()
    }

    fn attempt(&self) -> Arc<dyn Attempt> {
        let (pool, command) = (self.pool.clone(), Arc::clone(&self.command));
        Arc::new(ExecAttempt { pool, command, most: self.most, progress: Progress::default() })
    }
}

/// One run of the program.
#[derive(Debug)]
struct ExecAttempt {
    pool: ExecPool,
    command: Arc<ExecCommand>,
    most: usize,
    progress: Progress,
}

impl Attempt for ExecAttempt {
    fn make<'a>(&'a self, terms: &'a Terms<'a>) -> BoxFuture<'a, Result<Arc<dyn Answer>, TransportError>> {
        async move {
            let answer = match terms.bound.hold(self.run()).await {
                Some(ended) => self.answer(ended?, terms),
                None => return Err(self.timed_out(terms)),
            };
            Ok(answer as Arc<dyn Answer>)
        }
        .boxed()
    }

    fn detail(&self, with_transcript: bool, redactor: &Redactor) -> AttemptDetail {
        // Output is only copied where it is shown, and not while the program writes.
        let stage = self.progress.stage();
        let (stdout, stderr) = match &stage.answer {
            Some(answer) => (&answer.stdout, &answer.stderr),
            None => (&stage.stdout, &stage.stderr),
        };
        let transcript = with_transcript.then(|| {
            let bytes = stdout.len() + stderr.len() + self.command.stdin.as_ref().map_or(0, String::len);
            compute(bytes, || Box::new(transcript::render(&self.command, (stdout, stderr), redactor)))
        });
        AttemptDetail::Other(Observed {
            kind: StepKind::Exec,
            asked: transcript::asked(&self.command, redactor),
            answered: stage.has_answer(),
            facts: self.facts(&stage, (stdout.len(), stderr.len()), redactor),
            phases: stage.phases(),
            transcript,
        })
    }

    fn has_answer(&self) -> bool {
        self.progress.stage().has_answer()
    }

    fn waits_for_permit(&self) -> bool {
        self.progress.stage().queued.is_some()
    }

    fn waiting_for(&self) -> &'static str {
        self.progress.stage().waiting_for()
    }
}

impl ExecAttempt {
    /// Runs the program to its end. Dropping the future ends it.
    async fn run(&self) -> Result<Exit, TransportError> {
        let (program, pipes, mut exits) = self.start().await?;
        let failed = |error: OutputError| {
            let reason = if matches!(error, OutputError::TooLarge(_)) { Reason::ResponseTooLarge } else { Reason::Resources };
            TransportError { reason, message: error.to_string(), sent: true, got_byte: self.has_answer() }
        };
        let (output, stdin) = Output::new(pipes, self.most).map_err(|error| failed(error.into()))?;
        let mut pumping = std::pin::pin!(output.pump(stdin, self.command.stdin.as_deref().unwrap_or_default(), &self.progress));
        let mut is_quiet = false;
        loop {
            tokio::select! {
                ended = program.ended(&mut exits) => {
                    ended.map_err(|error| failed(error.into()))?;
                    break;
                }
                result = &mut pumping, if !is_quiet => {
                    result.map_err(failed)?;
                    is_quiet = true;
                }
            }
        }
        output.drain(&self.progress).map_err(failed)?;
        self.progress.stage().ended = Some(Instant::now());
        program.finish().map_err(|error| failed(error.into()))
    }

    /// Waits for a permit and starts the program, on a thread that may wait for the disk.
    async fn start(&self) -> Result<(Program, Pipes, ChildExits), TransportError> {
        let ours = |message: String| TransportError::unsent(Reason::Resources, message);
        self.progress.stage().queued = Some(Instant::now());
        let permit = Arc::clone(&self.pool.permits).acquire_owned().await;
        {
            let mut stage = self.progress.stage();
            stage.queued_for = stage.waited();
            stage.queued = None;
            stage.began = Some(Instant::now());
        }
        let permit = permit.map_err(|_closed| ours("no programs are started any more".to_owned()))?;
        self.pool.reap_orphans();
        // Before it is started, so that no end is missed.
        let exits = ChildExits::listen().map_err(|error| ours(format!("nobody would tell of the program's end: {error}")))?;
        ensure_file_available().map_err(|error| ours(format!("no program can be started: {error}")))?;
        let command = Arc::clone(&self.command);
        let starting = spawn_blocking(move || {
            let (path, made) = command.prepare()?;
            let (program, pipes) =
                Program::start(made, command.stdin.is_some(), permit).map_err(|error| not_started(&path, &error))?;
            Ok((StartedProgram { path: path.display().to_string(), pid: program.pid() }, Instant::now(), program, pipes))
        });
        let (started, at, program, pipes) =
            starting.await.map_err(|error| ours(format!("no program can be started: {error}")))??;
        self.progress.stage().started = Some((at, started));
        Ok((program, pipes, exits))
    }

    /// The answer of a program that ended. Its times are net of stalls; reports keep the raw ones.
    fn answer(&self, exit: Exit, terms: &Terms<'_>) -> Arc<ExecAnswer> {
        let mut stage = self.progress.stage();
        let mut phases = stage.phases();
        let mut latency = phases.iter().map(|(_, took)| *took).sum();
        let ended = stage.ended.unwrap_or_else(Instant::now);
        terms.stalls.take_out(&mut latency, phases.iter_mut().map(|(_, took)| took), ended);
        let output = (std::mem::take(&mut stage.stdout), std::mem::take(&mut stage.stderr));
        let answer = Arc::new(ExecAnswer::new(exit, output, latency, phases));
        stage.answer = Some(Arc::clone(&answer));
        answer
    }

    fn timed_out(&self, terms: &Terms<'_>) -> TransportError {
        let timeout = terms.bound.lasting();
        let stage = self.progress.stage();
        let (stdout, stderr) = (stage.stdout.len(), stage.stderr.len());
        let came = if stage.started.is_some() {
            format!(" ({stdout} bytes of its standard output and {stderr} of its standard error had come)")
        } else {
            String::new()
        };
        TransportError {
            reason: if stage.waited() * 2 > timeout { Reason::Resources } else { Reason::Timeout },
            message: format!("no end within {}: waiting for {}{came}", humantime::format_duration(timeout), stage.waiting_for()),
            sent: stage.began.is_some(),
            got_byte: stage.has_answer(),
        }
    }

    /// What is known of it, by the names of OpenTelemetry's conventions for processes and programs
    /// (<https://opentelemetry.io/docs/specs/semconv/cli/cli-spans/>).
    fn facts(&self, stage: &ProgramStage, (stdout, stderr): (usize, usize), redactor: &Redactor) -> Vec<Fact> {
        let text = |text: &str| FactValue::Text(redactor.redact(text).into_owned().into());
        let number = |number: usize| FactValue::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        let exit = stage.answer.as_ref().map(|answer| answer.exit);
        let started = stage.started.as_ref().map(|(_, started)| started);
        let name = self.command.program().rsplit('/').next().unwrap_or_default();
        let facts = [
            exit.and_then(|exit| exit.code).map(|code| ("exit_code", "process.exit.code", FactValue::Integer(code.into()))),
            exit.and_then(|exit| exit.signal).map(|signal| ("signal", "serinus.exec.signal", FactValue::Integer(signal.into()))),
            started.map(|_| ("stdout_bytes", "serinus.exec.stdout_bytes", number(stdout))),
            started.map(|_| ("stderr_bytes", "serinus.exec.stderr_bytes", number(stderr))),
            Some(("program", "process.executable.name", text(name))),
            started.map(|started| ("path", "process.executable.path", text(&started.path))),
            Some(("directory", "process.working_directory", text(&self.command.directory))),
            started.map(|started| ("pid", "process.pid", FactValue::Integer(started.pid.into()))),
        ];
        facts.into_iter().flatten().map(|(name, attribute, value)| Fact { name, attribute, value }).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::{RunId, SpanId, TraceId};
    use crate::run::{Bound, StallLog};

    fn attempt(pool: &ExecPool, script: &str) -> Arc<dyn Attempt> {
        let command = ExecCommand {
            words: ["/bin/sh", "-c", script].map(str::to_owned).into(),
            stdin: None,
            env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
            inherit: Vec::new(),
            directory: "/".to_owned(),
        };
        ExecTask { pool: pool.clone(), command: Arc::new(command), most: 1_000 }.attempt()
    }

    async fn made(attempt: &Arc<dyn Attempt>, timeout: Duration) -> Result<Arc<dyn Answer>, TransportError> {
        let (stalls, redactor) = (StallLog::default(), Redactor::default());
        let terms = Terms {
            run_id: RunId(ulid::Ulid::generate()),
            trace_id: TraceId::random(),
            span_id: SpanId::random(),
            sampled: false,
            bound: Bound::new(&stalls, Instant::now(), timeout),
            redactor: &redactor,
            stalls: &stalls,
        };
        attempt.make(&terms).await
    }

    #[tokio::test]
    async fn a_place_is_waited_for_and_that_is_nobody_elses_fault_and_no_part_of_the_latency() {
        let pool = ExecPool::of(1);
        let (long, impatient, patient) = (attempt(&pool, "sleep 1"), attempt(&pool, "exit 0"), attempt(&pool, "exit 0"));
        let minute = Duration::from_mins(1);
        let (first, (refused, wanted), second) = tokio::join!(
            made(&long, minute),
            async {
                let refused = made(&impatient, Duration::from_millis(300)).await;
                (refused.unwrap_err(), impatient.waits_for_permit())
            },
            made(&patient, minute)
        );
        assert!(wanted && impatient.waiting_for().starts_with("a permit"), "{}", impatient.waiting_for());
        assert_eq!((refused.reason, refused.sent, refused.got_byte), (Reason::Resources, false, false));
        let latency = |answer: Result<Arc<dyn Answer>, _>| f64::try_from(answer.unwrap().lookup("latency").unwrap()).unwrap();
        assert!(latency(first) >= 1.0 && latency(second) < 0.9, "it waited a second for its permit");
        assert!(!patient.waits_for_permit() && patient.has_answer());
    }

    #[tokio::test]
    async fn one_that_is_cut_holds_its_place_until_it_is_gone() {
        let pool = ExecPool::of(1);
        let stubborn = attempt(&pool, "trap '' TERM; echo begun; sleep 300 & wait; sleep 300");
        assert_eq!(made(&stubborn, Duration::from_secs(1)).await.unwrap_err().reason, Reason::Timeout);
        let AttemptDetail::Other(observed) = stubborn.detail(false, &Redactor::default()) else { panic!("it is of this kind") };
        let pid = observed.facts.iter().find(|fact| fact.name == "pid").unwrap().value.clone();
        let FactValue::Integer(pid) = pid else { panic!("{pid:?}") };
        let next = attempt(&pool, "exit 0");
        made(&next, Duration::from_mins(1)).await.unwrap();
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "the next one had its permit before it was gone");
    }

    #[tokio::test]
    async fn what_is_cut_before_it_was_started_is_started_by_nobody() {
        let pool = ExecPool::of(0);
        let never = attempt(&pool, "exit 0");
        assert_eq!(made(&never, Duration::from_millis(10)).await.unwrap_err().reason, Reason::Resources);
        let AttemptDetail::Other(observed) = never.detail(true, &Redactor::default()) else { panic!("it is of this kind") };
        assert!(!observed.answered && observed.phases.is_empty());
        assert_eq!(observed.facts.iter().map(|fact| fact.name).collect::<Vec<_>>(), ["program", "directory"]);
    }
}
