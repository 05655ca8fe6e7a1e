//! Canaries without data: seen before, one that was acknowledged spoke for all.

use super::receivers::Receivers;
use super::scenario::{Probe, Scenario};
use crate::page_support::target::Target;

const NINE: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "i"];

#[test]
fn one_blocked_canary_is_acknowledged_then_all_are_blind_which_is_told_and_stops_the_heartbeat() {
    let (target, receivers) = (Target::start(), Receivers::open());
    let nine = Probe { name: "nine", cells: NINE, more: "" }.text(&target);
    let guarded = nine.replace(
        "expect = [\"status == 200\", \"json.state == 'ok'\"]",
        "expect = [\"status == 200\"]\nguard = [\"json.state == 'ok'\"]",
    );
    assert_ne!(nine, guarded);
    let settings = format!(
        "[heartbeat]\nurl = \"http://{}/alive\"\nevery = \"1s\"\n[alerting]\nblind = {{ at_least = \"5s\" }}\n",
        receivers.address
    );
    let scenario = Scenario::of(target, receivers, &["eu"], &[guarded], &settings);
    scenario.until("a heartbeat", |read| read.pings.last().copied());
    scenario.breaks("nine", "eu", "a");
    let first = scenario.rings(1, "no-data/nine").pop().unwrap();
    assert!(first["title"].as_str().unwrap().contains("1 of 9"), "{first:#}");
    scenario.told();
    scenario.ask(&["ack", &scenario.incident("no-data/nine"), "--by", "ann"]);
    let pings = scenario.receivers.read().pings.len();
    scenario.until("the heartbeat goes on", |read| (read.pings.len() > pings + 1).then_some(()));

    scenario.all_break("nine", "eu", NINE);
    let ring = scenario.rings(1, "blind/eu").pop().unwrap();
    scenario.pages(1, "blind/eu");
    assert!(ring["title"].as_str().unwrap().starts_with("eu is not probed"), "{ring:#}");
    let withheld = || scenario.service.metric("serinus_heartbeats_total", &[("result", "withheld")]);
    scenario.service.until("the heartbeat is withheld", |_| withheld() > 0.0);
    let (before, pings) = (withheld(), scenario.receivers.read().pings.len());
    scenario.service.until("and still is", |_| withheld() >= before + 5.0);
    assert_eq!(scenario.receivers.read().pings.len(), pings, "no ping while all are blind\n{}", scenario.receivers.transcript());

    scenario.all_mend("nine", "eu", NINE);
    scenario.over();
    scenario.until("the heartbeat is back", |read| (read.pings.len() > pings).then_some(()));
    scenario.show("one blocked, then all blind");
}
