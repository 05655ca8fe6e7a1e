//! Everything that a step has besides its kind, around questions; whom they ask, and that they share nothing with look-ups.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use serinus::outcome::{CleanupResult, Reason, Verdict};
use serinus::run::{BEAT, NameSources, StallLog};

use super::{ASK, address, at, journey, records, run};
use crate::dns_server::{DnsServer, Say};
use crate::journey::Journey;
use crate::self_check::network_down;
use crate::target::{Answer, Target};

fn here() -> Vec<IpAddr> {
    vec!["127.0.0.1".parse().unwrap()]
}

/// A server that gives an address from its third answer on.
async fn third_time() -> DnsServer {
    let asked = AtomicUsize::new(0);
    DnsServer::start(move |_, _| match asked.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Say::Code(ResponseCode::NXDomain),
        _ => Say::Addresses(here()),
    })
    .await
}

#[tokio::test]
async fn the_worked_example_of_the_documentation_works() {
    let page = std::fs::read_to_string("probes/README.md").unwrap();
    let section = page.split("\n## DNS\n").nth(1).expect("there is a section").split("\n## ").next().unwrap();
    let example = section.split("```toml\n").nth(1).expect("it has an example").split("```").next().unwrap();
    let server = DnsServer::start(|name, kind| match (name, kind) {
        ("shop.test", RecordType::NS) => {
            let ns = |name: &str| hickory_proto::rr::RData::NS(hickory_proto::rr::rdata::NS(name.parse().unwrap()));
            records(vec![("shop.test.", ns("ns1.shop.test.")), ("shop.test.", ns("ns2.shop.test."))])
        }
        ("www.shop.test", RecordType::A) => Say::Shaped(Box::new(|answer| {
            answer.metadata.authoritative = true;
            let data = hickory_proto::rr::RData::A(hickory_proto::rr::rdata::A([192, 0, 2, 7].into()));
            answer.add_answer(hickory_proto::rr::Record::from_rdata("www.shop.test.".parse().unwrap(), 300, data));
        })),
        _ => Say::Addresses(here()),
    })
    .await;
    let journey = journey(&server).await.head(&format!("[vars]\nzone = \"shop.test\"\nport = \"{}\"", address(&server).port()));
    let ran = journey.run(example).await;
    ran.assert_passed();
    assert!(ran.report.steps.len() >= 4, "{:#?}", ran.report.steps);
}

#[tokio::test]
async fn the_machines_servers_are_asked_in_their_order_and_search_domains_and_hosts_do_not_apply() {
    let server = DnsServer::start(|_, _| Say::Addresses(here())).await;
    // Nobody listens at the first address, the second is the server.
    server.write_resolv_conf("search one.test\noptions rotate use-vc timeout:1\nnameserver 127.0.0.53\nnameserver 127.0.0.1\n");
    server.write_hosts("192.0.2.9 db\n");
    let ask = ASK.replace("host.test", "db");
    let ran =
        run(&server, &format!("{ask}expect = [\"values == ['127.0.0.1']\", \"server is startingwith('127.0.0.1:')\"]\n")).await;
    ran.assert_passed();
    assert_eq!(server.asked(), ["A db"]);
    // Whoever answers first has answered, whatever it says.
    let other = DnsServer::start(|_, _| Say::Code(ResponseCode::ServFail)).await;
    other.write_resolv_conf("nameserver 127.0.0.1\nnameserver 127.0.0.53\n");
    run(&other, &format!("{ASK}expect = [\"rcode == 'SERVFAIL'\"]\n")).await.assert_passed();
}

#[tokio::test]
async fn a_question_that_is_lost_is_asked_again_as_the_machine_would() {
    let asked = AtomicUsize::new(0);
    let server = DnsServer::start(move |_, _| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Say::Nothing,
        _ => Say::Addresses(here()),
    })
    .await;
    server.write_resolv_conf("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n");
    let expect = "expect = [\"phases.earlier_tries >= 1\", \"phases.first_byte < 1\", \"latency >= 1\"]\n";
    let ran = run(&server, &format!("{ASK}dns.server = \"{{{{ ns }}}}\"\n{expect}")).await;
    ran.assert_passed();
    assert_eq!((server.asked().len(), ran.report.steps[0].attempts.len()), (2, 1));
}

#[tokio::test]
async fn questions_wait_for_nobody_and_keep_nothing() {
    let server = DnsServer::start(|_, _| Say::Addresses(here())).await;
    // Not one place for a look-up, and still an answer: twice asked, twice answered.
    let none = NameSources { max_look_ups: Some(0), ..server.names() };
    let twice = format!(
        "{ASK}expect = [\"rcode == 'NOERROR'\"]\n{}expect = [\"rcode == 'NOERROR'\"]\n",
        ASK.replace("\"ask\"", "\"again\"")
    );
    journey(&server).await.names(none).run(&twice).await.assert_passed();
    assert_eq!(server.asked(), ["A host.test", "A host.test"]);
}

#[tokio::test]
async fn a_step_polls_until_a_record_is_there_and_watches_that_it_stays() {
    let server = third_time().await;
    let poll = "eventually = { within = \"10s\", poll = \"10ms\" }\nconsistently = { for = \"50ms\", poll = \"10ms\" }\n";
    let ran = run(&server, &format!("{ASK}{poll}expect = [\"'127.0.0.1' in values\"]\n")).await;
    ran.assert_passed();
    assert!(ran.report.steps[0].convergence.is_some() && ran.report.steps[0].attempts_made > 3, "{:#?}", ran.report.steps);
    // A record that comes and goes.
    let asked = AtomicUsize::new(0);
    let flaps = DnsServer::start(move |_, _| match asked.fetch_add(1, Ordering::Relaxed) {
        1 => Say::Code(ResponseCode::NXDomain),
        _ => Say::Addresses(here()),
    })
    .await;
    let ran = run(&flaps, &format!("{ASK}{poll}expect = [\"'127.0.0.1' in values\"]\n")).await;
    assert!(ran.reason() == Reason::Expectation && ran.cause().message.contains("no longer did"), "{}", ran.cause().message);
}

#[tokio::test]
async fn loops_subjects_parallel_steps_guards_captures_and_contracts_work_around_questions() {
    let server =
        DnsServer::start(|name, _| if name == "b.test" { Say::Code(ResponseCode::NXDomain) } else { Say::Addresses(here()) })
            .await;
    let each = "[[step]]\nname = \"each\"\nfor_each = \"host in ['a.test', 'b.test', 'c.test']\"\nat_once = 3\nsubject = \"{{ host }}\"\n\
        dns = { name = \"{{ host }}\", type = \"A\" }\ncapture = { found = \"values\" }\nexpect = [\"rcode == 'NOERROR'\"]\n";
    let ran = run(&server, each).await;
    assert_eq!(ran.reason(), Reason::Subject);
    assert!(ran.cause().message.contains("b.test"), "{}", ran.cause().message);

    let together = "[[step]]\nname = \"both\"\n[[step.parallel]]\nname = \"one\"\ndns = { name = \"a.test\", type = \"A\" }\n\
        capture = { one = \"values[0]\" }\nexpect = [\"values | length == 1\"]\n[[step.parallel]]\nname = \"two\"\n\
        dns = { name = \"c.test\", type = \"A\" }\ncapture = { two = \"server\" }\nexpect = [\"values | length == 1\"]\n\
        [[step]]\nname = \"use\"\ndns = { name = \"{{ one | replace('.', '-') }}.test\", type = \"A\", server = \"{{ two }}\" }\n\
        contract = \"zone.json\"\nguard = [\"not flags.tc\"]\n";
    let schema = r#"{ "properties": { "answers": { "minItems": 1, "items": { "properties": { "ttl": { "maximum": 60 } } } } }, "required": ["answers"] }"#;
    journey(&server).await.file("zone.json", schema).run(together).await.assert_passed();
    assert!(server.asked().contains(&"A 127-0-0-1.test".to_owned()), "{:?}", server.asked());
    let strict = schema.replace("60", "59");
    let ran = journey(&server).await.file("zone.json", &strict).run(together).await;
    assert!(ran.reason() == Reason::Contract && ran.cause().message.contains("/answers/0/ttl"), "{}", ran.cause().message);

    let ran = run(&server, &format!("{ASK}guard = [\"flags.aa\"]\nexpect = [\"rcode == 'NOERROR'\"]\n")).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Blocked, Reason::Guard));
}

#[tokio::test]
async fn a_name_or_server_that_an_expression_yields_is_checked_in_the_run() {
    let server = DnsServer::start(|_, _| Say::Addresses(here())).await;
    for (keys, told) in [
        ("name = \"{{ 'a b' }}.test\", type = \"A\"", "the question could not be evaluated: `a b.test` cannot be asked for"),
        ("name = \"{{ '192.0.2.7' }}\", type = \"A\"", "it is an address"),
        ("name = \"a.test\", type = \"A\", server = \"{{ 'ns1.test' }}\"", "`ns1.test` cannot be the name server"),
    ] {
        let ran =
            run(&server, &format!("[[step]]\nname = \"ask\"\ndns = {{ {keys} }}\nexpect = [\"rcode == 'NOERROR'\"]\n")).await;
        assert_eq!(ran.reason(), Reason::NotEvaluable);
        assert!(ran.cause().message.contains(told), "{}", ran.cause().message);
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_question_creates_nothing_and_may_stand_in_a_cleanup() {
    let server = DnsServer::start(|_, _| Say::Addresses(here())).await;
    let cleanup = "[step.cleanup]\ndns = { name = \"gone.test\", type = \"A\" }\n";
    let ran = run(&server, &format!("{ASK}expect = [\"rcode == 'NOERROR'\"]\n{cleanup}")).await;
    ran.assert_passed();
    assert_eq!(server.asked(), ["A host.test"], "there is nothing to undo");
    let create = format!("[[step]]\nname = \"create\"\nhttp.post = \"{{{{ api }}}}/x\"\nexpect = [\"status == 200\"]\n{cleanup}");
    let target = Target::start(|_| Answer::json(200, "{}")).await;
    let ran = Journey::new(&target).names(server.names()).run(&create).await;
    ran.assert_passed();
    assert!(matches!(ran.cleanup.unwrap().result, CleanupResult::Clean));
    assert_eq!(server.asked().last().map(String::as_str), Some("A gone.test"));
}

/// A socket that takes everything and says nothing.
fn silent() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn while_the_probers_own_network_is_down_only_silence_is_excused() {
    let check = network_down();
    let (_socket, nobody) = silent();
    let ask = format!("{ASK}dns.server = \"{{{{ ns }}}}\"\ntimeout = \"300ms\"\nexpect = [\"rcode == 'NOERROR'\"]\n");
    let ran = at(nobody).await.self_check(&check).run(&ask).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Errored, Reason::SelfCheck));
    let wrong = DnsServer::start(|_, _| Say::Code(ResponseCode::ServFail)).await;
    let ran = journey(&wrong).await.self_check(&check).run(&ask).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::Expectation));
    // The answer over UDP was truncated, and over TCP nobody is there: a byte came.
    let (socket, half) = silent();
    socket.set_nonblocking(true).unwrap();
    let truncating = tokio::net::UdpSocket::from_std(socket).unwrap();
    let truncating = tokio::spawn(async move {
        let mut bytes = [0; 512];
        while let Ok((length, from)) = truncating.recv_from(&mut bytes).await {
            // It is an answer, and it did not fit.
            bytes[2] |= 0x82;
            truncating.send_to(&bytes[..length], from).await.unwrap();
        }
    });
    let ran = at(half).await.self_check(&check).run(&ask).await;
    truncating.abort();
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::Connect));
    assert!(
        ran.cause().message.contains("the answer over UDP was truncated, and over TCP: it cannot be asked"),
        "{}",
        ran.cause().message
    );
    check.stop();
}

#[tokio::test]
async fn the_time_in_which_the_prober_stood_still_is_no_part_of_an_answers() {
    let stalls = Arc::new(StallLog::default());
    let log = Arc::clone(&stalls);
    let server = DnsServer::start(move |_, _| {
        // From now on the watchdog is late by more than a second and a half, and then on time for minutes.
        let now = Instant::now();
        let late = now + Duration::from_millis(1650);
        drop(log.beat(now));
        drop(log.beat(late));
        (1..5000).for_each(|beat| drop(log.beat(late + BEAT * beat)));
        std::thread::sleep(Duration::from_secs(2));
        Say::Addresses(here())
    })
    .await;
    let mut journey = journey(&server).await;
    journey.stalls = stalls;
    let expect = "expect = [\"latency >= 0.3 and latency < 1.2\", \"phases.first_byte == latency\"]\n";
    let ran = journey.run(&format!("{ASK}{expect}")).await;
    ran.assert_passed();
    let (_, raw) = ran.report.steps[0].attempts[0].detail.as_ref().unwrap().phases().next().unwrap();
    assert!(raw >= Duration::from_secs(2), "the report keeps what happened: {raw:?}");
}
