//! The dashboard: how long its questions to the store take, how long its pages, how large those are, and what viewers cost.
//!
//!     cargo bench --bench dashboard [-- --short] [store|pages|viewers]… [--canaries N] [--days N]
//!
//! `store` asks a store of a million runs directly, which a prober leaves that has run for 90 days with the default retention.
//! `pages` starts the real service on 30 days of 10,000 canaries, which are asked every minute, and asks for every page. `viewers`
//! has 200 connections follow pages of a service that probes 10,000 canaries every minute.
//! With `--days 0` the history of `pages` is the last hour alone.
//!
//! Measured on 2 cores, optimised without link-time optimisation. `pages`, 30 days of 10,000 canaries as the default retention keeps
//! them: 13.9 GiB, 50 kB a canary and day, made in 35 min beside other work. Milliseconds at the median and the 99th percentile; the
//! probe has 50 canaries and an objective over 30 days:
//!
//! | page | ms | KiB as gzip | questions to the store |
//! |---|---|---|---|
//! | overview; of a day; a probe of 50 canaries opened | 16, 26; 14, 29; 20, 30 | 67; 69; 86 | 0; 1 a minute; 0 |
//! | overview on a phone; with style sheet and script | 12, 25 | 11.5; 24 | 0 |
//! | a probe, 1 h; 24 h; 7 d; 30 d; 90 d | 10, 19; 19, 36; 69, 91; 25, 38; 26, 39 | 14 to 21 | 7 |
//! | every other page | 1.4, 13 | up to 6 | up to 9 |
//!
//! Until days were kept beside hours, the page of such a probe took 280 to 830 ms. `pages --canaries 10000 --days 0`, the last hour of
//! them all: overview 21, 30 ms and 127 KiB, with a probe opened 26, 36 ms and 162 KiB.
//!
//! `viewers`: probing 10,000 canaries every minute costs 13.5 % of a core; 200 who look at one page 1.3 % more, at four pages 0.8 %.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[path = "../support/counting_store.rs"]
mod counting_store;
mod history;
#[expect(dead_code, reason = "another benchmark uses the rest")]
mod process;
mod target;
mod viewing;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::executor::block_on;
use mimalloc::MiMalloc;
use serinus::config;
use serinus::history::sqlite::SqliteStore;
use serinus::history::{EventFilter, MarksPage, ReadFuture, Reader as _, RollupFilter, RunFilter};
use serinus::outcome::Reason;
use serinus::plan::Canary;

use viewing::{Fleet, History, Viewed};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How much of everything.
struct Size {
    /// Probes of the store that is asked directly, cells of each, and days.
    store: (usize, usize, u32),
    /// Canaries of the service whose pages are asked for, and days.
    pages: (usize, u32),
    /// How often each page is.
    times: usize,
    /// Canaries of the service that is followed, viewers, and for how many seconds.
    viewers: (usize, usize, u64),
}

const WHOLE: Size = Size { store: (23, 10, 90), pages: (10_000, 30), times: 100, viewers: (10_000, 200, 60) };
const SHORT: Size = Size { store: (3, 4, 35), pages: (1_000, 7), times: 3, viewers: (100, 20, 5) };

const HOUR_MS: i64 = 3_600_000;

/// Parts of the benchmark.
const PARTS: [&str; 3] = ["store", "pages", "viewers"];

fn main() {
    rustls::crypto::ring::default_provider().install_default().expect("nothing else chose a provider");
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--role", "target", _] => target::role(),
        ["--role", "dashboard", task] => viewing::role(&serde_json::from_str(task).expect("the task is JSON")),
        ref words => measure(words),
    }
}

fn measure(words: &[&str]) {
    let mut size = if words.contains(&"--short") { SHORT } else { WHOLE };
    let number = |option: &str| {
        let at = words.iter().position(|word| *word == option)?;
        Some(words.get(at + 1).and_then(|word| word.parse::<usize>().ok()).unwrap_or_else(|| usage()))
    };
    let is_known =
        |word: &&str| PARTS.contains(word) || ["--short", "--canaries", "--days"].contains(word) || word.parse::<usize>().is_ok();
    if !words.iter().all(is_known) {
        usage();
    }
    if let Some(canaries) = number("--canaries") {
        (size.pages.0, size.viewers.0) = (canaries, canaries);
    }
    if let Some(days) = number("--days") {
        size.pages.1 = u32::try_from(days).unwrap_or_else(|_| usage());
    }
    let is_chosen = |part: &str| words.contains(&part) || !words.iter().any(|word| PARTS.contains(word));
    if is_chosen("store") {
        ask_store(size.store);
    }
    if is_chosen("pages") {
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        let fleet = fleet(size.pages.0);
        viewing::make(directory.path(), History { fleet, days: size.pages.1 });
        viewing::pages(&mut Viewed::start(directory.path(), fleet), size.times);
    }
    if is_chosen("viewers") {
        let (canaries, viewers, seconds) = size.viewers;
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        let fleet = fleet(canaries);
        viewing::make(directory.path(), History { fleet, days: 0 });
        viewing::viewers(&Viewed::start(directory.path(), fleet), viewers, Duration::from_secs(seconds));
    }
}

/// Probes of fifty canaries each.
fn fleet(canaries: usize) -> Fleet {
    Fleet { probes: (canaries / 50).max(1), cells: 25 }
}

fn usage() -> ! {
    println!("usage: cargo bench --bench dashboard -- [--short] [store|pages|viewers]… [--canaries N] [--days N]");
    std::process::exit(2);
}

fn ask_store((probes, cells, days): (usize, usize, u32)) {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let canaries = canaries(directory.path(), probes, cells);
    let path = directory.path().join("history.db");
    let now = SystemTime::now();
    let began = Instant::now();
    history::fill(&path, &canaries, (days, history::Pattern::Day), Duration::from_mins(1), now, 7);
    let size = std::fs::metadata(&path).map_or(0, |file| file.len() >> 20);
    println!("{} canaries, {days} days: {size} MiB, made in {:.1} s\n", canaries.len(), began.elapsed().as_secs_f64());
    println!("| question | rows | first, ms | again, ms |");
    println!("|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a thread can be started");
    let _entered = runtime.enter();
    ask(&path, &canaries, now);
}

/// Probes of three steps each, of which the last is waited for.
fn canaries(directory: &Path, probes: usize, cells: usize) -> Vec<Arc<Canary>> {
    let cells = (0..cells).map(|cell| cell.to_string()).collect::<Vec<_>>().join(", ");
    let names: Vec<String> = (0..probes).map(|probe| format!("probe-{probe}")).collect();
    for name in &names {
        let text = format!(
            r#"name     = "{name}"
summary  = "What is written comes back"
owner    = "bench"
runbook  = "https://runbooks.example.com/bench"
every    = "1m"
deadline = "20s"

[matrix]
shard = [{cells}]

[[step]]
name     = "sign in"
http.get = "http://127.0.0.1:9/session"
expect   = ["status == 200"]

[[step]]
name     = "write"
http.get = "http://127.0.0.1:9/write"
expect   = ["status == 200"]

[[step]]
name       = "read it back"
http.get   = "http://127.0.0.1:9/read"
eventually = {{ within = "10s", poll = "100ms" }}
expect     = ["status == 200"]
"#
        );
        std::fs::write(directory.join(format!("{name}.toml")), text).expect("the directory can be written to");
    }
    let file: PathBuf = directory.join("serinus.toml");
    let service = "region = \"home\"\nprobes = [\"probe-*.toml\"]\n[notify.webhook]\nurl = \"http://127.0.0.1:9/pages\"\n";
    std::fs::write(&file, service).expect("the directory can be written to");
    let loaded = config::load(&file, []);
    loaded.service.expect("the configuration is valid").plan.canaries.clone()
}

/// Asks everything, with nothing read before, and then twice more.
fn ask(path: &Path, canaries: &[Arc<Canary>], now: SystemTime) {
    let open = || SqliteStore::open(path, history::retention(), now).expect("the store can be opened");
    let now_ms = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0));
    let since = |hours: i64| now_ms - hours * HOUR_MS;
    let probe = canaries[0].probe.name.to_string();
    let store = open();
    for hours in [2, 24, 24 * 40] {
        row(&format!("marks, first page of {hours} h"), || {
            answer(store.marks(since(hours), None, MarksPage::LIMIT)).map(|page| page.marks.len())
        });
        row(&format!("marks, all pages of {hours} h"), || all_marks(&store, since(hours)));
    }
    let last = block_on(store.marks(now_ms, None, MarksPage::LIMIT)).expect("the store answers").next;
    row("marks, nothing new", || {
        answer(store.marks(since(24), Some(last.clone()), MarksPage::LIMIT)).map(|page| page.marks.len())
    });
    let of_probe = |since_ms, by_day| RollupFilter { probe: probe.clone(), canary: None, since_ms, until_ms: now_ms, by_day };
    for hours in [24, 24 * 7, 24 * 90] {
        row(&format!("hours of all, {hours} h"), || answer(store.rollups_of_all(since(hours), now_ms)).map(|all| all.len()));
        row(&format!("hours of a probe, {hours} h"), || {
            answer(store.rollups_of_probe(of_probe(since(hours), false))).map(|all| all.rollups.len())
        });
    }
    row("the same by day, 2160 h", || answer(store.rollups_of_probe(of_probe(since(2_160), true))).map(|all| all.rollups.len()));
    row("counts of a probe, 720 h", || answer(store.counts_of_probe(of_probe(since(720), true))).map(|all| all.len()));
    let canary = canaries[0].id.to_string();
    row("hours of a canary, 2160 h", || answer(store.rollups(canary.clone(), since(2_160), now_ms)).map(|all| all.len()));
    row("events", || answer(store.events(EventFilter::default(), 100, None)).map(|page| page.items.len()));
    for reason in [Reason::Timeout, Reason::Dns] {
        let filter = RunFilter { reason: Some(reason), probe: Some(probe.clone()), ..RunFilter::default() };
        row(&format!("runs of a probe for `{reason}`"), || {
            answer(store.runs(filter.clone(), 100, None)).map(|page| page.items.len())
        });
    }
    assert!(store.close(Duration::from_mins(1)), "nothing is to be written");
}

fn answer<T>(question: ReadFuture<T>) -> Result<T, serinus::history::ReadError> {
    block_on(question)
}

fn all_marks(store: &SqliteStore, since_ms: i64) -> Result<usize, serinus::history::ReadError> {
    let (mut seen, mut after) = (0, None);
    loop {
        let page = block_on(store.marks(since_ms, after, MarksPage::LIMIT))?;
        seen += page.marks.len();
        after = Some(page.next);
        if !page.more {
            return Ok(seen);
        }
    }
}

fn row(question: &str, ask: impl Fn() -> Result<usize, serinus::history::ReadError>) {
    let timed = || {
        let began = Instant::now();
        let rows = ask().expect("the store answers");
        (rows, began.elapsed().as_secs_f64() * 1e3)
    };
    let (rows, first) = timed();
    let again = timed().1.min(timed().1);
    println!("| {question} | {rows} | {first:.1} | {again:.1} |");
}
