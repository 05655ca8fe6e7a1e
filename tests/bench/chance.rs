//! Pages by pure chance: simulated weeks of the shipped probes in three regions, whose runs fail and lag just as often as their
//! objectives allow, against the formula that `serinus check` goes by.
//!
//!     cargo bench --bench chance [-- --seeds N | --short]
//!
//! The real evaluator judges runs that are drawn, at the probes' real intervals; time is simulated. Each seed is four weeks.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[path = "../support/days.rs"]
mod days;
#[expect(dead_code, reason = "another benchmark uses the rest")]
#[path = "../support/service.rs"]
mod service;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serinus::plan::{Plan, Probe, chance};

use days::{Seldom, simulate};
use service::shipped;

/// Days of a seed.
const DAYS: u32 = 28;

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
    let plan = shipped(&[], &["eu", "us", "ap"], &[]);
    println!(
        "| probe | canaries | runs | expected: alone + together | incidents paged (together) | budget | latency | further messages | warnings |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let seen = of_seeds(&plan, seeds);
    let (mut all, mut expected) = (Seldom::default(), [0.0; 2]);
    for probe in &plan.probes {
        let canaries = plan.canaries.iter().filter(|canary| canary.probe.name == probe.name).count();
        let of = expect(probe, canaries);
        let seldom = seen.get(&*probe.name).copied().unwrap_or_default();
        println!("{}", row(&probe.name, canaries, of, &seldom, seeds));
        all.add(&seldom);
        (0..2).for_each(|at| expected[at] += of[at]);
    }
    println!("{}", row("all", plan.canaries.len(), expected, &all, seeds));
    let months = months(seeds);
    println!("\nPer 30 days, over {seeds} seeds of {DAYS} days: {months:.1} months, {} runs, {} pages.", all.runs, all.pages());
}

/// Openings expected per 30 days: of canaries alone, and of all together.
fn expect(probe: &Probe, canaries: usize) -> [f64; 2] {
    let success = probe.slo.as_ref().and_then(|slo| slo.success).unwrap_or(1.0);
    let of = [chance::own_per_month, chance::across_per_month];
    of.map(|of| of(&probe.alert, success, canaries, &probe.cadence, probe.runs))
}

/// Every seed, on all cores.
fn of_seeds(plan: &Arc<Plan>, seeds: u64) -> BTreeMap<String, Seldom> {
    let (next, sum) = (AtomicU64::new(0), Mutex::new(BTreeMap::<String, Seldom>::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            eprintln!("chance: seed {} of {seeds}", seed + 1);
            for (probe, seen) in simulate(plan, DAYS, seed) {
                sum.lock().expect("nothing panics while it is held").entry(probe).or_default().add(&seen);
            }
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
    seeds as f64 * f64::from(DAYS) / 30.0
}

#[expect(clippy::cast_precision_loss, reason = "there are far fewer runs than a float has digits")]
fn row(name: &str, canaries: usize, expected: [f64; 2], seen: &Seldom, seeds: u64) -> String {
    let months = months(seeds);
    let a_month = |count: u32| format!("{:.2}", f64::from(count) / months);
    let [alone, together] = expected;
    format!(
        "| {name} | {canaries} | {:.0} | {alone:.2} + {together:.2} | {} ({}) | {} | {} | {} | {} |",
        seen.runs as f64 / months,
        a_month(seen.opened),
        a_month(seen.together),
        a_month(seen.budget),
        a_month(seen.latency),
        a_month(seen.more),
        a_month(seen.warned),
    )
}
