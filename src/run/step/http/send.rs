//! Sends one request and reads its answer to the end, within bounds of time and size.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::HeaderValue;

use crate::outcome::{Exchange, HttpAnswer, Phases, Reason, Redactor};

use super::clients::HttpDevice;
use super::exchange;
use super::failure::HttpFailure;
use super::marks::Marks;
use super::request::{HttpAuth, HttpRequest, RunHeaders};
use super::response::{Head, HttpResponse};

/// One exchange, whatever came of it.
#[derive(Debug)]
pub struct HttpAttempt {
    /// Facts for metrics and traces.
    pub answer: HttpAnswer,
    /// The answer, or what went wrong.
    pub result: Result<Arc<HttpResponse>, HttpFailure>,
}

impl HttpAttempt {
    /// Request and answer as text, redacted and capped.
    pub fn exchange(&self, request: &HttpRequest, redactor: &Redactor) -> Exchange {
        exchange::draw(request, self.result.as_deref().ok(), redactor)
    }
}

/// How far an exchange came, for when its time is up.
#[derive(Default)]
struct Progress {
    status: Option<u16>,
    version: Option<&'static str>,
    headers_at: Option<Instant>,
    body_bytes: usize,
}

impl HttpDevice {
    /// Sends `request` and reads the answer. Everything together, a token's fetching included, takes at most `timeout`.
    pub async fn send(&self, request: &HttpRequest, run: &RunHeaders, timeout: Duration, redactor: &Redactor) -> HttpAttempt {
        let marks = Marks::new();
        let mut progress = Progress::default();
        let work = marks.scope(self.exchange(request, run, &marks, &mut progress));
        let result = match tokio::time::timeout(timeout, work).await {
            Ok(result) => result,
            Err(_elapsed) => Err(timed_out(timeout, &marks, &progress)),
        };
        let phases = match &result {
            Ok(response) => response.phases,
            Err(_) => marks.phases(progress.headers_at, None),
        };
        let answer = HttpAnswer {
            method: request.method.to_string(),
            url: shown_url(&request.url, redactor),
            status: progress.status,
            version: progress.version,
            body_bytes: progress.body_bytes as u64,
            phases,
        };
        HttpAttempt { answer, result }
    }

    async fn exchange(
        &self,
        request: &HttpRequest,
        run: &RunHeaders,
        marks: &Marks,
        progress: &mut Progress,
    ) -> Result<Arc<HttpResponse>, HttpFailure> {
        let began = Instant::now();
        let (client, builder) = self.prepare(request, run)?;
        let builder = match &request.auth {
            None => builder,
            Some(HttpAuth::Basic(user, password)) => builder.basic_auth(user, Some(password)),
            Some(HttpAuth::Bearer(token)) => builder.bearer_auth(token),
            Some(HttpAuth::OAuth2(grant)) => builder.bearer_auth(self.tokens.get(grant, &client, marks).await?),
        };
        let mut response = builder.send().await.map_err(|error| HttpFailure::of(&error, marks, false))?;
        let headers_at = Instant::now();
        let head = Head::of(&response);
        progress.status = Some(head.status);
        progress.version = Some(head.version);
        progress.headers_at = Some(headers_at);
        let body = read(&mut response, request.response_bytes, marks, progress).await?;
        let ended = Instant::now();
        let phases: Phases = marks.phases(Some(headers_at), Some(ended));
        Ok(head.with_body(body, marks.redirects(), ended.duration_since(began), phases))
    }

    fn prepare(
        &self,
        request: &HttpRequest,
        run: &RunHeaders,
    ) -> Result<(reqwest::Client, reqwest::RequestBuilder), HttpFailure> {
        let redirects = request.redirects.unwrap_or_else(|| self.redirects());
        let mut url = request.url.clone();
        let named = self.server_name().filter(|_| url.scheme() == "https").map(str::to_owned);
        let stands_for = named.as_ref().and_then(|_| url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()));
        let authority = url.authority().rsplit('@').next().unwrap_or_default().to_owned();
        if let Some(name) = &named
            && let Err(error) = url.set_host(Some(name))
        {
            let message = format!("`tls.server_name` `{name}` cannot be used: {error}");
            return Err(HttpFailure::unsent(Reason::NotEvaluable, message));
        }
        let client = self.client(redirects, stands_for.as_deref()).map_err(|why| HttpFailure::unsent(Reason::Secret, why))?;
        let mut builder = client.request(request.method.clone(), url);
        if named.is_some() && !request.headers.iter().any(|(name, _)| name == http::header::HOST) {
            builder = builder.header(http::header::HOST, authority);
        }
        for (name, value) in &request.headers {
            let value = HeaderValue::from_str(value).or_else(|_| HeaderValue::from_bytes(value.as_bytes())).map_err(|error| {
                HttpFailure::unsent(Reason::NotEvaluable, format!("the header `{name}` cannot be sent: {error}"))
            })?;
            builder = builder.header(name.clone(), value);
        }
        builder = builder.header("x-canary-run-id", &run.run_id).header("traceparent", &run.traceparent);
        let has_type = request.headers.iter().any(|(name, _)| name == http::header::CONTENT_TYPE);
        let builder = request.body.attach(builder, has_type).map_err(|why| HttpFailure::unsent(Reason::NotEvaluable, why))?;
        Ok((client, builder))
    }
}

/// Reads a body up to `most` bytes, counted after decompression.
async fn read(
    response: &mut reqwest::Response,
    most: usize,
    marks: &Marks,
    progress: &mut Progress,
) -> Result<Bytes, HttpFailure> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| HttpFailure::of(&error, marks, true))? {
        progress.body_bytes += chunk.len();
        if progress.body_bytes > most {
            let message = format!("the answer (status {}) has a body of more than {most} bytes", response.status().as_u16());
            return Err(HttpFailure { reason: Reason::ResponseTooLarge, message, sent: true, got_byte: true });
        }
        if body.is_empty() && response.content_length() == Some(chunk.len() as u64) {
            // The usual small answer comes in one piece, which can be kept as it is.
            return Ok(chunk);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn timed_out(timeout: Duration, marks: &Marks, progress: &Progress) -> HttpFailure {
    let waiting_for = match progress.headers_at {
        Some(_) => format!("the body's end ({} bytes had come)", progress.body_bytes),
        None => marks.waiting_for().to_owned(),
    };
    HttpFailure {
        reason: Reason::Timeout,
        message: format!("no answer within {}: waiting for {waiting_for}", humantime::format_duration(timeout)),
        sent: marks.may_have_sent(),
        got_byte: progress.headers_at.is_some(),
    }
}

/// The URL as reports show it: without user information, redacted.
fn shown_url(url: &reqwest::Url, redactor: &Redactor) -> String {
    if url.username().is_empty() && url.password().is_none() {
        return redactor.redact(url.as_str()).into_owned();
    }
    let mut bare = url.clone();
    // Only URLs without a host refuse this, and those were refused before.
    let _ = bare.set_username("").and_then(|()| bare.set_password(None));
    redactor.redact(bare.as_str()).into_owned()
}
