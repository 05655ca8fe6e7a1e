//! Routes, least severities, escalation, and channels that are added and removed.

use super::*;

fn bench(channels: Vec<Arc<Channel>>, routes: Vec<Route>) -> Bench {
    Bench::new(vec![quiet("p")], &["eu", "us"], Alerting { channels, routes, ..Alerting::default() })
}

#[test]
fn what_no_route_matches_goes_to_all_channels_whatever_they_take_least_and_an_empty_list_is_a_match() {
    let high = Arc::new(Channel { least: Severity::Critical, ..Arc::into_inner(chat("high")).unwrap() });
    let of_us = Route { regions: vec!["us".into()], ..route(&["chat"]) };
    let mut nowhere = bench(vec![chat("chat"), Arc::clone(&high)], vec![of_us]);
    nowhere.breaks(0, "p/eu").at(100);
    assert_eq!((nowhere.ring_times("chat").len(), nowhere.ring_times("high").len()), (1, 1));
    let mut nobody = bench(vec![chat("chat"), high], vec![route(&[])]);
    nobody.breaks(0, "p/eu").at(2_000);
    assert!(nobody.heard.is_empty());
}

#[test]
fn what_no_route_matches_stops_the_heartbeat_at_once_until_a_channel_that_wakes_took_it() {
    let of_us = Route { regions: vec!["us".into()], ..route(&["duty"]) };
    let mut bench = bench(vec![pagerduty("duty"), chat("chat")], vec![of_us]);
    bench.answers.insert("duty".to_owned(), refuses());
    bench.breaks(0, "p/eu");
    assert!(bench.evaluator.backlog(moment_ms(61_000, 0)).page_unrouted);
    assert_eq!(bench.ring_times("chat").len(), 1, "it has gone to all");
    bench.answers.clear();
    bench.at(200);
    assert!(!bench.evaluator.backlog(moment_ms(200_000, 0)).page_unrouted);
}

#[test]
fn what_no_waking_channel_took_for_five_minutes_goes_to_all_and_stops_the_heartbeat() {
    let mut bench = bench(vec![pagerduty("duty"), chat("chat")], vec![route(&["duty"])]);
    bench.answers.insert("duty".to_owned(), refuses());
    bench.breaks(0, "p/eu").at(350);
    assert!(bench.ring_times("chat").is_empty());
    bench.at(370);
    assert_eq!(bench.ring_times("chat"), [360]);
    let backlog = bench.evaluator.backlog(moment_ms(370_000, 0));
    assert!(backlog.page_due.is_some_and(|due| due + backlog.escalate_after <= backlog.seen));
    bench.answers.clear();
    bench.at(600);
    assert!(bench.evaluator.backlog(moment_ms(600_000, 0)).page_due.is_none(), "duty took it");
}

#[test]
fn a_receiver_that_refused_is_asked_at_once_after_a_reload_though_nothing_of_its_channel_changed() {
    for reload in [true, false] {
        let mut bench = bench(vec![pagerduty("duty")], Vec::new());
        let rejected = Refusal { message: "404".to_owned(), kind: RefusalKind::Rejected };
        bench.answers.insert("duty".to_owned(), Outcome::Refused(rejected));
        bench.breaks(0, "p/eu");
        bench.answers.clear();
        bench.at(70);
        if reload {
            let (plan, alerting) = (Arc::clone(&bench.plan), Arc::clone(&bench.alerting));
            bench.take(Event::Plan { plan, alerting, found: false });
        }
        bench.at(300);
        assert_eq!(bench.ring_times("duty"), if reload { [60, 70] } else { [60, 180] });
    }
}

#[test]
fn a_new_channel_is_rung_for_what_is_due_and_not_for_what_is_acknowledged() {
    for acknowledged in [false, true] {
        let mut bench = bench(vec![chat("chat")], Vec::new());
        bench.breaks(0, "p/eu");
        if acknowledged {
            bench.evaluator.acknowledge("p", "ann", None, moment_ms(61_000, 0));
        }
        let alerting = Arc::new(Alerting { channels: vec![chat("chat"), chat("new")], ..Alerting::default() });
        let plan = Arc::clone(&bench.plan);
        bench.at(100).take(Event::Plan { plan, alerting, found: false });
        bench.at(300);
        assert_eq!(bench.ring_times("new").len(), usize::from(!acknowledged), "acknowledged: {acknowledged}");
        assert_eq!(bench.ring_times("chat").len(), 1);
    }
}

#[test]
fn pagerduty_is_rung_again_within_ten_minutes_only_for_a_rise_or_a_new_region() {
    let mut bench = bench(vec![pagerduty("duty")], Vec::new());
    bench.breaks(0, "p/eu").at(61).fail("p/us").at(62).fail("p/us").at(2_000);
    assert_eq!(bench.ring_times("duty"), [60, 65], "a new region");
}

#[test]
fn critical_rises_after_five_seconds_is_told_once_and_what_comes_up_together_is_one_ring() {
    let critical = || {
        let probe = probe(Vec::new(), AlertPolicy::default());
        Bench::new(vec![probe], &["ap", "eu", "us"], Alerting { channels: vec![pagerduty("duty")], ..Alerting::default() })
    };
    let mut later = critical();
    later.breaks(0, "p/eu").at(61).fail("p/us").at(600).fail("p/us");
    assert_eq!(later.ring_times("duty"), [60, 65]);
    assert_eq!(later.heard[1].message.severity, Severity::Critical);
    let mut at_once = critical();
    for second in [0, 60] {
        at_once.at(second).fail("p/ap").fail("p/eu").fail("p/us");
    }
    at_once.at(3_000);
    let rings: Vec<&Heard> = at_once.heard.iter().filter(|heard| heard.what == Action::Ring).collect();
    assert_eq!(rings.len(), 1, "{:?}", at_once.rings("duty"));
    assert_eq!(rings[0].message.severity, Severity::Critical);
}

#[test]
fn a_region_that_passed_since_does_not_make_it_critical() {
    let probe = probe(Vec::new(), AlertPolicy::default());
    let mut bench = Bench::new(vec![probe], &["eu", "us"], Alerting { channels: vec![pagerduty("duty")], ..Alerting::default() });
    bench.at(0).fail("p/us").at(30).pass("p/us");
    bench.breaks(60, "p/eu").at(900);
    assert!(bench.heard.iter().all(|heard| heard.message.severity == Severity::Page), "{:?}", bench.rings("duty"));
}
