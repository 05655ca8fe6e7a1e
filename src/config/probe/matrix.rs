//! The matrix and its cells.

use std::collections::HashSet;
use std::sync::Arc;

use crate::outcome::is_steering;
use crate::plan::{Cell, CellValue, LABEL_NAMES};

use super::super::mend::Mend;
use super::super::scope::NameScope;
use super::super::section::{Item, Named};
use super::super::tree::{Data, Node, TableEntry};
use super::super::{Code, Diagnostic};

/// More cells than this cannot be meant: each is a canary in each region.
const MOST_CELLS: usize = 1_000;

/// More keys than this cannot be meant: each is a label of every metric.
const MOST_KEYS: usize = 20;

/// Every combination of the matrix, the empty one if there is no matrix.
pub(super) fn cells<'f>(
    matrix: &[Named<'f, Option<Vec<Item<'f, &'f Node<'f>>>>>],
    scope: &mut NameScope<'_, 'f>,
) -> Vec<Arc<Cell>> {
    let mut cells = vec![Cell::default()];
    if let Some(Named { entry, .. }) = matrix.get(MOST_KEYS) {
        scope.diagnostics.push(
            Diagnostic::at(Code::TooManyCells, entry.key_span, format!("the matrix has more than {MOST_KEYS} keys"))
                .help("each is a label of every metric of the probe; make several probes of it"),
        );
    }
    for Named { entry, value: items } in matrix.iter().take(MOST_KEYS) {
        name(entry, scope);
        let too_many = entry.value.as_list().len() > MOST_CELLS;
        let items = items.as_deref().filter(|_| !too_many);
        let values = items.map_or_else(Vec::new, |items| values(entry, items, scope));
        if too_many || cells.len() * values.len() > MOST_CELLS {
            let message = format!("the matrix has more than {MOST_CELLS} combinations");
            scope.diagnostics.push(
                Diagnostic::at(Code::TooManyCells, entry.key_span, message)
                    .help("each combination is a canary in each region; make several probes, or test fewer values"),
            );
            break;
        }
        cells = combine(&cells, &entry.key, &values);
    }
    cells.into_iter().map(Arc::new).collect()
}

fn combine(cells: &[Cell], key: &str, values: &[CellValue]) -> Vec<Cell> {
    let key: Arc<str> = key.into();
    let with = |cell: &Cell, value: &CellValue| {
        let mut longer = cell.clone();
        longer.0.push((Arc::clone(&key), value.clone()));
        longer
    };
    cells.iter().flat_map(|cell| values.iter().map(move |value| (cell, value))).map(|(cell, value)| with(cell, value)).collect()
}

fn name<'f>(entry: &TableEntry<'f>, scope: &mut NameScope<'_, 'f>) {
    let key = entry.key.as_ref();
    scope.cell_keys.push(key.to_owned());
    if LABEL_NAMES.contains(&key) || key.starts_with("__") {
        scope.diagnostics.push(
            Diagnostic::at(Code::LabelName, entry.key_span, format!("a matrix key cannot be called `{key}`"))
                .label("a label of the metrics already has this name")
                .help("matrix keys become metric labels; give it another name"),
        );
        return;
    }
    let taken = scope.take(key, entry.key_span, "matrix key");
    scope.taken.push(taken);
}

fn values<'f>(entry: &TableEntry<'f>, items: &[Item<'f, &'f Node<'f>>], scope: &mut NameScope<'_, 'f>) -> Vec<CellValue> {
    if entry.value.is_empty_list() {
        scope.diagnostics.push(
            Diagnostic::at(Code::InvalidValue, entry.value.span, format!("the matrix key `{}` has no values", entry.key))
                .help("without a value there is no combination, and nothing would run"),
        );
    }
    let mut values: Vec<CellValue> = Vec::new();
    let mut known = HashSet::new();
    for item in items {
        let (Some(value), span) = (value(item.value), item.node.span) else { continue };
        if value.to_string().contains(['/', ',', '=']) || value.to_string().contains(is_steering) {
            scope.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, span, "values of a matrix are part of the canary's id")
                    .help("write them without `/`, `,`, `=` and line breaks"),
            );
        }
        // Values that read alike would make two canaries of one id.
        if known.insert(value.to_string()) {
            values.push(value);
        } else {
            scope.diagnostics.push(
                Diagnostic::at(Code::Repeated, span, format!("`{value}` is listed twice"))
                    .mend(Mend::without_item(&entry.value, item.node))
                    .help("take one of them out"),
            );
        }
    }
    values
}

fn value(node: &Node<'_>) -> Option<CellValue> {
    match &node.data {
        Data::Text(text) => Some(CellValue::Text(text.as_ref().into())),
        Data::Integer(number) => Some(CellValue::Integer(*number)),
        Data::Float(number) => Some(CellValue::Float(*number)),
        Data::Bool(truth) => Some(CellValue::Bool(*truth)),
        Data::Datetime(_) | Data::List(_) | Data::Table(_) => None,
    }
}
