//! What goes over the wire and what is made of what comes back.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use minijinja::{Value, context};
use serde_json::json;
use serinus::outcome::{Reason, Redactor, Secret, Withheld};
use serinus::plan::{
    Auth, Body, ClientCredentials, Connections, DeviceSettings, Field, FieldValue, HttpAction, HttpVersion, JsonTemplate, Limits,
    Part, PartContent, Redirects, RequestDefaults, Resolve,
};
use serinus::run::step::http::{HttpAttempt, HttpClients, HttpResponse, render};
use tokio::io::AsyncWriteExt;

use crate::http_client::{SHORT, SOON, action, device, get, post, rendered, run_headers, send, send_within, template};
use crate::http_server::{Seen, Target, Visit, answer, answering, raw, read_request};

async fn fine() -> Target {
    answering(None, |_| answer(200, &[], "ok")).await
}

/// What arrives of `action` at a target that answers 200.
async fn arriving(build: impl FnOnce(&str) -> HttpAction) -> Seen {
    let target = fine().await;
    ok(&device(DeviceSettings::default()), &rendered(&build(&target.url("/")))).await;
    target.seen().remove(0)
}

async fn ok(device: &serinus::run::step::http::HttpDevice, request: &serinus::run::step::http::HttpRequest) -> Arc<HttpResponse> {
    send(device, request).await.result.expect("the target answers")
}

#[tokio::test]
async fn any_method_is_sent_as_it_is() {
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"] {
        let seen = arriving(|url| action(method, url)).await;
        assert_eq!(seen.line, format!("{method} / HTTP/1.1"));
    }
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_headers() {
    let target = answering(None, |seen| match seen.path() {
        "/head" => b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec(),
        "/204" => answer(204, &[], ""),
        _ => answer(304, &[], ""),
    })
    .await;
    let device = device(DeviceSettings::default());
    for (method, path, status) in [("HEAD", "/head", 200), ("GET", "/204", 204), ("GET", "/304", 304)] {
        let response = ok(&device, &rendered(&action(method, &target.url(path)))).await;
        assert_eq!((response.status, response.body.len()), (status, 0));
    }
}

#[tokio::test]
async fn each_request_carries_its_run_and_trace_and_one_user_agent() {
    let target = fine().await;
    let headers = run_headers();
    let own = vec![
        ("user-agent".parse().unwrap(), template("phone/1")),
        ("traceparent".parse().unwrap(), template("mine")),
        ("x-name".parse().unwrap(), template("zoë")),
    ];
    let requests = RequestDefaults { headers: own, ..RequestDefaults::default() };
    let request = render(&action("GET", &target.url("/")), &requests, &Value::from(()), 1 << 20).unwrap();
    device(DeviceSettings::default()).send(&request, &headers, SOON, &Redactor::default()).await.result.unwrap();
    ok(&device(DeviceSettings::default()), &get(&target.url("/"))).await;
    let seen = target.seen();
    assert_eq!(seen[0].all("traceparent"), [headers.traceparent.as_str()]);
    assert_eq!(seen[0].all("x-canary-run-id"), [headers.run_id.as_str()]);
    assert_eq!(seen[0].all("user-agent"), ["phone/1"]);
    assert_eq!(seen[0].all("x-name"), ["zoë"]);
    assert_eq!(seen[1].all("user-agent"), [concat!("serinus/", env!("CARGO_PKG_VERSION"))]);
}

fn field(name: &str, text: &str) -> Field {
    Field { name: name.to_owned(), value: FieldValue::One(template(text)) }
}

#[tokio::test]
async fn a_query_is_added_and_encoded() {
    let query = vec![field("q", "a b&c=ü"), field("plus", "1+1"), field("empty", "")];
    let seen = arriving(|url| HttpAction { query, ..action("GET", &format!("{url}find?page=1")) }).await;
    assert_eq!(seen.path(), "/find?page=1&q=a%20b%26c%3D%C3%BC&plus=1%2B1&empty=");
}

#[tokio::test]
async fn json_keeps_the_types_of_lone_expressions_and_the_order_of_keys() {
    let target = fine().await;
    let body = JsonTemplate::Map(vec![
        ("z".to_owned(), JsonTemplate::Text(template("{{ n }}"))),
        ("text".to_owned(), JsonTemplate::Text(template("n = {{ n }}"))),
        (
            "list".to_owned(),
            JsonTemplate::List(vec![JsonTemplate::Text(template("{{ xs }}")), JsonTemplate::Constant(json!(null))]),
        ),
        ("code".to_owned(), JsonTemplate::Text(template("{{ code }}"))),
    ]);
    let action = HttpAction { body: Body::Json(body), ..action("POST", &target.url("/")) };
    let request =
        render(&action, &RequestDefaults::default(), &context! { n => 3, xs => [1, 2], code => "007" }, 1 << 20).unwrap();
    ok(&device(DeviceSettings::default()), &request).await;
    let seen = &target.seen()[0];
    assert_eq!(seen.text(), r#"{"z":3,"text":"n = 3","list":[[1,2],null],"code":"007"}"#);
    assert_eq!(seen.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_form_is_encoded_in_order_and_a_header_may_name_another_type() {
    let form = || Body::Form(vec![field("b", "1 2"), field("a", "&")]);
    let seen = arriving(|url| HttpAction { body: form(), ..action("POST", url) }).await;
    assert_eq!((seen.text(), seen.header("content-type")), ("b=1+2&a=%26", Some("application/x-www-form-urlencoded")));
    let headers = vec![("content-type".parse().unwrap(), template("text/odd"))];
    let seen = arriving(|url| HttpAction { body: form(), headers, ..action("POST", url) }).await;
    assert_eq!(seen.all("content-type"), ["text/odd"]);
}

#[tokio::test]
async fn raw_bodies_and_files_are_sent_byte_for_byte() {
    let seen = arriving(|url| HttpAction { body: Body::Raw(template("<x>")), ..action("PUT", url) }).await;
    assert_eq!((seen.text(), seen.header("content-type")), ("<x>", None));
    let content = Bytes::from_static(&[0, 255, 13, 10]);
    let seen = arriving(|url| HttpAction { body: Body::File { name: "f".to_owned(), content }, ..action("PUT", url) }).await;
    assert_eq!(seen.body, [0, 255, 13, 10]);
}

#[tokio::test]
async fn multipart_is_sent_as_the_standard_says() {
    let part = |name: &str, content, filename: Option<&str>, kind: Option<&str>| Part {
        name: name.to_owned(),
        content,
        filename: filename.map(template),
        content_type: kind.map(str::to_owned),
    };
    let parts = vec![
        part("title", PartContent::Text(template("a title")), None, None),
        part("fi\"le", PartContent::File(Bytes::from_static(b"\x00\xffdata")), Some("a \"b\".bin"), Some("image/png")),
    ];
    let seen = arriving(|url| HttpAction { body: Body::Multipart(parts), ..action("POST", url) }).await;
    let boundary = seen.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    let expected = [
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\na title\r\n").into_bytes(),
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"fi%22le\"; filename=\"a %22b%22.bin\"\r\n").into_bytes(),
        b"Content-Type: image/png\r\n\r\n\x00\xffdata\r\n".to_vec(),
        format!("--{boundary}--\r\n").into_bytes(),
    ];
    assert_eq!(seen.body, expected.concat());
}

#[tokio::test]
async fn basic_and_bearer_and_user_information_become_authorization() {
    let basic = Auth::Basic { user: template("us"), password: template("p:w") };
    let seen = arriving(|url| HttpAction { auth: Some(basic), ..action("GET", url) }).await;
    assert_eq!(seen.all("authorization"), ["Basic dXM6cDp3"]);
    let seen = arriving(|url| HttpAction { auth: Some(Auth::Bearer(template("tok"))), ..action("GET", url) }).await;
    assert_eq!(seen.all("authorization"), ["Bearer tok"]);
    let seen = arriving(|url| action("GET", &url.replace("http://", "http://us:p%3Aw%26%3D+@"))).await;
    assert_eq!(seen.all("authorization"), ["Basic dXM6cDp3Jj0r"]);
}

#[tokio::test]
async fn credentials_are_shown_nowhere() {
    let target = answering(None, |seen| {
        let body = format!("you said {} and {}", seen.header("authorization").unwrap_or_default(), seen.text());
        answer(200, &[("set-cookie", "sid=abcdef"), ("x-echo", "hunter2222")], body)
    })
    .await;
    let redactor = Redactor::new([&Secret::new("hunter2222")]);
    let request = rendered(&HttpAction {
        auth: Some(Auth::Basic { user: template("canary"), password: template("hunter2222") }),
        body: Body::Raw(template(&"hunter2222".repeat(2_000))),
        headers: vec![("cookie".parse().unwrap(), template("sid=abcdef"))],
        ..action("POST", &target.url("/?key=hunter2222").replace("http://", "http://us:pw@"))
    });
    let attempt = device(DeviceSettings::default()).send(&request, &run_headers(), SOON, &redactor).await;
    assert_eq!(attempt.answer.url, target.url("/?key=•••"));
    let exchange = attempt.exchange(&request, &redactor);
    let shown = format!("{:?} {exchange:?}", attempt.answer);
    for secret in ["hunter", "2222", "Y2FuYXJ5", "abcdef", "us:pw"] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
    assert!(exchange.request_headers.contains(&("authorization".to_owned(), Redactor::MASK.to_owned())));
    assert!(exchange.truncated);
}

#[tokio::test]
async fn a_token_is_fetched_once_a_device_and_never_shown() {
    let target = answering(None, |seen| match seen.path() {
        "/token" => answer(200, &[], r#"{"access_token":"t0ken-value","token_type":"bearer"}"#),
        _ => answer(200, &[], format!("you are {}", seen.header("authorization").unwrap_or_default())),
    })
    .await;
    let request = rendered(&HttpAction { auth: Some(grant(&target.url("/token"))), ..action("GET", &target.url("/api")) });
    let one = device(DeviceSettings::default());
    for _ in 0..2 {
        let attempt = send(&one, &request).await;
        let shown = format!("{:?}", attempt.exchange(&request, &Redactor::default()));
        assert!(!shown.contains("t0ken-value") && shown.contains("you are Bearer •••"), "{shown}");
    }
    ok(&device(DeviceSettings::default()), &request).await;
    let seen = target.seen();
    let paths: Vec<_> = seen.iter().map(Seen::path).collect();
    assert_eq!(paths, ["/token", "/api", "/api", "/token", "/api"]);
    assert_eq!(seen[0].all("authorization"), ["Basic aWQ6c2VjcmV0"]);
    assert_eq!(seen[0].text(), "grant_type=client_credentials&scope=read+write&audience=api");
    assert_eq!(seen[1].all("authorization"), ["Bearer t0ken-value"]);
}

fn grant(token_url: &str) -> Auth {
    Auth::OAuth2(Box::new(ClientCredentials {
        token_url: template(token_url),
        client_id: template("id"),
        client_secret: template("secret"),
        scope: Some(template("read write")),
        audience: Some(template("api")),
    }))
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_named_and_the_request_is_unsent() {
    let target = answering(None, |seen| match seen.path() {
        "/500" => answer(500, &[], "sorry"),
        "/none" => answer(200, &[], "{}"),
        "/huge" => answer(200, &[], vec![b' '; 1 << 20]),
        "/silent" => Vec::new(),
        _ => answer(302, &[("location", "/none")], ""),
    })
    .await;
    let cases = [
        ("/500", Reason::Protocol, "answered 500"),
        ("/none", Reason::Protocol, "no usable token"),
        ("/huge", Reason::ResponseTooLarge, "more than 65536 bytes"),
        ("/moved", Reason::Protocol, "answered 302"),
        ("/silent", Reason::Timeout, "waiting for a token"),
    ];
    for (path, reason, says) in cases {
        let request = rendered(&HttpAction { auth: Some(grant(&target.url(path))), ..action("POST", &target.url("/api")) });
        let timeout = if path == "/silent" { SHORT } else { SOON };
        let failure = send_within(&device(DeviceSettings::default()), &request, timeout).await.result.unwrap_err();
        assert_eq!(failure.reason, reason, "{failure:?}");
        assert!(failure.message.contains(says) && !failure.sent, "{failure:?}");
    }
    assert!(target.seen().iter().all(|seen| seen.path() != "/api"));
}

#[tokio::test]
async fn cookies_stay_with_their_device_and_can_be_off() {
    let target = answering(None, |_| answer(200, &[("set-cookie", "sid=1; Path=/")], "")).await;
    let request = get(&target.url("/"));
    let clients = HttpClients::new(&Limits::default()).unwrap();
    let settings = Arc::new(DeviceSettings::default());
    let (phone, tablet) = (clients.device(&settings), clients.device(&settings));
    let without = device(DeviceSettings { cookies: false, ..DeviceSettings::default() });
    for device in [&phone, &phone, &tablet, &without, &without] {
        ok(device, &request).await;
    }
    let sent: Vec<_> = target.seen().iter().map(|seen| seen.header("cookie").map(str::to_owned)).collect();
    assert_eq!(sent, [None, Some("sid=1".to_owned()), None, None, None]);
}

#[tokio::test]
async fn a_flood_of_cookies_is_neither_kept_nor_sent_back_without_end() {
    let flood: Vec<(String, String)> =
        (0..200).map(|number| ("set-cookie".to_owned(), format!("c{number}={}", "x".repeat(1170)))).collect();
    let target = answering(None, move |seen| match seen.path() {
        "/flood" => {
            let headers: Vec<_> = flood.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            answer(200, &headers, "")
        }
        _ => answer(200, &[], ""),
    })
    .await;
    let device = device(DeviceSettings::default());
    ok(&device, &get(&target.url("/flood"))).await;
    ok(&device, &get(&target.url("/next"))).await;
    let sent = target.seen().remove(1).header("cookie").map(str::len);
    assert!(sent.is_some_and(|sent| (1..=16 << 10).contains(&sent)), "{sent:?} bytes of cookies");
}

#[tokio::test]
async fn settings_out_of_use_are_freed_and_a_run_that_is_going_keeps_its_own() {
    let target = fine().await;
    let clients = HttpClients::new(&Limits::default()).unwrap();
    let (former, current) = (DeviceSettings { cookies: false, ..DeviceSettings::default() }, DeviceSettings::default());
    let going = clients.device(&Arc::new(former.clone()));
    clients.device(&Arc::new(current.clone()));
    assert_eq!(clients.prepared_settings(), 2);
    clients.retire_all_but([&current].into_iter());
    assert_eq!(clients.prepared_settings(), 1);
    ok(&going, &get(&target.url("/"))).await;
    ok(&clients.device(&Arc::new(former)), &get(&target.url("/"))).await;
    assert_eq!(clients.prepared_settings(), 2);
}

#[tokio::test]
async fn each_request_of_http_1_connects_anew_and_phases_tell() {
    for connections in [Connections::Reuse, Connections::Fresh] {
        let target = fine().await;
        let device = device(DeviceSettings { connections, ..DeviceSettings::default() });
        for made in 1..=2 {
            let phases = ok(&device, &get(&target.url("/"))).await.phases;
            assert_eq!(target.connections(), made);
            assert!(!phases.reused && phases.connect.is_some() && phases.first_byte.is_some() && phases.transfer.is_some());
            assert!(phases.dns.is_none() && phases.tls.is_none(), "no name was looked up: {phases:?}");
        }
    }
}

#[tokio::test]
async fn a_request_of_http_1_says_that_its_connection_ends_unless_the_step_says_otherwise() {
    let seen = arriving(|url| action("GET", url)).await;
    assert_eq!(seen.all("connection"), ["close"]);
    let own = |url: &str| HttpAction { headers: vec![(http::header::CONNECTION, template("keep-alive"))], ..action("GET", url) };
    assert_eq!(arriving(own).await.all("connection"), ["keep-alive"]);
}

#[tokio::test]
async fn a_target_that_closes_after_each_answer_is_answered_for_every_time() {
    let target = raw(None, |mut visit: Visit| {
        Box::pin(async move {
            read_request(&mut visit.stream).await;
            visit.stream.write_all(&answer(200, &[], "ok")).await.unwrap();
        })
    })
    .await;
    let device = device(DeviceSettings::default());
    for _ in 0..20 {
        assert!(!ok(&device, &get(&target.url("/"))).await.phases.reused);
    }
}

#[tokio::test]
async fn a_name_that_is_looked_up_has_a_phase_and_phases_add_up_to_the_latency() {
    let target = fine().await;
    let url = format!("http://localhost:{}/", target.address.port());
    let response = ok(&device(DeviceSettings::default()), &get(&url)).await;
    let sum: std::time::Duration = response.phases.each().map(|(_, took)| took).sum();
    assert!(response.phases.dns.is_some(), "{:?}", response.phases);
    assert!(sum <= response.latency, "{:?} of {:?}", response.phases, response.latency);
}

#[tokio::test]
async fn a_device_looks_a_name_up_once_a_run_and_again_after_a_failure() {
    let target = answering(None, |seen| if seen.path() == "/fine" { answer(200, &[], "ok") } else { b"nonsense".to_vec() }).await;
    let url = |path: &str| format!("http://localhost:{}{path}", target.address.port());
    let device = device(DeviceSettings::default());
    for (path, looked_up) in [("/fine", true), ("/fine", false), ("/broken", false), ("/fine", true)] {
        let attempt = send(&device, &get(&url(path))).await;
        assert_eq!(attempt.answer.phases.dns.is_some(), looked_up, "{path}");
    }
    assert_eq!(target.connections(), 4);
}

#[tokio::test]
async fn an_override_of_a_name_needs_no_lookup_and_its_port_wins() {
    let target = fine().await;
    let resolve = |address| vec![Resolve { host: "api.test".to_owned(), address }];
    let with_port = device(DeviceSettings { resolve: resolve(target.address), ..DeviceSettings::default() });
    let response = ok(&with_port, &get("http://api.test:8080/x")).await;
    ok(&with_port, &get("http://API.test/x")).await;
    assert_eq!(response.url, "http://api.test:8080/x");
    assert!(response.phases.dns.is_none());
    let without = SocketAddr::new(target.address.ip(), 0);
    let without_port = device(DeviceSettings { resolve: resolve(without), ..DeviceSettings::default() });
    let url = format!("http://api.test:{}/x", target.address.port());
    ok(&without_port, &get(&url)).await;
    let hosts: Vec<_> = target.seen().iter().map(|seen| seen.header("host").unwrap().to_owned()).collect();
    assert_eq!(hosts, ["api.test:8080", "api.test", &url[7..url.len() - 2]]);
}

#[tokio::test]
async fn redirects_are_followed_counted_and_measured() {
    let target = answering(None, |seen| match seen.path() {
        "/a" => answer(302, &[("location", "b?x=1")], "moved"),
        "/b?x=1" => answer(303, &[("location", "/c"), ("set-cookie", "hop=2")], ""),
        _ => answer(200, &[], "end"),
    })
    .await;
    let device = device(DeviceSettings::default());
    let response = ok(&device, &post(&target.url("/a#part"))).await;
    assert_eq!((response.redirects, &*response.url), (2, &*target.url("/c#part")));
    assert_eq!(response.lookup("redirects"), Some(Value::from(2)));
    assert!(!response.phases.reused && response.phases.connect.is_some());
    let seen = target.seen();
    let lines: Vec<_> = seen.iter().map(|seen| seen.line.as_str()).collect();
    assert_eq!(lines, ["POST /a HTTP/1.1", "GET /b?x=1 HTTP/1.1", "GET /c HTTP/1.1"]);
    assert_eq!((seen[1].text(), seen[1].header("content-length")), ("", None));
    assert_eq!(seen[2].header("cookie"), Some("hop=2"));
    assert!(seen.iter().all(|seen| seen.header("referer").is_none() && seen.header("traceparent").is_some()));
}

#[tokio::test]
async fn redirects_that_keep_the_method_send_the_body_again_and_credentials_stay_home() {
    let other = fine().await;
    let there = other.url("/there");
    let target = answering(None, move |_| answer(307, &[("location", &there)], "")).await;
    let request = rendered(&HttpAction {
        auth: Some(Auth::Bearer(template("tok"))),
        body: Body::Form(vec![field("a", "1")]),
        headers: vec![("host".parse().unwrap(), template("fancy.test"))],
        ..action("PUT", &target.url("/"))
    });
    ok(&device(DeviceSettings::default()), &request).await;
    let (home, away) = (target.seen().remove(0), other.seen().remove(0));
    assert_eq!((home.header("authorization"), home.header("host")), (Some("Bearer tok"), Some("fancy.test")));
    assert_eq!((away.line.as_str(), away.text()), ("PUT /there HTTP/1.1", "a=1"));
    assert_eq!(away.header("authorization"), None);
    assert_eq!(away.header("host"), Some(&*other.address.to_string()));
}

/// A target that redirects to `there` with `status`.
async fn redirecting(status: u16, there: String) -> Target {
    answering(None, move |_| answer(status, &[("location", &there)], "")).await
}

/// Sends with a redactor that knows `s3cr3t-value`, and a scope that has it as `secret.key` and as `echo`.
async fn send_with_secret(action: &HttpAction) -> HttpAttempt {
    let scope = context! { secret => context! { key => "s3cr3t-value" }, echo => "s3cr3t-value", plain => "p" };
    let request = render(action, &RequestDefaults::default(), &scope, 1 << 20).unwrap();
    let redactor = Redactor::new([&Secret::new("s3cr3t-value")]);
    device(DeviceSettings::default()).send(&request, &run_headers(), SOON, &redactor).await
}

#[tokio::test]
async fn no_header_made_of_a_secret_follows_a_redirect_to_another_origin_and_the_report_says_which() {
    for status in [301, 302, 303, 307, 308] {
        let other = fine().await;
        let target = redirecting(status, other.url("/there")).await;
        let header = |name: &str, text: &str| (name.parse().unwrap(), template(text));
        let asking = HttpAction {
            headers: vec![
                header("x-made", "v1-{{ secret.key | upper }}"),
                header("x-echoed", "{{ echo }}"),
                header("x-api-key", "written by hand"),
                header("cookie", "sid=1"),
                header("x-plain", "{{ plain }}"),
            ],
            ..action("GET", &target.url("/"))
        };
        let attempt = send_with_secret(&asking).await;
        let (home, away) = (target.seen().remove(0), other.seen().remove(0));
        assert_eq!(home.header("x-made"), Some("v1-S3CR3T-VALUE"));
        for name in ["x-made", "x-echoed", "x-api-key", "cookie"] {
            assert!(home.header(name).is_some(), "{name}");
            assert_eq!(away.header(name), None, "{status} {name}");
        }
        assert_eq!(away.header("x-plain"), Some("p"));
        let headers = ["cookie", "x-api-key", "x-echoed", "x-made"].map(str::to_owned).to_vec();
        let to = format!("http://{}", other.address);
        assert_eq!(attempt.answer.withheld, [Withheld { redirect: 1, to, headers }]);
    }
}

#[tokio::test]
async fn what_was_withheld_stays_withheld_where_a_later_redirect_leads_home() {
    let (home_address, target) = {
        let there: Arc<std::sync::OnceLock<String>> = Arc::default();
        let leads = Arc::clone(&there);
        let target = answering(None, move |seen| match seen.path() {
            "/" => answer(302, &[("location", leads.get().unwrap())], ""),
            _ => answer(200, &[], "home"),
        })
        .await;
        let back = redirecting(302, target.url("/back")).await;
        there.set(back.url("/")).unwrap();
        (back, target)
    };
    let asking = HttpAction {
        headers: vec![("x-made".parse().unwrap(), template("{{ secret.key }}"))],
        ..action("GET", &target.url("/"))
    };
    let attempt = send_with_secret(&asking).await;
    assert_eq!(attempt.result.unwrap().status, 200);
    assert_eq!(home_address.seen().len(), 1);
    let seen: Vec<_> = target.seen().iter().map(|seen| seen.header("x-made").is_some()).collect();
    assert_eq!(seen, [true, false]);
    assert_eq!(attempt.answer.withheld.len(), 1);
}

#[tokio::test]
async fn what_is_made_of_a_secret_follows_redirects_inside_its_origin() {
    let target = answering(None, |seen| match seen.path() {
        "/" => answer(307, &[("location", "/next")], ""),
        _ => answer(200, &[], ""),
    })
    .await;
    let asking = HttpAction {
        headers: vec![("x-made".parse().unwrap(), template("{{ secret.key }}"))],
        body: Body::Raw(template("{{ secret.key }}")),
        ..action("POST", &target.url("/"))
    };
    let attempt = send_with_secret(&asking).await;
    let next = target.seen().remove(1);
    assert_eq!((next.header("x-made"), next.text()), (Some("s3cr3t-value"), "s3cr3t-value"));
    assert!(attempt.answer.withheld.is_empty());
}

#[tokio::test]
async fn a_body_made_of_a_secret_ends_a_redirect_that_would_take_it_to_another_origin() {
    for (method, status) in [("POST", 307), ("POST", 308), ("PUT", 302)] {
        let other = fine().await;
        let target = redirecting(status, other.url("/there")).await;
        let bodies = [
            Body::Raw(template("v1-{{ secret.key | upper }}")),
            Body::Json(JsonTemplate::Map(vec![(
                "a".to_owned(),
                JsonTemplate::List(vec![JsonTemplate::Text(template("{{ echo }}"))]),
            )])),
            Body::Form(vec![field("key", "{{ secret.key }}")]),
        ];
        for body in bodies {
            let attempt = send_with_secret(&HttpAction { body, ..action(method, &target.url("/")) }).await;
            let failure = attempt.result.unwrap_err();
            assert_eq!(failure.reason, Reason::Redirects, "{failure:?}");
            assert!(failure.sent && failure.got_byte, "{failure:?}");
            for part in ["redirect 1", &status.to_string(), &format!("to http://{}", other.address), "a secret is in it"] {
                assert!(failure.message.contains(part), "{failure:?}");
            }
        }
        assert!(other.seen().is_empty());
        // A redirect that becomes a GET takes no body along.
        let see_other = redirecting(303, other.url("/there")).await;
        let body = Body::Raw(template("{{ secret.key }}"));
        send_with_secret(&HttpAction { body, ..action(method, &see_other.url("/")) }).await.result.unwrap();
        assert_eq!(other.seen().remove(0).text(), "");
    }
}

#[tokio::test]
async fn a_redirect_is_the_answer_where_it_is_not_followed_or_leads_nowhere() {
    let target = answering(None, |_| answer(302, &[("location", "myapp://done")], "")).await;
    let response = ok(&device(DeviceSettings::default()), &get(&target.url("/"))).await;
    assert_eq!((response.status, response.redirects), (302, 0));
    let target = answering(None, |_| answer(302, &[("location", "/next")], "")).await;
    let off = device(DeviceSettings { redirects: Redirects::Off, ..DeviceSettings::default() });
    assert_eq!(ok(&off, &get(&target.url("/"))).await.status, 302);
    assert_eq!(target.seen().len(), 1);
}

#[tokio::test]
async fn expressions_find_headers_and_phases_by_name() {
    let target = answering(None, |_| answer(201, &[("X-One", "a"), ("x-one", "b"), ("etag", "é")], "ok")).await;
    let response = ok(&device(DeviceSettings::default()), &get(&target.url("/"))).await;
    let headers = response.lookup("headers").unwrap();
    assert_eq!(headers.get_attr("x-one").unwrap(), Value::from("a, b"));
    assert_eq!(headers.get_attr("etag").unwrap(), Value::from("é"));
    let phases = response.lookup("phases").unwrap();
    for name in ["connect", "first_byte", "transfer"] {
        assert_eq!(phases.get_attr(name).unwrap().kind(), minijinja::value::ValueKind::Number, "{name}");
    }
    assert_eq!(response.lookup("status"), Some(Value::from(201)));
    assert_eq!(response.lookup("version"), Some(Value::from("1.1")));
    assert!(response.lookup("tls").is_none());
}

#[tokio::test]
async fn a_body_in_two_equal_halves_is_read_whole() {
    let target = raw(None, |mut visit: Visit| {
        Box::pin(async move {
            read_request(&mut visit.stream).await;
            for half in ["HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n", "abcd", "efgh"] {
                visit.stream.write_all(half.as_bytes()).await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
    })
    .await;
    assert_eq!(ok(&device(DeviceSettings::default()), &get(&target.url("/"))).await.body, "abcdefgh");
}

#[tokio::test]
async fn text_is_decoded_by_its_charset_and_broken_text_is_kept_readable() {
    let cases: [(&str, &[u8], &str); 4] = [
        ("text/plain; charset=iso-8859-1", b"caf\xe9", "café"),
        ("text/plain; charset=\"Shift_JIS\"", b"\x83\x65", "テ"),
        ("text/plain", b"a\xffb", "a\u{fffd}b"),
        ("text/plain; charset=no-such", "ü".as_bytes(), "ü"),
    ];
    for (kind, bytes, text) in cases {
        let target = answering(None, move |_| answer(200, &[("content-type", kind)], bytes)).await;
        let response = ok(&device(DeviceSettings::default()), &get(&target.url("/"))).await;
        assert_eq!((response.text().as_str(), &*response.body), (text, bytes));
        assert!(response.json().is_err());
    }
}

#[tokio::test]
async fn compressed_bodies_are_unpacked() {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(br#"{"a":1}"#).unwrap();
    let packed = gzip.finish().unwrap();
    let target = answering(None, move |_| answer(200, &[("content-encoding", "gzip")], &packed)).await;
    let response = ok(&device(DeviceSettings::default()), &get(&target.url("/"))).await;
    assert_eq!(response.json().unwrap(), &json!({ "a": 1 }));
    let seen = target.seen().remove(0);
    let accepted = seen.header("accept-encoding").unwrap();
    assert!(["gzip", "br", "zstd", "deflate"].iter().all(|name| accepted.contains(name)), "{accepted}");
}

#[tokio::test]
async fn http_2_is_spoken_with_prior_knowledge() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let router =
            axum::Router::new().fallback(|request: axum::extract::Request| async move { format!("{:?}", request.version()) });
        axum::serve(listener, router).await.unwrap();
    });
    let device = device(DeviceSettings { version: HttpVersion::Http2, ..DeviceSettings::default() });
    for reused in [false, true] {
        let response = ok(&device, &get(&url)).await;
        assert_eq!((response.version, response.text().as_str(), response.phases.reused), ("2", "HTTP/2.0", reused));
    }
    server.abort();
}
