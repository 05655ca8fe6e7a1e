//! A line on a terminal that says what is being waited for.

use std::io::{self, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What is done within this is over before anyone wonders.
const PATIENCE: Duration = Duration::from_secs(1);
const REDRAW: Duration = Duration::from_millis(200);
const FRAMES: [char; 4] = ['◐', '◓', '◑', '◒'];

/// Shows that work is going on until it is dropped, and then leaves no trace.
pub(crate) struct Progress {
    line: Arc<Mutex<Line>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What is shown. Whoever holds it keeps it from being drawn.
struct Line {
    what: String,
    drawn: bool,
}

impl Line {
    fn draw(&mut self, frame: char, since: Instant) {
        self.drawn = true;
        // A terminal that cannot be written to needs no progress line.
        let _ = write!(io::stderr(), "\r\x1b[2K{frame} {} ({} s)", self.what, since.elapsed().as_secs());
        let _ = io::stderr().flush();
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(io::stderr(), "\r\x1b[2K");
            let _ = io::stderr().flush();
        }
    }
}

impl Progress {
    pub(crate) fn start(what: String) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let line = Arc::new(Mutex::new(Line { what, drawn: false }));
        let shown = Arc::clone(&line);
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            let since = Instant::now();
            let mut wait = PATIENCE;
            let mut frames = FRAMES.iter().cycle();
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                lock(&shown).draw(*frames.next().unwrap_or(&'…'), since);
                wait = REDRAW;
            }
            lock(&shown).clear();
        });
        Self { line, stop: Some(stop), thread: thread.ok() }
    }

    /// Shows something else from now on.
    pub(crate) fn set(&self, what: String) {
        lock(&self.line).what = what;
    }

    /// Writes something while the line is out of the way.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        let mut line = lock(&self.line);
        line.clear();
        write();
    }
}

fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It only draws; if it panicked there is nothing to undo.
            let _ = thread.join();
        }
    }
}
