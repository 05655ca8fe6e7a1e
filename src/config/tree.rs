//! A parsed TOML document whose every key and value knows where it is written.
//!
//! Owns reading text into the tree and telling what is not TOML 1.0. What the keys mean is not known here: [`shape`](super::shape)
//! says which there are, [`check`](super::check) holds a tree against that.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::source::{Location, SourceFile, Span};

use super::convert::Converter;
use super::literal::raw_offset;
use super::newer_toml;
use super::{Code, Diagnostic, Diagnostics};

/// A byte range of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'f> {
    pub(super) file: &'f Arc<SourceFile>,
    pub(super) span: Span,
}

impl Spot<'_> {
    /// Position of its beginning.
    pub(super) fn location(self) -> Location {
        self.file.location(self.span.start)
    }

    /// The part of a string literal that holds the value's bytes `range`.
    pub(super) fn within(self, range: Range<usize>) -> Self {
        // What came from an environment variable has no text to point into.
        let Some(raw) = self.file.text().get(Range::from(self.span)).filter(|raw| raw.starts_with(['"', '\''])) else {
            return self;
        };
        let start = self.span.start + raw_offset(raw, range.start);
        let end = self.span.start + raw_offset(raw, range.end.max(range.start));
        Self { span: Span { start, end: end.max(start) }, ..self }
    }
}

/// A value and where it is written. The span of a `[table]` is its header.
#[derive(Debug)]
pub(super) struct Node<'f> {
    pub(super) spot: Spot<'f>,
    pub(super) data: Data<'f>,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Data<'f> {
    Text(Cow<'f, str>),
    Integer(i64),
    Float(f64),
    Bool(bool),
    /// As RFC 3339 writes it, with a `T`.
    Datetime(String),
    List(Vec<Node<'f>>),
    Table(Table<'f>),
}

impl Data<'_> {
    /// The type's name with its article.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Bool(_) => "a boolean",
            Self::Datetime(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Keys and values in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Table<'f> {
    pub(super) entries: Vec<Entry<'f>>,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry<'f> {
    pub(super) key: Cow<'f, str>,
    pub(super) key_spot: Spot<'f>,
    pub(super) value: Node<'f>,
}

impl<'f> Table<'f> {
    pub(super) fn entry(&self, key: &str) -> Option<&Entry<'f>> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node<'f>> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Node::as_text)
    }

    pub(super) fn owned(&self, key: &str) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    pub(super) fn table(&self, key: &str) -> Option<&Self> {
        self.get(key).and_then(Node::as_table)
    }

    /// The entries of the table called `key`; none if there is no such table.
    pub(super) fn entries_of(&self, key: &str) -> &[Entry<'f>] {
        self.table(key).map_or(&[], |table| &table.entries)
    }
}

impl<'f> Node<'f> {
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_list(&self) -> &[Self] {
        match &self.data {
            Data::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn is_empty_list(&self) -> bool {
        matches!(&self.data, Data::List(items) if items.is_empty())
    }

    pub(super) fn as_table(&self) -> Option<&Table<'f>> {
        match &self.data {
            Data::Table(table) => Some(table),
            _ => None,
        }
    }
}

/// Reads a file's text; nothing comes back if it is not TOML 1.0, and the reasons are in `diagnostics`.
pub(super) fn parse<'f>(file: &'f Arc<SourceFile>, diagnostics: &mut Diagnostics) -> Option<Table<'f>> {
    let (document, errors) = DeTable::parse_recoverable(file.text());
    let mut lines: HashSet<u32> = HashSet::new();
    for error in &errors {
        if diagnostics.hopeless() {
            return None;
        }
        let span = error.span().unwrap_or(0..0).into();
        let spot = Spot { file, span };
        // What follows a first error in a line is most often its echo.
        let line = spot.location().line;
        if lines.insert(line) {
            diagnostics.push(syntax_error(error, spot));
        }
    }
    for (span, what) in newer_toml::find(file.text(), errors.is_empty()) {
        diagnostics.push(
            Diagnostic::at(Code::NewerToml, Spot { file, span }, format!("{what} is TOML 1.1, files are read as TOML 1.0"))
                .help("editors and other tools check 1.0; write it in the older way"),
        );
        lines.insert(0);
    }
    if !lines.is_empty() {
        return None;
    }
    let mut converter = Converter { file, fixed: None, diagnostics };
    Some(converter.table(document.into_inner()))
}

/// Reads a single TOML value that came from elsewhere; every part of it is said to be at `spot`.
pub(super) fn value<'f>(text: &'f str, spot: Spot<'f>, diagnostics: &mut Diagnostics) -> Option<Data<'f>> {
    let value = DeValue::parse(text).ok()?.into_inner();
    let mut converter = Converter { file: spot.file, fixed: Some(spot.span), diagnostics };
    Some(converter.node(value, 0..0).data)
}

fn syntax_error(error: &toml::de::Error, spot: Spot<'_>) -> Diagnostic {
    let message = error.message();
    if !["duplicate key", "cannot extend"].iter().any(|known| message.contains(known)) {
        return Diagnostic::at(Code::Syntax, spot, format!("this is not TOML: {message}"));
    }
    let help = if spot.file.text().get(Range::from(spot.span)) == Some("regions") {
        "`regions` is either a list of names or `[regions.NAME]` tables: with tables, leave the list out"
    } else {
        "give each key once; a dotted key such as `http.post = …` and a header such as `[step.http]` are two ways to write one \
         table: use one of them in a step"
    };
    Diagnostic::at(Code::DuplicateKey, spot, "this key is there already").help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<Code> {
        let file = Arc::new(SourceFile::new("a.toml", text));
        let mut diagnostics = Diagnostics::default();
        let table = parse(&file, &mut diagnostics);
        assert_eq!(table.is_none(), diagnostics.has_errors(), "{text}");
        diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
    }

    #[test]
    fn every_line_that_is_not_toml_is_reported() {
        assert_eq!(codes("a = \nb = 1\nc = = 2\n"), [Code::Syntax, Code::Syntax]);
    }

    #[test]
    fn dotted_key_and_header_of_one_table_are_a_duplicate_key() {
        assert_eq!(codes("[[step]]\nhttp.post = \"x\"\n[step.http]\nget = \"y\"\n"), [Code::DuplicateKey]);
    }

    #[test]
    fn toml_1_1_is_refused() {
        assert_eq!(codes("a = { b = 1,\n c = 2 }\n"), [Code::NewerToml]);
        assert_eq!(codes("a = { b = 1, }\n"), [Code::NewerToml]);
        assert_eq!(codes("a = \"\\e\"\n"), [Code::NewerToml]);
        assert_eq!(codes("a = \"\\x41\"\n"), [Code::NewerToml]);
        assert_eq!(codes("a = { b = [1,\n 2,\n], c = '''\n}''' } # {\n[x] # '\nd = 'a,}'"), []);
    }
}
