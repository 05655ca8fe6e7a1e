//! The store is a PostgreSQL: crashes of the prober and of the database, and a pooler in between.

use crate::page_support::pager::Pager;
use crate::page_support::service::{Service, channel, probe};
use crate::page_support::target::{BROKEN, Target, WELL};
use crate::postgres::{Pooler, Postgres};

/// A service whose store is there, with a probe `first` and a probe `second` that are well.
fn service(url: &str, target: &Target, pager: &Pager) -> Service {
    let probes = ["first", "second"].map(|name| probe(name, target.address, "alert.page_after = 2"));
    Service::new(&probes, &format!("[store]\nurl = \"{url}\"\n{}", channel(pager, "hook")))
}

fn open_incidents(service: &Service) -> Vec<String> {
    let status = service.json("/api/v1/status");
    let open = status["open_incidents"].as_array().unwrap();
    let mut scopes: Vec<_> = open.iter().map(|incident| incident["scope"].as_str().unwrap().to_owned()).collect();
    scopes.sort();
    scopes
}

/// Waits until so many pages are written down as taken. One that was taken and not written down yet comes again after a crash.
fn until_told(server: &Postgres, service: &Service, pages: u64) {
    let taken = "SELECT count(*) FROM tries WHERE state = 'taken'";
    service.until("what was told is written down", |_| server.ask("serinus", taken) == pages.to_string());
}

/// What fails before a crash, while the database is away and after it, is told of once each, and nothing of it is lost.
fn nothing_is_lost_and_nothing_told_twice(server: &mut Postgres, url: &str) {
    let (target, pager) = (Target::start(), Pager::start());
    let mut service = service(url, &target, &pager).start();
    service.more(2.0, "first", "passed");
    target.set("/first", BROKEN);
    pager.until("first", |page| page.is("opened", "probe/first"));
    until_told(server, &service, 1);
    service.kill();
    service.begin(&[], |_| {});
    assert_eq!(open_incidents(&service), ["probe/first"], "it goes on");

    server.command("kill");
    target.set("/second", BROKEN);
    pager.until("second, from memory", |page| page.is("opened", "probe/second"));
    service.until("it says so", |service| service.metric("serinus_store_writable", &[]) < 1.0);
    server.command("start");
    service.until("the store is well", |service| service.metric("serinus_store_writable", &[]) > 0.0);
    until_told(server, &service, 2);
    service.kill();
    service.begin(&[], |_| {});
    assert_eq!(open_incidents(&service), ["probe/first", "probe/second"], "both were written down");
    let lost = "SELECT count(*) FROM runs JOIN probes ON probes.id = runs.probe WHERE name = 'second' AND verdict = 1";
    assert!(server.ask("serinus", lost).parse::<u64>().unwrap() >= 2, "runs from while it was away are in it");

    for path in ["/first", "/second"] {
        target.set(path, WELL);
    }
    for scope in ["probe/first", "probe/second"] {
        pager.until("it is over", |page| page.is("well", scope));
    }
    let rung = pager.pages().iter().filter(|page| page.is("opened", "probe/first") || page.is("opened", "probe/second")).count();
    assert_eq!(rung, 2, "each is told of once: {:?}", pager.lines());
    assert_eq!(service.stop().code(), Some(0));
}

#[test]
fn crashes_of_the_prober_and_of_the_database_lose_nothing_and_tell_nothing_twice() {
    let mut server = Postgres::start();
    let url = server.url();
    nothing_is_lost_and_nothing_told_twice(&mut server, &url);
}

#[test]
fn the_same_behind_a_pooler_that_hands_each_transaction_to_another_connection() {
    let mut server = Postgres::start();
    let pooler = Pooler::start(&server);
    nothing_is_lost_and_nothing_told_twice(&mut server, &pooler.url());
}

#[test]
fn a_database_that_stands_still_delays_no_page() {
    let mut server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut service = service(&server.url(), &target, &pager).start();
    service.more(2.0, "first", "passed");
    server.command("freeze");
    target.set("/first", BROKEN);
    pager.until("first, from memory", |page| page.is("opened", "probe/first"));
    server.command("thaw");
    target.set("/first", WELL);
    pager.until("it is over", |page| page.is("well", "probe/first"));
    service.until("all is told", |service| service.untold() == 0.0);
    assert_eq!(service.stop().code(), Some(0));
    assert_eq!(server.ask("serinus", "SELECT count(*) FROM incidents WHERE resolved_ms IS NOT NULL"), "1");
}

#[test]
fn a_database_of_a_later_version_is_refused_in_clear_words() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut service = service(&server.url(), &target, &pager).start();
    assert_eq!(service.stop().code(), Some(0));
    server.ask("serinus", "INSERT INTO migrations (number, least_reader) VALUES (99, 98)");
    let output = crate::cli_support::run(service.folder(), &["run", "-c", "service"]);
    let said = crate::cli_support::stderr(&output);
    assert!(said.contains("version 99") && said.contains("version 98 or later"), "{said}");
    assert_eq!(output.status.code(), Some(3), "{said}");
}
