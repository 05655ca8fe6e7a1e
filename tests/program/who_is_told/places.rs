//! Several places of one probe: seen before, what was named once, acknowledged, paused or flapping spoke for all others.

use serde_json::Value;

use super::scenario::{Probe, Scenario};

const KINDS: &[&str] = &["ios", "android"];

fn mobile(more: &'static str) -> Probe {
    Probe { name: "mobile", cells: KINDS, more }
}

/// A ring in which both kinds fail and somebody is at one of them; then all is well.
fn both_are_told(scenario: &Scenario, ring: &Value) {
    assert_eq!(ring["members_total"], 2, "all that fails is told: {ring:#}");
    let apart = ring["apart"].to_string();
    assert!(apart.contains("acknowledged by ann") && apart.contains("kind=ios"), "{ring:#}");
    assert!(!apart.contains("kind=android"), "what is new is not said to be acknowledged: {ring:#}");
    for kind in KINDS {
        scenario.mends("mobile", "eu", kind);
    }
    scenario.over();
}

#[test]
fn what_recovers_and_breaks_again_while_something_else_is_acknowledged_is_told() {
    let scenario = Scenario::new(&["eu"], &[mobile("")], "");
    for kind in KINDS {
        scenario.breaks("mobile", "eu", kind);
    }
    for kind in KINDS {
        // One failed run is not enough: a suspect that passes again has not recovered, it never failed.
        scenario.stands(kind, "failing");
    }
    let before = scenario.rings(1, "probe/mobile").len();
    scenario.told();
    scenario.ask(&["ack", &scenario.incident("probe/mobile"), "--by", "ann"]);
    scenario.mends("mobile", "eu", "android");
    scenario.stands("android", "recovered");
    let so_far = scenario.receivers.read().hooks("ring", "probe/mobile").len();
    assert!(so_far <= before + 1, "an acknowledgement rings nobody\n{}", scenario.receivers.transcript());
    scenario.breaks("mobile", "eu", "android");
    let ring = scenario.rings(so_far + 1, "probe/mobile").pop().unwrap();
    both_are_told(&scenario, &ring);
    scenario.show("android again while ios is acknowledged");
}

#[test]
fn a_paused_region_mutes_no_other() {
    let scenario = Scenario::new(&["eu", "us"], &[Probe::plain("p", "alert.critical = false")], "");
    scenario.breaks("p", "us", "");
    scenario.pages(1, "probe/p");
    scenario.ask(&["pause", "p/us", "--why", "it moves"]);
    scenario.told();
    scenario.breaks("p", "eu", "");
    scenario.pages(2, "probe/p");
    let ring = scenario.rings(2, "probe/p").pop().unwrap();
    let title = ring["title"].as_str().unwrap();
    assert!(title.contains("eu") && !title.contains("us"), "{ring:#}");
    assert!(ring["apart"].to_string().contains("us"), "what is muted is said apart: {ring:#}");
    for region in ["eu", "us"] {
        scenario.mends("p", region, "");
    }
    scenario.ask(&["resume", "p/us"]);
    scenario.over();
    scenario.show("a paused region");
    assert_eq!(scenario.receivers.read().paged("probe/p").len(), 2, "a resumed region that is well rings nobody");
}

#[test]
fn what_flaps_and_is_acknowledged_does_not_mute_the_real_outage() {
    let scenario = Scenario::new(&["eu"], &[mobile("")], "[alerting]\nflapping = { hold = \"15s\" }\n");
    for outage in 1..=3 {
        scenario.breaks("mobile", "eu", "ios");
        scenario.rings(outage, "probe/mobile");
        scenario.told();
        if outage < 3 {
            scenario.mends("mobile", "eu", "ios");
            scenario.over();
        }
    }
    scenario.ask(&["ack", &scenario.incident("probe/mobile"), "--by", "ann"]);
    scenario.breaks("mobile", "eu", "android");
    let ring = scenario.rings(4, "probe/mobile").pop().unwrap();
    assert_eq!(ring["title"], "mobile fails in eu (2 of 2 canaries)", "an outage does not come and go: {ring:#}");
    both_are_told(&scenario, &ring);
    scenario.show("flapping, acknowledged, then an outage");
}

#[test]
fn a_region_that_failed_once_and_passed_33_times_is_neither_failing_nor_a_reason_to_be_critical() {
    let scenario = Scenario::new(&["eu", "us"], &[Probe::plain("p", "")], "");
    scenario.breaks("p", "us", "");
    let failed = |region| scenario.service.metric("serinus_runs_total", &[("region", region), ("verdict", "failed")]);
    scenario.service.until("one failed run in us", |_| failed("us") >= 1.0);
    scenario.mends("p", "us", "");
    let passed = |region| scenario.service.metric("serinus_runs_total", &[("region", region), ("verdict", "passed")]);
    let before = passed("us");
    scenario.service.until("33 passes in us", |_| passed("us") >= before + 33.0);
    let so_far = scenario.receivers.read().hooks("ring", "probe/p").len();
    scenario.breaks("p", "eu", "");
    let ring = scenario.rings(so_far + 1, "probe/p").pop().unwrap();
    let more = failed("eu") + 8.0;
    scenario.service.until("eight more failures in eu", |_| failed("eu") >= more);
    scenario.told();
    scenario.show("33 of 33");
    for ring in &scenario.receivers.read().hooks("ring", "probe/p")[so_far..] {
        assert_eq!(ring["severity"], "page", "{ring:#}");
        assert_eq!(ring["regions"], serde_json::json!(["eu"]), "{ring:#}");
    }
    assert!(!ring["failing"].to_string().contains("us:"), "{ring:#}");
    scenario.mends("p", "eu", "");
    scenario.over();
}
