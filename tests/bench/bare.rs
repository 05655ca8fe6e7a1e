//! The measure of what HTTP itself costs: reqwest in a loop, a new connection each time, the status looked at.

use std::time::{Duration, Instant};

use futures::StreamExt;
use serde::{Deserialize, Serialize};

use crate::process::{Role, cpu, listen, say};

/// What to ask, and how often.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The target's address.
    pub url: String,
    /// Runs that are measured.
    pub runs: usize,
    /// Runs in flight at once.
    pub at_once: usize,
}

/// What so many runs took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// CPU time of one, in microseconds, user and kernel.
    pub cpu_micros: f64,
    /// Runs a second by the clock on the wall.
    pub per_second: f64,
}

/// Meters what happens between now and [`Meter::cost`] in a process.
pub(crate) struct Meter {
    pid: u32,
    cpu: Duration,
    clock: Instant,
}

impl Meter {
    pub(crate) fn start(pid: u32) -> Self {
        Self { pid, cpu: cpu(pid), clock: Instant::now() }
    }

    /// What one of so many runs cost.
    #[expect(clippy::cast_precision_loss, reason = "far fewer runs than a float has digits")]
    pub(crate) fn cost(self, runs: usize) -> Cost {
        let used = cpu(self.pid).saturating_sub(self.cpu);
        let took = self.clock.elapsed();
        Cost { cpu_micros: used.as_secs_f64() * 1e6 / runs as f64, per_second: runs as f64 / took.as_secs_f64() }
    }
}

/// The role: warms up with a tenth of the runs, says so, and makes the others when told to.
pub(crate) fn role(task: &Task) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy().build().expect("a client can be built");
        let repeat = async |runs: usize| {
            futures::stream::iter(0..runs).for_each_concurrent(task.at_once, |_| ask(&client, &task.url)).await;
        };
        repeat(task.runs / 10).await;
        say(&());
        assert!(listen(), "the parent is there");
        let meter = Meter::start(std::process::id());
        repeat(task.runs).await;
        say(&meter.cost(task.runs));
    });
}

/// One run.
pub(crate) async fn ask(client: &reqwest::Client, url: &str) {
    let response = client.get(url).send().await.expect("the target answers");
    assert_eq!(response.status(), 200);
    response.bytes().await.expect("the target answers in full");
}

/// Measures so many runs in a process of their own; `role` is `bare` or another that takes the same task.
pub(crate) fn measure(role: &str, task: &impl Serialize) -> Cost {
    let mut role = Role::start(role, task);
    role.hear::<()>();
    role.tell();
    role.hear()
}
