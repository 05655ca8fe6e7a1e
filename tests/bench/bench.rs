//! The benchmark: ratios beside the bounds the project has set itself. It never fails because something was slow.
//!
//! Every subject runs in a process of its own, one after the other, on a target in a third process. What is compared is measured in
//! turns, and the median of the rounds counts: other work on the machine then meets both sides.
//! One more measurement is a file here with a `measure`, its role in [`main`], and its rows in [`Table`].
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod bare;
mod blackbox;
mod files;
mod load;
mod process;
mod target;

use std::fmt::Write;
use std::path::PathBuf;

use bare::Cost;
use files::Fleet;
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
}

const WHOLE: Size = Size { rounds: 5, runs: 20_000, peer_runs: 4_000, probe_files: 10_000 };
const SHORT: Size = Size { rounds: 1, runs: 500, peer_runs: 100, probe_files: 100 };

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
        ["--role", "load", file] => load::role(&serde_json::from_str::<PathBuf>(file).expect("a path is JSON")),
        ref words => measure(words),
    }
}

/// A part of the benchmark: its name for the command line, and what it does.
type Part = (&'static str, fn(&Size, &mut Table));

const PARTS: [Part; 2] = [("runs", compare_runs), ("load", load_files)];

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
    let task = bare::Task { url: url.clone(), runs: size.runs, at_once: AT_ONCE };
    let mut bare = Vec::new();
    let mut peer = Vec::new();
    for round in 1..=size.rounds {
        eprintln!("bench: runs, round {round} of {}", size.rounds);
        bare.push(bare::measure("bare", &task));
        peer.extend(blackbox::measure(directory.path(), &url, size.peer_runs, AT_ONCE));
    }
    describe(table, "bare reqwest loop, a new connection each", &bare);
    if peer.is_empty() {
        table.row("blackbox_exporter", "not installed", "");
    } else {
        describe(table, "blackbox_exporter", &peer);
    }
}

/// Many probe files, from the disk's cache to a plan.
fn load_files(size: &Size, table: &mut Table) {
    eprintln!("bench: {} probe files", size.probe_files);
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let loads = load::measure(directory.path(), Fleet { probes: size.probe_files, cells: 1 }, size.rounds);
    let millis = median(loads.iter().map(|load| load.millis).collect());
    table.row(&format!("{} probe files loaded and validated", size.probe_files), &format!("{millis:.0} ms"), "≤ 1 s for 10,000");
    #[expect(clippy::cast_precision_loss, reason = "far less memory than a float has digits")]
    let kib = median(loads.iter().map(|load| load.bytes as f64 / 1_024.0).collect()) / size.probe_files as f64;
    table.row("memory of one of them once loaded", &format!("{kib:.1} KiB"), "");
}

fn describe(table: &mut Table, who: &str, costs: &[Cost]) {
    let cpu = median(costs.iter().map(|cost| cost.cpu_micros).collect());
    let rate = median(costs.iter().map(|cost| cost.per_second).collect());
    table.row(&format!("{who}: CPU per run"), &format!("{cpu:.0} µs ({:.0} runs per second and core)", 1e6 / cpu), "");
    table.row(&format!("{who}: runs per second, as it came"), &format!("{rate:.0}"), "");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
