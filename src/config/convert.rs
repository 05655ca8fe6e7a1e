//! From the TOML parser's values to nodes.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::source::{SourceFile, Span};

use super::tree::{Data, Entry, Node, Spot, Table};
use super::{Code, Diagnostic, Diagnostics};

/// Makes nodes of a file's values.
pub(super) struct Converter<'f, 'd> {
    pub(super) file: &'f Arc<SourceFile>,
    /// Where everything is said to be, if its own places mean nothing.
    pub(super) fixed: Option<Span>,
    pub(super) diagnostics: &'d mut Diagnostics,
}

impl<'f> Converter<'f, '_> {
    fn spot(&self, span: Range<usize>) -> Spot<'f> {
        Spot { file: self.file, span: self.fixed.unwrap_or_else(|| span.into()) }
    }

    pub(super) fn table(&mut self, table: DeTable<'f>) -> Table<'f> {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            let key_spot = self.spot(key.span());
            let span = value.span();
            let value = self.node(value.into_inner(), span);
            entries.push(Entry { key: key.into_inner(), key_spot, value });
        }
        Table { entries }
    }

    pub(super) fn node(&mut self, value: DeValue<'f>, span: Range<usize>) -> Node<'f> {
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
