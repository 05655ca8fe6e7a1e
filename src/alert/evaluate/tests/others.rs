//! Members of other kinds: `across`, leaks, restarts, and results that come late.

use super::*;
use crate::alert::testing::step;
use crate::plan::{AcrossPolicy, PageRule};

fn number(number: u32) -> std::num::NonZeroU32 {
    std::num::NonZeroU32::new(number).unwrap()
}

fn bench_of(alert: AlertPolicy, regions: &[&str]) -> Bench {
    let probe = Probe { steps: vec![step("s", false)].into(), alert, ..quiet("p") };
    Bench::new(vec![probe], regions, Alerting { channels: vec![chat("chat")], ..Alerting::default() })
}

#[test]
fn across_is_one_member_its_text_counts_by_region_and_it_settles_after_a_window_below_the_rule() {
    let across = Some(AcrossPolicy { failures: number(3), of: number(6) });
    let alert = AlertPolicy { rule: PageRule::Consecutive(number(9)), across, critical: None, ..AlertPolicy::default() };
    let mut bench = bench_of(alert, &["eu", "us"]);
    bench.at(0).fail("p/eu").pass("p/us").at(60).fail("p/eu").fail("p/us");
    assert_eq!(bench.ring_times("chat"), [60]);
    let all = format!("{:?}", bench.last("chat").message);
    assert!(all.contains("eu 2 of 2") && all.contains("us 1 of 2"), "{all}");
    for minute in 2..20 {
        bench.at(minute * 60).pass("p/eu").pass("p/us");
    }
    let ends = bench.came("chat", Action::End);
    assert_eq!((bench.ring_times("chat").len(), ends.len()), (1, 1));
    assert!(ends[0] >= 240, "a whole window of six runs was below the rule: {ends:?}");
}

#[test]
fn a_leak_is_a_warning_of_its_own_and_is_well_when_it_was_swept() {
    let mut bench = Bench::chat(&["eu"]);
    let leaked = |entry: &str| Event::Leaked { probe: "p".into(), entry: entry.into(), message: "401".into() };
    bench.take(leaked("01A"));
    let first = &bench.last("chat").message;
    assert_eq!((&*first.scope, first.severity), ("leak/p", Severity::Warn));
    bench.at(10).take(leaked("01B"));
    bench.at(100).take(Event::LeakCleared { probe: "p".into(), entry: "01A".into() });
    assert!(bench.came("chat", Action::End).is_empty());
    assert_eq!(bench.ring_times("chat"), [0, 60]);
    bench.at(200).take(Event::LedgerHas(BTreeSet::default()));
    assert_eq!(bench.came("chat", Action::End), [200], "somebody else removed the other");
}

#[test]
fn a_leak_outlives_its_probe() {
    let mut bench = Bench::chat(&["eu"]);
    bench.take(Event::Leaked { probe: "p".into(), entry: "01A".into(), message: "401".into() });
    let plan = plan(vec![quiet("q")], &["eu"]);
    bench.plan = Arc::clone(&plan);
    let alerting = Arc::clone(&bench.alerting);
    bench.at(10).take(Event::Plan { plan, alerting, found: false });
    bench.at(500).restart();
    bench.at(900);
    assert!(bench.came("chat", Action::End).is_empty(), "the test data is still there");
    bench.take(Event::LeakCleared { probe: "p".into(), entry: "01A".into() });
    assert_eq!(bench.came("chat", Action::End), [900]);
}

#[test]
fn three_starts_within_a_quarter_of_an_hour_without_a_counted_run_are_told_and_end_after_ten_minutes_alive() {
    let mut bench = Bench::chat(&["eu"]);
    bench.take(Event::Started { graceful_before: true });
    for at in [60, 120] {
        bench.at(at).restart();
        bench.take(Event::Started { graceful_before: false });
    }
    let message = &bench.last("chat").message;
    assert!(message.scope.starts_with("restarts/") && message.severity == Severity::Page, "{message:?}");
    bench.at(180).pass("p/eu");
    for at in [240, 300, 360, 420, 480, 540, 600, 660, 710] {
        bench.at(at).pass("p/eu");
    }
    assert!(bench.came("chat", Action::End).is_empty());
    bench.at(800);
    assert_eq!(bench.came("chat", Action::End), [720]);
}

#[test]
fn a_result_that_comes_late_counts_in_its_ticks_place() {
    let mut bench = Bench::chat(&["eu"]);
    bench.at(0).fail("p/eu");
    bench.order += 1;
    let late = bench.order;
    bench.at(65).fail("p/eu");
    assert_eq!(bench.ring_times("chat").len(), 1, "nobody knew of the pass between them");
    bench.order = late - 1;
    bench.at(70).pass("p/eu").at(200);
    assert!(bench.came("chat", Action::End).is_empty(), "what was decided stays");
    let mut before = Bench::chat(&["eu"]);
    before.at(0).fail("p/eu");
    before.order += 1;
    before.at(61).pass("p/eu");
    before.order = 1;
    before.at(63).fail("p/eu");
    assert_eq!(before.ring_times("chat"), [63], "two in a row by their ticks, whichever ended first");
}
