//! Windows against the plain reading of a list, and what lets them go.

use proptest::collection::vec;
use proptest::prelude::*;

use super::buckets::{BucketsRow, sum};
use super::*;

impl Tally for u32 {
    fn merge(&mut self, other: &Self) {
        *self += other;
    }

    fn is_empty(&self) -> bool {
        *self == 0
    }
}

#[test]
fn what_is_crossed_is_held_until_its_setting_lets_it_go() {
    // Judged too bad or not, one after the other; whether it is held after each, over three runs.
    for (clears, judged, held) in [
        (Clears::WhenTold, "xooooooo", "hhhhhhhh"),
        (Clears::WholeWindow, "oxooooxo", "-hhh--hh"),
        (Clears::WholeWindow, "xooxooxo", "hhhhhhhh"),
        (Clears::ShortWindow, "oxxoxo", "-hh-h-"),
    ] {
        let mut ratio: Ratio<u32, char> = Ratio::default();
        let seen: String = (0..)
            .zip(judged.chars())
            .map(|(at, letter)| {
                let window_rule = WindowRule {
                    over: WindowLength::Runs(3),
                    crossed: |_: &Slots<u32>, _: &Slots<u32>, _| (letter == 'x').then_some(letter),
                    clears,
                };
                ratio.judge(&window_rule, at, Duration::from_secs(at));
                if ratio.held().is_some() { 'h' } else { '-' }
            })
            .collect();
        assert_eq!(seen, held, "{clears:?} {judged}");
    }
}

#[test]
fn it_is_held_since_it_was_first_crossed_with_what_was_seen_last() {
    let mut ratio: Ratio<u32, u64> = Ratio::default();
    for at in 5..9 {
        ratio.note(Some(at), Clears::WhenTold, 3, Duration::from_secs(at));
    }
    assert_eq!(ratio.held(), Some(&Held { since: Duration::from_secs(5), seen: 8, quiet: 0 }));
}

#[test]
fn a_slot_that_is_put_between_others_moves_those_behind_it() {
    let mut ratio: Ratio<char, ()> = [(1, 'a'), (2, 'c'), (3, 'd')].into_iter().collect();
    ratio.insert(2, 'b');
    assert_eq!(ratio.all(), [(1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')]);
    assert_eq!(ratio.window(3, 2), [(2, 'b'), (3, 'c')]);
}

#[test]
fn no_more_time_is_claimed_than_was_recorded() {
    let second = Duration::from_secs;
    let mut buckets: Buckets<u32, ()> = Buckets::of(second(480), 48);
    assert_eq!(buckets.recorded(second(1_000)), Duration::ZERO);
    *buckets.at(second(1_003)).0 += 1;
    assert_eq!(buckets.recorded(second(1_063)), second(60));
    *buckets.at(second(2_400)).0 += 1;
    assert_eq!(buckets.recorded(second(2_410)), second(10), "what was before has left the window");
    for at in (2_400..3_500).step_by(10) {
        *buckets.at(second(at)).0 += 1;
    }
    assert_eq!(buckets.recorded(second(3_490)), second(480), "all of it, but for a bucket that has just begun");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn buckets_count_what_a_list_counts_also_over_restarts(
        gaps in vec(0_u64..200_000, 1..200),
        span in 48_u64..5_000_000,
        restart in 0_usize..200,
    ) {
        let mut buckets: Buckets<u32, ()> = Buckets::of(Duration::from_millis(span), 48);
        let width = (span / 48).max(1);
        let (mut at, mut list) = (10_000_000_u64, Vec::new());
        for (number, gap) in gaps.into_iter().enumerate() {
            at += gap;
            let now = Duration::from_millis(at);
            if number == restart {
                let kept = buckets.to_row(|time| i64::try_from(time.as_millis()).unwrap());
                let json = serde_json::to_string(&kept).unwrap();
                let kept: BucketsRow<u32> = serde_json::from_str(&json).unwrap();
                buckets = Buckets::from_row(kept, 48, |ms| Duration::from_millis(u64::try_from(ms).unwrap()));
            }
            *buckets.at(now).0 += 1;
            list.push(at);
            for count in [4, 48] {
                let within = list.iter().filter(|then| **then / width + count > at / width).count();
                let counted = sum(buckets.ratio.window(buckets.number(now), count));
                prop_assert_eq!(counted as usize, within, "{} of {}", count, at);
            }
            prop_assert!(buckets.ratio.all().len() <= 48 + SLACK);
            prop_assert!(buckets.recorded(now) <= Duration::from_millis(at - list[0] + width));
        }
    }

    #[test]
    fn another_width_keeps_what_was_counted(gaps in vec(0_u64..50_000, 1..60), span in 4_800_000_u64..9_000_000) {
        let mut buckets: Buckets<u32, ()> = Buckets::of(Duration::from_mins(80), 48);
        let mut at = 10_000_000_u64;
        for gap in &gaps {
            at += gap;
            *buckets.at(Duration::from_millis(at)).0 += 1;
        }
        buckets.resize(Duration::from_millis(span));
        let now = Duration::from_millis(at);
        prop_assert_eq!(sum(buckets.ratio.window(buckets.number(now), 48)) as usize, gaps.len());
    }
}
