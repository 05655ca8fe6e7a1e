//! The HTTP step kind: a request and how its connection is made.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Template;

/// What expressions can know of an answer.
pub(super) const RESULT_NAMES: &[&str] =
    &["status", "headers", "body", "body_raw", "json", "xml", "html", "latency", "phases", "url", "version", "tls", "redirects"];

/// Whether a request of this method changes nothing: by HTTP itself and, of the methods of `WebDAV`, by IANA's registry
/// (<https://www.iana.org/assignments/http-methods>).
pub fn is_safe(method: &http::Method) -> bool {
    method.is_safe() || matches!(method.as_str(), "PROPFIND" | "REPORT" | "SEARCH" | "QUERY")
}

/// One HTTP request.
#[derive(Debug)]
pub struct HttpAction {
    /// The method.
    pub method: http::Method,
    /// The URL, or a path that begins with `/`; captured values in it must not break out of their place.
    pub url: Template,
    /// Added to the URL's query, percent-encoded; over the device's.
    pub query: Vec<Field>,
    /// Over the device's headers.
    pub headers: Vec<(http::HeaderName, Template)>,
    /// What is sent.
    pub body: Body,
    /// How the request proves who it is.
    pub auth: Option<Auth>,
    /// Overrides the device's.
    pub redirects: Option<Redirects>,
    /// Overrides `limits.response_bytes`.
    pub response_bytes: Option<usize>,
}

/// What a device adds to each of its requests, as far as the step does not say otherwise.
#[derive(Debug, Clone, Default)]
pub struct RequestDefaults {
    /// What a path that begins with `/` is joined to.
    pub base: Option<Template>,
    /// Headers, names in lower case.
    pub headers: Vec<(http::HeaderName, Template)>,
    /// Keys of the query.
    pub query: Vec<Field>,
    /// Keys of the form, of a step that sends one.
    pub form: Vec<Field>,
    /// How each request proves who it is, of a step that says nothing of that.
    pub auth: Option<Auth>,
}

impl RequestDefaults {
    /// Whether what it adds may be another thing at each attempt of a step, headers included.
    pub fn vary(&self) -> bool {
        let by_auth = self.auth.iter().flat_map(Auth::templates).any(Template::varies);
        by_auth || self.headers.iter().any(|(_, value)| value.varies()) || self.content().any(Template::varies)
    }

    /// What it adds to what is asked for, which headers do not.
    pub fn content(&self) -> impl Iterator<Item = &Template> {
        let fields = self.query.iter().chain(&self.form).flat_map(|field| field.value.templates());
        self.base.iter().chain(fields)
    }
}

/// A key of a query or a form, and what is sent under it.
#[derive(Debug, Clone)]
pub struct Field {
    /// The key.
    pub name: String,
    /// Its value.
    pub value: FieldValue,
}

/// What is sent under a key.
#[derive(Debug, Clone)]
pub enum FieldValue {
    /// One text; where it is one expression that yields a list, each item under the same key.
    One(Template),
    /// So many texts under the same key.
    Each(Vec<Template>),
}

impl FieldValue {
    /// Its templates, as they are written.
    pub fn templates(&self) -> &[Template] {
        match self {
            Self::One(template) => std::slice::from_ref(template),
            Self::Each(templates) => templates,
        }
    }
}

/// A request's body.
#[derive(Debug)]
pub enum Body {
    /// None.
    Empty,
    /// JSON; strings that are one expression keep its type. Sets the content type.
    Json(JsonTemplate),
    /// `application/x-www-form-urlencoded`, in order.
    Form(Vec<Field>),
    /// `multipart/form-data`, in order.
    Multipart(Vec<Part>),
    /// Text as it is.
    Raw(Template),
    /// A file's bytes, read when the probe is loaded.
    File {
        /// As the user named it.
        name: String,
        /// The bytes.
        content: bytes::Bytes,
    },
}

/// One part of a multipart body.
#[derive(Debug)]
pub struct Part {
    /// The form field.
    pub name: String,
    /// Its content.
    pub content: PartContent,
    /// File name to send, if any.
    pub filename: Option<Template>,
    /// Content type to send, if any.
    pub content_type: Option<String>,
}

/// Content of a multipart part.
#[derive(Debug)]
pub enum PartContent {
    /// Text.
    Text(Template),
    /// A file's bytes, read when the probe is loaded.
    File(bytes::Bytes),
}

/// JSON whose strings are templates.
#[derive(Debug)]
pub enum JsonTemplate {
    /// A value without templates (numbers, truth values, and whole sub-trees without `{{`).
    Constant(serde_json::Value),
    /// A string with an expression in it; keeps the expression's type if it is nothing else.
    Text(Template),
    /// A list.
    List(Vec<JsonTemplate>),
    /// An object, keys in the order of the file; keys are not templates.
    Map(Vec<(String, JsonTemplate)>),
}

/// How a request proves who it is.
#[derive(Debug, Clone)]
pub enum Auth {
    /// RFC 7617.
    Basic {
        /// User name.
        user: Template,
        /// Password.
        password: Template,
    },
    /// RFC 6750.
    Bearer(Template),
    /// RFC 6749 section 4.4: a token is fetched once a run and device, and sent as a bearer token.
    OAuth2(Box<ClientCredentials>),
}

impl Auth {
    /// Each template of it.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Basic { user, password } => vec![user, password],
            Self::Bearer(token) => vec![token],
            Self::OAuth2(credentials) => {
                let ClientCredentials { token_url, client_id, client_secret, scope, audience } = &**credentials;
                [token_url, client_id, client_secret].into_iter().chain(scope).chain(audience).collect()
            }
        }
    }
}

/// What a token is asked for with.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub token_url: Template,
    /// Client id, sent by HTTP basic authentication.
    pub client_id: Template,
    /// Client secret.
    pub client_secret: Template,
    /// Space-separated scopes.
    pub scope: Option<Template>,
    /// Audience, as several identity providers ask for.
    pub audience: Option<Template>,
}

/// What to do with a 3xx answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Redirects {
    /// It is the answer.
    Off,
    /// Follow up to so many, then fail.
    Follow(u32),
}

/// How a device connects. Two devices with equal settings share TLS state, never connections or cookies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceSettings {
    /// Keep cookies between requests of the run.
    pub cookies: bool,
    /// Which HTTP.
    pub version: HttpVersion,
    /// Reuse or renew connections inside the run.
    pub connections: Connections,
    /// Redirects where the step says nothing.
    pub redirects: Redirects,
    /// `http://`, `https://` or `socks5://` proxy; the environment's proxy variables are never used.
    pub proxy: Option<url::Url>,
    /// Addresses for host names, instead of DNS.
    pub resolve: Vec<Resolve>,
    /// TLS.
    pub tls: TlsSettings,
    /// Bound on connecting (DNS, TCP and TLS together) inside the attempt's timeout.
    pub connect_timeout: Option<Duration>,
    /// Local address to send from.
    pub local_address: Option<IpAddr>,
}

impl Default for DeviceSettings {
    fn default() -> Self {
        Self {
            cookies: true,
            version: HttpVersion::Auto,
            connections: Connections::Reuse,
            redirects: Redirects::Follow(10),
            proxy: None,
            resolve: Vec::new(),
            tls: TlsSettings::default(),
            connect_timeout: None,
            local_address: None,
        }
    }
}

/// Which HTTP version is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HttpVersion {
    /// What ALPN agrees on; 1.1 without TLS.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only, with prior knowledge where there is no TLS.
    Http2,
}

/// Whether connections of HTTP/2 are reused inside a run. A new run always connects anew, and so does each request of HTTP/1.1:
/// nothing there tells an answer from what was left on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Connections {
    /// One HTTP/2 connection an origin serves a device for the whole run.
    #[default]
    Reuse,
    /// A new connection for each request.
    Fresh,
}

/// An address for a host name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resolve {
    /// Host name in lower case.
    pub host: String,
    /// Where to connect; port 0 keeps the URL's.
    pub address: SocketAddr,
}

/// TLS settings of a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TlsSettings {
    /// Trust these roots instead of the machine's.
    pub ca: Option<Pem>,
    /// Client certificate chain and key, both PEM.
    pub client: Option<(Pem, Pem)>,
    /// Oldest version spoken.
    pub min_version: MinTls,
    /// Name sent as SNI and checked in the certificate, instead of the URL's host.
    pub server_name: Option<String>,
    /// Accept any certificate. `check` warns of it.
    pub insecure: bool,
}

/// A PEM file: the path is kept, and read again when it changes, so that renewed certificates are picked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pem(pub Arc<PathBuf>);

/// Oldest TLS version a device speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MinTls {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}
