//! Who may do what at the listener of the built program.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::cli_support::{assert_exit, stderr};
use crate::service_support::{Answer, Double, Service, ask, edit, folder, write};

const OK: &str = r#"{"state": "ok"}"#;
const JSON: &str = "content-type: application/json";
const HTML: &str = "accept: text/html";
const OPS: &str = "authorization: Bearer sesame-open";
const WALL: &str = "authorization: Bearer wall-secret";

/// A folder with two tokens: `ops` acts, `wall` looks.
fn two_tokens(target: &Double, more: &str) -> tempfile::TempDir {
    let folder = folder(target, more);
    write(folder.path(), "wall", "wall-secret");
    let tokens =
        "[[listen.token]]\nname = \"ops\"\nsecret = \"token\"\nrole = \"act\"\n[[listen.token]]\nname = \"wall\"\n[notify]";
    edit(folder.path(), "serinus.toml", "token = \"token\"\n", "");
    edit(folder.path(), "serinus.toml", "[secrets]\n", "[secrets]\nwall = { file = \"wall\" }\n");
    edit(folder.path(), "serinus.toml", "[notify]", tokens);
    folder
}

fn origin(service: &Service<'_>) -> String {
    format!("origin: http://{}", service.address)
}

fn log_in(service: &Service<'_>, body: &str) -> Answer {
    let headers = [&*origin(service), "content-type: application/x-www-form-urlencoded"];
    ask(&service.address, "POST /login", &headers, body)
}

/// The value of a header.
fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer
        .head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{answer:?}");
    format!("cookie: {}", header(answer, "set-cookie").unwrap().split(';').next().unwrap())
}

#[test]
fn a_token_logs_in_acts_by_its_role_and_ends_its_sessions_when_it_changes() {
    let target = Double::start(200, OK);
    let folder = two_tokens(&target, "[store]\nurl = \"sqlite:serinus.db\"\n[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    let status = |service: &Service<'_>, headers: &[&str]| ask(&service.address, "GET /api/v1/status", headers, "").status;
    let pause = |service: &Service<'_>, headers: &[&str]| {
        ask(&service.address, "POST /api/v1/pause", &[&[JSON], headers].concat(), r#"{"target":"p"}"#)
    };
    assert_eq!((status(&service, &[]), status(&service, &[WALL]), status(&service, &[OPS])), (401, 200, 200));
    assert_eq!(ask(&service.address, "GET /metrics", &[WALL], "").status, 200);
    let refused = pause(&service, &[WALL]);
    assert!(refused.status == 403 && refused.error().contains("`wall` may only look"), "{refused:?}");
    let (ops, wall) = (cookie(&log_in(&service, "token=sesame-open")), cookie(&log_in(&service, "token=wall-secret")));
    let own = origin(&service);
    assert_eq!((status(&service, &[&ops]), status(&service, &[&wall])), (200, 200));
    assert_eq!((pause(&service, &[&wall, &own]).status, pause(&service, &[&ops, &own]).status), (403, 200));
    assert_eq!(pause(&service, &[&ops]).status, 403, "it does not say where it comes from");
    assert_eq!(pause(&service, &[&ops, "origin: http://evil.example"]).status, 403);
    assert_eq!(service.stop(), Some(0));

    write(folder.path(), "wall", "another-secret");
    let service = Service::start(folder.path());
    assert_eq!(
        (status(&service, &[&ops]), status(&service, &[&wall])),
        (200, 401),
        "a restart ends no session, another token does"
    );
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_code_logs_in_once_when_its_form_is_sent() {
    let target = Double::start(200, OK);
    let folder = two_tokens(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    let answer = ask(&service.address, "POST /api/v1/login-codes", &[OPS, JSON], "{}");
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    let url = said["url"].as_str().unwrap();
    let path = url.strip_prefix(&format!("http://{}", service.address)).unwrap();
    let page = ask(&service.address, &format!("GET {path}"), &[HTML], "");
    assert!(page.status == 200 && header(&page, "set-cookie").is_none() && header(&page, "content-security-policy").is_some());
    let body = path.split_once('?').unwrap().1;
    let session = cookie(&log_in(&service, body));
    assert_eq!(ask(&service.address, "GET /api/v1/status", &[&session], "").status, 200);
    assert_eq!(log_in(&service, body).status, 401, "it was used");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn wrong_tokens_are_limited_and_the_right_one_of_who_used_it_before_is_not() {
    let target = Double::start(200, OK);
    let folder = two_tokens(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    assert_eq!(ask(&service.address, "GET /metrics", &[OPS], "").status, 200);
    let wrong = || ask(&service.address, "GET /metrics", &["authorization: Bearer guess"], "");
    let statuses: Vec<u16> = (0..11).map(|_| wrong().status).collect();
    assert_eq!((statuses[0], statuses[10]), (401, 429), "{statuses:?}");
    assert!(header(&wrong(), "retry-after").is_some());
    assert_eq!(log_in(&service, "token=sesame-open").status, 429);
    assert_eq!(ask(&service.address, "GET /metrics", &[OPS], "").status, 200);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn the_header_of_a_user_counts_from_a_trusted_proxy_alone() {
    let target = Double::start(200, OK);
    for (trusted, status) in [("127.0.0.1", 200), ("192.0.2.0/24", 401)] {
        let proxy = format!(
            "trusted_proxies = [\"{trusted}\"]\nuser_header = \"X-Forwarded-User\"\nuser_role = \"act\"\n[notify]\nnone = true\n"
        );
        let folder = two_tokens(&target, &proxy);
        let service = Service::start(folder.path());
        let user = "x-forwarded-user: ann";
        assert_eq!(ask(&service.address, "GET /api/v1/status", &[user], "").status, status, "{trusted}");
        let (own, body) = (origin(&service), r#"{"target":"p"}"#);
        assert_eq!(ask(&service.address, "POST /api/v1/pause", &[user, &own, JSON], body).status, status, "{trusted}");
        assert_eq!(service.stop(), Some(0));
    }
}

#[test]
fn the_listener_speaks_tls_with_its_certificate() {
    let target = Double::start(200, OK);
    let made = rcgen::generate_simple_self_signed(vec!["prober.example.com".to_owned()]).unwrap();
    let tls =
        "hosts = [\"prober.example.com\"]\ntls = { certificate = \"cert.pem\", key = \"key.pem\" }\n[notify]\nnone = true\n";
    let folder = two_tokens(&target, tls);
    write(folder.path(), "cert.pem", &made.cert.pem());
    write(folder.path(), "key.pem", &made.signing_key.serialize_pem());
    let service = Service::start(folder.path());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let client = ClientConnection::new(config, ServerName::try_from("prober.example.com").unwrap()).unwrap();
    let mut stream = StreamOwned::new(client, TcpStream::connect(&service.address).unwrap());
    let body = "token=sesame-open";
    let head = "POST /login HTTP/1.1\r\nhost: prober.example.com\r\norigin: https://prober.example.com\r\nconnection: close";
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    let _closed = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("SameSite=Lax; Secure"), "{answer}");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_command_is_told_that_its_token_may_only_look() {
    let target = Double::start(200, OK);
    let folder = two_tokens(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    let url = format!("http://{}", service.address);
    let read = crate::cli_support::run(folder.path(), &["pause", "p", "--url", &url, "--token", "wall-secret"]);
    assert_exit(&read, 2);
    assert!(stderr(&read).contains("may only look"), "{}", stderr(&read));
    assert_eq!(service.stop(), Some(0));
}
