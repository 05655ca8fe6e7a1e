//! A request with everything filled in.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use minijinja::Value;

use crate::outcome::{RunId, SpanId, TraceId};
use crate::plan::expr::{EvalError, Place, to_json};
use crate::plan::{Auth, Body, HttpAction, JsonTemplate, Part, PartContent, Redirects, Template};

use super::multipart::{self, PartBody};

/// A request that can be sent, any number of times.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The URL, query included.
    pub url: reqwest::Url,
    /// Device's and step's headers, each name once.
    pub headers: Vec<(HeaderName, String)>,
    /// What is sent.
    pub body: HttpBody,
    /// How it proves who it is.
    pub auth: Option<HttpAuth>,
    /// Overrides the device's.
    pub redirects: Option<Redirects>,
    /// Body bytes accepted after decompression.
    pub response_bytes: usize,
}

impl HttpBody {
    /// What is sent, as text.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.content)
    }
}

/// A body with everything filled in.
#[derive(Debug, Clone, Default)]
pub struct HttpBody {
    /// Sent where no header says otherwise.
    pub(super) content_type: Option<HeaderValue>,
    pub(super) content: Bytes,
}

/// Credentials with everything filled in.
#[derive(Debug, Clone)]
pub enum HttpAuth {
    /// User and password.
    Basic(String, String),
    /// A token.
    Bearer(String),
    /// A token that must be fetched first.
    OAuth2(OAuth2),
}

/// A client-credentials grant (RFC 6749, section 4.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OAuth2 {
    pub(super) token_url: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) scope: Option<String>,
    pub(super) audience: Option<String>,
}

/// Headers that tie a request to its run and attempt.
#[derive(Debug, Clone)]
pub struct RunHeaders {
    /// `traceparent` of W3C Trace Context.
    pub traceparent: String,
    /// `x-canary-run-id`.
    pub run_id: String,
}

impl RunHeaders {
    /// Headers of one attempt. `sampled` says that the trace will be kept, whatever becomes of the run.
    pub fn new(run_id: RunId, trace_id: TraceId, span_id: SpanId, sampled: bool) -> Self {
        let flags = if sampled { "01" } else { "00" };
        Self { traceparent: format!("00-{trace_id}-{span_id}-{flags}"), run_id: run_id.to_string() }
    }
}

/// Fills in a request's templates. The step's headers win over the device's.
///
/// # Errors
/// If a template has no value, or one that cannot stand where it is used.
pub fn render(
    action: &HttpAction,
    device_headers: &[(HeaderName, Template)],
    scope: &Value,
    response_bytes: usize,
) -> Result<HttpRequest, EvalError> {
    let text = action.url.render(scope, Place::Url)?;
    let mut url = reqwest::Url::parse(&text)
        .map_err(|error| EvalError { message: format!("the URL `{text}` cannot be used: {error}; it must be absolute") })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(EvalError { message: format!("the URL `{text}` cannot be used: its scheme is neither http nor https") });
    }
    if !action.query.is_empty() {
        let pairs = rendered(&action.query, scope)?;
        url.query_pairs_mut().extend_pairs(pairs);
    }
    let mut headers = Vec::with_capacity(device_headers.len() + action.headers.len());
    let inherited = device_headers.iter().filter(|(name, _)| !action.headers.iter().any(|(own, _)| own == name));
    for (name, template) in inherited.chain(&action.headers) {
        headers.push((name.clone(), template.render(scope, Place::Header)?));
    }
    Ok(HttpRequest {
        method: action.method.clone(),
        url,
        headers,
        body: body(&action.body, scope)?,
        auth: action.auth.as_ref().map(|auth| credentials(auth, scope)).transpose()?,
        redirects: action.redirects,
        response_bytes: action.response_bytes.unwrap_or(response_bytes),
    })
}

fn rendered(fields: &[(String, Template)], scope: &Value) -> Result<Vec<(String, String)>, EvalError> {
    fields.iter().map(|(name, template)| Ok((name.clone(), template.render(scope, Place::Text)?))).collect()
}

fn body(body: &Body, scope: &Value) -> Result<HttpBody, EvalError> {
    let typed = |kind, text: String| HttpBody { content_type: Some(HeaderValue::from_static(kind)), content: text.into() };
    Ok(match body {
        Body::Empty => HttpBody::default(),
        Body::Json(template) => typed("application/json", json(template, scope)?.to_string()),
        Body::Form(fields) => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            typed("application/x-www-form-urlencoded", form.extend_pairs(rendered(fields, scope)?).finish())
        }
        Body::Multipart(parts) => {
            let parts: Vec<_> = parts.iter().map(|each| part(each, scope)).collect::<Result<_, _>>()?;
            let (kind, content) = multipart::encode(&parts);
            HttpBody { content_type: HeaderValue::try_from(kind).ok(), content }
        }
        Body::Raw(template) => HttpBody { content_type: None, content: template.render(scope, Place::Text)?.into() },
        Body::File { content, .. } => HttpBody { content_type: None, content: content.clone() },
    })
}

fn part(part: &Part, scope: &Value) -> Result<PartBody, EvalError> {
    let content = match &part.content {
        PartContent::Text(template) => template.render(scope, Place::Text)?.into(),
        PartContent::File(content) => content.clone(),
    };
    let filename = part.filename.as_ref().map(|name| name.render(scope, Place::Header)).transpose()?;
    Ok(PartBody { name: part.name.clone(), content, filename, content_type: part.content_type.clone() })
}

fn json(template: &JsonTemplate, scope: &Value) -> Result<serde_json::Value, EvalError> {
    match template {
        JsonTemplate::Constant(value) => Ok(value.clone()),
        JsonTemplate::Text(template) => {
            let value = template.value(scope)?;
            to_json(&value).map_err(|why| EvalError { message: format!("`{}` cannot be sent as JSON: {why}", template.source()) })
        }
        JsonTemplate::List(items) => items.iter().map(|item| json(item, scope)).collect(),
        JsonTemplate::Map(entries) => {
            let entries: Result<serde_json::Map<_, _>, _> =
                entries.iter().map(|(key, value)| Ok((key.clone(), json(value, scope)?))).collect();
            entries.map(serde_json::Value::Object)
        }
    }
}

fn credentials(auth: &Auth, scope: &Value) -> Result<HttpAuth, EvalError> {
    let text = |template: &Template| template.render(scope, Place::Header);
    Ok(match auth {
        Auth::Basic { user, password } => HttpAuth::Basic(text(user)?, text(password)?),
        Auth::Bearer(token) => HttpAuth::Bearer(text(token)?),
        Auth::OAuth2 { token_url, client_id, client_secret, scope: scopes, audience } => HttpAuth::OAuth2(OAuth2 {
            token_url: token_url.render(scope, Place::Url)?,
            client_id: text(client_id)?,
            client_secret: text(client_secret)?,
            scope: scopes.as_ref().map(text).transpose()?,
            audience: audience.as_ref().map(text).transpose()?,
        }),
    })
}
