//! TLS: from the first byte or later, by the device's settings and the step's own, and what is known of it.

use rustls::version::TLS12;
use serinus::outcome::Reason;
use tokio::io::AsyncWriteExt as _;

use super::{CONNECT, Hang, Hear, Say, behind, journey, server, step};
use crate::http_pki::{Authority, acceptor, server as tls_server};
use crate::journey::Ran;

const READ: &str = "tcp.read = { until = \"\\n\" }";
const TLS: &str = "tcp.tls = true";

/// Settings of the default device, which trusts this authority, with more of them.
fn device(authority: &Authority, more: &str) -> String {
    format!("[devices.default]\ntls.ca = \"{}\"\n{more}", authority.pem().0.display())
}

/// The name that the certificates of these tests are for leads to loopback.
fn connect(target: &crate::http_server::Target) -> String {
    format!("tcp.connect = \"localhost:{}\"", target.address.port())
}

#[tokio::test]
async fn what_is_known_of_tls_has_the_names_that_https_has() {
    let authority = Authority::new();
    let target = behind(Some(tls_server(&authority.leaf(&["localhost"]))), &[Say("hello\n"), Hang]).await;
    let expect = "expect = [\"received == 'hello\\n'\", \"tls.version == '1.3'\", \"tls.expires_in > 14 * 86400\", \
        \"tls.not_after is startingwith('2090-01-31')\", \"tls.subject is endingwith('CN=Test Leaf')\", \
        \"tls.issuer is endingwith('CN=Test Authority')\", \"tls.alpn is undefined\", \"phases.tls > 0\"]";
    let ran = journey(&target).head(&device(&authority, "")).run(&step("hello", &[&connect(&target), TLS, READ, expect])).await;
    ran.assert_passed();
    let observed = &ran.report.steps[0].attempts[0].to_json(serinus::outcome::Transcripts::Whole)["observed"];
    assert_eq!(observed["facts"]["tls_version"], "1.3");
    assert_eq!(observed["facts"]["tls_not_after"], "2090-01-31T00:00:00Z");
}

#[tokio::test]
async fn each_new_connection_under_tls_tells_the_certificate_that_it_met_whether_the_step_passes_or_not() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let target = behind(Some(tls_server(&leaf)), &[Say("hello\n"), Hear("a\n"), Say("b\n"), Hang]).await;
    let steps = [
        step("hello", &[&connect(&target), TLS, READ, "expect = [\"bytes > 0\"]"]),
        step("more", &["tcp.send = \"a\\n\"", READ, "expect = [\"received == 'c\\n'\"]"]),
    ];
    let ran = journey(&target).head(&device(&authority, "")).run(&steps.concat()).await;
    let of = |ran: &Ran, step: usize| ran.report.steps[step].attempts[0].certificate.clone();
    let met = of(&ran, 0).expect("it was a new connection");
    assert_eq!((&*met.host, met.port, met.not_after_ms), ("localhost", target.address.port(), 3_789_504_000_000));
    assert_eq!((&*met.subject, &*met.issuer, met.fingerprint.len()), ("CN=Test Leaf", "CN=Test Authority", 64));
    assert_eq!(of(&ran, 1), None, "the connection was there");
    let https = crate::http_server::answering(Some(tls_server(&leaf)), |_| crate::http_server::answer(200, &[], "ok")).await;
    let get = format!("http.get = \"https://localhost:{}/\"", https.address.port());
    let fails = step("page", &[&get, "expect = [\"status == 201\"]"]);
    let ran = journey(&target).head(&device(&authority, "")).run(&fails).await;
    let page = of(&ran, 0).expect("an answer came");
    assert_eq!((&page.fingerprint, page.port), (&met.fingerprint, https.address.port()));
    assert!(!ran.report.to_json(None).to_string().contains(&page.fingerprint), "it is in no stored run");
}

#[tokio::test]
async fn a_handshake_that_fails_is_told_for_what_it_is() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["other.test"]);
    let target = behind(Some(tls_server(&leaf)), &[Say("hello\n"), Hang]).await;
    let run = async |keys: &[&str]| {
        let connect = connect(&target);
        let keys = [&[connect.as_str(), READ, "expect = [\"bytes > 0\"]"], keys].concat();
        journey(&target).head(&device(&authority, "")).run(&step("hello", &keys)).await
    };
    let told = |ran: &Ran, says: &str| {
        assert_eq!(ran.reason(), Reason::Tls, "{}", ran.cause().message);
        assert!(ran.cause().message.contains(says), "{}", ran.cause().message);
        assert!(!ran.report.steps[0].attempts[0].detail.as_ref().unwrap().is_answered());
    };
    told(&run(&[TLS]).await, "not valid for name \"localhost\"");
    run(&["tcp.tls = { server_name = \"other.test\" }"]).await.assert_passed();
    run(&["tcp.tls = { verify = false }"]).await.assert_passed();
    let stranger = Authority::new();
    let ca = format!("tcp.tls = {{ server_name = \"other.test\", ca = \"{}\" }}", stranger.pem().0.display());
    told(&run(&[&ca]).await, "invalid peer certificate");
    let old = behind(Some(acceptor(&authority.leaf(&["localhost"]), &[&TLS12], None, &[])), &[Say("a\n"), Hang]).await;
    let keys = [&connect(&old), READ, "tcp.tls = { min_version = \"1.3\" }", "expect = [\"bytes > 0\"]"];
    told(&journey(&old).head(&device(&authority, "")).run(&step("new", &keys)).await, "TLS cannot be made");
    let keys = [&connect(&old), READ, TLS, "expect = [\"tls.version == '1.2'\"]"];
    journey(&old).head(&device(&authority, "")).run(&step("old", &keys)).await.assert_passed();
    let plain = server(&[Say("220 plain text\r\n"), Hang]).await;
    let keys = [CONNECT, TLS, "expect = [\"bytes > 0\"]"];
    told(&journey(&plain).run(&step("plain", &keys)).await, "TLS cannot be made");
}

#[tokio::test]
async fn a_client_shows_its_certificate_and_offers_protocols() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let strict =
        behind(Some(acceptor(&leaf, rustls::ALL_VERSIONS, Some(&authority), &[b"imap", b"pop3"])), &[Say("a\n"), Hang]).await;
    let (chain, key) = authority.identity(&leaf);
    let shown = format!("tls.client_cert = \"{}\"\ntls.client_key = \"{}\"", chain.0.display(), key.0.display());
    let keys =
        |tls: &str| step("hello", &[&connect(&strict), READ, tls, "expect = [\"received == 'a\\n'\", \"tls.alpn == 'pop3'\"]"]);
    let offered = "tcp.tls = { alpn = [\"smtp\", \"pop3\"] }";
    journey(&strict).head(&device(&authority, &shown)).run(&keys(offered)).await.assert_passed();
    // Only after the handshake does a server of TLS 1.3 say that it wants one.
    let ran = journey(&strict).head(&device(&authority, "")).run(&keys(offered)).await;
    assert_eq!(ran.reason(), Reason::Tls, "{}", ran.cause().message);
    let ran = journey(&strict).head(&device(&authority, &shown)).run(&keys("tcp.tls = { alpn = [\"smtp\"] }")).await;
    assert_eq!(ran.reason(), Reason::Tls, "{}", ran.cause().message);
}

#[tokio::test]
async fn tls_can_begin_over_an_open_connection() {
    let authority = Authority::new();
    let acceptor = tls_server(&authority.leaf(&["localhost"]));
    let target = crate::http_server::raw(None, move |visit| {
        let acceptor = acceptor.clone();
        Box::pin(async move {
            let mut plain = visit.stream;
            super::play(&mut plain, &[Hear("<starttls/>"), Say("<proceed/>")]).await;
            let secure = acceptor.accept(plain).await.unwrap();
            let mut secure: crate::http_server::Stream = tokio::io::BufReader::new(Box::new(secure));
            super::play(&mut secure, &[Hear("a\n"), Say("b\n"), Hang]).await;
        })
    })
    .await;
    let steps = [
        step("ask", &[&connect(&target), "tcp.send = '<starttls/>'", "tcp.read = { until = '<proceed/>' }"]),
        step("secure", &[TLS, "tcp.send = \"a\\n\"", READ, "expect = [\"received == 'b\\n'\", \"tls.version == '1.3'\"]"]),
        step("twice", &[TLS, "expect = [\"latency < 10\"]"]),
    ];
    let ran = journey(&target).head(&device(&authority, "")).run(&steps.concat()).await;
    assert_eq!((ran.reason(), ran.cause().step.as_deref()), (Reason::NotEvaluable, Some("twice")), "{}", ran.cause().message);
    journey(&target).head(&device(&authority, "")).run(&steps[..2].concat()).await.assert_passed();
}

#[tokio::test]
async fn an_answer_that_ends_with_the_connection_is_whole_only_if_tls_says_so() {
    let authority = Authority::new();
    let acceptor = tls_server(&authority.leaf(&["localhost"]));
    for goodbye in [true, false] {
        let acceptor = acceptor.clone();
        let target = crate::http_server::raw(None, move |visit| {
            let acceptor = acceptor.clone();
            Box::pin(async move {
                let mut secure = acceptor.accept(visit.stream).await.unwrap();
                secure.write_all(b"all of it").await.unwrap();
                if goodbye {
                    secure.shutdown().await.unwrap();
                }
            })
        })
        .await;
        let keys = [&connect(&target), TLS, "tcp.read = { until_close = true }", "expect = [\"received == 'all of it'\"]"];
        let ran = journey(&target).head(&device(&authority, "")).run(&step("all", &keys)).await;
        if goodbye {
            ran.assert_passed();
        } else {
            assert_eq!(ran.reason(), Reason::Protocol);
            assert!(ran.cause().message.contains("9 bytes into the answer: it was closed without the goodbye of TLS"));
        }
    }
}
