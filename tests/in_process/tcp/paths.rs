//! Ways to a target: look-ups, overrides, several addresses, a local address, proxies.

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use serinus::outcome::Reason;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Hang, Say, journey, server, step};
use crate::dns_server::{DnsServer, Say as DnsSay};
use crate::http_pki::{Authority, server as tls_server};
use crate::http_server::{Target, Visit, raw, read_request, silence};

const READ: &str = "tcp.read = { until = \"\\n\" }";
const HELLO: &str = "expect = [\"received == 'hello\\n'\"]";

fn connect(host: &str, target: &Target) -> String {
    format!("tcp.connect = \"{host}:{}\"", target.address.port())
}

async fn hello() -> Target {
    server(&[Say("hello\n"), Hang]).await
}

fn addresses(addresses: &[&str]) -> Vec<IpAddr> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_name_is_looked_up_as_those_of_http_are_and_that_is_a_phase() {
    let target = hello().await;
    let names = DnsServer::start(|name, _| match name {
        "gone.test" => DnsSay::Code(ResponseCode::NXDomain),
        "silent.test" => DnsSay::Nothing,
        // Nothing listens at the first address.
        _ => DnsSay::Addresses(addresses(&["127.0.0.2", "127.0.0.1"])),
    })
    .await;
    let keys =
        |host| step("hello", &[&connect(host, &target), READ, "timeout = \"1s\"", HELLO, "capture = { dns = \"phases.dns\" }"]);
    let ran = journey(&target).names(names.names()).run(&keys("Mail.Example.test")).await;
    ran.assert_passed();
    assert!(names.asked().contains(&"A mail.example.test".to_owned()));
    let ran = journey(&target).names(names.names()).run(&keys("gone.test")).await;
    assert_eq!(ran.reason(), Reason::Dns);
    assert!(
        ran.cause().message.contains("the name `gone.test` does not resolve: there is no such name"),
        "{}",
        ran.cause().message
    );
    let ran = journey(&target).names(names.names()).run(&keys("silent.test")).await;
    assert_eq!(ran.reason(), Reason::Timeout);
    assert!(ran.cause().message.contains("waiting for the name's resolution"), "{}", ran.cause().message);
}

#[tokio::test]
async fn a_device_says_where_names_lead_where_it_sends_from_and_how_long_connecting_may_take() {
    let target = hello().await;
    let head =
        format!("[devices.default]\nresolve = {{ \"mail.test\" = \"{}\", \"same.test\" = \"127.0.0.1\" }}", target.address);
    journey(&target).head(&head).run(&step("other", &["tcp.connect = \"MAIL.test:25\"", READ, HELLO])).await.assert_passed();
    journey(&target).head(&head).run(&step("same", &[&connect("same.test", &target), READ, HELLO])).await.assert_passed();
    let from = raw(None, |mut visit| Box::pin(async move { visit.stream.write_all(b"hello\n").await.unwrap() })).await;
    let head = "[devices.default]\nlocal_address = \"127.0.0.3\"";
    journey(&from).head(head).run(&step("from", &[&connect("127.0.0.1", &from), READ, HELLO])).await.assert_passed();
    let head = "[devices.default]\nlocal_address = \"::1\"";
    let ran = journey(&from).head(head).run(&step("from", &[&connect("127.0.0.1", &from), READ, HELLO])).await;
    assert!(ran.cause().message.contains("no address of the family of `local_address`"), "{}", ran.cause().message);
    let silent = server(&[Hang]).await;
    let head = "[devices.default]\nconnect_timeout = \"1500ms\"";
    let ran = journey(&silent).head(head).run(&step("tls", &[&connect("127.0.0.1", &silent), "tcp.tls = true", HELLO])).await;
    assert_eq!(ran.reason(), Reason::Timeout);
    assert!(
        ran.cause().message.ends_with("not connected within 1s 500ms: waiting for the TLS handshake"),
        "{}",
        ran.cause().message
    );
}

/// Passes everything on, both ways, to where `first` says it should go.
async fn passed_on(mut visit: Visit, to: std::net::SocketAddr, first: &[u8]) {
    let mut onward = tokio::net::TcpStream::connect(to).await.unwrap();
    // In one piece with what the target says first, which must not be lost.
    let mut greeting = vec![0; 6];
    onward.read_exact(&mut greeting).await.unwrap();
    visit.stream.write_all(&[first, &greeting].concat()).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut visit.stream, &mut onward).await;
}

#[tokio::test]
async fn a_proxy_of_http_is_asked_for_a_tunnel_and_what_the_target_says_first_is_not_lost() {
    let target = hello().await;
    let (to, authority) = (target.address, Authority::new());
    let asked = move |mut visit: Visit| -> futures::future::BoxFuture<'static, ()> {
        Box::pin(async move {
            let asked = read_request(&mut visit.stream).await.unwrap();
            assert_eq!(asked.line, "CONNECT mail.test:25 HTTP/1.1");
            if asked.header("proxy-authorization") != Some("Basic dTpwQHNz") {
                let _ = visit.stream.write_all(b"HTTP/1.1 407 Who are you?\r\n\r\n").await;
                return silence().await;
            }
            passed_on(visit, to, b"HTTP/1.1 200 Connected\r\nvia: test\r\n\r\n").await;
        })
    };
    let plain = raw(None, asked).await;
    let secure = raw(Some(tls_server(&authority.leaf(&["localhost"]))), asked).await;
    let hello = step("hello", &["tcp.connect = \"mail.test:25\"", READ, HELLO]);
    let device = |proxy: String| {
        journey(&target).head(&format!("[devices.default]\nproxy = \"{proxy}\"\ntls.ca = \"{}\"", authority.pem().0.display()))
    };
    device(format!("http://u:p%40ss@{}", plain.address)).run(&hello).await.assert_passed();
    device(format!("https://u:p%40ss@localhost:{}", secure.address.port())).run(&hello).await.assert_passed();
    let ran = device(format!("http://{}", plain.address)).run(&hello).await;
    assert_eq!(ran.reason(), Reason::Connect);
    assert!(
        ran.cause().message.contains("through the proxy 127.0.0.1: it answered \"HTTP/1.1 407 Who are you?\""),
        "{}",
        ran.cause().message
    );
    let silent = server(&[Hang]).await;
    let keys = step("hello", &["tcp.connect = \"mail.test:25\"", READ, HELLO, "timeout = \"1500ms\""]);
    let ran = device(format!("http://{}", silent.address)).run(&keys).await;
    assert!(ran.cause().message.ends_with("waiting for the proxy's answer"), "{}", ran.cause().message);
    assert!(!ran.report.steps[0].attempts[0].detail.as_ref().unwrap().is_answered());
}

#[tokio::test]
async fn a_proxy_of_socks_is_given_the_address() {
    let target = hello().await;
    let to = target.address;
    let proxy = raw(None, move |mut visit| {
        Box::pin(async move {
            let mut greeting = [0; 2];
            visit.stream.read_exact(&mut greeting).await.unwrap();
            let mut methods = vec![0; usize::from(greeting[1])];
            visit.stream.read_exact(&mut methods).await.unwrap();
            if !methods.contains(&2) {
                visit.stream.write_all(&[5, 255]).await.unwrap();
                return silence().await;
            }
            visit.stream.write_all(&[5, 2]).await.unwrap();
            let mut login = [0; 5];
            visit.stream.read_exact(&mut login).await.unwrap();
            let known = login == [1, 1, b'u', 1, b'p'];
            visit.stream.write_all(&[1, u8::from(!known)]).await.unwrap();
            let mut request = [0; 10];
            visit.stream.read_exact(&mut request).await.unwrap();
            assert_eq!(request[..8], [5, 1, 0, 1, 127, 0, 0, 1]);
            if u16::from_be_bytes([request[8], request[9]]) == to.port() {
                return passed_on(visit, to, &[5, 0, 0, 3, 1, b'x', 0, 0]).await;
            }
            visit.stream.write_all(&[5, 5]).await.unwrap();
            silence().await;
        })
    })
    .await;
    let run = async |user: &str, port: u16| {
        let head = format!("[devices.default]\nproxy = \"socks5://{user}{}\"", proxy.address);
        let connect = format!("tcp.connect = \"127.0.0.1:{port}\"");
        journey(&target).head(&head).run(&step("hello", &[&connect, READ, HELLO, "timeout = \"10s\""])).await
    };
    run("u:p@", to.port()).await.assert_passed();
    for (user, port, says) in [
        ("u:p@", 1, "through the proxy 127.0.0.1: the connection was refused"),
        ("", to.port(), "it wants a user and password"),
        ("u:q@", to.port(), "it does not accept the user and password"),
    ] {
        let ran = run(user, port).await;
        assert_eq!(ran.reason(), Reason::Connect);
        assert!(ran.cause().message.contains(says), "{}", ran.cause().message);
    }
}

#[tokio::test]
async fn the_other_family_is_tried_beside_the_first_if_that_takes_long() {
    let target = hello().await;
    // Who answers for 192.0.2.1 in a network for documentation answers nobody; where nothing leads there, it is refused at once.
    let names = DnsServer::start(|_, _| DnsSay::Addresses(addresses(&["2001:db8::1", "127.0.0.1"]))).await;
    let began = std::time::Instant::now();
    let keys = step("hello", &[&connect("both.test", &target), READ, HELLO, "timeout = \"10s\""]);
    journey(&target).names(names.names()).run(&keys).await.assert_passed();
    assert!(began.elapsed() < Duration::from_secs(5));
}
