//! A PostgreSQL in which each does only what it must: who makes tables, who runs in which region, and what is never written there.

use std::process::Output;

use crate::api::spellings;
use crate::cli_support::{assert_exit, run, serinus, stderr, stdout, until};
use crate::fleet;
use crate::page_support::pager::Pager;
use crate::page_support::service::{self, Service};
use crate::page_support::target::{BROKEN, Target, WELL};
use crate::postgres::Postgres;
use crate::service_support::{self, Double, edit, write};

/// Does what an administrator does once.
fn make_roles(server: &Postgres, regions: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let printed = run(folder.path(), &[&["store", "roles", "--row-security"], regions].concat());
    assert_exit(&printed, 0);
    for _ in 0..2 {
        server.ask("serinus", &stdout(&printed));
    }
    server.ask("serinus", "CREATE ROLE serinus_owner LOGIN IN ROLE serinus_migrate");
}

/// `serinus store migrate`, which has nothing but a URL.
fn migrate(url: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    serinus(folder.path()).args(["store", "migrate"]).env("SERINUS_STORE__URL", url).output().unwrap()
}

/// What a service says that ends at once, because it cannot use its store.
fn refused(service: &Service) -> String {
    let output = run(service.folder(), &["run", "-c", "service"]);
    assert_exit(&output, 3);
    stderr(&output)
}

#[test]
fn regions_that_log_in_as_roles_of_their_own_act_as_one_on_tables_that_their_owner_made() {
    let server = Postgres::start();
    make_roles(&server, &["eu", "us"]);
    let (target, pager) = (Target::start(), Pager::start());
    let of = |region: &str| fleet::service(region, &server.url_of(&format!("serinus_run_{region}")), &target, &pager);
    let said = refused(&of("eu"));
    assert!(said.contains("`serinus store migrate`"), "{said}");
    assert_exit(&migrate(&server.url_of("serinus_run_eu")), 3);
    for word in ["were made: version 1", "have version 1 already"] {
        let made = migrate(&server.url_of("serinus_owner"));
        assert_exit(&made, 0);
        assert!(stderr(&made).contains(word), "{}", stderr(&made));
    }
    let mut services = ["eu", "us"].map(|region| {
        let service = of(region).start();
        service.more(2.0, "shop", "passed");
        service
    });
    services[0].until("the first one evaluates", |first| first.metric("serinus_fleet_evaluates", &[]) > 0.0);
    target.set("/us", BROKEN);
    let first = pager.until("us fails", |page| page.is("opened", "probe/shop"));
    target.set("/eu", BROKEN);
    pager.until("critical", |page| {
        page.message["severity"] == "critical" && page.message["incident"] == first.message["incident"]
    });
    services[0].until("it is told", |service| service.untold() == 0.0);
    assert_eq!(services[0].stop().code(), Some(0));
    services[1].until("the other one evaluates", |other| other.metric("serinus_fleet_evaluates", &[]) > 0.0);
    target.set("/us", WELL);
    services[1].more(2.0, "shop", "passed");
    assert!(services[1].metric("serinus_store_writable", &[]) > 0.0);
    assert_eq!(services[1].stop().code(), Some(0));
    let others = "SELECT count(*) FROM pg_class WHERE relname ~ '^runs_.*d$' AND relowner <> 'serinus_migrate'::regrole";
    assert_eq!(server.ask("serinus", others), "0");
}

#[test]
fn a_later_version_of_the_tables_stops_nobody_who_gets_on_with_it_and_no_start_of_who_does_not_comes_about() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let probes = [service::probe("first", target.address, "alert.page_after = 2")];
    let settings = format!("[store]\nurl = \"{}\"\n{}", server.url(), service::channel(&pager, "hook"));
    let mut service = Service::new(&probes, &settings).start();
    service.more(2.0, "first", "passed");
    let later = |sql: &str| server.ask("serinus", &format!("BEGIN; {sql}; COMMIT"));
    later(
        "ALTER TABLE incidents ADD COLUMN trial text; CREATE TABLE trial (id integer PRIMARY KEY);
         INSERT INTO migrations (number, least_reader) VALUES (2, 1)",
    );
    target.set("/first", BROKEN);
    pager.until("first", |page| page.is("opened", "probe/first"));
    service.until("it is told", |service| service.untold() == 0.0);
    assert_eq!(service.stop().code(), Some(0));
    service.begin(&[], |_| {});
    assert_eq!(service.json("/api/v1/status")["open_incidents"].as_array().unwrap().len(), 1, "it starts again and goes on");

    later("DROP TABLE trial; INSERT INTO migrations (number, least_reader) VALUES (3, 3)");
    let said = refused(&service);
    assert!(said.contains("version 3 of the tables") && said.contains("version 3 or later"), "{said}");
    service.more(2.0, "first", "failed");
    assert!(service.metric("serinus_store_writable", &[]) > 0.0, "who runs goes on until it is started again");
    target.set("/first", WELL);
    pager.until("it is over", |page| page.is("well", "probe/first"));
    assert_eq!(service.stop().code(), Some(0));
    assert_eq!(server.ask("serinus", "SELECT count(*) FROM incidents WHERE resolved_ms IS NOT NULL AND trial IS NULL"), "1");
}

#[test]
fn nothing_in_the_database_has_a_secret_that_went_through_runs_cleanups_and_pages() {
    const SECRET: &str = "gr\"een/f+ish?ü";
    let server = Postgres::start();
    // Both say what came to them; the receiver takes nothing.
    let (target, receiver) = (Double::start(200, "echo"), Double::start(403, "echo"));
    let channel = format!(
        "[[notify.webhook]]\nname = \"hook\"\nurl = \"http://{}/{{{{ secret.deep | urlencode }}}}\"\ntimeout = \"1s\"\n\
         headers = {{ x-key = \"{{{{ secret.deep | urlencode }}}}\" }}\n",
        receiver.address
    );
    let folder = service_support::folder(&target, &format!("[store]\nurl = \"{}\"\n{channel}", server.url()));
    write(folder.path(), "deep", SECRET);
    edit(folder.path(), "serinus.toml", "[secrets]\n", "[secrets]\ndeep = { file = \"deep\" }\n");
    let sends = "http.headers = { x-key = \"{{ secret.deep | urlencode }}\" }\n\
                 http.basic = { user = \"u\", password = \"{{ secret.deep }}\" }\n\
                 http.json = { p = \"{{ secret.deep }}\" }\n";
    let more = format!(
        "[vars]\nnote = \"it is {{{{ secret.deep }}}}\"\n\
         [[step]]\nname = \"create\"\nhttp.post = \"http://{0}/a?q={{{{ secret.deep | urlencode }}}}\"\n{sends}\
         expect = [\"status == 200\"]\ncapture = {{ id = \"json.echo\" }}\n\
         [step.cleanup]\nhttp.delete = \"http://{0}/b?q={{{{ secret.deep | urlencode }}}}&id={{{{ id | urlencode }}}}\"\n{sends}\
         expect = [\"json.gone == true\"]\n\
         [[step]]\nname = \"read\"\nhttp.put = \"http://{0}/c?q={{{{ secret.deep | urlencode }}}}\"\n{sends}\
         expect = [\"status == 200\", \"json.echo == note\"]\n",
        target.address
    );
    let text = std::fs::read_to_string(folder.path().join("probes/p.toml")).unwrap();
    let (head, _) = text.split_once("[[step]]").unwrap();
    write(folder.path(), "probes/p.toml", &format!("{head}{more}"));
    let service = service_support::Service::start(folder.path());
    for (what, sql) in [
        ("a page was refused", "SELECT 1 FROM tries WHERE error IS NOT NULL LIMIT 1"),
        ("a run failed", "SELECT 1 FROM runs WHERE details IS NOT NULL AND verdict = 1 LIMIT 1"),
        ("a cleanup failed", "SELECT 1 FROM ledger WHERE message IS NOT NULL AND names IS NOT NULL LIMIT 1"),
    ] {
        until(what, || (server.ask("serinus", sql) == "1").then_some(()));
    }
    assert_eq!(service.stop(), Some(0));
    assert!(target.received().iter().any(|request| request.body.contains("gr\\\"een/f+ish?ü")), "the runs do send it");
    let dump = server.dump();
    assert!(dump.contains("•••") && dump.contains("probe/p"), "what happened is in it: {dump}");
    let hexadecimal: String =
        SECRET.bytes().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    for spelling in spellings(SECRET).into_iter().chain([hexadecimal, "sesame-open".to_owned()]) {
        let at = dump.find(&spelling).map(|at| dump[..at].rsplit('\n').next().unwrap_or_default().to_owned());
        assert_eq!(at, None, "{spelling} is in the database");
    }
}
