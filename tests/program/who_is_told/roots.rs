//! What a root explains: seen before, its end paged for those that were well, and paused or flapping it swallowed other faults.

use std::time::{Duration, Instant};

use super::desk::Desk;
use super::world::{Probe, World};
use crate::page_support::service::journey;
use crate::page_support::target::Target;

const NEEDS: &str = "needs = [\"login\"]";

#[test]
fn the_end_of_a_roots_outage_pages_for_no_dependent_that_was_well() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut probes = vec![Probe::plain("login", "")];
    probes.extend(names.map(|name| Probe::plain(name, NEEDS)));
    let world = World::new(&["eu"], &probes, "");
    for name in names.iter().chain(&["login"]) {
        world.canary(name, "eu", "", 1.0);
    }
    for name in ["login"].iter().chain(&names) {
        world.breaks(name, "eu", "");
    }
    world.pages(1, "probe/login");
    world.service.more_of_each(8.0, names, "failed");
    for name in ["login"].iter().chain(&names) {
        world.mends(name, "eu", "");
    }
    world.over();
    world.service.more_of_each(8.0, names, "passed");
    world.told();
    world.show("a root's outage and its end");
    let read = world.desk.read();
    let rang: Vec<&str> = read.pagerduty.incidents.iter().map(|incident| incident.key.as_str()).collect();
    assert_eq!(rang.len(), 1, "the root and nobody else: {rang:?}");
    let scopes: Vec<_> =
        read.hook.read.iter().filter(|it| it.shown["action"] == "ring").map(|it| it.shown["scope"].clone()).collect();
    assert!(scopes.iter().all(|scope| scope == "probe/login"), "{scopes:?}");
}

#[test]
fn a_paused_root_swallows_no_other_fault() {
    let world = World::new(&["eu"], &[Probe::plain("login", ""), Probe::plain("a", NEEDS)], "");
    world.breaks("login", "eu", "");
    world.pages(1, "probe/login");
    world.ask(&["pause", "login", "--why", "known"]);
    world.breaks("a", "eu", "");
    world.pages(1, "probe/a");
    world.show("a paused root");
    world.mends("login", "eu", "");
    world.mends("a", "eu", "");
    world.ask(&["resume", "login"]);
    world.over();
}

#[test]
fn a_flapping_root_swallows_neither_a_lost_segment_nor_another_fault() {
    let (target, desk) = (Target::start(), Desk::open());
    let at = target.address;
    let segments = format!(
        "[[step]]\nname = \"members\"\nfor_each = \"segment in ['x', 'y']\"\nsubject = \"{{{{ segment }}}}\"\n\
         http.get = \"http://{at}/segments/{{{{ region }}}}/{{{{ segment }}}}\"\nexpect = [\"json.state == 'ok'\"]\n"
    );
    let probes =
        [Probe::plain("login", "").text(&target), Probe::plain("a", NEEDS).text(&target), journey("segments", NEEDS, &segments)];
    let world = World::of(target, desk, &["eu"], &probes, "");
    let turn = |broken: bool| {
        if broken {
            world.breaks("login", "eu", "");
        } else {
            world.mends("login", "eu", "");
        }
        world.service.more(4.0, "login", if broken { "failed" } else { "passed" });
    };
    turn(true);
    world.pages(1, "probe/login");
    world.breaks("segments", "eu", "x");
    world.breaks("a", "eu", "");
    let deadline = Instant::now() + Duration::from_mins(1);
    let told = |scope: &str| !world.desk.read().paged(scope).is_empty();
    while !(told("subject/segments/x") && told("probe/a")) {
        assert!(Instant::now() < deadline, "swallowed\n{}", world.desk.story());
        turn(false);
        turn(true);
    }
    world.show("a flapping root");
    world.mends("login", "eu", "");
    world.mends("segments", "eu", "x");
    world.mends("a", "eu", "");
    world.over();
}
