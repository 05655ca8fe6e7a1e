//! A process that dies at any point, and another that takes over: the same is said at the same times.

use super::*;
use crate::alert::muting::Paused;
use crate::plan::CanaryId;

/// When, whom and what was heard, and the key it was about.
fn said(bench: &Bench) -> Vec<(u64, String, Action, String)> {
    bench.heard.iter().map(|heard| (heard.at, heard.channel.clone(), heard.what, heard.message.key.clone())).collect()
}

/// One history with a restart at each of these seconds.
fn history(restarts: &[u64]) -> Bench {
    let alerting = Alerting { channels: vec![pagerduty("duty"), chat("chat")], ..Alerting::default() };
    let mut bench = Bench::new(vec![probe(Vec::new(), AlertPolicy::default())], &["ap", "eu", "us"], alerting);
    let ids = ["p/ap", "p/eu", "p/us"];
    // By minutes: which canaries fail; the others pass.
    let fails: [&[usize]; 20] = [
        &[1],
        &[1],
        &[1, 2],
        &[1, 2],
        &[1, 2],
        &[1],
        &[1],
        &[1],
        &[1, 0],
        &[1, 0],
        &[1],
        &[1],
        &[1, 2],
        &[2],
        &[2],
        &[],
        &[],
        &[],
        &[],
        &[],
    ];
    for (minute, fail) in (0..).zip(fails) {
        for (second, (place, id)) in (0..).zip(ids.iter().enumerate()) {
            bench.at(minute * 60 + second);
            if fail.contains(&place) {
                bench.fail(id)
            } else {
                bench.pass(id)
            };
        }
        if minute == 4 {
            let acked = bench.evaluator.acknowledge("p", "ann", None, moment_ms((minute * 60 + 2) * 1_000, 0));
            assert!(matches!(acked, crate::alert::mute::Acked::Done { .. }), "{acked:?}");
            bench.at(minute * 60 + 3);
        }
        for restart in restarts.iter().filter(|restart| (minute * 60 + 3..minute * 60 + 60).contains(*restart)) {
            bench.at(*restart).restart();
        }
    }
    bench.at(1_500);
    bench
}

#[test]
fn a_restart_at_any_minute_says_nothing_twice_and_leaves_nothing_out() {
    let whole = history(&[]);
    assert!(said(&whole).len() > 8, "{:?}", said(&whole));
    for minute in 0..20 {
        assert_eq!(said(&history(&[minute * 60 + 30])), said(&whole), "after minute {minute}");
    }
    let all: Vec<u64> = (0..20).map(|minute| minute * 60 + 4).collect();
    assert_eq!(said(&history(&all)), said(&whole), "after each minute");
}

#[test]
fn rows_of_members_and_covers_are_gone_when_an_incident_is_told_everywhere() {
    let rows = |bench: &Bench| {
        let remembered = bench.store.remembered();
        remembered.states.iter().filter(|state| state.kind == "member" || state.kind == "cover").count()
    };
    assert_eq!(rows(&history(&[])), 0);
    let mut bench = Bench::chat(&["eu"]);
    bench.breaks(0, "p/eu");
    assert_eq!(rows(&bench), 2);
    bench.answers.insert("chat".to_owned(), refuses());
    bench.mends(120, "p/eu").at(400).restart().at(500);
    assert_eq!(rows(&bench), 2, "its end is not told");
    bench.answers.clear();
    bench.at(700);
    assert_eq!((bench.came("chat", Action::End).last().is_some(), rows(&bench)), (true, 0));
}

#[test]
fn a_removal_found_at_a_start_waits_a_minute_also_when_pauses_are_made_known_meanwhile() {
    let mut bench = Bench::chat(&["eu"]);
    bench.breaks(0, "p/eu").at(100);
    bench.plan = plan(vec![quiet("q")], &["eu"]);
    bench.restart();
    let paused = Paused { by: "ann".into(), why: None, until_ms: None };
    bench.at(101).take(Event::Paused(HashMap::from([(CanaryId::read_back("q/eu"), paused)])));
    bench.at(300);
    assert_eq!(bench.came("chat", Action::End), [160]);
}
