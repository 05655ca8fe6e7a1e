//! What a step sends and reads over a TCP connection, and whether some step before has opened it.

use std::collections::HashSet;

use regex::bytes::{Regex, RegexBuilder};

use crate::plan::{Payload, TcpAction, TcpTarget, TlsChanges, Until};

use super::super::check::misspelt;
use super::super::keys::STEP;
use super::super::nearest::did_you_mean;
use super::super::scope::{Scope, When};
use super::super::steps::{cleanups, doing, tables};
use super::super::tree::{Data, Node, Spot, Table};
use super::super::{Code, Diagnostic, Diagnostics, device};

/// Bytes that a pattern may take once it is compiled.
const COMPILED: usize = 1 << 20;

/// A name of ALPN is written with its length in one byte.
const LONGEST_PROTOCOL: usize = 255;

/// Where nothing is said, a step acts on the device of this name, and over the connection of this name.
const DEFAULT: &str = "default";

/// Reads the `tcp` table of the step at `step`.
pub(super) fn read<'f>(table: &Table<'f>, step: Spot<'f>, scope: &mut Scope<'_, 'f>) -> TcpAction {
    let only_names = !table.entries.is_empty() && table.entries.iter().all(|entry| entry.key == "connection");
    if only_names {
        scope.diagnostics.push(
            Diagnostic::at(Code::MissingKey, step, "this step does nothing with its connection")
                .help("say what: `tcp.connect`, `tcp.send`, `tcp.read` or `tcp.close`"),
        );
    }
    let connect = table.get("connect").map(|node| {
        target(node, scope.diagnostics);
        scope.template(node, When::Before)
    });
    TcpAction {
        connection: table.get("connection").map(|node| scope.template(node, When::Before)),
        connect,
        starttls: table.text("starttls").and_then(|word| word.parse().ok()),
        tls: tls(table, scope.diagnostics),
        greeting: until(table, "greeting", scope),
        send: table.get("send").and_then(|node| payload(node, scope)),
        read: until(table, "read", scope),
        close: table.bool("close").unwrap_or(false),
        response_bytes: table.size("max_response"),
    }
}

/// A text that is written out, without anything to be evaluated.
fn literal<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    node.as_text().filter(|text| !text.contains("{{") && !text.contains("{%"))
}

fn target(node: &Node<'_>, diagnostics: &mut Diagnostics) {
    if let Some(why) = literal(node).and_then(|text| TcpTarget::parse(text).err()) {
        diagnostics.push(Diagnostic::at(Code::InvalidValue, node.spot, "this cannot be connected to").help(why));
    }
}

fn payload<'f>(node: &Node<'f>, scope: &mut Scope<'_, 'f>) -> Option<Payload> {
    let Data::Table(table) = &node.data else { return Some(Payload::Text(scope.template(node, When::Before))) };
    let (node, payload) = match (table.get("hex"), table.get("base64")) {
        (Some(node), _) => (node, Payload::Hex(scope.template(node, When::Before))),
        (None, Some(node)) => (node, Payload::Base64(scope.template(node, When::Before))),
        (None, None) => return None,
    };
    if let Some(why) = literal(node).and_then(|text| payload.bytes(text.to_owned()).err()) {
        scope.diagnostics.push(Diagnostic::at(Code::InvalidValue, node.spot, "this stands for no bytes").help(why));
    }
    Some(payload)
}

fn until<'f>(outer: &Table<'f>, key: &str, scope: &mut Scope<'_, 'f>) -> Option<Until> {
    let table = outer.table(key)?;
    if let Some(node) = table.get("until") {
        if node.as_text() == Some("") {
            scope.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, node.spot, "nothing would be read up to an empty text")
                    .help("name what the answer ends with, such as \"\\r\\n\""),
            );
        }
        return Some(Until::Text(scope.template(node, When::Before)));
    }
    if let Some(node) = table.get("until_line") {
        return pattern(node, scope.diagnostics).map(Until::Line);
    }
    if let (Some(bytes), Some(node)) = (table.size("bytes"), table.get("bytes")) {
        let most = outer.size("max_response").unwrap_or(scope.world.limits.response_bytes);
        if bytes > most {
            let message = format!("these are more bytes than a step may read at once, {most}");
            scope
                .diagnostics
                .push(Diagnostic::at(Code::InvalidValue, node.spot, message).help("read less, or raise `tcp.max_response`"));
        }
        return Some(Until::Bytes(bytes));
    }
    let node = table.get("until_close")?;
    if matches!(node.data, Data::Bool(false)) {
        scope.diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.spot, "this says how far is not read")
                .help("say how far is: with `until`, `until_line` or `bytes`"),
        );
    }
    Some(Until::Close)
}

fn pattern(node: &Node<'_>, diagnostics: &mut Diagnostics) -> Option<Regex> {
    let (message, help) = match RegexBuilder::new(node.as_text()?).size_limit(COMPILED).build() {
        Ok(pattern) => return Some(pattern),
        // The last line says what is wrong, those before show where.
        Err(regex::Error::Syntax(why)) => (
            format!("this is no regular expression: {}", why.lines().last().unwrap_or_default().trim_start_matches("error: ")),
            "write it as the Rust crate `regex` reads it, in single quotes: '^250 '",
        ),
        Err(why) => (format!("this pattern cannot be used: {why}"), "make it a simpler one"),
    };
    diagnostics.push(Diagnostic::at(Code::InvalidValue, node.spot, message).help(help));
    None
}

fn tls(table: &Table<'_>, diagnostics: &mut Diagnostics) -> Option<TlsChanges> {
    let node = table.get("tls")?;
    let changes = match &node.data {
        Data::Bool(true) => TlsChanges::default(),
        Data::Table(inner) => changes(inner, diagnostics),
        _ => {
            if let (Data::Bool(false), Some(entry)) = (&node.data, table.entry("starttls")) {
                diagnostics.push(
                    Diagnostic::at(Code::OneOf, node.spot, "`starttls` begins TLS, and this says that there is none")
                        .related(entry.key_spot, "`starttls` is here")
                        .help("take one of them out"),
                );
            }
            return None;
        }
    };
    Some(changes)
}

fn changes(table: &Table<'_>, diagnostics: &mut Diagnostics) -> TlsChanges {
    let ca = device::pem(table, "ca", diagnostics);
    let client = device::pem(table, "client_cert", diagnostics).zip(device::pem(table, "client_key", diagnostics));
    let mut alpn = Vec::new();
    for node in table.list("alpn") {
        let Some(name) = node.as_text() else { continue };
        if name.is_empty() || name.len() > LONGEST_PROTOCOL {
            diagnostics.push(
                Diagnostic::at(Code::InvalidValue, node.spot, "this is not the name of a protocol")
                    .help(format!("names of ALPN have 1 to {LONGEST_PROTOCOL} bytes, such as \"h2\"")),
            );
        }
        alpn.push(name.to_owned());
    }
    TlsChanges {
        ca,
        client,
        min_version: device::min_version(table),
        server_name: table.owned("server_name"),
        insecure: table.bool("verify").map(|verify| !verify),
        alpn,
    }
}

/// A connection, as far as the file names it: `None` stands for a name that a run makes.
type Named<'t> = (Option<&'t str>, Option<&'t str>);

/// Looks for steps that go on with a connection that no step before them opens.
pub(super) fn connections(probe: &Table<'_>, diagnostics: &mut Diagnostics) {
    let mut opened: Vec<Named<'_>> = Vec::new();
    for step in probe.list("step") {
        let together = doing(step);
        for (_, table) in tables(together.iter().copied()) {
            goes_on(table, &opened, diagnostics);
            let mut own: Vec<Named<'_>> = Vec::new();
            for (_, cleanup) in tables(cleanups(table)) {
                // It may be made by another process, which has none of the run's connections.
                goes_on(cleanup, &own, diagnostics);
                own.extend(opens(cleanup));
            }
        }
        opened.extend(tables(together).into_iter().filter_map(|(_, table)| opens(table)));
    }
}

fn opens<'t>(step: &'t Table<'_>) -> Option<Named<'t>> {
    step.table("tcp").filter(|tcp| tcp.get("connect").is_some()).map(|_| named(step))
}

fn named<'t>(step: &'t Table<'_>) -> Named<'t> {
    let name = |node: Option<&'t Node<'_>>| node.map_or(Some(DEFAULT), literal);
    (name(step.get("device")), name(step.table("tcp").and_then(|tcp| tcp.get("connection"))))
}

fn goes_on(step: &Table<'_>, opened: &[Named<'_>], diagnostics: &mut Diagnostics) {
    let Some((entry, tcp)) = step.entry("tcp").and_then(|entry| Some((entry, entry.value.as_table()?))) else { return };
    if tcp.get("connect").is_some() || tcp.entries.is_empty() || misspelt(step, &STEP, "tcp") {
        return;
    }
    if let Some(retry) = step.entry("retry") {
        diagnostics.push(
            Diagnostic::at(Code::NeedsKey, retry.key_spot, "`retry` has no effect without `tcp.connect`")
                .help("a connection that failed is gone: open it in this step, or retry the step that opens it"),
        );
    }
    let (device, connection) = named(step);
    let is_same = |one: Option<&str>, other: Option<&str>| one.zip(other).is_none_or(|(one, other)| one == other);
    let is_opened = |(on, name): &Named<'_>| is_same(*on, device) && is_same(*name, connection);
    let Some(name) = connection.filter(|_| !opened.iter().any(is_opened)) else { return };
    let spot = tcp.get("connection").map_or(entry.key_spot, |node| node.spot);
    let known: HashSet<&str> = opened.iter().filter(|(on, _)| is_same(*on, device)).filter_map(|(_, name)| *name).collect();
    diagnostics.push(
        Diagnostic::at(
            Code::UnknownConnection,
            spot,
            format!("no step before this one opens the connection `{name}` of its device"),
        )
        .help("open it with `tcp.connect`, here or in an earlier step of the same device; a cleanup opens its own")
        .maybe_help(did_you_mean(name, known)),
    );
}
