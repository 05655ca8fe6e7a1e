//! The one walk over the tables of a probe's steps, as they are written, also where they have errors.
//!
//! Owns where in a table other steps lie: the entries of its `parallel`, and its `cleanup`, which is a table or a list of them.
//! Steps that have been read are walked by [`plan::walk`](crate::plan::walk).

use std::iter::once;

use super::tree::{Node, Table};

/// The tables among these nodes, each with its node.
pub(super) fn tables<'t, 'f>(nodes: impl IntoIterator<Item = &'t Node<'f>>) -> Vec<(&'t Node<'f>, &'t Table<'f>)>
where
    'f: 't,
{
    nodes.into_iter().filter_map(|node| Some((node, node.as_table()?))).collect()
}

/// A step and the entries of its `parallel`.
pub(super) fn with_entries<'t, 'f>(step: &'t Table<'f>) -> impl Iterator<Item = &'t Table<'f>> {
    once(step).chain(step.list("parallel").iter().filter_map(Node::as_table))
}

/// The steps of a probe, those inside others included, without cleanups.
pub(super) fn journey<'t, 'f>(probe: &'t Table<'f>) -> impl Iterator<Item = &'t Table<'f>> {
    probe.list("step").iter().filter_map(Node::as_table).flat_map(with_entries)
}

/// What of a step does something itself: the step, or else the entries of its `parallel`.
pub(super) fn doing<'t, 'f>(step: &'t Node<'f>) -> Vec<&'t Node<'f>> {
    match step.as_table().filter(|table| table.get("parallel").is_some()) {
        Some(table) => table.list("parallel").iter().collect(),
        None => vec![step],
    }
}

/// The steps of `[step.cleanup]` or `[[step.cleanup]]`.
pub(super) fn cleanups<'t, 'f>(step: &'t Table<'f>) -> Vec<&'t Node<'f>> {
    match step.get("cleanup") {
        Some(node) if node.as_table().is_some() => vec![node],
        Some(node) => node.as_list().iter().collect(),
        None => Vec::new(),
    }
}
