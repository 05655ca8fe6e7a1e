//! Sends one request, follows its redirects and reads the answer to its end, within bounds of time and size.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use reqwest::Url;

use crate::outcome::{Exchange, HttpAnswer, Phases, Reason, Redactor, Withheld};
use crate::plan::{Redirects, is_safe};
use crate::run::{Bound, StallLog};

use super::body;
use super::clients::{HttpDevice, Route};
use super::connections;
use super::decode::{self, Encoding};
use super::exchange::{self, bare, shown_url};
use super::progress::Progress;
use super::redirect::Hop;
use super::request::{HttpAuth, HttpRequest, RunHeaders};
use super::response::{HttpResponse, ResponseHead};
use super::timings::Timings;
use crate::run::step::TransportError;
use crate::run::step::user_info::user_info;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const RUN_ID: HeaderName = HeaderName::from_static("x-canary-run-id");

/// One exchange, whatever came of it.
#[derive(Debug)]
pub struct HttpAttempt {
    /// Facts for metrics and traces.
    pub answer: HttpAnswer,
    /// The answer, or what went wrong.
    pub result: Result<Arc<HttpResponse>, TransportError>,
    /// What was sent behind the scheme's name in `authorization`.
    credential: Option<String>,
}

impl HttpAttempt {
    /// Request and answer as text, redacted and capped.
    pub fn exchange(&self, request: &HttpRequest, redactor: &Redactor) -> Exchange {
        exchange::render(request, self.credential.as_deref(), self.result.as_deref().ok(), redactor)
    }
}

/// How far an exchange has come, for the error when its time is up.
#[derive(Debug, Default)]
struct AttemptState {
    credential: Option<String>,
    /// Set once there is everything that the request itself needs.
    timings: Option<Arc<Timings>>,
    status: Option<u16>,
    version: Option<&'static str>,
    headers_at: Option<Instant>,
    body_bytes: usize,
    /// What the last redirect led to.
    redirected_to: Option<(Method, Url)>,
    withheld: Vec<Withheld>,
}

impl HttpDevice {
    /// Sends `request` and reads the answer. Everything together, a token's fetching included, takes at most `timeout`.
    pub async fn send(&self, request: &HttpRequest, run: &RunHeaders, timeout: Duration, redactor: &Redactor) -> HttpAttempt {
        let stalls = StallLog::default();
        self.send_within(request, run, &Bound::new(&stalls, Instant::now(), timeout), redactor, &Progress::default()).await
    }

    /// The same within a bound that stalls of this process prolong, and notes how far it has come: whoever drops the future
    /// still knows.
    pub(super) async fn send_within(
        &self,
        request: &HttpRequest,
        run: &RunHeaders,
        bound: &Bound<'_>,
        redactor: &Redactor,
        progress: &Progress,
    ) -> HttpAttempt {
        let mut state = AttemptState::default();
        let mut result = match bound.hold(self.execute(request, run, redactor, &mut state, progress)).await {
            Some(result) => result.map(Arc::new),
            None => Err(timed_out(bound.lasting(), &state)),
        };
        if let Err(failure) = &mut result {
            if let (Some((method, url)), Some(timings)) = (&state.redirected_to, &state.timings) {
                let (nth, url) = (timings.redirects(), shown_url(url, redactor));
                failure.message = format!("redirect {nth}, to {method} {url}: {}", failure.message);
            }
            // The cause may be a connection or an address, so the next attempt uses neither again.
            self.connections.clear();
            self.address_cache.clear();
        }
        let phases = match (&result, &state.timings) {
            (Ok(response), _) => response.phases,
            (Err(_), Some(timings)) => timings.phases(state.headers_at, None),
            (Err(_), None) => Phases::default(),
        };
        let answer = HttpAnswer {
            method: request.method.to_string(),
            url: shown_url(&request.url, redactor),
            status: state.status,
            version: state.version,
            body_bytes: state.body_bytes as u64,
            phases,
            withheld: state.withheld,
        };
        HttpAttempt { answer, result, credential: state.credential }
    }

    async fn execute(
        &self,
        request: &HttpRequest,
        run: &RunHeaders,
        redactor: &Redactor,
        state: &mut AttemptState,
        progress: &Progress,
    ) -> Result<HttpResponse, TransportError> {
        let mut headers = headers(request, run)?;
        if let Some((scheme, credential)) = self.credential(request).await? {
            let value = header_value(&header::AUTHORIZATION, &format!("{scheme} {credential}"))?;
            headers.insert(header::AUTHORIZATION, value);
            state.credential = Some(credential);
        }
        let timings = Timings::new();
        state.timings = Some(Arc::clone(&timings));
        progress.began(&timings);
        let first = Hop { method: request.method.clone(), url: bare(&request.url), headers, body: request.body.content.clone() };
        timings.scope(self.follow(first, request, redactor, &timings, state, progress)).await
    }

    /// The scheme of `authorization` and what goes behind it.
    async fn credential(&self, request: &HttpRequest) -> Result<Option<(&'static str, String)>, TransportError> {
        let basic = |user: &str, password: &str| ("Basic", STANDARD.encode(format!("{user}:{password}")));
        Ok(match &request.auth {
            Some(HttpAuth::Basic(user, password)) => Some(basic(user, password)),
            Some(HttpAuth::Bearer(token)) => Some(("Bearer", token.clone())),
            Some(HttpAuth::OAuth2(grant)) => Some(("Bearer", self.tokens.get(grant, &self.client(None)?).await?)),
            None => user_info(&request.url).map(|(user, password)| basic(&user, &password)),
        })
    }

    async fn follow(
        &self,
        mut hop: Hop,
        request: &HttpRequest,
        redactor: &Redactor,
        timings: &Timings,
        state: &mut AttemptState,
        progress: &Progress,
    ) -> Result<HttpResponse, TransportError> {
        let policy = request.redirects.unwrap_or_else(|| self.redirects());
        loop {
            let mut response = self.ask(&hop, timings).await?;
            let headers_at = Instant::now();
            let head = ResponseHead::take(&mut response);
            state.status = Some(head.status.as_u16());
            state.version = Some(head.version);
            state.headers_at = Some(headers_at);
            progress.answered(head.status.as_u16(), head.version, headers_at);
            if let Redirects::Follow(most) = policy
                && let Some(mut next) = hop.after(head.status, &head.headers)
            {
                if timings.redirects() == most {
                    let message = format!("redirected more than {most} times, at last with status {}", head.status.as_u16());
                    return Err(TransportError { reason: Reason::Redirects, message, sent: true, got_byte: true });
                }
                let number = timings.redirects() + 1;
                state.withheld.extend(next.keep_home(&hop, head.status, number, &request.private, redactor)?);
                timings.redirected(headers_at);
                state.headers_at = None;
                state.redirected_to = Some((next.method.clone(), next.url.clone()));
                progress.redirected();
                hop = next;
                continue;
            }
            let encoding = Encoding::of(&head.headers);
            let body = body::read(response, encoding, request.response_bytes, timings, &mut state.body_bytes).await?;
            let ended = Instant::now();
            self.connections.rest(&hop.url, ended);
            // The wait for a permit of this process is not part of the latency.
            let latency = ended.duration_since(timings.began()).saturating_sub(timings.queued());
            let phases = timings.phases(Some(headers_at), Some(ended));
            return Ok(head.with_body(body, hop.url.into(), timings.redirects(), latency, phases));
        }
    }

    async fn ask(&self, hop: &Hop, timings: &Timings) -> Result<reqwest::Response, TransportError> {
        let route = self.route(&hop.url)?;
        let idempotent = hop.method.is_idempotent() || is_safe(&hop.method);
        if let Some(client) = self.connections.get(&hop.url, idempotent, Instant::now()) {
            match client.execute(self.request(hop, &route, timings)).await {
                Err(error) if connections::ask_again(&error, idempotent) => {
                    timings.asked_again(Instant::now(), !error.is_connect());
                }
                other => return other.map_err(|error| TransportError::of(&error, timings, false)),
            }
        }
        let client = self.client(route.stands_for.as_deref())?;
        let response = client
            .execute(self.request(hop, &route, timings))
            .await
            .map_err(|error| TransportError::of(&error, timings, false))?;
        if response.version() == http::Version::HTTP_2 && self.keeps_connections() {
            self.connections.keep(&hop.url, client, Instant::now());
        }
        Ok(response)
    }

    fn request(&self, hop: &Hop, route: &Route, timings: &Timings) -> reqwest::Request {
        let mut request = reqwest::Request::new(hop.method.clone(), route.url.clone());
        *request.headers_mut() = hop.headers.clone();
        if let Some(host) = &route.host {
            request.headers_mut().entry(header::HOST).or_insert_with(|| host.clone());
        }
        if self.speaks_http1(&route.url) {
            // The side that closes first holds the connection's port for a minute. With thousands of requests a second that must
            // be the target.
            request.headers_mut().entry(header::CONNECTION).or_insert(HeaderValue::from_static("close"));
        }
        if let Some((body, taken)) = hop.body.to_send() {
            *request.body_mut() = Some(body);
            timings.uploading(taken);
        }
        request
    }
}

/// Everything but `authorization`.
fn headers(request: &HttpRequest, run: &RunHeaders) -> Result<HeaderMap, TransportError> {
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 9);
    if let Some(kind) = &request.body.content_type {
        headers.insert(header::CONTENT_TYPE, kind.clone());
    }
    for (name, value) in &request.headers {
        headers.insert(name.clone(), header_value(name, value)?);
    }
    headers.entry(header::ACCEPT_ENCODING).or_insert(decode::ACCEPTED);
    headers.insert(RUN_ID, header_value(&RUN_ID, &run.run_id)?);
    headers.insert(TRACEPARENT, header_value(&TRACEPARENT, &run.traceparent)?);
    Ok(headers)
}

fn header_value(name: &HeaderName, value: &str) -> Result<HeaderValue, TransportError> {
    // From bytes: text beyond ASCII travels as UTF-8.
    HeaderValue::from_bytes(value.as_bytes())
        .map_err(|error| TransportError::unsent(Reason::NotEvaluable, format!("the header `{name}` cannot be sent: {error}")))
}

fn timed_out(timeout: Duration, state: &AttemptState) -> TransportError {
    let bytes = state.body_bytes;
    let queued = state.timings.as_ref().map(|timings| timings.queued()).unwrap_or_default();
    let (waiting_for, sent) = match (&state.timings, state.headers_at) {
        (None, _) => ("a token".to_owned(), false),
        (Some(_), Some(_)) => (format!("the body's end ({bytes} bytes had come)"), true),
        (Some(timings), None) => {
            let waiting_for = timings.waiting_for();
            let waiting_for = match timings.unread_upload().filter(|_| !timings.connecting()) {
                Some(unread) => format!("{waiting_for}; {unread}"),
                None => waiting_for.to_owned(),
            };
            (waiting_for, !timings.connecting())
        }
    };
    TransportError {
        reason: if queued * 2 > timeout { Reason::Resources } else { Reason::Timeout },
        message: format!("no answer within {}: waiting for {waiting_for}", humantime::format_duration(timeout)),
        sent,
        got_byte: state.status.is_some(),
    }
}
