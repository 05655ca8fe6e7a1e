//! From a file's text to its tree, and what is not TOML 1.0.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::source::{SourceFile, Span};

use super::newer_toml;
use super::tree::{Data, Entry, Node, Spot, Table};
use super::{Code, Diagnostic, Diagnostics};

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

/// Makes nodes of a file's values.
struct Converter<'f, 'd> {
    file: &'f Arc<SourceFile>,
    /// Where everything is said to be, if its own places mean nothing.
    fixed: Option<Span>,
    diagnostics: &'d mut Diagnostics,
}

impl<'f> Converter<'f, '_> {
    fn spot(&self, span: Range<usize>) -> Spot<'f> {
        Spot { file: self.file, span: self.fixed.unwrap_or_else(|| span.into()) }
    }

    fn table(&mut self, table: DeTable<'f>) -> Table<'f> {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            let key_spot = self.spot(key.span());
            let span = value.span();
            let value = self.node(value.into_inner(), span);
            entries.push(Entry { key: key.into_inner(), key_spot, value });
        }
        Table { entries }
    }

    fn node(&mut self, value: DeValue<'f>, span: Range<usize>) -> Node<'f> {
        let spot = self.spot(span);
        let data = match value {
            DeValue::String(text) => Data::Text(text),
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
                Data::Integer(self.in_range(number, spot))
            }
            DeValue::Float(number) => {
                let number = number.as_str().parse::<f64>().ok().filter(|number| number.is_finite());
                Data::Float(self.in_range(number, spot))
            }
            DeValue::Boolean(truth) => Data::Bool(truth),
            DeValue::Datetime(moment) => Data::Datetime(moment.to_string()),
            DeValue::Array(items) => Data::List(
                items
                    .into_iter()
                    .map(|item| {
                        let span = item.span();
                        self.node(item.into_inner(), span)
                    })
                    .collect(),
            ),
            DeValue::Table(table) => Data::Table(self.table(table)),
        };
        Node { spot, data }
    }

    /// The number, or a stand-in for one that has been reported.
    fn in_range<T: Default>(&mut self, number: Option<T>, spot: Spot<'f>) -> T {
        if number.is_none() {
            self.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, spot, "this number is too large, or not a number")
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

    #[test]
    fn toml_1_1_is_refused() {
        assert_eq!(codes("a = { b = 1,\n c = 2 }\n"), [Code::NewerToml]);
        assert_eq!(codes("a = { b = 1, }\n"), [Code::NewerToml]);
        assert_eq!(codes("a = \"\\e\"\n"), [Code::NewerToml]);
        assert_eq!(codes("a = \"\\x41\"\n"), [Code::NewerToml]);
        assert_eq!(codes("a = { b = [1,\n 2,\n], c = '''\n}''' } # {\n[x] # '\nd = 'a,}'"), []);
    }
}
