//! A new plan under a running scheduler.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serinus::outcome::{RunReport, Verdict};
use serinus::plan::{Canary, CanaryId, Limits, Plan, Probe};
use serinus::run::RunRequest;
use serinus::schedule::TriggerError;
use tokio::sync::{Notify, mpsc};

use super::support::{Fake, SOON, Service, assert_whole, finished, id, limits, plan, probe};

const EVERY: Duration = Duration::from_millis(100);

/// Canaries that stay, in an order that changes, and some that come and go.
fn plan_number(number: usize) -> Arc<Plan> {
    let stays = (0..100).map(|at| probe(&format!("stays-{}", (at + number * 37) % 100), EVERY));
    let visits = (0..number % 7).map(|at| probe(&format!("visits-{at}"), EVERY));
    let changes = probe("changes", EVERY * u32::try_from(1 + number % 3).expect("small"));
    let limits = Limits { concurrent_runs: 20 + 30 * (number % 4), ..limits() };
    plan(stays.chain(visits).chain([changes]).collect(), limits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_applied_again_and_again_under_load_lose_and_double_no_tick() {
    let begun = SystemTime::now();
    let mut service = Service::start(
        plan_number(0),
        Fake(async |canary: Arc<Canary>, request: RunRequest| {
            if fastrand::u8(..8) == 0 {
                tokio::time::sleep(Duration::from_millis(130)).await;
            }
            finished(&canary, &request, None)
        }),
    );
    let started = SystemTime::now();
    let mut dues: HashMap<CanaryId, Vec<SystemTime>> = HashMap::new();
    for number in 1..=100 {
        for _ in 0..40 {
            let report = service.next().await;
            dues.entry(report.canary.id.clone()).or_default().push(report.tick.due);
        }
        service.scheduler.apply(plan_number(number));
    }
    assert!(service.scheduler.stop(SOON).await.is_empty());
    while let Ok(report) = service.runs.try_recv() {
        dues.entry(report.canary.id.clone()).or_default().push(report.tick.due);
    }
    let newest = dues.values().flatten().max().copied().expect("not empty");
    for (canary, dues) in &mut dues {
        let once: BTreeSet<SystemTime> = dues.iter().copied().collect();
        assert_eq!(once.len(), dues.len(), "{canary} had a tick twice");
        if canary.as_str().starts_with("stays") {
            assert_whole(dues, EVERY);
            assert!(dues[0] > begun && dues[0] <= started + EVERY, "the first tick is not left out");
            assert!(*dues.last().expect("not empty") + EVERY > newest, "nor is the last");
        }
    }
    assert!(dues.keys().any(|canary| canary.as_str().starts_with("visits")));
}

fn summed_up(summary: &str) -> Probe {
    Probe { summary: Some(summary.to_owned()), ..probe("edited", EVERY) }
}

fn summary(report: &RunReport) -> &str {
    report.canary.probe.summary.as_deref().expect("both have one")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_canary_is_the_new_one_from_its_next_tick_on_and_still_knows_of_its_running_run() {
    let go_on = Arc::new(Notify::new());
    let held = Arc::clone(&go_on);
    let (starts, mut started) = mpsc::unbounded_channel();
    let mut service = Service::start(
        plan(vec![summed_up("old")], limits()),
        Fake(move |canary: Arc<Canary>, request| {
            starts.send(()).expect("the test listens");
            let held = Arc::clone(&held);
            async move {
                held.notified().await;
                finished(&canary, &request, None)
            }
        }),
    );
    started.recv().await.expect("a tick comes");
    service.scheduler.apply(plan(vec![summed_up("new")], limits()));
    let overlap = service.find(|report| summary(report) == "new").await;
    assert_eq!(overlap.verdict, Verdict::Missed, "the slot is still taken by the old one's run");
    assert!(started.try_recv().is_err(), "which is the only one that has started");
    go_on.notify_one();
    let old = service.find(|report| report.verdict == Verdict::Passed).await;
    assert_eq!(summary(&old), "old");
    go_on.notify_one();
    let new = service.find(|report| report.verdict == Verdict::Passed).await;
    assert_eq!(summary(&new), "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_canary_has_no_more_ticks_and_its_run_is_waited_for_and_named() {
    let (starts, mut started) = mpsc::unbounded_channel();
    let mut service = Service::start(
        plan(vec![probe("leaves", EVERY), probe("stays", EVERY)], limits()),
        Fake(move |canary: Arc<Canary>, request| {
            let leaves = &*canary.probe.name == "leaves";
            if leaves {
                starts.send(()).expect("the test listens");
            }
            async move {
                if leaves {
                    std::future::pending::<()>().await;
                }
                finished(&canary, &request, None)
            }
        }),
    );
    started.recv().await.expect("a tick comes");
    let without = || plan(vec![probe("stays", EVERY)], limits());
    service.scheduler.apply(without());
    assert_eq!(service.scheduler.trigger(&id("leaves")), Err(TriggerError::Unknown));
    service.scheduler.apply(without());
    // Whatever was due when the plan was taken over is reported before the ticks that come after.
    let mark = SystemTime::now();
    let later = service.find(|report| report.tick.due > mark + EVERY * 2).await;
    for _ in 0..5 {
        assert_eq!(service.next().await.canary.id, later.canary.id);
    }
    let left = service.scheduler.stop(Duration::from_millis(20)).await;
    assert_eq!(left.runs, [id("leaves")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bound_on_runs_at_once_follows_the_plan() {
    let go_on = Arc::new(Notify::new());
    let held = Arc::clone(&go_on);
    let with = |runs| {
        let probes = ["a", "b", "c"].map(|name| probe(name, Duration::from_hours(10)));
        plan(probes.into(), Limits { concurrent_runs: runs, ..limits() })
    };
    let mut service = Service::start(
        with(1),
        Fake(move |canary, request| {
            let held = Arc::clone(&held);
            async move {
                held.notified().await;
                finished(&canary, &request, None)
            }
        }),
    );
    let trigger = |name| service.scheduler.trigger(&id(name));
    assert_eq!((trigger("a"), trigger("b")), (Ok(()), Err(TriggerError::Overload)));
    service.scheduler.apply(with(2));
    assert_eq!((trigger("b"), trigger("c")), (Ok(()), Err(TriggerError::Overload)));
    service.scheduler.apply(with(1));
    go_on.notify_one();
    let ended = service.next().await.canary.id.clone();
    assert_eq!(service.scheduler.trigger(&ended), Err(TriggerError::Overload), "the other one is all that may go on");
    go_on.notify_one();
    service.next().await;
    assert_eq!(service.scheduler.trigger(&ended), Ok(()));
    go_on.notify_one();
}
