//! Several processes on one PostgreSQL: one incident for all regions, one process that evaluates, and others that take over.

use std::time::{Duration, Instant};

use crate::page_support::pager::{Page, Pager};
use crate::page_support::service::{Service, channel, journey};
use crate::page_support::target::{BROKEN, Target, WELL};
use crate::postgres::Postgres;

/// Within how long one that is gone is replaced, by the configuration of these tests; and what a busy machine adds.
const LEASE: Duration = Duration::from_secs(10);
const BUSY: Duration = Duration::from_secs(20);

/// A service of a region; the probe asks a path of its own in each.
pub(crate) fn service(region: &str, url: &str, target: &Target, pager: &Pager) -> Service {
    let step = format!(
        "[[step]]\nname = \"front page\"\nhttp.get = \"http://{}/{{{{ region }}}}\"\nexpect = [\"status == 200\", \"json.state == 'ok'\"]\n",
        target.address
    );
    let settings = format!(
        "region = \"{region}\"\nregions = [\"ap\", \"eu\", \"us\"]\n[store]\nurl = \"{url}\"\n[fleet]\nlease = \"10s\"\nalone_after = \"15s\"\n{}",
        channel(pager, "hook")
    );
    Service::new(&[journey("shop", "alert.page_after = 2", &step)], &settings)
}

/// Three regions that are well; the first one evaluates.
fn three(url: &str, target: &Target, pager: &Pager) -> [Service; 3] {
    ["eu", "us", "ap"].map(|region| {
        let service = service(region, url, target, pager).start();
        service.more(2.0, "shop", "passed");
        service
    })
}

fn evaluates(service: &Service) -> bool {
    service.metric("serinus_fleet_evaluates", &[]) > 0.0
}

/// The pages of the probe's incident that make noise, by their keys.
fn rings(pager: &Pager) -> Vec<Page> {
    pager.pages().into_iter().filter(|page| page.message["scope"] == "probe/shop" && page.message["occasion"] != "well").collect()
}

fn keys(pages: &[Page]) -> Vec<String> {
    let mut keys: Vec<String> = pages.iter().map(|page| page.message["key"].as_str().unwrap_or_default().to_owned()).collect();
    keys.sort();
    keys
}

/// Waits until it is written down that all that rang was taken: one that dies or stands still before that has it repeated.
fn until_told(server: &Postgres, service: &Service) {
    let waiting = "SELECT count(*) FROM tries WHERE state <> 'taken'";
    service.until("what was told is written down", |_| server.ask("serinus", waiting) == "0");
}

/// Nothing rang twice, and all that rang is over.
fn ends_well(pager: &Pager) {
    pager.until("it is over", |page| page.is("well", "probe/shop"));
    let rung = keys(&rings(pager));
    let mut once = rung.clone();
    once.dedup();
    assert_eq!(once, rung, "no key rang twice: {:?}", pager.lines());
}

#[test]
fn two_regions_that_fail_are_one_incident_that_is_critical_and_a_process_that_is_killed_is_replaced() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut services = three(&server.url(), &target, &pager);
    services[0].until("the first one evaluates", evaluates);
    target.set("/us", BROKEN);
    let first = pager.until("us fails", |page| page.is("opened", "probe/shop"));
    target.set("/ap", BROKEN);
    let critical = pager.until("critical", |page| page.message["severity"] == "critical");
    assert_eq!(critical.message["incident"], first.message["incident"], "one incident has both regions");
    assert!(!evaluates(&services[1]) && !evaluates(&services[2]));

    until_told(&server, &services[0]);
    let killed = Instant::now();
    services[0].kill();
    services[1].until("another one evaluates", |_| services[1..].iter().any(evaluates));
    assert!(killed.elapsed() < LEASE + BUSY, "it took {:?}", killed.elapsed());
    for path in ["/us", "/ap"] {
        target.set(path, WELL);
    }
    ends_well(&pager);
    for service in &mut services[1..] {
        assert_eq!(service.stop().code(), Some(0));
    }
    let open = server.ask("serinus", "SELECT count(*) FROM incidents WHERE scope = 'probe/shop'");
    assert_eq!(open, "1", "there was one incident: {:?}", pager.lines());
}

#[test]
fn a_process_that_stood_still_is_replaced_and_says_nothing_when_it_goes_on() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut services = three(&server.url(), &target, &pager);
    services[0].until("the first one evaluates", evaluates);
    target.set("/us", BROKEN);
    pager.until("us fails", |page| page.is("opened", "probe/shop"));
    until_told(&server, &services[0]);
    services[0].running().signal("STOP");
    services[1].until("another one evaluates", |_| services[1..].iter().any(evaluates));
    target.set("/ap", BROKEN);
    pager.until("critical", |page| page.message["severity"] == "critical");
    services[0].running().signal("CONT");
    // Its region was nobody's meanwhile, so that it goes on with it; what all regions come to is another one's.
    services[0].until("it stands down", |first| !evaluates(first));
    services[0].more(2.0, "shop", "passed");
    for path in ["/us", "/ap"] {
        target.set(path, WELL);
    }
    ends_well(&pager);
    for service in &mut services {
        assert_eq!(service.stop().code(), Some(0));
    }
}

#[test]
fn an_instance_that_stands_by_goes_on_with_its_region_and_no_tick_counts_twice() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut first = service("eu", &server.url(), &target, &pager).start();
    first.more(2.0, "shop", "passed");
    let url = server.url();
    let (its_target, its_pager) = (target.clone(), pager.clone());
    // It has an address to tell once it probes.
    let standby = std::thread::spawn(move || service("eu", &url, &its_target, &its_pager).start());
    target.set("/eu", BROKEN);
    pager.until("eu fails", |page| page.is("opened", "probe/shop"));
    until_told(&server, &first);
    first.running().signal("STOP");
    let stopped = Instant::now();
    let mut second = standby.join().expect("it takes the region over");
    assert!(stopped.elapsed() < LEASE + BUSY, "it took {:?}", stopped.elapsed());
    second.more(2.0, "shop", "failed");
    first.running().signal("CONT");
    let status = first.wait();
    assert_eq!(status.code(), Some(3), "it ends, and stands by where it is started again");
    target.set("/eu", WELL);
    ends_well(&pager);
    assert_eq!(second.stop().code(), Some(0));
    let twice =
        "SELECT count(*) FROM (SELECT 1 FROM runs WHERE counted GROUP BY canary, slot, due_ms HAVING count(*) > 1) AS twice";
    assert_eq!(server.ask("serinus", twice), "0");
}

#[test]
fn regions_whose_store_is_away_page_by_themselves_and_hand_over_when_it_is_back() {
    let mut server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut services = ["eu", "us"].map(|region| {
        let service = service(region, &server.url(), &target, &pager).start();
        service.more(2.0, "shop", "passed");
        service
    });
    server.command("kill");
    target.set("/us", BROKEN);
    let alone = pager.until("us tells by itself", |page| page.message["scope"] == "probe/shop");
    assert!(alone.message["key"].as_str().unwrap().starts_with("us/probe/shop/"), "{:?}", pager.lines());
    assert!(alone.message["apart"].to_string().contains("another one may be paging"), "{}", alone.message);
    server.command("start");
    pager.until("the fleet tells of it", |page| page.is("opened", "probe/shop") && page.message["key"] == "probe/shop/1");
    pager.until("us has handed over", |page| page.message["occasion"] == "continues");
    target.set("/us", WELL);
    pager.until("it is over", |page| page.is("well", "probe/shop"));
    for service in &mut services {
        assert_eq!(service.stop().code(), Some(0));
    }
    let missed = "SELECT count(*) FROM runs WHERE verdict = 3";
    assert_eq!(server.ask("serinus", missed), "0", "every tick ran while the store was away, and is in it: {:?}", pager.lines());
}

#[test]
fn what_is_paused_and_muted_on_one_process_is_so_on_all_and_who_does_not_evaluate_shows_what_fails() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut services = three(&server.url(), &target, &pager);
    services[0].until("the first one evaluates", evaluates);
    services[1].ask(&["pause", "shop/ap", "--by", "ann"]);
    services[2].until("it skips its runs", |ap| ap.runs("shop", "skipped") > 1.0);
    target.set("/us", BROKEN);
    let page = pager.until("us fails", |page| page.is("opened", "probe/shop"));
    for service in &services {
        service.until("each shows it", |service| service.json("/api/v1/status").to_string().contains("probe/shop"));
    }
    assert!(!page.message["failing"].to_string().contains("ap"), "{}", page.message);
    services[0].ask(&["resume", "shop/ap"]);
    services[2].more(2.0, "shop", "passed");
    target.set("/us", WELL);
    ends_well(&pager);
    for service in &mut services {
        assert_eq!(service.stop().code(), Some(0));
    }
}
