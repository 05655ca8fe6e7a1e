//! No data: when it is said, of whom, and when it rings again.

use super::*;

fn bench(probes: &[&str], regions: &[&str]) -> Bench {
    let alerting = Alerting { channels: vec![chat("chat")], ..Alerting::default() };
    let mut bench = Bench::new(probes.iter().map(|name| quiet(name)).collect(), regions, alerting);
    for id in ids(&bench) {
        bench.pass(&id);
    }
    bench
}

fn ids(bench: &Bench) -> Vec<String> {
    bench.plan.canaries.iter().map(|canary| canary.id.to_string()).collect()
}

/// Ticks of these have no result for so long, a minute apart, and those of all others pass.
fn without(bench: &mut Bench, (from, until): (u64, u64), these: &[(&str, Reason)]) {
    for at in (from..=until).step_by(60) {
        bench.at(at);
        for id in ids(bench) {
            match these.iter().find(|(of, _)| **of == id) {
                Some((_, reason)) => bench.misses(&id, *reason),
                None => bench.pass(&id),
            };
        }
    }
}

#[test]
fn three_ticks_without_a_counted_run_and_at_least_five_minutes_and_of_secret_and_guard_the_second_tick() {
    for (reason, rung) in [(Reason::Overload, 360), (Reason::Secret, 120), (Reason::Guard, 120)] {
        let mut bench = bench(&["o", "p", "q"], &["eu", "us"]);
        without(&mut bench, (60, 480), &[("p/eu", reason)]);
        assert_eq!(bench.ring_times("chat"), [rung], "{reason}");
        let message = &bench.last("chat").message;
        assert_eq!((&*message.scope, message.severity), ("no-data/p", Severity::Page));
    }
}

#[test]
fn a_counted_run_ends_it_and_a_pause_does_not() {
    let mut bench = bench(&["p"], &["eu", "us", "ap"]);
    without(&mut bench, (60, 180), &[("p/eu", Reason::Secret)]);
    bench.at(3_000);
    assert!(bench.came("chat", Action::End).is_empty());
    bench.pass("p/eu").at(3_010);
    assert_eq!(bench.came("chat", Action::End), [3_000]);
}

#[test]
fn where_more_than_half_of_a_region_is_concerned_it_is_told_of_the_region_and_what_was_taken_stays_open() {
    let mut bench = bench(&["o", "p", "q"], &["eu", "us"]);
    without(&mut bench, (60, 240), &[("p/eu", Reason::Secret)]);
    assert_eq!(bench.last("chat").message.scope, "no-data/p");
    let both = [("p/eu", Reason::Secret), ("q/eu", Reason::Secret)];
    without(&mut bench, (300, 600), &both);
    let last = &bench.last("chat").message;
    assert_eq!(last.scope, "blind/eu");
    assert!(last.title.contains("eu is not probed: 2 of 3 canaries (secret 2)"), "{}", last.title);
    assert!(bench.came("chat", Action::End).is_empty(), "what was taken of p stays open");
    without(&mut bench, (660, 900), &[("p/eu", Reason::Secret)]);
    assert!(bench.came("chat", Action::End).is_empty(), "until none is");
    without(&mut bench, (960, 1_020), &[]);
    let mut ends: Vec<&str> = bench.heard.iter().filter(|it| it.what == Action::End).map(|it| &*it.message.scope).collect();
    ends.sort_unstable();
    assert_eq!(ends, ["blind/eu", "no-data/p"]);
}

#[test]
fn who_is_without_data_while_the_region_is_told_of_belongs_to_the_region() {
    let mut bench = bench(&["o", "p", "q"], &["eu", "us"]);
    without(&mut bench, (60, 300), &[("p/eu", Reason::Secret), ("q/eu", Reason::Secret)]);
    let scopes: Vec<&str> = bench.heard.iter().map(|it| &*it.message.scope).collect();
    assert!(scopes.contains(&"blind/eu"), "{scopes:?}");
    let before = bench.heard.len();
    without(&mut bench, (360, 900), &[("o/eu", Reason::Secret), ("p/eu", Reason::Secret), ("q/eu", Reason::Secret)]);
    assert_eq!(bench.heard.len(), before, "one more of two for the reason that was told is not worth a ring");
}

#[test]
fn it_rings_again_when_those_not_told_of_are_as_many_as_those_that_were_and_still_are_without_data() {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    // Other probes keep each region from being without data as a whole.
    let mut bench = bench(&["o", "p", "q"], &names);
    let of = |count: usize| names.iter().take(count).map(|name| format!("p/{name}")).collect::<Vec<_>>();
    let mut from = 60;
    let mut rings = Vec::new();
    for count in 1..=6 {
        let these = of(count);
        let these: Vec<(&str, Reason)> = these.iter().map(|id| (&**id, Reason::Secret)).collect();
        without(&mut bench, (from, from + 1_140), &these);
        from += 1_200;
        rings.push(bench.ring_times("chat").len());
    }
    assert_eq!(rings, [1, 2, 2, 3, 3, 3], "1, then 2 (1 of 1), then 4 (2 of 2), and 8 would be next");
}

#[test]
fn a_new_reason_rings_again_also_of_one_that_was_told_of() {
    let mut bench = bench(&["o", "p", "q"], &["eu", "us"]);
    without(&mut bench, (60, 300), &[("p/eu", Reason::Secret)]);
    assert_eq!(bench.ring_times("chat").len(), 1);
    without(&mut bench, (360, 1_200), &[("p/eu", Reason::Guard)]);
    assert_eq!(bench.ring_times("chat").len(), 2, "{:?}", bench.rings("chat"));
    without(&mut bench, (1_260, 1_800), &[("p/eu", Reason::Secret)]);
    assert_eq!(bench.ring_times("chat").len(), 2, "that was told");
}

#[test]
fn a_restart_keeps_that_a_region_is_told_of_and_rings_nobody_again() {
    let mut bench = bench(&["o", "p", "q"], &["eu", "us"]);
    let both = [("p/eu", Reason::Secret), ("q/eu", Reason::Secret)];
    without(&mut bench, (60, 300), &both);
    let before = bench.heard.len();
    bench.restart();
    without(&mut bench, (360, 480), &[("p/eu", Reason::Secret)]);
    assert_eq!(bench.heard.len(), before, "{:?}", bench.rings("chat"));
    without(&mut bench, (540, 600), &[]);
    assert!(bench.heard[before..].iter().all(|it| it.what == Action::End));
    assert!(bench.heard[before..].iter().any(|it| it.message.scope == "blind/eu"));
}

#[test]
fn a_canary_that_failed_and_has_no_data_stays_what_it_was_and_the_text_says_so() {
    let mut bench = bench(&["o", "p", "q"], &["eu", "us"]);
    bench.breaks(60, "p/eu");
    without(&mut bench, (180, 600), &[("p/eu", Reason::Secret)]);
    assert!(bench.came("chat", Action::End).is_empty());
    bench.breaks(660, "p/us").at(900);
    let last = bench.heard.iter().rev().find(|it| it.what == Action::Ring && it.message.scope == "probe/p").unwrap();
    let all = format!("{:?}", last.message);
    assert!(all.contains("no data since"), "{all}");
}

#[test]
fn a_start_gives_each_canary_its_first_tick_and_a_second_start_within_the_limit_gives_nothing() {
    for (starts, rung) in [(vec![350], 440), (vec![100, 350], 390)] {
        let mut bench = bench(&["o", "p", "q"], &["eu", "us"]);
        bench.take(Event::Started { graceful_before: true });
        let mut from = 90;
        bench.at(30).pass("p/eu");
        for start in starts {
            without(&mut bench, (from, start - 5), &[("p/eu", Reason::Overload)]);
            from = start + (90 + 60 - start % 60) % 60;
            bench.at(start).restart();
            bench.take(Event::Started { graceful_before: true });
        }
        without(&mut bench, (from, 600), &[("p/eu", Reason::Overload)]);
        assert_eq!(bench.ring_times("chat"), [rung], "{:?}", bench.rings("chat"));
    }
}

#[test]
fn the_heartbeat_asks_whether_more_than_half_of_those_that_should_run_are_without_data() {
    let mut bench = bench(&["a", "b", "c", "d"], &["eu"]);
    let missing = |bench: &Bench, second: u64| {
        let backlog = bench.evaluator.backlog(moment_ms(second * 1_000, 0));
        backlog.signs(true, true, true).missing(Duration::from_hours(1), backlog.seen)
    };
    let guard = |id| (id, Reason::Guard);
    without(&mut bench, (60, 120), &[guard("a/eu"), guard("b/eu")]);
    assert!(missing(&bench, 120).is_empty());
    without(&mut bench, (180, 240), &[guard("a/eu"), guard("b/eu"), guard("c/eu")]);
    assert_eq!(missing(&bench, 240), ["more than half of the canaries are without data"]);
    bench.take(paused(&["a/eu", "b/eu"]));
    assert!(missing(&bench, 240).is_empty(), "one of two");
    bench.take(paused(&["a/eu", "d/eu"]));
    assert_eq!(missing(&bench, 240).len(), 1, "two of two");
}
