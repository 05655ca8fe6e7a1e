//! Who is told: channels, routes, mutes.

use super::*;
use crate::plan::Route;

fn route(channels: &[&str]) -> Route {
    let channels = channels.iter().map(|name| (*name).into()).collect();
    Route { severities: Vec::new(), owners: Vec::new(), tags: Vec::new(), regions: Vec::new(), probes: Vec::new(), channels }
}

fn routed(routes: Vec<Route>) -> Alerting {
    Alerting { channels: vec![channel("chat", Severity::Warn), channel("pager", Severity::Page)], routes, ..Alerting::default() }
}

fn p(alert: AlertPolicy) -> Probe {
    Probe { owner: Some("music".to_owned()), tags: vec!["tier-1".to_owned()], ..named("p", alert) }
}

fn told(routes: Vec<Route>) -> Vec<Line> {
    let mut world = world(plan(vec![p(AlertPolicy::default())], &["eu", "us"], &[]), routed(routes));
    world.breaks("p/eu");
    world.letters()
}

#[test]
fn without_a_matching_route_every_channel_that_takes_the_severity_is_told() {
    let elsewhere = Route { probes: vec!["q".into()], ..route(&["pager"]) };
    assert_eq!(told(vec![elsewhere]), ["chat: trigger opened probe/p/1", "pager: trigger opened probe/p/1"]);
    let mut world = world(plan(vec![p(AlertPolicy::default())], &["eu"], &[]), routed(Vec::new()));
    world.tell(Event::Leaked { probe: "p".into(), entry: "1".to_owned(), message: String::new() });
    assert_eq!(world.letters(), ["chat: trigger opened leak/p/1"]);
}

#[test]
fn the_first_matching_route_decides() {
    let chat = || route(&["chat"]);
    for matching in [
        chat(),
        Route { severities: vec![Severity::Page], ..chat() },
        Route { owners: vec!["music".into()], ..chat() },
        Route { tags: vec!["tier-1".into(), "tier-9".into()], ..chat() },
        Route { regions: vec!["eu".into()], ..chat() },
        Route { probes: vec!["p".into()], ..chat() },
    ] {
        assert_eq!(told(vec![matching, route(&["pager"])]), ["chat: trigger opened probe/p/1"]);
    }
    for other in [
        Route { severities: vec![Severity::Warn], ..chat() },
        Route { owners: vec!["video".into()], ..chat() },
        Route { tags: vec!["tier-9".into()], ..chat() },
        Route { regions: vec!["us".into()], ..chat() },
        Route { probes: vec!["q".into()], ..chat() },
    ] {
        assert_eq!(told(vec![other, route(&["pager"])]), ["pager: trigger opened probe/p/1"]);
    }
}

#[test]
fn a_route_to_no_channel_tells_nobody_and_the_timeline_says_so() {
    let mut world = world(plan(vec![p(AlertPolicy::default())], &["eu"], &[]), routed(vec![route(&[])]));
    world.breaks("p/eu");
    assert_eq!(world.letters(), Vec::<Line>::new());
    assert_eq!(world.story("paged"), ["nobody is told of probe/p/1: no route leads to a channel"]);
    world.reload(plan(vec![p(AlertPolicy::default())], &["eu"], &[]), routed(Vec::new()));
    assert_eq!(
        world.letters(),
        ["chat: trigger opened probe/p/2", "pager: trigger opened probe/p/2"],
        "it is told once somebody can be"
    );
}

#[test]
fn a_spread_is_told_where_its_own_region_leads_too() {
    let policy = || AlertPolicy { critical: None, ..AlertPolicy::default() };
    let routes = || {
        vec![Route { regions: vec!["eu".into()], ..route(&["chat"]) }, Route { regions: vec!["us".into()], ..route(&["pager"]) }]
    };
    let mut world = world(plan(vec![p(policy())], &["eu", "us"], &[]), routed(routes()));
    world.breaks("p/eu");
    assert_eq!(world.letters(), ["chat: trigger opened probe/p/1"]);
    world.breaks("p/us");
    assert_eq!(world.letters(), ["chat: trigger spread probe/p/1", "pager: trigger spread probe/p/1"]);
}

#[test]
fn whoever_was_told_hears_how_it_ends_whatever_the_routes_say_then() {
    let mut world = world(plan(vec![p(AlertPolicy::default())], &["eu"], &[]), routed(vec![route(&["pager"])]));
    world.breaks("p/eu");
    world.letters();
    world.reload(plan(vec![p(AlertPolicy::default())], &["eu"], &[]), routed(vec![route(&["chat"])]));
    world.heals("p/eu");
    assert_eq!(world.letters(), ["pager: resolve resolved probe/p/1"]);
}

#[test]
fn a_muted_probe_keeps_its_incident_and_tells_nobody() {
    let muted = || AlertPolicy { page: false, ..AlertPolicy::default() };
    let mut world = world(plan(vec![p(muted())], &["eu", "us"], &[]), alerting());
    world.breaks("p/eu");
    world.breaks("p/us");
    assert_eq!(world.letters(), Vec::<Line>::new());
    assert!(world.incident("probe/p").is_some());
    world.reload(plan(vec![p(AlertPolicy::default())], &["eu", "us"], &[]), alerting());
    assert_eq!(world.letters(), ["pager: trigger opened probe/p/1", "pager: trigger critical probe/p/1/critical"]);
    world.reload(plan(vec![p(muted())], &["eu", "us"], &[]), alerting());
    world.heals("p/eu");
    world.heals("p/us");
    let end = world.letters();
    assert!(end.contains(&"pager: resolve resolved probe/p/1".to_owned()), "{end:?}");
}

#[test]
fn keys_begin_with_the_processs_region_where_there_are_several() {
    let alerting = Alerting { origin: Some("eu".into()), ..alerting() };
    let mut world = world(plan(vec![p(AlertPolicy::default())], &["eu"], &[]), alerting);
    world.breaks("p/eu");
    assert_eq!(world.lines(), ["trigger opened eu/probe/p/1"]);
}

#[test]
fn a_page_links_to_the_incident_the_run_and_the_trace() {
    let trace = crate::plan::Template::parse("https://traces/{{ trace_id }}", crate::alert::testing::location()).unwrap();
    let alerting = Alerting { public_url: Some("https://serinus".to_owned()), trace_url: Some(trace), ..alerting() };
    let mut world = world(plan(vec![p(AlertPolicy::default())], &["eu"], &[]), alerting);
    world.breaks("p/eu");
    let notice = &world.sent[0].1;
    assert_eq!(notice.links.incident, Some(format!("https://serinus/incidents/{}", notice.incident)));
    assert_eq!(notice.links.run.as_deref(), Some("https://serinus/runs/00000000000000000000000000"));
    assert_eq!(notice.links.trace.as_deref(), Some("https://traces/00000000000000000000000000000001"));
}

#[test]
fn paused_canaries_hold_the_incident_open_and_are_shown_as_paused() {
    let mut world = usual(&["eu"]);
    world.breaks("p/eu");
    world.lines();
    let id = world.plan.canaries[0].id.clone();
    world.tell(Event::Paused { canaries: vec![id.clone()], by: "ann".to_owned() });
    assert_eq!(world.desk.status(world.now()).canaries[0].standing, Standing::Paused);
    assert_eq!(world.story("paused").len(), 1);
    world.tell(Event::Resumed { canaries: vec![id] });
    assert_eq!(world.desk.status(world.now()).canaries[0].standing, Standing::Failing);
    assert_eq!(world.lines(), Vec::<Line>::new());
}

#[test]
fn an_incident_is_found_by_id_key_or_scope() {
    let mut world = usual(&["eu"]);
    world.breaks("p/eu");
    let id = world.incident("probe/p").unwrap().id;
    for name in [id.as_str(), "probe/p", "probe/p/1"] {
        assert_eq!(world.desk.find(name).as_ref(), Some(&id));
    }
    assert_eq!(world.desk.find("probe/q"), None);
}

/// The same channel by another name.
fn renamed() -> Alerting {
    Alerting { channels: vec![channel("oncall", Severity::Warn)], ..Alerting::default() }
}

fn usual_plan() -> Plan {
    plan(vec![named("p", AlertPolicy::default())], &["eu", "us"], &[])
}

#[test]
fn a_channel_that_is_renamed_while_an_incident_is_open_hears_of_it_and_how_it_ends_under_the_same_keys() {
    for restart in [false, true] {
        let mut world = usual(&["eu", "us"]);
        world.breaks("p/eu");
        world.fails("p/us");
        assert_eq!(world.letters(), ["pager: trigger opened probe/p/1", "pager: trigger critical probe/p/1/critical"]);
        if restart {
            world.alerting = Arc::new(renamed());
            world.restart();
        } else {
            world.reload(usual_plan(), renamed());
        }
        assert_eq!(
            world.letters(),
            ["oncall: trigger reminder probe/p/1/critical", "oncall: trigger reminder probe/p/1"],
            "restart: {restart}"
        );
        world.reload(usual_plan(), renamed());
        world.restart();
        assert_eq!(world.letters(), Vec::<Line>::new(), "once");
        world.heals("p/us");
        world.heals("p/eu");
        assert_eq!(
            world.letters(),
            ["oncall: resolve resolved probe/p/1/critical", "oncall: resolve resolved probe/p/1"],
            "restart: {restart}"
        );
    }
}

#[test]
fn who_is_at_it_is_not_called_again_because_a_channel_was_renamed_and_the_end_goes_there_all_the_same() {
    let mut world = usual(&["eu", "us"]);
    world.breaks("p/eu");
    let incident = world.incident("probe/p").unwrap().id;
    world.tell(Event::Acknowledge { incident, by: "ann".to_owned() });
    world.letters();
    world.reload(usual_plan(), renamed());
    assert_eq!(world.letters(), Vec::<Line>::new());
    world.heals("p/eu");
    assert_eq!(world.letters(), ["oncall: resolve resolved probe/p/1"]);
}

#[test]
fn an_incident_of_which_nobody_was_told_is_told_after_a_restart_with_routes_that_lead_somewhere() {
    let mut world = world(plan(vec![p(AlertPolicy::default())], &["eu"], &[]), routed(vec![route(&[])]));
    world.breaks("p/eu");
    world.alerting = Arc::new(routed(Vec::new()));
    world.restart();
    assert_eq!(world.letters(), ["chat: trigger opened probe/p/2", "pager: trigger opened probe/p/2"]);
}
