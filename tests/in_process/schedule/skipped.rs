//! Pauses and windows of maintenance.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serinus::outcome::{Reason, RunReport, Trigger, Verdict};
use serinus::plan::{Canary, Maintenance, MaintenanceTime, Plan};
use serinus::run::RunRequest;
use serinus::schedule::{Pause, PauseTarget};
use tokio::sync::{Notify, mpsc};

use super::support::{Fake, SOON, Service, cleaning, finished, id, limits, plan, probe, reason};

const EVERY: Duration = Duration::from_millis(50);

fn pause(target: PauseTarget) -> Pause {
    Pause { target, since: SystemTime::now(), until: None, by: "ann".into(), why: Some("the move".into()) }
}

fn passed(report: &RunReport) -> bool {
    report.verdict == Verdict::Passed
}

fn skipped(report: &RunReport) -> bool {
    report.verdict == Verdict::Skipped
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_is_skipped_until_it_is_resumed_but_runs_by_hand() {
    let mut service = Service::start(
        plan(vec![probe("rests", EVERY), probe("goes-on", EVERY)], limits()),
        Fake(async |canary: Arc<Canary>, request: RunRequest| finished(&canary, &request, None)),
    );
    for target in [PauseTarget::Probe("rests".into()), PauseTarget::Canary(id("rests"))] {
        let pauses = service.scheduler.pauses().clone();
        pauses.pause(pause(target.clone()));
        let skip = service.find(skipped).await;
        assert_eq!((skip.canary.id.clone(), reason(&skip)), (id("rests"), Some(Reason::Paused)));
        assert!(skip.cause.as_ref().is_some_and(|cause| cause.message.contains("ann: the move")), "{:?}", skip.cause);
        service.find(|report| passed(report) && report.canary.id == id("goes-on")).await;
        service.scheduler.trigger(&id("rests")).expect("it is free");
        let by_hand = service.find(|report| report.trigger == Trigger::Manual).await;
        assert_eq!(by_hand.verdict, Verdict::Passed);
        assert_eq!(pauses.list().len(), 1);
        assert!(pauses.resume(&target) && !pauses.resume(&target));
        service.find(|report| passed(report) && report.trigger == Trigger::Schedule && report.canary.id == id("rests")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_which_a_pause_began_or_ended_is_skipped_whatever_it_was_and_cleans_up() {
    let go_on = Arc::new(Notify::new());
    let held = Arc::clone(&go_on);
    let (starts, mut started) = mpsc::unbounded_channel();
    let mut service = Service::start(
        plan(vec![probe("over", EVERY)], limits()),
        Fake(move |canary, request: RunRequest| {
            starts.send(()).expect("the test listens");
            let held = Arc::clone(&held);
            async move {
                held.notified().await;
                cleaning(&canary, &request, async {})
            }
        }),
    );
    let target = PauseTarget::Probe("over".into());
    started.recv().await.expect("a tick comes");
    service.scheduler.pauses().pause(pause(target.clone()));
    service.scheduler.pauses().resume(&target);
    go_on.notify_one();
    let run = service.find(|report| report.verdict != Verdict::Missed && report.tick.order == 1).await;
    assert_eq!((run.verdict, reason(&run)), (Verdict::Skipped, Some(Reason::Paused)));
    assert!(run.cause.as_ref().is_some_and(|cause| cause.message.contains("without that it had passed")), "{:?}", run.cause);
    let cleanup = service.next_cleanup().await;
    assert_eq!((cleanup.run.run_id, cleanup.run.verdict), (run.run_id, Verdict::Skipped));
    go_on.notify_one();
    service.find(passed).await;
    go_on.notify_one();
}

/// A plan in which probes of these names have a window.
fn with_window(probes: &[&str], from: SystemTime) -> Arc<Plan> {
    let until = from + SOON;
    let window = Maintenance {
        name: "the move".into(),
        when: MaintenanceTime::Once { from, until },
        probes: probes.iter().map(|name| Arc::from(*name)).collect(),
        regions: Vec::new(),
        tags: Vec::new(),
    };
    let mut plan = plan(vec![probe("one", EVERY), probe("two", EVERY)], limits());
    Arc::get_mut(&mut plan).expect("nobody else has it").maintenance = vec![Arc::new(window)];
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_in_a_window_of_maintenance_is_skipped_and_reloading_opens_and_closes_one() {
    let mut service = Service::start(
        with_window(&["one"], SystemTime::now() - EVERY),
        Fake(async |canary: Arc<Canary>, request: RunRequest| finished(&canary, &request, None)),
    );
    let skip = service.find(skipped).await;
    assert_eq!((skip.canary.id.clone(), reason(&skip)), (id("one"), Some(Reason::Maintenance)));
    assert_eq!(service.find(passed).await.canary.id, id("two"));
    service.scheduler.apply(with_window(&["two"], SystemTime::now() - EVERY));
    assert_eq!(service.find(|report| skipped(report) && report.canary.id == id("two")).await.tick.slot, 0);
    assert_eq!(service.find(|report| passed(report) && report.canary.id == id("one")).await.trigger, Trigger::Schedule);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_during_which_a_window_opens_is_skipped() {
    let opens = SystemTime::now() + EVERY * 4;
    let mut service = Service::start(
        with_window(&[], opens),
        Fake(move |canary, request: RunRequest| async move {
            while SystemTime::now() <= opens {
                tokio::time::sleep(EVERY).await;
            }
            finished(&canary, &request, Some(Reason::Expectation))
        }),
    );
    for _ in 0..2 {
        let run = service.find(|report| report.verdict != Verdict::Missed).await;
        assert_eq!((run.verdict, reason(&run)), (Verdict::Skipped, Some(Reason::Maintenance)));
    }
}
