//! One POST to a receiver that may be ill, slow or hostile, and what its answer means.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::outcome::Redactor;

use super::letter::Trouble;
use super::text::line;

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
    pub(in crate::alert) async fn get(&self, url: &str, timeout: Duration, redactor: &Redactor) -> Result<(), Trouble> {
        send(self.0.get(parsed(url)?), timeout, redactor).await
    }

    /// Sends one request.
    pub(super) async fn post(&self, post: Post, timeout: Duration, redactor: &Redactor) -> Result<(), Trouble> {
        let mut headers = HeaderMap::new();
        for (name, value) in &post.headers {
            let name = HeaderName::try_from(name).map_err(|_| Trouble::lasting("a header's name is none"))?;
            let value = HeaderValue::try_from(value)
                .map_err(|_| Trouble::lasting(format!("the header `{name}` has a value that cannot be sent")))?;
            headers.insert(name, value);
        }
        send(self.0.post(parsed(&post.url)?).headers(headers).body(post.body), timeout, redactor).await
    }
}

/// A request as a channel wants it.
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

fn parsed(url: &str) -> Result<reqwest::Url, Trouble> {
    // The error is not told: it might quote the URL, and that may be a secret.
    let parsed = reqwest::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    parsed.ok_or_else(|| Trouble::lasting("the channel's URL is none that begins with http:// or https://"))
}

async fn send(request: reqwest::RequestBuilder, timeout: Duration, redactor: &Redactor) -> Result<(), Trouble> {
    let deadline = tokio::time::Instant::now() + timeout;
    let answer = match tokio::time::timeout_at(deadline, request.send()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(Trouble::passing(redactor.redact(&line(&chain(&error.without_url()), EXCERPT)))),
        Err(_) => return Err(Trouble::passing(format!("no answer within {timeout:?}"))),
    };
    if answer.status().is_success() {
        return Ok(());
    }
    let mut trouble = judge(answer.status(), answer.headers(), SystemTime::now());
    // How an answer goes on decides nothing, so it may not take long or be large.
    let patience = deadline.min(tokio::time::Instant::now() + Duration::from_secs(1));
    let said = tokio::time::timeout_at(patience, excerpt(answer)).await.unwrap_or_default();
    if !said.is_empty() {
        trouble.message.push_str(": ");
        trouble.message.push_str(&redactor.redact(&said));
    }
    Err(trouble)
}

/// What an answer other than 2xx means.
fn judge(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Trouble {
    if status.is_redirection() {
        return Trouble::lasting(format!("it answered {status}, and redirects are not followed: configure the final URL"));
    }
    let may_pass = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    if status.is_client_error() && !may_pass {
        return Trouble::lasting(format!("it answered {status}"));
    }
    let mut trouble = Trouble::passing(format!("it answered {status}"));
    trouble.hold = headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now));
    trouble
}

/// The pause that `Retry-After` asks for: seconds or a date.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(Trouble::LONGEST_HOLD));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    let pause = date.with_timezone(&Utc).signed_duration_since(DateTime::<Utc>::from(now));
    Some(pause.to_std().unwrap_or_default().min(Trouble::LONGEST_HOLD))
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
    // Broken files among the machine's certificates are common and harmless: what can be read is trusted.
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

    fn judged(status: u16, retry_after: Option<&'static str>) -> Trouble {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        }
        judge(StatusCode::from_u16(status).unwrap(), &headers, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn refusals_are_lasting_but_for_those_that_say_they_pass() {
        for status in [300, 301, 307, 400, 401, 403, 404, 410, 413, 422] {
            assert!(!judged(status, None).again, "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert!(judged(status, None).again, "{status}");
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_is_an_hour_at_most() {
        assert_eq!(judged(429, Some("7")).hold, Some(Duration::from_secs(7)));
        assert_eq!(judged(503, Some("86400")).hold, Some(Duration::from_hours(1)));
        assert_eq!(judged(429, Some("Thu, 01 Jan 1970 00:00:30 GMT")).hold, Some(Duration::from_secs(30)));
        assert_eq!(judged(429, Some("Wed, 31 Dec 1969 00:00:30 GMT")).hold, Some(Duration::ZERO));
        assert_eq!(judged(429, Some("soon")).hold, None);
    }
}
