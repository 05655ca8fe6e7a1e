//! A line on a terminal that says what is being waited for.

use std::io::{self, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What is done within this is over before anyone wonders.
const PATIENCE: Duration = Duration::from_secs(1);
const REDRAW: Duration = Duration::from_millis(200);
const FRAMES: [char; 4] = ['◐', '◓', '◑', '◒'];

/// Shows that work is going on until it is dropped, and then leaves no trace.
pub(crate) struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    pub(crate) fn start(what: String) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            let since = Instant::now();
            let mut wait = PATIENCE;
            let mut frames = FRAMES.iter().cycle();
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let frame = frames.next().unwrap_or(&'…');
                // A terminal that cannot be written to needs no progress line.
                let _ = write!(io::stderr(), "\r\x1b[2K{frame} {what} ({} s)", since.elapsed().as_secs());
                let _ = io::stderr().flush();
                wait = REDRAW;
            }
            if wait == REDRAW {
                let _ = write!(io::stderr(), "\r\x1b[2K");
                let _ = io::stderr().flush();
            }
        });
        Self { stop: Some(stop), thread: thread.ok() }
    }
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
