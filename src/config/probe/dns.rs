//! The question of a DNS step.

use crate::plan::{DnsAction, Template, dns_name, dns_server};

use super::super::keys::{DnsKeys, StepKeys};
use super::super::scope::{NameScope, Stage};
use super::super::tree::Node;
use super::super::{Code, Diagnostic};

/// Reads the keys of `dns` of a step; nothing if a required key is missing.
pub(super) fn read<'f>(keys: &DnsKeys<'f>, step: &StepKeys<'f>, scope: &mut NameScope<'_, 'f>) -> Option<DnsAction> {
    if let (Some(node), Some(record)) = (*keys.name, *keys.record) {
        must_mean_something(node, "name", |text| dns_name(text, record).map(drop), scope);
    }
    if let Some(node) = *keys.server {
        must_mean_something(node, "server", |text| dns_server(text).map(drop), scope);
    }
    useless_cleanup(step, scope);
    let name = keys.name.map(|node| {
        let template = scope.template(node, Stage::Request);
        secret_in_name(node, &template, scope);
        template
    });
    let server = keys.server.map(|node| scope.template(node, Stage::Request));
    Some(DnsAction { name: name?, record: keys.record.value?, server, transport: *keys.transport, recursion: *keys.recursion })
}

/// Checks a text without expressions. A text with expressions is known only in the run.
fn must_mean_something(node: &Node<'_>, key: &str, read: impl Fn(&str) -> Result<(), String>, scope: &mut NameScope<'_, '_>) {
    let text = node.as_text().filter(|text| !text.contains("{{") && !text.contains("{%"));
    if let Some(why) = text.and_then(|text| read(text).err()) {
        scope.diagnostics.push(Diagnostic::at(Code::InvalidValue, node.span, format!("this cannot be `{key}`")).help(why));
    }
}

fn secret_in_name(node: &Node<'_>, template: &Template, scope: &mut NameScope<'_, '_>) {
    if let Some((offset, each)) = template.uses().find(|(_, each)| &*each.root == "secret") {
        let span = node.span.within(offset + each.span.start..offset + each.span.end);
        scope.diagnostics.push(
            Diagnostic::at(Code::SecretInUrl, span, "a secret in a name that is asked for ends up in logs of name servers")
                .help("names are sent in the clear, and passed on: ask for one that anybody may know"),
        );
    }
}

fn useless_cleanup(step: &StepKeys<'_>, scope: &mut NameScope<'_, '_>) {
    if let Some(entry) = step.cleanup.entry {
        scope.diagnostics.push(
            Diagnostic::at(Code::NoEffect, entry.key_span, "a question creates nothing that could be undone")
                .help("give the cleanup to the step that creates; after an answer this one is never made"),
        );
    }
}
