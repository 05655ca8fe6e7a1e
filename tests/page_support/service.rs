//! The built program as a service in a folder of its own.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::pager::Pager;
use crate::cli_support::{PATIENCE, Running, assert_exit, serinus, stderr, stdout};

/// The token of its API, which may act.
pub(crate) const TOKEN: &str = "a-token-for-the-tests";

/// A folder with probes and a service configuration, and the service if it runs.
pub(crate) struct Service {
    folder: tempfile::TempDir,
    running: Option<Running>,
    address: String,
}

/// A probe of a target's path every second, with its own rules at the end.
pub(crate) fn probe(name: &str, target: SocketAddr, more: &str) -> String {
    let step = format!(
        "[[step]]\nname = \"front page\"\nhttp.get = \"http://{target}/{name}\"\nexpect = [\"status == 200\", \"json.state == 'ok'\"]\n"
    );
    journey(name, more, &step)
}

/// The head of a probe, and its steps. What a machine that is busy with other tests takes longer for is late, and never failed.
pub(crate) fn journey(name: &str, more: &str, steps: &str) -> String {
    format!(
        "name = \"{name}\"\nowner = \"nobody\"\nrunbook = \"https://runbooks.example.com/{name}\"\nevery = \"1s\"\n\
         deadline = \"5s\"\n{more}\n{steps}"
    )
}

/// A channel named after its path.
pub(crate) fn channel(pager: &Pager, name: &str) -> String {
    format!("[[notify.webhook]]\nname = \"{name}\"\nurl = \"http://{}/{name}\"\ntimeout = \"2s\"\n", pager.address)
}

impl Service {
    /// Written down, not started. `settings` may begin with keys of the top level.
    pub(crate) fn new(probes: &[String], settings: &str) -> Self {
        Self::listening("127.0.0.1:0", probes, settings)
    }

    /// One that listens there.
    pub(crate) fn listening(address: &str, probes: &[String], settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (number, probe) in probes.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{number}.toml")), probe).unwrap();
        }
        let region = if settings.contains("regions") { "" } else { "region = \"eu\"\n" };
        let text = format!(
            "{region}probes = [\"*.toml\"]\n{settings}\n[listen]\naddress = \"{address}\"\ntoken = \"api\"\n\
             [secrets]\napi = {{ env = \"API_TOKEN\" }}\n"
        );
        std::fs::write(folder.path().join("service"), text).unwrap();
        Self { folder, running: None, address: String::new() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn start(mut self) -> Self {
        self.begin(&[], |_| {});
        self
    }

    /// Starts one that stands by.
    pub(crate) fn stand_by(mut self, prepare: impl FnOnce(&mut Command)) -> Self {
        self.begin_until("pages=http://", &[], prepare);
        self.address = self.address.trim_end_matches('/').to_owned();
        self
    }

    /// Starts it by way of other programs, which become it in the end.
    pub(crate) fn begin(&mut self, through: &[&str], prepare: impl FnOnce(&mut Command)) {
        self.begin_until("address=", through, prepare);
    }

    /// Starts it, and waits until it says where it listens, after this word.
    fn begin_until(&mut self, word: &str, through: &[&str], prepare: impl FnOnce(&mut Command)) {
        let mut command = serinus(self.folder.path());
        if let [first, others @ ..] = through {
            let inner = std::mem::replace(&mut command, Command::new(first));
            command.args(others).arg(inner.get_program()).current_dir(self.folder.path()).stdin(std::process::Stdio::null());
            for (name, _) in inner.get_envs().filter(|(_, value)| value.is_none()) {
                command.env_remove(name);
            }
        }
        command.args(["run", "-c", "service"]).env("API_TOKEN", TOKEN);
        prepare(&mut command);
        let running = Running::start(command);
        let line = running.said(word);
        line.split(word).nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap().clone_into(&mut self.address);
        self.running = Some(running);
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().expect("it was started")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        drop(self.running.take());
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let mut running = self.running.take().expect("it was started");
        running.signal("TERM");
        running.wait()
    }

    /// Its end, whatever that came from.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.running.take().expect("it was started").wait()
    }

    /// A command against it. Returns its standard output.
    #[track_caller]
    pub(crate) fn ask(&self, args: &[&str]) -> String {
        let url = format!("http://{}", self.address);
        let mut command = serinus(self.folder.path());
        let output = command.args(args).args(["--url", &url, "--token", TOKEN]).output().unwrap();
        assert_exit(&output, 0);
        stdout(&output) + &stderr(&output)
    }

    /// Fetches a path with the token. As any client does, it asks again on another connection if one is closed without an answer: a
    /// listener that is full closes what has not asked yet.
    pub(crate) fn get(&self, path: &str) -> String {
        let answer = (0..5).find_map(|_| self.answer(path)).expect("five connections were closed without an answer");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{path}: {answer}");
        body.to_owned()
    }

    /// What one connection answers, if anything.
    fn answer(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
        let is_cut = |error: &std::io::Error| matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        let mut answer = String::new();
        match stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer)) {
            Err(error) if answer.is_empty() && is_cut(&error) => None,
            result => (result.unwrap() > 0).then_some(answer),
        }
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path)).unwrap()
    }

    /// The value of the series whose name is this and whose labels hold all these; the sum of several, zero for none.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        sum(&self.get("/metrics"), name, labels)
    }

    /// What channels are owed, and tries of which nobody knows.
    pub(crate) fn untold(&self) -> f64 {
        self.metric("serinus_owed", &[]) + self.metric("serinus_tries_waiting", &[])
    }

    /// Runs of a probe that ended like this.
    pub(crate) fn runs(&self, probe: &str, verdict: &str) -> f64 {
        self.metric("serinus_runs_total", &[("probe", probe), ("verdict", verdict)])
    }

    /// Waits until something is so, and shows the metrics if it never is.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "never: {what}\n{}", self.summary());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for so many more runs of a probe that ended like this.
    #[track_caller]
    pub(crate) fn more(&self, count: f64, probe: &str, verdict: &str) {
        let before = self.runs(probe, verdict);
        self.until(&format!("{count} runs of {probe} {verdict}"), |service| service.runs(probe, verdict) >= before + count);
    }

    /// The same of each of these probes.
    #[track_caller]
    pub(crate) fn more_of_each<'n>(&self, count: f64, names: impl IntoIterator<Item = &'n str>, verdict: &str) {
        let wanted: Vec<(&str, f64)> = names.into_iter().map(|name| (name, self.runs(name, verdict) + count)).collect();
        self.until(&format!("{count} runs of each {verdict}"), |service| {
            let metrics = service.get("/metrics");
            let runs = |probe| sum(&metrics, "serinus_runs_total", &[("probe", probe), ("verdict", verdict)]);
            wanted.iter().all(|(probe, wanted)| runs(probe) >= *wanted)
        });
    }

    /// What the service says of itself, for a test that failed.
    pub(crate) fn summary(&self) -> String {
        let metrics = self.get("/metrics");
        let wanted =
            ["serinus_runs_total", "serinus_failures_total", "serinus_inc", "serinus_self", "serinus_not", "serinus_owed"];
        let lines = metrics.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
        let mut text = String::new();
        for line in lines.filter(|line| !line.ends_with(" 0")) {
            writeln!(text, "{line}").unwrap();
        }
        text + &self.get("/api/v1/status")
    }

    /// A question to its store, which gives one number. The service has the file for itself, so a copy is asked; one that was torn
    /// because it was written meanwhile is made again.
    pub(crate) fn count(&self, sql: &str) -> i64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.count_copy(sql) {
                Ok(count) => return count,
                Err(error) => assert!(Instant::now() < deadline, "{sql}: {error}"),
            }
        }
    }

    fn count_copy(&self, sql: &str) -> rusqlite::Result<i64> {
        let folder = tempfile::tempdir().unwrap();
        for end in ["", "-wal"] {
            // The log is there only while there is something in it.
            let _copied =
                std::fs::copy(self.folder.path().join(format!("serinus.db{end}")), folder.path().join(format!("c{end}")));
        }
        rusqlite::Connection::open(folder.path().join("c"))?.query_row(sql, [], |row| row.get(0))
    }
}

fn sum(metrics: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let has = |line: &str| labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")));
    let values = metrics.lines().filter_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' '])));
    values.filter(|rest| has(rest)).filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
