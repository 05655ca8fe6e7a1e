//! How far a program has come, so that a run that cuts it can report what was cut and what the program had written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::answer::ExecAnswer;

/// Which of its outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// More came than is taken.
#[derive(Debug, thiserror::Error)]
#[error("its {stream} is larger than the {most} bytes that are read of it, and it was killed")]
pub(super) struct TooLarge {
    stream: &'static str,
    most: usize,
}

/// A program under way.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<ProgramStage>);

/// How far it is.
#[derive(Debug, Default, Clone)]
pub(super) struct ProgramStage {
    /// Since when it waits for its permit, until it has it.
    pub(super) queued: Option<Instant>,
    /// How long it waited.
    pub(super) queued_for: Duration,
    /// When its start began.
    pub(super) began: Option<Instant>,
    /// When it was started, and its path and pid.
    pub(super) started: Option<(Instant, StartedProgram)>,
    /// When it had ended.
    pub(super) ended: Option<Instant>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// The answer once there is one. It then has the output.
    pub(super) answer: Option<Arc<ExecAnswer>>,
}

/// What was started.
#[derive(Debug, Clone)]
pub(super) struct StartedProgram {
    pub(super) path: String,
    pub(super) pid: i32,
}

impl Progress {
    pub(super) fn stage(&self) -> MutexGuard<'_, ProgramStage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what came on a stream, up to so many bytes in all.
    pub(super) fn received(&self, stream: Stream, bytes: &[u8], most: usize) -> Result<(), TooLarge> {
        let mut stage = self.stage();
        let (kept, stream) = match stream {
            Stream::Stdout => (&mut stage.stdout, "standard output"),
            Stream::Stderr => (&mut stage.stderr, "standard error"),
        };
        let room = most - kept.len().min(most);
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room { Err(TooLarge { stream, most }) } else { Ok(()) }
    }
}

impl ProgramStage {
    /// Whether a byte came, or it ended, which is an answer too.
    pub(super) fn has_answer(&self) -> bool {
        self.ended.is_some() || !self.stdout.is_empty() || !self.stderr.is_empty()
    }

    /// How long it has waited for its permit.
    pub(super) fn waited(&self) -> Duration {
        self.queued_for + self.queued.map(|since| since.elapsed()).unwrap_or_default()
    }

    pub(super) fn waiting_for(&self) -> &'static str {
        match (self.queued, &self.started) {
            (Some(_), _) => "a permit to run a program in, which other programs of this prober hold",
            (None, None) => "the program's start",
            (None, Some(_)) => "the program's end",
        }
    }

    /// The phases, with their raw times.
    pub(super) fn phases(&self) -> Vec<(&'static str, Duration)> {
        let started = self.started.as_ref().map(|(at, _)| *at);
        let phase = |name, from: Option<Instant>, to: Option<Instant>| Some((name, to?.saturating_duration_since(from?)));
        [phase("spawn", self.began, started), phase("run", started, self.ended)].into_iter().flatten().collect()
    }
}
