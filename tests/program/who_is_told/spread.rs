//! What spreads: seen before, it never rang on Alertmanager or PagerDuty, which deduplicate. And two Alertmanagers, one away.

use super::alertmanager::Alertmanager;
use super::desk::Desk;
use super::world::{Probe, World};
use crate::page_support::target::Target;

fn notify(urls: &[String]) -> String {
    format!("[[notify.alertmanager]]\nurls = {urls:?}\nresend = \"1s\"\n")
}

fn world(desk: Desk, probes: &[Probe], urls: &[String]) -> World {
    let target = Target::start();
    let texts: Vec<String> = probes.iter().map(|probe| probe.text(&target)).collect();
    World::of(target, desk, &["eu", "us"], &texts, &notify(urls))
}

fn heard(world: &World, count: usize, probe: &str) {
    world.until(&format!("{count} rings of {probe} at Alertmanager's receiver"), |read| {
        (read.notified(probe).len() >= count).then_some(())
    });
}

#[test]
fn a_spread_and_a_rise_ring_at_alertmanager_and_pagerduty_and_nobody_hears_the_end_before_the_end() {
    let desk = Desk::open();
    let alertmanager = Alertmanager::start(&desk);
    let probes = [Probe::plain("spread", "alert.critical = false"), Probe::plain("rise", "")];
    let world = world(desk, &probes, &[alertmanager.url()]);
    for (count, region) in [(1, "eu"), (2, "us")] {
        for probe in ["spread", "rise"] {
            world.breaks(probe, region, "");
        }
        for probe in ["spread", "rise"] {
            heard(&world, count, probe);
            world.pages(count, &format!("probe/{probe}"));
        }
    }
    world.told();
    // Half of it is well again: nobody may think that it is over.
    for probe in ["spread", "rise"] {
        world.mends(probe, "eu", "");
        world.canary(probe, "eu", "", 1.0);
        world.service.more(8.0, probe, "failed");
    }
    for probe in ["spread", "rise"] {
        let read = world.desk.read();
        assert!(read.resolved(probe).is_empty(), "{probe}: resolved too early");
        assert!(read.paged(&format!("probe/{probe}")).iter().all(|incident| incident.ended.is_none()), "{probe}");
    }
    for probe in ["spread", "rise"] {
        world.mends(probe, "us", "");
    }
    world.over();
    for probe in ["spread", "rise"] {
        world.until("Alertmanager's receiver hears of the end", |read| {
            (read.resolved(probe).len() == read.notified(probe).len()).then_some(())
        });
        let read = world.desk.read();
        assert_eq!((read.notified(probe).len(), read.paged(&format!("probe/{probe}")).len()), (2, 2), "rings of {probe}");
    }
    let severities: Vec<String> = world.desk.read().paged("probe/rise").into_iter().map(|it| it.severity).collect();
    world.show("a spread and a rise");
    assert_eq!(severities.last().map(String::as_str), Some("critical"));
}

#[test]
fn of_two_alertmanagers_that_know_each_other_one_may_be_away_and_nobody_is_rung_twice() {
    let desk = Desk::open();
    let (first, mut second) = Alertmanager::pair(&desk);
    let world = world(desk, &[Probe::plain("p", "")], &[first.url(), second.url()]);
    second.kill();
    world.desk.notes("the second one is away");
    world.breaks("p", "eu", "");
    heard(&world, 1, "p");
    world.told();
    second.run();
    world.desk.notes("it is back");
    world.service.until("the second one knows", |_| second.firing() == 1);
    world.service.more(8.0, "p", "failed");
    second.kill();
    world.desk.notes("away again");
    world.mends("p", "eu", "");
    world.over();
    world.until("the end is heard", |read| (!read.resolved("p").is_empty()).then_some(()));
    second.run();
    world.desk.notes("back again");
    world.service.more(12.0, "p", "passed");
    world.show("two Alertmanagers");
    let read = world.desk.read();
    assert_eq!(read.notified("p").len(), 1, "it rang once");
    assert!(read.notified.last().unwrap().firing.is_empty(), "the last word is that it is over");
}
