//! What spreads: seen before, it never rang on Alertmanager or PagerDuty, which deduplicate. And two Alertmanagers, one away.

use super::alertmanager::Alertmanager;
use super::receivers::Receivers;
use super::scenario::{Probe, Scenario};
use crate::page_support::target::Target;

fn notify(urls: &[String]) -> String {
    format!("[[notify.alertmanager]]\nurls = {urls:?}\nresend = \"1s\"\n")
}

fn scenario(receivers: Receivers, probes: &[Probe], urls: &[String]) -> Scenario {
    let target = Target::start();
    let texts: Vec<String> = probes.iter().map(|probe| probe.text(&target)).collect();
    Scenario::of(target, receivers, &["eu", "us"], &texts, &notify(urls))
}

fn heard(scenario: &Scenario, count: usize, probe: &str) {
    scenario.until(&format!("{count} rings of {probe} at Alertmanager's receiver"), |read| {
        (read.notified(probe).len() >= count).then_some(())
    });
}

#[test]
fn a_spread_and_a_rise_ring_at_alertmanager_and_pagerduty_and_nobody_hears_the_end_before_the_end() {
    let receivers = Receivers::open();
    let alertmanager = Alertmanager::start(&receivers);
    let probes = [Probe::plain("spread", "alert.critical = false"), Probe::plain("rise", "")];
    let scenario = scenario(receivers, &probes, &[alertmanager.url()]);
    for (count, region) in [(1, "eu"), (2, "us")] {
        for probe in ["spread", "rise"] {
            scenario.breaks(probe, region, "");
        }
        for probe in ["spread", "rise"] {
            heard(&scenario, count, probe);
            scenario.pages(count, &format!("probe/{probe}"));
        }
    }
    scenario.told();
    // Half of it is well again: nobody may think that it is over.
    for probe in ["spread", "rise"] {
        scenario.mends(probe, "eu", "");
        scenario.canary(probe, "eu", "", 1.0);
        scenario.service.more(8.0, probe, "failed");
    }
    for probe in ["spread", "rise"] {
        let read = scenario.receivers.read();
        assert!(read.resolved(probe).is_empty(), "{probe}: resolved too early");
        assert!(read.paged(&format!("probe/{probe}")).iter().all(|incident| incident.ended.is_none()), "{probe}");
    }
    for probe in ["spread", "rise"] {
        scenario.mends(probe, "us", "");
    }
    scenario.over();
    for probe in ["spread", "rise"] {
        scenario.until("Alertmanager's receiver hears of the end", |read| {
            (read.resolved(probe).len() == read.notified(probe).len()).then_some(())
        });
        let read = scenario.receivers.read();
        assert_eq!((read.notified(probe).len(), read.paged(&format!("probe/{probe}")).len()), (2, 2), "rings of {probe}");
    }
    let severities: Vec<String> = scenario.receivers.read().paged("probe/rise").into_iter().map(|it| it.severity).collect();
    scenario.show("a spread and a rise");
    assert_eq!(severities.last().map(String::as_str), Some("critical"));
}

#[test]
fn of_two_alertmanagers_that_know_each_other_one_may_be_away_and_nobody_is_rung_twice() {
    let receivers = Receivers::open();
    let (first, mut second) = Alertmanager::pair(&receivers);
    let scenario = scenario(receivers, &[Probe::plain("p", "")], &[first.url(), second.url()]);
    second.kill();
    scenario.receivers.notes("the second one is away");
    scenario.breaks("p", "eu", "");
    heard(&scenario, 1, "p");
    scenario.told();
    second.run();
    scenario.receivers.notes("it is back");
    scenario.service.until("the second one knows", |_| second.firing() == 1);
    scenario.service.more(8.0, "p", "failed");
    second.kill();
    scenario.receivers.notes("away again");
    scenario.mends("p", "eu", "");
    scenario.over();
    scenario.until("the end is heard", |read| (!read.resolved("p").is_empty()).then_some(()));
    second.run();
    scenario.receivers.notes("back again");
    scenario.service.more(12.0, "p", "passed");
    scenario.show("two Alertmanagers");
    let read = scenario.receivers.read();
    assert_eq!(read.notified("p").len(), 1, "it rang once");
    assert!(read.notified.last().unwrap().firing.is_empty(), "the last word is that it is over");
}
