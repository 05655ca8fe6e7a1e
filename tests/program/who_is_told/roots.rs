//! What a root explains: seen before, its end paged for those that were well, and paused or flapping it swallowed other faults.

use std::time::{Duration, Instant};

use super::receivers::Receivers;
use super::scenario::{Probe, Scenario};
use crate::page_support::service::journey;
use crate::page_support::target::Target;

const NEEDS: &str = "needs = [\"login\"]";

#[test]
fn the_end_of_a_roots_outage_pages_for_no_dependent_that_was_well() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut probes = vec![Probe::plain("login", "")];
    probes.extend(names.map(|name| Probe::plain(name, NEEDS)));
    let scenario = Scenario::new(&["eu"], &probes, "");
    for name in names.iter().chain(&["login"]) {
        scenario.canary(name, "eu", "", 1.0);
    }
    for name in ["login"].iter().chain(&names) {
        scenario.breaks(name, "eu", "");
    }
    scenario.pages(1, "probe/login");
    scenario.service.more_of_each(8.0, names, "failed");
    for name in ["login"].iter().chain(&names) {
        scenario.mends(name, "eu", "");
    }
    scenario.over();
    scenario.service.more_of_each(8.0, names, "passed");
    scenario.told();
    scenario.show("a root's outage and its end");
    let read = scenario.receivers.read();
    let rang: Vec<&str> = read.pagerduty.incidents.iter().map(|incident| incident.key.as_str()).collect();
    assert_eq!(rang.len(), 1, "the root and nobody else: {rang:?}");
    let scopes: Vec<_> =
        read.hook.read.iter().filter(|it| it.shown["action"] == "ring").map(|it| it.shown["scope"].clone()).collect();
    assert!(scopes.iter().all(|scope| scope == "probe/login"), "{scopes:?}");
}

#[test]
fn a_paused_root_swallows_no_other_fault() {
    let scenario = Scenario::new(&["eu"], &[Probe::plain("login", ""), Probe::plain("a", NEEDS)], "");
    scenario.breaks("login", "eu", "");
    scenario.pages(1, "probe/login");
    scenario.ask(&["pause", "login", "--why", "known"]);
    scenario.breaks("a", "eu", "");
    scenario.pages(1, "probe/a");
    scenario.show("a paused root");
    scenario.mends("login", "eu", "");
    scenario.mends("a", "eu", "");
    scenario.ask(&["resume", "login"]);
    scenario.over();
}

#[test]
fn a_flapping_root_swallows_neither_a_lost_segment_nor_another_fault() {
    let (target, receivers) = (Target::start(), Receivers::open());
    let at = target.address;
    let segments = format!(
        "[[step]]\nname = \"members\"\nfor_each = \"segment in ['x', 'y']\"\nsubject = \"{{{{ segment }}}}\"\n\
         http.get = \"http://{at}/segments/{{{{ region }}}}/{{{{ segment }}}}\"\nexpect = [\"json.state == 'ok'\"]\n"
    );
    let probes =
        [Probe::plain("login", "").text(&target), Probe::plain("a", NEEDS).text(&target), journey("segments", NEEDS, &segments)];
    let scenario = Scenario::of(target, receivers, &["eu"], &probes, "");
    let turn = |broken: bool| {
        if broken {
            scenario.breaks("login", "eu", "");
        } else {
            scenario.mends("login", "eu", "");
        }
        scenario.service.more(4.0, "login", if broken { "failed" } else { "passed" });
    };
    turn(true);
    scenario.pages(1, "probe/login");
    scenario.breaks("segments", "eu", "x");
    scenario.breaks("a", "eu", "");
    let deadline = Instant::now() + Duration::from_mins(1);
    let told = |scope: &str| !scenario.receivers.read().paged(scope).is_empty();
    while !(told("subject/segments/x") && told("probe/a")) {
        assert!(Instant::now() < deadline, "swallowed\n{}", scenario.receivers.transcript());
        turn(false);
        turn(true);
    }
    scenario.show("a flapping root");
    scenario.mends("login", "eu", "");
    scenario.mends("segments", "eu", "x");
    scenario.mends("a", "eu", "");
    scenario.over();
}
