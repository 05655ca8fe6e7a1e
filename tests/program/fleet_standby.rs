//! An instance that stands by: it shows the whole fleet, passes on what people do, writes nothing of its region, and goes on with it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli_support::{PATIENCE, until};
use crate::fleet;
use crate::page_support::pager::Pager;
use crate::page_support::service::{Service, TOKEN, journey};
use crate::page_support::target::{BROKEN, Target, WELL};
use crate::postgres::Postgres;
use crate::service_support::{Answer, ask};

/// What its front page says.
const STANDS_BY: &str = "This instance stands by: eu is probed by another one, on ";

fn service(region: &str, server: &Postgres, target: &Target, pager: &Pager) -> Service {
    fleet::service(region, &server.url(), target, pager)
}

/// Where who probes is replaced only after a minute.
fn slowly(command: &mut std::process::Command) {
    command.env("SERINUS_FLEET__LEASE", "1m").env("SERINUS_FLEET__ALONE_AFTER", "5m");
}

fn send(to: &Service, request: &str, body: &Value) -> Answer {
    let bearer = format!("authorization: Bearer {TOKEN}");
    ask(to.address(), request, &[&bearer, "content-type: application/json"], &body.to_string())
}

fn done(to: &Service, request: &str, body: &Value) -> Value {
    let answer = send(to, request, body);
    assert_eq!(answer.status, 200, "{request}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// Each canary and how it stands.
fn canaries(service: &Service) -> Vec<(String, String)> {
    let canaries = service.json("/api/v1/canaries");
    let word = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    canaries["items"].as_array().unwrap().iter().map(|one| (word(one, "canary"), word(one, "standing"))).collect()
}

/// The role of the process that answers.
fn role(service: &Service) -> Value {
    let fleet = service.json("/api/v1/fleet");
    let this = fleet["instances"].as_array().unwrap().iter().find(|one| one["is_this"] == true);
    this.map(|this| this["role"].clone()).unwrap_or_default()
}

/// A log-in with a code that one instance made, at another: the cookie.
fn logged_in(made_by: &Service, at: &Service) -> String {
    let link = done(made_by, "POST /api/v1/login-codes", &json!({}));
    let code = link["url"].as_str().unwrap().split("code=").nth(1).unwrap().to_owned();
    let origin = format!("origin: http://{}", at.address());
    let form = "content-type: application/x-www-form-urlencoded";
    let in_there = ask(at.address(), "POST /login", &[&origin, form], &format!("code={code}"));
    assert_eq!(in_there.status, 303, "{in_there:?}");
    let cookie = in_there.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    format!("cookie: {}", cookie.split(';').next().unwrap())
}

/// A stream of events, line by line.
fn follow(service: &Service, path: &str) -> impl Iterator<Item = String> + use<> {
    let mut stream = TcpStream::connect(service.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("GET {path} HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    BufReader::new(stream).lines().map_while(Result::ok)
}

#[test]
fn who_stands_by_shows_what_who_probes_shows_and_passes_on_what_people_do() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let [mut eu, mut us] = ["eu", "us"].map(|region| service(region, &server, &target, &pager).start());
    eu.more(2.0, "shop", "passed");
    us.more(2.0, "shop", "passed");
    let mut standby = service("eu", &server, &target, &pager).stand_by(|_| {});
    assert_eq!(ask(standby.address(), "GET /readyz", &[], "").status, 200);
    standby.until("it stands by", |standby| role(standby) == "stands by");
    standby.until("it shows what eu shows", |standby| {
        let shown = canaries(standby);
        shown.iter().filter(|(_, standing)| standing == "passing").count() == 2 && shown == canaries(&eu)
    });
    assert!(standby.get("/").contains(STANDS_BY) && !eu.get("/").contains("stands by:"));
    assert!(standby.get("/probes/shop").contains("shop"));
    assert!(standby.ask(&["status"]).contains("eu on "), "the command says who stands by");
    let head = follow(&standby, "/api/v1/stream").any(|line| line == "event: head");
    assert!(head, "what `serinus top` follows is there");

    for (made_by, at) in [(&eu, &standby), (&standby, &eu)] {
        let cookie = logged_in(made_by, at);
        for service in [&eu, &us, &standby] {
            assert_eq!(ask(service.address(), "GET /api/v1/status", &[&cookie], "").status, 200);
        }
    }

    target.set("/us", BROKEN);
    let page = pager.until("us fails", |page| page.is("opened", "probe/shop"));
    let incident = page.message["incident"].as_str().unwrap().to_owned();
    standby.until("it shows the incident", |standby| standby.get("/").contains(&incident));
    let acknowledged = done(&standby, &format!("POST /api/v1/incidents/{incident}/ack"), &json!({ "by": "ann" }));
    assert_eq!(acknowledged["members"], 1);
    let told = eu.json(&format!("/api/v1/incidents/{incident}")).to_string();
    assert!(told.contains("ann"), "who evaluates knows it: {told}");

    done(&standby, "POST /api/v1/pause", &json!({ "target": "shop/eu", "by": "bob" }));
    let is_paused = |service: &Service| service.json("/api/v1/status")["pauses"][0]["by"] == "bob";
    assert!(is_paused(&standby));
    eu.until("who probes pauses it", is_paused);
    done(&eu, "POST /api/v1/resume", &json!({ "target": "shop/eu" }));
    standby.until("it is told of that", |standby| !is_paused(standby));

    let started = done(&standby, "POST /api/v1/trigger", &json!({ "target": "shop/eu", "by": "cyd" }));
    assert_eq!(started["started"], json!(["shop/eu"]));
    let is_made = "SELECT count(*) > 0 FROM events WHERE text LIKE '%`shop/eu` started by cyd%'";
    eu.until("who probes made the run", |_| server.ask("serinus", is_made) == "t");
    assert_eq!(done(&standby, "POST /api/v1/reload", &json!({}))["applied"], true);
    let refused = send(&standby, "POST /api/v1/sweep", &json!({}));
    assert!(refused.status == 409 && refused.body.contains("stands by"), "{refused:?}");
    assert!(standby.runs("shop", "passed") + standby.runs("shop", "failed") < 1.0, "it ran nothing");
    target.set("/us", WELL);
    pager.until("it is over", |page| page.is("well", "probe/shop"));
    for service in [&mut standby, &mut eu, &mut us] {
        assert_eq!(service.stop().code(), Some(0));
    }
}

#[test]
fn who_stands_by_and_is_looked_at_writes_nothing_and_tells_nobody() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut first = service("eu", &server, &target, &pager);
    first.begin(&[], slowly);
    first.more(2.0, "shop", "passed");
    target.set("/eu", BROKEN);
    pager.until("eu fails", |page| page.is("opened", "probe/shop"));
    first.until("it is told", |first| first.untold() == 0.0);
    // Nobody writes from here on, and its region is still its own.
    first.kill();
    server_is_left(&server);
    let (rows, told) = (rows(&server), pager.lines().len());
    let mut standby = service("eu", &server, &target, &pager).stand_by(slowly);
    let heard = "SELECT (extract(epoch FROM max(heard)) * 1000)::bigint FROM instances";
    let said = || server.ask("serinus", heard).parse::<i64>().unwrap();
    let begun = said();
    let second =
        journey("second", "", "[[step]]\nname = \"s\"\nhttp.get = \"http://127.0.0.1/\"\nexpect = [\"status == 200\"]\n");
    std::fs::write(standby.folder().join("second.toml"), second).unwrap();
    standby.until("it has read its files again", |standby| standby.get("/").contains("probes/second"));
    standby.until("it stood by for two rounds of its jobs", |standby| {
        for path in ["/", "/probes/shop", "/incidents", "/certificates", "/api/v1/status", "/api/v1/leaks"] {
            standby.get(path);
        }
        said() >= begun + 10_000
    });
    assert_eq!(role(&standby), "stands by");
    assert_eq!(self::rows(&server), rows);
    assert_eq!(pager.lines().len(), told, "{:?}", pager.lines());
    assert_eq!(standby.stop().code(), Some(0));
    assert_eq!(self::rows(&server), rows, "nor when it ends");
}

/// Waits until no process is connected.
fn server_is_left(server: &Postgres) {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'serinus' AND pid <> pg_backend_pid()";
    until("the one that was killed is gone", || (server.ask("serinus", others) == "0").then_some(()));
}

/// Everything in the database but that processes say that they are there.
fn rows(server: &Postgres) -> Vec<String> {
    let dump = server.dump();
    let rows = dump.lines().filter(|line| line.starts_with("INSERT INTO ") && !line.contains(" public.instances "));
    rows.map(str::to_owned).collect()
}

#[test]
fn who_stands_by_goes_on_where_who_probes_is_killed_and_answers_all_the_while() {
    let server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut first = service("eu", &server, &target, &pager).start();
    first.more(2.0, "shop", "passed");
    let mut standby = service("eu", &server, &target, &pager).stand_by(|_| {});
    standby.until("it stands by", |standby| standby.get("/").contains(STANDS_BY));
    let mut page = follow(&standby, "/live?page=./");
    let of_page = |page: &mut dyn Iterator<Item = String>, says: bool| {
        page.filter(|line| line.contains(r#""id":"standby""#)).any(|line| line.contains("stands by") == says)
    };
    assert!(of_page(&mut page, true), "its page is followed");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (address, is_over) = (standby.address(), &is_over);
        let asking = scope.spawn(move || {
            let mut answers = 0;
            while !is_over.load(Ordering::Relaxed) {
                let answer = ask(address, "GET /readyz", &[], "");
                assert_eq!(answer.status, 200, "{answer:?}");
                answers += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            answers
        });
        first.kill();
        standby.more(2.0, "shop", "passed");
        assert!(of_page(&mut page, false), "the page that was followed is that of who probes");
        is_over.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 100);
    });
    standby.until("it evaluates", |standby| role(standby) == "evaluates");
    assert!(!standby.get("/").contains("stands by:"));
    assert!(standby.ask(&["trigger", "shop/eu"]).contains("shop/eu"));
    target.set("/eu", BROKEN);
    pager.until("it pages", |page| page.is("opened", "probe/shop"));
    assert_eq!(standby.stop().code(), Some(0));
}

#[test]
fn who_stands_by_says_where_the_database_does_not_answer_and_passes_nothing_on() {
    let mut server = Postgres::start();
    let (target, pager) = (Target::start(), Pager::start());
    let mut first = service("eu", &server, &target, &pager);
    first.begin(&[], slowly);
    first.more(2.0, "shop", "passed");
    let mut standby = service("eu", &server, &target, &pager).stand_by(slowly);
    standby.until("it stands by", |standby| standby.get("/").contains(STANDS_BY));
    server.command("kill");
    let look = |path: &str| send(&standby, &format!("GET {path}"), &json!({}));
    until("its pages say so", || look("/").body.contains("the database of the fleet does not answer").then_some(()));
    assert_eq!(look("/readyz").status, 200);
    assert!(look("/").status == 503 && look("/api/v1/status").error().contains("the database of the fleet does not answer"));
    let refused = send(&standby, "POST /api/v1/trigger", &json!({ "target": "shop/eu" })).error();
    assert!(refused.contains("nothing was asked of who probes it"), "{refused}");
    server.command("start");
    standby.until("it shows the fleet again", |standby| look("/").status == 200 && standby.get("/").contains(STANDS_BY));
    for service in [&mut standby, &mut first] {
        assert_eq!(service.stop().code(), Some(0));
    }
}
