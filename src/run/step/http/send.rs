//! Sends one request, follows its redirects and reads the answer to its end, within bounds of time and size.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::Url;

use crate::outcome::{Exchange, HttpAnswer, Phases, Reason, Redactor, Withheld, mask_credentials};
use crate::plan::Redirects;

use super::body;
use super::clients::HttpDevice;
use super::exchange;
use super::failure::HttpFailure;
use super::marks::Marks;
use super::redirect::Hop;
use super::request::{HttpAuth, HttpRequest, RunHeaders};
use super::response::{Head, HttpResponse};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const RUN_ID: HeaderName = HeaderName::from_static("x-canary-run-id");

/// One exchange, whatever came of it.
#[derive(Debug)]
pub struct HttpAttempt {
    /// Facts for metrics and traces.
    pub answer: HttpAnswer,
    /// The answer, or what went wrong.
    pub result: Result<Arc<HttpResponse>, HttpFailure>,
    /// What was sent behind the scheme's name in `authorization`.
    credential: Option<String>,
}

impl HttpAttempt {
    /// Request and answer as text, redacted and capped.
    pub fn exchange(&self, request: &HttpRequest, redactor: &Redactor) -> Exchange {
        exchange::draw(request, self.credential.as_deref(), self.result.as_deref().ok(), redactor)
    }
}

/// How far an exchange came, for when its time is up.
#[derive(Debug, Default)]
struct Progress {
    credential: Option<String>,
    /// Set once there is everything that the request itself needs.
    marks: Option<Arc<Marks>>,
    status: Option<u16>,
    version: Option<&'static str>,
    headers_at: Option<Instant>,
    body_bytes: usize,
    withheld: Vec<Withheld>,
}

impl HttpDevice {
    /// Sends `request` and reads the answer. Everything together, a token's fetching included, takes at most `timeout`.
    pub async fn send(&self, request: &HttpRequest, run: &RunHeaders, timeout: Duration, redactor: &Redactor) -> HttpAttempt {
        self.send_noting(request, run, timeout, redactor, &AtomicBool::new(false)).await
    }

    /// The same, and sets `answered` as soon as an answer has begun: whoever drops the future still knows.
    pub async fn send_noting(
        &self,
        request: &HttpRequest,
        run: &RunHeaders,
        timeout: Duration,
        redactor: &Redactor,
        answered: &AtomicBool,
    ) -> HttpAttempt {
        let guest = self.company.enter();
        let mut progress = Progress::default();
        let result = match tokio::time::timeout(timeout, self.exchange(request, run, redactor, &mut progress, answered)).await {
            Ok(result) => result.map(Arc::new),
            Err(_elapsed) => Err(timed_out(timeout, &progress, guest.alone())),
        };
        let phases = match (&result, &progress.marks) {
            (Ok(response), _) => response.phases,
            (Err(_), Some(marks)) => marks.phases(progress.headers_at, None),
            (Err(_), None) => Phases::default(),
        };
        let answer = HttpAnswer {
            method: request.method.to_string(),
            url: shown(&request.url, redactor),
            status: progress.status,
            version: progress.version,
            body_bytes: progress.body_bytes as u64,
            phases,
            withheld: progress.withheld,
        };
        HttpAttempt { answer, result, credential: progress.credential }
    }

    async fn exchange(
        &self,
        request: &HttpRequest,
        run: &RunHeaders,
        redactor: &Redactor,
        progress: &mut Progress,
        answered: &AtomicBool,
    ) -> Result<HttpResponse, HttpFailure> {
        let mut headers = headers(request, run)?;
        if let Some((scheme, credential)) = self.credential(request).await? {
            let value = header_value(&header::AUTHORIZATION, &format!("{scheme} {credential}"))?;
            headers.insert(header::AUTHORIZATION, value);
            progress.credential = Some(credential);
        }
        let marks = Marks::new();
        progress.marks = Some(Arc::clone(&marks));
        let first = Hop { method: request.method.clone(), url: bare(&request.url), headers, body: request.body.content.clone() };
        marks.scope(self.follow(first, request, redactor, &marks, progress, answered)).await
    }

    /// The scheme of `authorization` and what goes behind it.
    async fn credential(&self, request: &HttpRequest) -> Result<Option<(&'static str, String)>, HttpFailure> {
        let basic = |user: &str, password: &str| ("Basic", STANDARD.encode(format!("{user}:{password}")));
        Ok(match &request.auth {
            Some(HttpAuth::Basic(user, password)) => Some(basic(user, password)),
            Some(HttpAuth::Bearer(token)) => Some(("Bearer", token.clone())),
            Some(HttpAuth::OAuth2(grant)) => {
                let client = self.client(None).map_err(|why| HttpFailure::unsent(Reason::Secret, why))?;
                Some(("Bearer", self.tokens.get(grant, &client).await?))
            }
            None if !has_user_info(&request.url) => None,
            None => {
                let password = request.url.password().unwrap_or_default();
                Some(basic(&percent_decoded(request.url.username()), &percent_decoded(password)))
            }
        })
    }

    async fn follow(
        &self,
        mut hop: Hop,
        request: &HttpRequest,
        redactor: &Redactor,
        marks: &Marks,
        progress: &mut Progress,
        answered: &AtomicBool,
    ) -> Result<HttpResponse, HttpFailure> {
        let policy = request.redirects.unwrap_or_else(|| self.redirects());
        loop {
            let mut response = self.ask(&hop, marks).await?;
            let headers_at = Instant::now();
            answered.store(true, Ordering::Relaxed);
            let head = Head::take(&mut response);
            progress.status = Some(head.status.as_u16());
            progress.version = Some(head.version);
            progress.headers_at = Some(headers_at);
            if let Redirects::Follow(most) = policy
                && let Some(mut next) = hop.after(head.status, &head.headers)
            {
                if marks.redirects() == most {
                    let message = format!("redirected more than {most} times, at last with status {}", head.status.as_u16());
                    return Err(HttpFailure { reason: Reason::Redirects, message, sent: true, got_byte: true });
                }
                let number = marks.redirects() + 1;
                progress.withheld.extend(next.keep_home(&hop, head.status, number, &request.private, redactor)?);
                marks.redirected(headers_at);
                progress.headers_at = None;
                hop = next;
                continue;
            }
            let body = body::read(&mut response, request.response_bytes, marks, &mut progress.body_bytes).await?;
            let ended = Instant::now();
            let latency = ended.duration_since(marks.began());
            let phases = marks.phases(Some(headers_at), Some(ended));
            return Ok(head.with_body(body, hop.url.into(), marks.redirects(), latency, phases));
        }
    }

    async fn ask(&self, hop: &Hop, marks: &Marks) -> Result<reqwest::Response, HttpFailure> {
        let route = self.route(&hop.url)?;
        let client = self.client(route.stands_for.as_deref()).map_err(|why| HttpFailure::unsent(Reason::Secret, why))?;
        let mut request = reqwest::Request::new(hop.method.clone(), route.url);
        *request.headers_mut() = hop.headers.clone();
        if let Some(host) = route.host {
            request.headers_mut().entry(header::HOST).or_insert(host);
        }
        if !hop.body.is_empty() {
            *request.body_mut() = Some(hop.body.clone().into());
        }
        client.execute(request).await.map_err(|error| HttpFailure::of(&error, marks, false))
    }
}

/// Everything but `authorization`.
fn headers(request: &HttpRequest, run: &RunHeaders) -> Result<HeaderMap, HttpFailure> {
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 8);
    if let Some(kind) = &request.body.content_type {
        headers.insert(header::CONTENT_TYPE, kind.clone());
    }
    for (name, value) in &request.headers {
        headers.insert(name.clone(), header_value(name, value)?);
    }
    headers.insert(RUN_ID, header_value(&RUN_ID, &run.run_id)?);
    headers.insert(TRACEPARENT, header_value(&TRACEPARENT, &run.traceparent)?);
    Ok(headers)
}

fn header_value(name: &HeaderName, value: &str) -> Result<HeaderValue, HttpFailure> {
    // From bytes: text beyond ASCII travels as UTF-8.
    HeaderValue::from_bytes(value.as_bytes())
        .map_err(|error| HttpFailure::unsent(Reason::NotEvaluable, format!("the header `{name}` cannot be sent: {error}")))
}

fn timed_out(timeout: Duration, progress: &Progress, alone: bool) -> HttpFailure {
    let bytes = progress.body_bytes;
    let queued = progress.marks.as_ref().map(|marks| marks.queued()).unwrap_or_default();
    let (waiting_for, sent) = match (&progress.marks, progress.headers_at) {
        (None, _) => ("a token".to_owned(), false),
        (Some(_), Some(_)) => (format!("the body's end ({bytes} bytes had come)"), true),
        (Some(marks), None) => (marks.waiting_for().to_owned(), !(alone && marks.connecting())),
    };
    HttpFailure {
        reason: if queued * 2 > timeout { Reason::Resources } else { Reason::Timeout },
        message: format!("no answer within {}: waiting for {waiting_for}", humantime::format_duration(timeout)),
        sent,
        got_byte: progress.status.is_some(),
    }
}

fn has_user_info(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// The URL for people.
fn shown(url: &Url, redactor: &Redactor) -> String {
    let bare = bare(url);
    let text = redactor.redact(bare.as_str());
    if bare.query().is_some() { mask_credentials(&text).into_owned() } else { text.into_owned() }
}

/// The URL without user information.
fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    if has_user_info(url) {
        // Only URLs without a host refuse this, and `render` makes none.
        let _ = bare.set_username("").and_then(|()| bare.set_password(None));
    }
    bare
}

fn percent_decoded(text: &str) -> String {
    // The parser of forms decodes percent signs; what else it would take for its own is none of it here.
    let text = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
}
