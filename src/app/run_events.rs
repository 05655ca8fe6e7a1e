//! Finished runs for whoever watches this process: a bounded channel that drops and counts rather than waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::outcome::{CleanupReport, OutcomeSink, RunReport};

/// Something that ended.
#[derive(Debug, Clone)]
pub enum RunEvent {
    /// A run, or a tick that did not run.
    Run(Arc<RunReport>),
    /// A run's cleanup.
    Cleanup(Arc<CleanupReport>),
}

/// The writing end: a sink.
#[derive(Debug)]
pub struct RunEvents {
    sender: mpsc::Sender<RunEvent>,
    dropped: Arc<AtomicU64>,
}

/// The reading end.
#[derive(Debug)]
pub struct RunEventsReader {
    receiver: mpsc::Receiver<RunEvent>,
    dropped: Arc<AtomicU64>,
}

/// A channel that holds up to `capacity` events (at least 1) for a reader that is behind.
pub fn run_events(capacity: usize) -> (Arc<RunEvents>, RunEventsReader) {
    let (sender, receiver) = mpsc::channel(capacity);
    let dropped = Arc::new(AtomicU64::new(0));
    (Arc::new(RunEvents { sender, dropped: Arc::clone(&dropped) }), RunEventsReader { receiver, dropped })
}

impl RunEvents {
    fn send(&self, event: RunEvent) {
        match self.sender.try_send(event) {
            // A reader that has gone wants nothing.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl OutcomeSink for RunEvents {
    fn run_finished(&self, report: &Arc<RunReport>) {
        self.send(RunEvent::Run(Arc::clone(report)));
    }

    fn cleanup_finished(&self, report: &Arc<CleanupReport>) {
        self.send(RunEvent::Cleanup(Arc::clone(report)));
    }
}

impl RunEventsReader {
    /// The next event; `None` when no more can come.
    pub async fn next(&mut self) -> Option<RunEvent> {
        self.receiver.recv().await
    }

    /// Events lost so far because the reader was behind.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{canary, run};
    use super::*;
    use crate::outcome::Verdict;

    #[tokio::test]
    async fn a_reader_that_is_behind_loses_events_and_holds_nobody_up() {
        let (events, mut reader) = run_events(2);
        let report = run(&canary("eu"), Verdict::Passed, 0);
        for _ in 0..5 {
            events.run_finished(&report);
        }
        assert_eq!(reader.dropped(), 3);
        drop(events);
        let mut read = 0;
        while reader.next().await.is_some() {
            read += 1;
        }
        assert_eq!(read, 2);
    }
}
