//! The rare jobs of the process, such as maintaining metrics and reading secrets anew: tens of jobs, not probes.
//!
//! A thin shell around `tokio-cron-scheduler` that keeps away from what was measured to go wrong with it: jobs are async
//! (a sync job blocks a worker and dies of its first panic), in UTC (another zone's offset would be frozen at the start),
//! added one after the other on a channel large enough (concurrent adds hang), and each under a guard of its own, since the
//! crate starts a job again while it still runs. Starts come up to half a second late, which no job minds.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_cron_scheduler::{JobScheduler, JobSchedulerError};
use tokio_util::task::TaskTracker;

/// Starts and notices that may be under way at once, several times those of all jobs. The cron scheduler allocates its ten channels
/// of this size as it starts.
const CHANNEL: usize = 256;

/// A job and when it is done.
#[derive(Clone)]
pub struct Job {
    /// What logs and errors call it.
    pub name: &'static str,
    /// Cron expression in UTC with a field for seconds, such as `*/5 * * * * *`.
    pub cron: &'static str,
    /// Does it once. It is not started again before it has ended.
    pub run: Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

/// Housekeeping that is going on.
pub struct Housekeeping {
    scheduler: JobScheduler,
    running: TaskTracker,
}

/// Housekeeping could not be started.
#[derive(Debug, thiserror::Error)]
pub enum HousekeepingError {
    /// The cron scheduler itself did not start.
    #[error("the housekeeping's cron scheduler did not start")]
    Scheduler(#[source] JobSchedulerError),
    /// A job was refused.
    #[error("the housekeeping job {name:?} with the cron expression {cron:?} was refused; it needs six fields, seconds first")]
    Job {
        /// Its name.
        name: &'static str,
        /// Its expression.
        cron: &'static str,
        /// Why.
        #[source]
        source: JobSchedulerError,
    },
}

impl Housekeeping {
    /// Starts the jobs on the runtime it is called on.
    ///
    /// # Errors
    /// A cron expression is not valid, or the cron scheduler did not start.
    pub async fn start(jobs: Vec<Job>) -> Result<Self, HousekeepingError> {
        let scheduler = JobScheduler::new_with_channel_size(CHANNEL).await.map_err(HousekeepingError::Scheduler)?;
        let housekeeping = Self { scheduler, running: TaskTracker::new() };
        match housekeeping.begin(jobs).await {
            Ok(()) => Ok(housekeeping),
            Err(error) => {
                housekeeping.stop(Duration::ZERO).await;
                Err(error)
            }
        }
    }

    async fn begin(&self, jobs: Vec<Job>) -> Result<(), HousekeepingError> {
        for job in jobs {
            let refused = |source| HousekeepingError::Job { name: job.name, cron: job.cron, source };
            let entry = entry(&job, &self.running).map_err(refused)?;
            self.scheduler.add(entry).await.map_err(refused)?;
        }
        self.scheduler.start().await.map_err(HousekeepingError::Scheduler)
    }

    /// Starts no more jobs and waits up to `grace` for those that are going. Returns whether all of them ended.
    pub async fn stop(mut self, grace: Duration) -> bool {
        // The crate's own shutdown lets one more round of jobs begin, so the closed tracker is what says no.
        self.running.close();
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::warn!(%error, "the housekeeping's cron scheduler did not stop");
        }
        tokio::time::timeout(grace, self.running.wait()).await.is_ok()
    }
}

fn entry(job: &Job, running: &TaskTracker) -> Result<tokio_cron_scheduler::Job, JobSchedulerError> {
    let (job, running) = (job.clone(), running.clone());
    let busy = Arc::new(AtomicBool::new(false));
    tokio_cron_scheduler::Job::new_async(job.cron, move |_id, _scheduler| {
        let (job, busy, stopped) = (job.clone(), Arc::clone(&busy), running.is_closed());
        Box::pin(running.track_future(async move {
            if !stopped {
                once(&job, &busy).await;
            }
        }))
    })
}

async fn once(job: &Job, busy: &AtomicBool) {
    if busy.swap(true, Ordering::AcqRel) {
        tracing::debug!(job = job.name, "the housekeeping job is still running and was not started again");
        return;
    }
    if AssertUnwindSafe(async { (job.run)().await }).catch_unwind().await.is_err() {
        tracing::error!(job = job.name, "a housekeeping job panicked, which is a defect; it is tried again at its next time");
    }
    busy.store(false, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn every_second(name: &'static str, run: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Job {
        Job { name, cron: "* * * * * *", run: Arc::new(run) }
    }

    async fn hear(heard: &mut mpsc::UnboundedReceiver<u32>) -> u32 {
        tokio::time::timeout(SOON, heard.recv()).await.expect("the job runs within seconds").expect("the job lives")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_that_panics_runs_again() {
        let (say, mut heard) = mpsc::unbounded_channel();
        let calls = AtomicU32::new(0);
        let job = every_second("panics", move || {
            let (say, call) = (say.clone(), calls.fetch_add(1, Ordering::SeqCst));
            async move {
                say.send(call).expect("the test listens");
                assert!(call > 0, "the first call panics on purpose");
            }
            .boxed()
        });
        let housekeeping = Housekeeping::start(vec![job]).await.expect("starts");
        assert_eq!(hear(&mut heard).await, 0);
        assert_eq!(hear(&mut heard).await, 1);
        assert!(housekeeping.stop(SOON).await);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_is_not_started_again_while_it_runs_and_is_waited_for() {
        let (say, mut heard) = mpsc::unbounded_channel();
        let (tick, mut ticked) = mpsc::unbounded_channel();
        let go_on = Arc::new(tokio::sync::Notify::new());
        let slow = {
            let go_on = Arc::clone(&go_on);
            every_second("slow", move || {
                let (say, go_on) = (say.clone(), Arc::clone(&go_on));
                async move {
                    say.send(1).expect("the test listens");
                    go_on.notified().await;
                    say.send(2).expect("the test listens");
                }
                .boxed()
            })
        };
        let metronome = every_second("metronome", move || {
            let tick = tick.clone();
            async move {
                // The test may have heard enough.
                let _heard = tick.send(0);
            }
            .boxed()
        });
        let housekeeping = Housekeeping::start(vec![slow, metronome]).await.expect("starts");
        assert_eq!(hear(&mut heard).await, 1);
        for _ in 0..3 {
            hear(&mut ticked).await;
        }
        assert!(heard.try_recv().is_err(), "three more seconds have come and the job was not started again");
        let stopping = tokio::spawn(housekeeping.stop(SOON));
        go_on.notify_one();
        assert!(stopping.await.expect("no panic"), "the job that ran was waited for");
        assert_eq!(hear(&mut heard).await, 2);
    }

    #[tokio::test]
    async fn a_cron_expression_that_is_none_is_refused_by_name() {
        let job = Job { name: "odd", cron: "now and then", run: Arc::new(|| async {}.boxed()) };
        let refused = Housekeeping::start(vec![job]).await.err().expect("refused");
        assert!(refused.to_string().contains("\"odd\"") && refused.to_string().contains("now and then"));
    }
}
