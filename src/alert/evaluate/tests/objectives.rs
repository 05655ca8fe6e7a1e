//! Objectives are members of the probe's incident, explained by what else fails in it.

use super::*;
use crate::plan::Slo;

fn promised(name: &str) -> Probe {
    Probe {
        slo: Some(Slo { success: Some(0.99), degraded: None, latency: None, window: Duration::from_hours(24 * 30) }),
        ..quiet(name)
    }
}

fn bench(regions: &[&str]) -> Bench {
    Bench::new(vec![promised("p")], regions, Alerting { channels: vec![chat("chat")], ..Alerting::default() })
}

/// Every other run fails from then on, so many times, a minute apart: never twice in a row.
fn blinks(bench: &mut Bench, from: u64, times: u64) {
    for time in 0..times {
        bench.at(from + time * 120).fail("p/eu").at(from + time * 120 + 60).pass("p/eu");
    }
}

/// An hour and a half of passes.
fn well(bench: &mut Bench, from: u64) -> u64 {
    for minute in 0..90 {
        bench.at(from + minute * 60).pass("p/eu");
    }
    from + 90 * 60
}

#[test]
fn a_budget_that_burns_though_no_canary_crosses_rings_alone_and_once() {
    let mut bench = bench(&["eu"]);
    let from = well(&mut bench, 0);
    blinks(&mut bench, from, 40);
    let rings = bench.rings("chat");
    assert!(!rings.is_empty() && rings.iter().filter(|(at, _)| *at < from + 3_600).count() <= 2, "{rings:?}");
    assert_eq!(bench.last("chat").message.scope, "probe/p");
}

#[test]
fn an_outage_is_one_ring_and_one_end_though_it_burns_the_budget() {
    let mut bench = bench(&["eu"]);
    let from = well(&mut bench, 0);
    for minute in 0..30 {
        bench.at(from + minute * 60).fail("p/eu");
    }
    bench.mends(from + 1_800, "p/eu");
    for minute in 33..180 {
        bench.at(from + minute * 60).pass("p/eu");
    }
    assert_eq!(bench.ring_times("chat"), [from + 60], "{:?}", bench.rings("chat"));
    assert_eq!(bench.came("chat", Action::End), [from + 1_860], "no budget holds it open");
}

#[test]
fn an_objective_that_rang_alone_holds_its_incident_open_until_its_short_window_is_well() {
    let mut bench = bench(&["eu"]);
    let from = well(&mut bench, 0);
    blinks(&mut bench, from, 30);
    let until = from + 30 * 120;
    assert!(bench.came("chat", Action::End).is_empty());
    for minute in 0..400 {
        bench.at(until + minute * 60).pass("p/eu");
    }
    assert_eq!(
        bench.came("chat", Action::End).len(),
        1,
        "{:?}",
        bench.heard.iter().map(|it| (it.at, it.what)).collect::<Vec<_>>()
    );
}

#[test]
fn an_objective_that_is_unmuted_is_told_though_it_has_no_runs_of_its_own() {
    use crate::alert::muting::Paused;
    use crate::plan::CanaryId;
    let mut bench = bench(&["eu"]);
    let from = well(&mut bench, 0);
    let one = Paused { by: "ann".into(), why: None, until_ms: None };
    bench.take(Event::Paused(HashMap::from([(CanaryId::read_back("p/eu"), one)])));
    blinks(&mut bench, from, 30);
    assert!(bench.heard.is_empty());
    bench.take(Event::Paused(HashMap::new()));
    assert_eq!(bench.ring_times("chat").len(), 1);
}
