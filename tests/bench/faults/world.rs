//! A fleet of real processes on a real database, with what it probes and whom it pages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::delaying::Delaying;
use super::network::{self, Network};
use super::page_support::pager::{Page, Pager};
use super::page_support::service::{Service, channel, journey};
use super::page_support::target::{Answer, BROKEN, Target, WELL};
use super::postgres::{Postgres, PostgresSetup};

/// The regions of the fleet. The first one evaluates as it begins.
pub(crate) const REGIONS: [&str; 3] = ["eu", "us", "ap"];

/// What a fault needs to be there from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    Plain,
    /// A second instance of the first region.
    StandbyInstance,
    /// A second server that follows the database.
    StandbyServer,
    SmallDisk,
    /// A proxy before the database that can be slow.
    Proxy,
    /// The first process's clock is two minutes behind, and the second one's two minutes ahead.
    Clocks,
}

/// One process.
pub(crate) struct Process {
    pub(crate) network: Network,
    pub(crate) service: Service,
    log: PathBuf,
    url: String,
    /// What its clock says beside the real one, for `libfaketime`.
    clock: Option<&'static str>,
    /// Whether it was killed and not started again.
    is_gone: bool,
}

/// Where Debian's package `libfaketime` has the library.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

impl Process {
    /// Starts it, and returns once it listens for requests: a process that stands by does so later.
    pub(crate) fn begin(&mut self) {
        let (pid, log) = (self.network.pid(), self.log.display().to_string());
        let keep = r#"log=$1; shift; exec "$@" 2> >(tee -a "$log" >&2)"#;
        let (url, clock) = (&self.url, self.clock);
        self.service.begin(&["nsenter", "-t", &pid, "-n", "bash", "-c", keep, "bash", &log], |command| {
            command.env("SERINUS_STORE__URL", url);
            if let Some(clock) = clock {
                assert!(std::path::Path::new(FAKETIME).exists(), "install Debian's package `libfaketime`");
                command.env("LD_PRELOAD", FAKETIME).env("FAKETIME", clock).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            }
        });
        self.is_gone = false;
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.service.kill();
        self.is_gone = true;
    }

    pub(crate) fn evaluates(&self) -> bool {
        self.service.metric("serinus_fleet_evaluates", &[]) > 0.0
    }
}

pub(crate) struct World {
    pub(crate) processes: Vec<Process>,
    /// The instance that stands by, until it has taken over.
    pub(crate) standby: Option<std::thread::JoinHandle<Process>>,
    pub(crate) database: Postgres,
    pub(crate) proxy: Option<Delaying>,
    pub(crate) target: Target,
    pub(crate) pager: Pager,
    /// What should have come and did not.
    pub(crate) problems: Vec<String>,
}

impl World {
    /// All of it, and everything is well.
    pub(crate) fn start(setup: Setup, logs: &std::path::Path, probes: &[&str]) -> Self {
        network::begin();
        let small_disk = setup == Setup::SmallDisk;
        let mut database =
            Postgres::set_up(&PostgresSetup { network: Some("10.0.0.0/8"), small_disk, ..PostgresSetup::default() });
        database.give_to_user();
        let (target, pager) = (Target::at(&format!("{}:0", network::TARGET)), Pager::at(&format!("{}:0", network::PAGER)));
        let proxy = (setup == Setup::Proxy).then(|| Delaying::at(&format!("{}:6432", network::STORE), database.socket()));
        let hosts = match setup {
            Setup::Proxy => "10.9.0.1:6432",
            Setup::StandbyServer => "10.9.0.1:5432,10.9.0.1:5433",
            _ => "10.9.0.1:5432",
        };
        let writes = if setup == Setup::StandbyServer { "&target_session_attrs=read-write" } else { "" };
        let url = format!("postgres://serinus:right@{hosts}/serinus?sslmode=disable{writes}");
        let process = |number: usize, name: &str, region: &str| {
            let network = Network::new(number);
            let service = service(&network.listens(), region, &target, &pager, probes);
            let clock = match (setup, region) {
                (Setup::Clocks, "eu") => Some("-2m"),
                (Setup::Clocks, "us") => Some("+2m"),
                _ => None,
            };
            Process { network, service, log: logs.join(format!("{name}.log")), url: url.clone(), clock, is_gone: false }
        };
        let mut processes: Vec<Process> = Vec::new();
        for (number, region) in REGIONS.into_iter().enumerate() {
            let mut begun = process(number, region, region);
            begun.begin();
            if number == 0 {
                begun.service.until("the first one evaluates", |service| service.metric("serinus_fleet_evaluates", &[]) > 0.0);
            }
            processes.push(begun);
        }
        let standby = (setup == Setup::StandbyInstance).then(|| {
            let mut second = process(REGIONS.len(), "eu-b", "eu");
            std::thread::spawn(move || {
                second.begin();
                second
            })
        });
        for one in &processes {
            one.service.more_of_each(3.0, probes.iter().copied().chain(["maker"]), "passed");
        }
        if setup == Setup::StandbyServer {
            database.command("standby");
        }
        Self { processes, standby, database, proxy, target, pager, problems: Vec::new() }
    }

    /// Waits until something is so; if it never is, that is a problem.
    pub(crate) fn wait(&mut self, what: &str, at_most: Duration, mut is_so: impl FnMut(&Self) -> bool) -> bool {
        let deadline = Instant::now() + at_most;
        while !is_so(self) {
            if Instant::now() > deadline {
                self.problems.push(format!("never: {what}"));
                return false;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        true
    }

    pub(crate) fn break_region(&self, probe: &str, region: &str) {
        self.target.set(&format!("/{probe}/{region}"), BROKEN);
    }

    pub(crate) fn mend_region(&self, probe: &str, region: &str) {
        self.target.set(&format!("/{probe}/{region}"), WELL);
    }

    /// Kills a process that has created something and not deleted it yet.
    pub(crate) fn kill_within_a_run(&mut self, number: usize) {
        let look = format!("/look/{}", REGIONS[number]);
        self.target.set(&look, Answer::Hangs);
        let looked = self.target.asked(&look);
        self.wait("it looks at what it created", Duration::from_secs(20), |world| world.target.asked(&look) > looked);
        self.processes[number].kill();
        if self.left().is_empty() {
            self.problems.push("nothing was left by the process that was killed".to_owned());
        }
        self.target.set(&look, WELL);
    }

    /// Waits until the instance that stands by probes.
    pub(crate) fn until_taken_over(&mut self) {
        let standby = self.standby.take().expect("one stands by");
        if self.wait("the standby takes over", Duration::from_mins(1), |_| standby.is_finished()) {
            self.processes.push(standby.join().expect("it listens"));
        }
    }

    /// Waits for the end of the first process, whose region another one has.
    pub(crate) fn until_first_ends(&mut self) {
        let status = self.processes[0].service.wait();
        self.processes[0].is_gone = true;
        if status.code() != Some(3) {
            self.problems.push(format!("the first process ended with {status}"));
        }
    }

    /// Ends a process in order, and starts it again.
    pub(crate) fn restart(&mut self, number: usize) {
        self.stop(number);
        self.processes[number].begin();
    }

    fn stop(&mut self, number: usize) {
        let status = self.processes[number].service.stop();
        if status.code() != Some(0) {
            self.problems.push(format!("process {number} ended with {status}"));
        }
    }

    /// Ends all that run.
    pub(crate) fn stop_all(&mut self) {
        for number in 0..self.processes.len() {
            if !self.processes[number].is_gone {
                self.stop(number);
            }
        }
    }

    /// What was created and not deleted.
    pub(crate) fn left(&self) -> BTreeSet<String> {
        &self.target.asked_below("/create/") - &self.target.asked_below("/delete/")
    }

    /// The incidents that rang and are not over, by their ids, each with its last key. A further ring of one has a key of its own, and
    /// its end ends them all.
    pub(crate) fn open(&self) -> BTreeMap<String, String> {
        let mut open = BTreeMap::new();
        for page in self.pager.pages() {
            let incident = page.message["incident"].as_str().unwrap_or_default().to_owned();
            if page.message["action"] == "ring" {
                open.insert(incident, key(&page).to_owned());
            } else if page.message["action"] == "end" {
                open.remove(&incident);
            }
        }
        open
    }

    /// Waits until all is told and over, and what was left is removed.
    pub(crate) fn until_over(&mut self) {
        let left = self.left();
        let long = Duration::from_secs(100);
        self.wait("every incident is over at the pager", long, |world| world.open().is_empty());
        for (what, sql) in [
            ("no incident is open", "SELECT count(*) FROM incidents WHERE resolved_ms IS NULL"),
            ("no try is waiting", "SELECT count(*) FROM tries WHERE state = 'waiting'"),
        ] {
            self.wait(what, long, |world| world.database.try_ask("serinus", sql).as_deref() == Ok("0"));
        }
        // It is swept each minute.
        self.wait("what was left is removed", Duration::from_secs(200), |world| world.left().is_disjoint(&left));
        let open = self.open();
        if !open.is_empty() {
            self.problems.push(format!("open at the pager: {open:?}"));
        }
    }
}

pub(crate) fn key(page: &Page) -> &str {
    page.message["key"].as_str().unwrap_or_default()
}

/// A service of a region with probes that read, and one that creates; each asks a path of its own in each region.
fn service(listens: &str, region: &str, target: &Target, pager: &Pager, probes: &[&str]) -> Service {
    let at = target.address;
    let creates = format!(
        "[[step]]\nname = \"create\"\nhttp.get = \"http://{at}/create/{{{{ run.id }}}}\"\nexpect = [\"status == 200\"]\n\
         [step.cleanup]\nhttp.get = \"http://{at}/delete/{{{{ run.id }}}}\"\nexpect = [\"status == 200\"]\n\
         [[step]]\nname = \"look\"\nhttp.get = \"http://{at}/look/{{{{ region }}}}\"\nexpect = [\"status == 200\"]\n"
    );
    let reads = |name: &&str| {
        let step = format!(
            "[[step]]\nname = \"front page\"\nhttp.get = \"http://{at}/{name}/{{{{ region }}}}\"\n\
             expect = [\"status == 200\", \"json.state == 'ok'\"]\n"
        );
        journey(name, "alert.page_after = 2", &step)
    };
    let probes: Vec<String> = probes.iter().map(reads).chain([journey("maker", "alert.page_after = 2", &creates)]).collect();
    let settings = format!(
        "region = \"{region}\"\nregions = [\"ap\", \"eu\", \"us\"]\n[fleet]\nlease = \"10s\"\nalone_after = \"15s\"\n\
         [alerting]\nflapping = {{ opens = 99 }}\n{}",
        channel(pager, "hook")
    );
    Service::listening(listens, &probes, &settings)
}
