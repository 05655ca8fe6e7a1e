//! Receivers that lose their answers or are away: what still fails is open at each reader afterwards, and nothing else is.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::receivers::Mood;
use super::scenario::{Probe, Scenario};

fn names(count: usize) -> Vec<&'static str> {
    const NAMES: [&str; 20] = [
        "p00", "p01", "p02", "p03", "p04", "p05", "p06", "p07", "p08", "p09", "p10", "p11", "p12", "p13", "p14", "p15", "p16",
        "p17", "p18", "p19",
    ];
    NAMES[..count].to_vec()
}

fn scenario(names: &[&'static str]) -> Scenario {
    let probes: Vec<Probe> = names.iter().map(|name| Probe::plain(name, "")).collect();
    Scenario::new(&["eu"], &probes, "")
}

/// Probes that the webhook's reader believes to fail.
fn believed(read: &super::receivers::Read) -> BTreeSet<String> {
    let scope = |shown: &serde_json::Value, incident: &str| {
        let several = shown["incidents"].as_array().into_iter().flatten();
        let one = several.into_iter().find(|it| it["incident"] == incident).unwrap_or(shown);
        one["scope"].as_str().unwrap_or_default().trim_start_matches("probe/").to_owned()
    };
    read.hook.beliefs.open().iter().map(|(incident, heard)| scope(&heard.shown, incident)).collect()
}

#[test]
fn answers_lost_at_random_for_a_minute_leave_every_reader_with_the_truth() {
    let names = names(6);
    let scenario = scenario(&names);
    let mut dice = fastrand::Rng::with_seed(28);
    for path in ["pager", "hook", "slack"] {
        scenario.sets(path, Mood::Loses);
    }
    let until = Instant::now() + Duration::from_mins(1);
    while Instant::now() < until {
        let name = names[dice.usize(..names.len())];
        if dice.bool() {
            scenario.breaks(name, "eu", "");
            scenario.service.more(3.0, name, "failed");
        } else {
            scenario.mends(name, "eu", "");
            scenario.service.more(3.0, name, "passed");
        }
    }
    finish(&scenario, &names, &["p00", "p03"]);
    scenario.show("answers lost at random");
}

#[test]
fn a_receiver_that_was_away_with_twenty_incidents_hears_of_what_still_fails_and_in_one_line_of_what_is_over() {
    let names = names(20);
    let scenario = scenario(&names);
    for path in ["pager", "hook"] {
        scenario.sets(path, Mood::HangsUp);
    }
    for name in &names {
        scenario.breaks(name, "eu", "");
    }
    scenario.incidents(20.0);
    let (over, still) = names.split_at(10);
    for name in over {
        scenario.mends(name, "eu", "");
    }
    scenario.incidents(10.0);
    finish(&scenario, &names, still);
    scenario.show("a receiver away with twenty incidents");
    let read = scenario.receivers.read();
    let unheard: Vec<_> = read.hook.read.iter().filter(|it| it.shown["occasion"] == "unheard").collect();
    assert_eq!(unheard.len(), 1, "{unheard:#?}");
    let rings = read.hook.read.iter().filter(|it| it.shown["action"] == "ring").count();
    assert!(rings <= 12, "{rings} rings for ten that fail");
}

/// Has these fail and no others, and the receivers take everything: everybody knows that, and then that all is over.
fn finish(scenario: &Scenario, names: &[&str], still: &[&str]) {
    for path in ["pager", "hook", "slack"] {
        scenario.sets(path, Mood::Takes);
    }
    for name in names {
        if still.contains(name) { scenario.breaks(name, "eu", "") } else { scenario.mends(name, "eu", "") }
    }
    #[expect(clippy::cast_precision_loss, reason = "there are twenty")]
    scenario.incidents(still.len() as f64);
    scenario.told();
    let truth: BTreeSet<String> = still.iter().map(|name| (*name).to_owned()).collect();
    scenario.until("the webhook's reader believes the truth", |read| (believed(read) == truth).then_some(()));
    scenario.until("PagerDuty's reader has something open for it", |read| (!read.pages_open().is_empty()).then_some(()));
    for name in names {
        scenario.mends(name, "eu", "");
    }
    scenario.over();
}
