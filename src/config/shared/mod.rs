//! Steps that probes share: `[[step]] use = "lib/sign_in.toml"`.
//!
//! The steps of such a file take the place of the step that uses it, before anything of the probe is read, so that readers and lints know
//! of nothing else than steps. [`gather`] reads the files, [`splice`] puts their steps in. Each use has a [`SourceFile`] of its own, also of
//! one file: by it every span tells which use it belongs to, and [`Uses`] knows what the names there stand for, what is visible from
//! there, and where the use is written, which is added to what is said of the file.

mod gather;
mod names;
mod rename;
mod splice;

pub(super) use gather::gather;
pub(super) use splice::{Spliced, splice};

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::plan::Template;
use crate::plan::expr::Given;
use crate::source::SourceFile;

use super::tree::{Node, SourceSpan, Table};
use super::{Code, Diagnostic, Diagnostics};

/// Keys that say that a file is a probe.
const OF_PROBES: [&str; 4] = ["name", "every", "cron", "deadline"];

/// Whether a document holds steps for probes to use, and is none itself.
pub(super) fn is_shared(table: &Table<'_>) -> bool {
    let is_key_of_it = |key: &str| ["parameters", "step"].contains(&key);
    table.entry("parameters").is_some()
        || table.entry("step").is_some() && table.entries.iter().all(|entry| is_key_of_it(&entry.key))
}

/// Whether a step of a document uses a file.
pub(super) fn uses_any(table: &Table<'_>) -> bool {
    let steps = table.get("step").map_or(&[][..], Node::as_list);
    steps.iter().any(|step| step.as_table().is_some_and(|step| step.entry("use").is_some()))
}

/// The problem of such a file where a probe is wanted.
pub(super) fn no_probe(table: &Table<'_>, top: SourceSpan<'_>) -> Diagnostic {
    let span = table.entry("parameters").map_or(top, |entry| entry.key_span);
    Diagnostic::at(Code::NoProbe, span, "this file is a library of steps, and no probe").help(
        "check a probe that uses it, with `use = \"…\"` in a `[[step]]`; patterns of `probes` leave out folders called `lib`",
    )
}

/// One use of a file.
#[derive(Debug)]
pub(super) struct Use<'f> {
    file: &'f Arc<SourceFile>,
    /// Where the use is written.
    at: SourceSpan<'f>,
    /// What names stand for there.
    given: Arc<Given>,
    /// Its parameters, and where each is declared.
    pub(super) parameters: Vec<(&'f str, SourceSpan<'f>)>,
    /// What is given for them.
    pub(super) arguments: Vec<Node<'f>>,
    /// The condition of the use.
    pub(super) when: Option<Node<'f>>,
}

impl Use<'_> {
    /// What a name of the probe is called in the file.
    pub(super) fn written<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.match_indices('_').map(|(at, _)| &name[at + 1..]).find(|written| self.given.renamed(written) == name)
    }
}

/// All uses of a probe.
#[derive(Debug, Default)]
pub(super) struct Uses<'f>(Vec<Use<'f>>);

impl<'f> Uses<'f> {
    /// The use that a place belongs to; nothing for the probe's own file.
    pub(super) fn of(&self, span: SourceSpan<'_>) -> Option<(usize, &Use<'f>)> {
        self.0.iter().enumerate().find(|(_, each)| Arc::ptr_eq(each.file, span.file))
    }

    /// Those around a place, the outermost one first.
    pub(super) fn around(&self, span: SourceSpan<'_>) -> Vec<(usize, &Use<'f>)> {
        let mut found: Vec<(usize, &Use<'f>)> = std::iter::successors(self.of(span), |(_, inner)| self.of(inner.at)).collect();
        found.reverse();
        found
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Use<'f>> {
        self.0.iter()
    }

    /// What names at a place stand for.
    pub(super) fn given(&self, span: SourceSpan<'_>) -> Option<&Arc<Given>> {
        self.of(span).map(|(_, each)| &each.given).filter(|given| !given.is_empty())
    }

    /// The names that a template at a place reads, those by way of a parameter included, and where in it.
    pub(super) fn read<'t>(&self, template: &'t Template, node: &Node<'_>) -> impl Iterator<Item = (Range<usize>, Cow<'t, str>)> {
        let given = self.given(node.span).cloned();
        template.uses().flat_map(move |(offset, each)| {
            let names = match &given {
                Some(given) if given.has(&each.root) => given.behind(&each.root).into_iter().map(Cow::Owned).collect(),
                _ => vec![Cow::Borrowed(&*each.root)],
            };
            let place = offset + each.span.start..offset + each.span.end;
            names.into_iter().map(move |name| (place.clone(), name))
        })
    }

    /// Whether what is declared at one place may be used at another: in its own file, and where that is used.
    pub(super) fn sees(&self, from: SourceSpan<'_>, declared: SourceSpan<'_>) -> bool {
        Arc::ptr_eq(from.file, declared.file)
            || self.0.is_empty()
            || self.around(declared).iter().any(|(_, each)| Arc::ptr_eq(from.file, each.at.file))
    }

    /// Adds to what is said of shared files where they are used.
    pub(super) fn note(&self, diagnostics: Diagnostics) -> Diagnostics {
        if self.0.is_empty() {
            return diagnostics;
        }
        diagnostics.map(|mut diagnostic| {
            let file = diagnostic.primary.as_ref().map(|label| Arc::clone(&label.file));
            // Other probes that use the file may have other devices, and another matrix.
            if file.as_ref().is_some_and(|file| self.0.iter().any(|each| Arc::ptr_eq(each.file, file)))
                && matches!(diagnostic.code, Code::UnknownDevice | Code::UnknownCellKey)
            {
                diagnostic.mend = None;
            }
            let mut inner = file.as_ref().and_then(|file| self.0.iter().find(|each| Arc::ptr_eq(each.file, file)));
            while let Some(each) = inner {
                diagnostic = diagnostic.related(each.at, "used here");
                inner = self.of(each.at).map(|(_, outer)| outer);
            }
            diagnostic
        })
    }
}
