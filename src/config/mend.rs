//! The mend of a problem where there is exactly one that is obvious: which bytes of the file become which text.
//!
//! It is made where the suggestion is made and is a part of the [`Diagnostic`](super::Diagnostic); [`fix`](super::fix) puts it into
//! the file. What does not stand in the file as it was read, such as a value with escapes or one of an environment variable, has none.

use std::sync::Arc;

use crate::base::{only_near, slip_of};
use crate::source::{SourceFile, Span};

use super::tree::{Node, SourceSpan, TableEntry};

/// What would mend a problem.
#[derive(Debug, Clone)]
pub struct Mend {
    /// The file.
    pub file: Arc<SourceFile>,
    /// What changes in it; no two of them overlap.
    pub edits: Vec<Edit>,
}

/// A text in place of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The bytes; none where something is only added.
    pub span: Span,
    /// What is to stand there.
    pub text: String,
}

impl Edit {
    fn new(start: usize, end: usize, text: impl Into<String>) -> Self {
        Self { span: Span { start, end }, text: text.into() }
    }
}

/// The word of ours that was meant, if exactly one is near.
pub(super) fn meant<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let known: Vec<&str> = known.into_iter().collect();
    slip_of(word, known.iter().copied()).or_else(|| only_near(word, known))
}

impl Mend {
    /// `instead` where `word` stands, in the same quotes if it has any.
    pub(super) fn word(span: SourceSpan<'_>, word: &str, instead: &str) -> Option<Self> {
        let written = text(span.file, span.range.start, span.range.end)?;
        let quote = |quote: char| written.strip_prefix(quote)?.strip_suffix(quote);
        let (inner, quotes) = if written == word { (written, 0) } else { (quote('"').or_else(|| quote('\''))?, 1) };
        let is_bare = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.' | '/');
        let needs_escapes = |letter: char| matches!(letter, '"' | '\'' | '\\') || letter.is_control();
        let fits = if quotes == 0 { instead.chars().all(is_bare) } else { !instead.contains(needs_escapes) };
        let edit = Edit::new(span.range.start + quotes, span.range.end - quotes, instead);
        (inner == word && fits && !instead.is_empty()).then(|| Self { file: Arc::clone(span.file), edits: vec![edit] })
    }

    /// A list without one of its items. A comment between it and the item beside it stays, and then there is no mend.
    pub(super) fn without_item(list: &Node<'_>, item: &Node<'_>) -> Option<Self> {
        Self::without_item_at(list, item.span)
    }

    /// The same of the item at a place.
    pub(super) fn without_item_at(list: &Node<'_>, item: SourceSpan<'_>) -> Option<Self> {
        let (file, items) = (list.span.file, list.as_list());
        let is_in_text = text(file, list.span.range.start, list.span.range.end)?.starts_with('[');
        let at = items.iter().position(|each| each.span.range == item.range)?;
        let own = item.range;
        let (start, end) = match (at.checked_sub(1), items.get(at + 1)) {
            (Some(before), _) => (items[before].span.range.end, own.end),
            (None, Some(after)) => (own.start, after.span.range.start),
            (None, None) => (own.start, own.end),
        };
        let beside = [text(file, start, own.start)?, text(file, own.end, end)?];
        let only_commas = beside.iter().all(|text| text.chars().all(|letter| letter == ',' || letter.is_whitespace()));
        (is_in_text && only_commas).then(|| Self { file: Arc::clone(file), edits: vec![Edit::new(start, end, "")] })
    }

    /// The file without a key that is one line with its value, and has no comment there.
    pub(super) fn without_key(entry: &TableEntry<'_>) -> Option<Self> {
        let file = entry.key_span.file;
        let (line, _) = file.line_around(entry.key_span.range.start);
        let value = entry.value.span.range;
        let around = [
            text(file, line.start, entry.key_span.range.start)?,
            text(file, entry.key_span.range.end, value.start)?,
            text(file, value.end, line.end)?,
        ];
        (around.map(str::trim) == ["", "=", ""])
            .then(|| Self { file: Arc::clone(file), edits: vec![Edit::new(line.start, line.end, "")] })
    }

    /// A key's line moved above the `[header]` that begins its table, into the table that begins at `owner` or at the top of the
    /// file. Only where the key and its value are one line of their own and no other header is between.
    pub(super) fn above_header(entry: &TableEntry<'_>, header: SourceSpan<'_>, owner: Option<SourceSpan<'_>>) -> Option<Self> {
        let file = entry.key_span.file;
        let (line, _) = file.line_around(entry.key_span.range.start);
        let (begins, _) = file.line_around(header.range.start);
        let value = entry.value.span.range;
        let equals = text(file, entry.key_span.range.end, value.start)?;
        let behind = text(file, value.end, line.end)?.trim();
        let alone = text(file, line.start, entry.key_span.range.start)?.trim().is_empty()
            && equals.trim() == "="
            && (behind.is_empty() || behind.starts_with('#'));
        let above = text(file, 0, begins.start)?;
        let last_header = above.lines().rev().find(|line| line.trim_start().starts_with('['));
        let (is_own, indent) = match owner {
            Some(owner) => {
                let (line, _) = file.line_around(owner.range.start);
                let owner = text(file, line.start, line.end)?;
                // The last line that looks like a header is the owner's only if nothing between it and here does.
                let between = text(file, line.end, begins.start)?;
                (
                    !between.lines().any(|line| line.trim_start().starts_with('[')),
                    owner.split('[').next().filter(|indent| indent.trim().is_empty())?,
                )
            }
            None => (last_header.is_none(), ""),
        };
        let at = end_of_statements(above);
        let ending = if text(file, begins.start, begins.end)?.ends_with("\r\n") { "\r\n" } else { "\n" };
        let moved = format!("{indent}{}{ending}", text(file, line.start, line.end)?.trim());
        (alone && is_own && begins.start < line.start)
            .then(|| Self { file: Arc::clone(file), edits: vec![Edit::new(at, at, moved), Edit::new(line.start, line.end, "")] })
    }
}

/// Where what is written above a header ends, before its own comment and the empty lines there. A line directly above a header or its
/// comment can only be of a text of several lines if it has its quotes.
fn end_of_statements(above: &str) -> usize {
    let mut rest = above;
    while let Some(line) = rest.lines().next_back().filter(|line| line.trim_start().starts_with('#')) {
        if line.contains("\"\"\"") || line.contains("'''") {
            break;
        }
        rest = &rest[..rest.trim_end_matches(['\r', '\n']).len() - line.trim_end_matches('\r').len()];
    }
    let at = rest.trim_end().len();
    at + rest[at..].find('\n').map_or(0, |end| end + 1)
}

fn text(file: &Arc<SourceFile>, start: usize, end: usize) -> Option<&str> {
    file.text().get(start..end)
}
