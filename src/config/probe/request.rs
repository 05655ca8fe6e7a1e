//! The request of an HTTP step.

use std::path::Path;
use std::sync::PoisonError;

use bytes::Bytes;

use crate::plan::{Auth, Body, ClientCredentials, HttpAction, JsonTemplate, Part, PartContent, Template};

use super::super::file::LARGEST_UPLOAD;
use super::super::keys::METHODS;
use super::super::kind::{FilePath, Redirects, Value};
use super::super::scope::{Scope, When};
use super::super::tree::{Data, Node, Spot, Table};
use super::super::world::World;
use super::super::{Code, Diagnostic, Diagnostics, device, value};

/// Reads the `http` table of the step at `step`.
pub(super) fn read<'f>(table: &Table<'f>, step: Spot<'f>, world: &World, scope: &mut Scope<'_, 'f>) -> HttpAction {
    let (method, url) = target(table, step, scope);
    HttpAction {
        method,
        url,
        query: fields(table, "query", scope),
        headers: device::headers(&[], table.entries_of("headers"), scope),
        body: body(table, world, scope),
        auth: auth(table, scope),
        redirects: table.get("redirects").and_then(|node| Redirects::read(node).ok()),
        response_bytes: table.size("max_response"),
    }
}

fn target<'f>(table: &Table<'f>, step: Spot<'f>, scope: &mut Scope<'_, 'f>) -> (http::Method, Template) {
    let short = table.entries.iter().find(|entry| METHODS.contains(&entry.key.as_ref()));
    let (method, url) = match short {
        Some(entry) => (entry.key.to_uppercase(), Some(&entry.value)),
        None => (table.owned("method").unwrap_or_else(|| "GET".into()), table.get("url")),
    };
    let method = http::Method::from_bytes(method.as_bytes()).unwrap_or_else(|_| {
        if let Some(node) = table.get("method") {
            scope.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, node.spot, "this is not a method").help("methods are words such as \"PURGE\""),
            );
        }
        http::Method::GET
    });
    match url {
        Some(node) => (method, self::url(node, scope)),
        None => (method, Template::parse("", step.location()).expect("an empty text is a template")),
    }
}

/// A URL: what stands before the first expression must already say http or https.
fn url<'f>(node: &Node<'f>, scope: &mut Scope<'_, 'f>) -> Template {
    let text = node.as_text().unwrap_or_default();
    let known = text.split("{{").next().unwrap_or_default();
    let problem = if known.is_empty() && !text.is_empty() {
        None
    } else if !known.starts_with("http://") && !known.starts_with("https://") {
        Some("it must begin with http:// or https://, or with an expression that does".to_owned())
    } else if known.len() == text.len() {
        value::url(text, &["https://", "http://"]).err()
    } else {
        None
    };
    if let Some(problem) = problem.filter(|_| matches!(node.data, Data::Text(_))) {
        scope.diagnostics.push(Diagnostic::at(Code::InvalidValue, node.spot, "this is not a URL").help(problem));
    }
    if let Some((at, character)) = device::control_in(node) {
        let message = format!("a URL cannot hold the character {character:?}");
        let spot = node.spot.within(at..at + 1);
        scope.diagnostics.push(
            Diagnostic::at(Code::InvalidValue, spot, message)
                .help("write a URL in one line; what it must carry is percent-encoded"),
        );
    }
    scope.template(node, When::Before)
}

fn fields<'f>(table: &Table<'f>, key: &str, scope: &mut Scope<'_, 'f>) -> Vec<(String, Template)> {
    let entries = table.entries_of(key);
    entries.iter().map(|entry| (entry.key.to_string(), scope.template(&entry.value, When::Before))).collect()
}

fn body<'f>(table: &Table<'f>, world: &World, scope: &mut Scope<'_, 'f>) -> Body {
    if let Some(node) = table.get("json") {
        return Body::Json(json(node, scope));
    }
    if table.get("form").is_some() {
        return Body::Form(fields(table, "form", scope));
    }
    if table.get("multipart").is_some() {
        let parts = table.list("multipart").iter().filter_map(Node::as_table);
        return Body::Multipart(parts.map(|inner| part(inner, world, scope)).collect());
    }
    if let Some(node) = table.get("body") {
        return Body::Raw(scope.template(node, When::Before));
    }
    match table.get("file") {
        Some(node) => Body::File { name: node.as_text().unwrap_or_default().into(), content: content(node, world, scope) },
        None => Body::Empty,
    }
}

fn part<'f>(table: &Table<'f>, world: &World, scope: &mut Scope<'_, 'f>) -> Part {
    let mut filename = table.get("filename").map(|node| scope.template(node, When::Before));
    let content = match (table.get("file"), table.get("text")) {
        (Some(node), _) => {
            let own = Path::new(node.as_text().unwrap_or_default()).file_name().unwrap_or_default().to_string_lossy();
            filename = filename.or_else(|| Template::parse(&own, node.spot.location()).ok());
            PartContent::File(content(node, world, scope))
        }
        (None, Some(node)) => PartContent::Text(scope.template(node, When::Before)),
        (None, None) => PartContent::File(Bytes::new()),
    };
    let content_type = table.get("content_type").and_then(|node| {
        let text = node.as_text()?;
        if http::HeaderValue::from_str(text).is_err() || !text.contains('/') {
            scope.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, node.spot, "this is not a content type")
                    .help("content types are written such as \"image/png\""),
            );
        }
        Some(text.to_owned())
    });
    Part { name: table.owned("name").unwrap_or_default(), content, filename, content_type }
}

/// A file's bytes, read once however many steps send them.
fn content<'f>(node: &Node<'f>, world: &World, scope: &mut Scope<'_, 'f>) -> Bytes {
    let path = FilePath { text: node.as_text().unwrap_or_default(), spot: node.spot }.resolved();
    let mut files = world.files.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(content) = files.get(&path) {
        return content.clone();
    }
    let content = Bytes::from(device::read(&path, LARGEST_UPLOAD, node.spot, scope.diagnostics).unwrap_or_default());
    files.insert(path, content.clone());
    content
}

fn auth<'f>(table: &Table<'f>, scope: &mut Scope<'_, 'f>) -> Option<Auth> {
    let mut field = |table: &Table<'f>, key: &str| table.get(key).map(|node| scope.template(node, When::Before));
    if let Some(basic) = table.table("basic") {
        return Some(Auth::Basic { user: field(basic, "user")?, password: field(basic, "password")? });
    }
    if let Some(oauth2) = table.table("oauth2") {
        return Some(Auth::OAuth2(Box::new(ClientCredentials {
            token_url: field(oauth2, "token_url")?,
            client_id: field(oauth2, "client_id")?,
            client_secret: field(oauth2, "client_secret")?,
            scope: field(oauth2, "scope"),
            audience: field(oauth2, "audience"),
        })));
    }
    field(table, "bearer").map(Auth::Bearer)
}

fn json<'f>(node: &Node<'f>, scope: &mut Scope<'_, 'f>) -> JsonTemplate {
    if !has_template(node) {
        return JsonTemplate::Constant(constant(node, scope.diagnostics));
    }
    match &node.data {
        Data::List(items) => JsonTemplate::List(items.iter().map(|item| json(item, scope)).collect()),
        Data::Table(table) => {
            JsonTemplate::Map(table.entries.iter().map(|entry| (entry.key.to_string(), json(&entry.value, scope))).collect())
        }
        Data::Text(_) | Data::Integer(_) | Data::Float(_) | Data::Bool(_) | Data::Datetime(_) => {
            JsonTemplate::Text(scope.template(node, When::Before))
        }
    }
}

/// `{%` counts as well: the template's compiler refuses it, and says so.
fn has_template(node: &Node<'_>) -> bool {
    match &node.data {
        Data::Text(text) => text.contains("{{") || text.contains("{%"),
        Data::List(items) => items.iter().any(has_template),
        Data::Table(table) => table.entries.iter().any(|entry| has_template(&entry.value)),
        Data::Integer(_) | Data::Float(_) | Data::Bool(_) | Data::Datetime(_) => false,
    }
}

/// A value without templates as JSON. A template in it is reported.
pub(in crate::config) fn constant(node: &Node<'_>, diagnostics: &mut Diagnostics) -> serde_json::Value {
    match &node.data {
        Data::Text(text) => {
            refuse_template(text, node.spot, diagnostics);
            text.as_ref().into()
        }
        Data::Integer(number) => (*number).into(),
        Data::Float(number) => (*number).into(),
        Data::Bool(truth) => (*truth).into(),
        Data::Datetime(_) => serde_json::Value::Null,
        Data::List(items) => items.iter().map(|item| constant(item, diagnostics)).collect(),
        Data::Table(table) => {
            table.entries.iter().map(|entry| (entry.key.to_string(), constant(&entry.value, diagnostics))).collect()
        }
    }
}

fn refuse_template(text: &str, spot: Spot<'_>, diagnostics: &mut Diagnostics) {
    if text.contains("{{") {
        diagnostics.push(
            Diagnostic::at(Code::ConstantOnly, spot, "`{{ … }}` is not evaluated here")
                .help("evaluate it in a variable of a probe that is a plain string, or where it is used"),
        );
    }
}
