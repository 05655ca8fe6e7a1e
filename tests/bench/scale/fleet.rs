//! The fleet: one configuration, and a process of the built program for each region.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Size;
use crate::postgres::Postgres;
use crate::programs::free_port;

/// Cells of each probe.
const CELLS: usize = 100;

/// How long processes may take to probe; nothing takes nearly as long.
const PATIENCE: Duration = Duration::from_mins(2);

/// A process that probes a region.
pub(crate) struct Instance {
    pub(crate) region: String,
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Instance {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its metrics as it tells them.
    pub(crate) fn metrics(&self, client: &reqwest::blocking::Client) -> String {
        let asked = client.get(format!("http://127.0.0.1:{}/metrics", self.port)).send();
        asked.and_then(reqwest::blocking::Response::text).expect("a process that runs tells its metrics")
    }
}

/// Whether a line is a warning or an error that is not about a run, some of which are meant to fail.
fn is_odd(line: &str) -> bool {
    (line.contains("WARN") || line.contains("ERROR")) && !line.contains("serinus::run:")
}

/// All of them, which end with it.
pub(crate) struct Fleet(pub(crate) Vec<Instance>);

impl Fleet {
    /// Starts them one after the other, as a roll-out would; returns when all probe.
    pub(crate) fn start(directory: &Path, size: Size, server: &Postgres, target: &str, pager: &str) -> Self {
        let file = configuration(directory, size, target, pager);
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client can be built");
        let mut fleet = Self(Vec::new());
        for number in 1..=size.regions {
            let instance = start(directory, &file, &format!("r{number}"), server);
            let deadline = Instant::now() + PATIENCE;
            let ready = format!("http://127.0.0.1:{}/readyz", instance.port);
            fleet.0.push(instance);
            while !client.get(&ready).send().is_ok_and(|answer| answer.status().is_success()) {
                if Instant::now() > deadline {
                    fleet.say_what_was_logged();
                    panic!("r{number} does not probe");
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        fleet
    }

    /// Warnings and errors of all processes, the repeated ones once.
    pub(crate) fn say_what_was_logged(&self) {
        for instance in &self.0 {
            let log = fs::read_to_string(&instance.log).expect("a process has a log");
            let mut lines: Vec<&str> = log.lines().filter(|line| is_odd(line)).collect();
            let all = lines.len();
            lines.truncate(5);
            if all > 0 {
                eprintln!("scale: {} logged {all} warnings and errors:\n{}", instance.region, lines.join("\n"));
            }
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for instance in &mut self.0 {
            instance.child.kill().and_then(|()| instance.child.wait()).expect("a process can be ended");
        }
    }
}

fn start(directory: &Path, file: &Path, region: &str, server: &Postgres) -> Instance {
    let port = free_port();
    let log = directory.join(format!("{region}.log"));
    let output = File::create(&log).expect("the directory can be written to");
    let child = Command::new(env!("CARGO_BIN_EXE_serinus"))
        .args(["run", "-c"])
        .arg(file)
        .env("SERINUS_REGION", region)
        .env("SERINUS_LISTEN__ADDRESS", format!("127.0.0.1:{port}"))
        // Connections are told apart by it.
        .env("SERINUS_STORE__URL", format!("{}?application_name={region}", server.url()))
        .env("SERINUS_FLEET__JOURNAL", directory.join(format!("{region}.journal.db")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .spawn()
        .expect("the program can be started");
    Instance { region: region.to_owned(), child, port, log }
}

/// Probes of one request and one expectation each minute, of which each region has as many canaries as it is to have.
fn configuration(directory: &Path, size: Size, target: &str, pager: &str) -> PathBuf {
    let probes = directory.join("probes");
    fs::create_dir_all(&probes).expect("the directory can be written to");
    for (number, first) in (0..size.canaries).step_by(CELLS).enumerate() {
        let cells: Vec<String> = (0..CELLS.min(size.canaries - first)).map(|cell| cell.to_string()).collect();
        let text = format!(
            r#"name     = "probe-{number}"
summary  = "The target says that it is well"
owner    = "bench"
runbook  = "https://runbooks.example.com/bench"
every    = "1m"
deadline = "20s"

[matrix]
shard = [{}]

[[step]]
name     = "ask"
http.get = "{{{{ target }}}}/cell/{{{{ cell.shard }}}}"
expect   = ["status == 200"]
"#,
            cells.join(", ")
        );
        fs::write(probes.join(format!("probe-{number}.toml")), text).expect("the directory can be written to");
    }
    let mut regions = String::new();
    for number in 1..=size.regions {
        write!(regions, "\"r{number}\", ").expect("a string takes everything");
    }
    let service = format!(
        r#"regions = [{regions}]
probes  = ["probes/*.toml"]

[vars]
target = "{target}"

[notify.webhook]
url = "{pager}/pages"
"#
    );
    let file = directory.join("serinus.toml");
    fs::write(&file, service).expect("the directory can be written to");
    file
}
