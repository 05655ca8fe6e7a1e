//! Pages by pure chance: simulated weeks of the shipped probes in three regions, whose runs fail and lag just as often as their
//! objectives allow, against the formula that `serinus check` goes by.
//!
//!     cargo bench --bench chance [-- --seeds N | --short]
//!
//! The real rules judge runs that are drawn, at the probes' real intervals; time is simulated. Each seed is four weeks.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[path = "../support/weeks.rs"]
mod weeks;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serinus::alert::canary::CanaryRule;
use serinus::plan::{Plan, Probe, chance};

use weeks::{Seldom, canaries, shipped, simulate};

/// Weeks of a seed.
const WEEKS: u32 = 4;

fn main() {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let seeds: Option<u64> = match arguments[..] {
        [] => Some(100),
        ["--short"] => Some(4),
        ["--seeds", seeds] => seeds.parse().ok().filter(|&seeds| seeds > 0),
        _ => None,
    };
    let Some(seeds) = seeds else {
        println!("usage: cargo bench --bench chance [-- --seeds N | --short]");
        std::process::exit(2);
    };
    let plan = shipped();
    println!(
        "| probe | canaries | runs a month | expected | canaries at page level | incidents | budget: page, warn | latency: page, warn |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut all = Seldom::default();
    for probe in &plan.probes {
        eprintln!("chance: {}", probe.name);
        let seldom = of_seeds(&plan, probe, seeds);
        let success = probe.slo.as_ref().and_then(|slo| slo.success).unwrap_or(1.0);
        let canaries = canaries(&plan, probe).len();
        let expected = chance::per_month(&probe.alert, success, canaries, &probe.cadence, probe.runs);
        println!("{}", row(&probe.name, canaries, expected, &seldom, seeds));
        all.add(&seldom);
    }
    println!("{}", row("all", plan.canaries.len(), chance::of_plan(&plan), &all, seeds));
    let months = months(seeds);
    println!("\nPer 30 days, over {seeds} seeds of {WEEKS} weeks: {months:.0} months, {} runs, {} pages.", all.runs, all.pages());
}

/// Every seed of one probe, on all cores.
fn of_seeds(plan: &Plan, probe: &Probe, seeds: u64) -> Seldom {
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Seldom::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            let seen = simulate(probe, CanaryRule::of(probe), &canaries(plan, probe), WEEKS, seed);
            sum.lock().expect("nothing panics while it is held").add(&seen);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    sum.into_inner().expect("nothing panicked")
}

#[expect(clippy::cast_precision_loss, reason = "there are far fewer seeds than a float has digits")]
fn months(seeds: u64) -> f64 {
    seeds as f64 * f64::from(WEEKS) * 7.0 / 30.0
}

#[expect(clippy::cast_precision_loss, reason = "there are far fewer runs than a float has digits")]
fn row(name: &str, canaries: usize, expected: f64, seen: &Seldom, seeds: u64) -> String {
    let months = months(seeds);
    let a_month = |count: u32| format!("{:.2}", f64::from(count) / months);
    let levels = |counts: [u32; 2]| counts.map(a_month).join(", ");
    format!(
        "| {name} | {canaries} | {:.0} | {expected:.2} | {} | {} | {} | {} |",
        seen.runs as f64 / months,
        a_month(seen.crossed),
        a_month(seen.opened),
        levels(seen.budget),
        levels(seen.latency),
    )
}
