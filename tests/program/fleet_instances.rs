//! The instances of a fleet: who sends which heartbeat, who stands by, and log-ins that are good on all of them.

use crate::fleet::service;
use crate::page_support::pager::Pager;
use crate::page_support::service::{Service, TOKEN};
use crate::page_support::target::Target;
use crate::postgres::Postgres;
use crate::service_support::ask;

/// A service of a region that is started with these variables.
fn start(region: &str, server: &Postgres, (target, pager): (&Target, &Pager), variables: &[(&str, &str)]) -> Service {
    let mut service = service(region, &server.url(), target, pager);
    service.begin(&[], |command| {
        command.envs(variables.iter().copied());
    });
    service
}

/// The variables of heartbeats: of the fleet, and of the region of this process.
fn heartbeats(switch: &Pager, own: &Pager) -> [(&'static str, String); 3] {
    [
        ("SERINUS_HEARTBEAT__URL", format!("http://{}/alive", switch.address)),
        ("SERINUS_HEARTBEAT__REGION_URL", format!("http://{}/alive/{{{{ region }}}}", own.address)),
        ("SERINUS_HEARTBEAT__EVERY", "1s".to_owned()),
    ]
}

fn beating(region: &str, server: &Postgres, told: (&Target, &Pager), switch: &Pager, own: &Pager) -> Service {
    let variables = heartbeats(switch, own);
    start(region, server, told, &variables.each_ref().map(|(name, value)| (*name, value.as_str())))
}

/// Waits until a switch was asked twice more.
fn until_asked(service: &Service, what: &str, switch: &Pager) {
    let before = switch.pings().len();
    service.until(what, |_| switch.pings().len() >= before + 2);
}

/// The roles of the instances, as a process tells them.
fn roles(service: &Service) -> Vec<String> {
    let fleet = service.json("/api/v1/fleet");
    let instances = fleet["instances"].as_array().unwrap();
    instances.iter().map(|one| one["role"].as_str().unwrap_or_default().to_owned()).collect()
}

fn sent(service: &Service, of: &str) -> f64 {
    service.metric("serinus_heartbeats_total", &[("of", of), ("result", "sent")])
}

#[test]
fn who_evaluates_sends_the_fleet_s_heartbeat_who_probes_its_region_s_and_who_stands_by_none() {
    let mut server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let [switch, of_eu, of_standby, of_us] = [(); 4].map(|()| Pager::start());
    let mut eu = beating("eu", &server, (&target, &pager), &switch, &of_eu);
    eu.until("the first one evaluates", |eu| eu.metric("serinus_fleet_evaluates", &[]) > 0.0);
    let mut us = beating("us", &server, (&target, &pager), &switch, &of_us);
    std::thread::scope(|scope| {
        // It has an address to tell once it probes.
        let standby = scope.spawn(|| beating("eu", &server, (&target, &pager), &switch, &of_standby));
        eu.until("it stands by", |eu| roles(eu) == ["evaluates", "probes", "stands by"]);
        for (whose, switch) in [("the fleet", &switch), ("eu", &of_eu), ("us", &of_us)] {
            until_asked(&eu, whose, switch);
        }
        assert!(sent(&eu, "service") > 0.0 && sent(&eu, "region") > 0.0 && sent(&us, "region") > 0.0);
        assert!(sent(&us, "service") < 1.0, "only who evaluates speaks for all");
        assert!(of_standby.pings().is_empty(), "who stands by says nothing");

        assert_eq!(eu.stop().code(), Some(0));
        let mut second = standby.join().unwrap();
        until_asked(&second, "the one that goes on with eu", &of_standby);
        assert_eq!(second.stop().code(), Some(0));
    });
    server.command("kill");
    us.until("it is alone", |us| us.metric("serinus_fleet_alone", &[]) > 0.0);
    until_asked(&us, "us, alone", &of_us);
    server.command("start");
    us.until("it is not alone any more", |us| us.metric("serinus_fleet_alone", &[]) < 1.0);
    assert_eq!(us.stop().code(), Some(0));
}

#[test]
fn an_instance_that_stands_by_is_in_the_list_until_it_goes_on() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut first = start("eu", &server, (&target, &pager), &[]);
    first.until("it evaluates", |first| roles(first) == ["evaluates"]);
    std::thread::scope(|scope| {
        let standby = scope.spawn(|| start("eu", &server, (&target, &pager), &[]));
        first.until("the other one stands by", |first| roles(first) == ["evaluates", "stands by"]);
        let fleet = first.json("/api/v1/fleet");
        let [probes, stands_by] = &fleet["instances"].as_array().unwrap()[..] else { panic!("two: {fleet}") };
        assert_eq!(stands_by["regions"], serde_json::json!(["eu"]));
        assert!(probes["is_this"] == true && stands_by["is_this"] == false, "{fleet}");
        let eu = fleet["regions"].as_array().unwrap().iter().find(|region| region["region"] == "eu").unwrap();
        assert_eq!(eu["instance"], probes["instance"], "it is the other one that probes: {fleet}");
        let waited = stands_by["instance"].clone();
        assert_eq!(first.stop().code(), Some(0));

        let mut second = standby.join().unwrap();
        second.until("it goes on", |second| roles(second).first().is_some_and(|role| role == "evaluates"));
        let fleet = second.json("/api/v1/fleet");
        assert!(fleet["instances"][0]["instance"] == waited && fleet["instances"][0]["is_this"] == true, "{fleet}");
        assert_eq!(second.stop().code(), Some(0));
    });
}

#[test]
fn instances_of_one_listen_key_know_each_other_s_log_ins_and_keep_no_key_in_the_database() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let variables = [
        ("SERINUS_LISTEN__KEY", "signing"),
        ("SERINUS_SECRETS__SIGNING__ENV", "SIGNING_KEY"),
        ("SIGNING_KEY", "a-key-that-every-instance-has-and-nobody-else"),
    ];
    let mut services = ["eu", "us"].map(|region| start(region, &server, (&target, &pager), &variables));
    let [eu, us] = &services;
    let bearer = format!("authorization: Bearer {TOKEN}");
    let made = ask(eu.address(), "POST /api/v1/login-codes", &[&bearer, "content-type: application/json"], "{}");
    let link: serde_json::Value = serde_json::from_str(&made.body).unwrap();
    let code = link["url"].as_str().unwrap().split("code=").nth(1).unwrap().to_owned();
    let origin = format!("origin: http://{}", us.address());
    let form = "content-type: application/x-www-form-urlencoded";
    let in_there = ask(us.address(), "POST /login", &[&origin, form], &format!("code={code}"));
    assert_eq!(in_there.status, 303, "{in_there:?}");
    let cookie = in_there.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = format!("cookie: {}", cookie.split(';').next().unwrap());
    for service in &services {
        assert_eq!(ask(service.address(), "GET /api/v1/status", &[&cookie], "").status, 200);
    }
    for service in &mut services {
        assert_eq!(service.stop().code(), Some(0));
    }
    assert_eq!(server.ask("serinus", "SELECT count(*) FROM states WHERE kind = 'web_key'"), "0");
}
