//! What a step sends and reads over a TCP connection, and whether some step before has opened it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::plan::{Payload, Pem, TcpAction, TcpTarget, TlsChanges, Until};

use super::super::diagnostic::did_you_mean;
use super::super::file::pem_file;
use super::super::keys::{StepItem, StepKeys, TcpKeys, TcpReadKeys, TcpSendKeys, TcpTlsKeys};
use super::super::redact::compiled;
use super::super::scope::{NameScope, Stage};
use super::super::section::{Either, Field};
use super::super::tree::Node;
use super::super::value_kind::FilePath;
use super::super::{Code, Diagnostic, Diagnostics};

/// A name of ALPN is written with its length in one byte.
const LONGEST_PROTOCOL: usize = 255;

/// Where nothing is said, a step acts on the device of this name, and over the connection of this name.
const DEFAULT: &str = "default";

/// Reads the keys of `tcp` of a step.
pub(super) fn read<'f>(keys: &TcpKeys<'f>, step: &StepItem<'f>, scope: &mut NameScope<'_, 'f>) -> TcpAction {
    let written = step.value.tcp.node().and_then(Node::as_table);
    if written.is_some_and(|table| table.entries.iter().all(|entry| entry.key == "connection")) {
        scope.diagnostics.push(
            Diagnostic::at(Code::MissingKey, step.node.span, "this step does nothing with its connection")
                .help("say what: `tcp.connect`, `tcp.send`, `tcp.read` or `tcp.close`"),
        );
    }
    let connect = keys.connect.map(|node| {
        if let Some(why) = literal(node).and_then(|text| TcpTarget::parse(text).err()) {
            scope.diagnostics.push(Diagnostic::at(Code::InvalidValue, node.span, "this cannot be connected to").help(why));
        }
        scope.template(node, Stage::Request)
    });
    let most = keys.max_response.unwrap_or(scope.context.limits.response_bytes);
    TcpAction {
        connection: keys.connection.map(|node| scope.template(node, Stage::Request)),
        connect,
        starttls: *keys.starttls,
        tls: tls(keys, scope.diagnostics),
        greeting: keys.greeting.as_ref().and_then(|keys| until(keys, most, scope)),
        send: keys.send.as_ref().and_then(|send| payload(send, scope)),
        read: keys.read.as_ref().and_then(|keys| until(keys, most, scope)),
        close: *keys.close,
        response_bytes: *keys.max_response,
    }
}

/// A text that is written out, without anything to be evaluated.
fn literal<'t>(node: &'t Node<'_>) -> Option<&'t str> {
    node.as_text().filter(|text| !text.contains("{{") && !text.contains("{%"))
}

fn payload<'f>(send: &Either<TcpSendKeys<'f>, &'f Node<'f>>, scope: &mut NameScope<'_, 'f>) -> Option<Payload> {
    let (node, payload) = match send {
        Either::Value(node) => return Some(Payload::Text(scope.template(node, Stage::Request))),
        Either::Table(TcpSendKeys { hex, base64 }) => match (**hex, **base64) {
            (Some(node), _) => (node, Payload::Hex(scope.template(node, Stage::Request))),
            (None, Some(node)) => (node, Payload::Base64(scope.template(node, Stage::Request))),
            (None, None) => return None,
        },
    };
    if let Some(why) = literal(node).and_then(|text| payload.bytes(text.to_owned()).err()) {
        scope.diagnostics.push(Diagnostic::at(Code::InvalidValue, node.span, "this stands for no bytes").help(why));
    }
    Some(payload)
}

/// How far is read; at most `most` bytes are.
fn until<'f>(keys: &TcpReadKeys<'f>, most: usize, scope: &mut NameScope<'_, 'f>) -> Option<Until> {
    if let Some(node) = *keys.until {
        if node.as_text() == Some("") {
            scope.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, node.span, "nothing would be read up to an empty text")
                    .help("name what the answer ends with, such as \"\\r\\n\""),
            );
        }
        return Some(Until::Text(scope.template(node, Stage::Request)));
    }
    if let (Some(text), Some(span)) = (*keys.until_line, keys.until_line.span()) {
        return compiled(text, span, "'^250 '", scope.diagnostics).map(Until::Line);
    }
    if let (Some(bytes), Some(span)) = (*keys.bytes, keys.bytes.span()) {
        if bytes > most {
            let message = format!("these are more bytes than a step may read at once, {most}");
            scope
                .diagnostics
                .push(Diagnostic::at(Code::InvalidValue, span, message).help("read less, or raise `tcp.max_response`"));
        }
        return Some(Until::Bytes(bytes));
    }
    if let (Some(false), Some(span)) = (*keys.until_close, keys.until_close.span()) {
        scope.diagnostics.push(
            Diagnostic::at(Code::InvalidValue, span, "this says how far is not read")
                .help("say how far is: with `until`, `until_line` or `bytes`"),
        );
    }
    keys.until_close.map(|_| Until::Close)
}

fn tls(keys: &TcpKeys<'_>, diagnostics: &mut Diagnostics) -> Option<TlsChanges> {
    match keys.tls.as_ref()? {
        Either::Table(tls) => Some(changes(tls, diagnostics)),
        Either::Value(true) => Some(TlsChanges::default()),
        Either::Value(false) => {
            if let (Some(span), Some(entry)) = (keys.tls.span(), keys.starttls.entry) {
                diagnostics.push(
                    Diagnostic::at(Code::OneOf, span, "`starttls` begins TLS, and this says that there is none")
                        .related(entry.key_span, "`starttls` is here")
                        .help("take one of them out"),
                );
            }
            None
        }
    }
}

fn changes(keys: &TcpTlsKeys<'_>, diagnostics: &mut Diagnostics) -> TlsChanges {
    for item in keys.alpn.items().iter().filter(|item| item.value.is_empty() || item.value.len() > LONGEST_PROTOCOL) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, item.node.span, "this is not the name of a protocol")
                .help(format!("names of ALPN have 1 to {LONGEST_PROTOCOL} bytes, such as \"h2\"")),
        );
    }
    let mut pem = |file: &Field<'_, Option<FilePath<'_>>>| {
        file.and_then(|file| pem_file(file, diagnostics)).map(|path| Pem(Arc::new(path)))
    };
    TlsChanges {
        ca: pem(&keys.ca),
        client: pem(&keys.client_cert).zip(pem(&keys.client_key)),
        min_version: *keys.min_version,
        server_name: keys.server_name.map(str::to_owned),
        insecure: keys.verify.map(|verify| !verify),
        alpn: keys.alpn.items().iter().map(|item| item.value.to_owned()).collect(),
    }
}

/// A connection: the name of its device and its own, as far as the file says them and no run makes them.
type Named<'t> = (Option<&'t str>, Option<&'t str>);

/// Looks for steps that go on with a connection that no step before them opens.
pub(super) fn connections(steps: &[StepItem<'_>], diagnostics: &mut Diagnostics) {
    let mut opened: Vec<Named<'_>> = Vec::new();
    for step in steps {
        for step in step.doing() {
            goes_on(&step.value, &opened, diagnostics);
            let mut own: Vec<Named<'_>> = Vec::new();
            for cleanup in step.value.cleanup.items() {
                // Another process may make the cleanup, and it has none of the run's connections.
                goes_on(&cleanup.value, &own, diagnostics);
                own.extend(opens(&cleanup.value));
            }
        }
        opened.extend(step.doing().iter().filter_map(|step| opens(&step.value)));
    }
}

fn opens<'t>(step: &StepKeys<'t>) -> Option<Named<'t>> {
    let tcp = step.tcp.as_ref()?;
    tcp.connect.entry.map(|_| named(step, tcp))
}

fn named<'t>(step: &StepKeys<'t>, tcp: &TcpKeys<'t>) -> Named<'t> {
    let name = |node: Option<&'t Node<'t>>| node.map_or(Some(DEFAULT), literal);
    (name(*step.device), name(*tcp.connection))
}

fn goes_on(step: &StepKeys<'_>, opened: &[Named<'_>], diagnostics: &mut Diagnostics) {
    let (Some(tcp), Some(entry)) = (step.tcp.as_ref(), step.tcp.entry) else { return };
    if tcp.connect.entry.is_some() {
        return;
    }
    if let Some(retry) = step.retries() {
        diagnostics.push(
            Diagnostic::at(Code::NeedsKey, retry.key_span, "`retry` has no effect without `tcp.connect`")
                .help("a connection that failed is gone: open it in this step, or retry the step that opens it"),
        );
    }
    let (device, connection) = named(step, tcp);
    let is_same = |one: Option<&str>, other: Option<&str>| one.zip(other).is_none_or(|(one, other)| one == other);
    let is_opened = |(on, name): &Named<'_>| is_same(*on, device) && is_same(*name, connection);
    let Some(name) = connection.filter(|_| !opened.iter().any(is_opened)) else { return };
    let span = tcp.connection.span().unwrap_or(entry.key_span);
    let known: HashSet<&str> = opened.iter().filter(|(on, _)| is_same(*on, device)).filter_map(|(_, name)| *name).collect();
    let message = format!("no step before this one opens the connection `{name}` of its device");
    diagnostics.push(
        Diagnostic::at(Code::UnknownConnection, span, message)
            .help("open it with `tcp.connect`, here or in an earlier step of the same device; a cleanup opens its own")
            .mend_name(name, known.iter().copied())
            .maybe_help(did_you_mean(name, known)),
    );
}
