//! One problem of a configuration, where it is, and what to do about it.
//!
//! Owns the diagnostic, the collection that gathers all of them before anything is shown, and the sentences that help whoever
//! misspelt a word. How they look is [`render`](super::render)'s business; which rules exist is [`Code`]'s.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use crate::base::slip_of;
pub(super) use crate::base::{did_you_mean, nearest};
use crate::outcome::visible;
use crate::source::{SourceFile, Span};

use super::code::{Code, Severity};
use super::mend::Mend;
use super::tree::SourceSpan;

/// A place in a file and what is to be said of it.
#[derive(Debug, Clone)]
pub struct Label {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The bytes it is about.
    pub span: Span,
    /// What stands beside the caret; may be empty.
    pub text: String,
    /// Whether the bytes may be a secret and must not be shown.
    pub hidden: bool,
}

impl Label {
    fn new(span: SourceSpan<'_>, text: impl Into<String>) -> Self {
        Self { file: Arc::clone(span.file), span: span.range, text: clean(text), hidden: false }
    }
}

/// One problem.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// The rule that was broken.
    pub code: Code,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where; absent if there is no text to point at, as for a file that cannot be read.
    pub primary: Option<Label>,
    /// Other places that matter.
    pub related: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// What does it, where there is one obvious way.
    pub mend: Option<Mend>,
}

impl Diagnostic {
    /// A problem at a place.
    pub(super) fn at(code: Code, span: SourceSpan<'_>, message: impl Into<String>) -> Self {
        Self { primary: Some(Label::new(span, "")), ..Self::without_span(code, message) }
    }

    /// A problem without a place.
    pub(super) fn without_span(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: clean(message), primary: None, related: Vec::new(), help: None, mend: None }
    }

    /// Says something beside the caret.
    pub(super) fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(primary) = &mut self.primary {
            primary.text = clean(text);
        }
        self
    }

    /// Keeps what stands there from being shown.
    pub(super) fn hidden(mut self) -> Self {
        if let Some(primary) = &mut self.primary {
            primary.hidden = true;
        }
        self
    }

    /// Says what to do.
    pub(super) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(clean(text));
        self
    }

    /// Says what to do, if there is something to say.
    pub(super) fn maybe_help(mut self, text: Option<String>) -> Self {
        self.help = text.map(clean).or(self.help);
        self
    }

    /// Says what mends it, if there is something that obviously does.
    pub(super) fn mend(mut self, mend: Option<Mend>) -> Self {
        self.mend = mend;
        self
    }

    /// Mends a name that the file uses and that is a slip of one that it declares.
    pub(super) fn mend_name<'k>(self, name: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        let mend = self.primary.as_ref().filter(|label| !label.hidden).and_then(|label| {
            let span = SourceSpan { file: &label.file, range: label.span };
            Mend::word(span, name, slip_of(name, known)?)
        });
        self.mend(mend)
    }

    /// Shows another place as well.
    pub(super) fn related(mut self, span: SourceSpan<'_>, text: impl Into<String>) -> Self {
        self.related.push(Label::new(span, text));
        self
    }

    /// Whether the configuration may be used all the same.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    fn order(&self) -> (Option<&Path>, Span, Code) {
        let place = self.primary.as_ref();
        (place.map(|label| label.file.path()), place.map(|label| label.span).unwrap_or_default(), self.code)
    }
}

/// A text without anything that steers a terminal: it may quote what stands in a file.
fn clean(text: impl Into<String>) -> String {
    let text = text.into();
    match visible(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(cleaned) => cleaned,
    }
}

/// One word of an `allow`.
#[derive(Debug, Clone)]
pub(super) struct Allowed {
    pub(super) code: Code,
    /// The file that it stands at the top of.
    pub(super) of: Arc<SourceFile>,
    /// Where it is written, which may be an environment variable.
    pub(super) file: Arc<SourceFile>,
    pub(super) span: Span,
    /// What takes it out.
    pub(super) mend: Option<Mend>,
    /// Whether it has silenced something.
    pub(super) used: bool,
}

/// All problems of all files.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    errors: usize,
    /// The lints that the files read so far allow.
    pub(super) allowed: Vec<Allowed>,
}

/// Problems shown of one file, and errors after which checking of a file stops.
const MOST: usize = 100;

impl Diagnostics {
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.severity() == Severity::Error);
        self.found.push(diagnostic);
    }

    pub(super) fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Each of them changed.
    pub(super) fn map(self, change: impl FnMut(Diagnostic) -> Diagnostic) -> Self {
        Self { found: self.found.into_iter().map(change).collect(), ..self }
    }

    /// Keeps one of those that say the same of the same place, as is said of a file by each that uses it.
    pub(super) fn unique(&mut self) {
        let mut known = HashSet::new();
        self.found.retain(|diagnostic| {
            let place = diagnostic.primary.as_ref().map(|label| (label.file.path().to_owned(), label.span));
            place.is_none_or(|place| known.insert((place, diagnostic.code, diagnostic.message.clone())))
        });
        self.errors = self.count(Severity::Error);
    }

    pub(super) fn append(&mut self, other: Self) {
        self.errors += other.errors;
        self.found.extend(other.found);
        self.allowed.extend(other.allowed);
    }

    /// Takes out what `is_allowed` says of. Errors stay, whatever it says.
    pub(super) fn silence(&mut self, mut is_allowed: impl FnMut(&Diagnostic) -> bool) {
        self.found.retain(|diagnostic| diagnostic.severity() == Severity::Error || !is_allowed(diagnostic));
    }

    /// Whether a file has so many errors that checking stops.
    pub(super) fn has_too_many_errors(&self) -> bool {
        self.errors > MOST
    }

    /// Keeps the first problems of each file, errors before warnings, and adds a note to each file that has more.
    pub(super) fn truncate(&mut self) {
        if self.found.len() <= MOST {
            return;
        }
        let place = |diagnostic: &Diagnostic| diagnostic.primary.as_ref().map(|label| Arc::clone(&label.file));
        self.found.sort_by(|one, other| {
            let (path, span, code) = one.order();
            let (other_path, other_span, other_code) = other.order();
            path.cmp(&other_path).then(one.severity().cmp(&other.severity())).then((span, code).cmp(&(other_span, other_code)))
        });
        let mut kept: Vec<Diagnostic> = Vec::new();
        let mut of_file = 0;
        for diagnostic in std::mem::take(&mut self.found) {
            let path = diagnostic.order().0;
            let known = path.is_some() && kept.last().is_some_and(|last| last.order().0 == path);
            of_file = if known { of_file + 1 } else { 0 };
            match of_file.cmp(&MOST) {
                Ordering::Less => kept.push(diagnostic),
                Ordering::Equal => {
                    let primary =
                        place(&diagnostic).map(|file| Label { file, span: Span::default(), text: String::new(), hidden: false });
                    let message = format!("there are more than {MOST} problems in this file");
                    let more = Diagnostic { primary, ..Diagnostic::without_span(Code::MoreProblems, message) };
                    kept.push(more.help("the rest may follow from those that are shown"));
                }
                Ordering::Greater => {}
            }
        }
        self.found = kept;
        self.errors = self.count(Severity::Error);
    }

    /// Replaces the help of a rule's diagnostics, unless it names a likely misspelling.
    pub(super) fn help_instead(&mut self, code: Code, help: &str) {
        for diagnostic in self.found.iter_mut().filter(|diagnostic| diagnostic.code == code) {
            let near = diagnostic.help.take().filter(|help| help.starts_with("did you mean"));
            diagnostic.help = near.or_else(|| Some(help.to_owned()));
        }
    }

    /// Takes out everything a rule has found.
    pub(super) fn remove_all(&mut self, code: Code) {
        self.found.retain(|diagnostic| diagnostic.code != code);
        self.errors = self.count(Severity::Error);
    }

    /// Puts them in the order of files and lines.
    pub(super) fn sort(&mut self) {
        self.found.sort_by(|one, other| one.order().cmp(&other.order()));
    }

    /// Each of them, in the order of files and lines.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.found.iter()
    }

    /// Whether nothing at all was found, not even a warning.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.iter().filter(|diagnostic| diagnostic.severity() == severity).count()
    }

    /// Whether the configuration may not be used.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<T: IntoIterator<Item = Diagnostic>>(all: T) -> Self {
        let mut diagnostics = Self::default();
        all.into_iter().for_each(|diagnostic| diagnostics.push(diagnostic));
        diagnostics
    }
}

impl<'d> IntoIterator for &'d Diagnostics {
    type Item = &'d Diagnostic;
    type IntoIter = std::slice::Iter<'d, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A sentence that names the nearest word, or the list of the words there are if none is near.
pub(super) fn suggestion<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    did_you_mean(word, known.iter().copied()).or_else(|| (!known.is_empty()).then(|| format!("known here: {}", list(&known))))
}

/// Words in backticks, separated by commas; long lists are cut.
pub(super) fn list(words: &[&str]) -> String {
    const SHOWN: usize = 24;
    let mut text = words.iter().take(SHOWN).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    if words.len() > SHOWN {
        text.push_str(", …");
    }
    text
}
