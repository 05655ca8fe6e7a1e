//! A process of a fleet whose database is away: at its start, while it creates something, and when it dies alone.

use std::collections::BTreeSet;

use crate::page_support::pager::{Page, Pager};
use crate::page_support::service::{Service, channel, journey};
use crate::page_support::target::{Answer, BROKEN, Target, WELL};
use crate::postgres::Postgres;
use crate::programs::free_port;

/// A service with a probe that only reads and one that creates.
fn service(server: &Postgres, target: &Target, pager: &Pager) -> Service {
    let at = target.address;
    let reads = format!(
        "[[step]]\nname = \"front page\"\nhttp.get = \"http://{at}/shop\"\nexpect = [\"status == 200\", \"json.state == 'ok'\"]\n"
    );
    let creates = format!(
        "[[step]]\nname = \"create\"\nhttp.get = \"http://{at}/create/{{{{ run.id }}}}\"\nexpect = [\"status == 200\"]\n\
         [step.cleanup]\nhttp.get = \"http://{at}/delete/{{{{ run.id }}}}\"\nexpect = [\"status == 200\"]\n\
         [[step]]\nname = \"look\"\nhttp.get = \"http://{at}/look\"\nexpect = [\"status == 200\"]\n"
    );
    let settings = format!(
        "region = \"eu\"\nregions = [\"eu\"]\n[store]\nurl = \"{}\"\n[fleet]\nlease = \"10s\"\nalone_after = \"15s\"\n{}",
        server.url(),
        channel(pager, "hook")
    );
    let probes = [journey("shop", "alert.page_after = 2", &reads), journey("maker", "alert.page_after = 2", &creates)];
    // It listens anew once it is one of the fleet.
    Service::listening(&format!("127.0.0.1:{}", free_port()), &probes, &settings)
}

/// What was created and not deleted.
fn left(target: &Target) -> BTreeSet<String> {
    &target.asked_below("/create/") - &target.asked_below("/delete/")
}

fn told_alone(page: &Page) -> bool {
    page.is("opened", "probe/shop") && page.message["key"].as_str().is_some_and(|key| key.starts_with("eu/probe/shop/"))
}

fn told_by_the_fleet(page: &Page) -> bool {
    page.is("opened", "probe/shop") && page.message["key"] == "probe/shop/1"
}

/// The keys that are not over.
pub(crate) fn open_keys(pager: &Pager) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    for page in pager.pages() {
        let key = page.message["key"].as_str().unwrap_or_default().to_owned();
        match page.message["occasion"].as_str() {
            Some("opened" | "again") => open.push(key),
            _ => open.retain(|known| *known != key),
        }
    }
    open
}

#[test]
fn a_process_that_starts_while_the_database_is_away_probes_and_pages_alone_and_joins_the_fleet_later() {
    let mut server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    server.command("kill");
    let mut service = service(&server, &target, &pager).start();
    service.more(2.0, "maker", "passed");
    assert!(service.metric("serinus_fleet_alone", &[]) > 0.0);
    assert!(
        service.json("/api/v1/status")["fleet"]["trouble"].to_string().contains("by itself"),
        "{}",
        service.json("/api/v1/status")
    );
    target.set("/shop", BROKEN);
    let page = pager.until("it tells by itself", told_alone);
    assert!(page.message["apart"].to_string().contains("another one may be paging"), "{}", page.message);
    server.command("start");
    pager.until("it ends what it told alone", |page| page.message["occasion"] == "continues");
    pager.until("the fleet tells of it", told_by_the_fleet);
    target.set("/shop", WELL);
    pager.until("it is over", |page| page.is("well", "probe/shop"));
    assert_eq!(open_keys(&pager), Vec::<String>::new(), "{:?}", pager.lines());
    service.more(1.0, "maker", "passed");
    assert_eq!(service.stop().code(), Some(0));
    let of_maker = "FROM runs JOIN probes ON probes.id = runs.probe WHERE name = 'maker'";
    let before =
        format!("SELECT count(*) {of_maker} AND verdict = 0 AND counted AND due_ms < (SELECT min(opened_ms) FROM incidents)");
    assert!(server.ask("serinus", &before).parse::<u64>().unwrap() >= 2, "what ran before the database was reached is in it");
    assert_eq!(server.ask("serinus", "SELECT count(*) FROM ledger"), "0");
    assert_eq!(left(&target), BTreeSet::new(), "all was deleted");
}

#[test]
fn what_a_process_told_alone_before_it_was_killed_is_ended_by_the_next_one() {
    let mut server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut service = service(&server, &target, &pager).start();
    service.more(2.0, "shop", "passed");
    server.command("kill");
    target.set("/shop", BROKEN);
    let alone = pager.until("it tells by itself", told_alone);
    service.until("it is written down", |service| service.metric("serinus_owed", &[]) < 1.0);
    service.kill();
    server.command("start");
    service.begin(&[], |_| {});
    let end = pager.until("the next one ends it", |page| page.message["occasion"] == "continues");
    assert_eq!(end.message["key"], alone.message["key"]);
    pager.until("the fleet tells of it", told_by_the_fleet);
    target.set("/shop", WELL);
    pager.until("it is over", |page| page.is("well", "probe/shop"));
    assert_eq!(open_keys(&pager), Vec::<String>::new(), "{:?}", pager.lines());
    assert_eq!(service.stop().code(), Some(0));
}

#[test]
fn what_was_created_while_the_database_was_away_is_deleted_after_a_crash() {
    let mut server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut service = service(&server, &target, &pager).start();
    service.more(2.0, "maker", "passed");
    server.command("kill");
    service.more(2.0, "maker", "passed");
    target.set("/look", Answer::Hangs);
    let looked = target.asked("/look");
    service.until("a run has created something", |_| target.asked("/look") > looked);
    service.kill();
    let killed = left(&target);
    assert_eq!(killed.len(), 1, "the run that was cut has left something");
    target.set("/look", WELL);
    server.command("start");
    service.begin(&[], |_| {});
    // It is swept each minute.
    service.until("it is deleted", |_| left(&target).is_disjoint(&killed));
    assert_eq!(service.stop().code(), Some(0));
    assert_eq!(left(&target), BTreeSet::new());
}

/// Whether the journal of a process that runs has this text; only that process may open it.
fn journal_has(service: &Service, text: &str) -> bool {
    ["", "-wal"].into_iter().any(|end| {
        let file = std::fs::read(service.folder().join(format!("serinus-journal.db{end}"))).unwrap_or_default();
        file.windows(text.len()).any(|found| found == text.as_bytes())
    })
}

#[test]
fn what_was_muted_rings_nobody_where_the_next_process_starts_while_the_database_is_away() {
    let mut server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut service = service(&server, &target, &pager).start();
    service.more(2.0, "shop", "passed");
    service.ask(&["mute", "shop", "--reason", "expectation", "--by", "ann", "--why", "ticket 7"]);
    service.until("the journal has it", |service| journal_has(service, "ticket 7"));
    assert_eq!(service.stop().code(), Some(0));
    server.command("kill");
    target.set("/shop", BROKEN);
    service.begin(&[], |_| {});
    service.more(4.0, "shop", "failed");
    assert!(service.metric("serinus_fleet_alone", &[]) > 0.0);
    assert!(!pager.pages().iter().any(|page| page.message["scope"] == "probe/shop"), "{:?}", pager.lines());
    service.ask(&["unmute", "shop", "--reason", "expectation"]);
    pager.until("it is not muted any more", told_alone);
    server.command("start");
    pager.until("the fleet tells of it, since nobody else has muted it meanwhile", told_by_the_fleet);
    target.set("/shop", WELL);
    pager.until("it is over", |page| page.is("well", "probe/shop"));
    assert_eq!(open_keys(&pager), Vec::<String>::new(), "{:?}", pager.lines());
    assert_eq!(service.stop().code(), Some(0));
}
