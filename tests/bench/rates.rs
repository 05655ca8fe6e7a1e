//! What a run costs at an ordinary rate: the program itself (`serinus run`: a new connection, one request, two expectations,
//! metrics, store, alert rules), a bare client and `blackbox_exporter`, each asked for so many runs a second.
//!
//! A rate costs everybody more per run than a loop at full speed does, since a machine that waits in between wakes for each run.
//! So only what was measured at the same rate is compared.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::bare::{Cost, Meter, ask};
use crate::blackbox::Exporter;
use crate::process::{Program, Role, listen, say};

/// At which rate, for how long.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The target's address.
    pub url: String,
    /// Runs a second.
    pub per_second: u32,
    /// Seconds that are measured.
    pub seconds: u32,
}

impl Task {
    fn runs(&self) -> usize {
        (self.per_second * self.seconds) as usize
    }

    /// Makes so many runs at the task's rate, whether or not those before have ended.
    async fn pace<F: Future<Output = ()> + Send + 'static>(&self, runs: usize, run: impl Fn() -> F) {
        let period = Duration::from_secs(1) / self.per_second;
        let mut due = interval_at(Instant::now(), period);
        due.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut going = tokio::task::JoinSet::new();
        for _ in 0..runs {
            due.tick().await;
            going.spawn(run());
        }
        going.join_all().await;
    }
}

/// The role: one client without idle connections.
pub(crate) fn role(task: &Task) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy().build().expect("a client can be built");
        let run = || {
            let (client, url) = (client.clone(), task.url.clone());
            async move { ask(&client, &url).await }
        };
        task.pace(task.per_second as usize, run).await;
        say(&());
        assert!(listen(), "the parent is there");
        let meter = Meter::start(std::process::id());
        task.pace(task.runs(), run).await;
        say(&meter.cost(task.runs()));
    });
}

/// The bare client.
pub(crate) fn bare(task: &Task) -> Cost {
    let mut role = Role::start("rate", task);
    role.hear::<()>();
    role.tell();
    role.hear()
}

/// `serinus run` with so many canaries every second; its own counter says how many runs it made.
pub(crate) fn service(directory: &Path, task: &Task) -> Cost {
    let file = write(directory, task);
    let file = file.display().to_string();
    let log = directory.join("serinus.log");
    let program = Program::start(env!("CARGO_BIN_EXE_serinus"), &["run", "-c", &file], &log).expect("the program starts");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client can be built");
        let address = listening(&log).await;
        let passed = async || {
            let asked = client.get(format!("http://{address}/metrics")).send().await.expect("the service answers");
            let text = asked.text().await.expect("it answers in full");
            let lines = text.lines().filter(|line| line.starts_with("serinus_runs_total{") && line.contains("\"passed\""));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum::<usize>()
        };
        // Two intervals: each canary has had its first run.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let before = passed().await;
        let meter = Meter::start(program.pid());
        tokio::time::sleep(Duration::from_secs(task.seconds.into())).await;
        // What the question costs is a few milliseconds of some seconds.
        let made = passed().await - before;
        assert!(made > 0, "no run passed");
        if made * 10 < task.runs() * 9 {
            eprintln!("bench: the machine was too busy: {made} of {} runs passed", task.runs());
        }
        meter.cost(made)
    })
}

/// Where the service listens, as its log says.
async fn listening(log: &Path) -> String {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        if let Some((_, rest)) = text.split_once(" address=")
            && let Some((address, _)) = rest.split_once('\n')
        {
            return address.to_owned();
        }
        assert!(Instant::now() < until, "the service does not say where it listens: {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn write(directory: &Path, task: &Task) -> PathBuf {
    let cells = (0..task.per_second / 10).map(|cell| cell.to_string()).collect::<Vec<_>>().join(", ");
    std::fs::create_dir_all(directory.join("probes")).expect("the directory can be written to");
    for probe in 0..10 {
        let text = format!(
            r#"name     = "rate-{probe}"
summary  = "The target says that it is well"
owner    = "bench"
runbook  = "https://runbooks.example.com/bench"
every    = "1s"
deadline = "900ms"

[matrix]
shard = [{cells}]

[[step]]
name     = "ask"
http.get = "{}/"
expect   = ["status == 200", "body | length > 0"]
"#,
            task.url
        );
        std::fs::write(directory.join("probes").join(format!("rate-{probe}.toml")), text)
            .expect("the directory can be written to");
    }
    let file = directory.join("serinus.toml");
    let text = format!(
        "region = \"home\"\nprobes = [\"probes/*.toml\"]\nlisten.address = \"127.0.0.1:0\"\nstore.url = \"sqlite:{}\"\nnotify.none = true\n",
        directory.join("serinus.db").display()
    );
    std::fs::write(&file, text).expect("the directory can be written to");
    file
}

/// The peer at that rate; none where it is not installed.
pub(crate) fn blackbox(directory: &Path, task: &Task) -> Option<Cost> {
    let exporter = Exporter::start(directory)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    Some(runtime.block_on(async {
        let ready = exporter.ready(&task.url).await;
        let run = || {
            let ready = ready.clone();
            async move { ready.probe().await }
        };
        task.pace(task.per_second as usize, run).await;
        let meter = Meter::start(exporter.pid());
        task.pace(task.runs(), run).await;
        meter.cost(task.runs())
    }))
}
