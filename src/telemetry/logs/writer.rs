//! A thread that writes log lines, so that nobody who logs waits for standard error.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use metrics::{Counter, counter};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use crate::outcome::visible;
use crate::telemetry::metrics::process;
use crate::telemetry::queue::BoundedQueue;

/// Lines that may wait for standard error.
const QUEUE: usize = 8_192;

/// Lines written at once.
const BATCH: usize = 256;

/// How long a first line waits for others, so that the thread does not wake up for each run. Warnings and errors do not wait: the
/// process may be about to end.
const LINGER: Duration = Duration::from_millis(50);

/// Where finished lines go.
#[derive(Debug)]
pub(super) struct LineQueue {
    lines: BoundedQueue<Vec<u8>>,
    dropped: Counter,
}

/// Owns the writing thread until the end.
#[derive(Debug)]
pub struct LogGuard {
    queue: Arc<LineQueue>,
    /// Disconnected once the thread has ended.
    ended: Mutex<Receiver<()>>,
}

/// A queue that nobody writes out yet.
pub(super) fn queue() -> Arc<LineQueue> {
    Arc::new(LineQueue { lines: BoundedQueue::new(QUEUE), dropped: counter!(process::LOG_LINES_DROPPED) })
}

/// Starts a thread that writes to `out`.
pub(super) fn start(mut out: Box<dyn Write + Send>) -> io::Result<(LogGuard, Arc<LineQueue>)> {
    let _ = process::recorder();
    let queue = queue();
    let (alive, ended) = mpsc::channel::<()>();
    thread::Builder::new().name("logs".into()).spawn({
        let queue = Arc::clone(&queue);
        move || {
            let _alive = alive;
            loop {
                let lines = queue.lines.take(BATCH, LINGER);
                if lines.is_empty() {
                    return;
                }
                // A broken standard error cannot be logged; it is counted.
                if out.write_all(&lines.concat()).and_then(|()| out.flush()).is_err() {
                    queue.dropped.increment(u64::try_from(lines.len()).unwrap_or(u64::MAX));
                }
            }
        }
    })?;
    Ok((LogGuard { queue: Arc::clone(&queue), ended: Mutex::new(ended) }, queue))
}

impl LogGuard {
    /// Writes what waits, for at most `deadline`; later lines are dropped. Blocks. False if not everything was written.
    pub fn stop(&self, deadline: Duration) -> bool {
        self.queue.lines.close();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(deadline);
        matches!(ended, Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected))
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.queue.lines.close();
    }
}

/// The line without anything that steers a terminal. A message of several lines continues behind a mark, so that nothing in it
/// can pass for a line of its own; in JSON there are no such lines, and what is spelled out here is spelled as JSON does.
fn clean(line: &[u8]) -> Vec<u8> {
    const FURTHER: &str = "\n  | ";
    let (text, end) = line.strip_suffix(b"\n").map_or((line, ""), |text| (text, "\n"));
    if text.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return line.to_vec();
    }
    let text = String::from_utf8_lossy(text);
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(visible).collect();
    (lines.join(FURTHER) + end).into_bytes()
}

#[cfg(test)]
impl LineQueue {
    /// Lines that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lines.len()
    }

    /// Lines that a writing thread takes which would wait an hour for more.
    pub(super) fn waiting_now(&self) -> usize {
        self.lines.take(BATCH, Duration::from_hours(1)).len()
    }
}

/// Makes the writer of each line.
pub(super) struct Lines(pub(super) Arc<LineQueue>);

/// Writes one line.
pub(super) struct LineWriter<'a> {
    queue: &'a LineQueue,
    urgent: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter { queue: &self.0, urgent: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> LineWriter<'a> {
        LineWriter { queue: &self.0, urgent: *metadata.level() <= Level::WARN }
    }
}

/// The subscriber writes each line in one piece.
impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let (lines, text) = (&self.queue.lines, clean(line));
        let put = if self.urgent { lines.push_urgent(text) } else { lines.push(text) };
        if put.is_err() {
            self.queue.dropped.increment(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
