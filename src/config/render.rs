//! How diagnostics look: as text for people, and as JSON for programs.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use crate::outcome::visible;

use super::diagnostic::Label;
use super::mask::{hidden, masked};
use super::{Diagnostic, Diagnostics, Severity};

impl Diagnostics {
    /// The text for people: each problem with its code, `file:line:column`, the line, a caret and what to do. `colour` adds
    /// ANSI escapes and changes nothing else.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for diagnostic in self {
            text.push_str(&renderer.render(&[group(diagnostic)]));
            text.push_str("\n\n");
        }
        text
    }

    /// The form for programs: a list of objects with `severity`, `code`, `message`, `help`, and, unless the problem has no
    /// place, `file`, `line`, `column`, `end_line`, `end_column` (from 1, the end being one past the last character).
    pub fn to_json(&self) -> Value {
        self.iter().map(object).collect()
    }
}

fn group(diagnostic: &Diagnostic) -> Group<'_> {
    let level = match diagnostic.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&diagnostic.message).id(diagnostic.code.as_str()));
    if let Some(primary) = &diagnostic.primary {
        let (here, elsewhere): (Vec<&Label>, Vec<&Label>) =
            diagnostic.related.iter().partition(|label| label.file.path() == primary.file.path());
        let snippet = snippet(primary, AnnotationKind::Primary)
            .annotations(here.into_iter().map(|label| annotation(label, AnnotationKind::Context)));
        group = group.element(snippet);
        for label in elsewhere {
            group = group.element(self::snippet(label, AnnotationKind::Context));
        }
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help)),
        None => group,
    }
}

type Annotations<'l> = Snippet<'l, annotate_snippets::Annotation<'l>>;

fn snippet(label: &Label, kind: AnnotationKind) -> Annotations<'_> {
    let path = label.file.path().to_string_lossy();
    let text = masked(label.file.text());
    let text = if label.hidden { hidden(&text, label.span).into() } else { text };
    Snippet::source(text).path(visible(&path).into_owned()).annotation(annotation(label, kind))
}

fn annotation(label: &Label, kind: AnnotationKind) -> annotate_snippets::Annotation<'_> {
    let annotation = kind.span(label.span.into());
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
    object
}
