//! Values of a file that are taken as they stand: no template is evaluated in them.

use super::tree::{Data, Node, SourceSpan};
use super::{Code, Diagnostic, Diagnostics};

/// A value without templates as JSON. A template in it is reported.
pub(super) fn constant(node: &Node<'_>, diagnostics: &mut Diagnostics) -> serde_json::Value {
    match &node.data {
        Data::Text(text) => {
            refuse_template(text, node.span, diagnostics);
            text.as_ref().into()
        }
        Data::Integer(number) => (*number).into(),
        Data::Float(number) => (*number).into(),
        Data::Bool(truth) => (*truth).into(),
        Data::Datetime(_) => serde_json::Value::Null,
        Data::List(items) => items.iter().map(|item| constant(item, diagnostics)).collect(),
        Data::Table(table) => {
            table.entries.iter().map(|entry| (entry.key.to_string(), constant(&entry.value, diagnostics))).collect()
        }
    }
}

fn refuse_template(text: &str, span: SourceSpan<'_>, diagnostics: &mut Diagnostics) {
    if text.contains("{{") {
        diagnostics.push(
            Diagnostic::at(Code::ConstantOnly, span, "`{{ … }}` is not evaluated here")
                .help("evaluate it in a variable of a probe that is a plain string, or where it is used"),
        );
    }
}
