//! An answer, and the names expressions know it by.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use minijinja::Value;

use crate::outcome::{PeerCertificate, Phases, Redactor};
use crate::plan::expr::{NoDocument, from_json, html_document, xml_document};
use crate::run::step::tls::{TlsFacts, certificate_of};

/// An answer that was read to its end. What is costly to know (JSON, text, certificate) is worked out when first asked for.
#[derive(Debug)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, decompressed.
    pub body: Bytes,
    /// The URL that answered, after redirects.
    pub url: String,
    /// `0.9`, `1.0`, `1.1` or `2`.
    pub version: &'static str,
    /// Redirects followed.
    pub redirects: u32,
    /// From the request's start to the body's end.
    pub latency: Duration,
    /// Where that went.
    pub phases: Phases,
    /// The peer's certificate and TLS version, of an encrypted connection.
    pub(super) tls: Option<(Vec<u8>, &'static str)>,
    pub(super) json: OnceLock<Result<serde_json::Value, String>>,
    pub(super) json_value: OnceLock<Option<Value>>,
    pub(super) xml: OnceLock<Result<Value, String>>,
    pub(super) html: OnceLock<Result<Value, String>>,
    pub(super) text_value: OnceLock<Value>,
    pub(super) header_value: OnceLock<Value>,
}

impl HttpResponse {
    /// The body as JSON.
    ///
    /// # Errors
    /// Why it is none.
    pub fn json(&self) -> Result<&serde_json::Value, String> {
        self.json
            .get_or_init(|| serde_json::from_slice(&self.body).map_err(|error| error.to_string()))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Why the body is not what was asked for, JSON or a document; `None` if it is, or if nobody asked.
    pub(super) fn not_what_was_asked_for(&self) -> Option<String> {
        let json = self.json.get().and_then(|json| json.as_ref().err()).map(|why| ("JSON", why));
        let document = |what, read: &'_ OnceLock<Result<Value, String>>| Some((what, read.get()?.as_ref().err()?.clone()));
        let xml = document("XML", &self.xml).or_else(|| document("HTML", &self.html));
        let found = json.map(|(what, why)| (what, why.clone())).or(xml);
        found.map(|(what, why)| format!("the answer, status {}, is not {what}: {why}", self.status))
    }

    /// The body as a document, which is read once. What would take too long here is read again elsewhere.
    fn document(&self, kept: &OnceLock<Result<Value, String>>, read: fn(&str) -> Result<Value, NoDocument>) -> Option<Value> {
        if kept.get().is_none() {
            let read = match read(&self.declared_text()) {
                Ok(document) => Ok(document),
                Err(NoDocument::Because(why)) => Err(why),
                Err(NoDocument::Elsewhere) => return None,
            };
            let _ = kept.set(read);
        }
        kept.get()?.as_ref().ok().cloned()
    }

    /// The body as text in the charset that the content type or else the document itself names.
    fn declared_text(&self) -> String {
        if self.charset().is_some() {
            return self.text();
        }
        let start = String::from_utf8_lossy(&self.body[..self.body.len().min(1024)]).to_ascii_lowercase();
        let named = ["encoding=", "charset="]
            .iter()
            .find_map(|word| start.split_once(word))
            .map(|(_, rest)| rest.trim_start_matches(['"', '\'']));
        let label = named.map(|rest| rest.split(['"', '\'', '>', '?', ' ', '/', ';']).next().unwrap_or_default());
        let encoding = label.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()));
        encoding.unwrap_or(encoding_rs::UTF_8).decode(&self.body).0.into_owned()
    }

    /// The body as text in the charset of its content type; bytes that are no text become `U+FFFD`.
    pub fn text(&self) -> String {
        self.text_of(&self.body)
    }

    /// The text of the body's first bytes, of whose last character a part may be missing.
    pub(super) fn text_start(&self, most: usize) -> String {
        self.text_of(&self.body[..self.body.len().min(most)])
    }

    fn text_of(&self, bytes: &[u8]) -> String {
        self.charset().unwrap_or(encoding_rs::UTF_8).decode(bytes).0.into_owned()
    }

    fn charset(&self) -> Option<&'static encoding_rs::Encoding> {
        let kind = self.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let charset =
            kind.split(';').filter_map(|part| part.trim().split_once('=')).find(|(key, _)| key.eq_ignore_ascii_case("charset"));
        charset.and_then(|(_, name)| encoding_rs::Encoding::for_label(name.trim_matches('"').as_bytes()))
    }

    /// What is known of the connection's TLS.
    pub fn tls(&self) -> Option<TlsFacts> {
        let (der, version) = self.tls.as_ref()?;
        TlsFacts::of(der, version)
    }

    /// The certificate of the connection that was made for it; nothing if it came over one that was open, or without TLS.
    pub(super) fn certificate(&self, redactor: &Redactor) -> Option<PeerCertificate> {
        let (der, _) = self.tls.as_ref().filter(|_| !self.phases.reused)?;
        let url = url::Url::parse(&self.url).ok()?;
        certificate_of(der, url.host_str()?, url.port_or_known_default()?, redactor)
    }

    /// The value of a name of `RESULT_NAMES`, if this answer has one.
    pub fn lookup(&self, name: &str) -> Option<Value> {
        match name {
            "status" => Some(Value::from(self.status)),
            "json" => self.json_value.get_or_init(|| self.json().ok().map(from_json)).clone(),
            "xml" => self.document(&self.xml, xml_document),
            "html" => self.document(&self.html, html_document),
            "body" => Some(self.text_value.get_or_init(|| Value::from(self.text())).clone()),
            "body_raw" => Some(Value::from_bytes(self.body.to_vec())),
            "headers" => Some(self.header_value.get_or_init(|| self.header_map()).clone()),
            "latency" => Some(Value::from(self.latency.as_secs_f64())),
            "phases" => Some(Value::from_pairs(self.phases.each().map(|(name, took)| (name, took.as_secs_f64())))),
            "url" => Some(Value::from(&*self.url)),
            "version" => Some(Value::from(self.version)),
            "redirects" => Some(Value::from(self.redirects)),
            "tls" => self.tls().map(|facts| Value::from_pairs(facts.pairs(SystemTime::now()))),
            _ => None,
        }
    }

    /// Headers by lower-case name; several values of one name are joined by `, `.
    fn header_map(&self) -> Value {
        let named = self.headers.keys().map(|name| {
            let values: Vec<_> =
                self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            (name.as_str(), values.join(", "))
        });
        Value::from_pairs(named)
    }
}

/// The parts of a response that do not need its body.
pub(super) struct ResponseHead {
    pub(super) status: http::StatusCode,
    pub(super) version: &'static str,
    pub(super) headers: HeaderMap,
    tls: Option<(Vec<u8>, &'static str)>,
}

impl ResponseHead {
    /// Takes what it needs of a response whose body is still to be read.
    pub(super) fn take(response: &mut reqwest::Response) -> Self {
        let tls = response.extensions().get::<reqwest::tls::TlsInfo>().and_then(|info| {
            let version = match info.version() {
                Some(reqwest::tls::Version::TLS_1_3) => "1.3",
                Some(reqwest::tls::Version::TLS_1_2) => "1.2",
                Some(_) | None => "unknown",
            };
            info.peer_certificate().map(|der| (der.to_vec(), version))
        });
        Self {
            status: response.status(),
            version: version_name(response.version()),
            headers: std::mem::take(response.headers_mut()),
            tls,
        }
    }

    /// Puts head and body together.
    pub(super) fn with_body(self, body: Bytes, url: String, redirects: u32, latency: Duration, phases: Phases) -> HttpResponse {
        HttpResponse {
            status: self.status.as_u16(),
            headers: self.headers,
            body,
            url,
            version: self.version,
            redirects,
            latency,
            phases,
            tls: self.tls,
            json: OnceLock::new(),
            json_value: OnceLock::new(),
            xml: OnceLock::new(),
            html: OnceLock::new(),
            text_value: OnceLock::new(),
            header_value: OnceLock::new(),
        }
    }
}

fn version_name(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_09 => "0.9",
        http::Version::HTTP_10 => "1.0",
        http::Version::HTTP_2 => "2",
        http::Version::HTTP_3 => "3",
        _ => "1.1",
    }
}
