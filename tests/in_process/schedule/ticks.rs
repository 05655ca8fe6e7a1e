//! Which ticks run, and what becomes of those that do not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serinus::outcome::{Reason, RunReport, Trigger, Verdict};
use serinus::plan::{Canary, CanaryId, Limits, Overlap, Probe};
use serinus::run::RunRequest;
use serinus::schedule::{Pause, PauseTarget, TriggerError};
use tokio::sync::Notify;

use super::support::{Fake, SOON, Service, assert_whole, finished, id, limits, plan, probe, reason};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_tick_is_a_run_or_a_missed_one_and_none_is_doubled() {
    let every = Duration::from_millis(100);
    let probes = (0..200).map(|number| probe(&format!("soak-{number}"), every)).collect();
    let begun = SystemTime::now();
    let mut service = Service::start(
        plan(probes, limits()),
        // Every eighth run is too slow for its interval, so that overlaps are among what is accounted for.
        Fake(async |canary: Arc<Canary>, request: RunRequest| {
            if fastrand::u8(..8) == 0 {
                tokio::time::sleep(Duration::from_millis(130)).await;
            }
            finished(&canary, &request, None)
        }),
    );
    let started = SystemTime::now();
    let mut dues: HashMap<CanaryId, Vec<SystemTime>> = HashMap::new();
    let mut orders: HashMap<CanaryId, BTreeMap<SystemTime, u64>> = HashMap::new();
    let (mut ran, mut missed) = (0, 0);
    let mut note = |report: &RunReport| {
        match report.verdict {
            Verdict::Missed => missed += 1,
            _ => ran += 1,
        }
        dues.entry(report.canary.id.clone()).or_default().push(report.tick.due);
        if report.tick.order > 0 {
            let ordered = orders.entry(report.canary.id.clone()).or_default().insert(report.tick.due, report.tick.order);
            assert_eq!(ordered, None, "a tick is launched once");
        }
    };
    let until = begun + Duration::from_secs(3);
    while SystemTime::now() < until {
        note(&*service.next().await);
    }
    assert!(service.scheduler.stop(SOON).await.is_empty());
    while let Ok(report) = service.runs.try_recv() {
        note(&report);
    }
    assert_eq!(dues.len(), 200);
    for dues in dues.values_mut() {
        assert_whole(dues, every);
        assert!(dues[0] > begun && dues[0] <= started + every, "the first tick is not left out");
    }
    // The thread takes all that is due at once, so at its last look nobody's last tick was older than an interval.
    let last = |dues: &Vec<SystemTime>| *dues.last().expect("not empty");
    let newest = dues.values().map(last).max().expect("not empty");
    assert!(dues.values().all(|dues| last(dues) + every > newest), "nor is the last");
    assert!(ran > 0 && missed > 0, "{ran} ran, {missed} missed");
    assert!(orders.values().all(|ticks| ticks.values().is_sorted()), "later ticks are launched later");
    let launched: BTreeSet<u64> = orders.values().flat_map(BTreeMap::values).copied().collect();
    assert_eq!(launched.len(), orders.values().map(BTreeMap::len).sum::<usize>(), "each launch has a number of its own");
    assert_eq!(launched.first(), Some(&1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_whose_slot_is_still_running_is_missed_as_an_overlap() {
    let go_on = Arc::new(Notify::new());
    let held = Arc::clone(&go_on);
    let mut service = Service::start(
        plan(vec![probe("slow", Duration::from_millis(50))], limits()),
        Fake(move |canary, request| {
            let held = Arc::clone(&held);
            async move {
                held.notified().await;
                finished(&canary, &request, None)
            }
        }),
    );
    for _ in 0..3 {
        let missed = service.next().await;
        assert_eq!((missed.verdict, reason(&missed)), (Verdict::Missed, Some(Reason::Overlap)));
        assert!(missed.steps.is_empty());
    }
    go_on.notify_one();
    service.find(|report| report.verdict == Verdict::Passed).await;
}

/// A service whose runs of `probe` pass only if so many run at once.
fn together(number: usize, probe: Probe) -> Service {
    let together = Arc::new(tokio::sync::Barrier::new(number));
    let run = move |canary: Arc<Canary>, request: RunRequest| {
        let together = Arc::clone(&together);
        async move {
            together.wait().await;
            finished(&canary, &request, None)
        }
    };
    Service::start(plan(vec![probe], limits()), Fake(run))
}

#[tokio::test(flavor = "multi_thread")]
async fn where_overlap_is_allowed_both_run() {
    let mut twice = probe("twice", Duration::from_millis(50));
    twice.overlap = Overlap::Allow;
    let mut service = together(2, twice);
    let passed = |report: &RunReport| report.verdict == Verdict::Passed;
    let (one, two) = (service.find(passed).await, service.find(passed).await);
    assert_ne!(one.tick, two.tick);
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_of_one_probe_run_beside_each_other() {
    let mut three = probe("three", Duration::from_millis(300));
    three.runs = 3;
    let mut service = together(3, three);
    let passed = |report: &RunReport| report.verdict == Verdict::Passed;
    let mut slots = [service.find(passed).await, service.find(passed).await, service.find(passed).await].map(|run| run.tick.slot);
    slots.sort_unstable();
    assert_eq!(slots, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_panics_is_errored_and_its_slot_is_free_again() {
    let mut service = Service::start(
        plan(vec![probe("panics", Duration::from_millis(50))], limits()),
        Fake(async |_canary: Arc<Canary>, _request: RunRequest| panic!("on purpose: s3cret")),
    );
    let wanted = |report: &RunReport| report.verdict == Verdict::Errored;
    let first = service.find(wanted).await;
    assert_eq!(reason(&first), Some(Reason::Internal));
    assert!(!format!("{:?}", first.cause).contains("s3cret"), "a panic's text may hold a secret");
    let second = service.find(wanted).await;
    assert!(second.tick > first.tick);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_is_confirmed_takes_the_place_of_the_next_tick_once_and_the_grid_stays() {
    let every = Duration::from_millis(700);
    let mut confirming = probe("confirming", every);
    confirming.confirm = Some(Duration::from_millis(5));
    let mut service = Service::start(
        plan(vec![confirming], limits()),
        Fake(async |canary: Arc<Canary>, request: RunRequest| finished(&canary, &request, Some(Reason::Expectation))),
    );
    // A machine that stands still for a whole interval makes no second opinion necessary, so look for the first there is.
    let (before, confirm) = service.find_after(|report| report.trigger == Trigger::Confirm).await;
    let before = before.expect("a failure comes before its confirmation");
    assert_eq!(before.trigger, Trigger::Schedule);
    assert_eq!(confirm.tick.due, before.tick.due + every, "it takes the place of the next tick");
    assert!(confirm.started < confirm.tick.due + every, "and does not wait for the one after");
    let after = service.next().await;
    assert_eq!((after.trigger, after.tick.due), (Trigger::Schedule, confirm.tick.due + every), "no chain, and the grid stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blip_whose_confirming_run_passes_does_not_cost_the_next_tick() {
    let every = Duration::from_millis(700);
    let mut confirming = probe("blip", every);
    confirming.confirm = Some(Duration::from_millis(5));
    let blip = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let mut service = Service::start(
        plan(vec![confirming], limits()),
        Fake(move |canary: Arc<Canary>, request: RunRequest| {
            // Each run on time fails until one failure was confirmed as passed.
            let fails = request.trigger == Trigger::Schedule && blip.load(std::sync::atomic::Ordering::SeqCst);
            blip.fetch_and(request.trigger == Trigger::Schedule, std::sync::atomic::Ordering::SeqCst);
            async move { finished(&canary, &request, fails.then_some(Reason::Expectation)) }
        }),
    );
    let (before, confirm) = service.find_after(|report| report.trigger == Trigger::Confirm).await;
    let before = before.expect("a failure comes before its confirmation");
    assert_eq!((before.verdict, confirm.verdict), (Verdict::Failed, Verdict::Passed));
    assert!(confirm.tick.due > before.tick.due && confirm.tick.due < before.tick.due + every, "it has a moment of its own");
    let after = service.next().await;
    assert_eq!((after.trigger, after.tick.due), (Trigger::Schedule, before.tick.due + every), "the tick comes as ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_brought_forward_is_made_at_once_in_place_of_the_next_tick_even_if_it_passes() {
    let every = Duration::from_millis(700);
    let mut service = Service::start(
        plan(vec![probe("root", every)], limits()),
        Fake(async |canary: Arc<Canary>, request: RunRequest| finished(&canary, &request, None)),
    );
    // Where the machine stood still until the next tick, that tick is the answer, so look for the first that was brought forward.
    let (before, needed) = loop {
        let before = service.find(|report| report.trigger == Trigger::Schedule).await;
        service.scheduler.bring_forward([id("root"), id("of another process")]);
        let next = service.next().await;
        if next.trigger == Trigger::Needed {
            break (before, next);
        }
    };
    assert_eq!((needed.verdict, needed.tick.due), (Verdict::Passed, before.tick.due + every), "it bears the tick's name");
    assert!(needed.started < needed.tick.due + every);
    let after = service.next().await;
    assert_eq!((after.trigger, after.tick.due), (Trigger::Schedule, needed.tick.due + every), "and the grid stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_is_asked_often_before_one_tick_loses_only_that_tick() {
    let mut service = Service::start(
        plan(vec![probe("root", Duration::from_hours(10))], limits()),
        Fake(async |canary: Arc<Canary>, request: RunRequest| finished(&canary, &request, Some(Reason::Expectation))),
    );
    let mut dues = Vec::new();
    for _ in 0..3 {
        service.scheduler.bring_forward([id("root")]);
        let report = service.next().await;
        assert_eq!((report.trigger, report.verdict), (Trigger::Needed, Verdict::Failed));
        dues.push((report.tick.due, report.tick.order, report.started));
    }
    assert!(dues[0].0 > dues[2].2, "the first stands for the tick to come");
    assert!(dues[1..].iter().all(|(due, _, started)| due <= started), "those after it have moments of their own");
    assert!(dues.is_sorted_by_key(|(_, order, _)| *order));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_is_not_brought_forward() {
    let mut service = Service::start(
        plan(vec![probe("paused", Duration::from_hours(10)), probe("asked", Duration::from_hours(10))], limits()),
        Fake(async |canary: Arc<Canary>, request: RunRequest| finished(&canary, &request, None)),
    );
    let target = PauseTarget::Canary(id("paused"));
    service.scheduler.pauses().pause(Pause { target, since: SystemTime::now(), until: None, by: "ann".to_owned(), why: None });
    service.scheduler.bring_forward([id("paused"), id("asked")]);
    assert_eq!(service.next().await.canary.id, id("asked"));
    assert!(service.scheduler.stop(SOON).await.is_empty());
    assert!(service.runs.try_recv().is_err(), "no run, and no report of a tick that is still to come");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_finds_too_many_runs_waits_its_turn_and_is_missed_when_its_next_one_comes() {
    let go_on = Arc::new(Notify::new());
    let held = Arc::clone(&go_on);
    let one = Limits { concurrent_runs: 1, ..limits() };
    let mut service = Service::start(
        plan(vec![probe("holds", Duration::from_hours(10)), probe("waits", Duration::from_millis(100))], one),
        Fake(move |canary: Arc<Canary>, request| {
            let held = Arc::clone(&held);
            async move {
                if &*canary.probe.name == "holds" {
                    held.notified().await;
                }
                finished(&canary, &request, None)
            }
        }),
    );
    // The other canary may have the only turn just now, for as long as it takes to report.
    let begun = Instant::now();
    while service.scheduler.trigger(&id("holds")) == Err(TriggerError::Overload) {
        assert!(begun.elapsed() < SOON, "a turn comes free soon");
        service.next().await;
    }
    let mut last = service.find(|report| report.verdict == Verdict::Missed).await;
    for _ in 0..3 {
        let next = service.next().await;
        assert_eq!((next.verdict, reason(&next)), (Verdict::Missed, Some(Reason::Overload)));
        assert!(next.tick > last.tick);
        last = next;
    }
    go_on.notify_one();
    let run = service.find(|report| report.verdict == Verdict::Passed && &*report.canary.probe.name == "waits").await;
    assert!(run.tick > last.tick);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_asked_for_by_hand_is_made_beside_the_ticks() {
    let go_on = Arc::new(Notify::new());
    let held = Arc::clone(&go_on);
    let mut service = Service::start(
        plan(vec![probe("by-hand", Duration::from_hours(10))], limits()),
        Fake(move |canary, request| {
            let held = Arc::clone(&held);
            async move {
                held.notified().await;
                finished(&canary, &request, Some(Reason::Expectation))
            }
        }),
    );
    assert_eq!(service.scheduler.trigger(&id("nobody")), Err(TriggerError::Unknown));
    assert_eq!(service.scheduler.trigger(&id("by-hand")), Ok(()));
    assert_eq!(service.scheduler.trigger(&id("by-hand")), Err(TriggerError::Running));
    go_on.notify_one();
    assert_eq!(service.next().await.trigger, Trigger::Manual);
    let handle = service.scheduler.clone();
    assert!(service.scheduler.stop(SOON).await.is_empty());
    assert_eq!(handle.trigger(&id("by-hand")), Err(TriggerError::Stopping));
}
