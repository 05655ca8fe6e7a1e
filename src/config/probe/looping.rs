//! `repeat` and `for_each`.

use crate::plan::Loop;

use super::super::nearest::list;
use super::super::scope::{Scope, When};
use super::super::tree::{Spot, Table};
use super::super::{Code, Diagnostic, value};

/// The loop of a step, if it has one.
pub(super) fn read<'f>(table: &Table<'f>, scope: &mut Scope<'_, 'f>) -> Option<Loop> {
    if let Some(times) = table.count("repeat") {
        return Some(Loop::Repeat(times));
    }
    let node = table.get("for_each")?;
    let Some((name, offset)) = for_each(node.as_text()?) else {
        scope.diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.spot, "this does not say over what to go")
                .help("write it as \"NAME in EXPRESSION\", such as \"segment in segments\""),
        );
        return None;
    };
    let items = scope.expression_at(node, offset, When::Before);
    scope.holds(name, &items);
    Some(Loop::ForEach { name: name.into(), items })
}

/// What the item of a `for_each` is called, and where.
pub(super) fn item<'f>(table: &Table<'f>, scope: &mut Scope<'_, 'f>) -> Option<(String, Spot<'f>)> {
    let node = table.get("for_each")?;
    let text = node.as_text()?;
    let (name, _) = for_each(text)?;
    let start = text.len() - text.trim_start().len();
    let spot = node.spot.within(start..start + name.len());
    if !value::is_identifier(name) {
        scope.diagnostics.push(
            Diagnostic::at(Code::InvalidValue, spot, format!("expressions cannot use the name `{name}`"))
                .help(format!("names are letters, digits and `_`; {} are not possible", list(&["a, b in …", "a.b in …"]))),
        );
    }
    Some((name.to_owned(), spot))
}

/// The name before `in`, and where the expression after it begins.
fn for_each(text: &str) -> Option<(&str, usize)> {
    let (name, rest) = text.split_once(" in ")?;
    let items = rest.trim_start();
    (!name.trim().is_empty() && !items.is_empty()).then(|| (name.trim(), text.len() - items.len()))
}
