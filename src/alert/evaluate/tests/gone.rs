//! Channels that are removed, and that come back, while an incident goes on.

use super::super::super::message::Occasion;
use super::*;

fn bench(kind: fn(&str) -> Arc<Channel>) -> Bench {
    let alerting = Alerting { channels: vec![kind("gone"), chat("stays")], ..Alerting::default() };
    Bench::new(vec![quiet("p")], &["eu", "us"], alerting)
}

#[test]
fn an_end_at_a_removed_channel_does_not_say_that_what_fails_is_well() {
    for kind in [chat, pagerduty] {
        let mut bench = bench(kind);
        bench.breaks(0, "p/eu").at(100).channels(vec![chat("stays")]).at(200);
        let end = bench.heard.last().unwrap();
        assert_eq!((end.channel.as_str(), end.what, end.message.occasion), ("gone", Action::End, Occasion::Continues));
        assert!(end.message.title.contains("is not well"), "{}", end.message.title);
        bench.mends(300, "p/eu").at(900);
        assert_eq!((bench.came("gone", Action::End).len(), bench.came("stays", Action::End).len()), (1, 1));
    }
}

#[test]
fn a_channel_that_was_ended_and_comes_back_is_rung_anew_with_another_number_unless_somebody_is_at_it() {
    for (kind, acknowledged) in [(chat as fn(&str) -> _, false), (pagerduty, false), (chat, true)] {
        let mut bench = bench(kind);
        bench.breaks(0, "p/eu").at(100);
        if acknowledged {
            bench.evaluator.acknowledge("p", "ann", None, moment_ms(100_000, 0));
        }
        bench.channels(vec![chat("stays")]).at(200).channels(vec![kind("gone"), chat("stays")]).at(900);
        let rings: Vec<&Heard> =
            bench.heard.iter().filter(|heard| heard.channel == "gone" && heard.what == Action::Ring).collect();
        assert_eq!(rings.len(), if acknowledged { 1 } else { 2 }, "{rings:?}");
        assert!(acknowledged || rings[0].id != rings[1].id);
        assert_eq!(bench.ring_times("stays"), [60]);
        bench.mends(1_000, "p/eu").at(1_300);
        assert_eq!(bench.came("gone", Action::End).len(), if acknowledged { 1 } else { 2 });
    }
}

#[test]
fn a_channel_that_comes_back_before_it_took_its_end_is_told_none_and_is_rung_anew_if_it_perhaps_was() {
    for (answer, rings) in [(refuses(), 1), (unknown(), 2)] {
        let mut bench = bench(pagerduty);
        bench.breaks(0, "p/eu").at(100);
        bench.answers.insert("gone".to_owned(), answer);
        bench.channels(vec![chat("stays")]).at(101).channels(vec![pagerduty("gone"), chat("stays")]);
        let ends = bench.came("gone", Action::End).len();
        bench.answers.clear();
        bench.at(900);
        assert_eq!(bench.came("gone", Action::End).len(), ends, "no further end while it fails");
        let heard = bench.heard.iter().filter(|heard| heard.channel == "gone" && heard.what == Action::Ring);
        let ids: BTreeSet<&str> = heard.map(|heard| heard.id.as_str()).collect();
        assert_eq!(ids.len(), rings, "{:?}", bench.rings("gone"));
        bench.mends(1_000, "p/eu").at(1_300);
        assert_eq!(bench.came("gone", Action::End).len(), ends + rings);
    }
}

#[test]
fn a_removed_channel_is_not_rung_for_what_waited_for_it() {
    for answer in [refuses(), unknown()] {
        let mut bench = bench(chat);
        bench.breaks(0, "p/eu").at(100).answers.insert("gone".to_owned(), answer);
        bench.breaks(101, "p/us").at(200).channels(vec![chat("stays")]);
        bench.answers.clear();
        let before = bench.heard.len();
        bench.at(900);
        let later: Vec<(&str, Action)> = bench.heard[before..].iter().map(|heard| (heard.channel.as_str(), heard.what)).collect();
        assert_eq!(later, [("gone", Action::End)]);
    }
}

#[test]
fn what_is_on_its_way_to_a_channel_when_it_is_removed_is_ended_there() {
    let mut bench = bench(pagerduty);
    bench.slow.insert("gone".to_owned());
    bench.breaks(0, "p/eu").channels(vec![chat("stays")]).at(61).land(&Outcome::Taken);
    bench.at(200);
    assert_eq!(bench.came("gone", Action::End).len(), 1);
}

#[test]
fn what_was_due_and_is_not_any_more_is_told_in_one_line_if_nothing_was_taken_before_the_end() {
    let alerting = Alerting { channels: vec![chat("away"), pagerduty("duty")], ..Alerting::default() };
    let mut bench = Bench::new(vec![quiet("p")], &["eu", "us"], alerting);
    bench.answers.insert("away".to_owned(), refuses());
    bench.breaks(0, "p/eu").at(100);
    bench.evaluator.acknowledge("p", "ann", None, moment_ms(100_000, 0));
    bench.at(101).answers.clear();
    bench.mends(120, "p/eu").at(400);
    let later: Vec<&Heard> = bench.heard.iter().filter(|heard| heard.channel == "away" && heard.at > 101).collect();
    assert_eq!(later.iter().map(|heard| heard.message.occasion).collect::<Vec<_>>(), [Occasion::Unheard]);
}
