//! A region that cannot reach the others.

use super::*;
use crate::history::{Commit, StateRow};

#[test]
fn a_region_that_is_alone_pages_under_its_own_keys_and_the_fleet_goes_on_with_that_when_it_is_back() {
    let mut bench = three();
    bench.is_cut_off("ap").at(100).is_alone("ap").breaks(110, "p/ap").at(200);
    assert_eq!(bench.rings().len(), 1, "{:?}", bench.rings());
    assert!(bench.rings()[0].contains("170 ap: p fails"), "{:?}", bench.rings());
    assert!(bench.ids[0].starts_with("ring ap/probe/p/"), "{:?}", bench.ids);
    bench.rejoins("ap").at(400);
    assert_eq!((bench.rings().len(), bench.titles(Action::End).len()), (1, 0), "it was told: {:?}", bench.heard);
    bench.mends(410, "p/ap").at(600);
    let ends = bench.titles(Action::End);
    assert_eq!(ends.len(), 1, "{:?}", bench.heard);
    assert!(ends[0].contains(" eu: ") && ends[0].contains("well again"), "{ends:?}");
    assert_eq!(bench.ids[1], bench.ids[0].replace("ring", "end"), "what was opened alone is ended");
    assert_eq!(bench.shared.fleet.remembered().incidents.len(), 1, "what it told alone is in no store");
    assert_eq!(bench.left(), [""; 0]);
    // It is a part of the fleet as before.
    bench.breaks(700, "p/ap").at(800);
    assert_eq!(bench.rings().len(), 2, "{:?}", bench.rings());
}

#[test]
fn what_failed_in_the_fleet_before_is_told_by_the_region_that_is_alone_too_and_ends_with_it() {
    let mut bench = three();
    bench.breaks(0, "p/ap").at(100).is_cut_off("ap").at(160).is_alone("ap").at(200);
    assert_eq!(bench.rings().len(), 2, "it cannot know what the others do: {:?}", bench.rings());
    bench.rejoins("ap").at(300);
    assert_eq!((bench.rings().len(), bench.titles(Action::End).len()), (2, 0), "{:?}", bench.heard);
    bench.mends(310, "p/ap").at(500);
    let ends = bench.titles(Action::End);
    assert_eq!(ends.len(), 2, "a key each: {:?}", bench.heard);
    assert!(ends.iter().all(|end| end.contains(" eu: ")), "{ends:?}");
    assert_eq!(bench.left(), [""; 0]);
}

#[test]
fn what_ended_alone_is_not_handed_in() {
    let mut bench = three();
    bench.is_cut_off("ap").at(100).is_alone("ap").breaks(110, "p/ap").mends(200, "p/ap").at(400);
    assert_eq!(bench.titles(Action::End).len(), 1, "{:?}", bench.heard);
    bench.rejoins("ap").at(500);
    assert_eq!((bench.rings().len(), bench.titles(Action::End).len()), (1, 1), "{:?}", bench.heard);
    assert_eq!(bench.left(), [""; 0]);
}

#[test]
fn only_what_was_told_alone_is_not_rung_again_and_what_is_worse_is() {
    let mut bench = three();
    bench.breaks(0, "p/us").at(70).is_cut_off("ap").at(100).is_alone("ap").breaks(110, "p/ap").at(200);
    assert_eq!(bench.rings().len(), 2, "{:?}", bench.rings());
    bench.rejoins("ap").at(300);
    let rings = bench.rings();
    assert_eq!(rings.len(), 3, "that two regions fail is critical, and nobody knew: {rings:?}");
    assert!(rings[2].contains(" eu: "), "{rings:?}");
    bench.mends(310, "p/us").mends(500, "p/ap").at(800);
    assert_eq!(bench.titles(Action::End).len(), 3, "each key is ended: {:?}", bench.heard);
    let keys: BTreeSet<&String> = bench.ids.iter().collect();
    assert_eq!(keys.len(), bench.ids.len(), "nothing is told twice: {:?}", bench.ids);
}

#[test]
fn what_fails_elsewhere_when_it_is_handed_in_is_rung() {
    let mut bench = FleetBench::new(&|| vec![quiet("p")], &["eu", "us", "ap"]);
    bench
        .is_cut_off("ap")
        .at(100)
        .is_alone("ap")
        .breaks(110, "p/ap")
        .at(200)
        .dies("eu")
        .breaks(210, "p/us")
        .rejoins("ap")
        .at(300);
    assert_eq!(bench.rings().len(), 1, "nobody evaluates: {:?}", bench.rings());
    bench.take_over("us").at(400);
    let rings = bench.rings();
    assert_eq!(rings.len(), 2, "{rings:?}");
    assert!(rings[1].contains(" us: ") && bench.ids[1].starts_with("ring probe/p/"), "{rings:?}");
}

#[test]
fn whoever_was_at_it_alone_is_at_it_in_the_fleet() {
    let mut bench = three();
    bench.is_cut_off("ap").at(100).is_alone("ap").breaks(110, "p/ap").at(200);
    let now = moment_ms(bench.now, 0);
    bench.processes[2].evaluator.as_mut().unwrap().acknowledge("p", "ann", None, now);
    bench.settle();
    bench.rejoins("ap").at(300);
    let incident = bench.processes[0].evaluator.as_ref().unwrap().incidents.open.values().next().unwrap();
    let member = incident.members.values().next().unwrap();
    assert!(incident.is_acknowledged(member), "{:?}", incident.acknowledged);
    assert_eq!(&*incident.acknowledged[0].by, "ann");
}

#[test]
fn what_all_told_alone_is_taken_over_by_one_of_them() {
    let mut bench = three();
    for region in ["eu", "us", "ap"] {
        bench.is_cut_off(region);
    }
    bench.at(60);
    for region in ["eu", "us", "ap"] {
        bench.is_alone(region);
    }
    bench.breaks(70, "p/eu").breaks(131, "p/us").at(200);
    assert_eq!(bench.rings().len(), 2, "{:?}", bench.rings());
    for region in ["eu", "us", "ap"] {
        bench.rejoins(region);
    }
    bench.at(210).take_over("us").at(300);
    let rings = bench.rings();
    assert_eq!(rings.len(), 3, "it is critical, which nobody could know: {rings:?}");
    bench.mends(310, "p/eu").mends(500, "p/us").at(800);
    assert_eq!(bench.titles(Action::End).len(), 3, "{:?}", bench.heard);
    assert_eq!(bench.left(), [""; 0]);
}

#[test]
fn a_takeover_goes_on_with_what_was_handed_in() {
    let mut bench = three();
    bench.is_cut_off("ap").at(100).is_alone("ap").breaks(110, "p/ap").at(200).dies("eu").rejoins("ap").at(220);
    assert_eq!(bench.left().len(), 2, "nobody has taken it over: {:?}", bench.left());
    bench.take_over("us").at(300).dies("us").at(320).take_over("ap").at(400);
    assert_eq!((bench.rings().len(), bench.titles(Action::End).len()), (1, 0), "{:?}", bench.heard);
    bench.mends(410, "p/ap").at(600);
    assert_eq!(bench.titles(Action::End).len(), 1, "{:?}", bench.heard);
    assert_eq!(bench.left(), [""; 0]);
}

#[test]
fn what_was_told_alone_by_a_process_that_died_is_handed_in_by_the_next_one() {
    for has_mended in [false, true] {
        let mut bench = three();
        bench.is_cut_off("ap").at(100).is_alone("ap").breaks(110, "p/ap").at(200).dies("ap");
        if has_mended {
            // The next process knows of no failure.
            let well = StateRow { kind: "canary", key: "p/ap".to_owned(), json: None };
            bench.processes[2].journal.write(Commit { states: vec![well], ..Commit::default() });
        }
        bench.starts_again("ap");
        bench.at(300);
        assert_eq!(bench.rings().len(), 1, "{:?}", bench.heard);
        assert_eq!(bench.titles(Action::End).len(), usize::from(has_mended), "nothing stays open: {:?}", bench.heard);
        bench.mends(310, "p/ap").at(600);
        assert_eq!(bench.titles(Action::End).len(), 1, "{:?}", bench.heard);
        assert_eq!(bench.left(), [""; 0]);
    }
}

#[test]
fn what_was_handed_in_and_does_not_fail_any_more_is_ended_by_whoever_evaluates() {
    let mut bench = three();
    bench.is_cut_off("ap").at(100).is_alone("ap").breaks(110, "p/ap").at(200).dies("eu").rejoins("ap").at(220);
    // The store of its streaks was lost: the next process knows of no failure.
    bench.dies("ap").shared.regions.clear();
    bench.start("ap").take_over("us").at(300);
    let ends = bench.titles(Action::End);
    assert_eq!((bench.rings().len(), ends.len()), (1, 1), "{:?}", bench.heard);
    assert!(ends[0].contains(" us: ") && ends[0].contains("well again"), "{ends:?}");
    assert_eq!(bench.left(), [""; 0]);
}

#[test]
fn one_whose_region_another_process_has_ends_by_itself_what_it_told_alone() {
    let mut bench = three();
    bench.is_cut_off("ap").at(100).is_alone("ap").breaks(110, "p/ap").at(200);
    let now = moment_ms(bench.now, 0);
    // The store refuses what it writes.
    bench.processes[2].evaluator.as_mut().unwrap().rejoins(false, now);
    bench.at(210);
    let ends = bench.titles(Action::End);
    assert_eq!(ends.len(), 1, "{:?}", bench.heard);
    assert!(ends[0].contains("it continues as probe/p"), "{ends:?}");
    assert!(!bench.processes[2].evaluator.as_ref().unwrap().backlog(now).hands_in);
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
