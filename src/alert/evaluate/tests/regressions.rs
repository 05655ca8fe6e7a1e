//! Histories in which somebody was not told, was told what was not so, or something stayed open; each was found in a review.
use super::*;
use crate::alert::mute::Closed;
use crate::alert::testing::moment;
use crate::plan::AcrossPolicy;
use std::num::NonZeroU32;

fn nz(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn reload(bench: &mut Bench, probes: Vec<Probe>, regions: &[&str], found: bool) {
    bench.plan = plan(probes, regions);
    let (plan, alerting) = (Arc::clone(&bench.plan), Arc::clone(&bench.alerting));
    bench.take(Event::Plan { plan, alerting, found });
}

#[test]
fn paused_no_data_is_not_rung_by_a_restart() {
    let mut bench = Bench::chat(&["eu", "us", "ap"]);
    for id in ["p/eu", "p/us", "p/ap"] {
        bench.pass(id);
    }
    for at in [60, 120, 180] {
        bench.at(at).misses("p/eu", Reason::Secret).pass("p/us").pass("p/ap");
    }
    assert_eq!(bench.ring_times("chat"), [120]);
    bench.at(200).take(paused(&["p/eu"]));
    bench.at(2_000).restart_with(&["p/eu"]);
    bench.at(2_100);
    assert_eq!(bench.ring_times("chat"), [120], "{:?}", bench.rings("chat"));
}

#[test]
fn a_paused_region_does_not_make_it_critical_at_a_restart() {
    let probe = probe(Vec::new(), AlertPolicy::default());
    let mut bench = Bench::new(vec![probe], &["eu", "us"], Alerting { channels: vec![pagerduty("duty")], ..Alerting::default() });
    bench.take(paused(&["p/us"]));
    bench.breaks(0, "p/us");
    bench.breaks(100, "p/eu").at(300);
    assert_eq!(bench.ring_times("duty"), [160]);
    bench.restart_with(&["p/us"]);
    bench.at(1_000);
    let said: Vec<_> = bench.heard.iter().map(|h| (h.at, h.what, h.message.severity, h.message.title.clone())).collect();
    assert!(bench.heard.iter().all(|h| h.message.severity == Severity::Page), "{said:?}");
}

#[test]
fn a_rule_that_a_found_reload_takes_away_ends() {
    for found in [false, true] {
        let with = || {
            let mut p = quiet("p");
            p.alert.across = Some(AcrossPolicy { failures: nz(3), of: nz(6) });
            p.alert.rule = crate::plan::PageRule::Consecutive(nz(5));
            p
        };
        let mut bench = Bench::new(vec![with()], &["eu", "us"], Alerting { channels: vec![chat("chat")], ..Alerting::default() });
        bench.at(0).fail("p/eu").at(30).fail("p/us").at(60).fail("p/eu").at(100);
        assert_eq!(bench.ring_times("chat").len(), 1);
        let mut without = with();
        without.alert.across = None;
        reload(&mut bench, vec![without], &["eu", "us"], found);
        for minute in 2..60 {
            bench.at(minute * 60).pass("p/eu").pass("p/us");
        }
        assert_eq!(bench.came("chat", Action::End).len(), 1, "found: {found}");
    }
}

#[test]
fn a_page_after_a_ring_at_warn_is_rung() {
    let low = || {
        let mut p = quiet("p");
        p.alert.page = false;
        p
    };
    let mut bench = Bench::new(vec![quiet("p")], &["eu"], Alerting { channels: vec![pagerduty("duty")], ..Alerting::default() });
    bench.answers.insert("duty".to_owned(), refuses());
    bench.breaks(0, "p/eu").at(70);
    reload(&mut bench, vec![low()], &["eu"], false);
    bench.answers.clear();
    bench.at(200);
    let taken = bench.heard.last().unwrap();
    assert_eq!(taken.message.severity, Severity::Warn);
    let before = bench.ring_times("duty").len();
    reload(&mut bench, vec![quiet("p")], &["eu"], false);
    for minute in 4..60 {
        bench.at(minute * 60).fail("p/eu");
    }
    assert!(bench.ring_times("duty").len() > before, "{:?}", bench.rings("duty"));
}

#[test]
fn what_waits_behind_retry_after_is_escalated_after_five_minutes() {
    let alerting =
        Alerting { channels: vec![pagerduty("duty"), chat("chat")], routes: vec![route(&["duty"])], ..Alerting::default() };
    let mut bench = Bench::new(vec![quiet("p"), quiet("q")], &["eu"], alerting);
    let busy = Refusal { message: "429".to_owned(), kind: RefusalKind::Busy(Some(Duration::from_mins(50))) };
    bench.answers.insert("duty".to_owned(), Outcome::Refused(busy));
    bench.breaks(0, "p/eu").breaks(100, "q/eu").at(1_500);
    let chat: Vec<_> = bench.heard.iter().filter(|h| h.channel == "chat").map(|h| (h.at, h.message.scope.clone())).collect();
    assert!(chat.iter().any(|(_, scope)| scope == "probe/q"), "{chat:?}");
}

#[test]
fn a_time_in_the_future_counts_as_now_in_what_is_remembered() {
    use crate::alert::scope_records::ScopeRecords;
    use crate::history::RestoredState;
    let year = 31_536_000_000u64;
    let now = moment(1_000);
    let at = u64::try_from(now.steady.as_millis()).unwrap() + year;
    let json = format!(r#"{{"number":3,"used":{at},"began":{{"canary/p/eu":[{at},{at},{at}]}},"rang":{{"chat":{at}}}}}"#);
    let state = RestoredState { kind: "scope".to_owned(), key: "probe/p".to_owned(), json };
    let records = ScopeRecords::restore(&[state], false, now.steady);
    let rule = Alerting::default().flapping;
    let not_before = records.not_before("probe/p", "chat", &rule).unwrap();
    assert!(not_before <= now.steady + rule.hold, "{:?} later", not_before.saturating_sub(now.steady));
}

#[test]
fn what_is_without_data_can_be_closed_also_where_its_region_is_blind() {
    let mut p = quiet("p");
    p.alert.across = Some(AcrossPolicy { failures: nz(2), of: nz(4) });
    let mut bench = Bench::new(vec![p], &["eu"], Alerting { channels: vec![chat("chat")], ..Alerting::default() });
    bench.breaks(0, "p/eu");
    for at in [120, 180, 240] {
        bench.at(at).misses("p/eu", Reason::Secret);
    }
    bench.at(400);
    let scopes: Vec<_> = bench.heard.iter().map(|h| h.message.scope.clone()).collect();
    assert!(scopes.contains(&"blind/eu".to_owned()), "{scopes:?}");
    let closed = bench.evaluator.close("probe/p", "ann", "gone", moment(400));
    assert!(matches!(closed, Closed::Done { .. }), "{closed:?}");
}

#[test]
fn an_acknowledgement_in_the_future_acknowledges_nothing_new() {
    let mut bench =
        Bench::new(vec![quiet("p")], &["eu", "us", "ap"], Alerting { channels: vec![pagerduty("duty")], ..Alerting::default() });
    bench.breaks(10_000, "p/eu").at(10_100);
    bench.evaluator.acknowledge("p", "ann", None, moment(10_100));
    bench.at(10_110);
    let acks = bench.came("duty", Action::Acknowledge).len();
    assert_eq!(acks, 1);
    // The clock was an hour ahead.
    bench.now = 6_500_000;
    bench.restart();
    bench.breaks(6_600, "p/us").at(6_800);
    assert_eq!(bench.ring_times("duty").len(), 2);
    assert_eq!(
        bench.came("duty", Action::Acknowledge).len(),
        acks,
        "{:?}",
        bench.heard.iter().map(|h| (h.at, h.what, h.message.key.clone())).collect::<Vec<_>>()
    );
}

#[test]
fn a_removed_probe_goes_to_nobody_it_was_not_routed_to() {
    for at_start in [false, true] {
        let of_p = Route { probes: vec!["p".into()], ..route(&["duty"]) };
        let rest = Route { probes: vec!["q".into()], ..route(&["other"]) };
        let alerting =
            Alerting { channels: vec![pagerduty("duty"), pagerduty("other")], routes: vec![of_p, rest], ..Alerting::default() };
        let mut bench = Bench::new(vec![quiet("p")], &["eu"], alerting);
        bench.breaks(0, "p/eu").at(100);
        assert_eq!(bench.ring_times("duty"), [60]);
        if at_start {
            bench.plan = plan(vec![quiet("q")], &["eu"]);
            bench.restart();
        } else {
            bench.unplan(&["eu"], true);
        }
        bench.at(300);
        assert_eq!(bench.rings("other"), [], "at a start: {at_start}");
    }
}

#[test]
fn who_is_without_data_in_a_blind_region_is_told_to_its_owner() {
    let of_a = Route { owners: vec!["a".into()], ..route(&["a"]) };
    let alerting = Alerting {
        channels: vec![pagerduty("a"), pagerduty("rest")],
        routes: vec![of_a, route(&["rest"])],
        ..Alerting::default()
    };
    let mut p = quiet("p");
    p.owner = Some("a".to_owned());
    let mut bench = Bench::new(vec![p], &["eu"], alerting);
    bench.at(0).pass("p/eu");
    for at in [60, 120, 180] {
        bench.at(at).misses("p/eu", Reason::Secret);
    }
    bench.at(400);
    assert!(!bench.ring_times("a").is_empty(), "{:?}", bench.rings("rest"));
}

#[test]
fn the_shortest_text_is_tried_for_what_was_unheard_too() {
    let alerting = Alerting { channels: vec![chat("chat")], ..Alerting::default() };
    let mut bench = Bench::new(vec![quiet("p")], &["eu"], alerting);
    bench.answers.insert("chat".to_owned(), refuses());
    bench.breaks(0, "p/eu").mends(120, "p/eu");
    let bad = Refusal { message: "413".to_owned(), kind: RefusalKind::Unreadable };
    bench.answers.insert("chat".to_owned(), Outcome::Refused(bad));
    let mut shortest = Vec::new();
    for second in (250..2_000).step_by(10) {
        bench.now = second * 1_000;
        let now = moment_ms(bench.now, 0);
        for outgoing in bench.evaluator.finish(now).tries {
            shortest.push(outgoing.shortest);
            let (channel, id) = (Arc::clone(&outgoing.attempt.channel), outgoing.attempt.id);
            let outcome = bench.answers["chat"].clone();
            bench.evaluator.take(Event::Completed { channel, id, outcome, chance: 0.5 }, now);
        }
    }
    assert!(shortest.contains(&true), "{shortest:?}");
}

#[test]
fn the_heartbeat_goes_on_where_all_is_paused_at_a_start() {
    let mut bench = Bench::chat(&["eu"]);
    bench.take(paused(&["p/eu"]));
    bench.at(3_000);
    let backlog = bench.evaluator.backlog(moment_ms(3_000_000, 0));
    assert!(backlog.run_ended || backlog.run_expected.is_none_or(|at| at > moment(3_000).steady), "{:?}", backlog.run_expected);
}

#[test]
fn a_removed_rule_is_not_told_as_well_again() {
    let with = |across| {
        let mut p = quiet("p");
        p.alert.across = across;
        p.alert.rule = crate::plan::PageRule::Consecutive(nz(5));
        p
    };
    let rule = Some(AcrossPolicy { failures: nz(3), of: nz(6) });
    let mut bench = Bench::new(vec![with(rule)], &["eu", "us"], Alerting { channels: vec![chat("chat")], ..Alerting::default() });
    bench.at(0).fail("p/eu").at(30).fail("p/us").at(60).fail("p/eu").at(100);
    reload(&mut bench, vec![with(None)], &["eu", "us"], false);
    bench.at(110);
    let last = bench.last("chat");
    assert!(!last.message.title.contains("well again"), "{}", last.message.title);
}

#[test]
fn a_channel_that_was_mended_before_a_start_is_well() {
    let alerting = Alerting { channels: vec![pagerduty("duty"), chat("chat")], ..Alerting::default() };
    let mut bench = Bench::new(vec![quiet("p")], &["eu"], alerting);
    bench.answers.insert("duty".to_owned(), refuses());
    bench.breaks(0, "p/eu").at(400);
    bench.mends(420, "p/eu").at(900);
    let kind = ChannelKind::PagerDuty { routing_key: "another".into(), url: "https://events.example.com".to_owned() };
    let duty = Arc::new(Channel { kind, ..Arc::into_inner(pagerduty("duty")).unwrap() });
    bench.alerting = Arc::new(Alerting { channels: vec![duty, chat("chat")], ..Alerting::default() });
    bench.answers.clear();
    bench.restart().at(100_000);
    let ends: Vec<_> =
        bench.heard.iter().filter(|h| h.channel == "chat").map(|h| (h.at, h.what, h.message.scope.clone())).collect();
    assert!(ends.iter().any(|(_, what, scope)| *what == Action::End && scope == "channel/duty"), "{ends:?}");
}

#[test]
fn a_budget_that_burns_on_over_a_restart_does_not_end_and_ring_again() {
    use crate::plan::Slo;
    let history = |restarts: bool| {
        let p = Probe {
            slo: Some(Slo { success: Some(0.99), degraded: None, latency: None, window: Duration::from_hours(24 * 30) }),
            ..quiet("p")
        };
        let mut bench = Bench::new(vec![p], &["eu"], Alerting { channels: vec![chat("chat")], ..Alerting::default() });
        for minute in 0..90 {
            bench.at(minute * 60).pass("p/eu");
        }
        for time in 0..90 {
            let from = 5_400 + time * 120;
            bench.at(from).fail("p/eu").at(from + 60).pass("p/eu");
            if restarts && time == 40 {
                bench.at(from + 70).restart();
            }
        }
        let said: Vec<_> = bench.heard.iter().map(|h| (h.at, h.what, h.message.severity, h.message.title.clone())).collect();
        said
    };
    let (whole, again) = (history(false), history(true));
    assert_eq!(
        again.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>(),
        whole.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>(),
        "{again:#?}\n{whole:#?}"
    );
}

#[test]
fn a_channel_that_was_removed_while_it_failed_is_not_failing_when_it_is_there_again() {
    let alerting = Alerting { channels: vec![chat("chat"), chat("other")], ..Alerting::default() };
    let mut bench = Bench::new(vec![quiet("p")], &["eu"], alerting);
    bench.answers.insert("chat".to_owned(), refuses());
    bench.breaks(0, "p/eu").at(400);
    bench.mends(420, "p/eu").at(900);
    bench.channels(vec![chat("other")]).at(1_000);
    bench.answers.clear();
    bench.restart().at(100_000);
    bench.alerting = Arc::new(Alerting { channels: vec![chat("chat"), chat("other")], ..Alerting::default() });
    let before = bench.heard.len();
    bench.restart().at(200_000);
    let said: Vec<_> = bench.heard[before..].iter().map(|h| (h.at, h.channel.clone(), h.what, h.message.title.clone())).collect();
    assert!(said.iter().all(|it| it.2 != Action::Ring), "{said:?}");
}

#[test]
fn a_suspect_that_was_told_and_crosses_much_later_rings() {
    for returns in [false, true] {
        let mut p = quiet("p");
        p.alert.rule = crate::plan::PageRule::Window { failures: nz(2), of: nz(20) };
        let mut bench = Bench::new(vec![p], &["eu", "us"], Alerting { channels: vec![chat("chat")], ..Alerting::default() });
        bench.answers.insert("chat".to_owned(), refuses());
        for minute in 0..60u64 {
            let fails = (returns && minute < 2) || minute == 22 || minute == 36;
            bench.at(minute * 60).fail("p/eu");
            if fails {
                bench.fail("p/us")
            } else {
                bench.pass("p/us")
            };
            if minute == 22 {
                bench.at(minute * 60 + 10).answers.clear();
            }
        }
        let rings: Vec<_> = bench.rings("chat").into_iter().filter(|(at, _)| *at >= 36 * 60).collect();
        assert!(
            !rings.is_empty(),
            "returns: {returns}: {:?}",
            bench
                .heard
                .iter()
                .rev()
                .take(3)
                .map(|h| (h.at, h.message.title.clone(), h.message.apart.clone()))
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn restarts_do_not_forget_what_burned_the_budget() {
    use crate::plan::Slo;
    let history = |every: u64| {
        let p = Probe {
            slo: Some(Slo { success: Some(0.99), degraded: None, latency: None, window: Duration::from_hours(24 * 30) }),
            ..quiet("p")
        };
        let mut bench = Bench::new(vec![p], &["eu"], Alerting { channels: vec![chat("chat")], ..Alerting::default() });
        for minute in 0..360u64 {
            bench.at(minute * 60);
            if minute >= 10 && minute % 5 == 0 {
                bench.fail("p/eu")
            } else {
                bench.pass("p/eu")
            };
            if every > 0 && minute % every == every - 1 {
                bench.at(minute * 60 + 30).restart();
            }
        }
        bench.rings("chat").first().map(|it| it.0 / 60)
    };
    let whole = history(0);
    let some: Vec<_> = [30, 20, 45].map(history).to_vec();
    assert!(some.iter().all(|it| it.is_some_and(|it| it <= whole.unwrap() + 15)), "{whole:?} {some:?}");
}

#[test]
fn k_of_n_is_never_said_to_fail_where_its_last_run_passed() {
    let mut p = quiet("p");
    p.alert.rule = crate::plan::PageRule::Window { failures: nz(2), of: nz(6) };
    let mut bench = Bench::new(vec![p], &["eu", "us"], Alerting { channels: vec![chat("chat")], ..Alerting::default() });
    bench.answers.insert("chat".to_owned(), refuses());
    bench.at(0).fail("p/eu").pass("p/us").at(60).fail("p/eu").pass("p/us").at(120).pass("p/eu").fail("p/us");
    bench.answers.clear();
    bench.at(300);
    let title = &bench.last("chat").message.title;
    assert!(!title.contains("fails"), "{title}");
}

#[test]
fn a_restart_does_not_count_a_failed_run_twice() {
    for micros in [0, 400] {
        let d = Probe { needs: vec!["r".into()], ..quiet("d") };
        let mut bench = Bench::new(
            vec![d, quiet("r")],
            &["eu", "us"],
            Alerting { channels: vec![pagerduty("pager")], ..Alerting::default() },
        );
        bench.breaks(0, "r/eu").at(70).fail("d/eu").at(120).fail("r/eu").at(130).fail("d/eu");
        bench.at(180).fail("r/eu").at(190).fail("d/eu").at(195).pass("r/eu").at(250).fail("d/eu").at(255);
        assert_eq!(bench.rings("pager").len(), 1);
        let now = moment_ms(260_000, 0);
        let more = Duration::from_micros(micros);
        let now = crate::alert::Moment { steady: now.steady + more, wall: now.wall + more };
        bench.evaluator = Evaluator::new(&bench.plan, &bench.alerting, &bench.store.remembered(), now);
        let rung: Vec<_> = bench.evaluator.finish(now).tries.into_iter().map(|it| (it.attempt.what, it.message.title)).collect();
        assert!(rung.iter().all(|it| it.0 != Action::Ring), "{micros}: {rung:?}");
    }
}

#[test]
fn at_a_start() {
    let of_p = Route { probes: vec!["p".into()], ..route(&["duty"]) };
    let rest = Route { probes: vec!["q".into()], ..route(&["other"]) };
    let alerting =
        Alerting { channels: vec![pagerduty("duty"), pagerduty("other")], routes: vec![of_p, rest], ..Alerting::default() };
    let mut bench = Bench::new(vec![quiet("p")], &["eu"], alerting);
    bench.breaks(0, "p/eu").at(100);
    bench.plan = plan(vec![quiet("q")], &["eu"]);
    bench.restart().at(300);
    assert_eq!(bench.rings("other"), []);
}

#[test]
fn a_suspect_that_was_told_and_had_failed_untold_before_is_covered_if_it_fails_again_soon() {
    let mut p = quiet("p");
    p.alert.rule = crate::plan::PageRule::Window { failures: nz(2), of: nz(20) };
    let mut bench = Bench::new(vec![p], &["eu", "us"], Alerting { channels: vec![chat("chat")], ..Alerting::default() });
    bench.answers.insert("chat".to_owned(), refuses());
    for minute in 0..60u64 {
        bench.at(minute * 60).fail("p/eu");
        if minute < 2 || minute == 22 || minute == 26 {
            bench.fail("p/us")
        } else {
            bench.pass("p/us")
        };
        if minute == 22 {
            bench.at(minute * 60 + 10).answers.clear();
        }
    }
    let rung = bench.rings("chat").into_iter().filter(|(at, _)| *at >= 26 * 60);
    assert_eq!(rung.collect::<Vec<_>>(), [], "four minutes after the ring that said that it had failed once");
}
