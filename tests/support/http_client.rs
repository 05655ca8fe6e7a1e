//! Sends requests the way the engine does, always within a bound.

use std::sync::Arc;
use std::time::Duration;

use minijinja::Value;
use serinus::outcome::{Redactor, RunId, SpanId, TraceId};
use serinus::plan::{Body, DeviceSettings, HttpAction, Limits, RequestDefaults, Template};
use serinus::run::step::http::{HttpAttempt, HttpClients, HttpDevice, HttpRequest, RunHeaders, render};
use serinus::source::Location;

/// Longest a test waits for what ends at once on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A timeout that is meant to strike.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

pub(crate) fn template(text: &str) -> Template {
    let location = Location { path: std::path::Path::new("probe.toml").into(), line: 1, column: 1 };
    Template::parse(text, location).unwrap()
}

pub(crate) fn action(method: &str, url: &str) -> HttpAction {
    HttpAction {
        method: method.parse().unwrap(),
        url: template(url),
        query: Vec::new(),
        headers: Vec::new(),
        body: Body::Empty,
        auth: None,
        redirects: None,
        response_bytes: None,
    }
}

pub(crate) fn rendered(action: &HttpAction) -> HttpRequest {
    render(action, &RequestDefaults::default(), &Value::from(()), 1 << 20).unwrap()
}

pub(crate) fn get(url: &str) -> HttpRequest {
    rendered(&action("GET", url))
}

pub(crate) fn post(url: &str) -> HttpRequest {
    rendered(&HttpAction { body: Body::Raw(template("hello")), ..action("POST", url) })
}

pub(crate) fn device(settings: DeviceSettings) -> HttpDevice {
    HttpClients::new(&Limits::default()).unwrap().device(&Arc::new(settings))
}

pub(crate) fn run_headers() -> RunHeaders {
    RunHeaders::new(RunId(ulid::Ulid::generate()), TraceId::random(), SpanId::random(), true)
}

/// Sends within `timeout`. That it ends at all is part of every test.
pub(crate) async fn send_within(device: &HttpDevice, request: &HttpRequest, timeout: Duration) -> HttpAttempt {
    let headers = run_headers();
    let redactor = Redactor::default();
    let outgoing = device.send(request, &headers, timeout, &redactor);
    tokio::time::timeout(2 * SOON, outgoing).await.expect("sending ends by itself")
}

pub(crate) async fn send(device: &HttpDevice, request: &HttpRequest) -> HttpAttempt {
    send_within(device, request, SOON).await
}
