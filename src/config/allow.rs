//! `allow`: lints that somebody looked at and that are silent in one file.
//!
//! A file's words silence the lints that point into it, and everything that was found while it was read. What is about several files
//! is found last, so the words wait in [`Diagnostics`] until all is there. A word that silenced nothing is itself a lint, so that it
//! does not outlive its reason.

use std::collections::HashSet;
use std::sync::Arc;

use crate::source::SourceFile;

use super::diagnostic::Allowed;
use super::mend::Mend;
use super::section::{Field, Item};
use super::tree::SourceSpan;
use super::{Code, Diagnostic, Diagnostics};

/// Whose words are said to be of no use. What a word silences may be found only where the whole service is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// Those of all files.
    All,
    /// Those of the probes, but for lints that look at several of them.
    OfProbes,
    /// None.
    Nothing,
}

/// Lints that point into a probe and are found only where all probes are read.
const OF_SEVERAL: [Code; 1] = [Code::NoEffect];

/// Notes the words of a file.
pub(super) fn read(written: &Field<'_, Vec<Item<'_, Code>>>, of: &Arc<SourceFile>, diagnostics: &mut Diagnostics) {
    let mut known = HashSet::new();
    for Item { value: code, node } in written.iter() {
        let without_item = || written.node().and_then(|list| Mend::without_item(list, node));
        if known.insert(*code) {
            let (file, span) = (Arc::clone(node.span.file), node.span.range);
            let only = written.entry.filter(|_| written.len() == 1);
            let mend = only.and_then(Mend::without_key).or_else(without_item);
            diagnostics.allowed.push(Allowed { code: *code, of: Arc::clone(of), file, span, mend, used: false });
        } else {
            let word = code.lint().unwrap_or_default();
            diagnostics.push(
                Diagnostic::at(Code::Repeated, node.span, format!("the lint `{word}` is listed twice"))
                    .mend(without_item())
                    .help("take one of them out"),
            );
        }
    }
}

/// Silences what was found of one probe, wherever it points.
pub(super) fn silence_all(found: &mut Diagnostics) {
    silence(found, |_, _| true);
}

/// Silences what points into the files whose words were read, and complains of words that have silenced nothing. `service` is the
/// service's file, and what is set by variables of the environment as if it stood there.
pub(super) fn finish((service, variables): (&Arc<SourceFile>, &Arc<SourceFile>), judged: Judged, diagnostics: &mut Diagnostics) {
    silence(diagnostics, |allowed, diagnostic| {
        let Some(place) = &diagnostic.primary else { return false };
        let of_service = Arc::ptr_eq(&allowed.of, service) && Arc::ptr_eq(&place.file, variables);
        Arc::ptr_eq(&place.file, &allowed.of) || of_service
    });
    // Lints of a file with errors are not all found.
    if judged == Judged::Nothing || diagnostics.has_errors() {
        return;
    }
    for allowed in std::mem::take(&mut diagnostics.allowed).into_iter().filter(|allowed| !allowed.used) {
        if judged == Judged::OfProbes && (Arc::ptr_eq(&allowed.of, service) || OF_SEVERAL.contains(&allowed.code)) {
            continue;
        }
        let word = allowed.code.lint().unwrap_or_default();
        let span = SourceSpan { file: &allowed.file, range: allowed.span };
        diagnostics.push(
            Diagnostic::at(Code::UnusedAllow, span, format!("`{word}` is allowed, and nothing here draws it"))
                .mend(allowed.mend)
                .help("take it out: it would silence the next one, which nobody has looked at"),
        );
    }
}

fn silence(found: &mut Diagnostics, reaches: impl Fn(&Allowed, &Diagnostic) -> bool) {
    let mut allowed = std::mem::take(&mut found.allowed);
    if !allowed.is_empty() {
        found.silence(|diagnostic| {
            let word = allowed.iter_mut().find(|allowed| allowed.code == diagnostic.code && reaches(allowed, diagnostic));
            word.map(|word| word.used = true).is_some()
        });
    }
    found.allowed = allowed;
}
