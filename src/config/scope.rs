//! Which names an expression may use at its place, and compiling it there.
//!
//! An expression that does not compile is reported and replaced by a stand-in, so that the rest of the file is checked too. The
//! loader returns no probe of a file with errors.

use std::collections::HashSet;
use std::ops::Range;

use crate::outcome::is_credential;
use crate::plan::{Condition, Expression, KEPT_NAMES, RUN_NAMES, StepKind, Template, expr, is_result_name};

use super::context::ServiceContext;
use super::diagnostic::{did_you_mean, suggestion};
use super::shared::Uses;
use super::tree::{Node, SourceSpan};
use super::{Code, Diagnostic, Diagnostics};

/// Names that every expression of a run may use.
pub(super) const ALWAYS: [&str; 4] = ["run", "cell", "region", "secret"];

/// The number of an attempt, from 1.
const ATTEMPT: &str = "attempt";

/// Names that a probe may have. A lookup in a run goes through all of them.
pub(super) const MOST_NAMES: usize = 1_000;

/// Hints about one condition that are shown.
const MOST_HINTS: usize = 10;

/// What a variable of the probe is called in messages.
pub(super) const VARIABLE: &str = "variable";

/// What the item of a loop is called in messages.
pub(super) const LOOP_NAME: &str = "loop's name";

/// What a carried value is called in messages.
pub(super) const CARRIED: &str = "carried value";

/// What a collected list is called in messages.
pub(super) const COLLECTED: &str = "collected list";

/// Whether a step's own result can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the step: there is none yet.
    BeforeStep,
    /// In what the step sends, which is filled in for each attempt anew: there is none yet either.
    Request,
    /// After a step of this kind. The kind may be unknown.
    AfterStep(Option<StepKind>),
}

impl Stage {
    /// The names of the step's result: its own, those that are kept for features to come, and the number of the attempt.
    pub(super) fn result_names(self) -> impl Iterator<Item = &'static str> {
        let has = move |kind: &&StepKind| match self {
            Self::BeforeStep | Self::Request => false,
            Self::AfterStep(own) => own.is_none_or(|own| own == **kind),
        };
        let kept = match self {
            Self::BeforeStep => &[][..],
            Self::Request => &[ATTEMPT],
            Self::AfterStep(_) => KEPT_NAMES,
        };
        StepKind::ALL.iter().filter(has).flat_map(|kind| kind.result_names()).chain(kept).copied()
    }
}

/// A name somebody gave.
#[derive(Debug, Clone)]
pub(super) struct DeclaredName<'f> {
    pub(super) name: String,
    pub(super) span: SourceSpan<'f>,
    pub(super) what: &'static str,
}

/// The names at one place of a probe, growing from step to step.
pub(super) struct NameScope<'b, 'f> {
    pub(super) context: &'b ServiceContext,
    pub(super) diagnostics: &'b mut Diagnostics,
    /// What may be used here.
    pub(super) visible: Vec<DeclaredName<'f>>,
    /// What later steps will capture, and variables further down.
    pub(super) later: Vec<DeclaredName<'f>>,
    /// Names that are taken though they may not be used (matrix keys, captures of steps beside this one).
    pub(super) taken: Vec<DeclaredName<'f>>,
    pub(super) cell_keys: Vec<String>,
    pub(super) in_loop: bool,
    /// Whether the probe has more names than allowed. The names beyond the limit are not checked.
    too_many: bool,
    /// Variables of the probe that hold only the operator's own text, and nothing from an answer.
    pub(super) trusted: Vec<String>,
    /// Variables, captures and loop names that hold a secret, a value made of a secret, or a value named like a credential.
    pub(super) private: Vec<String>,
    /// Variables of the service that were used, each with its first use.
    pub(super) used: Vec<(String, SourceSpan<'f>)>,
    /// The files whose steps the probe uses.
    pub(super) uses: Option<&'b Uses<'f>>,
    /// Their parameters that were used, each with the place of its file among them.
    pub(super) used_parameters: HashSet<(usize, String)>,
}

impl<'b, 'f> NameScope<'b, 'f> {
    pub(super) fn new(context: &'b ServiceContext, diagnostics: &'b mut Diagnostics) -> Self {
        Self {
            context,
            diagnostics,
            visible: Vec::new(),
            later: Vec::new(),
            taken: Vec::new(),
            cell_keys: Vec::new(),
            in_loop: false,
            too_many: false,
            trusted: Vec::new(),
            private: Vec::new(),
            used: Vec::new(),
            uses: None,
            used_parameters: HashSet::new(),
        }
    }

    /// Checks that a new name is free, and takes it without making it visible.
    pub(super) fn take(&mut self, name: &str, span: SourceSpan<'f>, what: &'static str) -> DeclaredName<'f> {
        if self.visible.len() + self.taken.len() >= MOST_NAMES {
            if std::mem::replace(&mut self.too_many, true) {
                return DeclaredName { name: name.to_owned(), span, what };
            }
            self.diagnostics.push(
                Diagnostic::at(Code::TooMany, span, format!("the probe has more than {MOST_NAMES} names"))
                    .help("variables, captures, matrix keys and loops have names; a list needs one, however long it is"),
            );
        }
        if let Some(diagnostic) = reserved(name, span, what) {
            self.diagnostics.push(diagnostic);
        } else if what == LOOP_NAME && self.given(span).is_some_and(|given| given.has(name)) {
            self.diagnostics.push(
                Diagnostic::at(
                    Code::ShadowedName,
                    span,
                    format!("the {what} `{name}` has the name of a parameter or a capture of its file"),
                )
                .help("give it another name: each name means one thing in a file"),
            );
        } else if let Some(other) = self.visible.iter().chain(&self.taken).find(|other| other.name == name) {
            let message = format!("the {what} `{name}` has the name of a {}", other.what);
            self.diagnostics.push(
                Diagnostic::at(Code::ShadowedName, span, message)
                    .related(other.span, format!("the {} is here", other.what))
                    .help(match self.uses.and_then(|uses| uses.of(span)) {
                        None => "give one of them another name: each name means one thing in a probe",
                        Some(_) => "give the use a word of its own, such as `as = \"second\"`: it then is `second_…` for the rest of the probe",
                    }),
            );
        } else if self.context.has_var(name) {
            let message = format!("the {what} `{name}` has the name of a variable of the service");
            self.diagnostics.push(
                Diagnostic::at(Code::ShadowedName, span, message)
                    .help("give it another name: each name means one thing in a probe"),
            );
        }
        DeclaredName { name: name.to_owned(), span, what }
    }

    /// Checks that a new name is free, and lets expressions use it from here on.
    pub(super) fn declare(&mut self, name: &str, span: SourceSpan<'f>, what: &'static str) {
        let declared = self.take(name, span, what);
        if !self.too_many {
            self.visible.push(declared);
        }
    }

    /// Whether a name holds what the operator wrote, rather than what a target answered.
    pub(super) fn is_trusted(&self, name: &str) -> bool {
        ALWAYS.contains(&name) || self.trusted.iter().any(|trusted| trusted == name) || self.context.has_var(name)
    }

    /// Whether what a name holds must stay with the origin it is sent to.
    pub(super) fn is_private(&self, name: &str) -> bool {
        name == "secret" || self.private.iter().any(|private| private == name) || is_credential(name)
    }

    /// Whether the value of `expression` must stay with its origin, by what it reads.
    pub(super) fn makes_private(&self, expression: &Expression) -> bool {
        is_credential(expression.source()) || expression.names().iter().any(|read| self.is_private(read))
    }

    /// Notes that `name` holds the value of `expression`.
    pub(super) fn holds(&mut self, name: &str, expression: &Expression) {
        if is_credential(name) || self.makes_private(expression) {
            self.private.push(name.to_owned());
        }
    }

    pub(super) fn template(&mut self, node: &Node<'f>, stage: Stage) -> Template {
        let source = node.as_text().unwrap_or_default();
        let compiled = Template::parse(source, node.span.location());
        match self.compiled(compiled, node.span, 0) {
            Some(mut template) => {
                if let Some(given) = self.given(node.span) {
                    template = template.with_given(given);
                }
                template.with_trusted(|name| self.is_trusted(name));
                template.with_private(|name| self.is_private(name));
                self.names(template.uses(), node.span, stage);
                template
            }
            None => Template::parse("", node.span.location()).expect("an empty text is a template"),
        }
    }

    pub(super) fn condition(&mut self, node: &Node<'f>, stage: Stage) -> Condition {
        let source = node.as_text().unwrap_or("true");
        let compiled = Condition::parse(source, node.span.location());
        match self.compiled(compiled, node.span, 0) {
            Some(mut condition) => {
                if let Some(given) = self.given(node.span) {
                    condition = condition.with_given(given);
                }
                self.names(condition.uses().iter().map(|each| (0, each)), node.span, stage);
                self.doubt(condition.hints(), node.span, 0);
                condition
            }
            None => Condition::parse("true", node.span.location()).expect("`true` is a condition"),
        }
    }

    pub(super) fn expression(&mut self, node: &Node<'f>, stage: Stage) -> Expression {
        self.expression_at(node, 0, stage)
    }

    /// Compiles what follows the first `offset` bytes of a string.
    pub(super) fn expression_at(&mut self, node: &Node<'f>, offset: usize, stage: Stage) -> Expression {
        let source = node.as_text().and_then(|text| text.get(offset..)).unwrap_or("true");
        let location = node.span.within(offset..offset).location();
        let compiled = Expression::parse(source, if offset == 0 { node.span.location() } else { location });
        match self.compiled(compiled, node.span, offset) {
            Some(mut expression) => {
                if let Some(given) = self.given(node.span) {
                    expression = expression.with_given(given);
                }
                self.names(expression.uses().iter().map(|each| (offset, each)), node.span, stage);
                self.doubt(expression.hints(), node.span, offset);
                expression
            }
            None => Expression::parse("true", node.span.location()).expect("`true` is an expression"),
        }
    }

    /// Warns of what is valid and most likely a mistake, in an expression that begins `offset` bytes behind the string's begin.
    fn doubt(&mut self, hints: Vec<(Range<usize>, String)>, span: SourceSpan<'f>, offset: usize) {
        for (range, why) in hints.into_iter().take(MOST_HINTS) {
            let span = span.within(offset + range.start..offset + range.end);
            self.diagnostics
                .push(Diagnostic::at(Code::DoubtfulCondition, span, "this is most likely not what is meant").help(why));
        }
    }

    fn compiled<T>(&mut self, result: Result<T, expr::ParseError>, span: SourceSpan<'f>, offset: usize) -> Option<T> {
        result
            .map_err(|error| {
                let span = span.within(offset + error.span.start..offset + error.span.end);
                self.diagnostics.push(Diagnostic::at(Code::ExpressionSyntax, span, error.message));
            })
            .ok()
    }

    /// Looks at every name that is used in the string at `span`, each with where its expression begins there.
    fn names<'u>(&mut self, uses: impl Iterator<Item = (usize, &'u expr::Use)>, span: SourceSpan<'f>, stage: Stage) {
        let mut reported: HashSet<&str> = HashSet::new();
        for (offset, each) in uses.filter(|(_, each)| !matches!(&*each.root, "run" | "region")) {
            if self.diagnostics.has_too_many_errors() {
                return;
            }
            let place = |range: &Range<usize>| span.within(offset + range.start..offset + range.end);
            match (&*each.root, &each.attribute) {
                (root, _) if reported.contains(root) => {}
                ("secret", Some((name, range))) => self.secret(name, || place(range)),
                ("cell", Some((key, range))) => self.cell_key(key, || place(range)),
                (root, attribute) => {
                    let bare = attribute.is_none() && each.compared;
                    let diagnostic = if self.parameter(root, span) {
                        ambiguous(root, "parameter", place(&each.span), stage)
                    } else {
                        self.root(root, || place(&each.span), stage, bare)
                    };
                    let diagnostic = diagnostic.or_else(|| self.behind(root, place(&each.span), stage));
                    if let Some(diagnostic) = diagnostic {
                        reported.insert(root);
                        self.diagnostics.push(diagnostic);
                    }
                }
            }
        }
    }

    /// The problem of a name in a shared file that stands for a name which is a part of this step's result, too: it would be looked up there.
    fn behind(&self, name: &str, span: SourceSpan<'f>, stage: Stage) -> Option<Diagnostic> {
        let behind = self.given(span)?.behind(name);
        let taken = behind.iter().find(|real| *real != name && stage.result_names().any(|known| *known == **real))?;
        let message = format!("`{name}` stands for `{taken}` here, which is a part of this step's result too");
        Some(
            Diagnostic::at(Code::ReservedName, span, message).help(format!(
                "give `{taken}` another name where it is declared: what is looked up here would be the step's own"
            )),
        )
    }

    fn secret(&mut self, name: &str, span: impl Fn() -> SourceSpan<'f>) {
        if !self.context.secrets.contains_key(name) {
            self.diagnostics.push(unknown_secret(name, span(), self.context.secrets.keys().map(|name| &**name)));
        }
    }

    fn cell_key(&mut self, key: &str, span: impl Fn() -> SourceSpan<'f>) {
        if self.cell_keys.iter().all(|known| known != key) {
            let help = suggestion(key, self.cell_keys.iter().map(String::as_str));
            self.diagnostics.push(
                Diagnostic::at(Code::UnknownCellKey, span(), format!("the matrix has no key `{key}`"))
                    .mend_name(key, self.cell_keys.iter().map(String::as_str))
                    .help("give its values in `[matrix]`")
                    .maybe_help(help),
            );
        }
    }

    /// `bare`: the name stands where a text without its quotes would stand.
    fn root(&mut self, name: &str, span: impl Fn() -> SourceSpan<'f>, stage: Stage, bare: bool) -> Option<Diagnostic> {
        let of_result = stage.result_names().any(|known| known == name);
        let at = span();
        let real = self.given(at).map_or(name, |given| given.renamed(name));
        let declared = self.visible.iter().find(|declared| declared.name == real && self.sees(at, declared));
        let declared = declared.map(|declared| declared.what);
        let other = declared.or_else(|| self.context.has_var(name).then_some(VARIABLE));
        if let Some(diagnostic) = other.and_then(|what| ambiguous(name, what, at, stage)) {
            return Some(diagnostic);
        }
        let known = ALWAYS.contains(&name) || (name == "round" && self.in_loop) || of_result || declared.is_some();
        if known || self.too_many {
            return None;
        }
        if self.context.has_var(name) {
            if self.used.iter().all(|(used, _)| used != name) {
                self.used.push((name.to_owned(), span()));
            }
            return None;
        }
        Some(self.unknown(name, span(), stage, bare))
    }
}

impl<'f> NameScope<'_, 'f> {
    /// The problem of a name that means nothing at this place.
    fn unknown(&self, name: &str, span: SourceSpan<'f>, stage: Stage, bare: bool) -> Diagnostic {
        let real = self.given(span).map_or(name, |given| given.renamed(name));
        if let Some(later) = self.later.iter().find(|later| later.name == real && self.sees(span, later)) {
            let unknown = Diagnostic::at(Code::NotYetKnown, span, format!("`{name}` is not known here yet"));
            return if later.what == VARIABLE {
                unknown
                    .related(later.span, "it is defined here")
                    .help("variables are evaluated in the order of `[vars]`: define it above the one that uses it")
            } else if later.what == CARRIED {
                unknown
                    .related(later.span, "it is carried here")
                    .help("a carried value can be used in what its step sends and where it looks at an answer, and by the steps after it")
            } else if later.what == COLLECTED {
                unknown
                    .related(later.span, "it is collected here")
                    .help("a list can be used where its step looks at an answer, and by the steps after it")
            } else {
                let carry = "; from attempt to attempt of one step, `carry` hands a value on";
                let carry = if stage == Stage::Request { carry } else { "" };
                unknown
                    .related(later.span, "it is captured here")
                    .help(format!("a capture can be used by the steps after the one that makes it{carry}"))
            };
        }
        let unknown = Diagnostic::at(Code::UnknownName, span, format!("nothing here is called `{name}`"));
        if is_result_name(name) {
            return unknown.help(match stage {
                _ if name == ATTEMPT => "`attempt` counts the attempts of one step: it is known in what the step sends, and in `expect`, `guard` and `capture`".to_owned(),
                Stage::BeforeStep | Stage::Request => format!("`{name}` is known of a step's own result: in `expect`, `guard` and `capture`"),
                Stage::AfterStep(own) => of_others(name, own, StepKind::knowing(name)),
            });
        }
        match name {
            "round" => unknown.help("`round` counts the iterations of `repeat` and `for_each`"),
            "env" => unknown.help("the environment is not in scope; name the variable in `[secrets]` and use `secret.NAME`"),
            "vars" => unknown.help("variables are used by their own names"),
            "probe" | "device" | "subject" => unknown.help("write it out: expressions do not see it"),
            _ => {
                let known = self.names_at(span, stage);
                let meant = known.iter().copied().filter(|_| !bare);
                unknown.mend_name(name, meant).help(self.what_to_do(name, span, &known, bare))
            }
        }
    }

    /// The names that expressions can use at a place.
    fn names_at(&self, span: SourceSpan<'f>, stage: Stage) -> Vec<&str> {
        let of = self.uses.and_then(|uses| uses.of(span)).map(|(_, of)| of);
        let parameters = of.into_iter().flat_map(|of| of.parameters.iter().map(|(name, _)| *name));
        let own = self.visible.iter().filter(|declared| self.sees(span, declared)).map(|declared| declared.name.as_str());
        let written = own.map(|name| of.and_then(|of| of.written(name)).unwrap_or(name));
        let vars = self.context.var_names().chain(ALWAYS);
        parameters.chain(written).chain(vars).chain(stage.result_names().map(|name| -> &str { name })).collect()
    }

    fn what_to_do(&self, name: &str, span: SourceSpan<'f>, known: &[&str], bare: bool) -> String {
        let is_shared = self.uses.and_then(|uses| uses.of(span)).is_some();
        if self.cell_keys.iter().any(|key| key == name) {
            return format!("values of the matrix are used as `cell.{name}`");
        }
        match (did_you_mean(name, known.iter().copied()), bare) {
            (Some(question), true) => format!("text is quoted: '{name}'; or {question}"),
            (None, true) => format!("text is quoted: '{name}'; a name is declared in `[vars]` or captured in an earlier step"),
            (Some(question), false) => question,
            (None, false) if is_shared => {
                format!(
                    "a library of steps sees its parameters and what its steps capture: declare `[parameters]` `{name} = {{}}`"
                )
            }
            (None, false) => "declare it in `[vars]` of the probe or of the service, or capture it in an earlier step".to_owned(),
        }
    }
}

/// The problem of a name that is declared and a part of the step's result as well, if it is.
fn ambiguous(name: &str, what: &str, span: SourceSpan<'_>, stage: Stage) -> Option<Diagnostic> {
    let message = format!("`{name}` is a {what}, and a part of this step's result too");
    let is_both = stage.result_names().any(|known| known == name);
    is_both.then(|| Diagnostic::at(Code::ReservedName, span, message).help(format!("give the {what} another name")))
}

/// What to say of a name that only results of steps of other kinds have.
fn of_others(name: &str, own: Option<StepKind>, others: impl Iterator<Item = StepKind>) -> String {
    let keys: Vec<String> = others.map(|kind| format!("`{}`", kind.key())).collect();
    let own = own.map_or_else(String::new, |own| format!("; this is a step of `{}`", own.key()));
    format!("`{name}` is known of the result of a step of {}{own}", keys.join(" or "))
}

/// The problem of a name that is reserved. Names that only results of kinds other than HTTP have may be declared, so that a new
/// kind breaks no probe. They may not be used where both meanings exist ([`NameScope::root`]).
pub(super) fn reserved(name: &str, span: SourceSpan<'_>, what: &str) -> Option<Diagnostic> {
    let why = if RUN_NAMES.contains(&name) {
        "is there in every run"
    } else if StepKind::Http.result_names().contains(&name) || KEPT_NAMES.contains(&name) {
        "is a part of every step's result"
    } else if matches!(name, "true" | "false" | "none" | "and" | "or" | "not" | "in" | "is" | "if" | "else") {
        "is a word of the expression language"
    } else {
        return None;
    };
    let message = format!("the {what} cannot be called `{name}`: it {why}");
    Some(Diagnostic::at(Code::ReservedName, span, message).help("give it another name"))
}

/// The problem of a secret that nobody declared.
pub(super) fn unknown_secret<'k>(name: &str, span: SourceSpan<'_>, known: impl IntoIterator<Item = &'k str>) -> Diagnostic {
    let known: Vec<&str> = known.into_iter().collect();
    let help = did_you_mean(name, known.iter().copied())
        .unwrap_or_else(|| format!("declare it in the service's configuration: `[secrets]` `{name} = {{ env = \"…\" }}`"));
    Diagnostic::at(Code::UnknownSecret, span, format!("there is no secret `{name}`")).mend_name(name, known).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_other_kinds_is_told_with_the_kinds_that_have_it() {
        let told = of_others("status", Some(StepKind::Http), StepKind::knowing("status"));
        assert_eq!(told, "`status` is known of the result of a step of `http`; this is a step of `http`");
        assert_eq!(of_others("status", None, [StepKind::Http; 2].into_iter()).matches("`http`").count(), 2);
        assert!(StepKind::knowing("rows").next().is_none() && is_result_name("rows"), "it is kept for what comes");
    }
}
