//! Sends one request to a receiver that may be broken, slow or hostile, and returns the outcome.

use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hyper::body::{Body, Frame, SizeHint};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::alert::message::line;
use crate::alert::tries::{Outcome, RefusalKind};
use crate::outcome::Redactor;

use super::{LONGEST_PAUSE, refused, unknown};

/// Bytes of an error answer that are read to say what is wrong.
const EXCERPT: usize = 300;

/// The HTTP client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A PEM file cannot be used.
    #[error("cannot read root certificates from `{path}`: {error}")]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// TLS or the client cannot be set up.
    #[error("cannot make the HTTP client for pages: {0}")]
    Setup(String),
}

/// The HTTP client for pages and the heartbeat; probes have others, so that neither can use up the other's connections. Cheap
/// to clone. It follows no redirect, and goes through the proxy that the usual environment variables name.
#[derive(Debug, Clone)]
pub struct HttpClient(reqwest::Client);

impl HttpClient {
    /// Reads the machine's root certificates, and those of `extra_roots` besides.
    ///
    /// # Errors
    /// If one of `extra_roots` cannot be read.
    pub fn new(extra_roots: &[PathBuf]) -> Result<Self, ClientError> {
        let setup = |error: &dyn std::fmt::Display| ClientError::Setup(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // reqwest asks for the process's provider where a client has none of its own; a second call is harmless.
        let _ = provider.as_ref().clone().install_default();
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| setup(&error))?
            .with_root_certificates(roots(extra_roots)?)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = reqwest::Client::builder()
            .user_agent(concat!("serinus/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(4)
            .build()
            .map_err(|error| setup(&error))?;
        Ok(Self(client))
    }

    /// Asks for `url`; for the heartbeat, which only wants to be seen.
    pub(in crate::alert) async fn get(&self, url: &str, timeout: Duration, redactor: &Redactor) -> Outcome {
        match parsed(url) {
            Ok(url) => send(self.0.get(url), &AtomicBool::new(true), timeout, redactor).await,
            Err(refused) => refused,
        }
    }

    /// Sends one request.
    pub(super) async fn post(&self, post: Post, timeout: Duration, redactor: &Redactor) -> Outcome {
        let mut headers = HeaderMap::new();
        for (name, value) in &post.headers {
            let Ok(name) = HeaderName::try_from(name) else {
                return refused(RefusalKind::Rejected, "a header's name is none; see the channel's `headers`");
            };
            let Ok(value) = HeaderValue::try_from(value) else {
                return refused(RefusalKind::Rejected, format!("the header `{name}` has a value that cannot be sent"));
            };
            headers.insert(name, value);
        }
        let left = Arc::new(AtomicBool::new(false));
        let body = Watched { bytes: Some(post.body.into()), left: Arc::clone(&left) };
        match parsed(&post.url) {
            Ok(url) => send(self.0.post(url).headers(headers).body(reqwest::Body::wrap(body)), &left, timeout, redactor).await,
            Err(refused) => refused,
        }
    }
}

/// A request as a channel wants it. A try is one request: a receiver that needs several for one action is not supported yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Post {
    /// Where to; may have secrets in it, so it is in no message.
    pub(super) url: String,
    /// Names and values; a later one replaces an earlier one of the same name.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Post {
    pub(super) fn json(url: String, body: &serde_json::Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { url, headers, body: body.to_string().into_bytes() }
    }
}

/// A body that records whether it was read. Only then was there a connection, so only then may the request have arrived.
struct Watched {
    bytes: Option<Bytes>,
    left: Arc<AtomicBool>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.left.store(true, Ordering::Release);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

fn parsed(url: &str) -> Result<reqwest::Url, Outcome> {
    // The error is dropped: it might quote the URL, which may be a secret.
    let parsed = reqwest::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    parsed.ok_or_else(|| refused(RefusalKind::Rejected, "the channel's URL is none that begins with http:// or https://"))
}

async fn send(request: reqwest::RequestBuilder, left: &AtomicBool, timeout: Duration, redactor: &Redactor) -> Outcome {
    let deadline = tokio::time::Instant::now() + timeout;
    let has_left = || left.load(Ordering::Acquire);
    let without_answer = |message: String| {
        if has_left() { unknown(RefusalKind::Unreachable, message) } else { refused(RefusalKind::Unreachable, message) }
    };
    let answer = match tokio::time::timeout_at(deadline, request.send()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return without_answer(redactor.redact(&line(&chain(&error.without_url()), EXCERPT)).into_owned()),
        Err(_) if has_left() => return without_answer(format!("no answer within {timeout:?}")),
        Err(_) => return without_answer(format!("no connection within {timeout:?}")),
    };
    let status = answer.status();
    if status.is_success() {
        return Outcome::Taken;
    }
    let kind = kind(status, answer.headers(), SystemTime::now());
    let mut message = format!("it answered {status}");
    if status.is_redirection() {
        message.push_str(", and redirects are not followed: configure the final URL");
    }
    // The body of the answer is only for the message, so it is read briefly and up to a bound.
    let patience = deadline.min(tokio::time::Instant::now() + Duration::from_secs(1));
    let said = tokio::time::timeout_at(patience, excerpt(answer)).await.unwrap_or_default();
    if !said.is_empty() {
        message.push_str(": ");
        message.push_str(&redactor.redact(&said));
    }
    // A 5xx may have happened after the message was taken.
    if status.is_server_error() { unknown(kind, message) } else { refused(kind, message) }
}

/// The kind of refusal for an answer other than 2xx.
fn kind(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> RefusalKind {
    let pause = headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now));
    match status {
        StatusCode::TOO_MANY_REQUESTS => RefusalKind::Busy(pause),
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => RefusalKind::Unreadable,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => RefusalKind::Unreachable,
        status if status.is_client_error() || status.is_redirection() => RefusalKind::Rejected,
        _ if pause.is_some() => RefusalKind::Busy(pause),
        _ => RefusalKind::Unreachable,
    }
}

/// The pause that `Retry-After` asks for: seconds or a date.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST_PAUSE));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    let pause = date.with_timezone(&Utc).signed_duration_since(DateTime::<Utc>::from(now));
    Some(pause.to_std().unwrap_or_default().min(LONGEST_PAUSE))
}

async fn excerpt(mut answer: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < EXCERPT {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(EXCERPT - bytes.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    line(&String::from_utf8_lossy(&bytes), EXCERPT)
}

/// An error with all its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn roots(extra: &[PathBuf]) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    // Broken files among the machine's certificates are common; those that can be read are trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for path in extra {
        let unreadable = |error: &dyn std::fmt::Display| ClientError::Roots { path: path.clone(), error: error.to_string() };
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))? {
            roots.add(certificate.map_err(|error| unreadable(&error))?).map_err(|error| unreadable(&error))?;
        }
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after: Option<&'static str>) -> RefusalKind {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        }
        kind(StatusCode::from_u16(status).unwrap(), &headers, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn every_answer_has_its_kind_of_refusal() {
        for (statuses, kind) in [
            (&[400, 413, 422][..], RefusalKind::Unreadable),
            (&[300, 301, 307, 401, 403, 404, 405, 410, 451], RefusalKind::Rejected),
            (&[408, 425, 500, 502, 503, 504, 599], RefusalKind::Unreachable),
            (&[429], RefusalKind::Busy(None)),
        ] {
            for status in statuses {
                assert_eq!(judged(*status, None), kind, "{status}");
            }
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_is_an_hour_at_most() {
        let pause = |status, value| judged(status, Some(value));
        assert_eq!(pause(429, "7"), RefusalKind::Busy(Some(Duration::from_secs(7))));
        assert_eq!(pause(503, "86400"), RefusalKind::Busy(Some(Duration::from_hours(1))));
        assert_eq!(pause(429, "Thu, 01 Jan 1970 00:00:30 GMT"), RefusalKind::Busy(Some(Duration::from_secs(30))));
        assert_eq!(pause(429, "Wed, 31 Dec 1969 00:00:30 GMT"), RefusalKind::Busy(Some(Duration::ZERO)));
        assert_eq!(pause(429, "soon"), RefusalKind::Busy(None));
        assert_eq!(pause(404, "7"), RefusalKind::Rejected, "whoever must mend something is not asked each 7 seconds");
    }
}
