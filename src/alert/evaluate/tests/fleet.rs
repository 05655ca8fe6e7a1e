//! Several processes, one a region: each reports, one evaluates, another takes over.

mod alone;
mod bench;
mod histories;
mod policies;

use super::*;
use crate::alert::mute::Closed;
use crate::history::FactView;
use bench::{FleetBench, Process, view};

fn critical() -> Vec<Probe> {
    vec![probe(Vec::new(), AlertPolicy::default())]
}

fn three() -> FleetBench {
    FleetBench::new(&critical, &["eu", "us", "ap"])
}

#[test]
fn two_regions_that_fail_are_one_incident_and_it_is_critical() {
    let mut bench = three();
    bench.breaks(0, "p/us").breaks(61, "p/ap").at(300);
    let rings = bench.rings();
    assert_eq!(rings.len(), 2, "{rings:?}");
    assert_eq!(rings[0], "60 eu: p fails in us (1 of 3 canaries)");
    assert_eq!(rings[1], "65 eu: p fails in us, and its last runs in ap failed, too (2 of 3 canaries)");
    let evaluator = bench.processes[0].evaluator.as_ref().unwrap();
    let open: Vec<_> = evaluator.incidents.open.values().collect();
    assert_eq!(open.len(), 1, "one incident has the members of all regions");
    assert_eq!(open[0].severity(), Some(Severity::Critical));
    bench.mends(400, "p/us").mends(600, "p/ap").at(1_000);
    assert_eq!(
        bench.titles(Action::End).len(),
        bench.ids.iter().filter(|id| id.starts_with("ring")).count(),
        "{:?}",
        bench.heard
    );
    assert!(bench.processes[0].evaluator.as_ref().unwrap().incidents.open.is_empty());
}

#[test]
fn whoever_takes_over_from_a_process_that_died_rings_nothing_twice_and_goes_on_with_what_is_open() {
    let mut bench = three();
    bench.breaks(0, "p/us").at(100).dies("eu").at(115).take_over("us").at(200);
    assert_eq!(bench.rings().len(), 1, "{:?}", bench.rings());
    bench.breaks(210, "p/ap").at(400);
    let rings = bench.rings();
    assert_eq!(rings.len(), 2, "{rings:?}");
    assert!(rings[1].starts_with("210 us: p fails in us, and its last runs in ap failed"), "{rings:?}");
    let keys: BTreeSet<&String> = bench.ids.iter().collect();
    assert_eq!(keys.len(), bench.ids.len(), "no key rang twice: {:?}", bench.ids);
}

#[test]
fn what_fails_while_nobody_evaluates_rings_with_the_takeover() {
    let mut bench = three();
    bench.dies("eu").breaks(1, "p/us").breaks(62, "p/ap").at(130);
    assert_eq!(bench.rings(), [""; 0]);
    bench.take_over("ap");
    assert_eq!(bench.rings().len(), 1, "what came up in one evaluation is one ring: {:?}", bench.rings());
    assert!(bench.rings()[0].contains("130 ap: p fails in us and ap (2 of 3 canaries)"), "{:?}", bench.rings());
}

#[test]
fn one_that_was_cut_off_and_comes_back_stands_down_and_what_it_decided_meanwhile_is_not_written() {
    let mut bench = three();
    bench.is_cut_off("eu").at(15).take_over("us").breaks(20, "p/eu").breaks(90, "p/ap").at(200);
    let before = bench.rings();
    assert_eq!(before.len(), 1, "eu cannot tell, and us does not know of it: {before:?}");
    assert!(before[0].contains(" us: p fails in ap"), "{before:?}");
    bench.is_back("eu").at(300);
    let rings = bench.rings();
    assert_eq!(rings.len(), 2, "{rings:?}");
    assert!(rings[1].contains(" us: p fails in eu and ap"), "its facts count when they arrive: {rings:?}");
    let incidents = bench.shared.fleet.remembered().incidents;
    assert_eq!(incidents.len(), 1, "what eu had opened by itself is in nobody's store: {incidents:?}");
}

#[test]
fn a_region_that_is_not_heard_of_for_three_minutes_is_told_and_its_canaries_are_not_well() {
    let mut bench = three();
    bench.breaks(0, "p/ap").at(100).dies("ap");
    bench.heard_of.remove("ap");
    bench.at(279);
    assert_eq!(bench.rings().len(), 1, "{:?}", bench.rings());
    bench.at(290);
    assert_eq!(bench.rings().len(), 2, "{:?}", bench.rings());
    assert!(bench.rings()[1].contains("ap is not probed"), "{:?}", bench.rings());
    assert!(bench.titles(Action::End).is_empty(), "what failed there is not well because nobody looks: {:?}", bench.heard);
    // A takeover does not begin to count anew.
    bench.dies("eu").at(310).take_over("us").at(320);
    assert_eq!((bench.rings().len(), bench.titles(Action::End).len()), (2, 0), "{:?}", bench.heard);
    bench.heard_of.insert("ap".into());
    bench.at(330);
    assert_eq!(bench.titles(Action::End).len(), 1, "{:?}", bench.heard);
    bench.start("ap").at(340).mends(400, "p/ap").at(700);
    assert_eq!(bench.titles(Action::End).len(), 2, "{:?}", bench.heard);
}

#[test]
fn what_was_settled_while_its_process_was_away_is_taken_back_at_its_start() {
    let mut bench = three();
    bench.breaks(0, "p/us").at(100);
    assert_eq!(bench.rings().len(), 1);
    // The store of its streaks was lost: the process knows of no failure.
    bench.dies("us").shared.regions.clear();
    bench.start("us").at(200);
    assert_eq!(bench.titles(Action::End).len(), 1, "{:?}", bench.heard);
}

#[test]
fn a_root_in_another_region_explains_and_its_passes_are_known_to_who_evaluates() {
    let probes = || vec![quiet("root"), Probe { needs: vec!["root".into()], ..quiet("p") }];
    let mut bench = FleetBench::new(&probes, &["eu", "us"]);
    bench.breaks(0, "root/us").at(61).fail("p/us").at(62).fail("p/us").at(200);
    assert_eq!(bench.rings().len(), 1, "the dependent is explained: {:?}", bench.rings());
    let mut bench = FleetBench::new(&probes, &["eu", "us"]);
    bench.at(10).pass("root/us").at(11).fail("p/us").at(71).fail("p/us").at(72).pass("root/us").at(74);
    assert_eq!(bench.rings().len(), 1, "the root passed after it, so that nothing is waited for: {:?}", bench.rings());
    assert!(bench.wanted.contains(&"root/us".to_owned()), "its next run was brought forward");
}

#[test]
fn an_incident_of_several_regions_goes_on_until_each_of_them_is_settled_whoever_evaluates() {
    let mut bench = three();
    bench.breaks(0, "p/us").breaks(61, "p/ap").at(200).mends(210, "p/us").at(400);
    assert!(bench.titles(Action::End).is_empty(), "{:?}", bench.heard);
    bench.dies("eu").at(420).take_over("us").mends(430, "p/ap").at(700);
    assert_eq!(bench.titles(Action::End).len(), bench.rings().len(), "{:?}", bench.heard);
}

#[test]
fn what_was_removed_while_nobody_evaluated_is_not_called_well() {
    let mut bench = three();
    bench.breaks(0, "p/us").at(100).dies("eu").loads("us", vec![quiet("q")], &["eu", "us", "ap"]).at(120).take_over("ap").at(200);
    let ends = bench.titles(Action::End);
    assert_eq!(ends.len(), 1, "{:?}", bench.heard);
    assert!(ends[0].contains("not watched") || ends[0].contains("removed"), "{ends:?}");
}

#[test]
fn a_probe_that_only_another_region_has_rings_and_is_well_again() {
    let mut bench = three();
    bench.loads("us", vec![quiet("new")], &["eu", "us", "ap"]).breaks(0, "new/us").at(100);
    assert_eq!(bench.rings().len(), 1, "{:?}", bench.rings());
    bench.mends(110, "new/us").at(400);
    let ends = bench.titles(Action::End);
    assert_eq!(ends.len(), 1, "{:?}", bench.heard);
    assert!(ends[0].contains("well again") && !ends[0].contains("not watched"), "{ends:?}");
}

#[test]
fn a_region_that_is_not_declared_any_more_takes_its_failures_along() {
    let mut bench = three();
    bench.breaks(0, "p/us").at(100).dies("us").heard_of.remove("us");
    bench.loads("eu", critical(), &["eu", "ap"]).loads("ap", critical(), &["eu", "ap"]).at(200);
    assert_eq!(bench.titles(Action::End).len(), 1, "{:?}", bench.heard);
    bench.dies("eu").at(220).take_over("ap").at(300);
    assert_eq!((bench.rings().len(), bench.titles(Action::End).len()), (1, 1), "{:?}", bench.heard);
}

#[test]
fn what_was_closed_of_a_region_that_is_gone_stays_closed_over_a_takeover_until_it_fails_anew() {
    let mut bench = three();
    bench.breaks(0, "p/us").at(100).dies("us").heard_of.remove("us");
    bench.at(400);
    let now = moment_ms(bench.now, 0);
    let closed = bench.processes[0].evaluator.as_mut().unwrap().close("p", "ann", "it is moved", now);
    assert!(matches!(closed, Closed::Done { members: 1 }), "{closed:?}");
    bench.settle();
    let rung = bench.rings().len();
    bench.dies("eu").at(420).take_over("ap").at(600);
    assert_eq!(bench.rings().len(), rung, "{:?}", bench.rings());
    bench.heard_of.insert("us".into());
    bench.start("us").at(700).mends(710, "p/us").breaks(1_000, "p/us").at(1_200);
    assert_eq!(bench.rings().len(), rung + 1, "{:?}", bench.rings());
}
