//! The benchmark: ratios beside the bounds the project has set itself. It never fails because something was slow.
//!
//! Every subject runs in a process of its own, one after the other, on a target in a third process. What is compared is measured in
//! turns, and the median of the rounds counts: other work on the machine then meets both sides.
//! One more measurement is a file here with a `measure`, its role in [`main`], and its rows in [`Table`].
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod bare;
mod blackbox;
mod engine;
mod files;
mod fleet;
mod load;
mod pager;
mod pages;
mod prober;
#[expect(dead_code, reason = "the benchmark of the dashboard uses the rest")]
mod process;
mod rates;
mod store;
mod storm;
mod target;

use std::fmt::Write;
use std::path::PathBuf;

use bare::Cost;
use files::Shape;
use mimalloc::MiMalloc;

/// As in the program itself, so that the bare client is not measured with a slower allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How much of everything is measured.
struct Size {
    rounds: usize,
    runs: usize,
    peer_runs: usize,
    probe_files: usize,
    /// Seconds that each is asked at the same rate.
    rate_seconds: u32,
    /// Canaries of the fleets, the smallest first.
    fleets: [usize; 3],
    /// Seconds a fleet settles, and is watched.
    settle: u64,
    watch: u64,
    /// Incidents that page, one canary each, beside passing runs of so many canaries every ten seconds, for so many seconds.
    incidents: usize,
    passing: usize,
    paging: u64,
    /// Canaries that fail at once.
    storm: usize,
    /// Runs that are written to the store.
    stored: usize,
}

const WHOLE: Size = Size {
    rounds: 5,
    runs: 20_000,
    peer_runs: 4_000,
    probe_files: 10_000,
    rate_seconds: 10,
    fleets: [100, 1_000, 10_000],
    settle: 15,
    watch: 60,
    incidents: 300,
    passing: 10_000,
    paging: 30,
    storm: 3_000,
    stored: 500_000,
};
const SHORT: Size = Size {
    rounds: 1,
    runs: 500,
    peer_runs: 100,
    probe_files: 100,
    rate_seconds: 2,
    fleets: [10, 20, 100],
    settle: 11,
    watch: 10,
    incidents: 20,
    passing: 100,
    paging: 21,
    storm: 99,
    stored: 20_000,
};

/// Runs in flight at once, in what is compared.
const AT_ONCE: usize = 16;

/// Rows of Markdown: what, how much, and the bound.
#[derive(Default)]
struct Table(String);

impl Table {
    fn row(&mut self, what: &str, measured: &str, bound: &str) {
        writeln!(self.0, "| {what} | {measured} | {bound} |").expect("a string takes everything");
    }
}

fn main() {
    rustls::crypto::ring::default_provider().install_default().expect("nothing else chose a provider");
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--role", "target", _] => target::role(),
        ["--role", "bare", task] => bare::role(&serde_json::from_str(task).expect("the task is JSON")),
        ["--role", "engine", task] => engine::role(&serde_json::from_str(task).expect("the task is JSON")),
        ["--role", "rate", task] => rates::role(&serde_json::from_str(task).expect("the task is JSON")),
        ["--role", "fleet", task] => fleet::role(&serde_json::from_str(task).expect("the task is JSON")),
        ["--role", "pages", task] => pages::role(&serde_json::from_str(task).expect("the task is JSON")),
        ["--role", "storm", file] => storm::role(&serde_json::from_str::<PathBuf>(file).expect("a path is JSON")),
        ["--role", "store", task] => store::role(&serde_json::from_str(task).expect("the task is JSON")),
        ["--role", "load", file] => load::role(&serde_json::from_str::<PathBuf>(file).expect("a path is JSON")),
        ref words => measure(words),
    }
}

/// A part of the benchmark: its name for the command line, and what it does.
type Part = (&'static str, fn(&Size, &mut Table));

const PARTS: [Part; 7] = [
    ("runs", compare_runs),
    ("rates", compare_rates),
    ("fleets", watch_fleets),
    ("load", load_files),
    ("store", write_runs),
    ("pages", time_pages),
    ("storm", brave_a_storm),
];

fn measure(words: &[&str]) {
    let (options, parts): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| word.starts_with('-'));
    let size = match options[..] {
        [] => &WHOLE,
        ["--short"] => &SHORT,
        _ => usage(),
    };
    if !parts.iter().all(|part| PARTS.iter().any(|(name, _)| name == part)) {
        usage();
    }
    let mut table = Table::default();
    for (_, measure) in PARTS.iter().filter(|(name, _)| parts.is_empty() || parts.contains(name)) {
        measure(size, &mut table);
    }
    println!("| what | measured | bound |\n|---|---|---|\n{}", table.0);
}

fn usage() -> ! {
    eprintln!("usage: tests/bench/run [--short] [{}]", PARTS.map(|(name, _)| name).join("] ["));
    std::process::exit(2);
}

/// A run of one request and one expectation against a bare client and against the peer.
fn compare_runs(size: &Size, table: &mut Table) {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let (_target, url) = target::start();
    let file = files::write(directory.path(), Shape { probes: 10, cells: 1, broken: (0, 0) }, &url, &url);
    let ours = engine::Task { file, runs: size.runs, at_once: AT_ONCE };
    let bare = bare::Task { url: url.clone(), runs: size.runs, at_once: AT_ONCE };
    let mut costs = [Vec::new(), Vec::new(), Vec::new()];
    for round in 1..=size.rounds {
        eprintln!("bench: runs, round {round} of {}", size.rounds);
        costs[0].push(bare::measure("engine", &ours));
        costs[1].push(bare::measure("bare", &bare));
        costs[2].extend(blackbox::measure(directory.path(), &url, size.peer_runs, AT_ONCE));
    }
    let [ours, bare, peer] = costs.map(|costs| (!costs.is_empty()).then(|| middle(&costs)));
    let (ours, bare) = (ours.expect("at least one round"), bare.expect("at least one round"));
    describe(table, "Serinus", ours);
    describe(table, "bare reqwest loop", bare);
    match peer {
        Some(peer) => {
            describe(table, "blackbox_exporter", peer);
            let share = ours.cpu_micros / peer.cpu_micros;
            table.row("Serinus ÷ blackbox_exporter, CPU per run", &format!("1/{:.1}", 1.0 / share), "");
        }
        None => table.row("blackbox_exporter", "not installed", ""),
    }
    table.row("Serinus ÷ bare reqwest loop, CPU per run", &format!("{:.2}", ours.cpu_micros / bare.cpu_micros), "");
}

/// The program, a bare client and the peer, each asked for so many runs a second.
fn compare_rates(size: &Size, table: &mut Table) {
    let (_target, url) = target::start();
    for per_second in [300, 1_000] {
        let task = rates::Task { url: url.clone(), per_second, seconds: size.rate_seconds };
        let mut costs = [Vec::new(), Vec::new(), Vec::new()];
        for round in 1..=size.rounds {
            eprintln!("bench: {per_second} runs a second, round {round} of {}", size.rounds);
            let directory = tempfile::tempdir().expect("there is room for temporary files");
            costs[0].push(rates::service(directory.path(), &task));
            costs[1].push(rates::bare(&task));
            costs[2].extend(rates::blackbox(directory.path(), &task));
        }
        let [ours, bare, peer] = costs.map(|costs| (!costs.is_empty()).then(|| middle(&costs).cpu_micros));
        let (ours, bare) = (ours.expect("at least one round"), bare.expect("at least one round"));
        let what = format!("{per_second} runs a second, CPU per run: serinus run ÷ ");
        table.row(&format!("{what}bare reqwest loop"), &format!("{:.2} ({ours:.0} ÷ {bare:.0} µs)", ours / bare), "≤ 1.2");
        let beside = peer.map(|peer| format!("1/{:.2} ({ours:.0} ÷ {peer:.0} µs)", peer / ours));
        table.row(&format!("{what}blackbox_exporter"), &beside.unwrap_or_else(|| "not installed".to_owned()), "≤ 1/2");
    }
}

fn describe(table: &mut Table, who: &str, cost: Cost) {
    let (cpu, rate) = (cost.cpu_micros, cost.per_second);
    table.row(
        &format!("{who}: CPU per run"),
        &format!("{cpu:.0} µs = {:.0} runs per second and core ({rate:.0} were made)", 1e6 / cpu),
        "",
    );
}

/// The median of each.
fn middle(costs: &[Cost]) -> Cost {
    Cost {
        cpu_micros: median(costs.iter().map(|cost| cost.cpu_micros).collect()),
        per_second: median(costs.iter().map(|cost| cost.per_second).collect()),
    }
}

/// Fleets of several sizes, each canary every ten seconds.
#[expect(clippy::cast_precision_loss, reason = "far less memory than a float has digits")]
fn watch_fleets(size: &Size, table: &mut Table) {
    let (_target, url) = target::start();
    let mut weights = Vec::new();
    for canaries in size.fleets {
        eprintln!("bench: {canaries} canaries for {} s", size.settle + size.watch);
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        let file = files::write(directory.path(), Shape { probes: 10, cells: canaries / 10, broken: (0, 0) }, &url, &url);
        let fleet = fleet::measure(&fleet::Task { file, settle: size.settle, watch: size.watch });
        let last = canaries == size.fleets[2];
        let what = format!("{canaries} canaries every 10 s");
        let lateness = format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", fleet.p50, fleet.p99, fleet.max);
        table.row(&format!("{what}: start lateness"), &lateness, if last { "p99 ≤ 2 ms" } else { "" });
        let missed = format!("{} of {}", fleet.not_passed, fleet.runs as u64 + fleet.not_passed);
        table.row(&format!("{what}: missed or not passed"), &missed, "0");
        table.row(&format!("{what}: CPU, scraped every 5 s"), &format!("{:.1} % of a core", fleet.cpu_percent), "");
        weights.push((canaries as f64, fleet.resident as f64));
    }
    let (first, last) = (weights[0], weights[2]);
    table.row(&format!("memory with {} canaries", first.0), &format!("{:.0} MiB", first.1 / 1_048_576.0), "≤ 40 MiB");
    let each = (last.1 - first.1) / (last.0 - first.0) / 1_024.0;
    table.row("memory of each further canary", &format!("{each:.1} KiB"), "≤ 6 KiB");
}

/// Many probe files, from the disk's cache to a plan.
fn load_files(size: &Size, table: &mut Table) {
    eprintln!("bench: {} probe files", size.probe_files);
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let loads = load::measure(directory.path(), Shape { probes: size.probe_files, cells: 1, broken: (0, 0) }, size.rounds);
    let millis = median(loads.iter().map(|load| load.millis).collect());
    table.row(&format!("{} probe files loaded and validated", size.probe_files), &format!("{millis:.0} ms"), "≤ 1 s for 10,000");
    #[expect(clippy::cast_precision_loss, reason = "far less memory than a float has digits")]
    let kib = median(loads.iter().map(|load| load.bytes as f64 / 1_024.0).collect()) / size.probe_files as f64;
    table.row("memory of one of them once loaded", &format!("{kib:.1} KiB"), "");
}

/// Runs into the store, and commits that somebody waits for.
fn write_runs(size: &Size, table: &mut Table) {
    eprintln!("bench: {} runs into the store, then commits for {} s", size.stored, size.watch);
    let seen = store::measure(size.stored, size.watch);
    let rate = format!("{:.0} a second, {:.0} µs of CPU each", seen.per_second, seen.cpu_micros);
    table.row("store: runs written, each with its state", &rate, "≥ 2,000 a second");
    table.row("store: size of a passed run", &format!("{:.0} B", seen.bytes), "");
    let opened = format!("{:.0} ms for {} MiB", seen.opened, seen.size >> 20);
    table.row(&format!("store: opened at the start, with {} runs in it", size.stored), &opened, "");
    let latency = format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms of {}", seen.p50, seen.p99, seen.max, seen.commits);
    table.row("store: a commit that is waited for, beside 1,000 runs a second", &latency, "");
}

/// From the end of the run that decides to the page's request.
fn time_pages(size: &Size, table: &mut Table) {
    for locked in [false, true] {
        eprintln!("bench: {} incidents for {} s{}", size.incidents, size.paging, if locked { ", the store locked" } else { "" });
        let pages = pages::measure(size.passing / 10, size.incidents, size.paging, locked);
        let what = if locked { "the same while the store cannot be written" } else { "run's end to the page's POST" };
        let latency = format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", pages.p50, pages.p99, pages.max);
        let of = format!(
            "{latency}; {} of {} pages, beside {:.0} passing runs a second",
            pages.arrived, pages.incidents, pages.beside
        );
        table.row(what, &of, if locked { "" } else { "p99 ≤ 50 ms" });
    }
}

/// All canaries of a probe fail at once.
#[expect(clippy::cast_precision_loss, reason = "far less memory than a float has digits")]
fn brave_a_storm(size: &Size, table: &mut Table) {
    let canaries = size.storm;
    eprintln!("bench: {canaries} canaries that fail");
    let storm = storm::measure(canaries);
    let pages =
        format!("{} of at most {:.1} KiB, the first after {:.0} ms", storm.pages, storm.bytes as f64 / 1_024.0, storm.first);
    table.row(&format!("{canaries} canaries of a probe fail at once: pages"), &pages, "2: it is critical too");
    let seen = storm.seen;
    let cost = format!(
        "{:.0} ms for all at most, {:.0} µs of CPU a run, {:.1} MiB",
        seen.millis,
        seen.cpu_micros,
        seen.memory as f64 / 1_048_576.0
    );
    table.row(&format!("{canaries} canaries of a probe fail at once: until it is all looked at"), &cost, "");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
