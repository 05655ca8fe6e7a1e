//! When a channel rings: the first, the pauses, rises, regions, suspects, flapping.

use super::*;

#[test]
fn the_first_ring_of_an_incident_leaves_at_once_and_tells_all_that_fails_or_is_suspect() {
    let mut bench = Bench::chat(&["ap", "eu", "us"]);
    bench.at(0).fail("p/ap").fail("p/eu").at(60).fail("p/eu");
    assert_eq!(bench.ring_times("chat"), [60]);
    let said = &bench.heard[0].message;
    assert!(said.apart.iter().any(|line| line.contains("ap")), "the suspect is told: {:?}", said.apart);
    bench.at(70).fail("p/ap").at(900);
    assert_eq!(bench.ring_times("chat"), [60], "a suspect that was told is covered when it crosses soon after");
}

#[test]
fn a_suspect_that_was_told_and_crosses_late_is_owed() {
    let mut bench = Bench::chat(&["ap", "eu"]);
    bench.at(0).fail("p/ap").fail("p/eu").at(60).fail("p/eu");
    bench.at(700).fail("p/ap").at(1_700);
    assert_eq!(bench.ring_times("chat").len(), 2, "{:?}", bench.rings("chat"));
}

#[test]
fn pauses_grow_from_one_minute_to_fifteen_while_others_join() {
    let regions: Vec<String> = (0..12).map(|number| format!("r{number:02}")).collect();
    let regions: Vec<&str> = regions.iter().map(String::as_str).collect();
    let mut bench = Bench::new(vec![quiet("p")], &regions, Alerting { channels: vec![chat("chat")], ..Alerting::default() });
    // Every region new to the channel would ring after five seconds; here they are known by then.
    for region in &regions {
        bench.at(0).fail(&format!("p/{region}"));
    }
    bench.at(60).fail("p/r00");
    // Each of the others crosses when it is no longer covered as a suspect, five minutes apart.
    for (number, region) in regions.iter().enumerate().skip(1) {
        let at = 1_200 + 300 * u64::try_from(number).unwrap();
        bench.at(at).fail(&format!("p/{region}")).at(at + 1).fail(&format!("p/{region}"));
    }
    bench.at(9_000);
    let times = bench.ring_times("chat");
    let pauses: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(times.len() >= 4, "{times:?}");
    for (pause, least) in pauses.iter().zip([5, 5, 5, 5, 5]) {
        assert!(*pause >= least, "{pauses:?}");
    }
}

#[test]
fn a_region_that_is_new_rings_after_five_seconds_and_another_member_of_it_waits_for_the_pause() {
    let mut bench = Bench::chat(&["eu", "us"]);
    bench.breaks(0, "p/eu").at(61).fail("p/us").at(62).fail("p/us").at(1_000);
    assert_eq!(bench.ring_times("chat"), [60, 65], "{:?}", bench.rings("chat"));
}

#[test]
fn what_a_channel_refused_is_made_anew_until_it_is_taken() {
    let mut bench = Bench::chat(&["eu"]);
    bench.answers.insert("chat".to_owned(), refuses());
    bench.breaks(0, "p/eu").at(600);
    let refused = bench.heard.len();
    assert!(refused > 3 && refused < 60, "{refused} tries in nine minutes");
    bench.answers.clear();
    bench.at(700);
    assert_eq!(bench.heard.len(), refused + 1);
    bench.at(4_000);
    assert_eq!(bench.heard.len(), refused + 1, "what was taken is not sent again");
}

#[test]
fn a_silent_change_at_pagerduty_follows_the_regions_at_most_each_five_minutes() {
    let alerting = Alerting { channels: vec![pagerduty("duty"), chat("chat")], ..Alerting::default() };
    let mut bench = Bench::new(vec![quiet("p")], &["ap", "eu", "us"], alerting);
    for second in [0, 60] {
        bench.at(second).fail("p/ap").fail("p/eu").fail("p/us");
    }
    for second in [120, 180, 240] {
        bench.at(second).fail("p/ap").fail("p/eu").pass("p/us");
    }
    for second in [300, 360, 420] {
        bench.at(second).fail("p/ap").pass("p/eu");
    }
    bench.at(2_000);
    let shown = bench.ring_times("duty").last().copied().unwrap();
    assert_eq!(bench.came("duty", Action::Change), [shown + 300, shown + 600], "{:?}", bench.rings("duty"));
    assert!(bench.came("chat", Action::Change).is_empty(), "a chat hears of it with the next ring or the end");
    let last = bench.last("duty");
    assert!(last.message.title.starts_with("p fails in ap"), "{}", last.message.title);
}
