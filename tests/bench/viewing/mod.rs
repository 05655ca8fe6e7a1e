//! The dashboard of the real service, in a process of its own that probes while it is looked at: how long each page takes, how
//! large it is, what it asks the store, and what viewers cost.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod client;
mod service;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::process::{Role, cpu};
use crate::{history, target};

use client::Client;
pub(crate) use service::{Fleet, role};
use service::{Served, Task};

/// What browsers of phones say, as far as it matters.
const PHONE: &str = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36";
/// The same of desks.
const DESK: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36";

/// The service, on the history that was made for it, and its target.
pub(crate) struct Viewed {
    role: Role,
    served: Served,
    _target: Role,
}

impl Viewed {
    /// Starts it, and waits until it has an incident.
    pub(crate) fn start(directory: &Path, fleet: Fleet) -> Self {
        let (target, url) = target::start();
        let file = fleet.write(directory, &url);
        let mut role = Role::start("dashboard", &Task { file });
        let served: Served = role.hear();
        Self { role, served, _target: target }
    }

    /// Questions that the store was asked so far, but for those that follow what is written.
    fn questions(&mut self) -> u64 {
        self.role.tell();
        self.role.hear()
    }

    fn client(&self, agent: &'static str) -> Client {
        Client::new(self.served.address, agent)
    }
}

/// How many days and canaries a history has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct History {
    pub(crate) fleet: Fleet,
    /// Whole days; with none, only the last hour.
    pub(crate) days: u32,
}

/// Makes the history that the service begins with, and says what it took.
pub(crate) fn make(directory: &Path, what: History) {
    let file = what.fleet.write(directory, "http://127.0.0.1:9");
    let canaries = service::canaries(&file);
    let (store, now) = (service::store(directory), std::time::SystemTime::now());
    let began = Instant::now();
    let every = Duration::from_mins(1);
    if what.days == 0 {
        history::fill_hour(&store, &canaries, every, now, 7);
    } else {
        history::fill(&store, &canaries, (what.days, history::Pattern::Hour), every, now, 7);
    }
    let took = began.elapsed().as_secs_f64();
    let bytes = std::fs::metadata(&store).map_or(0, |file| file.len());
    let mib = bytes >> 20;
    let fleet = canaries.len();
    match u64::from(what.days) * u64::try_from(fleet).unwrap_or(u64::MAX) {
        0 => println!("{fleet} canaries, the last hour: {mib} MiB, made in {took:.1} s\n"),
        canary_days => println!(
            "{fleet} canaries every minute, {} days as the default retention keeps them: {mib} MiB, {} bytes a canary and day, \
             made in {took:.1} s\n",
            what.days,
            bytes / canary_days
        ),
    }
}

/// Asks for each page so often.
pub(crate) fn pages(viewed: &mut Viewed, times: usize) {
    println!(
        "| page | p50, ms | p99, ms | CPU meanwhile, ms | KiB | KiB as gzip | questions to the store |\n|---|---|---|---|---|---|---|"
    );
    let Served { probe, run, incident, .. } = viewed.served.clone();
    let mut all: Vec<(String, String, &'static str)> = vec![
        ("overview".into(), "/".into(), DESK),
        ("overview of a day".into(), "/?range=24h".into(), DESK),
        ("overview, a probe opened".into(), format!("/?open={probe}"), DESK),
        ("overview on a phone".into(), "/".into(), PHONE),
        ("probes".into(), "/probes".into(), DESK),
    ];
    all.extend(
        ["1h", "24h", "7d", "30d", "90d"]
            .map(|range| (format!("a probe, {range}"), format!("/probes/{probe}?range={range}"), DESK)),
    );
    all.extend([
        ("runs".into(), "/runs".into(), DESK),
        ("runs of a probe that did not pass".into(), format!("/runs?probe={probe}&verdict=not_passed"), DESK),
        ("a run".into(), format!("/runs/{run}"), DESK),
        ("incidents".into(), "/incidents".into(), DESK),
        ("an incident".into(), format!("/incidents/{incident}"), DESK),
        ("maintenance".into(), "/maintenance".into(), DESK),
        ("certificates".into(), "/certificates".into(), DESK),
        ("channels".into(), "/channels".into(), DESK),
        ("log".into(), "/log".into(), DESK),
    ]);
    for (name, path, agent) in all {
        page(viewed, &name, &path, agent, times);
    }
    first_view(viewed);
}

#[expect(clippy::cast_precision_loss, reason = "far fewer bytes than a float has digits")]
fn kib(bytes: usize) -> String {
    format!("{:.1}", bytes as f64 / 1024.0)
}

fn page(viewed: &mut Viewed, name: &str, path: &str, agent: &'static str, times: usize) {
    let mut client = viewed.client(agent);
    // What is made once and kept for all is made.
    client.get(path);
    let (before, cpu_before) = (viewed.questions(), cpu(viewed.role.pid()));
    let mut took = Vec::new();
    let mut bytes = 0;
    for _ in 0..times {
        let began = Instant::now();
        bytes = client.get(path).len();
        took.push(began.elapsed());
    }
    // With what the probing took, on a machine where others compute as well it says more than the clock.
    let cpu = cpu(viewed.role.pid()).saturating_sub(cpu_before) / u32::try_from(times).unwrap_or(u32::MAX);
    let asked = viewed.questions() - before;
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    let plain = client::plain(&client.get(path)).len();
    let each = asked.div_ceil(u64::try_from(times).unwrap_or(u64::MAX));
    let cpu = cpu.as_secs_f64() * 1e3;
    println!("| {name} | {:.1} | {:.1} | {cpu:.1} | {} | {} | {each} |", at(50), at(99), kib(plain), kib(bytes));
}

/// What a phone loads that was never here: the overview and what that needs.
fn first_view(viewed: &Viewed) {
    let mut client = viewed.client(PHONE);
    let page = client.get("/");
    let text = String::from_utf8_lossy(&client::plain(&page)).into_owned();
    let assets = text.split('"').filter(|part| part.starts_with("assets/") && !part.contains("/icon-"));
    let more: usize = assets.map(|asset| client.get(&format!("/{asset}")).len()).sum();
    println!("\nA phone's first view: {} KiB, of them {} style sheet and script.", kib(page.len() + more), kib(more));
}

/// What so many viewers cost, beside what the probing does.
#[expect(clippy::cast_precision_loss, reason = "far fewer bytes than a float has digits")]
pub(crate) fn viewers(viewed: &Viewed, viewers: usize, watch: Duration) {
    let share = |what: &str| {
        let (before, began) = (cpu(viewed.role.pid()), Instant::now());
        std::thread::sleep(watch);
        let percent = (cpu(viewed.role.pid()).saturating_sub(before)).as_secs_f64() / began.elapsed().as_secs_f64() * 1e2;
        println!("| {what} | {percent:.1} |");
        percent
    };
    println!("\n| what the service does | CPU, % of a core |\n|---|---|");
    let probing = share("probes, and nobody looks");
    let pages = ["./", "./?open=probe-0", "probes/probe-0", "incidents"];
    for (number, what) in [(1, "one page"), (pages.len(), "four pages")] {
        let streams: Vec<client::Stream> = (0..viewers)
            .map(|viewer| {
                let agent = if number > 1 && viewer % 4 == 0 { PHONE } else { DESK };
                viewed.client(agent).follow(pages[viewer % number])
            })
            .collect();
        // All have got the whole once.
        std::thread::sleep(Duration::from_secs(8));
        let before: u64 = streams.iter().map(client::Stream::bytes).sum();
        let looking = share(&format!("the same, and {viewers} look at {what}"));
        let bytes = streams.iter().map(client::Stream::bytes).sum::<u64>() - before;
        let each = bytes as f64 / 1024.0 / viewers as f64 / watch.as_secs_f64();
        println!(
            "\n{viewers} viewers of {what} cost {:.1} % of a core, each is sent {each:.1} KiB a second.\n",
            looking - probing
        );
        for stream in streams {
            stream.end();
        }
    }
}
