//! Where names lead, with a name server that is healthy, wrong, silent or dead; and that one dead zone costs nobody else a run.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use serinus::outcome::Reason;
use serinus::plan::{DeviceSettings, Limits};
use serinus::run::NameSources;
use serinus::run::step::TransportError;
use serinus::run::step::http::{HttpAttempt, HttpClients};

use crate::dns_server::{DnsServer, Say};
use crate::http_client::{SOON, get, send_within};
use crate::http_server::{Target, answer, answering};

/// How many canaries a dead zone has.
const MANY: usize = 400;

/// A timeout of attempts whose name servers are silent: long enough for a busy machine to start all of them.
const PATIENCE: Duration = Duration::from_secs(4);

fn here() -> Vec<IpAddr> {
    vec!["127.0.0.1".parse().unwrap()]
}

async fn fine() -> Target {
    answering(None, |_| answer(200, &[], "ok")).await
}

fn clients(names: NameSources) -> HttpClients {
    HttpClients::with_names(&Limits::default(), names).unwrap()
}

/// One canary's run that asks `host`.
async fn run(clients: &HttpClients, host: &str, target: &Target, timeout: Duration) -> HttpAttempt {
    let device = clients.device(&Arc::new(DeviceSettings::default()));
    send_within(&device, &get(&format!("http://{host}:{}/", target.address.port())), timeout).await
}

async fn passes(clients: &HttpClients, host: &str, target: &Target) -> HttpAttempt {
    let attempt = run(clients, host, target, SOON).await;
    assert_eq!(attempt.result.as_ref().unwrap_or_else(|failure| panic!("{host}: {failure:?}")).status, 200);
    attempt
}

async fn fails(clients: &HttpClients, host: &str, target: &Target, timeout: Duration) -> TransportError {
    let failure = run(clients, host, target, timeout).await.result.unwrap_err();
    assert!(!failure.sent && !failure.got_byte, "{failure:?}");
    failure
}

#[tokio::test]
async fn a_name_is_asked_for_in_both_families_and_its_look_up_is_a_phase() {
    let target = fine().await;
    let server = DnsServer::start(|_, _| Say::Addresses(here())).await;
    let clients = clients(server.names());
    let attempt = passes(&clients, "API.example.test", &target).await;
    assert!(attempt.answer.phases.dns.is_some(), "{:?}", attempt.answer.phases);
    let mut asked = server.asked();
    asked.sort_unstable();
    assert_eq!(asked, ["A api.example.test", "AAAA api.example.test"]);
    passes(&clients, "api.example.test", &target).await;
    assert_eq!(server.asked().len(), 4, "nothing is kept: the next run looks it up as a new user does");
}

#[tokio::test]
async fn an_alias_a_truncated_answer_and_nonsense_before_the_answer_lead_to_the_right_address() {
    let target = fine().await;
    let server = DnsServer::start(|name, _| match name {
        "alias.test" => Say::Alias("real.test.", here()),
        "large.test" => Say::OverTcp(here()),
        _ => Say::AfterNonsense(here()),
    })
    .await;
    let clients = clients(server.names());
    for host in ["alias.test", "large.test", "attacked.test"] {
        passes(&clients, host, &target).await;
    }
    assert!(server.asked().contains(&"tcp A large.test".to_owned()), "{:?}", server.asked());
}

#[tokio::test]
async fn a_family_without_an_answer_costs_no_more_than_one_wait() {
    let target = fine().await;
    let server = DnsServer::start(|_, kind| if kind == RecordType::A { Say::Addresses(here()) } else { Say::Nothing }).await;
    server.write_resolv_conf("nameserver 127.0.0.1\noptions timeout:1 attempts:5\n");
    passes(&clients(server.names()), "half.test", &target).await;
    let asked = server.asked();
    assert_eq!((asked.iter().filter(|asked| asked.starts_with("AAAA")).count(), asked.len()), (1, 2), "{asked:?}");
}

#[tokio::test]
async fn the_search_list_and_the_hosts_file_are_heeded() {
    let target = fine().await;
    let server = DnsServer::start(|name, _| match name {
        "db.two.test" => Say::Addresses(here()),
        _ => Say::Code(ResponseCode::NXDomain),
    })
    .await;
    server.write_resolv_conf("search one.test two.test\nnameserver 127.0.0.1\n");
    server.write_hosts("127.0.0.1 own.test\n");
    let clients = clients(server.names());
    passes(&clients, "db", &target).await;
    assert!(server.asked()[0].ends_with(" db.one.test"), "{:?}", server.asked());
    let before = server.asked().len();
    assert!(passes(&clients, "own.test", &target).await.answer.phases.dns.is_some());
    assert_eq!(server.asked().len(), before, "the hosts file comes first");
    let failure = fails(&clients, "db.", &target, SOON).await;
    assert_eq!(failure.reason, Reason::Dns, "{failure:?}");
}

#[tokio::test]
async fn the_next_server_is_asked_where_one_is_away_and_what_servers_refuse_is_told() {
    let target = fine().await;
    let server = DnsServer::start(|name, _| match name {
        "refused.test" => Say::Code(ResponseCode::ServFail),
        "gone.test" => Say::Code(ResponseCode::NXDomain),
        "bare.test" => Say::Addresses(Vec::new()),
        _ => Say::Addresses(here()),
    })
    .await;
    // Nobody listens at that port of the first one.
    server.write_resolv_conf("nameserver 127.0.0.53\nnameserver 127.0.0.1\noptions attempts:1\n");
    let clients = clients(server.names());
    passes(&clients, "api.test", &target).await;
    let cases = [
        ("refused.test", "answered \"Server Failure\""),
        ("gone.test", "there is no such name"),
        ("bare.test", "it has no address"),
    ];
    for (host, says) in cases {
        let failure = fails(&clients, host, &target, SOON).await;
        assert_eq!(failure.reason, Reason::Dns, "{failure:?}");
        for part in [host, says, "127.0.0.1:"] {
            assert!(failure.message.contains(part), "{failure:?}");
        }
    }
}

#[tokio::test]
async fn silence_of_all_servers_fails_as_dns_where_the_attempt_waits_long_enough_to_know() {
    let target = fine().await;
    let server = DnsServer::start(|_, _| Say::Nothing).await;
    server.write_resolv_conf("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n");
    let clients = clients(server.names());
    let failure = fails(&clients, "dead.test", &target, SOON).await;
    assert_eq!(failure.reason, Reason::Dns, "{failure:?}");
    assert!(failure.message.contains("no name server answered"), "{failure:?}");
    assert_eq!(server.asked().len(), 4);
    let failure = fails(&clients, "dead.test", &target, Duration::from_millis(300)).await;
    assert_eq!(failure.reason, Reason::Timeout, "{failure:?}");
    assert!(failure.message.contains("the name's resolution"), "{failure:?}");
}

#[tokio::test]
async fn a_changed_resolv_conf_holds_for_the_next_look_up() {
    let target = fine().await;
    let server = DnsServer::start(|_, _| Say::Addresses(here())).await;
    server.write_resolv_conf("nameserver 127.0.0.53\noptions attempts:1\n");
    let clients = clients(server.names());
    assert_eq!(fails(&clients, "api.test", &target, SOON).await.reason, Reason::Dns);
    server.write_resolv_conf("nameserver 127.0.0.1\n");
    // It is looked at once a second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    passes(&clients, "api.test", &target).await;
}

/// A name server whose zone `dead.test` is dead.
async fn with_a_dead_zone() -> DnsServer {
    DnsServer::start(|name, _| if name.ends_with("dead.test") { Say::Nothing } else { Say::Addresses(here()) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn four_hundred_canaries_of_one_dead_name_ask_once_and_a_healthy_one_beside_them_passes() {
    let (target, server) = (fine().await, with_a_dead_zone().await);
    let clients = clients(server.names());
    let dead = join_all((0..MANY).map(|_| fails(&clients, "dead.test", &target, PATIENCE)));
    let healthy = async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            passes(&clients, "healthy.test", &target).await;
        }
    };
    let (failures, ()) = tokio::join!(dead, healthy);
    for failure in failures {
        assert_eq!(failure.reason, Reason::Timeout, "{failure:?}");
    }
    let asked = server.asked().iter().filter(|asked| asked.ends_with("dead.test")).count();
    assert_eq!(asked, 2, "all share one look-up, of A and AAAA");
}

#[tokio::test(flavor = "multi_thread")]
async fn four_hundred_names_of_one_dead_zone_leave_room_for_a_healthy_one_and_for_the_self_check() {
    let (target, server) = (fine().await, with_a_dead_zone().await);
    for places in [16, 1024] {
        let clients = clients(NameSources { max_look_ups: Some(places), ..server.names() });
        let names: Vec<String> = (0..MANY).map(|number| format!("n{number}.dead.test")).collect();
        let dead = join_all(names.iter().map(|name| fails(&clients, name, &target, PATIENCE)));
        let healthy = async {
            for number in 0..20 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                passes(&clients, &format!("h{number}.healthy.test"), &target).await;
                let url = format!("http://localhost:{}/", target.address.port()).parse().unwrap();
                clients.reach(&url).await.unwrap();
            }
        };
        let (failures, ()) = tokio::join!(dead, healthy);
        let reasons = |reason| failures.iter().filter(|failure| failure.reason == reason).count();
        let (asked, no_place) = (reasons(Reason::Timeout), reasons(Reason::Resources));
        assert_eq!(asked + no_place, MANY, "{failures:?}");
        assert_eq!(asked, MANY.min(places / 2), "half of the places are left to others");
        for failure in failures.iter().filter(|failure| failure.reason == Reason::Resources) {
            assert!(failure.message.contains("was not looked up"), "{failure:?}");
        }
    }
}

#[tokio::test]
async fn an_attempt_that_spends_its_time_waiting_for_a_place_has_not_found_out_anything_about_the_target() {
    let (target, server) = (fine().await, with_a_dead_zone().await);
    let clients = clients(NameSources { max_look_ups: Some(2), ..server.names() });
    let holding = fails(&clients, "one.dead.test", &target, PATIENCE);
    let waiting = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        fails(&clients, "two.dead.test", &target, Duration::from_millis(500)).await
    };
    let (holding, waiting) = tokio::join!(holding, waiting);
    assert_eq!(holding.reason, Reason::Timeout, "{holding:?}");
    assert_eq!(waiting.reason, Reason::Resources, "{waiting:?}");
    assert!(waiting.message.contains("a place to look the name up"), "{waiting:?}");
}
