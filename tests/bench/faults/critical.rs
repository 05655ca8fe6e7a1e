//! How long it takes from the run that makes an incident critical to the page that says so, with and without a takeover in between.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::ROW;
use super::count::critical;
use super::world::{Setup, World};

/// Probes that are told of in turn: one that fails often is held back.
const PROBES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A channel takes ten rings a minute at once, and gathers the rest.
const PAUSE: Duration = Duration::from_secs(14);

/// Head of the table.
pub(crate) const HEAD: &str = "| in between | incidents | never | p50 s | p99 s | most s |\n|---|---|---|---|---|---|";

/// Measures so many of each kind, and prints a row for either.
pub(crate) fn measure(rings: usize, takeovers: usize, logs: &Path) -> ExitCode {
    let mut world = World::start(Setup::Plain, logs, &PROBES);
    for (what, count, kills) in [("nobody is killed", rings, false), ("who evaluates is killed in between", takeovers, true)] {
        let mut took: Vec<Duration> =
            (0..count).filter_map(|number| one(&mut world, PROBES[number % PROBES.len()], kills)).collect();
        took.sort();
        if let Some(last) = took.last() {
            let at = |share: usize| took[(took.len() * share).div_ceil(100) - 1].as_secs_f64();
            let lost = count - took.len();
            println!("{ROW}| {what} | {count} | {lost} | {:.2} | {:.2} | {:.2} |", at(50), at(99), last.as_secs_f64());
        }
    }
    world.until_over();
    world.stop_all();
    for problem in &world.problems {
        eprintln!("critical: {problem}");
    }
    if world.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A probe fails in one region, and then in a second one. Returns how long the critical page took after the run that decided.
fn one(world: &mut World, probe: &str, kills: bool) -> Option<Duration> {
    let began = Instant::now();
    // Neither of those who see it fail may be the one that is killed.
    let evaluator = world.processes.iter().position(super::world::Process::evaluates).unwrap_or(0);
    let [first, second] = [(evaluator + 1) % 3, (evaluator + 2) % 3].map(|number| super::world::REGIONS[number]);
    let scope = format!("probe/{probe}");
    let of = |world: &World, severity: &str| {
        let pages = world.pager.pages().into_iter().filter(|page| page.at > began && page.message["scope"] == *scope);
        let rings: Vec<_> = pages.filter(|page| page.message["action"] == "ring").collect();
        if severity == "critical" { critical(&rings).map(|page| page.at) } else { rings.first().map(|page| page.at) }
    };
    world.break_region(probe, first);
    world.wait("it is told", Duration::from_mins(1), |world| of(world, "page").is_some());
    // A ring for a rise of severity comes 5 s after the ring before it, which is not what is measured.
    std::thread::sleep(Duration::from_secs(6));
    if kills {
        world.processes[evaluator].kill();
    }
    let broken = Instant::now();
    world.break_region(probe, second);
    world.wait("it is critical", Duration::from_mins(1), |world| of(world, "critical").is_some());
    let told = of(world, "critical");
    if kills {
        world.processes[evaluator].begin();
    }
    for region in [first, second] {
        world.mend_region(probe, region);
    }
    let is_over = |world: &World| !world.open().values().any(|key| key.starts_with(&scope));
    world.wait("it is over", Duration::from_mins(1), is_over);
    std::thread::sleep(PAUSE.saturating_sub(began.elapsed()));
    let decided = world.target.asked_at(&format!("/{probe}/{second}")).into_iter().find(|at| *at > broken)?;
    Some(told?.saturating_duration_since(decided))
}
