//! How large a fleet on one PostgreSQL may be: regions of many canaries each, all real processes on a real server whose settings are
//! those it comes with. It prints what they cost the server and themselves, calm and while some canaries fail everywhere.
//!
//! What is compared is CPU time and counters of the server, not the clock on the wall: the machine may have other work.
//!
//! ```text
//! CARGO_PROFILE_BENCH_LTO=off CARGO_PROFILE_BENCH_CODEGEN_UNITS=16 cargo bench --bench scale -- --regions 10 --canaries 2000
//! ```
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod counters;
mod fleet;
#[path = "../pager.rs"]
#[expect(dead_code, reason = "the storm of the benchmark asks how large pages are")]
mod pager;
mod pages;
#[path = "../../support/postgres.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod postgres;
#[path = "../process.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod process;
#[path = "../../support/programs.rs"]
mod programs;
mod report;
mod target;

use std::time::Duration;

use mimalloc::MiMalloc;

use counters::Counters;
use fleet::Fleet;
use pager::Pager;
use postgres::{Postgres, PostgresSetup};
use target::Target;

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The server as it comes, but for what counts its statements. Each region has eight connections.
const SETTINGS: [&str; 5] =
    ["fsync=on", "full_page_writes=on", "autovacuum=on", "shared_preload_libraries=pg_stat_statements", "max_connections=1000"];

/// Of a hundred canaries of each probe so many fail in the second part.
const FAILING: usize = 5;

/// How large, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) regions: usize,
    /// Of each region.
    pub(crate) canaries: usize,
    /// How long it runs before anything is measured.
    pub(crate) settle: Duration,
    /// How long each part is measured.
    pub(crate) watch: Duration,
}

fn main() {
    rustls::crypto::ring::default_provider().install_default().expect("nothing else chose a provider");
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let ["--role", "target", _] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return target::role();
    }
    measure(size(&arguments));
}

/// What the command line says.
fn size(arguments: &[String]) -> Size {
    let mut size = Size { regions: 10, canaries: 2_000, settle: Duration::from_secs(90), watch: Duration::from_mins(3) };
    for pair in arguments.chunks(2) {
        let (Some(name), Some(Ok(number))) = (pair.first(), pair.get(1).map(|number| number.parse::<usize>())) else { usage() };
        let seconds = Duration::from_secs(number as u64);
        match name.as_str() {
            "--regions" => size.regions = number,
            "--canaries" => size.canaries = number,
            "--settle" => size.settle = seconds,
            "--watch" => size.watch = seconds,
            _ => usage(),
        }
    }
    size
}

fn usage() -> ! {
    eprintln!("usage: cargo bench --bench scale -- [--regions N] [--canaries N] [--settle SECONDS] [--watch SECONDS]");
    std::process::exit(2);
}

fn measure(size: Size) {
    let server = Postgres::set_up(&PostgresSetup { settings: &SETTINGS, ..PostgresSetup::default() });
    server.ask("serinus", "CREATE EXTENSION pg_stat_statements");
    let (target, pager) = (Target::start(), Pager::start());
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    eprintln!("scale: {} regions of {} canaries each minute start", size.regions, size.canaries);
    let fleet = Fleet::start(directory.path(), size, &server, &target.url, &pager.url);
    std::thread::sleep(size.settle);
    let watch = |what: &str| {
        eprintln!("scale: {what} for {} s", size.watch.as_secs());
        server.ask("serinus", "SELECT pg_stat_statements_reset()");
        let before = Counters::read(&server, &fleet);
        std::thread::sleep(size.watch);
        Counters::read(&server, &fleet).since(&before)
    };
    let calm = watch("calm");
    eprintln!("{}", report::statements(&server, size.watch));
    target.fail_below(FAILING);
    let failing = watch("some fail everywhere");
    eprintln!("{}", report::statements(&server, size.watch));
    target.fail_below(0);
    let told = pages::of(&pager);
    println!("{}", report::table(size, &calm, &failing, &told));
    fleet.say_what_was_logged();
}
