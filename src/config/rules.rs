//! Rules between the keys of one table: which of them exclude, need or replace each other.

use super::check::misspelt;
use super::keys::inner_section;
use super::nearest::list;
use super::shape::{Rule, Section};
use super::tree::{Spot, Table};
use super::{Code, Diagnostic, Diagnostics};

/// Reports where `table` does not keep to `rule`; `spot` is what to point at where something is missing.
pub(super) fn check(rule: &Rule, table: &Table<'_>, section: &Section, spot: Spot<'_>, diagnostics: &mut Diagnostics) {
    match rule {
        Rule::ExactlyOne(names) => {
            // A key for later versions in its place has been reported, and so has a misspelt one.
            let replaced = section.later.iter().any(|later| table.entry(later).is_some())
                || names.iter().any(|name| misspelt(table, section, name));
            if !replaced && !names.iter().any(|name| table.entry(name).is_some()) {
                diagnostics.push(none_of(names, section, spot));
            }
            at_most_one(names, table, section, diagnostics);
        }
        Rule::AtMostOne(names) => at_most_one(names, table, section, diagnostics),
        Rule::Needs(key, other) => {
            if let (Some(entry), None) = (table.entry(key), table.entry(other))
                && !misspelt(table, section, other)
            {
                diagnostics.push(
                    Diagnostic::at(Code::NeedsKey, entry.key_spot, format!("`{key}` has no effect without `{other}`"))
                        .help(format!("add `{other}`, or take `{key}` out")),
                );
            }
        }
        Rule::Excludes(key, others) => {
            let Some(owner) = table.entry(key) else { return };
            for entry in others.iter().filter_map(|other| table.entry(other)) {
                diagnostics.push(
                    Diagnostic::at(Code::OneOf, entry.key_spot, format!("`{}` cannot stand beside `{key}`", entry.key))
                        .related(owner.key_spot, "this has no result of its own")
                        .help(format!("move it into the steps of `{key}`")),
                );
            }
        }
    }
}

fn none_of(names: &[&str], section: &Section, spot: Spot<'_>) -> Diagnostic {
    let wanted = if let [one] = names { format!("`{one}`") } else { format!("one of {}", list(names)) };
    Diagnostic::at(Code::MissingKey, spot, format!("{} needs {wanted}", section.title)).help(docs(section, names))
}

fn at_most_one(names: &[&str], table: &Table<'_>, section: &Section, diagnostics: &mut Diagnostics) {
    let mut found = table.entries.iter().filter(|entry| names.contains(&entry.key.as_ref()));
    let Some(first) = found.next() else { return };
    for entry in found {
        let message = format!("{} has either `{}` or `{}`, not both", section.title, first.key, entry.key);
        diagnostics.push(
            Diagnostic::at(Code::OneOf, entry.key_spot, message)
                .related(first.key_spot, "the first is here")
                .help("take one of them out"),
        );
    }
}

/// What the keys are that could be added.
fn docs(section: &Section, names: &[&str]) -> String {
    let of = |name: &&str| {
        let key = section.key(name)?;
        let inner = inner_section(&key.kind).map(|inner| format!(" with {}", list(&inner.names().take(4).collect::<Vec<_>>())));
        Some(format!("`{name}`, {}{}: {}", key.kind.describe(), inner.unwrap_or_default(), key.doc))
    };
    match names {
        [_] => format!("add {}", names.iter().filter_map(of).collect::<String>()),
        _ if names.len() > 2 => "add one of them".to_owned(),
        _ => format!("add either {}", names.iter().filter_map(of).collect::<Vec<_>>().join(" Or ")),
    }
}
