//! What an HTTP attempt looked like.

use std::time::Duration;

use super::FactValue;

/// How long each part of an exchange took. Parts that did not happen (a reused connection has no connect) are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phases {
    /// Name resolution.
    pub dns: Option<Duration>,
    /// TCP connect.
    pub connect: Option<Duration>,
    /// TLS handshake.
    pub tls: Option<Duration>,
    /// From the request's sending to the first byte of the answer (its headers).
    pub first_byte: Option<Duration>,
    /// From the headers to the body's end.
    pub transfer: Option<Duration>,
    /// Whether an open connection was used.
    pub reused: bool,
}

impl Phases {
    /// The times of the phases that happened, in order.
    pub fn each_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Duration> {
        let Self { dns, connect, tls, first_byte, transfer, reused: _ } = self;
        [dns, connect, tls, first_byte, transfer].into_iter().flatten()
    }

    /// The phases that happened, with the names used in metrics and traces.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        [
            ("dns", self.dns),
            ("connect", self.connect),
            ("tls", self.tls),
            ("first_byte", self.first_byte),
            ("transfer", self.transfer),
        ]
        .into_iter()
        .filter_map(|(name, duration)| duration.map(|duration| (name, duration)))
    }
}

/// The facts of an HTTP attempt that traces and metrics want from every attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpAnswer {
    /// Request method.
    pub method: String,
    /// URL, redacted and without user information.
    pub url: String,
    /// Status, if an answer came.
    pub status: Option<u16>,
    /// HTTP version of the answer, such as `1.1` or `2`.
    pub version: Option<&'static str>,
    /// Body bytes received, after decompression.
    pub body_bytes: u64,
    /// Where the time went.
    pub phases: Phases,
    /// What redirects to other origins were not given, in order.
    pub withheld: Vec<Withheld>,
}

impl HttpAnswer {
    /// Attributes of its span, as the semantic conventions for HTTP clients call them
    /// (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>).
    pub(super) fn attributes(&self) -> Vec<(&'static str, FactValue)> {
        let text = |text: &str| FactValue::Text(text.to_owned().into());
        let mut attributes = vec![("http.request.method", text(&self.method)), ("url.full", text(&self.url))];
        if let Ok(url) = url::Url::parse(&self.url) {
            attributes.extend(url.host_str().map(|host| ("server.address", text(host))));
            attributes.extend(url.port_or_known_default().map(|port| ("server.port", FactValue::Integer(port.into()))));
        }
        if let Some(status) = self.status {
            let bytes = i64::try_from(self.body_bytes).unwrap_or(i64::MAX);
            attributes.push(("http.response.status_code", FactValue::Integer(status.into())));
            attributes.push(("http.response.body.size", FactValue::Integer(bytes)));
        }
        if let Some(version) = self.version {
            attributes.push(("network.protocol.name", FactValue::Text("http".into())));
            attributes.push(("network.protocol.version", FactValue::Text(version.into())));
        }
        attributes.push(("serinus.connection.reused", FactValue::Bool(self.phases.reused)));
        attributes
    }
}

/// Headers that a redirect did not take along, because they are credentials or made of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// Which redirect of the attempt, from 1.
    pub redirect: u32,
    /// The origin that was not given them, such as `https://example.com`.
    pub to: String,
    /// Names of headers, in lower case and sorted.
    pub headers: Vec<String>,
}

/// Request and answer as text, redacted and capped; kept for attempts that failed and where everything is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exchange {
    /// Request headers.
    pub request_headers: Vec<(String, String)>,
    /// Start of the request body.
    pub request_body: String,
    /// Response headers.
    pub response_headers: Vec<(String, String)>,
    /// Start of the response body.
    pub response_body: String,
    /// Whether something was cut off.
    pub truncated: bool,
}
