//! `serinus store copy`: a service moves from a file to a PostgreSQL behind a pooler, in the middle of an incident.

use std::process::{Command, Output};

use crate::cli_support::{assert_exit, serinus, stderr, stdout};
use crate::page_support::pager::Pager;
use crate::page_support::service::{Service, TOKEN, channel, probe};
use crate::page_support::target::{BROKEN, Target, WELL};
use crate::postgres::{Pooler, Postgres};

/// Where the environment says that the store is.
const STORE: &str = "SERINUS_STORE__URL";

/// Copies the file of a service to the database that the environment names.
fn copy(service: &Service, url: &str) -> Output {
    let mut command = serinus(service.folder());
    command.args(["store", "copy", "-c", "service", "--from", "sqlite:serinus.db"]).env("API_TOKEN", TOKEN).env(STORE, url);
    command.output().unwrap()
}

#[test]
fn an_incident_that_is_open_goes_on_in_the_database_under_its_key_and_nobody_is_told_twice() {
    let (server, target, pager) = (Postgres::start(), Target::start(), Pager::start());
    let pooler = Pooler::start(&server);
    let url = pooler.url().replace("serinus@", "serinus:geheim@");
    let probes = [probe("first", target.address, "alert.page_after = 2")];
    let settings = format!("[store]\nurl = \"sqlite:serinus.db\"\n{}", channel(&pager, "hook"));
    let mut service = Service::new(&probes, &settings).start();
    service.more(2.0, "first", "passed");
    target.set("/first", BROKEN);
    let rung = pager.until("first", |page| page.is("opened", "probe/first"));
    service.until("it is told", |service| service.untold() == 0.0);

    let refused = copy(&service, &url);
    assert_exit(&refused, 3);
    assert!(stderr(&refused).contains("in use by a running service"), "{}", stderr(&refused));
    assert_eq!(service.stop().code(), Some(0));
    let copied = copy(&service, &url);
    assert_exit(&copied, 0);
    let told = stdout(&copied) + &stderr(&copied);
    let lines: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(lines.contains(&vec!["incidents", "1", "1"]) && lines.contains(&vec!["tries", "1", "1"]), "{told}");
    assert!(!told.contains("geheim"), "{told}");
    let again = copy(&service, &url);
    assert_exit(&again, 2);
    assert!(stderr(&again).contains("is not empty") && !stderr(&again).contains("geheim"), "{}", stderr(&again));

    service.begin(&[], |command: &mut Command| {
        command.env(STORE, &url);
    });
    let open = service.json("/api/v1/status")["open_incidents"].clone();
    assert_eq!((open.as_array().unwrap().len(), &open[0]["scope"]), (1, &"probe/first".into()));
    service.more(2.0, "first", "failed");
    target.set("/first", WELL);
    let well = pager.until("it is over", |page| page.is("well", "probe/first"));
    assert_eq!(well.message["key"], rung.message["key"]);
    let opened = pager.pages().iter().filter(|page| page.is("opened", "probe/first")).count();
    assert_eq!(opened, 1, "it is told of once: {:?}", pager.lines());
    service.until("all is told", |service| service.untold() == 0.0);
    assert_eq!(service.stop().code(), Some(0));
    assert_eq!(server.ask("serinus", "SELECT count(*) FROM incidents WHERE resolved_ms IS NOT NULL"), "1");
}
