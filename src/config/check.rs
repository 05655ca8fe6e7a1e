//! Compares a tree with the declaration of its keys. Reports keys that are unknown, misplaced, missing, of a wrong type or out of
//! range, and broken rules between the keys of one table: which of them exclude, need or replace each other.
//!
//! Readers that come after it may assume that every missing or unreadable key has been reported.

use super::declaration::{Key, Rule, Section, ValueKind};
use super::diagnostic::{list, nearest, suggestion};
use super::mend::{Mend, meant};
use super::tree::{Data, Node, SourceSpan, Table, TableEntry};
use super::value;
use super::value_kind::{self, ValueError};
use super::{Code, Diagnostic, Diagnostics};

/// Checks a whole document. `span` is what to point at where something is missing.
pub(super) fn document(table: &Table<'_>, section: &'static Section, span: SourceSpan<'_>, diagnostics: &mut Diagnostics) {
    explained(table, section, span, |_, _| None, diagnostics);
}

/// Why a key is none of a section, where that needs saying: the message, and what to do.
pub(super) type WhyNot = fn(&Section, &str) -> Option<(String, &'static str)>;

/// The same, where some keys are missed for a reason.
pub(super) fn explained(
    table: &Table<'_>,
    section: &'static Section,
    span: SourceSpan<'_>,
    why_not: WhyNot,
    diagnostics: &mut Diagnostics,
) {
    Checker { diagnostics, why_not, above: Vec::new() }.table(table, section, span);
}

struct Checker<'d, 'f> {
    diagnostics: &'d mut Diagnostics,
    why_not: WhyNot,
    /// The sections around the one being checked, with the place where the inner one begins.
    above: Vec<(&'static Section, SourceSpan<'f>)>,
}

impl<'f> Checker<'_, 'f> {
    fn table(&mut self, table: &Table<'f>, section: &'static Section, span: SourceSpan<'f>) {
        for entry in &table.entries {
            if self.diagnostics.has_too_many_errors() {
                return;
            }
            match section.key(&entry.key) {
                Some(key) => self.value(&entry.value, &key.kind, section, key.name),
                None => self.unknown(entry, table, section),
            }
        }
        let absent = |key: &&Key| table.get(key.name).is_none() && !misspelt(table, section, key.name);
        for key in section.keys.iter().filter(|key| key.required).filter(absent) {
            self.missing(key, table, section, span);
        }
        for rule in section.rules {
            keeps_to(rule, table, section, span, self.diagnostics);
        }
    }

    fn value(&mut self, node: &Node<'f>, kind: &'static ValueKind, section: &'static Section, name: &str) {
        match (kind, &node.data) {
            (ValueKind::TableOrFalse(_), Data::Bool(false)) => {}
            (
                ValueKind::Table(inner)
                | ValueKind::TableOrFalse(inner)
                | ValueKind::TableOr(inner, _)
                | ValueKind::OneOrMore(inner),
                Data::Table(table),
            ) => self.nested(table, inner(), section, node.span),
            (ValueKind::TableOr(_, other) | ValueKind::TablesOrOne(_, other), _)
                if !matches!(value_kind::check(other, node), Err(ValueError::WrongType)) =>
            {
                self.value(node, other, section, name);
            }
            (
                ValueKind::Tables(_) | ValueKind::TablesOr(..) | ValueKind::TablesOrOne(..) | ValueKind::OneOrMore(_),
                Data::List(items),
            ) if items.is_empty() => {
                self.invalid(node, name, "the list is empty");
            }
            (ValueKind::Tables(inner) | ValueKind::TablesOrOne(inner, _) | ValueKind::OneOrMore(inner), Data::List(items)) => {
                for item in items {
                    match &item.data {
                        Data::Table(table) => self.nested(table, inner(), section, item.span),
                        other => self.wrong_type(item, kind, name, other),
                    }
                }
            }
            (ValueKind::TablesOr(inner, other), Data::List(items)) => {
                for item in items {
                    match &item.data {
                        Data::Table(table) => {
                            let is_other = table.entry(other().telling_key()).is_some();
                            self.nested(table, if is_other { other() } else { inner() }, section, item.span);
                        }
                        found => self.wrong_type(item, kind, name, found),
                    }
                }
            }
            (ValueKind::Regions(inner), Data::Table(table)) => {
                for entry in &table.entries {
                    self.slug_key(entry);
                    match &entry.value.data {
                        Data::Table(region) => self.nested(region, inner(), section, entry.value.span),
                        other => self.wrong_type(&entry.value, kind, &entry.key, other),
                    }
                }
            }
            (ValueKind::Regions(_), Data::List(items)) => {
                for item in items {
                    self.value(item, &ValueKind::Slug, section, name);
                }
            }
            (ValueKind::OneOrList(inner), data) if !matches!(data, Data::List(_)) => self.value(node, inner, section, name),
            (ValueKind::List(inner) | ValueKind::OneOrList(inner), Data::List(items)) => {
                for item in items {
                    self.value(item, inner, section, name);
                }
            }
            (ValueKind::Map(inner), Data::Table(table)) => {
                for entry in &table.entries {
                    self.value(&entry.value, inner, section, &entry.key);
                }
            }
            (ValueKind::Names(inner), Data::Table(table)) => {
                for entry in &table.entries {
                    self.identifier(entry);
                    self.value(&entry.value, inner, section, &entry.key);
                }
            }
            (ValueKind::Json, data) => self.json(node, data, name),
            (_, data) => match value_kind::check(kind, node) {
                Ok(()) => {}
                // Where the name of a secret belongs, the secret itself is likely to stand.
                Err(ValueError::Invalid(why)) if matches!(kind, ValueKind::Secret) => self
                    .diagnostics
                    .push(Diagnostic::at(Code::InvalidValue, node.span, format!("this cannot be `{name}`")).help(why).hidden()),
                Err(ValueError::WrongType) => self.wrong_type(node, kind, name, data),
                Err(ValueError::Invalid(why)) => {
                    let mend = value_kind::meant(kind, node).and_then(|(word, meant)| Mend::word(node.span, word, meant));
                    self.diagnostics.push(invalid(node, name, &why).mend(mend));
                }
            },
        }
    }

    fn nested(&mut self, table: &Table<'f>, inner: &'static Section, outer: &'static Section, span: SourceSpan<'f>) {
        self.above.push((outer, span));
        self.table(table, inner, span);
        self.above.pop();
    }

    fn json(&mut self, node: &Node<'f>, data: &Data<'f>, name: &str) {
        match data {
            Data::Datetime(_) => self.wrong_type(node, &ValueKind::Json, name, data),
            Data::List(items) => items.iter().for_each(|item| self.json(item, &item.data, name)),
            Data::Table(table) => {
                table.entries.iter().for_each(|entry| self.json(&entry.value, &entry.value.data, &entry.key));
            }
            Data::Text(_) | Data::Integer(_) | Data::Float(_) | Data::Bool(_) => {}
        }
    }

    fn identifier(&mut self, entry: &TableEntry<'f>) {
        if !value::is_identifier(&entry.key) {
            self.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, entry.key_span, format!("expressions cannot use the name `{}`", entry.key))
                    .help("names are letters, digits and `_`, and do not begin with a digit"),
            );
        }
    }

    fn slug_key(&mut self, entry: &TableEntry<'f>) {
        let node = Node { span: entry.key_span, data: Data::Text(entry.key.clone()) };
        if let Err(ValueError::Invalid(why)) = value_kind::check(&ValueKind::Slug, &node) {
            self.invalid(&node, &entry.key, &why);
        }
    }

    fn wrong_type(&mut self, node: &Node<'f>, kind: &ValueKind, name: &str, found: &Data<'_>) {
        let message = format!("`{name}` must be {}", kind.describe());
        let is_item = match (kind, found) {
            (ValueKind::List(_), Data::Text(_)) => true,
            (ValueKind::List(item), Data::Table(_)) => matches!(item, ValueKind::TableOr(..)),
            _ => false,
        };
        let in_list = is_item.then(|| "put it into brackets: `[…]`".to_owned());
        self.diagnostics.push(
            Diagnostic::at(Code::WrongType, node.span, message)
                .label(format!("this is {}", found.type_name()))
                .maybe_help(in_list),
        );
    }

    fn invalid(&mut self, node: &Node<'f>, name: &str, why: &str) {
        self.diagnostics.push(invalid(node, name, why));
    }

    fn unknown(&mut self, entry: &TableEntry<'f>, table: &Table<'f>, section: &'static Section) {
        let name = entry.key.as_ref();
        let diagnostic = if section.later.contains(&name) {
            let message = format!("`{name}` of {} comes with a later version", section.title);
            Diagnostic::at(Code::NotYet, entry.key_span, message)
                .help("this version does not act on it, and no key is read and ignored: take it out for now")
        } else if let Some((message, why)) = (self.why_not)(section, name) {
            let known = list(&section.names().collect::<Vec<_>>());
            Diagnostic::at(Code::UnknownKey, entry.key_span, message).help(format!("{why}; {} has {known}", section.title))
        } else if let Some(diagnostic) = self.misplaced(entry, section) {
            diagnostic
        } else {
            let further_in = further_in(name, section);
            // Two methods may be as near, and mean quite different things.
            let is_method = |meant: &str| ["get", "post", "put", "patch", "delete", "head", "options"].contains(&meant);
            let meant = meant(name, section.names())
                .filter(|meant| further_in.is_none() && table.entry(meant).is_none() && !is_method(meant));
            Diagnostic::at(Code::UnknownKey, entry.key_span, format!("{} has no key `{name}`", section.title))
                .mend(meant.and_then(|meant| Mend::word(entry.key_span, name, meant)))
                .maybe_help(further_in.or_else(|| suggestion(name, section.names())))
        };
        self.diagnostics.push(diagnostic);
    }

    /// A key of a section further up that stands below the header of one further down.
    fn misplaced(&self, entry: &TableEntry<'f>, section: &'static Section) -> Option<Diagnostic> {
        let at = self.above.iter().rposition(|(owner, _)| owner.key(&entry.key).is_some())?;
        let (owner, begins) = &self.above[at];
        let owner_begins = at.checked_sub(1).map(|outer| self.above[outer].1);
        let header = header(*begins)?;
        // A typing slip in the table itself is likelier than a misplaced key of the same spelling.
        if nearest(&entry.key, section.names()).is_some_and(|near| near.len() == entry.key.len()) {
            return None;
        }
        let line = begins.location().line;
        let message = format!("`{}` is a key of {}, and stands in {}", entry.key, owner.title, section.title);
        Some(
            Diagnostic::at(Code::MisplacedKey, entry.key_span, message)
                .mend(Mend::above_header(entry, *begins, owner_begins))
                .related(*begins, "what follows this line belongs to it")
                .help(format!("move it above line {line}, where `{header}` begins")),
        )
    }

    fn missing(&mut self, key: &Key, table: &Table<'f>, section: &Section, span: SourceSpan<'f>) {
        let name = key.name;
        let mut diagnostic = Diagnostic::at(Code::MissingKey, span, format!("{} needs the key `{name}`", section.title))
            .help(format!("add `{name}`, {}: {}", key.kind.describe(), key.doc));
        let swallowed = table.entries.iter().find_map(|outer| {
            let inner = outer.value.as_table()?.entry(name)?;
            Some((header(outer.value.span)?, outer.value.span, inner.key_span))
        });
        if let Some((header, begins, inner)) = swallowed {
            let line = begins.location().line;
            diagnostic = diagnostic
                .related(inner, format!("this one belongs to `{header}`"))
                .help(format!("move `{name}` above line {line}, where `{header}` begins"));
        }
        self.diagnostics.push(diagnostic);
    }
}

fn invalid(node: &Node<'_>, name: &str, why: &str) -> Diagnostic {
    Diagnostic::at(Code::InvalidValue, node.span, format!("this cannot be `{name}`")).help(why)
}

/// Unknown keys of a table that may be misspelt ones.
const MISSPELT: usize = 20;

/// Whether a key is there under a name that nobody knows and that suggests this one: reported once is enough.
pub(super) fn misspelt(table: &Table<'_>, section: &Section, name: &str) -> bool {
    let unknown = table
        .entries
        .iter()
        .map(|entry| entry.key.as_ref())
        .filter(|key| section.key(key).is_none() && !section.later.contains(key) && further_in(key, section).is_none());
    unknown.take(MISSPELT).any(|key| nearest(key, section.names()) == Some(name))
}

/// Where a key belongs that stands one table too far out, such as `json` beside `http`.
fn further_in(name: &str, section: &Section) -> Option<String> {
    let holds = |key: &&Key| matches!(key.kind, ValueKind::Table(inner) if inner().key(name).is_some());
    section.keys.iter().find(holds).map(|key| format!("it is a key of `{0}`: write `{0}.{name}`", key.name))
}

/// The text of a `[header]`, if that is how the table was begun.
pub(super) fn header(span: SourceSpan<'_>) -> Option<&str> {
    let text = span.file.text().get(span.range.start..span.range.end)?;
    (text.starts_with('[') && text.ends_with(']') && !text.contains('\n')).then_some(text)
}

/// Reports where `table` does not keep to `rule`; `span` is what to point at where something is missing.
fn keeps_to(rule: &Rule, table: &Table<'_>, section: &Section, span: SourceSpan<'_>, diagnostics: &mut Diagnostics) {
    match rule {
        Rule::ExactlyOne(names) => {
            // A key for later versions in its place has been reported, and so has a misspelt one.
            let replaced = section.later.iter().any(|later| table.entry(later).is_some())
                || names.iter().any(|name| misspelt(table, section, name));
            if !replaced && !names.iter().any(|name| table.entry(name).is_some()) {
                diagnostics.push(none_of(names, section, span));
            }
            at_most_one(names, table, section, diagnostics);
        }
        Rule::AtMostOne(names) => at_most_one(names, table, section, diagnostics),
        Rule::Needs(key, other) => {
            if let (Some(entry), None) = (table.entry(key), table.entry(other))
                && !misspelt(table, section, other)
            {
                diagnostics.push(
                    Diagnostic::at(Code::NeedsKey, entry.key_span, format!("`{key}` has no effect without `{other}`"))
                        .help(format!("add `{other}`, or take `{key}` out")),
                );
            }
        }
        Rule::Excludes(key, others) => {
            let Some(owner) = table.entry(key) else { return };
            for entry in others.iter().filter_map(|other| table.entry(other)) {
                diagnostics.push(
                    Diagnostic::at(Code::OneOf, entry.key_span, format!("`{}` cannot stand beside `{key}`", entry.key))
                        .related(owner.key_span, "this has no result of its own")
                        .help(format!("move it into the steps of `{key}`")),
                );
            }
        }
    }
}

fn none_of(names: &[&str], section: &Section, span: SourceSpan<'_>) -> Diagnostic {
    let wanted = if let [one] = names { format!("`{one}`") } else { format!("one of {}", list(names)) };
    Diagnostic::at(Code::MissingKey, span, format!("{} needs {wanted}", section.title)).help(docs(section, names))
}

fn at_most_one(names: &[&str], table: &Table<'_>, section: &Section, diagnostics: &mut Diagnostics) {
    let mut found = table.entries.iter().filter(|entry| names.contains(&entry.key.as_ref()));
    let Some(first) = found.next() else { return };
    for entry in found {
        let message = format!("{} has either `{}` or `{}`, not both", section.title, first.key, entry.key);
        diagnostics.push(
            Diagnostic::at(Code::OneOf, entry.key_span, message)
                .related(first.key_span, "the first is here")
                .help("take one of them out"),
        );
    }
}

/// What the keys are that could be added.
fn docs(section: &Section, names: &[&str]) -> String {
    let of = |name: &&str| {
        let key = section.key(name)?;
        let inner = key.kind.section().map(|inner| format!(" with {}", list(&inner.names().take(4).collect::<Vec<_>>())));
        Some(format!("`{name}`, {}{}: {}", key.kind.describe(), inner.unwrap_or_default(), key.doc))
    };
    match names {
        [_] => format!("add {}", names.iter().filter_map(of).collect::<String>()),
        _ if names.len() > 2 => "add one of them".to_owned(),
        _ => format!("add either {}", names.iter().filter_map(of).collect::<Vec<_>>().join(" Or ")),
    }
}
