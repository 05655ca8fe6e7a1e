//! `SERINUS_…` environment variables over the service's file.
//!
//! `SERINUS_LISTEN__ADDRESS` is `address` of `[listen]`: two underscores between levels. Lists are separated by commas, or
//! written as TOML. Paths are relative to the working directory.

use std::sync::Arc;

use crate::source::{SourceFile, Span};

use super::declaration::{Section, ValueKind};
use super::diagnostic::nearest;
use super::keys::Service;
use super::section::DeclaredSection;
use super::tree::{Data, Node, SourceSpan, Table, TableEntry};
use super::{Code, Diagnostic, Diagnostics, parse};

const PREFIX: &str = "SERINUS_";

/// Variables that are read elsewhere in the program.
const ELSEWHERE: [&str; 3] = ["SERINUS_CONFIG", "SERINUS_TOKEN", "SERINUS_URL"];

/// The variables of this process's environment that are text.
pub fn process_environment() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// The overriding variables, with a text to point at in diagnostics: their names, never their values.
#[derive(Debug)]
pub(super) struct Overrides {
    file: Arc<SourceFile>,
    variables: Vec<(String, String)>,
}

impl Overrides {
    /// Takes those variables that begin with `SERINUS_` and are not read elsewhere.
    pub(super) fn new(environment: &[(String, String)]) -> Self {
        let ours = |name: &str| name.starts_with(PREFIX) && !ELSEWHERE.contains(&name);
        let mut variables: Vec<(String, String)> = environment.iter().filter(|(name, _)| ours(name)).cloned().collect();
        variables.sort_unstable();
        let text: String = variables.iter().flat_map(|(name, _)| [name, "\n"]).collect();
        Self { file: Arc::new(SourceFile::new("environment", text)), variables }
    }

    /// The text that diagnostics about variables point into.
    pub(super) fn file(&self) -> &Arc<SourceFile> {
        &self.file
    }

    /// Puts the variables' values into the service's table.
    pub(super) fn apply<'f>(&'f self, table: &mut Table<'f>, diagnostics: &mut Diagnostics) {
        let secrets: Vec<String> =
            table.entries_of("secrets").iter().filter_map(|entry| entry.value.as_table()?.owned("env")).collect();
        let mut start = 0;
        for (name, value) in &self.variables {
            let span = SourceSpan { file: &self.file, range: Span { start, end: start + name.len() } };
            start += name.len() + 1;
            if secrets.contains(name) {
                continue;
            }
            let parts: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
            match find(&parts, Service::SECTION) {
                Some(kind) => set(table, &parts, kind, value, span, diagnostics),
                None => diagnostics.push(unknown(name, span)),
            }
        }
    }
}

/// The kind of the value at a path of keys, if there is one that a variable can hold.
fn find(parts: &[String], section: &'static Section) -> Option<&'static ValueKind> {
    let (first, rest) = parts.split_first()?;
    inside(rest, &section.key(first)?.kind)
}

fn inside(rest: &[String], kind: &'static ValueKind) -> Option<&'static ValueKind> {
    match (kind, rest) {
        // Tables of a list have no names, so a variable can set a key only where there is one table.
        (ValueKind::Table(section) | ValueKind::TableOrFalse(section) | ValueKind::OneOrMore(section), [_, ..]) => {
            find(rest, section())
        }
        (ValueKind::Names(inner) | ValueKind::Map(inner), [name, rest @ ..]) if !name.is_empty() => inside(rest, inner),
        (ValueKind::Regions(section), [name, rest @ ..]) if !name.is_empty() => find(rest, section()),
        (ValueKind::Table(_) | ValueKind::Names(_) | ValueKind::Map(_) | ValueKind::Tables(_) | ValueKind::OneOrMore(_), _)
        | (_, [_, ..]) => None,
        (leaf, []) => Some(leaf),
    }
}

fn set<'f>(
    table: &mut Table<'f>,
    parts: &[String],
    kind: &'static ValueKind,
    value: &'f str,
    span: SourceSpan<'f>,
    diagnostics: &mut Diagnostics,
) {
    let Some((first, rest)) = parts.split_first() else { return };
    let known = table.entries.iter().position(|entry| comparable(&entry.key) == comparable(first));
    let at = known.unwrap_or_else(|| {
        let empty = Node { span, data: Data::Table(Table::default()) };
        table.entries.push(TableEntry { key: first.clone().into(), key_span: span, value: empty });
        table.entries.len() - 1
    });
    let entry = &mut table.entries[at];
    if rest.is_empty() {
        let text_so_far = known.is_none() || entry.value.as_text().is_some();
        entry.value = Node { span, data: read(kind, value, text_so_far, span, diagnostics) };
        return;
    }
    if let Data::List(items) = &mut entry.value.data
        && items.iter().all(|item| item.as_table().is_some())
    {
        match items.as_mut_slice() {
            [Node { data: Data::Table(only), .. }] => return set(only, rest, kind, value, span, diagnostics),
            [] => {}
            several => {
                let message = format!("there are {} tables `{first}`, and a variable cannot tell them apart", several.len());
                diagnostics.push(
                    Diagnostic::at(Code::UnknownVariable, span, message)
                        .help("set it in the file; what differs from place to place can be a secret of `[secrets]`"),
                );
                return;
            }
        }
    }
    if entry.value.as_table().is_none() {
        entry.value = Node { span, data: Data::Table(Table::default()) };
    }
    if let Data::Table(inner) = &mut entry.value.data {
        set(inner, rest, kind, value, span, diagnostics);
    }
}

/// Names as an environment variable can spell them: `eu-west` is `EU_WEST` there.
fn comparable(name: &str) -> String {
    name.to_lowercase().replace(|character: char| !character.is_ascii_alphanumeric(), "_")
}

fn read<'f>(
    kind: &ValueKind,
    value: &'f str,
    text_so_far: bool,
    span: SourceSpan<'f>,
    diagnostics: &mut Diagnostics,
) -> Data<'f> {
    let text = || Data::Text(value.into());
    match kind {
        ValueKind::List(_) | ValueKind::OneOrList(_) | ValueKind::Regions(_) if !value.trim_start().starts_with('[') => {
            let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
            Data::List(items.map(|item| Node { span, data: Data::Text(item.into()) }).collect())
        }
        // A variable keeps the type that its value in the file has; a new one is text.
        ValueKind::TablesOrOne(..) if !value.trim_start().starts_with('[') => text(),
        ValueKind::Json if text_so_far => text(),
        ValueKind::List(_)
        | ValueKind::OneOrList(_)
        | ValueKind::TablesOrOne(..)
        | ValueKind::TableOrFalse(_)
        | ValueKind::DurationOrFalse
        | ValueKind::Regions(_)
        | ValueKind::Json
        | ValueKind::Size
        | ValueKind::Integer { .. }
        | ValueKind::Share
        | ValueKind::Bool
        | ValueKind::Redirects
        | ValueKind::Scalar => parse::value(value, span, diagnostics).unwrap_or_else(text),
        _ => text(),
    }
}

fn unknown(name: &str, span: SourceSpan<'_>) -> Diagnostic {
    let mut known = Vec::new();
    names("", Service::SECTION, &mut known);
    // With the common prefix, every two names would look alike.
    let help = match nearest(&name[PREFIX.len()..], known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{PREFIX}{near}`?"),
        None => "variables are named by the keys of the configuration, with `__` between levels".to_owned(),
    };
    Diagnostic::at(Code::UnknownVariable, span, format!("there is no setting for the environment variable `{name}`")).help(help)
}

/// The variables that have a fixed name.
fn names(prefix: &str, section: &'static Section, known: &mut Vec<String>) {
    for key in section.keys {
        let name = format!("{prefix}{}", key.name.to_uppercase());
        match (&key.kind, key.kind.section()) {
            (ValueKind::Table(_) | ValueKind::TableOrFalse(_) | ValueKind::OneOrMore(_), Some(inner)) => {
                names(&format!("{name}__"), inner, known);
            }
            _ => known.push(name),
        }
    }
}
