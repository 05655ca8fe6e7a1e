//! The watchdog of the runtime that probes: it means to wake every 50 ms, and what it oversleeps was a stall.
//!
//! It must be a task of that runtime, because what it measures is how late a run's own timers are. A stopped process, a
//! starved machine and a blocked runtime all look the same from here, and to a run whose bound has passed they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::run::{BEAT, StallLog};

/// The pause between two lines of the log; a machine that is starved for long would otherwise be logged several times a second.
const LINES: Duration = Duration::from_secs(5);

/// Beats until it is cancelled. Every stall that a verdict can depend on is passed to `tell` once; the log gets a summary at most
/// every five seconds. The first beat is made at once, so that a stall before this is polled is seen.
pub fn watch(stalls: Arc<StallLog>, tell: impl Fn(Duration), stop: CancellationToken) -> impl Future<Output = ()> {
    stalls.beat(Instant::now()).into_iter().for_each(&tell);
    beat(stalls, tell, stop)
}

async fn beat(stalls: Arc<StallLog>, tell: impl Fn(Duration), stop: CancellationToken) {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut summary = StallSummary::default();
    loop {
        // A stall at the very end is reported too.
        let is_last = tokio::select! {
            biased;
            () = stop.cancelled() => true,
            _ = beats.tick() => false,
        };
        let now = Instant::now();
        for stall in stalls.beat(now) {
            tell(stall);
            summary.times += 1;
            summary.lasting += stall;
        }
        if let Some((times, lasting)) = summary.due(now, is_last) {
            tracing::warn!(?lasting, times, "the process stood still; bounds that ran meanwhile are prolonged by it");
        }
        if is_last {
            return;
        }
    }
}

/// The stalls that the log has no line for yet.
#[derive(Debug, Default)]
struct StallSummary {
    times: u32,
    lasting: Duration,
    written: Option<Instant>,
}

impl StallSummary {
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
        // The runtime's only thread is held before it has polled the watchdog.
        std::thread::sleep(Duration::from_secs(1));
        let told = tokio::time::timeout(BEAT * 40, stalls.recv()).await;
        let stall = told.ok().flatten().expect("it is told");
        assert!(stall >= Duration::from_millis(900), "{stall:?}");
        watchdog.abort();
    }

    #[test]
    fn the_log_is_told_of_everything_and_not_too_often() {
        let (mut summary, start) = (StallSummary::default(), Instant::now());
        assert_eq!(summary.due(start, true), None);
        let second = Duration::from_secs(1);
        let mut stalled = |at: u32, is_last| {
            summary.times += 1;
            summary.lasting += second;
            summary.due(start + at * second, is_last)
        };
        let lines = [stalled(0, false), stalled(1, false), stalled(2, false), stalled(5, false), stalled(6, true)];
        assert_eq!(lines, [Some((1, second)), None, None, Some((3, 3 * second)), Some((1, second))]);
    }
}
