//! How incidents end, and what is said then.

use super::*;
use crate::alert::message::Occasion;

#[test]
fn an_end_is_sent_where_something_was_taken_and_says_for_how_long_it_failed() {
    let mut bench = Bench::chat(&["eu"]);
    bench.breaks(0, "p/eu").mends(120, "p/eu").at(400);
    assert_eq!(bench.came("chat", Action::End), [180], "two passes, the last two intervals after the last failure");
    assert!(bench.heard.last().unwrap().message.title.contains("is well again"), "{:?}", bench.heard.last());
}

#[test]
fn the_end_of_an_incident_is_written_also_where_nobody_was_told_of_it() {
    for told in [true, false] {
        let alerting = Alerting { routes: vec![route(if told { &["chat"] } else { &[] })], ..Alerting::default() };
        let alerting = Alerting { channels: vec![chat("chat")], ..alerting };
        let mut bench = Bench::new(vec![quiet("p")], &["eu"], alerting);
        bench.breaks(0, "p/eu");
        let is_over = |bench: &Bench| bench.store.remembered().incidents.iter().all(|row| row.resolved_ms.is_some());
        assert!(!is_over(&bench));
        bench.mends(120, "p/eu").at(400);
        assert_eq!(bench.rings("chat").len(), usize::from(told));
        assert!(is_over(&bench), "told: {told}, {:?}", bench.store.remembered().incidents);
    }
}

#[test]
fn two_passes_that_do_not_span_two_intervals_settle_nothing() {
    let mut bench = Bench::chat(&["eu"]);
    bench.breaks(0, "p/eu").at(70).pass("p/eu").at(80).pass("p/eu").at(100);
    assert!(bench.came("chat", Action::End).is_empty());
    bench.at(181).pass("p/eu");
    assert_eq!(bench.came("chat", Action::End), [181]);
}

#[test]
fn a_removed_probe_is_not_said_to_be_well_and_a_removal_that_was_only_found_waits_a_minute() {
    for (found, ended) in [(false, 200), (true, 260)] {
        let mut bench = Bench::chat(&["eu"]);
        bench.breaks(0, "p/eu").at(200);
        let empty = plan(vec![quiet("q")], &["eu"]);
        bench.plan = Arc::clone(&empty);
        let alerting = Arc::clone(&bench.alerting);
        bench.take(Event::Plan { plan: empty, alerting, found });
        bench.at(400);
        assert_eq!(bench.came("chat", Action::End), [ended]);
        let title = &bench.heard.last().unwrap().message.title;
        assert!(title.contains("not watched") && !title.contains("well again"), "{title}");
    }
}

#[test]
fn a_probe_that_is_removed_while_one_of_its_canaries_fails_is_not_well_because_another_recovered() {
    for (left, is_well) in [(Vec::new(), false), (vec!["eu"], true)] {
        let mut bench = Bench::chat(&["eu", "us"]);
        bench.breaks(0, "p/eu").breaks(60, "p/us").mends(300, "p/eu").at(600);
        let after = if left.is_empty() { plan(vec![quiet("q")], &["eu"]) } else { plan(vec![quiet("p")], &left) };
        bench.plan = Arc::clone(&after);
        let alerting = Arc::clone(&bench.alerting);
        bench.take(Event::Plan { plan: after, alerting, found: false });
        bench.at(800);
        let title = &bench.heard.last().unwrap().message.title;
        assert_eq!((title.contains("not watched"), title.contains("well again")), (!is_well, is_well), "{title}");
    }
}

#[test]
fn a_removal_that_comes_back_within_the_minute_ends_nothing() {
    let mut bench = Bench::chat(&["eu"]);
    bench.breaks(0, "p/eu").at(200);
    let (before, alerting) = (Arc::clone(&bench.plan), Arc::clone(&bench.alerting));
    let empty = plan(vec![quiet("q")], &["eu"]);
    bench.take(Event::Plan { plan: empty, alerting: Arc::clone(&alerting), found: true });
    bench.at(230).take(Event::Plan { plan: before, alerting, found: true });
    bench.at(900);
    assert!(bench.came("chat", Action::End).is_empty());
}

#[test]
fn what_a_chat_never_got_before_the_end_is_told_in_one_line_and_an_end_of_what_it_has_not_is_not() {
    let mut bench = Bench::chat(&["eu"]);
    bench.answers.insert("chat".to_owned(), refuses());
    bench.breaks(0, "p/eu").mends(120, "p/eu").at(400);
    bench.answers.clear();
    let before = bench.heard.len();
    bench.at(600);
    let later: Vec<&Heard> = bench.heard[before..].iter().collect();
    assert_eq!(later.len(), 1, "{later:?}");
    assert!(later[0].message.title.starts_with("while you could not be reached"), "{}", later[0].message.title);
}

#[test]
fn the_end_of_a_removed_channel_is_sent_with_its_last_configuration() {
    let mut bench =
        Bench::new(vec![quiet("p")], &["eu"], Alerting { channels: vec![chat("chat"), chat("other")], ..Alerting::default() });
    bench.breaks(0, "p/eu").at(100);
    let alerting = Arc::new(Alerting { channels: vec![chat("chat")], ..Alerting::default() });
    let plan = Arc::clone(&bench.plan);
    bench.take(Event::Plan { plan, alerting, found: false });
    bench.at(120);
    assert_eq!(bench.came("other", Action::End).len(), 1);
    assert!(bench.came("chat", Action::End).is_empty());
}

#[test]
fn an_end_that_is_late_says_that_it_was_well_and_under_which_key_it_fails_again() {
    let mut bench = Bench::new(vec![quiet("p")], &["eu"], Alerting { channels: vec![pagerduty("duty")], ..Alerting::default() });
    bench.breaks(0, "p/eu");
    bench.answers.insert("duty".to_owned(), refuses());
    bench.mends(120, "p/eu").breaks(300, "p/eu");
    bench.answers.clear();
    bench.at(900);
    let end = bench.heard.iter().rfind(|heard| heard.what == Action::End).unwrap();
    let ring = bench.heard.iter().rfind(|heard| heard.what == Action::Ring).unwrap();
    assert_eq!((end.message.occasion, end.message.key.as_str()), (Occasion::WasWell, "probe/p/1"));
    assert_eq!(ring.message.key, "probe/p/2");
    assert!(end.message.title.contains("probe/p/2") && end.message.title.contains("was well from"), "{}", end.message.title);
}
