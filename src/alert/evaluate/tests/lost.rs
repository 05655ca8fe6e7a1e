//! Answers that are lost or late, and incidents that end meanwhile.

use super::super::super::message::Occasion;
use super::*;

#[test]
fn what_was_on_its_way_when_the_incident_ended_is_ended_where_it_was_perhaps_taken() {
    // What came back, what the chat hears then, and what PagerDuty hears.
    let table = [
        (Outcome::Taken, Some(Occasion::Unwatched), Some(Occasion::Unwatched)),
        (unknown(), Some(Occasion::Unwatched), Some(Occasion::Unwatched)),
        (refuses(), Some(Occasion::Unheard), None),
    ];
    for (outcome, chats, duties) in table {
        for (channel, hears) in [(chat("there"), chats), (pagerduty("there"), duties)] {
            let alerting = Alerting { channels: vec![channel], ..Alerting::default() };
            let mut bench = Bench::new(vec![quiet("p")], &["eu"], alerting);
            bench.slow.insert("there".to_owned());
            bench.breaks(0, "p/eu").unplan(&["eu"], false);
            bench.land(&outcome);
            bench.at(600);
            let after: Vec<Occasion> = bench.heard[1..].iter().map(|heard| heard.message.occasion).collect();
            assert_eq!(after, Vec::from_iter(hears), "{outcome:?}");
        }
    }
}

#[test]
fn what_was_on_its_way_when_the_process_died_is_repeated_with_its_id_and_after_the_end_only_ended() {
    for ends in [false, true] {
        let mut bench =
            Bench::new(vec![quiet("p")], &["eu"], Alerting { channels: vec![pagerduty("duty")], ..Alerting::default() });
        bench.slow.insert("duty".to_owned());
        bench.breaks(0, "p/eu");
        if ends {
            bench.unplan(&["eu"], false);
        }
        bench.slow.clear();
        bench.restart().at(600);
        let what: Vec<Action> = bench.heard.iter().map(|heard| heard.what).collect();
        assert_eq!(what, [Action::Ring, if ends { Action::End } else { Action::Ring }]);
        assert!(ends || bench.heard[0].id == bench.heard[1].id);
    }
}

#[test]
fn a_ring_of_which_nobody_knows_is_repeated_as_it_is_and_is_only_ended_after_the_end() {
    let mut bench = Bench::new(vec![quiet("p")], &["eu"], Alerting { channels: vec![pagerduty("duty")], ..Alerting::default() });
    bench.answers.insert("duty".to_owned(), unknown());
    bench.breaks(0, "p/eu").at(300);
    let ids: BTreeSet<&str> = bench.heard.iter().map(|heard| heard.id.as_str()).collect();
    assert!(bench.heard.len() > 3 && ids.len() == 1, "{ids:?}");
    bench.mends(310, "p/eu");
    let before = bench.heard.len();
    bench.answers.clear();
    bench.at(900);
    let after: Vec<Action> = bench.heard[before..].iter().map(|heard| heard.what).collect();
    assert_eq!(after, [Action::End]);
}

#[test]
fn a_ring_that_is_repeated_still_says_why_it_rang() {
    let alerting =
        Alerting { channels: vec![pagerduty("duty"), chat("chat")], routes: vec![route(&["duty"])], ..Alerting::default() };
    let mut escalated = Bench::new(vec![quiet("p")], &["eu"], alerting);
    escalated.answers = [("duty".to_owned(), refuses()), ("chat".to_owned(), unknown())].into();
    escalated.breaks(0, "p/eu").at(500);
    let mut spread = Bench::chat(&["eu", "us"]);
    spread.breaks(0, "p/eu");
    spread.answers.insert("chat".to_owned(), unknown());
    spread.breaks(100, "p/us").at(400);
    for (bench, rung, occasion) in [(escalated, 0, Occasion::Escalated), (spread, 1, Occasion::Spread)] {
        let said: Vec<Occasion> =
            bench.heard.iter().filter(|heard| heard.channel == "chat").skip(rung).map(|heard| heard.message.occasion).collect();
        assert!(said.len() > 2 && said.iter().all(|said| *said == occasion), "{occasion:?}: {said:?}");
    }
}

#[test]
fn the_pause_after_a_ring_that_was_repeated_counts_from_when_it_was_taken() {
    let mut bench = Bench::chat(&["eu", "us"]);
    bench.answers.insert("chat".to_owned(), unknown());
    bench.breaks(0, "p/eu").breaks(100, "p/us").at(400);
    bench.answers.clear();
    bench.at(700);
    let times = bench.ring_times("chat");
    let [.., taken, last] = times[..] else { panic!("{times:?}") };
    assert!(last >= taken + 5 && taken > 400, "{times:?}");
}

#[test]
fn an_acknowledgement_while_a_ring_is_on_its_way_is_sent_there_too() {
    let alerting = Alerting { channels: vec![pagerduty("duty"), chat("chat")], ..Alerting::default() };
    let mut bench = Bench::new(vec![quiet("p")], &["eu"], alerting);
    bench.slow.insert("duty".to_owned());
    bench.breaks(0, "p/eu").at(62);
    bench.evaluator.acknowledge("p", "ann", None, moment_ms(62_000, 0));
    bench.at(63).land(&Outcome::Taken);
    bench.at(100);
    assert_eq!(bench.came("duty", Action::Acknowledge).len(), 1);
    bench.evaluator.acknowledge("p", "bob", None, moment_ms(100_000, 0));
    bench.at(200);
    assert_eq!(bench.came("duty", Action::Acknowledge).len(), 1, "it is sent once");
}
