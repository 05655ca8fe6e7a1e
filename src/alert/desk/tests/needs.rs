//! An incident that another one explains.

use super::*;

/// `web` needs `login`, which needs `dns`; two regions, two platforms.
fn chain() -> World {
    let policy = || AlertPolicy { critical: None, ..AlertPolicy::default() };
    let login = Probe { needs: vec!["dns".into()], ..named("login", policy()) };
    let web = Probe { needs: vec!["login".into()], ..named("web", policy()) };
    let blind = crate::plan::BlindRule { page: false, ..Alerting::default().blind };
    let flapping = crate::plan::FlapRule { opens: 99, ..Alerting::default().flapping };
    let plan = plan(vec![named("dns", policy()), login, web], &["eu", "us"], &["a", "b"]);
    world(plan, Alerting { blind, flapping, ..alerting() })
}

const LOGIN: &str = "login/eu/platform=a";
const WEB: &str = "web/eu/platform=a";

#[test]
fn nobody_is_told_of_what_a_delivered_page_explains() {
    let mut world = chain();
    world.breaks(LOGIN);
    world.breaks(WEB);
    assert_eq!(world.lines(), ["trigger opened probe/login/1"]);
    let root = world.incident("probe/login").unwrap().id;
    assert_eq!(world.incident("probe/web").unwrap().attached_to, Some(root));
    assert_eq!(world.story("attached").len(), 1);
    assert!(world.story("explains")[0].starts_with("probe/web"));
}

#[test]
fn what_is_needed_through_others_explains_too() {
    let mut world = chain();
    world.breaks("dns/eu/platform=a");
    world.breaks(LOGIN);
    world.breaks(WEB);
    assert_eq!(world.lines(), ["trigger opened probe/dns/1"]);
}

#[test]
fn a_page_that_was_not_delivered_explains_nothing() {
    let mut world = chain();
    world.arrives = false;
    world.breaks(LOGIN);
    world.breaks(WEB);
    assert_eq!(world.lines(), ["trigger opened probe/login/1", "trigger opened probe/web/1"]);
}

#[test]
fn another_region_or_another_value_of_a_shared_key_explains_nothing() {
    for elsewhere in ["login/us/platform=a", "login/eu/platform=b"] {
        let mut world = chain();
        world.breaks(elsewhere);
        world.breaks(WEB);
        assert_eq!(world.lines(), ["trigger opened probe/login/1", "trigger opened probe/web/1"]);
    }
}

#[test]
fn one_canary_that_is_not_explained_makes_it_page_at_once() {
    let mut world = chain();
    world.breaks(LOGIN);
    world.breaks(WEB);
    world.lines();
    world.breaks("web/us/platform=a");
    assert_eq!(world.lines(), ["trigger opened probe/web/1"]);
}

#[test]
fn when_the_root_ends_what_still_fails_pages_by_itself_at_once() {
    let mut world = chain();
    world.breaks(LOGIN);
    world.breaks(WEB);
    world.lines();
    world.heals(LOGIN);
    assert_eq!(world.lines(), ["resolve resolved probe/login/1", "trigger opened probe/web/1"]);
    assert_eq!(world.story("detached").len(), 1);
}

#[test]
fn when_the_roots_page_turns_out_undeliverable_it_pages_by_itself_at_once() {
    let mut world = chain();
    world.breaks(LOGIN);
    world.breaks(WEB);
    world.lines();
    let refused = |dead| Event::Undelivered {
        message: String::new(),
        incident: String::new(),
        key: "probe/login/1".to_owned(),
        channel: "pager".into(),
        dead,
        error: "410 gone".to_owned(),
        told: Vec::new(),
    };
    let of = world.incident("probe/login").unwrap().id;
    let with = |event| match event {
        Event::Undelivered { message, key, channel, dead, error, told, .. } => {
            Event::Undelivered { message, incident: of.clone(), key, channel, dead, error, told }
        }
        other => other,
    };
    world.tell(with(refused(false)));
    assert_eq!(world.lines(), Vec::<Line>::new(), "it is still tried");
    world.tell(with(refused(true)));
    assert_eq!(world.lines(), ["trigger opened probe/web/1"]);
}

#[test]
fn a_prerequisite_that_comes_and_goes_does_not_swallow_the_page() {
    let mut world = chain();
    world.breaks(LOGIN);
    world.breaks(WEB);
    for _ in 0..5 {
        world.heals(LOGIN);
        world.fails(WEB);
        world.breaks(LOGIN);
    }
    let lines = world.lines();
    assert_eq!(lines.iter().filter(|line| *line == "trigger opened probe/web/1").count(), 1, "{lines:?}");
}

#[test]
fn an_attached_incident_that_is_well_again_ends_without_a_word() {
    let mut world = chain();
    world.breaks(LOGIN);
    world.breaks(WEB);
    world.heals(WEB);
    assert_eq!(world.lines(), ["trigger opened probe/login/1"]);
    assert_eq!(world.incident("probe/web"), None);
}

#[test]
fn probes_that_need_each_other_page_and_do_not_hang() {
    let of = |name: &str, needs: &str| Probe { needs: vec![needs.into(), name.into()], ..named(name, AlertPolicy::default()) };
    let mut world = world(plan(vec![of("a", "b"), of("b", "a")], &["eu"], &[]), alerting());
    world.breaks("a/eu");
    world.breaks("b/eu");
    world.heals("a/eu");
    assert_eq!(world.lines(), ["trigger opened probe/a/1", "resolve resolved probe/a/1", "trigger opened probe/b/1"]);
}

#[test]
fn attachments_survive_a_restart() {
    let mut world = chain();
    world.breaks(LOGIN);
    world.breaks(WEB);
    world.lines();
    world.restart();
    assert_eq!(world.lines(), Vec::<Line>::new());
    assert!(world.incident("probe/web").unwrap().attached_to.is_some());
    world.heals(LOGIN);
    assert_eq!(world.lines(), ["resolve resolved probe/login/1", "trigger opened probe/web/1"]);
}

#[test]
fn a_page_that_the_store_knows_to_be_delivered_explains_after_a_restart_though_the_desk_did_not_hear_of_it() {
    let mut world = chain();
    world.arrives = false;
    world.breaks(LOGIN);
    world.messages[0].state = DeliveryState::Delivered;
    world.restart();
    world.breaks(WEB);
    assert_eq!(world.lines(), ["trigger opened probe/login/1"]);
}

#[test]
fn a_spread_that_nobody_was_told_of_yet_explains_nothing() {
    let mut world = chain();
    world.fails("login/us/platform=a");
    world.fails(WEB);
    world.fails("web/us/platform=a");
    world.breaks(LOGIN);
    world.fails("login/us/platform=a");
    assert_eq!(world.lines(), ["trigger opened probe/login/1"], "the other region waits some seconds");
    world.fails(WEB);
    assert_eq!(world.lines(), Vec::<Line>::new());
    world.fails("web/us/platform=a");
    assert_eq!(world.lines(), ["trigger opened probe/web/1"]);
}

#[test]
fn a_root_that_comes_and_goes_does_not_hide_what_fails_all_the_time() {
    let mut world = chain();
    world.breaks(LOGIN);
    world.breaks(WEB);
    world.lines();
    world.pass(60);
    world.passes(LOGIN);
    world.fails(WEB);
    assert!(world.lines().is_empty(), "one failure after the root has passed is usual at the end of an outage");
    world.pass(60);
    world.fails(LOGIN);
    world.fails(WEB);
    assert!(world.lines().is_empty(), "the root fails again, and explains it");
    world.pass(60);
    world.passes(LOGIN);
    world.fails(WEB);
    assert_eq!(world.lines(), ["trigger opened probe/web/1"]);
}
