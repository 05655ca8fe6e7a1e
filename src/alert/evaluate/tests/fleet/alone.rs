//! A region that cannot reach the others.

use super::*;

#[test]
fn a_region_that_is_alone_pages_under_its_own_keys_says_so_and_hands_over_when_it_is_back() {
    let mut bench = three();
    bench.is_cut_off("ap").at(100).is_alone("ap").breaks(110, "p/ap").at(200);
    assert_eq!(bench.rings().len(), 1, "{:?}", bench.rings());
    assert!(bench.rings()[0].contains("170 ap: p fails"), "{:?}", bench.rings());
    assert!(bench.ids[0].starts_with("ring ap/probe/p/"), "{:?}", bench.ids);
    bench.rejoins("ap").at(230);
    let ends = bench.titles(Action::End);
    assert_eq!(ends.len(), 1, "{:?}", bench.heard);
    assert!(ends[0].contains("it continues as probe/p"), "{ends:?}");
    assert_eq!(bench.rings().len(), 2, "the fleet tells of it from now on: {:?}", bench.rings());
    assert!(bench.rings()[1].contains(" eu: p fails in ap"), "{:?}", bench.rings());
    bench.mends(300, "p/ap").at(600);
    assert_eq!(bench.titles(Action::End).len(), 2, "{:?}", bench.heard);
    assert_eq!(bench.shared.fleet.remembered().incidents.len(), 1, "what it told alone is in no store");
    // It is a part of the fleet as before.
    bench.breaks(700, "p/ap").at(800);
    assert_eq!(bench.rings().len(), 3, "{:?}", bench.rings());
}

#[test]
fn what_failed_in_the_fleet_before_is_told_by_the_region_that_is_alone_too() {
    let mut bench = three();
    bench.breaks(0, "p/ap").at(100).is_cut_off("ap").at(160).is_alone("ap").at(200);
    assert_eq!(bench.rings().len(), 2, "it cannot know what the others do: {:?}", bench.rings());
    bench.mends(210, "p/ap").at(400);
    assert!(bench.titles(Action::End).iter().any(|end| end.contains(" ap: ")), "{:?}", bench.heard);
    bench.rejoins("ap").at(500);
    assert_eq!(bench.titles(Action::End).len(), 2, "{:?}", bench.heard);
}

#[test]
fn a_region_of_which_nothing_was_heard_yet_is_unknown_and_not_well() {
    use crate::alert::status::Health;

    let mut bench = three();
    bench.pass("p/us").heard_of = ["eu", "us"].map(Arc::from).into();
    bench.dies("eu").at(10).take_over("us").at(20);
    let standing = |bench: &FleetBench| -> Vec<Health> {
        let status = bench.processes[1].evaluator.as_ref().unwrap().status(moment_ms(bench.now, 0));
        status.canaries.iter().map(|canary| canary.standing).collect()
    };
    assert_eq!(standing(&bench), [Health::Unknown, Health::Passing, Health::Passing], "ap, eu and us");
    bench.heard_of.insert("ap".into());
    assert_eq!(standing(bench.at(30)), [Health::Passing; 3]);
}
