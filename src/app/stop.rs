//! Stopping in order, by a deadline, and naming whoever did not make it.

use std::time::Duration;

use tokio::time::Instant;

/// A shutdown under way: stages are waited for one after the other, all by the same deadline.
#[derive(Debug)]
pub(super) struct Stopping {
    deadline: Instant,
    stragglers: Vec<&'static str>,
}

impl Stopping {
    /// A shutdown that has `grace` from now.
    pub(super) fn within(grace: Duration) -> Self {
        Self { deadline: Instant::now() + grace, stragglers: Vec::new() }
    }

    /// Waits for a stage to end. One that does not is named and left behind, and the next still gets `least` of its own, so
    /// that one slow part does not cost the others their last words.
    pub(super) async fn stage(&mut self, name: &'static str, least: Duration, end: impl Future<Output = ()>) {
        let until = self.deadline.max(Instant::now() + least);
        if tokio::time::timeout_at(until, end).await.is_err() {
            self.stragglers.push(name);
        }
    }

    /// Everything that did not end in time, in the order it was asked to.
    pub(super) fn stragglers(self) -> Vec<&'static str> {
        self.stragglers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stage_that_hangs_is_named_and_the_next_one_still_gets_its_least() {
        let mut stopping = Stopping::within(Duration::from_secs(10));
        stopping.stage("scheduler", Duration::ZERO, std::future::pending()).await;
        stopping.stage("traces", Duration::from_secs(2), tokio::time::sleep(Duration::from_secs(1))).await;
        stopping.stage("listener", Duration::ZERO, std::future::pending()).await;
        assert_eq!(stopping.stragglers(), ["scheduler", "listener"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_in_time_is_not_waited_out() {
        let start = Instant::now();
        let mut stopping = Stopping::within(Duration::from_secs(30));
        stopping.stage("scheduler", Duration::ZERO, tokio::time::sleep(Duration::from_secs(3))).await;
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        assert!(stopping.stragglers().is_empty());
    }
}
