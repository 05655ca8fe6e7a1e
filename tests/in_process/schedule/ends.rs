//! Cleanups, and how the scheduler stops.

use std::sync::Arc;
use std::time::Duration;

use serinus::outcome::{CleanupResult, Reason, RunReport, Verdict};
use serinus::plan::{Canary, Limits};
use serinus::run::RunRequest;
use tokio::sync::Notify;

use super::support::{Fake, SOON, Service, cleaning, finished, id, limits, plan, probe, reason};

#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_holds_neither_the_slot_nor_a_turn_and_is_waited_for_at_the_end() {
    let go_on = Arc::new(Notify::new());
    let held = Arc::clone(&go_on);
    let one = Limits { concurrent_runs: 1, ..limits() };
    let mut service = Service::start(
        plan(vec![probe("cleans", Duration::from_millis(50))], one),
        Fake(move |canary, request| {
            let held = Arc::clone(&held);
            async move {
                let first = Arc::clone(&held);
                cleaning(&canary, &request, async move { first.notified().await })
            }
        }),
    );
    let passed = |report: &RunReport| report.verdict == Verdict::Passed;
    let (one, two) = (service.find(passed).await, service.find(passed).await);
    assert!(service.cleanups.try_recv().is_err(), "both ran while the first one's cleanup goes on");
    go_on.notify_one();
    assert_eq!(service.next_cleanup().await.result, CleanupResult::Clean);
    let stopping = tokio::spawn(service.scheduler.clone().stop(SOON));
    // Whoever holds on to the rest lets go one by one, until none is left to wait for.
    while !stopping.is_finished() {
        go_on.notify_waiters();
        tokio::task::yield_now().await;
    }
    assert!(stopping.await.expect("no panic").is_empty());
    assert!(two.tick > one.tick);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_that_panics_has_leaked() {
    let mut service = Service::start(
        plan(vec![probe("leaks", Duration::from_hours(10))], limits()),
        Fake(async |canary: Arc<Canary>, request: RunRequest| cleaning(&canary, &request, async { panic!("on purpose") })),
    );
    service.scheduler.trigger(&id("leaks")).expect("it is free");
    assert!(matches!(service.next_cleanup().await.result, CleanupResult::Leaked(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_waits_for_runs_and_then_cancels_them() {
    let mut service = Service::start(
        plan(vec![probe("long", Duration::from_hours(10))], limits()),
        Fake(async |canary: Arc<Canary>, request: RunRequest| {
            request.cancel.cancelled().await;
            finished(&canary, &request, Some(Reason::Shutdown))
        }),
    );
    service.scheduler.trigger(&id("long")).expect("it is free");
    assert!(service.scheduler.clone().stop(Duration::from_millis(20)).await.is_empty());
    let report = service.next().await;
    assert_eq!((report.verdict, reason(&report)), (Verdict::Errored, Some(Reason::Shutdown)));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_names_what_does_not_end() {
    let service = Service::start(
        plan(vec![probe("deaf", Duration::from_hours(10)), probe("quiet", Duration::from_hours(10))], limits()),
        Fake(async |_canary: Arc<Canary>, _request: RunRequest| std::future::pending().await),
    );
    service.scheduler.trigger(&id("deaf")).expect("it is free");
    let left = service.scheduler.stop(Duration::from_millis(20)).await;
    assert_eq!((left.runs, left.cleanups), (vec![id("deaf")], Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tick_starts_after_a_stop() {
    let mut service = Service::start(
        plan(vec![probe("fast", Duration::from_millis(20))], limits()),
        Fake(async |canary: Arc<Canary>, request: RunRequest| finished(&canary, &request, None)),
    );
    service.next().await;
    assert!(service.scheduler.stop(SOON).await.is_empty());
    // The last handle is gone with every run, and with them whoever could report: the channel ends by itself.
    let end = async { while service.runs.recv().await.is_some() {} };
    tokio::time::timeout(SOON, end).await.expect("nothing holds on to the sink");
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_cleanups_as_runs_go_on_at_once_and_one_that_gets_no_turn_within_its_budget_has_leaked() {
    let one = Limits { concurrent_runs: 1, cleanup: Duration::from_millis(300), ..limits() };
    let begun = Arc::<Notify>::default();
    let begins = Arc::clone(&begun);
    let mut service = Service::start(
        plan(vec![probe("holds", Duration::from_hours(10)), probe("waits", Duration::from_hours(10))], one),
        Fake(move |canary: Arc<Canary>, request: RunRequest| {
            let (holds, begins) = (&*canary.probe.name == "holds", Arc::clone(&begins));
            let cleanup = async move {
                if holds {
                    begins.notify_one();
                    std::future::pending::<()>().await;
                }
            };
            async move { cleaning(&canary, &request, cleanup) }
        }),
    );
    service.scheduler.trigger(&id("holds")).expect("it is free");
    service.next().await;
    // Its cleanup has the only permit.
    begun.notified().await;
    service.scheduler.trigger(&id("waits")).expect("a cleanup holds no turn of runs");
    let report = service.next_cleanup().await;
    assert_eq!(&*report.run.canary.probe.name, "waits");
    let CleanupResult::Leaked(causes) = &report.result else { panic!("it cannot have been cleaned up") };
    assert_eq!(causes[0].reason, Reason::Overload);
    let report = service.next_cleanup().await;
    assert_eq!(&*report.run.canary.probe.name, "holds");
    assert!(matches!(report.result, CleanupResult::Leaked(_)), "one that does not keep to its budget is cut");
}
