//! The benchmark: ratios beside the bounds the project has set itself. It never fails because something was slow.
//!
//! Every subject runs in a process of its own, one after the other, on a target in a third process. What is compared is measured in
//! turns, and the median of the rounds counts: other work on the machine then meets both sides.
//! One more measurement is a file here with a `measure`, its role in [`main`], and its rows in [`Table`].
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod bare;
mod blackbox;
mod process;
mod target;

use std::fmt::Write;

use bare::Cost;
use mimalloc::MiMalloc;

/// As in the program itself, so that the bare client is not measured with a slower allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How much of everything is measured.
struct Size {
    rounds: usize,
    runs: usize,
    peer_runs: usize,
}

const WHOLE: Size = Size { rounds: 5, runs: 20_000, peer_runs: 4_000 };
const SHORT: Size = Size { rounds: 1, runs: 500, peer_runs: 100 };

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
        ["--short"] => measure(&SHORT),
        [] => measure(&WHOLE),
        _ => {
            println!("usage: tests/bench/run [--short]");
            std::process::exit(2);
        }
    }
}

fn measure(size: &Size) {
    let mut table = Table::default();
    compare_runs(size, &mut table);
    println!("| what | measured | bound |\n|---|---|---|\n{}", table.0);
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
