//! Several places of one probe: seen before, what was named once, acknowledged, paused or flapping spoke for all others.

use serde_json::Value;

use super::world::{Probe, World};

const KINDS: &[&str] = &["ios", "android"];

fn mobile(more: &'static str) -> Probe {
    Probe { name: "mobile", cells: KINDS, more }
}

/// A ring in which both kinds fail and somebody is at one of them; then all is well.
fn both_are_told(world: &World, ring: &Value) {
    assert_eq!(ring["members_total"], 2, "all that fails is told: {ring:#}");
    let apart = ring["apart"].to_string();
    assert!(apart.contains("acknowledged by ann") && apart.contains("kind=ios"), "{ring:#}");
    assert!(!apart.contains("kind=android"), "what is new is not said to be acknowledged: {ring:#}");
    for kind in KINDS {
        world.mends("mobile", "eu", kind);
    }
    world.over();
}

#[test]
fn what_recovers_and_breaks_again_while_something_else_is_acknowledged_is_told() {
    let world = World::new(&["eu"], &[mobile("")], "");
    for kind in KINDS {
        world.breaks("mobile", "eu", kind);
    }
    for kind in KINDS {
        // One failed run is not enough: a suspect that passes again has not recovered, it never failed.
        world.stands(kind, "failing");
    }
    let before = world.rings(1, "probe/mobile").len();
    world.told();
    world.ask(&["ack", &world.incident("probe/mobile"), "--by", "ann"]);
    world.mends("mobile", "eu", "android");
    world.stands("android", "recovered");
    let so_far = world.desk.read().hooks("ring", "probe/mobile").len();
    assert!(so_far <= before + 1, "an acknowledgement rings nobody\n{}", world.desk.story());
    world.breaks("mobile", "eu", "android");
    let ring = world.rings(so_far + 1, "probe/mobile").pop().unwrap();
    both_are_told(&world, &ring);
    world.show("android again while ios is acknowledged");
}

#[test]
fn a_paused_region_mutes_no_other() {
    let world = World::new(&["eu", "us"], &[Probe::plain("p", "alert.critical = false")], "");
    world.breaks("p", "us", "");
    world.pages(1, "probe/p");
    world.ask(&["pause", "p/us", "--why", "it moves"]);
    world.told();
    world.breaks("p", "eu", "");
    world.pages(2, "probe/p");
    let ring = world.rings(2, "probe/p").pop().unwrap();
    let title = ring["title"].as_str().unwrap();
    assert!(title.contains("eu") && !title.contains("us"), "{ring:#}");
    assert!(ring["apart"].to_string().contains("us"), "what is muted is said apart: {ring:#}");
    for region in ["eu", "us"] {
        world.mends("p", region, "");
    }
    world.ask(&["resume", "p/us"]);
    world.over();
    world.show("a paused region");
    assert_eq!(world.desk.read().paged("probe/p").len(), 2, "a resumed region that is well rings nobody");
}

#[test]
fn what_flaps_and_is_acknowledged_does_not_mute_the_real_outage() {
    let world = World::new(&["eu"], &[mobile("")], "[alerting]\nflapping = { hold = \"15s\" }\n");
    for outage in 1..=3 {
        world.breaks("mobile", "eu", "ios");
        world.rings(outage, "probe/mobile");
        world.told();
        if outage < 3 {
            world.mends("mobile", "eu", "ios");
            world.over();
        }
    }
    world.ask(&["ack", &world.incident("probe/mobile"), "--by", "ann"]);
    world.breaks("mobile", "eu", "android");
    let ring = world.rings(4, "probe/mobile").pop().unwrap();
    assert_eq!(ring["title"], "mobile fails in eu (2 of 2 canaries)", "an outage does not come and go: {ring:#}");
    both_are_told(&world, &ring);
    world.show("flapping, acknowledged, then an outage");
}

#[test]
fn a_region_that_failed_once_and_passed_33_times_is_neither_failing_nor_a_reason_to_be_critical() {
    let world = World::new(&["eu", "us"], &[Probe::plain("p", "")], "");
    world.breaks("p", "us", "");
    let failed = |region| world.service.metric("serinus_runs_total", &[("region", region), ("verdict", "failed")]);
    world.service.until("one failed run in us", |_| failed("us") >= 1.0);
    world.mends("p", "us", "");
    let passed = |region| world.service.metric("serinus_runs_total", &[("region", region), ("verdict", "passed")]);
    let before = passed("us");
    world.service.until("33 passes in us", |_| passed("us") >= before + 33.0);
    let so_far = world.desk.read().hooks("ring", "probe/p").len();
    world.breaks("p", "eu", "");
    let ring = world.rings(so_far + 1, "probe/p").pop().unwrap();
    let more = failed("eu") + 8.0;
    world.service.until("eight more failures in eu", |_| failed("eu") >= more);
    world.told();
    world.show("33 of 33");
    for ring in &world.desk.read().hooks("ring", "probe/p")[so_far..] {
        assert_eq!(ring["severity"], "page", "{ring:#}");
        assert_eq!(ring["regions"], serde_json::json!(["eu"]), "{ring:#}");
    }
    assert!(!ring["failing"].to_string().contains("us:"), "{ring:#}");
    world.mends("p", "eu", "");
    world.over();
}
