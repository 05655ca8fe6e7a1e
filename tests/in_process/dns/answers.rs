//! What expectations, reports and transcripts see of an answer.

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::svcb::{Alpn, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{A, CAA, CNAME, HTTPS, MX, NAPTR, NS, NULL, SOA, SRV, SVCB, TXT};
use hickory_proto::rr::{RData, Record, RecordType};
use serde_json::json;
use serinus::outcome::{Reason, Redactor, Transcripts};

use super::{ASK, journey, records, run};
use crate::dns_server::{DnsServer, Say};

const MASK: &str = Redactor::MASK;

fn addresses() -> Vec<IpAddr> {
    ["192.0.2.7", "192.0.2.8", "2001:db8::7"].map(|text| text.parse().unwrap()).to_vec()
}

fn name(text: &str) -> hickory_proto::rr::Name {
    text.parse().unwrap()
}

#[tokio::test]
async fn an_answer_has_code_records_values_flags_and_who_gave_it() {
    let server = DnsServer::start(|_, _| {
        Say::Shaped(Box::new(|answer| {
            answer.metadata.authoritative = true;
            for (address, ttl) in [([192, 0, 2, 7], 300), ([192, 0, 2, 8], 60)] {
                answer.add_answer(Record::from_rdata(name("host.test."), ttl, RData::A(A(address.into()))));
            }
            answer.add_authority(Record::from_rdata(name("test."), 900, RData::NS(NS(name("ns1.test.")))));
            answer.add_additional(Record::from_rdata(name("ns1.test."), 900, RData::A(A([192, 0, 2, 53].into()))));
        }))
    })
    .await;
    let expect = "dns.server = \"{{ ns }}\"\nexpect = [\"rcode == 'NOERROR'\", \"values == ['192.0.2.7', '192.0.2.8']\", \
        \"'192.0.2.8' in values\", \"ttl == 60\", \"flags.aa and flags.rd and not flags.tc\", \"answers | length == 2\", \
        \"answers[0] == {'name': 'host.test.', 'type': 'A', 'ttl': 300, 'value': '192.0.2.7'}\", \"authority[0].value == 'ns1.test.'\", \
        \"additional | map(attribute='name') | list == ['ns1.test.']\", \"server == ns\", \"transport == 'udp'\", \"not truncated\", \
        \"latency > 0.0 and latency < 5\", \"phases.first_byte == latency\", \"phases | length == 1\"]\n";
    run(&server, &format!("{ASK}{expect}")).await.assert_passed();
    assert_eq!(server.asked(), ["A host.test"], "one question, of one type, once");
}

#[tokio::test]
async fn every_type_is_spelled_out_so_that_it_can_be_compared() {
    let server = DnsServer::start(|_, kind| {
        let txt = TXT::new(vec!["v=spf1 ".to_owned(), "-all\n\u{1b}[2J".to_owned()]);
        let params = vec![
            (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(vec!["h3".to_owned(), "h2".to_owned()]))),
            (SvcParamKey::NoDefaultAlpn, SvcParamValue::NoDefaultAlpn),
            (SvcParamKey::Port, SvcParamValue::Port(8443)),
        ];
        let https = SVCB::new(1, name("."), params);
        let ds = RData::Unknown { code: RecordType::DS, rdata: NULL::with(vec![0x30, 0x39, 13, 2, 0xab, 0xcd]) };
        let key = RData::Unknown { code: RecordType::DNSKEY, rdata: NULL::with(vec![1, 1, 3, 13, 1, 2, 3]) };
        let data = match kind {
            RecordType::MX => RData::MX(MX::new(10, name("mail.host.test."))),
            RecordType::NS => RData::NS(NS(name("ns1.xn--bcher-kva.test."))),
            RecordType::TXT => RData::TXT(txt),
            RecordType::SRV => RData::SRV(SRV::new(1, 2, 5060, name("sip.host.test."))),
            RecordType::SOA => RData::SOA(SOA::new(name("ns1.test."), name("admin.test."), 7, 1, 2, 3, 4)),
            RecordType::CAA => RData::CAA(CAA::new_issue(true, Some(name("ca.test")), Vec::new())),
            RecordType::NAPTR => RData::NAPTR(NAPTR::new(
                1,
                2,
                b"s".as_slice().into(),
                b"SIP+D2U".as_slice().into(),
                [].into(),
                name("_sip.test."),
            )),
            RecordType::HTTPS => RData::HTTPS(HTTPS(https)),
            RecordType::DS => ds,
            RecordType::DNSKEY => key,
            _ => return Say::Addresses(addresses()),
        };
        records(vec![("host.test.", data)])
    })
    .await;
    for (kind, value) in [
        ("A", "192.0.2.7"),
        ("AAAA", "2001:db8::7"),
        ("MX", "10 mail.host.test."),
        ("NS", "ns1.xn--bcher-kva.test."),
        ("TXT", "v=spf1 -all\\\\010\\\\027[2J"),
        ("SRV", "1 2 5060 sip.host.test."),
        ("SOA", "ns1.test. admin.test. 7 1 2 3 4"),
        ("CAA", "128 issue \\\"ca.test\\\""),
        ("NAPTR", "1 2 \\\"s\\\" \\\"SIP+D2U\\\" \\\"\\\" _sip.test."),
        ("HTTPS", "1 . alpn=h3,h2 no-default-alpn port=8443"),
        ("DS", "12345 13 2 ABCD"),
        ("DNSKEY", "257 3 13 AQID"),
    ] {
        let step = format!(
            "[[step]]\nname = \"ask\"\ndns.name = \"host.test\"\ndns.type = \"{kind}\"\nexpect = ['''values[0] == \"{value}\"''']\n"
        );
        let ran = run(&server, &step).await;
        assert!(ran.report.cause.is_none(), "{kind}: {}", ran.cause().message);
    }
}

#[tokio::test]
async fn what_there_is_not_is_an_answer_that_expectations_judge() {
    for (code, word) in [
        (ResponseCode::NXDomain, "NXDOMAIN"),
        (ResponseCode::ServFail, "SERVFAIL"),
        (ResponseCode::Refused, "REFUSED"),
        (ResponseCode::NotImp, "NOTIMP"),
        (ResponseCode::Unknown(12), "RCODE12"),
    ] {
        let server = DnsServer::start(move |_, _| Say::Code(code)).await;
        let expect = format!("expect = [\"rcode == '{word}'\", \"values == []\", \"answers == []\", \"ttl is undefined\"]\n");
        run(&server, &format!("{ASK}{expect}")).await.assert_passed();
        let ran = run(&server, &format!("{ASK}retry = {{ attempts = 3 }}\nexpect = [\"rcode == 'NOERROR'\"]\n")).await;
        assert_eq!(ran.reason(), Reason::Expectation);
        assert_eq!(server.asked().len(), 2, "nobody is asked again because of an answer");
        let ran = run(&server, &format!("{ASK}expect = [\"ttl <= 300\"]\n")).await;
        assert_eq!(ran.reason(), Reason::NotEvaluable);
        assert!(ran.cause().message.ends_with(&format!("(the answer is {word} and has no records)")), "{}", ran.cause().message);
    }
}

#[tokio::test]
async fn a_chain_of_aliases_is_shown_and_its_end_gives_the_values() {
    let server = DnsServer::start(|_, kind| match kind {
        RecordType::CNAME => records(vec![("host.test.", RData::CNAME(CNAME(name("cdn.test."))))]),
        // The order is the server's.
        _ => records(vec![
            ("edge.test.", RData::A(A([192, 0, 2, 7].into()))),
            ("stranger.test.", RData::A(A([192, 0, 2, 99].into()))),
            ("cdn.test.", RData::CNAME(CNAME(name("edge.test.")))),
            ("HOST.test.", RData::CNAME(CNAME(name("cdn.test.")))),
        ]),
    })
    .await;
    let expect = "expect = [\"values == ['192.0.2.7']\", \"answers | selectattr('type', 'eq', 'CNAME') | map(attribute='value') | list \
        == ['edge.test.', 'cdn.test.']\"]\n";
    run(&server, &format!("{ASK}{expect}")).await.assert_passed();
    let alias = ASK.replace("\"A\"", "\"CNAME\"");
    run(&server, &format!("{alias}expect = [\"values == ['cdn.test.']\"]\n")).await.assert_passed();
    // Two that lead to each other end.
    let circle = DnsServer::start(|_, _| {
        let alias = |to: &str| RData::CNAME(CNAME(name(to)));
        records(vec![("host.test.", alias("other.test.")), ("other.test.", alias("host.test."))])
    })
    .await;
    run(&circle, &format!("{ASK}expect = [\"values == []\", \"answers | length == 2\"]\n")).await.assert_passed();
}

#[tokio::test]
async fn the_reverse_name_is_made_of_an_address() {
    let server = DnsServer::start(|_, _| Say::Code(ResponseCode::NXDomain)).await;
    for host in ["192.0.2.7", "2001:db8::7", "7.2.0.192.in-addr.arpa", "bücher.test", "."] {
        let step = format!(
            "[[step]]\nname = \"ask\"\ndns = {{ name = \"{host}\", type = \"PTR\" }}\nexpect = [\"rcode == 'NXDOMAIN'\"]\n"
        );
        run(&server, &step).await.assert_passed();
    }
    let six = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    let expected = ["7.2.0.192.in-addr.arpa", six, "7.2.0.192.in-addr.arpa", "bücher.test", ""].map(|host| format!("PTR {host}"));
    assert_eq!(server.asked(), expected);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_fetched_over_tcp_and_that_is_told() {
    let server = DnsServer::start(|_, _| Say::OverTcp(addresses())).await;
    let expect = "expect = [\"values | length == 2\", \"truncated\", \"transport == 'tcp'\", \"not flags.tc\", \
        \"phases | list == ['earlier_tries', 'connect', 'first_byte', 'transfer']\", \
        \"((phases | values | sum) - latency) | abs < 0.000001\"]\n";
    run(&server, &format!("{ASK}{expect}")).await.assert_passed();
    assert_eq!(server.asked(), ["A host.test", "tcp A host.test"]);
    let expect = "dns.transport = \"tcp\"\nexpect = [\"values | length == 2\", \"not truncated\", \"transport == 'tcp'\", \
        \"phases | list == ['connect', 'first_byte', 'transfer']\"]\n";
    run(&server, &format!("{ASK}{expect}")).await.assert_passed();
    assert_eq!(server.asked().len(), 3, "over TCP alone");
}

#[tokio::test]
async fn recursion_can_be_switched_off_and_authenticated_answers_are_asked_for() {
    let server = DnsServer::start(|_, _| {
        Say::Shaped(Box::new(|answer| {
            // A server answers with what it was asked for.
            answer.metadata.recursion_available = true;
            answer.metadata.authentic_data = true;
        }))
    })
    .await;
    run(&server, &format!("{ASK}expect = [\"flags.rd and flags.ra and flags.ad and not flags.cd\"]\n")).await.assert_passed();
    run(&server, &format!("{ASK}dns.recursion = false\nexpect = [\"not flags.rd\"]\n")).await.assert_passed();
}

#[tokio::test]
async fn a_report_has_the_facts_under_their_names_and_what_was_said() {
    let server = DnsServer::start(|_, _| Say::Addresses(addresses())).await;
    let secret = "[[step]]\nname = \"ask\"\ndns = { name = \"{{ secret.key }}.test\", type = \"A\" }\nexpect = [\"rcode == 'SERVFAIL'\"]\n";
    let ran = journey(&server).await.secret("key", Some("hunter22-hunter22")).run(secret).await;
    let attempt = &ran.report.steps[0].attempts[0];
    let told = attempt.to_json(Transcripts::Whole);
    assert!(!told.to_string().contains("hunter22"), "{told:#}");
    let observed = &told["observed"];
    let port = server.names().port;
    assert_eq!(observed["asked"], format!("A {MASK}.test. at 127.0.0.1:{port} over udp"));
    let facts = json!({
        "rcode": "NOERROR", "answers": 2, "ttl": 60, "question_name": format!("{MASK}.test."), "question_type": "A", "server": "127.0.0.1",
        "port": port, "transport": "udp", "truncated": false,
    });
    assert_eq!(observed["facts"], facts);
    assert_eq!((&observed["kind"], &observed["answered"]), (&json!("dns"), &json!(true)));
    assert!(observed["phases_seconds"]["first_byte"].is_number());
    assert_eq!(observed["transcript"]["sent"], format!(";; flags: rd ad\n;{MASK}.test. IN A\n"));
    let received = observed["transcript"]["received"].as_str().unwrap();
    assert!(
        received.starts_with(";; NOERROR, flags: ") && received.ends_with(&format!("{MASK}.test. 60 IN A 192.0.2.8\n")),
        "{received}"
    );
    let attributes: Vec<&str> = attempt.detail.as_ref().unwrap().attributes().iter().map(|(name, _)| *name).collect();
    for name in ["dns.question.name", "server.address", "server.port", "network.transport"] {
        assert!(attributes.contains(&name), "{attributes:?}");
    }
}
