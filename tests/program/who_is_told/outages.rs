//! Whole outages. In the first alerting one outage was three pages, repeated outages rang nobody, and texts named only a part.

use std::time::Duration;

use super::scenario::{Probe, Scenario};

const NINE: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "i"];
const THREE: &[&str] = &["a", "b", "c"];
const REGIONS: [&str; 3] = ["eu", "us", "ap"];

#[test]
fn outages_that_come_and_go_are_told_again_within_hold() {
    const HOLD: Duration = Duration::from_secs(20);
    let probe = Probe { name: "shop", cells: NINE, more: "" };
    let scenario = Scenario::new(&["eu"], &[probe], &format!("[alerting]\nflapping = {{ hold = \"{}s\" }}\n", HOLD.as_secs()));
    let mut longest = Duration::ZERO;
    for outage in 1..=10 {
        let began = std::time::Instant::now();
        scenario.all_break("shop", "eu", NINE);
        scenario.incidents(1.0);
        if outage <= 3 {
            scenario.rings(outage, "probe/shop");
            scenario.told();
        }
        scenario.all_mend("shop", "eu", NINE);
        scenario.incidents(0.0);
        longest = longest.max(began.elapsed());
    }
    scenario.receivers.notes("the eleventh goes on");
    let before = scenario.receivers.read().hooks("ring", "probe/shop").len();
    scenario.all_break("shop", "eu", NINE);
    scenario.rings(before + 1, "probe/shop");
    scenario.told();
    let rang: Vec<Duration> = {
        let read = scenario.receivers.read();
        read.hook.read.iter().filter(|read| read.shown["action"] == "ring").map(|read| read.at).collect()
    };
    scenario.show(&format!("outages that come and go: {} rings", rang.len()));
    let silent = rang.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap();
    // What is not due when an outage ends is due in the next one.
    assert!(silent <= HOLD + longest * 2, "silent for {silent:?}, an outage took {longest:?}");
    scenario.all_mend("shop", "eu", NINE);
    scenario.over();
}

#[test]
fn one_outage_is_one_ring_with_critical_and_budget_and_its_text_tells_all_that_fails() {
    let probe = Probe { name: "sale", cells: THREE, more: "slo = { success = \"99%\" }" };
    let scenario = Scenario::new(&REGIONS, &[probe], "");
    let all_are = |healthy| {
        for region in REGIONS {
            for cell in THREE {
                scenario.canary("sale", region, cell, healthy);
            }
        }
    };
    all_are(1.0);
    for region in REGIONS {
        scenario.all_break("sale", region, THREE);
    }
    all_are(0.0);
    scenario.service.more(150.0, "sale", "failed");
    scenario.told();
    let rings = scenario.rings(1, "probe/sale");
    let last = rings.last().unwrap();
    assert_eq!(last["severity"], "critical", "{last:#}");
    let title = last["title"].as_str().unwrap();
    for region in REGIONS {
        assert!(title.contains(region) || last["apart"].to_string().contains(region), "{region} is missing: {last:#}");
    }
    assert_eq!(last["critical"].as_array().unwrap().len(), 3, "{last:#}");
    for region in REGIONS {
        scenario.all_mend("sale", region, THREE);
    }
    scenario.over();
    scenario.service.more(30.0, "sale", "passed");
    scenario.told();
    let read = scenario.receivers.read();
    let (hooks, pages) =
        (read.hook.read.iter().filter(|read| read.shown["action"] == "ring").count(), read.pagerduty.incidents.len());
    drop(read);
    scenario.show(&format!("a total outage: {hooks} rings at the webhook, {pages} at PagerDuty"));
    // One, and one more if the second region's failure came after it.
    assert!(hooks <= 2 && pages <= 2, "{hooks} rings at the webhook, {pages} at PagerDuty");
    let read = scenario.receivers.read();
    assert_eq!(read.hooks("ring", "probe/sale").len(), hooks, "nothing else rings");
    assert_eq!(read.hooks("end", "probe/sale").len(), 1, "it ends once");
}

#[test]
fn what_becomes_critical_after_an_acknowledgement_tells_what_fails_now_and_not_what_was_acknowledged() {
    let scenario = Scenario::new(&["eu", "us"], &[Probe::plain("later", "")], "");
    scenario.breaks("later", "eu", "");
    let first = scenario.rings(1, "probe/later").pop().unwrap();
    assert_eq!(first["severity"], "page", "{first:#}");
    scenario.told();
    scenario.ask(&["ack", &scenario.incident("probe/later"), "--by", "ann"]);
    scenario.breaks("later", "us", "");
    let ring = scenario.rings(2, "probe/later").pop().unwrap();
    scenario.pages(2, "probe/later");
    scenario.show("critical after an acknowledgement");
    let title = ring["title"].as_str().unwrap();
    assert_eq!(ring["severity"], "critical", "{ring:#}");
    assert!(title.contains("us") && !title.contains("acknowledged"), "{ring:#}");
    assert_eq!(ring["critical"], serde_json::json!(["eu", "us"]), "{ring:#}");
    for region in ["eu", "us"] {
        scenario.mends("later", region, "");
    }
    scenario.over();
}
