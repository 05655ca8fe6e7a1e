//! A request with everything filled in.

use http::{HeaderName, HeaderValue, Method};
use minijinja::Value;

use crate::outcome::{RunId, SpanId, TraceId};
use crate::plan::expr::{Destination, EvalError, JsonText};
use crate::plan::{
    Auth, Body, Field, FieldValue, HttpAction, JsonTemplate, Part, PartContent, Redirects, RequestDefaults, Template, is_safe,
};

use super::defaults;
use super::multipart::{self, PartBody};
use super::redirect::Private;
use super::upload::Content;

/// Bytes that templates may make of the fields, headers or body of a request. Files may be larger.
const MOST_RENDERED: usize = 8 << 20;

/// A request that can be sent.
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
    /// What of it is known to be made of secrets.
    pub(super) private: Private,
}

/// A body with everything filled in.
#[derive(Debug, Clone, Default)]
pub struct HttpBody {
    /// Sent where no header says otherwise.
    pub(super) content_type: Option<HeaderValue>,
    pub(super) content: Content,
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

impl HttpBody {
    /// Bytes that are sent.
    pub(in crate::run) fn len(&self) -> usize {
        self.content.len()
    }

    /// What templates made of it, as text. Large files that are sent along are left out.
    pub(in crate::run) fn text(&self) -> String {
        String::from_utf8_lossy(&self.content.start(MOST_RENDERED)).into_owned()
    }
}

impl RunHeaders {
    /// Headers of one attempt. `sampled` says that the trace will be kept, whatever becomes of the run.
    pub fn new(run_id: RunId, trace_id: TraceId, span_id: SpanId, sampled: bool) -> Self {
        let flags = if sampled { "01" } else { "00" };
        Self { traceparent: format!("00-{trace_id}-{span_id}-{flags}"), run_id: run_id.to_string() }
    }
}

/// Fills in a request's templates. What the step says wins over `device`, what its device adds to requests.
///
/// # Errors
/// If a template has no value, or one that cannot stand where it is used.
pub fn render(
    action: &HttpAction,
    device: &RequestDefaults,
    scope: &Value,
    response_bytes: usize,
) -> Result<HttpRequest, EvalError> {
    let mut url = defaults::absolute(&action.url, device.base.as_ref(), scope)?;
    let fields = defaults::under(&device.query, &action.query, |name| url.query_pairs().any(|(written, _)| written == name));
    let query = rendered("http.query", &fields, scope)?;
    if !is_safe(&action.method) {
        refuse_missing(&fields, &query)?;
    }
    add_query(&mut url, &query);
    let form = match &action.body {
        Body::Form(own) => defaults::under(&device.form, own, |_| false),
        _ => Vec::new(),
    };
    let mut headers = Vec::with_capacity(device.headers.len() + action.headers.len());
    let mut private = Private { headers: Vec::new(), body: is_private(&action.body, &form), files: has_files(&action.body) };
    let inherited = device.headers.iter().filter(|(name, _)| !action.headers.iter().any(|(own, _)| own == name));
    let mut room = MOST_RENDERED;
    for (name, template) in inherited.chain(&action.headers) {
        if template.is_private() {
            private.headers.push(name.clone());
        }
        headers.push((name.clone(), fitting(template.render(scope, Destination::Header)?, &mut room)?));
    }
    // A step that writes the header itself has said who it is.
    let is_said = action.headers.iter().any(|(name, _)| *name == http::header::AUTHORIZATION);
    let auth = action.auth.as_ref().or(device.auth.as_ref().filter(|_| !is_said));
    Ok(HttpRequest {
        method: action.method.clone(),
        url,
        headers,
        body: body(&action.body, &form, scope)?,
        auth: auth.map(|auth| credentials(auth, scope)).transpose()?,
        redirects: action.redirects,
        response_bytes: action.response_bytes.unwrap_or(response_bytes),
        private,
    })
}

/// Refuses a query from which an empty list took a key. A request that changes something would change more than was meant: a key
/// of a query is mostly a filter.
fn refuse_missing(fields: &[&Field], query: &[(&str, String)]) -> Result<(), EvalError> {
    let is_missing =
        |field: &&&Field| matches!(field.value, FieldValue::One(_)) && !query.iter().any(|(name, _)| *name == field.name);
    match fields.iter().find(is_missing) {
        Some(Field { name, .. }) => Err(EvalError {
            message: format!(
                "the key `{name}` of `http.query`: an empty list would leave it out of a request that changes something"
            ),
        }),
        None => Ok(()),
    }
}

/// Adds pairs to the query, percent-encoded: also a space, which `+` stands for in forms only.
fn add_query(url: &mut reqwest::Url, pairs: &[(&str, String)]) {
    if pairs.is_empty() {
        return;
    }
    let mut query = url.query().unwrap_or_default().to_owned();
    for (name, value) in pairs {
        if !query.is_empty() {
            query.push('&');
        }
        push_encoded(&mut query, name);
        query.push('=');
        push_encoded(&mut query, value);
    }
    url.set_query(Some(&query));
}

fn push_encoded(query: &mut String, text: &str) {
    for piece in url::form_urlencoded::byte_serialize(text.as_bytes()) {
        // A plus sign of the text itself has become `%2B`.
        query.push_str(if piece == "+" { "%20" } else { piece });
    }
}

fn has_files(body: &Body) -> bool {
    match body {
        Body::Empty | Body::Json(_) | Body::Form(_) | Body::Raw(_) => false,
        Body::Multipart(parts) => parts.iter().any(|part| matches!(part.content, PartContent::File(_))),
        Body::File { .. } => true,
    }
}

/// Whether something in the body is made of a secret, as far as its templates tell. `form` is what a form is sent with.
fn is_private(body: &Body, form: &[&Field]) -> bool {
    match body {
        Body::Empty | Body::File { .. } => false,
        Body::Json(template) => is_private_json(template),
        Body::Form(_) => form.iter().flat_map(|field| field.value.templates()).any(Template::is_private),
        Body::Multipart(parts) => parts.iter().any(|part| {
            let text = matches!(&part.content, PartContent::Text(template) if template.is_private());
            text || part.filename.as_ref().is_some_and(Template::is_private)
        }),
        Body::Raw(template) => template.is_private(),
    }
}

fn is_private_json(template: &JsonTemplate) -> bool {
    match template {
        JsonTemplate::Constant(_) => false,
        JsonTemplate::Text(template) => template.is_private(),
        JsonTemplate::List(items) => items.iter().any(is_private_json),
        JsonTemplate::Map(entries) => entries.iter().any(|(_, value)| is_private_json(value)),
    }
}

/// A text for which there is still room.
fn fitting(text: String, room: &mut usize) -> Result<String, EvalError> {
    take(text.len(), room).map(|()| text)
}

fn take(bytes: usize, room: &mut usize) -> Result<(), EvalError> {
    let left = room.checked_sub(bytes);
    *room = left.ok_or_else(|| EvalError { message: format!("the request would be larger than {MOST_RENDERED} bytes") })?;
    Ok(())
}

/// Keys and values of a query or form, in order. `what` is that for messages.
fn rendered<'a>(what: &str, fields: &[&'a Field], scope: &Value) -> Result<Vec<(&'a str, String)>, EvalError> {
    let mut room = MOST_RENDERED;
    let mut pairs = Vec::with_capacity(fields.len());
    for Field { name, value } in fields {
        let of_key = |error: EvalError| EvalError { message: format!("the key `{name}` of `{what}`: {}", error.message) };
        let texts = match value {
            FieldValue::One(template) => template.texts(scope),
            FieldValue::Each(templates) => templates.iter().map(|each| each.render(scope, Destination::Text)).collect(),
        };
        for text in texts.map_err(of_key)? {
            // A key that is repeated takes room, too.
            take(name.len() + text.len() + "=&".len(), &mut room).map_err(of_key)?;
            pairs.push((&**name, text));
        }
    }
    Ok(pairs)
}

fn body(body: &Body, fields: &[&Field], scope: &Value) -> Result<HttpBody, EvalError> {
    let typed = |kind, text: String| HttpBody { content_type: Some(HeaderValue::from_static(kind)), content: text.into() };
    Ok(match body {
        Body::Empty => HttpBody::default(),
        Body::Json(template) => {
            let mut text = JsonText::new(MOST_RENDERED);
            json(template, scope, &mut text)?;
            typed("application/json", text.finish())
        }
        Body::Form(_) => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            typed("application/x-www-form-urlencoded", form.extend_pairs(rendered("http.form", fields, scope)?).finish())
        }
        Body::Multipart(parts) => {
            let mut room = MOST_RENDERED;
            let parts: Vec<_> = parts.iter().map(|each| part(each, scope, &mut room)).collect::<Result<_, _>>()?;
            let (kind, content) = multipart::encode(parts);
            HttpBody { content_type: HeaderValue::try_from(kind).ok(), content }
        }
        Body::Raw(template) => HttpBody { content_type: None, content: template.render(scope, Destination::Text)?.into() },
        Body::File { content, .. } => HttpBody { content_type: None, content: content.clone().into() },
    })
}

fn part(part: &Part, scope: &Value, room: &mut usize) -> Result<PartBody, EvalError> {
    let content = match &part.content {
        PartContent::Text(template) => fitting(template.render(scope, Destination::Text)?, room)?.into(),
        PartContent::File(content) => content.clone(),
    };
    let filename = part.filename.as_ref().map(|name| name.render(scope, Destination::Header)).transpose()?;
    Ok(PartBody { name: part.name.clone(), content, filename, content_type: part.content_type.clone() })
}

/// Writes a JSON body as it is rendered.
fn json(template: &JsonTemplate, scope: &Value, text: &mut JsonText<'_>) -> Result<(), EvalError> {
    let cannot = |what: &str, why: String| EvalError { message: format!("{what} cannot be sent as JSON: {why}") };
    let body = |why| cannot("the body", why);
    match template {
        JsonTemplate::Constant(value) => text.json(value).map_err(body),
        JsonTemplate::Text(template) => {
            text.value(&template.value(scope)?).map_err(|why| cannot(&format!("`{}`", template.source()), why))
        }
        JsonTemplate::List(items) => {
            for (at, item) in items.iter().enumerate() {
                text.sign(if at == 0 { "[" } else { "," }).map_err(body)?;
                json(item, scope, text)?;
            }
            text.sign(if items.is_empty() { "[]" } else { "]" }).map_err(body)
        }
        JsonTemplate::Map(entries) => {
            for (at, (key, value)) in entries.iter().enumerate() {
                text.sign(if at == 0 { "{" } else { "," }).map_err(body)?;
                text.string(key).map_err(body)?;
                text.sign(":").map_err(body)?;
                json(value, scope, text)?;
            }
            text.sign(if entries.is_empty() { "{}" } else { "}" }).map_err(body)
        }
    }
}

fn credentials(auth: &Auth, scope: &Value) -> Result<HttpAuth, EvalError> {
    let text = |template: &Template| template.render(scope, Destination::Header);
    Ok(match auth {
        Auth::Basic { user, password } => HttpAuth::Basic(text(user)?, text(password)?),
        Auth::Bearer(token) => HttpAuth::Bearer(text(token)?),
        Auth::OAuth2(client) => HttpAuth::OAuth2(OAuth2 {
            token_url: client.token_url.render(scope, Destination::Url)?,
            client_id: text(&client.client_id)?,
            client_secret: text(&client.client_secret)?,
            scope: client.scope.as_ref().map(text).transpose()?,
            audience: client.audience.as_ref().map(text).transpose()?,
        }),
    })
}
