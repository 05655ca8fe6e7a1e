//! One export request of OTLP over HTTP, and what its answer means.
//!
//! Owns the encoding and the reading of answers (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>); whether and when
//! a request is made again is [`retry`](super::retry)'s business. It blocks, so it is built and used on a thread without a
//! runtime.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;

use crate::outcome::visible;

use super::state::TracerConfig;

/// The attribute of a resource that names the region it probes from; root spans have it too.
const REGION: &str = "serinus.region";

/// Bytes of an answer that are read.
const ANSWER: u64 = 64 << 10;

/// Characters of what a receiver says that are told.
const SAID: usize = 300;

/// What a receiver made of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExportResult {
    /// It accepted the request, but for so many spans, and may have sent a message.
    Taken {
        /// Spans it will not take, also not again.
        rejected: u64,
        /// Why, or a warning; empty if there is nothing to say.
        message: String,
    },
    /// Not now; it may say when.
    Later {
        /// What `Retry-After` asks for.
        after: Option<Duration>,
        /// What happened.
        why: String,
    },
    /// Not ever.
    Refused(String),
}

/// Where traces go.
pub(super) struct Otlp {
    client: reqwest::blocking::Client,
    endpoint: reqwest::Url,
    headers: HeaderMap,
    /// Of all spans; those of a region have that too.
    resource: Resource,
}

impl Otlp {
    /// A client for the receiver, which need not be there yet.
    ///
    /// # Errors
    /// If the endpoint is no URL, a header is none, or there is no TLS.
    pub(super) fn new(config: &TracerConfig) -> io::Result<Self> {
        let cannot = |why: String| invalid(format!("traces cannot be sent to `{}`: {why}", shown(&config.endpoint)));
        let endpoint = reqwest::Url::parse(&config.endpoint).map_err(|error| cannot(error.to_string()))?;
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))]);
        for (name, value) in &config.headers {
            let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
                return Err(invalid(format!("the traces header `{name}` has a name or value that HTTP does not allow")));
            };
            value.set_sensitive(true);
            headers.append(name, value);
        }
        let further = config.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        let resource = Resource::builder()
            .with_service_name(config.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attributes(further)
            .build();
        // A redirect is no answer of OTLP's, and headers may be secrets.
        let client = reqwest::blocking::Client::builder().timeout(config.timeout).redirect(reqwest::redirect::Policy::none());
        let client = client.build().map_err(|error| cannot(error.to_string()))?;
        Ok(Self { client, endpoint, headers, resource })
    }

    /// Spans of each region as the body of a request. Who probes is, to whoever reads traces, the prober of a region, also where one
    /// process has several: each has a resource of its own.
    pub(super) fn encode(&self, spans: BTreeMap<Arc<str>, Vec<SpanData>>) -> bytes::Bytes {
        let of_region = |(region, spans): (Arc<str>, Vec<SpanData>)| {
            let own = self.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
            let resource = Resource::builder_empty().with_attributes(own).with_attribute(KeyValue::new(REGION, region)).build();
            group_spans_by_resource_and_scope(spans, &ResourceAttributesWithSchema::from(&resource))
        };
        let resource_spans = spans.into_iter().flat_map(of_region).collect();
        ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
    }

    /// Makes one request. Takes at most the configured time.
    pub(super) fn send(&self, body: &bytes::Bytes) -> ExportResult {
        let request = self.client.post(self.endpoint.clone()).headers(self.headers.clone()).body(body.clone());
        let response = match request.send() {
            Ok(response) => response,
            // A receiver that did not answer may have the spans; sending them twice is better than losing them.
            Err(error) if !error.is_builder() => return ExportResult::Later { after: None, why: chain(&error.without_url()) },
            Err(error) => return ExportResult::Refused(chain(&error.without_url())),
        };
        let (status, after) = (response.status(), retry_after(response.headers(), SystemTime::now()));
        let mut body = Vec::new();
        match response.take(ANSWER).read_to_end(&mut body) {
            Ok(_) => meaning(status, after, &body),
            Err(error) if status.is_success() => ExportResult::Later { after, why: format!("its answer broke off: {error}") },
            Err(_) => meaning(status, after, &[]),
        }
    }
}

/// What an answer means.
fn meaning(status: StatusCode, after: Option<Duration>, body: &[u8]) -> ExportResult {
    if status.is_success() {
        // A success whose body is not protobuf counts as accepted.
        let partial = ExportTraceServiceResponse::decode(body).ok().and_then(|answer| answer.partial_success).unwrap_or_default();
        let rejected = u64::try_from(partial.rejected_spans).unwrap_or(0);
        return ExportResult::Taken { rejected, message: line(&partial.error_message) };
    }
    // The body of an error is a message of google.rpc.Status, whose text is in the second field; what is readable will do.
    let said: String =
        String::from_utf8_lossy(body).chars().filter(|letter| !letter.is_control() && *letter != '\u{fffd}').collect();
    let why = if said.trim().is_empty() { format!("status {status}") } else { format!("status {status}: {}", line(said.trim())) };
    match status.as_u16() {
        429 | 502 | 503 | 504 => ExportResult::Later { after, why },
        _ => ExportResult::Refused(why),
    }
}

/// What `Retry-After` says, in seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some(SystemTime::from(date).duration_since(now).unwrap_or_default())
}

/// The endpoint for people: user information, query and fragment are left out.
pub(super) fn shown(endpoint: &str) -> String {
    let Ok(mut url) = url::Url::parse(endpoint) else { return "(not a URL)".to_owned() };
    url.set_query(None);
    url.set_fragment(None);
    // Only URLs without a host refuse this, and they have none to tell.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.into()
}

fn line(text: &str) -> String {
    visible(text).chars().take(SAID).collect()
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// An error about the configuration.
fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_told_with_its_port_and_without_user_information_and_query() {
        for (endpoint, expected) in [
            ("https://me:secret@otlp.example/v1/traces?key=secret#secret", "https://otlp.example/v1/traces"),
            ("http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:4318/v1/traces"),
            ("https://me@[::1]:4318/v1/traces", "https://[::1]:4318/v1/traces"),
            ("nonsense", "(not a URL)"),
        ] {
            assert_eq!(shown(endpoint), expected);
        }
    }

    #[test]
    fn only_what_the_specification_calls_retryable_is_made_again() {
        for status in 100..600 {
            let Ok(status) = StatusCode::from_u16(status) else { continue };
            let later = matches!(meaning(status, None, b""), ExportResult::Later { .. });
            assert_eq!(later, [429, 502, 503, 504].contains(&status.as_u16()), "{status}");
            assert_eq!(matches!(meaning(status, None, b""), ExportResult::Taken { .. }), status.is_success(), "{status}");
        }
        let why = meaning(StatusCode::BAD_REQUEST, None, b"\x08\x03\x12\x09no\nspans!");
        assert_eq!(why, ExportResult::Refused("status 400 Bad Request: nospans!".into()));
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        for (text, expected) in [
            ("7", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ] {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
    }
}
