//! The watchdog of the runtime that probes: it means to wake every 50 ms, and what it oversleeps was a stall.
//!
//! It must be a task of that runtime, because what it measures is how late a run's own timers are. A stopped process, a
//! starved machine and a blocked runtime all look the same from here, and to a run whose bound has passed they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::outcome::OutcomeSink;
use crate::run::StallLog;

/// Between two beats.
const BEAT: Duration = Duration::from_millis(50);

/// A stall that may make a run `errored`/`stall` and is therefore worth a log line.
const NOTABLE: Duration = Duration::from_millis(500);

/// Beats until it is cancelled.
pub(super) async fn watch(stalls: Arc<StallLog>, sink: Arc<dyn OutcomeSink>, stop: CancellationToken) {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beats.tick() => {}
            () = stop.cancelled() => return,
        }
        if let Some(stall) = stalls.beat(Instant::now(), BEAT).filter(|&stall| stall >= NOTABLE) {
            tracing::warn!(?stall, "the process stood still; bounds that passed meanwhile are not held against targets");
            sink.stalled(stall);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;
    use crate::outcome::{CleanupReport, RunReport};

    struct Told(UnboundedSender<Duration>);

    impl OutcomeSink for Told {
        fn run_finished(&self, _: &Arc<RunReport>) {}

        fn cleanup_finished(&self, _: &Arc<CleanupReport>) {}

        fn stalled(&self, lasting: Duration) {
            self.0.send(lasting).expect("the test listens");
        }
    }

    #[tokio::test]
    async fn a_runtime_that_stood_still_is_told_of() {
        let (told, mut stalls) = unbounded_channel();
        let watchdog = tokio::spawn(watch(Arc::default(), Arc::new(Told(told)), CancellationToken::new()));
        // Until the first beat was made nobody watches, so the runtime's only thread is held more than once.
        let mut told = None;
        for _ in 0..5 {
            tokio::time::sleep(BEAT * 4).await;
            std::thread::sleep(NOTABLE * 2);
            told = tokio::time::timeout(BEAT * 4, stalls.recv()).await.ok().flatten();
            if told.is_some() {
                break;
            }
        }
        let stall = told.expect("it is told");
        assert!(stall >= NOTABLE, "{stall:?}");
        watchdog.abort();
    }
}
