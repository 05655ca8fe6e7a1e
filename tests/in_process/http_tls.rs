//! TLS: whom a device trusts, what it shows, and what a failed handshake is called.

use std::sync::Arc;

use minijinja::Value;
use serinus::outcome::Reason;
use serinus::plan::{DeviceSettings, HttpAction, HttpVersion, Limits, MinTls, Resolve, TlsSettings};
use serinus::run::step::TransportError;
use serinus::run::step::http::{HttpClients, HttpResponse};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use crate::http_client::{action, device, get, post, rendered, send, template};
use crate::http_pki::{Authority, acceptor, pem_text, self_signed, server, write};
use crate::http_server::{Target, Visit, answer, answering, raw, read_request};

fn https(target: &Target, host: &str) -> String {
    format!("https://{host}:{}/", target.address.port())
}

async fn fine(tls: TlsAcceptor) -> Target {
    answering(Some(tls), |_| answer(200, &[], "ok")).await
}

fn trusting(authority: &Authority) -> DeviceSettings {
    DeviceSettings { tls: TlsSettings { ca: Some(authority.pem()), ..TlsSettings::default() }, ..DeviceSettings::default() }
}

async fn ok(settings: DeviceSettings, url: &str) -> Arc<HttpResponse> {
    send(&device(settings), &get(url)).await.result.expect("the target answers")
}

async fn failing(settings: DeviceSettings, url: &str) -> TransportError {
    send(&device(settings), &post(url)).await.result.expect_err("this cannot succeed")
}

#[tokio::test]
async fn a_certificate_that_cannot_be_trusted_is_named_for_what_it_is() {
    let authority = Authority::new();
    let own = trusting(&authority);
    let cases = [
        ("wrong host", own.clone(), server(&authority.leaf(&["other.test"])), "not valid for name \"localhost\""),
        ("expired", own.clone(), server(&authority.leaf_until(&["localhost"], 2020)), "expired"),
        ("not valid yet", own.clone(), server(&authority.leaf_within(&["localhost"], 2080, 2090)), "not valid yet"),
        ("self-signed", own, server(&self_signed(&["localhost"])), "invalid peer certificate"),
        ("unknown issuer", DeviceSettings::default(), server(&authority.leaf(&["localhost"])), "UnknownIssuer"),
    ];
    for (name, settings, acceptor, says) in cases {
        let target = fine(acceptor).await;
        let failure = failing(settings, &https(&target, "localhost")).await;
        assert_eq!(failure.reason, Reason::Tls, "{name}: {failure:?}");
        assert!(failure.message.contains(says) && !failure.sent, "{name}: {failure:?}");
        assert!(target.seen().is_empty());
    }
}

#[tokio::test]
async fn a_certificate_s_facts_can_be_read_and_tls_has_a_phase() {
    let authority = Authority::new();
    let target = fine(server(&authority.leaf_until(&["localhost"], 2090))).await;
    let device = device(trusting(&authority));
    for _ in 0..2 {
        let response = send(&device, &get(&https(&target, "localhost"))).await.result.unwrap();
        let facts = response.tls().unwrap();
        assert_eq!((facts.version, &*facts.issuer, &*facts.subject), ("1.3", "CN=Test Authority", "CN=Test Leaf"));
        let tls = response.lookup("tls").unwrap();
        assert_eq!(tls.get_attr("not_after").unwrap(), Value::from("2090-01-31T00:00:00Z"));
        assert!(f64::try_from(tls.get_attr("expires_in").unwrap()).unwrap() > 30.0 * 365.0 * 86_400.0);
        assert!(response.phases.tls.is_some() && !response.phases.reused);
    }
}

#[tokio::test]
async fn any_certificate_will_do_where_that_is_asked_for_and_its_facts_are_known() {
    let authority = Authority::new();
    let target = fine(server(&authority.leaf_until(&["other.test"], 2020))).await;
    let tls = TlsSettings { insecure: true, ..TlsSettings::default() };
    let response = ok(DeviceSettings { tls, ..DeviceSettings::default() }, &https(&target, "localhost")).await;
    let facts = response.lookup("tls").unwrap();
    assert!(f64::try_from(facts.get_attr("expires_in").unwrap()).unwrap() < 0.0);
}

#[tokio::test]
async fn what_went_over_tls_is_not_sent_in_the_clear_to_the_same_host() {
    let plain = answering(None, |_| answer(200, &[], "ok")).await;
    let there = format!("http://localhost:{}/", plain.address.port());
    let authority = Authority::new();
    let secure =
        answering(Some(server(&authority.leaf(&["localhost"]))), move |_| answer(301, &[("location", &there)], "")).await;
    let headers = vec![("x-api-key".parse().unwrap(), template("k")), ("x-plain".parse().unwrap(), template("p"))];
    let request = rendered(&HttpAction { headers, ..action("GET", &https(&secure, "localhost")) });
    let attempt = send(&device(trusting(&authority)), &request).await;
    assert_eq!(attempt.result.unwrap().status, 200);
    let (over_tls, clear) = (secure.seen().remove(0), plain.seen().remove(0));
    assert_eq!((over_tls.header("x-api-key"), clear.header("x-api-key"), clear.header("x-plain")), (Some("k"), None, Some("p")));
    assert_eq!(attempt.answer.withheld[0].headers, ["x-api-key"]);
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_missed() {
    let authority = Authority::new();
    let target = fine(authority.strict_server(&authority.leaf(&["localhost"]))).await;
    let url = https(&target, "localhost");
    let failure = failing(trusting(&authority), &url).await;
    assert_eq!(failure.reason, Reason::Tls, "{failure:?}");
    assert!(failure.message.contains("CertificateRequired"), "{failure:?}");
    let mut settings = trusting(&authority);
    settings.tls.client = Some(authority.identity(&authority.leaf(&["canary"])));
    assert_eq!(ok(settings, &url).await.status, 200);
}

#[tokio::test]
async fn a_target_with_only_tls_1_2_is_refused_where_1_3_is_the_least() {
    let authority = Authority::new();
    let tls = acceptor(&authority.leaf(&["localhost"]), &[&rustls::version::TLS12], None, &[]);
    let target = fine(tls).await;
    let url = https(&target, "localhost");
    assert_eq!(ok(trusting(&authority), &url).await.tls().unwrap().version, "1.2");
    let mut settings = trusting(&authority);
    settings.tls.min_version = MinTls::Tls13;
    let failure = failing(settings, &url).await;
    assert_eq!(failure.reason, Reason::Tls, "{failure:?}");
    assert!(failure.message.contains("ProtocolVersion"), "{failure:?}");
}

#[tokio::test]
async fn a_target_that_speaks_no_tls_fails_the_handshake() {
    let target = answering(None, |_| answer(400, &[], "speak plainly")).await;
    let failure = failing(DeviceSettings::default(), &https(&target, "127.0.0.1")).await;
    assert!(matches!(failure.reason, Reason::Tls), "{failure:?}");
    let closing = raw(None, |visit| Box::pin(async move { drop(visit) })).await;
    let failure = failing(DeviceSettings::default(), &https(&closing, "127.0.0.1")).await;
    assert!(failure.reason == Reason::Tls && !failure.sent, "{failure:?}");
}

#[tokio::test]
async fn another_server_name_is_sent_and_checked_and_the_host_stays() {
    let authority = Authority::new();
    let target = answering(Some(server(&authority.leaf(&["inner.test"]))), |seen| match seen.path() {
        "/" => answer(302, &[("location", &format!("https://{}/end", seen.header("host").unwrap()))], ""),
        _ => answer(200, &[], "ok"),
    })
    .await;
    let mut settings = trusting(&authority);
    settings.tls.server_name = Some("inner.test".to_owned());
    for host in ["localhost", "127.0.0.1"] {
        let url = https(&target, host);
        let response = ok(settings.clone(), &url).await;
        assert_eq!((&*response.url, response.redirects), (&*format!("{url}end"), 1));
        assert!(target.seen().iter().rev().take(2).all(|seen| url.contains(seen.header("host").unwrap())));
    }
    settings.tls.server_name = Some("wrong.test".to_owned());
    let failure = failing(settings, &https(&target, "localhost")).await;
    assert!(failure.reason == Reason::Tls && failure.message.contains("wrong.test"), "{failure:?}");
}

#[tokio::test]
async fn a_name_can_be_led_to_an_address_under_tls() {
    let authority = Authority::new();
    let target = fine(server(&authority.leaf(&["api.test"]))).await;
    let resolve = vec![Resolve { host: "api.test".to_owned(), address: target.address }];
    let response = ok(DeviceSettings { resolve, ..trusting(&authority) }, "https://api.test/").await;
    assert_eq!((response.status, &*response.url), (200, "https://api.test/"));
    assert_eq!(target.seen()[0].header("host"), Some("api.test"));
}

#[tokio::test]
async fn a_renewed_pem_file_is_picked_up_by_the_next_run() {
    let (old, new) = (Authority::new(), Authority::new());
    let pem = write(&old.path("roots.pem"), pem_text(&old));
    let settings = Arc::new(DeviceSettings {
        tls: TlsSettings { ca: Some(pem.clone()), ..TlsSettings::default() },
        ..DeviceSettings::default()
    });
    let clients = HttpClients::new(&Limits::default()).unwrap();
    let target = fine(server(&new.leaf(&["localhost"]))).await;
    let request = get(&https(&target, "localhost"));
    assert_eq!(send(&clients.device(&settings), &request).await.result.unwrap_err().reason, Reason::Tls);
    let later = std::time::SystemTime::now() + std::time::Duration::from_mins(1);
    write(&pem.0, pem_text(&new));
    std::fs::File::options().write(true).open(pem.0.as_path()).unwrap().set_modified(later).unwrap();
    assert_eq!(send(&clients.device(&settings), &request).await.result.unwrap().status, 200);
}

#[tokio::test]
async fn a_pem_file_that_cannot_be_read_is_the_prober_s_own_fault() {
    let folder = tempfile::tempdir().unwrap();
    let empty = write(&folder.path().join("empty.pem"), "nothing");
    let tls = TlsSettings { ca: Some(empty), ..TlsSettings::default() };
    let failure = failing(DeviceSettings { tls, ..DeviceSettings::default() }, "https://localhost:1/").await;
    assert_eq!(failure.reason, Reason::Secret);
    assert!(failure.message.contains("empty.pem") && !failure.sent, "{failure:?}");
}

#[tokio::test]
async fn alpn_decides_between_the_versions_of_http() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let tls = acceptor(&leaf, rustls::ALL_VERSIONS, None, &[b"h2", b"http/1.1"]);
    let serving = tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let tls = tls.clone();
            tokio::spawn(async move {
                let io = hyper_util::rt::TokioIo::new(tls.accept(tcp).await.unwrap());
                let service = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                    Ok::<_, std::convert::Infallible>(http::Response::new(format!("{:?}", request.version())))
                });
                let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
                let _ = builder.serve_connection(io, service).await;
            });
        }
    });
    for (version, spoken) in [(HttpVersion::Auto, "2"), (HttpVersion::Http1, "1.1"), (HttpVersion::Http2, "2")] {
        let response = ok(DeviceSettings { version, ..trusting(&authority) }, &url).await;
        assert_eq!((response.version, response.text()), (spoken, format!("HTTP/{}", if spoken == "2" { "2.0" } else { spoken })));
    }
    serving.abort();
}

#[tokio::test]
async fn an_encrypted_target_is_reached_through_a_connect_proxy() {
    let authority = Authority::new();
    let target = fine(server(&authority.leaf(&["localhost"]))).await;
    let there = target.address;
    let proxy = raw(None, move |mut visit: Visit| {
        Box::pin(async move {
            let asked = read_request(&mut visit.stream).await.unwrap();
            assert_eq!(asked.line, format!("CONNECT localhost:{} HTTP/1.1", there.port()));
            if asked.header("proxy-authorization") != Some("Basic dTpw") {
                let _ = visit.stream.write_all(&answer(407, &[], "")).await;
                return;
            }
            visit.stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
            let mut onward = tokio::net::TcpStream::connect(there).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut visit.stream, &mut onward).await;
        })
    })
    .await;
    let through = |user: &str| DeviceSettings {
        proxy: Some(format!("http://{user}{}", proxy.address).parse().unwrap()),
        ..trusting(&authority)
    };
    let url = https(&target, "localhost");
    let response = ok(through("u:p@"), &url).await;
    assert_eq!(response.text(), "ok");
    assert!(response.phases.connect.is_some() && response.phases.tls.is_some());
    let mut renamed = through("u:p@");
    renamed.tls.server_name = Some("inner.test".to_owned());
    assert_eq!(failing(renamed, &url).await.reason, Reason::NotEvaluable);
    let failure = failing(through(""), &url).await;
    assert!(failure.reason == Reason::Connect && !failure.sent, "{failure:?}");
}
