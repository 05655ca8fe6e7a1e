//! Canaries without data: seen before, one that was acknowledged spoke for all.

use super::desk::Desk;
use super::world::{Probe, World};
use crate::page_support::target::Target;

const NINE: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "i"];

#[test]
fn one_blocked_canary_is_acknowledged_then_all_are_blind_which_is_told_and_stops_the_heartbeat() {
    let (target, desk) = (Target::start(), Desk::open());
    let nine = Probe { name: "nine", cells: NINE, more: "" }.text(&target);
    let guarded = nine.replace(
        "expect = [\"status == 200\", \"json.state == 'ok'\"]",
        "expect = [\"status == 200\"]\nguard = [\"json.state == 'ok'\"]",
    );
    assert_ne!(nine, guarded);
    let settings = format!(
        "[heartbeat]\nurl = \"http://{}/alive\"\nevery = \"1s\"\n[alerting]\nblind = {{ at_least = \"5s\" }}\n",
        desk.address
    );
    let world = World::of(target, desk, &["eu"], &[guarded], &settings);
    world.until("a heartbeat", |read| read.pings.last().copied());
    world.breaks("nine", "eu", "a");
    let first = world.rings(1, "no-data/nine").pop().unwrap();
    assert!(first["title"].as_str().unwrap().contains("1 of 9"), "{first:#}");
    world.told();
    world.ask(&["ack", &world.incident("no-data/nine"), "--by", "ann"]);
    let pings = world.desk.read().pings.len();
    world.until("the heartbeat goes on", |read| (read.pings.len() > pings + 1).then_some(()));

    world.all_break("nine", "eu", NINE);
    let ring = world.rings(1, "blind/eu").pop().unwrap();
    world.pages(1, "blind/eu");
    assert!(ring["title"].as_str().unwrap().starts_with("eu is not probed"), "{ring:#}");
    let withheld = || world.service.metric("serinus_heartbeats_total", &[("result", "withheld")]);
    world.service.until("the heartbeat is withheld", |_| withheld() > 0.0);
    let (before, pings) = (withheld(), world.desk.read().pings.len());
    world.service.until("and still is", |_| withheld() >= before + 5.0);
    assert_eq!(world.desk.read().pings.len(), pings, "no ping while all are blind\n{}", world.desk.story());

    world.all_mend("nine", "eu", NINE);
    world.over();
    world.until("the heartbeat is back", |read| (read.pings.len() > pings).then_some(()));
    world.show("one blocked, then all blind");
}
