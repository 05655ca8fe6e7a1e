//! `[listen]`: where the service answers, who may ask, and which proxies it believes.

use std::sync::Arc;

use crate::plan::{Listen, ListenTls, ListenToken, Network, Proxies, Role};

use super::context::ServiceContext;
use super::file;
use super::keys::{ListenKeys, ListenTlsKeys, TokenKeys};
use super::mend::Mend;
use super::scope::unknown_secret;
use super::section::{Either, Item};
use super::tree::SourceSpan;
use super::{Code, Diagnostic, Diagnostics};

/// More tokens than this cannot be meant.
const MOST_TOKENS: usize = 100;

/// Makes settings of the listener's keys.
pub(super) fn read(keys: &ListenKeys<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Listen {
    let address = *keys.address;
    if let Some(span) = keys.address.span().filter(|_| !address.ip().is_loopback() && keys.token.entry.is_none()) {
        diagnostics.push(
            Diagnostic::at(Code::OpenListener, span, "others can reach this address, and nothing asks who they are")
                .help("name a secret in `listen.token`, or listen on 127.0.0.1"),
        );
    }
    Listen {
        address,
        tokens: tokens(keys, context, diagnostics),
        key: key(keys, context, diagnostics),
        hosts: keys.hosts.iter().filter_map(|host| host_name(host, diagnostics)).collect(),
        proxies: proxies(keys, diagnostics),
        tls: keys.tls.as_ref().and_then(|keys| tls(keys, diagnostics)),
    }
}

/// Complains of a secret that nobody declared.
fn known(name: &str, span: SourceSpan<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) {
    if !context.secrets.contains_key(name) {
        diagnostics.push(unknown_secret(name, span, context.secrets.keys().map(|name| &**name)));
    }
}

fn key(keys: &ListenKeys<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Option<Arc<str>> {
    let (name, span) = keys.key.zip(keys.key.span())?;
    known(name, span, context, diagnostics);
    Some(name.into())
}

fn tokens(keys: &ListenKeys<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Vec<ListenToken> {
    let written = match (&*keys.token, keys.token.span()) {
        (Some(Either::Table(tables)), _) => tables,
        (Some(Either::Value(secret)), Some(span)) => {
            known(secret, span, context, diagnostics);
            return vec![ListenToken { name: ListenToken::UNNAMED.into(), secret: Arc::from(*secret), role: Role::Act }];
        }
        (Some(Either::Value(_)) | None, _) => return Vec::new(),
    };
    let mut tokens: Vec<ListenToken> = Vec::new();
    for Item { value, node } in written.iter().take(MOST_TOKENS) {
        let Some((name, span)) = value.name.zip(value.name.span()) else { continue };
        let (secret, secret_span) = value.secret.zip(value.secret.span()).unwrap_or((name, span));
        if !value.secret.is_unreadable() {
            known(secret, secret_span, context, diagnostics);
        }
        if let Some(diagnostic) = repeated(value, &tokens, span) {
            diagnostics.push(diagnostic.mend(keys.token.node().and_then(|list| Mend::without_item_at(list, node.span))));
            continue;
        }
        tokens.push(ListenToken { name: name.into(), secret: secret.into(), role: *value.role });
    }
    if let Some(Item { node, .. }) = written.get(MOST_TOKENS) {
        diagnostics.push(
            Diagnostic::at(Code::TooMany, node.span, format!("there are more than {MOST_TOKENS} tokens"))
                .help("people are named by a proxy that they log in at: see `listen.user_header`"),
        );
    }
    tokens
}

/// What is wrong with a token that has the name, or the secret, of an earlier one.
fn repeated(value: &TokenKeys<'_>, earlier: &[ListenToken], span: SourceSpan<'_>) -> Option<Diagnostic> {
    let name = (*value.name)?;
    if earlier.iter().any(|token| &*token.name == name) {
        let message = format!("there are two tokens of the name `{name}`");
        return Some(Diagnostic::at(Code::Repeated, span, message).help("the audit log tells tokens apart by their names"));
    }
    let secret = value.secret.unwrap_or(name);
    let same = earlier.iter().find(|token| &*token.secret == secret)?;
    let message = format!("the tokens `{}` and `{name}` are the same secret `{secret}`", same.name);
    let span = value.secret.span().unwrap_or(span);
    Some(
        Diagnostic::at(Code::Repeated, span, message)
            .help("whoever sends it cannot be told apart: give each a secret of its own"),
    )
}

/// A name as it stands in a `Host` header, without the port.
fn host_name(host: &Item<'_, &str>, diagnostics: &mut Diagnostics) -> Option<String> {
    let name = host.value.to_ascii_lowercase();
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if name.trim_end_matches('.').split('.').all(is_label) {
        return Some(name.trim_end_matches('.').to_owned());
    }
    diagnostics
        .push(Diagnostic::at(Code::InvalidValue, host.node.span, "this is not a host name").help(
            "names are written such as \"prober.example.com\", without scheme, port or path; addresses need not be listed",
        ));
    None
}

fn proxies(keys: &ListenKeys<'_>, diagnostics: &mut Diagnostics) -> Proxies {
    let mut network = |item: &Item<'_, &str>| {
        let read = item.value.parse::<Network>();
        read.map_err(|error| {
            let message = "this is neither an address nor a network";
            diagnostics.push(Diagnostic::at(Code::InvalidValue, item.node.span, message).help(error.to_string()));
        })
        .ok()
    };
    let trusted = keys.trusted_proxies.iter().filter_map(&mut network).collect();
    let user = keys.user_header.zip(keys.user_header.span()).and_then(|(name, span)| user_header(name, span, diagnostics));
    if let Some(span) = keys.user_header.span()
        && keys.trusted_proxies.entry.is_some_and(|entry| entry.value.is_empty_list())
    {
        diagnostics.push(
            Diagnostic::at(Code::NeedsKey, span, "`user_header` has no effect without a trusted proxy")
                .help("list the proxy's address in `trusted_proxies`, or take `user_header` out"),
        );
    }
    Proxies { trusted, user: user.map(|name| (name, *keys.user_role)) }
}

/// The name of a header, in lower case. Those that mean something else already name nobody.
fn user_header(name: &str, span: SourceSpan<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    const TAKEN: [&str; 6] = ["authorization", "cookie", "host", "origin", "x-forwarded-for", "x-forwarded-proto"];
    let name = name.to_ascii_lowercase();
    let is_header = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_header && !TAKEN.contains(&&*name) {
        return Some(name);
    }
    diagnostics.push(
        Diagnostic::at(Code::InvalidValue, span, "this is not a header that names a user")
            .help("write the header that the proxy sets after it logged somebody in, such as \"x-forwarded-user\""),
    );
    None
}

fn tls(keys: &ListenTlsKeys<'_>, diagnostics: &mut Diagnostics) -> Option<ListenTls> {
    let certificate = (*keys.certificate).and_then(|path| file::pem_file(path, diagnostics));
    let key = (*keys.key).and_then(|path| file::pem_file(path, diagnostics));
    certificate.zip(key).map(|(certificate, key)| ListenTls { certificate, key })
}
