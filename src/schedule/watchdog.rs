//! The watchdog of the runtime that probes: it means to wake every 50 ms, and what it oversleeps was a stall.
//!
//! It must be a task of that runtime, because what it measures is how late a run's own timers are. A stopped process, a
//! starved machine and a blocked runtime all look the same from here, and to a run whose bound has passed they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::run::{BEAT, StallLog};

/// Between two lines of the log, or a machine that is starved for long would be told of several times a second.
const LINES: Duration = Duration::from_secs(5);

/// Beats until it is cancelled. Every stall that a verdict may heed is told once, by itself to `tell` and at most every five
/// seconds to the log.
pub async fn watch(stalls: Arc<StallLog>, tell: impl Fn(Duration), stop: CancellationToken) {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut line = Line::default();
    loop {
        // What it oversleeps at the very end is told like the rest.
        let is_last = tokio::select! {
            biased;
            () = stop.cancelled() => true,
            _ = beats.tick() => false,
        };
        let now = Instant::now();
        for stall in stalls.beat(now) {
            tell(stall);
            line.times += 1;
            line.lasting += stall;
        }
        if let Some((times, lasting)) = line.due(now, is_last) {
            tracing::warn!(?lasting, times, "the process stood still; bounds that ran meanwhile are prolonged by it");
        }
        if is_last {
            return;
        }
    }
}

/// What the log is to be told of.
#[derive(Debug, Default)]
struct Line {
    times: u32,
    lasting: Duration,
    written: Option<Instant>,
}

impl Line {
    /// What is written now: all that was not yet. The last line does not wait.
    fn due(&mut self, now: Instant, is_last: bool) -> Option<(u32, Duration)> {
        if self.times == 0 || !is_last && self.written.is_some_and(|written| now.duration_since(written) < LINES) {
            return None;
        }
        self.written = Some(now);
        Some((std::mem::take(&mut self.times), std::mem::take(&mut self.lasting)))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[tokio::test]
    async fn a_runtime_that_stood_still_is_told_of() {
        let (told, mut stalls) = unbounded_channel();
        let tell = move |stall| told.send(stall).expect("the test listens");
        let watchdog = tokio::spawn(watch(Arc::default(), tell, CancellationToken::new()));
        // Until the first beat was made nobody watches, so the runtime's only thread is held more than once.
        let mut told = None;
        for _ in 0..5 {
            tokio::time::sleep(BEAT * 4).await;
            std::thread::sleep(Duration::from_secs(1));
            told = tokio::time::timeout(BEAT * 4, stalls.recv()).await.ok().flatten();
            if told.is_some() {
                break;
            }
        }
        let stall = told.expect("it is told");
        assert!(stall >= Duration::from_millis(900), "{stall:?}");
        watchdog.abort();
    }

    #[test]
    fn the_log_is_told_of_everything_and_not_too_often() {
        let (mut line, start) = (Line::default(), Instant::now());
        assert_eq!(line.due(start, true), None);
        let second = Duration::from_secs(1);
        let mut stalled = |at: u32, is_last| {
            line.times += 1;
            line.lasting += second;
            line.due(start + at * second, is_last)
        };
        let lines = [stalled(0, false), stalled(1, false), stalled(2, false), stalled(5, false), stalled(6, true)];
        assert_eq!(lines, [Some((1, second)), None, None, Some((3, 3 * second)), Some((1, second))]);
    }
}
