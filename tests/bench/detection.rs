//! How soon the shipped probes notice a fault that hits 40 % of what they do, and how soon they page: distributions over seeds.
//!
//!     cargo bench --bench detection [-- --seeds N | --pages [N]]
//!
//! With `--pages` the real evaluator is told of runs at the probes' real intervals, in three regions, while time is simulated. Without it the
//! real engine runs one canary of the incident's cell against a sandbox whose seed chooses whom the fault hits, until the first run
//! that fails. What is counted is runs; times follow from the probe's own interval, so that how fast this machine is changes nothing.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "tests use the rest")]
#[path = "../support/fleet.rs"]
mod fleet;
#[path = "incident_times.rs"]
mod incident_times;
#[path = "../support/notice.rs"]
mod notice;
#[path = "../support/onset.rs"]
mod onset;
#[path = "../support/service.rs"]
mod service;

use std::time::Duration;

use fleet::{Fleet, Shortened};
use futures::StreamExt as _;
use serinus::plan::Probe;
use serinus::sandbox::{FaultName, Incident};

/// Share of registrations, users, playlists or segments that a fault hits.
const SHARE: f64 = 0.4;

/// Product time per wall time. Edits of two devices still meet: the fault that loses them sees half a second as 25 ms.
const SPEED: f64 = 20.0;

/// Sandboxes at once.
const AT_ONCE: usize = 72;

/// More runs than any canary can need: 0.6 to the power of it is less than 10⁻⁴⁴.
const MOST_RUNS: u32 = 200;

/// What only makes the benchmark wait. A run in which nothing is lost converges in milliseconds.
const SHORTENED: Shortened<'static> = &[("within", "3s"), ("poll", "50ms"), ("for", "100ms")];

const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// One fault, noticed once for each seed.
struct Sample {
    fault: FaultName,
    /// Number of the first run that failed, from 1, in ascending order.
    runs: Vec<u32>,
    /// From the onset to that run's verdict, in ascending order.
    times: Vec<Duration>,
    /// Between two runs of the canary.
    spacing: Duration,
    /// How long a run looks before it gives the step up, at the probe's real bounds.
    window: Duration,
}

fn main() {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let seeds = match arguments[..] {
        [] => Some(200),
        ["--pages"] => return incident_times::print(500),
        ["--pages", seeds] => match seeds.parse() {
            Ok(seeds @ 1..) => return incident_times::print(seeds),
            Ok(0) | Err(_) => None,
        },
        ["--seeds", seeds] => seeds.parse().ok().filter(|&seeds| seeds > 0),
        _ => None,
    };
    let Some(seeds) = seeds else {
        println!("usage: cargo bench --bench detection [-- --seeds N | --pages [N]]");
        std::process::exit(2);
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    println!(
        "| fault | runs that failed | first failed run | geometric | time to its verdict | computed |\n|---|---|---|---|---|---|"
    );
    for incident in Incident::ALL {
        for &fault in incident.faults() {
            eprintln!("detection: {fault}");
            println!("{}", row(&runtime.block_on(sample(incident, fault, seeds))));
        }
    }
    println!("\np50 / p90 / p99 / most, over {seeds} seeds; a fault hits {:.0} % in one cell of one region.", SHARE * 100.0);
}

/// Lets the incident's canary notice a fault once for each seed.
async fn sample(incident: Incident, fault: FaultName, seeds: u64) -> Sample {
    let noticed = futures::stream::iter(1..=seeds).map(|seed| tokio::spawn(first_failure(incident, fault, seed)));
    let mut runs: Vec<u32> = noticed.buffer_unordered(AT_ONCE).map(|joined| joined.expect("no run panics")).collect().await;
    let sandbox = fleet::sandbox(SPEED, 1).await;
    let shipped = Fleet::shipped(&sandbox, &[]);
    let probe = &shipped.of(incident.probe()).next().expect("the incident has a probe").probe;
    let (spacing, window) = (fleet::spacing(probe), window(probe, fault));
    // The fault begins at any moment between two ticks; seeded, so that a table can be printed again.
    let mut random = fastrand::Rng::with_seed(seeds);
    let time = |&run: &u32| spacing.mul_f64(f64::from(run) - random.f64()) + window;
    runs.sort_unstable();
    let mut times: Vec<Duration> = runs.iter().map(time).collect();
    times.sort_unstable();
    Sample { fault, runs, times, spacing, window }
}

/// Runs a canary until it fails, and fails itself if that is not by what the fault is to be noticed by.
async fn first_failure(incident: Incident, fault: FaultName, seed: u64) -> u32 {
    let sandbox = fleet::sandbox(SPEED, seed).await;
    let fleet = Fleet::shipped(&sandbox, SHORTENED);
    let affected = fleet.plan.canaries.iter().find(|canary| notice::is_affected(canary, incident, "eu"));
    let canary = affected.expect("the incident hits a cell");
    sandbox.faults().set(fault, incident.scope("eu").with_share(SHARE).expect("a share"));
    for run in 1..=MOST_RUNS {
        let ran = fleet.run(canary).await;
        if !ran.passed() {
            let step = ran.report.cause.as_ref().and_then(|cause| cause.step.as_deref());
            assert_eq!(step, Some(notice::notice(fault).step), "{fault}, seed {seed}: {}", ran.problem());
            assert!(ran.clean(), "{}", ran.problem());
            sandbox.shutdown().await;
            return run;
        }
    }
    panic!("{fault} was not noticed in {MOST_RUNS} runs with seed {seed}");
}

/// The window of the step that notices the fault; nothing if it asks once.
fn window(probe: &Probe, fault: FaultName) -> Duration {
    let step = serinus::plan::find(&probe.steps, notice::notice(fault).step).expect("the probe has the step that notices");
    step.eventually.as_ref().map_or(Duration::ZERO, |eventually| eventually.within)
}

fn row(sample: &Sample) -> String {
    let Sample { fault, runs, times, spacing, window } = sample;
    let measured_runs = QUANTILES.map(|q| quantile(runs, q).to_string()).join(" / ");
    let measured_times = QUANTILES.map(|q| shown(*quantile(times, q))).join(" / ");
    let geometric = QUANTILES.map(|q| geometric(q).to_string()).join(" / ");
    let computed = QUANTILES.map(|q| shown(spacing.mul_f64(intervals(q)) + *window)).join(" / ");
    let [most, longest] = [runs[runs.len() - 1].to_string(), shown(times[times.len() - 1])];
    let failed = 100.0 * ratio(runs.len(), runs.iter().sum());
    format!("| `{fault}` | {failed:.0} % | {measured_runs} / {most} | {geometric} | {measured_times} / {longest} | {computed} |")
}

#[expect(clippy::cast_precision_loss, reason = "far fewer seeds than a float has digits")]
fn ratio(part: usize, whole: u32) -> f64 {
    part as f64 / f64::from(whole)
}

/// The smallest value that this share of a sorted sample does not exceed.
pub(crate) fn quantile<T>(sorted: &[T], share: f64) -> &T {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index")]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    &sorted[rank.saturating_sub(1)]
}

/// Quantile of the geometric distribution: the first of independent runs that fail with the fault's share.
fn geometric(share: f64) -> f64 {
    ((1.0 - share).ln() / (1.0 - SHARE).ln()).ceil()
}

/// Quantile of the intervals from an onset at any moment to the tick whose run fails: the onset lies evenly between two ticks, so between
/// k and k + 1 intervals the distribution grows evenly by the chance that run k + 1 is the first to fail.
fn intervals(share: f64) -> f64 {
    let whole = geometric(share) - 1.0;
    let not_yet = (1.0 - SHARE).powf(whole);
    whole + (share - (1.0 - not_yet)) / (SHARE * not_yet)
}

pub(crate) fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64().round();
    format!("{:.0}:{:02.0}", (seconds / 60.0).floor(), seconds % 60.0)
}
