//! From a file's text to its tree, and what is not TOML 1.0.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::source::{SourceFile, Span};

use super::nesting::{self, TooDeep};
use super::newer_toml;
use super::tree::{Data, Node, SourceSpan, Table, TableEntry};
use super::{Code, Diagnostic, Diagnostics};

/// Reads a file's text; nothing comes back if it is not TOML 1.0, and the reasons are in `diagnostics`.
pub(super) fn parse<'f>(file: &'f Arc<SourceFile>, diagnostics: &mut Diagnostics) -> Option<Table<'f>> {
    if let Some(too_deep) = nesting::too_deep(file.text()) {
        diagnostics.push(nested_too_deep(file, too_deep));
        return None;
    }
    let (document, errors) = DeTable::parse_recoverable(file.text());
    let mut lines: HashSet<u32> = HashSet::new();
    for error in &errors {
        if diagnostics.has_too_many_errors() {
            return None;
        }
        let span = SourceSpan { file, range: error.span().unwrap_or(0..0).into() };
        // What follows a first error in a line is most often its echo.
        let line = span.location().line;
        if lines.insert(line) {
            diagnostics.push(syntax_error(error, span));
        }
    }
    for (range, what) in newer_toml::find(file.text(), errors.is_empty()) {
        diagnostics.push(
            Diagnostic::at(
                Code::NewerToml,
                SourceSpan { file, range },
                format!("{what} is TOML 1.1, files are read as TOML 1.0"),
            )
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

/// Reads a single TOML value that came from elsewhere; every part of it is said to be at `span`.
pub(super) fn value<'f>(text: &'f str, span: SourceSpan<'f>, diagnostics: &mut Diagnostics) -> Option<Data<'f>> {
    if nesting::too_deep(text).is_some() {
        return None;
    }
    let value = DeValue::parse(text).ok()?.into_inner();
    let mut converter = Converter { file: span.file, fixed: Some(span.range), diagnostics };
    Some(converter.node(value, 0..0).data)
}

fn nested_too_deep(file: &Arc<SourceFile>, TooDeep { at, outermost }: TooDeep) -> Diagnostic {
    let first = SourceSpan { file, range: (outermost..outermost).into() }.location();
    let message = format!("this is nested more than {} levels deep", nesting::MOST);
    Diagnostic::at(Code::TooDeep, SourceSpan { file, range: at.into() }, message).help(format!(
        "the first bracket that is still open here is in line {}, column {}: close it, or nest less",
        first.line, first.column
    ))
}

fn syntax_error(error: &toml::de::Error, span: SourceSpan<'_>) -> Diagnostic {
    let message = error.message();
    if !["duplicate key", "cannot extend"].iter().any(|known| message.contains(known)) {
        return Diagnostic::at(Code::Syntax, span, format!("this is not TOML: {message}"));
    }
    let help = if span.file.text().get(Range::from(span.range)) == Some("regions") {
        "`regions` is either a list of names or `[regions.NAME]` tables: with tables, leave the list out"
    } else {
        "give each key once; a dotted key such as `http.post = …` and a header such as `[step.http]` are two ways to write one \
         table: use one of them in a step"
    };
    Diagnostic::at(Code::DuplicateKey, span, "this key is there already").help(help)
}

/// Makes nodes of a file's values.
struct Converter<'f, 'd> {
    file: &'f Arc<SourceFile>,
    /// Where everything is said to be, if its own places mean nothing.
    fixed: Option<Span>,
    diagnostics: &'d mut Diagnostics,
}

impl<'f> Converter<'f, '_> {
    fn span(&self, range: Range<usize>) -> SourceSpan<'f> {
        SourceSpan { file: self.file, range: self.fixed.unwrap_or_else(|| range.into()) }
    }

    fn table(&mut self, table: DeTable<'f>) -> Table<'f> {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            let key_span = self.span(key.span());
            let range = value.span();
            let value = self.node(value.into_inner(), range);
            entries.push(TableEntry { key: key.into_inner(), key_span, value });
        }
        Table { entries }
    }

    fn node(&mut self, value: DeValue<'f>, range: Range<usize>) -> Node<'f> {
        let span = self.span(range);
        let data = match value {
            DeValue::String(text) => Data::Text(text),
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
                Data::Integer(self.in_range(number, span))
            }
            DeValue::Float(number) => {
                let number = number.as_str().parse::<f64>().ok().filter(|number| number.is_finite());
                Data::Float(self.in_range(number, span))
            }
            DeValue::Boolean(truth) => Data::Bool(truth),
            DeValue::Datetime(moment) => Data::Datetime(moment.to_string()),
            DeValue::Array(items) => Data::List(
                items
                    .into_iter()
                    .map(|item| {
                        let range = item.span();
                        self.node(item.into_inner(), range)
                    })
                    .collect(),
            ),
            DeValue::Table(table) => Data::Table(self.table(table)),
        };
        Node { span, data }
    }

    /// The number, or a stand-in for one that has been reported.
    fn in_range<T: Default>(&mut self, number: Option<T>, span: SourceSpan<'f>) -> T {
        if number.is_none() {
            self.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, span, "this number is too large, or not a number")
                    .help("numbers are finite, and integers fit in 64 bits; longer digits go into a string"),
            );
        }
        number.unwrap_or_default()
    }
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

    /// What is repeated, what stands before and after all of it. Each overflowed the stack, or may in another version.
    const DEEP: [(&str, &str, &str); 14] = [
        ("", "[s]\na = { env = \"X\"\n", ""),
        ("a = ", "{ [] a = ", ""),
        ("a = ", "{ {} a = ", ""),
        ("a = ", "{ a [", ""),
        ("a = ", "{a={b=1},a=", ""),
        ("a = ", "[", ""),
        ("a = ", "[}", ""),
        ("a = ", "[ #\r", ""),
        ("a = ", "[{a=", ""),
        ("", "a.", "a = 1"),
        ("[", "a.", "a]"),
        ("[[", "a.", "a]]"),
        ("a = { ", "a.", "a = 1 }"),
        ("a = [\n", "a\n. = [", ""),
    ];

    #[test]
    fn nesting_without_end_is_a_diagnostic() {
        for (before, piece, after) in DEEP {
            let text = format!("{before}{}{after}\n", piece.repeat(100_000));
            assert_eq!(codes(&text), [Code::TooDeep], "{piece}");
            let file = Arc::new(SourceFile::new("a.toml", ""));
            let span = SourceSpan { file: &file, range: (0..0).into() };
            let text = text.strip_prefix("a = ").unwrap_or(&text);
            assert!(value(text, span, &mut Diagnostics::default()).is_none(), "{piece}");
        }
    }

    #[test]
    fn nesting_by_dots_and_brackets_together_is_a_diagnostic() {
        // Each is within the parser's bounds, and together they are thousands of tables.
        let piece = format!("{}a = {{ ", "a.".repeat(70));
        assert_eq!(codes(&format!("{}{}\n", piece.repeat(70), "}".repeat(70))), [Code::TooDeep]);
        let broken = format!("{}a , = {{ ", "a.".repeat(70));
        assert_eq!(codes(&format!("{}{}\n", broken.repeat(70), "}".repeat(70))), [Code::TooDeep]);
    }

    #[test]
    fn nesting_of_twenty_levels_is_read() {
        assert_eq!(codes(&format!("a = {}1{}\n", "[".repeat(20), "]".repeat(20))), []);
        assert_eq!(codes(&format!("a = {}1{}\n", "{ b = ".repeat(20), "}".repeat(20))), []);
        assert_eq!(codes(&format!("[{}a]\n{}a = {{ b = [1.5] }}\n", "a.".repeat(20), "b.".repeat(20))), []);
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
