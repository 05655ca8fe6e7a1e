//! A database that is there and takes nothing for a while: its disk is full, or the password is wrong.

use std::collections::BTreeSet;

use crate::page_support::pager::{Page, Pager};
use crate::page_support::service::{Service, channel, probe};
use crate::page_support::target::{BROKEN, Target, WELL};
use crate::postgres::{Postgres, PostgresSetup};

/// Probes besides the one that is to fail: the more is written, the sooner a disk is seen to be full.
const OTHERS: [&str; 3] = ["basket", "front", "search"];

/// A process of a fleet, which evaluates. Its database has a user with a password.
fn service(server: &Postgres, target: &Target, pager: &Pager) -> Service {
    server.give_to_user();
    let settings = format!(
        "region = \"eu\"\nregions = [\"eu\"]\n[store]\nurl = \"{}\"\n[fleet]\nlease = \"10s\"\nalone_after = \"15s\"\n{}",
        server.url_of("serinus:right"),
        channel(pager, "hook")
    );
    let names = OTHERS.into_iter().chain(["shop"]);
    let probes: Vec<String> = names.map(|name| probe(name, target.address, "alert.page_after = 2")).collect();
    let service = Service::new(&probes, &settings).start();
    service.until("it evaluates", |service| service.metric("serinus_fleet_evaluates", &[]) > 0.0);
    service.more(2.0, "shop", "passed");
    service
}

fn is_writable(service: &Service) -> bool {
    service.metric("serinus_store_writable", &[]) > 0.0
}

/// Waits until the process says why its store takes nothing.
fn until_refused(service: &Service, why: &str) {
    let said = service.running().said("the store cannot be written");
    assert!(said.contains(why), "{said}");
}

/// What fails while nothing can be written is told, and the process goes on probing.
fn tells(service: &Service, target: &Target, pager: &Pager) -> Page {
    target.set("/shop", BROKEN);
    let page = pager.until("somebody tells", |page| page.message["occasion"] == "opened" && is_of_shop(page));
    service.more(2.0, "shop", "failed");
    service.more_of_each(2.0, OTHERS, "passed");
    assert!(!is_writable(service), "it has been told while nothing could be written");
    page
}

fn has_told_alone(pager: &Pager) -> bool {
    pager.pages().iter().any(|page| page.message["key"].as_str().is_some_and(|key| key.starts_with("eu/")))
}

fn is_of_shop(page: &Page) -> bool {
    page.message["scope"] == "probe/shop"
}

/// All that waited is written, once, and what was told is over.
fn is_made_up_for(server: &Postgres, mut service: Service, target: &Target, pager: &Pager) {
    service.until("the store is written again", is_writable);
    service.until("it evaluates", |service| service.metric("serinus_fleet_evaluates", &[]) > 0.0);
    service.until("what was told alone is handed in", |_| !has_told_alone(pager) || server.has_handed_in());
    target.set("/shop", WELL);
    pager.until("it is over", |page| page.is("well", "probe/shop"));
    service.until("all is told", |service| service.untold() < 1.0);
    assert_eq!(service.stop().code(), Some(0));

    let told = pager.pages();
    let ids: BTreeSet<&str> = told.iter().map(|page| &*page.id).collect();
    assert_eq!(ids.len(), told.len(), "nothing was told twice: {:?}", pager.lines());
    let ends = told.iter().filter(|page| is_of_shop(page) && page.message["occasion"] != "opened").count();
    assert_eq!(ends, 1, "it ends once: {:?}", pager.lines());
    for name in OTHERS.into_iter().chain(["shop"]) {
        let ticks = format!(
            "SELECT count(*), count(DISTINCT due_ms), (max(due_ms) - min(due_ms)) / 1000 + 1, count(*) FILTER (WHERE counted AND verdict < 2)
             FROM runs JOIN probes ON probes.id = runs.probe WHERE name = '{name}'"
        );
        let asked = target.asked(&format!("/{name}"));
        assert_eq!(
            server.ask("serinus", &ticks),
            [asked; 4].map(|asked| asked.to_string()).join("|"),
            "each tick of {name}, once"
        );
    }
    assert_eq!(server.ask("serinus", "SELECT count(*) FROM incidents WHERE resolved_ms IS NULL"), "0");
    assert_eq!(server.ask("serinus", "SELECT count(*) FROM tries WHERE state = 'waiting'"), "0");
}

#[test]
fn while_the_database_s_disk_is_full_pages_leave_and_what_ran_is_written_once_there_is_room() {
    let mut server = Postgres::set_up(&PostgresSetup { small_disk: true, ..PostgresSetup::default() });
    let (target, pager) = (Target::start(), Pager::start());
    let service = service(&server, &target, &pager);
    server.fill();
    let refused = server.try_ask("serinus", "CREATE TABLE more AS SELECT generate_series(1, 10000)").unwrap_err();
    assert!(refused.contains("53100"), "{refused}");
    until_refused(&service, "No space left on device");
    tells(&service, &target, &pager);
    server.make_room();
    is_made_up_for(&server, service, &target, &pager);
}

#[test]
fn while_the_password_is_wrong_a_region_tells_alone_and_what_ran_is_written_once_it_is_right() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let service = service(&server, &target, &pager);
    server.set_password("wrong");
    until_refused(&service, "password authentication failed");
    service.until("its lease is over", |service| service.metric("serinus_fleet_evaluates", &[]) < 1.0);
    let page = tells(&service, &target, &pager);
    assert!(page.message["key"].as_str().is_some_and(|key| key.starts_with("eu/probe/shop/")), "{}", page.message);
    server.set_password("right");
    is_made_up_for(&server, service, &target, &pager);
}
