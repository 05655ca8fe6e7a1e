//! The request of an HTTP step.

use std::path::Path;
use std::sync::PoisonError;

use bytes::Bytes;

use crate::plan::{Body, HttpAction, JsonTemplate, Part, PartContent, Template};

use super::super::constant::constant;
use super::super::context::ServiceContext;
use super::super::file::{self, LARGEST_UPLOAD};
use super::super::keys::{HttpKeys, PartKeys};
use super::super::scope::{NameScope, Stage};
use super::super::tree::{Data, Node};
use super::super::value_kind::FilePath;
use super::super::{Code, Diagnostic, device};
use super::base;

/// Reads the keys of `http`; nothing if a required key is missing.
pub(super) fn read<'f>(keys: &HttpKeys<'f>, service: &ServiceContext, scope: &mut NameScope<'_, 'f>) -> Option<HttpAction> {
    let (method, url) = target(keys, scope);
    let query = device::fields(keys.query.entries(), scope);
    let headers = device::headers(&[], keys.headers.entries(), scope);
    let body = body(keys, service, scope);
    let auth = device::auth(&keys.basic, &keys.oauth2, &keys.bearer, scope);
    Some(HttpAction {
        method: method?,
        url: url?,
        query,
        headers,
        body,
        auth,
        redirects: *keys.redirects,
        response_bytes: *keys.max_response,
    })
}

fn target<'f>(keys: &HttpKeys<'f>, scope: &mut NameScope<'_, 'f>) -> (Option<http::Method>, Option<Template>) {
    if let Some((method, entry)) = keys.written_methods().into_iter().next() {
        return (Some(method), Some(base::url(&entry.value, scope)));
    }
    let method = keys.method.and_then(|method| http::Method::from_bytes(method.as_bytes()).ok());
    if let (None, Some(_), Some(span)) = (&method, *keys.method, keys.method.span()) {
        scope
            .diagnostics
            .push(Diagnostic::at(Code::InvalidValue, span, "this is not a method").help("methods are words such as \"PURGE\""));
    }
    (method, keys.url.map(|node| base::url(node, scope)))
}

fn body<'f>(keys: &HttpKeys<'f>, service: &ServiceContext, scope: &mut NameScope<'_, 'f>) -> Body {
    if let Some(node) = *keys.json {
        return Body::Json(json(node, scope));
    }
    if keys.form.entry.is_some() {
        return Body::Form(device::fields(keys.form.entries(), scope));
    }
    if keys.multipart.entry.is_some() {
        return Body::Multipart(keys.multipart.items().iter().filter_map(|item| part(&item.value, service, scope)).collect());
    }
    if let Some(node) = *keys.body {
        return Body::Raw(scope.template(node, Stage::Request));
    }
    match *keys.file {
        Some(file) => Body::File { name: file.text.to_owned(), content: content(file, service, scope) },
        None => Body::Empty,
    }
}

/// A part; nothing if it lacks its name or its content.
fn part<'f>(keys: &PartKeys<'f>, service: &ServiceContext, scope: &mut NameScope<'_, 'f>) -> Option<Part> {
    let mut filename = keys.filename.map(|node| scope.template(node, Stage::Request));
    let content = match (*keys.file, *keys.text) {
        (Some(file), _) => {
            let own = Path::new(file.text).file_name().map(|name| name.to_string_lossy());
            filename = filename.or_else(|| Template::parse(&own?, file.span.location()).ok());
            Some(PartContent::File(content(file, service, scope)))
        }
        (None, Some(node)) => Some(PartContent::Text(scope.template(node, Stage::Request))),
        (None, None) => None,
    };
    if let (Some(text), Some(span)) = (*keys.content_type, keys.content_type.span())
        && (http::HeaderValue::from_str(text).is_err() || !text.contains('/'))
    {
        scope.diagnostics.push(
            Diagnostic::at(Code::InvalidValue, span, "this is not a content type")
                .help("content types are written such as \"image/png\""),
        );
    }
    let content_type = keys.content_type.map(str::to_owned);
    Some(Part { name: keys.name.value?.to_owned(), content: content?, filename, content_type })
}

/// A file's bytes, read once however many steps send them.
fn content(file: FilePath<'_>, service: &ServiceContext, scope: &mut NameScope<'_, '_>) -> Bytes {
    let path = file.resolved();
    let mut files = service.files.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(content) = files.get(&path) {
        return content.clone();
    }
    // An unreadable file is stored as empty, so that it is reported only once.
    let content = Bytes::from(file::named(&path, LARGEST_UPLOAD, file.span, scope.diagnostics).unwrap_or_default());
    files.insert(path, content.clone());
    content
}

fn json<'f>(node: &Node<'f>, scope: &mut NameScope<'_, 'f>) -> JsonTemplate {
    if let Data::Table(table) = &node.data {
        table.entries.iter().for_each(|entry| device::refuse_key(entry, scope.diagnostics));
    }
    if !has_template(node) {
        return JsonTemplate::Constant(constant(node, scope.diagnostics));
    }
    match &node.data {
        Data::List(items) => JsonTemplate::List(items.iter().map(|item| json(item, scope)).collect()),
        Data::Table(table) => {
            JsonTemplate::Map(table.entries.iter().map(|entry| (entry.key.to_string(), json(&entry.value, scope))).collect())
        }
        Data::Text(_) | Data::Integer(_) | Data::Float(_) | Data::Bool(_) | Data::Datetime(_) => {
            JsonTemplate::Text(scope.template(node, Stage::Request))
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
