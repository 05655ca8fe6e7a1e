//! Members that flap.

use super::*;

/// So many outages of three minutes, ten minutes apart, each long enough to ring.
fn flaps(bench: &mut Bench, from: u64, outages: u64) {
    for outage in 0..outages {
        let at = from + outage * 600;
        bench.breaks(at, "p/eu").mends(at + 120, "p/eu");
    }
}

#[test]
fn a_member_that_began_three_episodes_within_an_hour_rings_at_most_once_each_half_hour() {
    let mut bench = Bench::chat(&["eu"]);
    flaps(&mut bench, 0, 10);
    assert_eq!(bench.ring_times("chat"), [60, 660, 2_460, 4_260], "{:?}", bench.rings("chat"));
}

#[test]
fn a_ring_of_what_flaps_says_how_many_runs_failed_and_an_end_is_not_delayed() {
    let mut bench = Bench::chat(&["eu"]);
    flaps(&mut bench, 0, 5);
    let (at, title) = bench.rings("chat").pop().unwrap();
    assert!(at > 1_800 && title.contains("failed ") && title.contains(" runs in "), "{title}");
    let ends = bench.came("chat", Action::End);
    assert_eq!(ends.last(), Some(&(2_400 + 180)), "its second pass that spans two intervals: {ends:?}");
}

#[test]
fn flapping_of_one_member_does_not_hold_back_another() {
    let mut bench = Bench::chat(&["eu", "us"]);
    flaps(&mut bench, 0, 4);
    let before = bench.ring_times("chat").len();
    bench.breaks(2_400, "p/us").at(2_470);
    assert_eq!(bench.ring_times("chat").len(), before + 1, "{:?}", bench.rings("chat"));
}

#[test]
fn what_flaps_and_then_stays_broken_is_told_when_the_hold_is_over() {
    let mut bench = Bench::chat(&["eu"]);
    flaps(&mut bench, 0, 3);
    let before = bench.ring_times("chat");
    bench.breaks(1_800, "p/eu").at(4_000);
    let last = *before.last().unwrap();
    assert_eq!(bench.ring_times("chat")[before.len()..], [last + 1_800]);
}

#[test]
fn episodes_count_over_a_restart() {
    let mut bench = Bench::chat(&["eu"]);
    flaps(&mut bench, 0, 2);
    bench.restart();
    bench.breaks(1_200, "p/eu").at(1_500);
    assert_eq!(bench.ring_times("chat"), [60, 660], "the third is held");
}
