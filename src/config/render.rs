//! How diagnostics look: as text for people, and as JSON for programs.

use std::collections::HashMap;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use crate::outcome::visible;
use crate::source::{SourceFile, Span};

use super::diagnostic::Label;
use super::mask::{hidden, masked};
use super::{Code, Diagnostic, Diagnostics, Edit, Mend, Severity};

impl Diagnostics {
    /// The text for people: each problem with its code, `file:line:column`, the line, a caret and what to do. `colour` adds
    /// ANSI escapes and changes nothing else.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        let mut masks = Masks::default();
        for diagnostic in self {
            text.push_str(&renderer.render(&[group(diagnostic, &mut masks)]));
            text.push_str("\n\n");
        }
        text
    }

    /// The text for people who did not ask for a check: errors in full, as [`Self::render`] has them, and how many warnings there are.
    /// `check` is the command that shows those. A service is refused for having nobody to tell, so that is shown in full as well.
    pub fn brief(&self, colour: bool, check: &str) -> String {
        let (full, rest): (Vec<_>, Vec<_>) =
            self.iter().cloned().partition(|found| found.severity() == Severity::Error || found.code == Code::NoChannel);
        let errors = Self::from_iter(full).render(colour);
        let warnings = match rest.len() {
            0 => String::new(),
            1 => format!("1 warning; `{check}` shows it\n"),
            several => format!("{several} warnings; `{check}` shows them\n"),
        };
        errors + &warnings
    }

    /// The form for programs: a list of objects with `severity`, `code`, `message`, `help`, and, unless the problem has no
    /// place, `file`, `line`, `column`, `end_line`, `end_column` (from 1, the end being one past the last character). `mend` is what `check --fix` does in that file, a list of `{line, column,
    /// end_line, end_column, text}`, or null.
    pub fn to_json(&self) -> Value {
        self.iter().map(object).collect()
    }
}

/// Bytes of lines that are shown of one problem.
const LONGEST_SHOWN: usize = 16 << 10;

/// The masked texts of files. Masking takes time for each byte, so it is done once for all diagnostics of a file.
#[derive(Default)]
struct Masks(HashMap<*const SourceFile, Arc<str>>);

impl Masks {
    fn of(&mut self, file: &Arc<SourceFile>) -> Arc<str> {
        Arc::clone(self.0.entry(Arc::as_ptr(file)).or_insert_with(|| masked(file.text()).into()))
    }
}

fn group<'d>(diagnostic: &'d Diagnostic, masks: &mut Masks) -> Group<'d> {
    let level = match diagnostic.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&diagnostic.message).id(diagnostic.code.as_str()));
    if let Some(primary) = &diagnostic.primary {
        let (here, elsewhere): (Vec<&Label>, Vec<&Label>) =
            diagnostic.related.iter().partition(|label| label.file.path() == primary.file.path());
        group = shown(group, primary, AnnotationKind::Primary, &here, masks);
        for label in elsewhere {
            group = shown(group, label, AnnotationKind::Context, &[], masks);
        }
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help)),
        None => group,
    }
}

/// Adds the lines of a label and of others beside it, and nothing else of the file, because the renderer reads all it is given.
/// Lines that are too long to read are replaced by their position.
fn shown<'d>(group: Group<'d>, label: &'d Label, kind: AnnotationKind, beside: &[&'d Label], masks: &mut Masks) -> Group<'d> {
    let path = visible(&label.file.path().to_string_lossy()).into_owned();
    let all = || std::iter::once(label).chain(beside.iter().copied());
    let first = all().map(|label| label.span.start).min().unwrap_or_default();
    let last = all().map(|label| label.span.end).max().unwrap_or_default();
    let (begin, line) = label.file.line_around(first);
    let lines = begin.start..label.file.line_around(last).0.end;
    if lines.len() > LONGEST_SHOWN {
        let at = label.file.location(label.span.start);
        return group.element(Origin::path(path).line(at.line as usize).char_column(at.column as usize));
    }
    let text = masks.of(&label.file);
    let shown = text.get(lines.clone()).unwrap_or_default();
    let shown = if label.hidden { hidden(shown, within(label, lines.start)) } else { shown.to_owned() };
    let annotations = beside.iter().map(|other| annotation(other, AnnotationKind::Context, lines.start));
    let snippet = Snippet::source(shown).line_start(line).path(path).annotation(annotation(label, kind, lines.start));
    group.element(snippet.annotations(annotations))
}

/// Where a label is in a text that begins at a byte of its file.
fn within(label: &Label, begin: usize) -> Span {
    Span { start: label.span.start - begin, end: label.span.end - begin }
}

fn annotation(label: &Label, kind: AnnotationKind, begin: usize) -> annotate_snippets::Annotation<'_> {
    let annotation = kind.span(within(label, begin).into());
    if label.text.is_empty() { annotation } else { annotation.label(&label.text) }
}

fn object(diagnostic: &Diagnostic) -> Value {
    let mut object = json!({
        "severity": diagnostic.severity().as_str(),
        "code": diagnostic.code.as_str(),
        "message": diagnostic.message,
        "help": diagnostic.help,
    });
    if let Some(label) = &diagnostic.primary {
        let (start, end) = (label.file.location(label.span.start), label.file.location(label.span.end));
        object["file"] = label.file.path().to_string_lossy().into();
        object["line"] = start.line.into();
        object["column"] = start.column.into();
        object["end_line"] = end.line.into();
        object["end_column"] = end.column.into();
    }
    object["mend"] =
        diagnostic.mend.as_ref().map_or(Value::Null, |mend| mend.edits.iter().map(|edit| of_edit(mend, edit)).collect());
    object
}

fn of_edit(mend: &Mend, edit: &Edit) -> Value {
    let [start, end] = [edit.span.start, edit.span.end].map(|at| mend.file.location(at));
    json!({ "line": start.line, "column": start.column, "end_line": end.line, "end_column": end.column, "text": edit.text })
}
