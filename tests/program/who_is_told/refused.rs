//! A page that was refused once: seen before, it never came again, not after reload or restart.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::desk::Mood;
use super::world::{Probe, World};

const REFUSED: Mood = Mood::Refuses(404);

fn world(names: &[&'static str]) -> World {
    let probes: Vec<Probe> = names.iter().map(|name| Probe::plain(name, "")).collect();
    World::new(&["eu"], &probes, "")
}

#[test]
fn a_page_that_was_refused_comes_again_once_its_receiver_is_mended_though_nothing_else_happens() {
    let world = world(&["p"]);
    world.sets("pager", REFUSED);
    world.breaks("p", "eu", "");
    world.until("a refusal", |read| read.refused.get("pager").copied());
    world.rings(1, "probe/p");
    world.sets("pager", Mood::Takes);
    world.pages(1, "probe/p");
    world.told();
    world.mends("p", "eu", "");
    world.over();
    world.show("refused, mended");
    assert_eq!(world.desk.read().paged("probe/p").len(), 1, "one outage is one page");
}

#[test]
fn it_comes_at_once_after_a_reload_and_after_a_restart() {
    let mut world = world(&["p", "q"]);
    let refusals = |world: &World, more: usize| {
        let before = world.desk.read().refused.get("pager").copied().unwrap_or_default();
        move |read: &super::desk::Read| (read.refused.get("pager").copied().unwrap_or_default() >= before + more).then_some(())
    };
    world.sets("pager", REFUSED);
    world.breaks("p", "eu", "");
    world.until("a refusal", |read| read.refused.get("pager").copied());
    world.until("a refusal after a reload", {
        let refused = refusals(&world, 1);
        world.ask(&["reload"]);
        refused
    });
    world.sets("pager", Mood::Takes);
    let mended = Instant::now();
    world.ask(&["reload"]);
    world.pages(1, "probe/p");
    // By itself it would be asked again two minutes after it refused.
    assert!(mended.elapsed() < Duration::from_mins(1), "{}", world.desk.story());
    world.told();

    let refused = refusals(&world, 1);
    world.sets("pager", REFUSED);
    world.breaks("q", "eu", "");
    world.until("q being refused", refused);
    world.desk.notes("kill -9");
    world.service.kill();
    world.sets("pager", Mood::Takes);
    world.begin();
    world.pages(1, "probe/q");
    world.told();
    world.mends("p", "eu", "");
    world.mends("q", "eu", "");
    world.over();
    world.show("refused, reload and restart");
    // The sender died before it knew that the webhook had taken the ring: it comes again with the same id.
    let rings: BTreeSet<String> = {
        let read = world.desk.read();
        let rings = read.hook.read.iter().filter(|it| it.shown["action"] == "ring" && it.shown["scope"] == "probe/q");
        rings.map(|it| it.id.clone()).collect()
    };
    assert_eq!(rings.len(), 1, "{rings:?}");
    for scope in ["probe/p", "probe/q"] {
        assert_eq!(world.desk.read().paged(scope).len(), 1, "{scope} is paged once");
    }
}
