//! The instances of a fleet: who sends which heartbeat.

use crate::fleet::service;
use crate::page_support::pager::Pager;
use crate::page_support::service::Service;
use crate::page_support::target::Target;
use crate::postgres::Postgres;

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
