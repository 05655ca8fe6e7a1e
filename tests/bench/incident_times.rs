//! When the three incidents page, become critical and are over, on the real evaluator at the probes' real intervals.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serinus::sandbox::Incident;

use crate::onset::{Course, Fault, Reach, observe};
use crate::service::shipped;
use crate::{quantile, shown};

const REGIONS: [&str; 3] = ["eu", "us", "ap"];

const QUANTILES: [f64; 2] = [0.5, 0.9];

/// Prints the table.
pub(crate) fn print(seeds: u64) {
    println!(
        "| probe | the fault hits | share | noticed | paged | run | critical | over | rings |\n|---|---|---|---|---|---|---|---|---|"
    );
    for incident in Incident::ALL {
        for (reach, share) in [
            (Reach::Cell, 1.0),
            (Reach::CellEverywhere, 1.0),
            (Reach::Region, 1.0),
            (Reach::Everywhere, 1.0),
            (Reach::Spreads(Duration::from_mins(20)), 1.0),
            (Reach::Cell, 0.4),
            (Reach::Region, 0.4),
            (Reach::Everywhere, 0.4),
        ] {
            line(incident, &REGIONS, reach, share, seeds);
        }
    }
    let alone = [(Reach::Everywhere, 1.0), (Reach::Everywhere, 0.4)];
    for (reach, share) in alone {
        line(Incident::PlaylistsUnsynced, &REGIONS[..1], reach, share, seeds);
    }
    println!("\np50 / p90 / longest, over {seeds} seeds, in minutes and seconds.");
}

fn line(incident: Incident, regions: &[&str], reach: Reach, share: f64, seeds: u64) {
    let fault = Fault { incident, reach, share };
    eprintln!("detection: {fault:?} in {regions:?}");
    let seen = of_seeds(fault, regions, seeds);
    let times = |of: &dyn Fn(&Course) -> Option<Duration>| {
        let mut times: Vec<Duration> = seen.iter().filter_map(of).collect();
        times.sort_unstable();
        match times.last() {
            Some(longest) => format!("{} / {}", QUANTILES.map(|q| shown(*quantile(&times, q))).join(" / "), shown(*longest)),
            None => "never".to_owned(),
        }
    };
    let counts = |of: &dyn Fn(&Course) -> usize| {
        let mut counts: Vec<usize> = seen.iter().map(of).collect();
        counts.sort_unstable();
        format!("{} / {}", quantile(&counts, 0.5), quantile(&counts, 1.0))
    };
    println!(
        "| {} | {} | {:.0} % | {} | {} | {} | {} | {} | {} |",
        incident.probe(),
        words(incident, reach, regions),
        share * 100.0,
        times(&|seen| Some(seen.noticed)),
        times(&|seen| Some(seen.paged)),
        counts(&|seen| seen.runs),
        times(&|seen| seen.critical),
        times(&|seen| Some(seen.resolved)),
        counts(&|seen| seen.rings),
    );
}

fn words(incident: Incident, reach: Reach, regions: &[&str]) -> &'static str {
    let platform = incident != Incident::SegmentsTruncated;
    match reach {
        Reach::Everywhere if regions.len() == 1 => "a process of one region",
        Reach::Everywhere => "everything",
        Reach::Region => "one region",
        Reach::Cell if platform => "one platform in one region",
        Reach::Cell => "one destination in one region",
        Reach::CellEverywhere if platform => "one platform everywhere",
        Reach::CellEverywhere => "one destination everywhere",
        Reach::Spreads(_) => "one region, 20 minutes later another",
    }
}

/// Every seed, on all cores.
fn of_seeds(fault: Fault, regions: &[&str], seeds: u64) -> Vec<Course> {
    let plan = shipped(&[fault.incident.probe()], regions, &[]);
    let (next, all) = (AtomicU64::new(1), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                return;
            }
            let course = observe(&plan, fault, seed);
            all.lock().expect("nothing panics while it is held").push(course);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    all.into_inner().expect("nothing panicked")
}
