//! Templates that the service renders itself, outside of any run: headers of exports, addresses and bodies of pages.

use crate::plan::Template;

use super::context::ServiceContext;
use super::diagnostic::list;
use super::scope::{DeclaredName, NameScope, Stage};
use super::section::{Field, Named};
use super::tree::{Data, Node, SourceSpan};
use super::{Code, Diagnostic, Diagnostics};

/// The only name that is always in scope here.
pub(super) const SECRETS: &[&str] = &["secret"];

/// A template that may use these names and no others.
pub(super) fn template(node: &Node<'_>, names: &[&str], context: &ServiceContext, diagnostics: &mut Diagnostics) -> Template {
    let mut found = Diagnostics::default();
    let mut scope = NameScope::new(context, &mut found);
    let declared = |name: &&str| DeclaredName { name: (*name).to_owned(), span: node.span, what: "name" };
    scope.visible.extend(names.iter().map(declared));
    let template = scope.template(node, Stage::BeforeStep);
    let in_scope = match names {
        ["secret"] => "only `secret.NAME` is in scope".to_owned(),
        [one] => format!("only `{one}` is in scope"),
        several => format!("in scope here: {}", list(several)),
    };
    let known = template.names().iter().all(|name| names.contains(&name.as_str()));
    if !known && !found.has_errors() && matches!(node.data, Data::Text(_)) {
        found
            .push(Diagnostic::at(Code::UnknownName, node.span, "there is no run here whose names could be used").help(&in_scope));
    }
    // The usual help says how a probe declares a name. Nothing can be declared here.
    found.help_instead(Code::UnknownName, &in_scope);
    diagnostics.append(found);
    template
}

/// Headers of requests that no run makes.
pub(super) fn headers(
    written: &[Named<'_, &Node<'_>>],
    context: &ServiceContext,
    diagnostics: &mut Diagnostics,
) -> Vec<(String, Template)> {
    let mut headers = Vec::new();
    for Named { entry, value } in written {
        if http::HeaderName::from_bytes(entry.key.as_bytes()).is_err() {
            diagnostics.push(
                Diagnostic::at(Code::InvalidValue, entry.key_span, format!("`{}` is not the name of a header", entry.key))
                    .help("header names are letters, digits and `-`"),
            );
        }
        headers.push((entry.key.to_string(), template(value, SECRETS, context, diagnostics)));
    }
    headers
}

/// An address that may use these names. Over plain HTTP it is warned of, unless it stays on this machine.
pub(super) fn url(
    field: &Field<'_, Option<&Node<'_>>>,
    names: &[&str],
    context: &ServiceContext,
    diagnostics: &mut Diagnostics,
) -> Option<Template> {
    let node = field.value?;
    let (text, key) = (node.as_text()?, &field.entry?.key);
    if !["https://", "http://", "{{"].iter().any(|begin| text.starts_with(begin)) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.span, format!("this cannot be `{key}`"))
                .help("write a URL that begins with https:// or http://, or a secret that is one: \"{{ secret.NAME }}\""),
        );
    }
    warn_of_plain(text, node.span, diagnostics);
    Some(template(node, names, context, diagnostics))
}

/// Warns of an address that others on the way can read and change.
pub(super) fn warn_of_plain(text: &str, span: SourceSpan<'_>, diagnostics: &mut Diagnostics) {
    let foreign = url::Url::parse(text).is_ok_and(|url| url.host_str().is_some_and(|host| !is_local(host)));
    if text.starts_with("http://") && foreign {
        diagnostics.push(
            Diagnostic::at(Code::UnprotectedChannel, span, "pages leave this machine unprotected")
                .help("others on the way can read and change them: use https://"),
        );
    }
}

/// Whether a host is this machine.
pub(super) fn is_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
