//! Devices: how connections are made, on top of the service's defaults.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderName;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use crate::plan::{Connections, DeviceSettings, HttpVersion, MinTls, Pem, Redirects, Resolve, Template};

use super::file::{self, LARGEST_SIDE_FILE, Unread};
use super::scope::{Scope, When};
use super::tree::{Data, Entry, Node, Spot, Table};
use super::{Code, Diagnostic, Diagnostics, value};

/// A device's settings: those of `base`, and over them what its table says.
pub(super) fn settings(base: &DeviceSettings, table: &Table<'_>, diagnostics: &mut Diagnostics) -> DeviceSettings {
    let mut settings = base.clone();
    if let Some(cookies) = table.bool("cookies") {
        settings.cookies = cookies;
    }
    match table.text("version") {
        Some("1.1") => settings.version = HttpVersion::Http1,
        Some("2") => settings.version = HttpVersion::Http2,
        Some(_) => settings.version = HttpVersion::Auto,
        None => {}
    }
    if let Some(connections) = table.text("connections") {
        settings.connections = if connections == "fresh" { Connections::Fresh } else { Connections::Reuse };
    }
    if let Some(redirects) = redirects(table) {
        settings.redirects = redirects;
    }
    if let Some(proxy) = table.text("proxy") {
        settings.proxy = url::Url::parse(proxy).ok();
    }
    if let Some(timeout) = table.duration("connect_timeout") {
        settings.connect_timeout = Some(timeout);
    }
    if let Some(address) = table.text("local_address") {
        settings.local_address = address.parse().ok();
    }
    for entry in table.entries_of("resolve") {
        let host = entry.key.to_lowercase();
        settings.resolve.retain(|known| known.host != host);
        if let Some(address) = entry.value.as_text().and_then(|text| value::address(text).ok()) {
            settings.resolve.push(Resolve { host, address });
        }
    }
    if let Some(table) = table.table("tls") {
        tls(&mut settings, table, diagnostics);
    }
    settings
}

/// How many redirects a device or request follows, if its table says so.
pub(super) fn redirects(table: &Table<'_>) -> Option<Redirects> {
    match table.get("redirects")?.data {
        Data::Integer(number) => u32::try_from(number).ok().map(Redirects::Follow),
        _ => Some(Redirects::Off),
    }
}

fn tls(settings: &mut DeviceSettings, table: &Table<'_>, diagnostics: &mut Diagnostics) {
    let tls = &mut settings.tls;
    if let Some(ca) = pem(table, "ca", diagnostics) {
        tls.ca = Some(ca);
    }
    if let (Some(certificate), Some(key)) = (pem(table, "client_cert", diagnostics), pem(table, "client_key", diagnostics)) {
        tls.client = Some((certificate, key));
    }
    if let Some(version) = min_version(table) {
        tls.min_version = version;
    }
    if let Some(name) = table.owned("server_name") {
        tls.server_name = Some(name);
    }
    if let Some(verify) = table.bool("verify") {
        tls.insecure = !verify;
    }
}

/// The oldest TLS that a table allows.
pub(super) fn min_version(table: &Table<'_>) -> Option<MinTls> {
    table.text("min_version").map(|version| if version == "1.3" { MinTls::Tls13 } else { MinTls::Tls12 })
}

/// The PEM file that a key names.
pub(super) fn pem(table: &Table<'_>, key: &str, diagnostics: &mut Diagnostics) -> Option<Pem> {
    let node = table.get(key)?;
    pem_file(node, diagnostics).map(|path| Pem(Arc::new(path)))
}

/// The path of a PEM file, which must be there.
pub(super) fn pem_file(node: &Node<'_>, diagnostics: &mut Diagnostics) -> Option<PathBuf> {
    let path = beside(node.spot, node.as_text()?);
    let content = read(&path, LARGEST_SIDE_FILE, node.spot, diagnostics)?;
    if !content.windows(10).any(|window| window == b"-----BEGIN") {
        diagnostics.push(
            Diagnostic::at(Code::NotPem, node.spot, format!("{} holds no PEM block", path.display()))
                .help("certificates and keys are read as PEM: text with `-----BEGIN CERTIFICATE-----`"),
        );
        return None;
    }
    Some(path)
}

/// The bytes of a file that a value at `spot` names.
pub(super) fn read(path: &Path, most: usize, spot: Spot<'_>, diagnostics: &mut Diagnostics) -> Option<Vec<u8>> {
    let read = file::read(path, most, false);
    read.map_err(|unread| {
        let (code, help) = match &unread {
            Unread::TooLarge(..) => (Code::TooLarge, "it is kept in memory as long as the probe is there: name a smaller one"),
            Unread::Refused(..) | Unread::NoFile(_) => (Code::Unreadable, "paths are relative to the file they are written in"),
        };
        diagnostics.push(Diagnostic::at(code, spot, unread.to_string()).help(help));
    })
    .ok()
}

/// A path as it is meant beside the file it is written in.
pub(super) fn beside(spot: Spot<'_>, path: &str) -> PathBuf {
    spot.file.path().parent().unwrap_or(Path::new("")).join(path)
}

/// Why a header cannot be sent as it is written: the body's length and framing are the client's to say, and a line break would begin another
/// header.
fn impossible(name: &HeaderName, entry: &Entry<'_>) -> Option<Diagnostic> {
    if [CONTENT_LENGTH, TRANSFER_ENCODING].contains(name) {
        let message = format!("the header `{name}` is made from the body that is sent");
        return Some(
            Diagnostic::at(Code::InvalidValue, entry.key_spot, message).help("take it out: a wrong one cuts the body or hangs"),
        );
    }
    // A tab is the one that headers may have (RFC 9110, section 5.5).
    control_in(&entry.value).filter(|(_, character)| *character != '\t').map(|(at, character)| {
        let message = format!("a header cannot hold the character {character:?}");
        Diagnostic::at(Code::InvalidValue, entry.value.spot.within(at..at + 1), message).help("headers are one line each")
    })
}

/// The first control character of a string that is written out, outside of its `{{ … }}`, and where it stands.
pub(super) fn control_in(node: &Node<'_>) -> Option<(usize, char)> {
    let template = Template::parse(node.as_text()?, node.spot.location()).ok()?;
    template.literals().find_map(|(at, text)| {
        let (offset, character) = text.char_indices().find(|(_, character)| character.is_control())?;
        Some((at + offset, character))
    })
}

/// Header names and values of a table, over those of `base`.
pub(super) fn headers<'f>(
    base: &[(HeaderName, Template)],
    table: &Table<'f>,
    scope: &mut Scope<'_, 'f>,
) -> Vec<(HeaderName, Template)> {
    let mut headers = Vec::new();
    let mut own: HashSet<HeaderName> = HashSet::new();
    for entry in table.entries_of("headers") {
        let template = scope.template(&entry.value, When::Before);
        match HeaderName::from_bytes(entry.key.as_bytes()) {
            Ok(name) if own.contains(&name) => scope.diagnostics.push(
                Diagnostic::at(Code::Repeated, entry.key_spot, format!("the header `{name}` is listed twice"))
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
                Diagnostic::at(Code::InvalidValue, entry.key_spot, format!("`{}` is not the name of a header", entry.key))
                    .help("header names are letters, digits and `-`"),
            ),
        }
    }
    base.iter().filter(|(name, _)| !own.contains(name)).cloned().chain(headers).collect()
}
