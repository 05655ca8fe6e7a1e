//! Ticks that came while no process was there.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serinus::outcome::{Reason, RunReport, Verdict};
use serinus::plan::Canary;
use serinus::run::RunRequest;
use serinus::schedule::LastSeen;

use super::support::{Fake, SOON, Service, assert_whole, finished, id, limits, plan, probe, reason};

async fn passes(canary: Arc<Canary>, request: RunRequest) -> serinus::run::Finished {
    finished(&canary, &request, None)
}

fn seen(at: SystemTime) -> LastSeen {
    LastSeen { slots: vec![(0, at)], stopped: false }
}

fn crashed(report: &RunReport) -> bool {
    report.verdict == Verdict::Missed && reason(report) == Some(Reason::Crashed)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tick_since_the_last_finished_one_is_reported_as_crashed() {
    const EVERY: Duration = Duration::from_hours(1);
    let now = SystemTime::now();
    let last = now - EVERY * 20 - EVERY / 2;
    let last_ticks = HashMap::from([(id("down"), seen(last)), (id("gone from the plan"), seen(last))]);
    let probes = vec![probe("down", EVERY), probe("never ran", EVERY)];
    let mut service = Service::start_after(plan(probes, limits()), Fake(passes), last_ticks);
    let mut dues = Vec::new();
    while dues.last().is_none_or(|due| *due + EVERY <= now) {
        let report = service.find(crashed).await;
        assert_eq!(report.canary.id, id("down"), "of what never ran nothing was missed");
        dues.push(report.tick.due);
    }
    assert!(dues[0] > last && dues[0] <= last + EVERY);
    assert!(dues.len() >= 20, "{}", dues.len());
    assert_whole(&mut dues, EVERY);
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_between_a_stop_and_a_start_are_down_and_those_after_another_end_crashed() {
    const EVERY: Duration = Duration::from_hours(1);
    let at = SystemTime::now() - EVERY * 3;
    let last = HashMap::from([(id("stopped"), LastSeen { slots: vec![(0, at)], stopped: true }), (id("killed"), seen(at))]);
    let mut service =
        Service::start_after(plan(vec![probe("stopped", EVERY), probe("killed", EVERY)], limits()), Fake(passes), last);
    for _ in 0..4 {
        let report = service.find(|report| report.verdict == Verdict::Missed).await;
        let expected = if report.canary.id == id("stopped") { Reason::Down } else { Reason::Crashed };
        assert_eq!(reason(&report), Some(expected), "{}", report.canary.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prober_that_was_off_for_a_month_starts_at_once_and_reports_the_newest_and_a_number() {
    const MONTH: Duration = Duration::from_hours(24 * 30);
    let last_ticks = HashMap::from([(id("month"), seen(SystemTime::now() - MONTH))]);
    let mut service =
        Service::start_after(plan(vec![probe("month", Duration::from_secs(1))], limits()), Fake(passes), last_ticks);
    let number = tokio::time::timeout(SOON, service.numbers.recv()).await.expect("soon").expect("the scheduler lives");
    let older = MONTH.as_secs() - 100;
    assert!((older - 1..=older + 60).contains(&number.count), "{}", number.count);
    assert_eq!(number.reason, Reason::Crashed);
    let (mut reports, mut ran) = (0, 0);
    while reports < 100 || ran == 0 {
        let report = service.next().await;
        reports += usize::from(crashed(&report));
        ran += usize::from(report.verdict == Verdict::Passed);
    }
    assert!(service.scheduler.stop(SOON).await.is_empty());
    let rest = std::iter::from_fn(|| service.runs.try_recv().ok()).filter(|report| crashed(report)).count();
    assert_eq!((reports, rest), (100, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_canary_missed_is_told_before_its_first_run_so_that_a_crash_in_between_loses_no_tick() {
    const EVERY: Duration = Duration::from_secs(2);
    const CANARIES: usize = 3_000;
    let names: Vec<String> = (0..CANARIES).map(|number| format!("p{number}")).collect();
    let last_ticks = names.iter().map(|name| (id(name), seen(SystemTime::now() - EVERY * 3))).collect();
    let probes = names.iter().map(|name| probe(name, EVERY)).collect();
    let mut service = Service::start_after(plan(probes, limits()), Fake(passes), last_ticks);
    let (mut told, mut ran) = (HashSet::new(), HashSet::new());
    while ran.len() < CANARIES {
        let report = service.next().await;
        let name = report.canary.id.clone();
        if crashed(&report) {
            assert!(!ran.contains(&name), "{name} ran before it was told what it had missed");
            told.insert(name);
        } else {
            assert!(told.contains(&name), "{name} ran before it was told what it had missed");
            ran.insert(name);
        }
    }
}
