//! Several processes on one PostgreSQL: one incident for all regions, one process that evaluates, and others that take over.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::delaying::Delaying;
use crate::page_support::pager::{Page, Pager};
use crate::page_support::service::{Service, TOKEN, channel, journey};
use crate::page_support::target::{BROKEN, Target, WELL};
use crate::postgres::Postgres;
use crate::service_support::{Answer, ask};

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
    services[0].until("us hands in what it told", |_| server.has_handed_in());
    target.set("/us", WELL);
    let over = pager.until("it is over", |page| page.is("well", "probe/shop"));
    assert_eq!(
        (&over.message["key"], pager.pages().len()),
        (&alone.message["key"], 2),
        "one ring and its end: {:?}",
        pager.lines()
    );
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

/// What the API of a process answers to who may act.
fn post(service: &Service, path: &str, body: &str) -> Answer {
    let bearer = format!("authorization: Bearer {TOKEN}");
    ask(service.address(), &format!("POST {path}"), &[&bearer, "content-type: application/json"], body)
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

#[test]
fn what_people_ask_of_one_process_is_done_by_the_one_that_it_concerns_and_answered_as_if_it_had_done_it_itself() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut services = three(&server.url(), &target, &pager);
    let [eu, us, ap] = &services;
    eu.until("the first one evaluates", evaluates);
    us.until("ap starts a run, once no tick's is going", |us| {
        let started = post(us, "/api/v1/trigger", r#"{"target":"shop/ap","by":"ann"}"#);
        started.status == 200 && json(&started)["started"][0] == "shop/ap"
    });
    ap.until("ap ran by hand", |_| server.ask("serinus", "SELECT count(*) FROM runs WHERE NOT counted") == "1");

    target.set("/us", BROKEN);
    pager.until("us fails", |page| page.is("opened", "probe/shop"));
    until_told(&server, eu);
    let acknowledged = post(us, "/api/v1/incidents/probe%2Fshop/ack", r#"{"by":"ann","reason":"looking"}"#);
    assert!(acknowledged.status == 200 && json(&acknowledged)["members"] == 1, "{acknowledged:?}");
    let again = post(ap, "/api/v1/incidents/probe%2Fshop/ack", r#"{"by":"bo"}"#);
    assert!(again.status == 200 && json(&again)["already"]["by"] == "ann", "{again:?}");
    for service in &services {
        service.until("each says who is at it", |one| one.json("/api/v1/status").to_string().contains("looking"));
    }
    let unknown = post(us, "/api/v1/incidents/probe%2Fother/ack", r#"{"by":"ann"}"#);
    assert!(unknown.status == 404 && unknown.error().contains("is open"), "{unknown:?}");
    let refused = post(ap, "/api/v1/incidents/probe%2Fshop/close", r#"{"by":"bo","why":"known"}"#);
    assert!(refused.status == 409 && refused.error().contains("shop/us still fails"), "{refused:?}");

    ap.ask(&["pause", "shop/us", "--by", "bo"]);
    eu.until("it is muted there", |one| one.json("/api/v1/status")["muted_total"] == 1);
    let closed = post(ap, "/api/v1/incidents/probe%2Fshop/close", r#"{"by":"bo","why":"known"}"#);
    assert!(closed.status == 200 && json(&closed)["members"] == 1, "{closed:?}");
    pager.until("it is closed", |page| page.is("closed", "probe/shop"));
    let events = "SELECT string_agg(what || ' by ' || author, ', ' ORDER BY what, author) FROM events WHERE kind = 'action'";
    let expected = "acknowledge by ann, acknowledge by bo, close by bo, pause by bo, trigger by ann";
    ap.until("the audit log names the people", |_| server.ask("serinus", events) == expected);
    let open = "SELECT count(*) FROM requests WHERE answer IS NULL";
    assert_eq!(server.ask("serinus", open), "0");
    for service in &mut services {
        assert_eq!(service.stop().code(), Some(0));
    }
}

#[test]
fn what_nobody_does_in_time_is_withdrawn_and_a_region_that_is_gone_says_since_when() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut services = three(&server.url(), &target, &pager);
    services[2].kill();
    let refused = post(&services[1], "/api/v1/trigger", r#"{"target":"shop/ap","by":"ann"}"#);
    let said = refused.error();
    assert!(refused.status == 503 && said.contains("`ap`") && said.contains("nothing was done"), "{refused:?}");
    assert_eq!(server.ask("serinus", "SELECT count(*) FROM requests"), "0", "it was withdrawn");
    services[1].until("its lease has run out", |us| {
        let refused = post(us, "/api/v1/trigger", r#"{"target":"shop/ap"}"#);
        refused.status == 409 && refused.error().contains("it was last heard of")
    });
    for service in &mut services[..2] {
        assert_eq!(service.stop().code(), Some(0));
    }
}

#[test]
fn every_process_shows_the_whole_fleet_and_logs_in_who_logged_in_at_another_one() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut services = three(&server.url(), &target, &pager);
    services[0].until("the first one evaluates", evaluates);
    for service in &services {
        service.until("it sees all", |one| {
            let fleet = one.json("/api/v1/fleet");
            let evaluates = &fleet["instances"][0];
            fleet["instances"].as_array().unwrap().len() == 3
                && evaluates["role"] == "evaluates"
                && fleet["instances"].as_array().unwrap().iter().all(|one| one["differs"] == serde_json::json!([]))
                && fleet["regions"].as_array().unwrap().iter().all(|region| region["is_unknown"] == false)
        });
        assert!(service.ask(&["status"]).contains("region     ap: last heard"), "{}", service.ask(&["status"]));
        assert!(service.get("/").contains("probes and evaluates"), "the page has it");
    }

    let [eu, us, ap] = &services;
    let link = json(&post(eu, "/api/v1/login-codes", "{}"))["url"].as_str().unwrap().to_owned();
    let code = link.split("code=").nth(1).unwrap();
    let form = "content-type: application/x-www-form-urlencoded";
    let log_in = |service: &Service| {
        let origin = format!("origin: http://{}", service.address());
        ask(service.address(), "POST /login", &[&origin, form], &format!("code={code}"))
    };
    let in_here = log_in(us);
    assert_eq!(in_here.status, 303, "{in_here:?}");
    assert_eq!(log_in(us).status, 401, "it was used");
    assert_eq!(log_in(eu).status, 401);
    let cookie = in_here.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = format!("cookie: {}", cookie.split(';').next().unwrap());
    assert_eq!(ask(ap.address(), "GET /api/v1/status", &[&cookie], "").status, 200);
    assert_eq!(server.ask("serinus", "SELECT count(*) FROM codes"), "0");

    // One of another configuration.
    let other = service("us", &server.url(), &target, &pager);
    let path = other.folder().join("service");
    let text = std::fs::read_to_string(&path).unwrap().replace("timeout = \"2s\"", "timeout = \"3s\"");
    std::fs::write(path, text).unwrap();
    assert_eq!(services[1].stop().code(), Some(0));
    let mut other = other.start();
    other.until("who evaluates sees that it differs", |_| {
        services[0].json("/api/v1/fleet")["instances"].to_string().contains(r#""differs":["alerting"]"#)
    });
    services[0].running().said("other channels, routes or regions");
    for service in [&mut other].into_iter().chain(services.iter_mut().step_by(2)) {
        assert_eq!(service.stop().code(), Some(0));
    }
}

#[test]
fn a_process_that_was_alone_while_another_one_took_its_region_ends_what_it_told_and_then_itself() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let proxy = Delaying::before(server.socket());
    let through_proxy = format!("postgres://postgres@{}/serinus", proxy.address);
    let mut first = service("eu", &through_proxy, &target, &pager).start();
    first.more(2.0, "shop", "passed");
    let (url, its_target, its_pager) = (server.url(), target.clone(), pager.clone());
    let standby = std::thread::spawn(move || service("eu", &url, &its_target, &its_pager).start());
    proxy.set(None);
    let mut second = standby.join().expect("it takes the region over");
    target.set("/eu", BROKEN);
    let alone = pager.until("the first one tells alone", |page| page.message["key"].to_string().contains("eu/probe/shop"));
    pager.until("the second one tells for the fleet", |page| page.message["key"] == "probe/shop/1");
    proxy.set(Some(Duration::ZERO));
    pager.until("the first one ends what it told", |page| {
        page.message["key"] == alone.message["key"] && page.message["occasion"] == "continues"
    });
    assert_eq!(first.wait().code(), Some(3), "it ends, and stands by where it is started again");
    target.set("/eu", WELL);
    pager.until("it is over", |page| page.is("well", "probe/shop"));
    assert_eq!(second.stop().code(), Some(0));
}
