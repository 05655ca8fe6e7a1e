//! The channels pages go out by, `[[notify.*]]`.

use std::sync::Arc;

use crate::plan::{Channel, ChannelKind, MESSAGE_NAMES, SmtpTls};

use super::context::ServiceContext;
use super::diagnostic::nearest;
use super::keys::{AlertmanagerKeys, Common, EmailKeys, NotifyKeys, PagerdutyKeys, SlackKeys, WebhookKeys};
use super::scope::unknown_secret;
use super::section::{Field, Item};
use super::tree::{Node, SourceSpan};
use super::{Code, Diagnostic, Diagnostics, file, service_template, value};

/// A name longer than this that is like no secret's name is likely to be a secret.
const LONGEST_SHOWN: usize = 19;

/// The channels that were read so far.
struct ChannelReader<'w, 't> {
    context: &'w ServiceContext,
    /// Each with what is written of whether it wakes.
    channels: Vec<(Channel, Option<bool>)>,
    names: Vec<(Arc<str>, SourceSpan<'t>)>,
}

impl<'t> ChannelReader<'_, 't> {
    /// Reads all channels of a kind.
    fn all<K>(
        &mut self,
        word: &str,
        written: &[Item<'t, K>],
        common: fn(&K) -> Common<'t>,
        read: fn(&K, &ServiceContext, &mut Diagnostics) -> Option<ChannelKind>,
        diagnostics: &mut Diagnostics,
    ) {
        for Item { value: keys, node } in written {
            let Common { name, least, wakes, timeout } = common(keys);
            let span = name.span().unwrap_or(node.span);
            let name: Arc<str> = name.value.unwrap_or(word).into();
            if let Some((_, first)) = self.names.iter().find(|(known, _)| *known == name) {
                diagnostics.push(
                    Diagnostic::at(Code::Repeated, span, format!("there is a channel `{name}` already"))
                        .related(*first, "the first is here")
                        .help("give it another `name`: routes and metrics tell channels by it"),
                );
            }
            self.names.push((Arc::clone(&name), span));
            let kind = read(keys, self.context, diagnostics);
            self.channels.extend(kind.map(|kind| (Channel { name, least, wakes: true, timeout, kind }, wakes)));
        }
    }

    /// The channels. Where some are of a kind that wakes by default, the others do not; otherwise all do.
    fn channels(self) -> Vec<Arc<Channel>> {
        let some_wake = self.channels.iter().any(|(channel, _)| channel.kind.wakes_by_default());
        let wakes = |channel: &Channel| !some_wake || channel.kind.wakes_by_default();
        self.channels
            .into_iter()
            .map(|(channel, written)| Arc::new(Channel { wakes: written.unwrap_or_else(|| wakes(&channel)), ..channel }))
            .collect()
    }
}

/// Every channel, and whether the service says that it wants none.
pub(super) fn read(keys: &NotifyKeys<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> (Vec<Arc<Channel>>, bool) {
    let mut reader = ChannelReader { context, channels: Vec::new(), names: Vec::new() };
    reader.all("alertmanager", keys.alertmanager.items(), AlertmanagerKeys::common, alertmanager, diagnostics);
    reader.all("pagerduty", keys.pagerduty.items(), PagerdutyKeys::common, pagerduty, diagnostics);
    reader.all("slack", keys.slack.items(), SlackKeys::common, slack, diagnostics);
    reader.all("webhook", keys.webhook.items(), WebhookKeys::common, webhook, diagnostics);
    reader.all("email", keys.email.items(), EmailKeys::common, email, diagnostics);
    let none = *keys.none;
    if let (true, Some(entry), Some((_, first))) = (none, keys.none.entry, reader.names.first()) {
        diagnostics.push(
            Diagnostic::at(Code::OneOf, entry.key_span, "`none = true` says that nobody is to be told, and there is a channel")
                .related(*first, "it is here")
                .help("take one of them out"),
        );
    }
    (reader.channels(), none)
}

fn alertmanager(keys: &AlertmanagerKeys<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Option<ChannelKind> {
    not_empty(keys.urls.node()?, "an Alertmanager without a URL cannot be told", diagnostics);
    let urls = keys.urls.items().iter().map(|item| base(item.value.text)).collect();
    let mut labels = Vec::new();
    for label in keys.labels.items() {
        let name = label.name();
        if !value::is_identifier(name) {
            diagnostics.push(
                Diagnostic::at(Code::InvalidValue, label.entry.key_span, format!("`{name}` is not the name of a label"))
                    .help("names of labels are letters, digits and `_`, and do not begin with a digit"),
            );
        }
        labels.push((name.to_owned(), label.value.to_owned()));
    }
    let headers = service_template::headers(keys.headers.items(), context, diagnostics);
    Some(ChannelKind::Alertmanager { urls, headers, labels, resend: *keys.resend })
}

fn pagerduty(keys: &PagerdutyKeys<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Option<ChannelKind> {
    if let Some(span) = keys.url.span() {
        service_template::warn_of_plain(keys.url.text, span, diagnostics);
    }
    Some(ChannelKind::PagerDuty { routing_key: secret(&keys.routing_key, context, diagnostics)?, url: base(keys.url.text) })
}

fn slack(keys: &SlackKeys<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Option<ChannelKind> {
    Some(ChannelKind::Slack { url: secret(&keys.url, context, diagnostics)?, channel: keys.channel.map(str::to_owned) })
}

fn webhook(keys: &WebhookKeys<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Option<ChannelKind> {
    let names: Vec<&str> = MESSAGE_NAMES.iter().chain(service_template::SECRETS).copied().collect();
    Some(ChannelKind::Webhook {
        url: service_template::url(&keys.url, service_template::SECRETS, context, diagnostics)?,
        headers: service_template::headers(keys.headers.items(), context, diagnostics),
        body: keys.body.map(|node| service_template::template(node, &names, context, diagnostics)),
        signing_key: secret(&keys.signing_key, context, diagnostics),
    })
}

fn email(keys: &EmailKeys<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Option<ChannelKind> {
    let tls = *keys.tls;
    let port = match tls {
        SmtpTls::Implicit => 465,
        SmtpTls::None => 25,
        SmtpTls::StartTls => 587,
    };
    let host = keys.host.value?;
    if let Some(span) = keys.tls.span().filter(|_| tls == SmtpTls::None && !service_template::is_local(host)) {
        diagnostics.push(
            Diagnostic::at(Code::UnprotectedChannel, span, "pages and the password leave this machine unprotected")
                .help("use \"starttls\" or \"implicit\"; \"none\" is for a relay on this machine"),
        );
    }
    not_empty(keys.to.node()?, "a mail needs somebody who gets it", diagnostics);
    Some(ChannelKind::Email {
        host: host.to_owned(),
        port: keys.port.map_or(port, |port| u16::try_from(port.get()).expect("the declared range is that of ports")),
        tls,
        login: keys.user.map(str::to_owned).zip(secret(&keys.password, context, diagnostics)),
        from: keys.from.value?.to_owned(),
        to: keys.to.items().iter().map(|item| item.value.to_owned()).collect(),
        ca: keys.ca.and_then(|path| file::pem_file(path, diagnostics)),
    })
}

fn base(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

fn not_empty(node: &Node<'_>, message: &str, diagnostics: &mut Diagnostics) {
    if node.is_empty_list() {
        diagnostics.push(Diagnostic::at(Code::InvalidValue, node.span, message).help("name at least one"));
    }
}

/// The name of a secret, which must be declared.
fn secret(field: &Field<'_, Option<&str>>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Option<Arc<str>> {
    let (name, span) = (field.value?, field.span()?);
    let known = || context.secrets.keys().map(|name| &**name);
    if !context.secrets.contains_key(name) {
        diagnostics.push(if name.len() > LONGEST_SHOWN && nearest(name, known()).is_none() {
            Diagnostic::at(Code::UnknownSecret, span, "there is no secret of this name")
                .help("secrets are named, never written out: declare it in `[secrets]`, as in `NAME = { env = \"VARIABLE\" }`")
                .hidden()
        } else {
            unknown_secret(name, span, known())
        });
    }
    Some(name.into())
}
