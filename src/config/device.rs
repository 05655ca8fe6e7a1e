//! Devices: how connections are made, on top of the service's defaults.

use std::collections::HashSet;
use std::sync::Arc;

use http::HeaderName;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use crate::plan::{self, Auth, ClientCredentials, DeviceSettings, FieldValue, Pem, RequestDefaults, Resolve, Template};

use super::file::pem_file;
use super::keys::{BasicKeys, DeviceKeys, Oauth2Keys, TlsKeys};
use super::scope::{NameScope, Stage};
use super::section::{Field, Item, Named};
use super::tree::{Data, Node, TableEntry};
use super::value_kind::FilePath;
use super::{Code, Diagnostic, Diagnostics, value};

/// A device's settings: those of `base`, and over them what its table says.
pub(super) fn settings(base: &DeviceSettings, keys: &DeviceKeys<'_>, diagnostics: &mut Diagnostics) -> DeviceSettings {
    let mut settings = base.clone();
    keys.cookies.apply_to(&mut settings.cookies);
    keys.version.apply_to(&mut settings.version);
    keys.connections.apply_to(&mut settings.connections);
    keys.redirects.apply_to(&mut settings.redirects);
    if let Some(proxy) = &keys.proxy.value {
        settings.proxy = Some(proxy.url.clone());
    }
    settings.connect_timeout = keys.connect_timeout.value.or(settings.connect_timeout);
    settings.local_address = keys.local_address.value.or(settings.local_address);
    for written in keys.resolve.items() {
        let host = written.name().to_lowercase();
        settings.resolve.retain(|known| known.host != host);
        settings.resolve.push(Resolve { host, address: written.value });
    }
    if let Some(keys) = &keys.tls.value {
        tls(&mut settings, keys, diagnostics);
    }
    settings
}

fn tls(settings: &mut DeviceSettings, keys: &TlsKeys<'_>, diagnostics: &mut Diagnostics) {
    let tls = &mut settings.tls;
    let mut pem = |file: Option<FilePath<'_>>| file.and_then(|file| pem_file(file, diagnostics)).map(|path| Pem(Arc::new(path)));
    if let Some(ca) = pem(*keys.ca) {
        tls.ca = Some(ca);
    }
    if let (Some(certificate), Some(key)) = (pem(*keys.client_cert), pem(*keys.client_key)) {
        tls.client = Some((certificate, key));
    }
    keys.min_version.apply_to(&mut tls.min_version);
    if let Some(name) = *keys.server_name {
        tls.server_name = Some(name.to_owned());
    }
    if let Some(verify) = *keys.verify {
        tls.insecure = !verify;
    }
}

/// Why a header cannot be sent as it is written. The client sets the body's length and framing itself, and a line break would begin
/// another header.
fn impossible(name: &HeaderName, entry: &TableEntry<'_>) -> Option<Diagnostic> {
    if [CONTENT_LENGTH, TRANSFER_ENCODING].contains(name) {
        let message = format!("the header `{name}` is made from the body that is sent");
        return Some(
            Diagnostic::at(Code::InvalidValue, entry.key_span, message).help("take it out: a wrong one cuts the body or hangs"),
        );
    }
    // A tab is the one that headers may have (RFC 9110, section 5.5).
    control_in(&entry.value).filter(|(_, character)| *character != '\t').map(|(at, character)| {
        let message = format!("a header cannot hold the character {character:?}");
        Diagnostic::at(Code::InvalidValue, entry.value.span.within(at..at + 1), message).help("headers are one line each")
    })
}

/// The first control character of a string that is written out, outside of its `{{ … }}`, and where it stands.
fn control_in(node: &Node<'_>) -> Option<(usize, char)> {
    let template = Template::parse(node.as_text()?, node.span.location()).ok()?;
    template.literals().find_map(|(at, text)| {
        let (offset, character) = text.char_indices().find(|(_, character)| character.is_control())?;
        Some((at + offset, character))
    })
}

/// What a device adds to requests: what is written, over that of `base`.
pub(super) fn requests<'f>(base: &RequestDefaults, keys: &DeviceKeys<'f>, scope: &mut NameScope<'_, 'f>) -> RequestDefaults {
    let mut over = |base: &[plan::Field], written: &Fields<'f>| {
        let own = fields(written.entries(), scope);
        let inherited = base.iter().filter(|field| own.iter().all(|own| own.name != field.name)).cloned().collect::<Vec<_>>();
        inherited.into_iter().chain(own).collect()
    };
    RequestDefaults {
        query: over(&base.query, &keys.query),
        form: over(&base.form, &keys.form),
        base: keys.base.map(|node| self::base(node, scope)).or_else(|| base.base.clone()),
        headers: headers(&base.headers, keys.headers.entries(), scope),
        auth: auth(&keys.basic, &keys.oauth2, &keys.bearer, scope).or_else(|| base.auth.clone()),
    }
}

/// How requests prove who they are; nothing if that is not said, or not in full.
pub(super) fn auth<'f>(
    basic: &Field<'f, Option<BasicKeys<'f>>>,
    oauth2: &Field<'f, Option<Oauth2Keys<'f>>>,
    bearer: &Field<'f, Option<&'f Node<'f>>>,
    scope: &mut NameScope<'_, 'f>,
) -> Option<Auth> {
    let mut field = |field: &Field<'f, Option<&'f Node<'f>>>| field.map(|node| scope.template(node, Stage::Request));
    if let Some(BasicKeys { user, password }) = &basic.value {
        return Some(Auth::Basic { user: field(user)?, password: field(password)? });
    }
    if let Some(Oauth2Keys { token_url, client_id, client_secret, scope, audience }) = &oauth2.value {
        return Some(Auth::OAuth2(Box::new(ClientCredentials {
            token_url: field(token_url)?,
            client_id: field(client_id)?,
            client_secret: field(client_secret)?,
            scope: field(scope),
            audience: field(audience),
        })));
    }
    field(bearer).map(Auth::Bearer)
}

/// A table of keys of a query or a form.
type Fields<'f> = Field<'f, Option<Vec<Named<'f, Vec<Item<'f, &'f Node<'f>>>>>>>;

/// Keys of a query or a form, and what is sent under each.
pub(super) fn fields<'e, 'f: 'e>(
    written: impl Iterator<Item = &'e TableEntry<'f>>,
    scope: &mut NameScope<'_, 'f>,
) -> Vec<plan::Field> {
    let mut field = |entry: &'e TableEntry<'f>| {
        refuse_key(entry, scope.diagnostics);
        let value = match &entry.value.data {
            Data::List(items) => FieldValue::Each(items.iter().map(|item| scope.template(item, Stage::Request)).collect()),
            _ => FieldValue::One(scope.template(&entry.value, Stage::Request)),
        };
        plan::Field { name: entry.key.to_string(), value }
    };
    written.map(&mut field).collect()
}

/// Reports a key with a template in it, which would be sent as it stands.
pub(super) fn refuse_key(entry: &TableEntry<'_>, diagnostics: &mut Diagnostics) {
    if entry.key.contains("{{") {
        diagnostics.push(
            Diagnostic::at(Code::ConstantOnly, entry.key_span, "a key is no template: it would be sent as it stands")
                .help("write the whole map as one expression: `http.json = \"{{ {name: value} }}\"`, with keys that are names or quoted texts"),
        );
    }
}

/// What paths are joined to.
fn base<'f>(node: &Node<'f>, scope: &mut NameScope<'_, 'f>) -> Template {
    let text = node.as_text().unwrap_or_default();
    let known = text.split_once("{{").map_or(text, |(known, _)| known);
    let is_whole = known.len() == text.len();
    let problem = if !is_whole && known.is_empty() {
        None
    } else if !known.starts_with("http://") && !known.starts_with("https://") {
        Some("it must begin with http:// or https://, or with an expression that does".to_owned())
    } else {
        is_whole.then(|| value::url(text, &["https://", "http://"]).err()).flatten()
    };
    if let Some(problem) = problem {
        scope.diagnostics.push(Diagnostic::at(Code::InvalidValue, node.span, "this is not a URL").help(problem));
    }
    let template = scope.template(node, Stage::Request);
    let ends = template.literals().find_map(|(at, text)| text.find(['?', '#']).map(|offset| at + offset));
    if let Some(at) = ends {
        let found = Diagnostic::at(Code::InvalidValue, node.span.within(at..at + 1), "paths cannot be joined to this");
        scope.diagnostics.push(found.help("`base` is scheme, host and a path; keys of every request's query stand in `query`"));
    }
    if let Some(diagnostic) = control(node) {
        scope.diagnostics.push(diagnostic);
    }
    template
}

/// The problem of a URL with a control character in it.
pub(super) fn control(node: &Node<'_>) -> Option<Diagnostic> {
    let (at, character) = control_in(node)?;
    let message = format!("a URL cannot hold the character {character:?}");
    let found = Diagnostic::at(Code::InvalidValue, node.span.within(at..at + 1), message);
    Some(found.help("write a URL in one line; what it must carry is percent-encoded"))
}

/// Header names and values that are written, over those of `base`.
pub(super) fn headers<'e, 'f: 'e>(
    base: &[(HeaderName, Template)],
    written: impl IntoIterator<Item = &'e TableEntry<'f>>,
    scope: &mut NameScope<'_, 'f>,
) -> Vec<(HeaderName, Template)> {
    let mut headers = Vec::new();
    let mut own: HashSet<HeaderName> = HashSet::new();
    for entry in written {
        let template = scope.template(&entry.value, Stage::Request);
        match HeaderName::from_bytes(entry.key.as_bytes()) {
            Ok(name) if own.contains(&name) => scope.diagnostics.push(
                Diagnostic::at(Code::Repeated, entry.key_span, format!("the header `{name}` is listed twice"))
                    .help("names of headers are the same in capitals; take one of them out"),
            ),
            Ok(name) => {
                if let Some(diagnostic) = impossible(&name, entry) {
                    scope.diagnostics.push(diagnostic);
                }
                own.insert(name.clone());
                headers.push((name, template));
            }
            Err(_) => scope.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, entry.key_span, format!("`{}` is not the name of a header", entry.key))
                    .help("header names are letters, digits and `-`"),
            ),
        }
    }
    base.iter().filter(|(name, _)| !own.contains(name)).cloned().chain(headers).collect()
}
