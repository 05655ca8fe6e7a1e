//! A page that was refused once: seen before, it never came again, not after reload or restart.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::receivers::Mood;
use super::scenario::{Probe, Scenario};

const REFUSED: Mood = Mood::Refuses(404);

fn scenario(names: &[&'static str]) -> Scenario {
    let probes: Vec<Probe> = names.iter().map(|name| Probe::plain(name, "")).collect();
    Scenario::new(&["eu"], &probes, "")
}

#[test]
fn a_page_that_was_refused_comes_again_once_its_receiver_is_mended_though_nothing_else_happens() {
    let scenario = scenario(&["p"]);
    scenario.sets("pager", REFUSED);
    scenario.breaks("p", "eu", "");
    scenario.until("a refusal", |read| read.refused.get("pager").copied());
    scenario.rings(1, "probe/p");
    scenario.sets("pager", Mood::Takes);
    scenario.pages(1, "probe/p");
    scenario.told();
    scenario.mends("p", "eu", "");
    scenario.over();
    scenario.show("refused, mended");
    assert_eq!(scenario.receivers.read().paged("probe/p").len(), 1, "one outage is one page");
}

#[test]
fn it_comes_at_once_after_a_reload_and_after_a_restart() {
    let mut scenario = scenario(&["p", "q"]);
    let refusals = |scenario: &Scenario, more: usize| {
        let before = scenario.receivers.read().refused.get("pager").copied().unwrap_or_default();
        move |read: &super::receivers::Read| {
            (read.refused.get("pager").copied().unwrap_or_default() >= before + more).then_some(())
        }
    };
    scenario.sets("pager", REFUSED);
    scenario.breaks("p", "eu", "");
    scenario.until("a refusal", |read| read.refused.get("pager").copied());
    scenario.until("a refusal after a reload", {
        let refused = refusals(&scenario, 1);
        scenario.ask(&["reload"]);
        refused
    });
    scenario.sets("pager", Mood::Takes);
    let mended = Instant::now();
    scenario.ask(&["reload"]);
    scenario.pages(1, "probe/p");
    // By itself it would be asked again two minutes after it refused.
    assert!(mended.elapsed() < Duration::from_mins(1), "{}", scenario.receivers.transcript());
    scenario.told();

    let refused = refusals(&scenario, 1);
    scenario.sets("pager", REFUSED);
    scenario.breaks("q", "eu", "");
    scenario.until("q being refused", refused);
    scenario.receivers.notes("kill -9");
    scenario.service.kill();
    scenario.sets("pager", Mood::Takes);
    scenario.begin();
    scenario.pages(1, "probe/q");
    scenario.told();
    scenario.mends("p", "eu", "");
    scenario.mends("q", "eu", "");
    scenario.over();
    scenario.show("refused, reload and restart");
    // The sender died before it knew that the webhook had taken the ring: it comes again with the same id.
    let rings: BTreeSet<String> = {
        let read = scenario.receivers.read();
        let rings = read.hook.read.iter().filter(|it| it.shown["action"] == "ring" && it.shown["scope"] == "probe/q");
        rings.map(|it| it.id.clone()).collect()
    };
    assert_eq!(rings.len(), 1, "{rings:?}");
    for scope in ["probe/p", "probe/q"] {
        assert_eq!(scenario.receivers.read().paged(scope).len(), 1, "{scope} is paged once");
    }
}
