//! The question of a DNS step.

use hickory_proto::rr::RecordType;

use crate::plan::{DnsAction, DnsTransport, Template, dns_name, dns_server};

use super::super::scope::{Scope, When};
use super::super::tree::{Node, Spot, Table};
use super::super::{Code, Diagnostic};

/// Reads the `dns` table of `step`, which stands at `spot`.
pub(super) fn read<'f>(table: &Table<'f>, step: &Table<'f>, spot: Spot<'f>, scope: &mut Scope<'_, 'f>) -> DnsAction {
    // A type that is missing or not known has been reported.
    let record = table.text("type").and_then(|word| word.parse().ok());
    if let (Some(node), Some(record)) = (table.get("name"), record) {
        must_mean_something(node, "name", |text| dns_name(text, record).map(drop), scope);
    }
    if let Some(node) = table.get("server") {
        must_mean_something(node, "server", |text| dns_server(text).map(drop), scope);
    }
    useless_cleanup(step, scope);
    let name = match table.get("name") {
        Some(node) => {
            let template = scope.template(node, When::Before);
            secret_in_name(node, &template, scope);
            template
        }
        None => Template::parse("", spot.location()).expect("an empty text is a template"),
    };
    DnsAction {
        name,
        record: record.unwrap_or(RecordType::A),
        server: table.get("server").map(|node| scope.template(node, When::Before)),
        transport: if table.text("transport") == Some("tcp") { DnsTransport::Tcp } else { DnsTransport::Udp },
        recursion: table.bool("recursion").unwrap_or(true),
    }
}

/// Checks a text without expressions; what others yield is known in the run.
fn must_mean_something(node: &Node<'_>, key: &str, read: impl Fn(&str) -> Result<(), String>, scope: &mut Scope<'_, '_>) {
    let text = node.as_text().filter(|text| !text.contains("{{") && !text.contains("{%"));
    if let Some(why) = text.and_then(|text| read(text).err()) {
        scope.diagnostics.push(Diagnostic::at(Code::InvalidValue, node.spot, format!("this cannot be `{key}`")).help(why));
    }
}

fn secret_in_name(node: &Node<'_>, template: &Template, scope: &mut Scope<'_, '_>) {
    if let Some((offset, each)) = template.uses().find(|(_, each)| &*each.root == "secret") {
        let spot = node.spot.within(offset + each.span.start..offset + each.span.end);
        scope.diagnostics.push(
            Diagnostic::at(Code::SecretInUrl, spot, "a secret in a name that is asked for ends up in logs of name servers")
                .help("names are sent in the clear, and passed on: ask for one that anybody may know"),
        );
    }
}

fn useless_cleanup(step: &Table<'_>, scope: &mut Scope<'_, '_>) {
    if let Some(entry) = step.entry("cleanup") {
        scope.diagnostics.push(
            Diagnostic::at(Code::NoEffect, entry.key_spot, "a question creates nothing that could be undone")
                .help("give the cleanup to the step that creates; after an answer this one is never made"),
        );
    }
}
