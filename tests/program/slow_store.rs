//! Who tells when the database is slow or does not answer: the fleet, or a region alone.

use std::time::Duration;

use crate::delaying::Delaying;
use crate::page_support::pager::{Page, Pager};
use crate::page_support::service::{Service, channel, probe};
use crate::page_support::target::{BROKEN, Target, WELL};
use crate::postgres::Postgres;

/// A service whose commits take so long from when it evaluates.
fn service(server: &Postgres, target: &Target, pager: &Pager, names: &[String], delay: Option<Duration>) -> (Service, Delaying) {
    let proxy = Delaying::before(server.socket());
    let settings = format!(
        "region = \"eu\"\nregions = [\"eu\"]\n[store]\nurl = \"postgres://postgres@{}/serinus\"\n[fleet]\nlease = \"10s\"\n\
         alone_after = \"15s\"\n{}",
        proxy.address,
        channel(pager, "hook")
    );
    let probes: Vec<String> = names.iter().map(|name| probe(name, target.address, "alert.page_after = 2")).collect();
    let service = Service::new(&probes, &settings).start();
    service.until("it evaluates", |service| service.metric("serinus_fleet_evaluates", &[]) > 0.0);
    // Both ways make a commit.
    proxy.set(delay.map(|delay| delay / 2));
    (service, proxy)
}

fn first_page(pager: &Pager) -> Page {
    pager.until("somebody tells", |page| page.is("opened", "probe/shop"))
}

/// What fails while commits take so long is told under the key that begins so, and all is over and written down once they do not.
fn is_told(delay: Option<Duration>, by: &str) {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let (mut service, proxy) = service(&server, &target, &pager, &["shop".to_owned()], delay);
    if by != "probe/shop/" {
        service.until("its lease is over", |service| service.metric("serinus_fleet_evaluates", &[]) < 1.0);
    }
    target.set("/shop", BROKEN);
    let page = first_page(&pager);
    assert!(page.message["key"].as_str().is_some_and(|key| key.starts_with(by)), "{}", page.message);
    proxy.set(Some(Duration::ZERO));
    target.set("/shop", WELL);
    let key = &page.message["key"];
    pager.until("it is over", |page| {
        page.message["key"] == *key && ["well", "continues"].iter().any(|how| page.message["occasion"] == *how)
    });
    service.until("it evaluates again", |service| service.metric("serinus_fleet_evaluates", &[]) > 0.0);
    assert_eq!(service.stop().code(), Some(0));
    assert_eq!(server.ask("serinus", "SELECT count(*) FROM runs WHERE verdict = 3"), "0", "every tick ran, and is in the store");
}

#[test]
fn while_a_commit_takes_150_ms_the_fleet_tells() {
    is_told(Some(Duration::from_millis(150)), "probe/shop/");
}

#[test]
fn while_a_commit_takes_5_s_a_region_tells_alone() {
    is_told(Some(Duration::from_secs(5)), "eu/probe/shop/");
}

#[test]
fn while_no_commit_ends_a_region_tells_alone() {
    is_told(None, "eu/probe/shop/");
}

#[test]
fn while_the_database_is_read_only_a_region_tells_alone_and_what_ran_is_written_later() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let (mut service, _proxy) = service(&server, &target, &pager, &["shop".to_owned()], Some(Duration::ZERO));
    // As a server is that was a standby, or is to be replaced by one.
    server.set("default_transaction_read_only = on");
    service.until("its lease is over", |service| service.metric("serinus_fleet_evaluates", &[]) < 1.0);
    target.set("/shop", BROKEN);
    let alone = first_page(&pager).message["key"].clone();
    assert!(alone.as_str().is_some_and(|key| key.starts_with("eu/probe/shop/")), "{alone}");
    server.set("default_transaction_read_only = off");
    service.until("it is handed in", |_| server.has_handed_in());
    target.set("/shop", WELL);
    let over = pager.until("it is over", |page| page.is("well", "probe/shop"));
    assert_eq!((&over.message["key"], pager.pages().len()), (&alone, 2), "one ring and its end: {:?}", pager.lines());
    assert_eq!(service.stop().code(), Some(0));
    assert_eq!(server.ask("serinus", "SELECT count(*) FROM runs WHERE verdict = 3"), "0", "every tick ran, and is in the store");
}

#[test]
#[expect(clippy::print_stdout, reason = "figures are read by people")]
#[ignore = "it measures, for some minutes: from the answer that decides to the page, while a commit takes 150 ms"]
fn measured_from_a_run_to_its_page() {
    const PROBES: usize = 40;
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let names: Vec<String> = (0..PROBES).map(|number| format!("p{number}")).collect();
    let (_service, _proxy) = service(&server, &target, &pager, &names, Some(Duration::from_millis(150)));
    let mut took = Vec::new();
    for name in &names {
        let path = format!("/{name}");
        target.set(&path, BROKEN);
        let page = pager.until("it is told", |page| page.is("opened", &format!("probe/{name}")));
        let asked = target.asked_at(&path).into_iter().filter(|at| *at <= page.at).max().expect("it was probed");
        took.push(page.at.duration_since(asked));
        target.set(&path, WELL);
        // A channel gathers more than ten rings a minute.
        std::thread::sleep(Duration::from_secs(6));
    }
    took.sort();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!(
        "from the deciding answer to the POST, {PROBES} pages: p50 {:?}, p99 {:?}, most {:?}",
        at(50),
        at(99),
        took[took.len() - 1]
    );
}
