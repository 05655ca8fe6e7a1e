//! A parsed TOML document whose every key and value knows where it is written.
//!
//! What the keys mean is not known here: [`declaration`](super::declaration) says which there are, [`check`](super::check) holds a tree against
//! that. [`parse`](super::parse) makes trees of texts.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::source::{Location, SourceFile, Span};

/// A range of bytes in a file: where something is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct SourceSpan<'f> {
    pub(super) file: &'f Arc<SourceFile>,
    pub(super) range: Span,
}

impl SourceSpan<'_> {
    /// Position of its beginning.
    pub(super) fn location(self) -> Location {
        self.file.location(self.range.start)
    }

    /// The part of a string literal that holds the value's bytes `part`.
    pub(super) fn within(self, part: Range<usize>) -> Self {
        // What came from an environment variable has no text to point into.
        let Some(raw) = self.file.text().get(Range::from(self.range)).filter(|raw| raw.starts_with(['"', '\''])) else {
            return self;
        };
        let start = self.range.start + raw_offset(raw, part.start);
        let end = self.range.start + raw_offset(raw, part.end.max(part.start));
        Self { range: Span { start, end: end.max(start) }, ..self }
    }
}

/// What to point at in a file where nothing better is known.
pub(super) fn first_line(text: &str) -> Span {
    (0..text.find('\n').unwrap_or(text.len())).into()
}

/// A value and where it is written. The span of a `[table]` is its header.
#[derive(Debug, Clone)]
pub(super) struct Node<'f> {
    pub(super) span: SourceSpan<'f>,
    pub(super) data: Data<'f>,
}

/// What a value is.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone, Default)]
pub(super) struct Table<'f> {
    pub(super) entries: Vec<TableEntry<'f>>,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct TableEntry<'f> {
    pub(super) key: Cow<'f, str>,
    pub(super) key_span: SourceSpan<'f>,
    pub(super) value: Node<'f>,
}

impl<'f> Table<'f> {
    pub(super) fn entry(&self, key: &str) -> Option<&TableEntry<'f>> {
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
    pub(super) fn entries_of(&self, key: &str) -> &[TableEntry<'f>] {
        self.table(key).map_or(&[], |table| &table.entries)
    }
}

impl<'f> Node<'f> {
    /// Adds the texts in it, in their order.
    pub(super) fn add_texts<'n>(&'n self, texts: &mut Vec<&'n Self>) {
        match &self.data {
            Data::List(items) => items.iter().for_each(|item| item.add_texts(texts)),
            Data::Table(table) => table.entries.iter().for_each(|entry| entry.value.add_texts(texts)),
            Data::Text(_) => texts.push(self),
            Data::Integer(_) | Data::Float(_) | Data::Bool(_) | Data::Datetime(_) => {}
        }
    }

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

/// The byte offset, from the start of the literal (its quotes included), of the value's byte `target`.
///
/// Escapes, the line break after opening `"""`, and line-ending backslashes are followed. An offset past the value's end
/// gives the closing quote.
fn raw_offset(literal: &str, target: usize) -> usize {
    let (quote, multi_line) = match literal.as_bytes() {
        [b'"', b'"', b'"', ..] => ('"', true),
        [b'\'', b'\'', b'\'', ..] => ('\'', true),
        [b'\'', ..] => ('\'', false),
        [b'"', ..] => ('"', false),
        _ => return target.min(literal.len()),
    };
    let opening = if multi_line { 3 } else { 1 };
    let mut at = opening;
    let end = literal.len().saturating_sub(opening);
    if multi_line {
        at += ["\r\n", "\n"].iter().find(|line| literal[at..].starts_with(**line)).map_or(0, |line| line.len());
    }
    let mut decoded = 0;
    while decoded < target && at < end {
        let Some(next) = literal[at..].chars().next() else { break };
        if next != '\\' || quote == '\'' {
            at += next.len_utf8();
            decoded += next.len_utf8();
            continue;
        }
        let (raw, value) = escape(&literal[at..end]);
        at += raw;
        decoded += value;
    }
    at.min(end)
}

/// Bytes that the escape at the start of `text` takes, and bytes of the value it stands for.
fn escape(text: &str) -> (usize, usize) {
    let code_point = |digits: usize| {
        let value = text.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        (2 + digits, value.map_or(0, char::len_utf8))
    };
    match text.as_bytes().get(1) {
        Some(b'u') => code_point(4),
        Some(b'U') => code_point(8),
        Some(b' ' | b'\t' | b'\r' | b'\n') => (text.len() - text[1..].trim_start().len(), 0),
        Some(_) => (2, 1),
        None => (1, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_behind_escapes_are_found() {
        assert_eq!(raw_offset(r#""abc""#, 1), 2);
        assert_eq!(raw_offset(r#""a\"bc""#, 2), 4);
        assert_eq!(raw_offset(r#""\u00e9x""#, 2), 7);
        assert_eq!(raw_offset(r"'a\b'", 3), 4);
    }

    #[test]
    fn places_in_multi_line_strings_are_found() {
        assert_eq!(raw_offset("\"\"\"\nab\"\"\"", 1), 5);
        assert_eq!(raw_offset("\"\"\"a\\\n   b\"\"\"", 1), 4);
        assert_eq!(raw_offset("\"\"\"a\\\n   b\"\"\"", 2), 10);
    }

    #[test]
    fn a_place_past_the_end_is_the_closing_quote() {
        assert_eq!(raw_offset(r#""ab""#, 9), 3);
    }
}
