//! The channels pages go out by, `[[notify.*]]`.

use std::sync::Arc;
use std::time::Duration;

use crate::plan::{Channel, ChannelKind, MESSAGE_NAMES, Severity, SmtpTls};

use super::names::unknown_secret;
use super::nearest::nearest;
use super::shape::Kind;
use super::tree::{Node, Spot, Table};
use super::world::World;
use super::{Code, Diagnostic, Diagnostics, device, outside, value};

const TIMEOUT: Duration = Duration::from_secs(10);

/// A name longer than this that is like no secret's name is likely to be a secret.
const LONGEST_SHOWN: usize = 19;

type Reader = fn(&Table<'_>, &World, &mut Diagnostics) -> Option<ChannelKind>;

/// Every kind of channel: its word, the severity it begins with, and how it is read.
const KINDS: [(&str, Severity, Reader); 5] = [
    ("alertmanager", Severity::Warn, alertmanager),
    ("pagerduty", Severity::Page, pagerduty),
    ("slack", Severity::Warn, slack),
    ("webhook", Severity::Warn, webhook),
    ("email", Severity::Warn, email),
];

/// The kinds that wake unless they are told not to; without any of them all channels do.
const WAKING: [&str; 2] = ["alertmanager", "pagerduty"];

/// Every channel, and whether the service says that it wants none.
pub(super) fn read(table: &Table<'_>, world: &World, diagnostics: &mut Diagnostics) -> (Vec<Arc<Channel>>, bool) {
    let Some(notify) = table.table("notify") else { return (Vec::new(), false) };
    let mut channels: Vec<Arc<Channel>> = Vec::new();
    let mut names: Vec<(Arc<str>, Spot<'_>)> = Vec::new();
    let some_wake = WAKING.iter().any(|word| !notify.tables(word).is_empty());
    for (word, least, read) in KINDS {
        for node in notify.tables(word) {
            let Some(inner) = node.as_table() else { continue };
            let name: Arc<str> = inner.text("name").unwrap_or(word).into();
            let spot = inner.get("name").map_or(node.spot, |name| name.spot);
            if let Some((_, first)) = names.iter().find(|(known, _)| *known == name) {
                diagnostics.push(
                    Diagnostic::at(Code::Repeated, spot, format!("there is a channel `{name}` already"))
                        .related(*first, "the first is here")
                        .help("give it another `name`: routes and metrics tell channels by it"),
                );
            }
            names.push((Arc::clone(&name), spot));
            let least = inner.text("least").and_then(Severity::of).unwrap_or(least);
            let timeout = inner.duration("timeout").unwrap_or(TIMEOUT);
            let wakes = inner.bool("wakes").unwrap_or(!some_wake || WAKING.contains(&word));
            let channel = read(inner, world, diagnostics);
            channels.extend(channel.map(|kind| Arc::new(Channel { name, least, wakes, timeout, kind })));
        }
    }
    let none = notify.bool("none") == Some(true);
    if let (true, Some(entry), Some((_, first))) = (none, notify.entry("none"), names.first()) {
        diagnostics.push(
            Diagnostic::at(Code::OneOf, entry.key_spot, "`none = true` says that nobody is to be told, and there is a channel")
                .related(*first, "it is here")
                .help("take one of them out"),
        );
    }
    (channels, none)
}

fn alertmanager(table: &Table<'_>, world: &World, diagnostics: &mut Diagnostics) -> Option<ChannelKind> {
    let node = table.get("urls")?;
    not_empty(node, "an Alertmanager without a URL cannot be told", diagnostics);
    let urls = table.texts("urls").into_iter().filter_map(Node::as_text).map(base).collect();
    let mut labels = Vec::new();
    for entry in table.entries_of("labels") {
        if !value::is_identifier(&entry.key) {
            diagnostics.push(
                Diagnostic::at(Code::InvalidValue, entry.key_spot, format!("`{}` is not the name of a label", entry.key))
                    .help("names of labels are letters, digits and `_`, and do not begin with a digit"),
            );
        }
        labels.push((entry.key.to_string(), entry.value.as_text().unwrap_or_default().to_owned()));
    }
    let resend = table.duration("resend").unwrap_or(Duration::from_mins(1));
    Some(ChannelKind::Alertmanager { urls, headers: outside::headers(table, world, diagnostics), labels, resend })
}

fn pagerduty(table: &Table<'_>, world: &World, diagnostics: &mut Diagnostics) -> Option<ChannelKind> {
    if let Some(node) = table.get("url") {
        outside::warn_of_plain(node, diagnostics);
    }
    Some(ChannelKind::PagerDuty {
        routing_key: secret(table, "routing_key", world, diagnostics)?,
        url: base(table.text("url").unwrap_or("https://events.pagerduty.com")),
    })
}

fn slack(table: &Table<'_>, world: &World, diagnostics: &mut Diagnostics) -> Option<ChannelKind> {
    Some(ChannelKind::Slack { url: secret(table, "url", world, diagnostics)?, channel: table.owned("channel") })
}

fn webhook(table: &Table<'_>, world: &World, diagnostics: &mut Diagnostics) -> Option<ChannelKind> {
    let names: Vec<&str> = MESSAGE_NAMES.iter().chain(outside::SECRETS).copied().collect();
    Some(ChannelKind::Webhook {
        url: outside::url(table, "url", world, diagnostics)?,
        headers: outside::headers(table, world, diagnostics),
        body: table.get("body").map(|node| outside::template(node, &names, world, diagnostics)),
        signing_key: secret(table, "signing_key", world, diagnostics),
    })
}

fn email(table: &Table<'_>, world: &World, diagnostics: &mut Diagnostics) -> Option<ChannelKind> {
    let (tls, port) = match table.text("tls") {
        Some("implicit") => (SmtpTls::Implicit, 465),
        Some("none") => (SmtpTls::None, 25),
        Some(_) | None => (SmtpTls::StartTls, 587),
    };
    let host = table.owned("host")?;
    if let Some(node) = table.get("tls").filter(|_| tls == SmtpTls::None && !outside::is_local(&host)) {
        diagnostics.push(
            Diagnostic::at(Code::UnprotectedChannel, node.spot, "pages and the password leave this machine unprotected")
                .help("use \"starttls\" or \"implicit\"; \"none\" is for a relay on this machine"),
        );
    }
    not_empty(table.get("to")?, "a mail needs somebody who gets it", diagnostics);
    Some(ChannelKind::Email {
        host,
        port: table.count("port").and_then(|port| u16::try_from(port).ok()).unwrap_or(port),
        tls,
        login: table.owned("user").zip(secret(table, "password", world, diagnostics)),
        from: table.owned("from")?,
        to: table.texts("to").into_iter().filter_map(|node| node.as_text().map(str::to_owned)).collect(),
        ca: table.get("ca").and_then(|node| device::pem_file(node, diagnostics)),
    })
}

fn base(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

fn not_empty(node: &Node<'_>, message: &str, diagnostics: &mut Diagnostics) {
    if node.is_empty_list() {
        diagnostics.push(Diagnostic::at(Code::InvalidValue, node.spot, message).help("name at least one"));
    }
}

/// The name of a secret, which must be declared.
fn secret(table: &Table<'_>, key: &str, world: &World, diagnostics: &mut Diagnostics) -> Option<Arc<str>> {
    let node = table.get(key)?;
    let name = node.as_text()?;
    let known = || world.secrets.keys().map(|name| &**name);
    let is_name = super::kind::check(&Kind::Secret, node).is_ok();
    if is_name && !world.secrets.contains_key(name) {
        diagnostics.push(if name.len() > LONGEST_SHOWN && nearest(name, known()).is_none() {
            Diagnostic::at(Code::UnknownSecret, node.spot, "there is no secret of this name")
                .help("secrets are named, never written out: declare it in `[secrets]`, as in `NAME = { env = \"VARIABLE\" }`")
                .hidden()
        } else {
            unknown_secret(name, node.spot, known())
        });
    }
    Some(name.into())
}
