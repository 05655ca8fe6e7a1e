//! Devices: how connections are made, on top of the service's defaults.

use std::collections::HashSet;
use std::sync::Arc;

use http::HeaderName;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use crate::plan::{DeviceSettings, Pem, Resolve, Template};

use super::file::pem_file;
use super::keys::{DeviceKeys, TlsKeys};
use super::scope::{NameScope, Stage};
use super::tree::{Node, TableEntry};
use super::value_kind::FilePath;
use super::{Code, Diagnostic, Diagnostics};

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
pub(super) fn control_in(node: &Node<'_>) -> Option<(usize, char)> {
    let template = Template::parse(node.as_text()?, node.span.location()).ok()?;
    template.literals().find_map(|(at, text)| {
        let (offset, character) = text.char_indices().find(|(_, character)| character.is_control())?;
        Some((at + offset, character))
    })
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
