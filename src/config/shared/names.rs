//! Names in the steps of shared files: parameters, what they are given, and what may be used from where.

use std::sync::Arc;

use crate::plan::expr::Given;
use crate::plan::{Expression, Template};

use super::super::constant::constant;
use super::super::scope::{DeclaredName, NameScope, Stage};
use super::super::tree::{Node, SourceSpan};
use super::super::{Code, Diagnostic};

impl<'b, 'f> NameScope<'b, 'f> {
    /// Checks what is given for the parameters of a file, which means the same wherever they are used.
    pub(in crate::config) fn argument(&mut self, node: &Node<'f>) {
        if node.as_text().is_none() {
            constant(node, self.diagnostics);
        } else if self.template(node, Stage::BeforeStep).varies() {
            self.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, node.span, "this would be another value wherever the parameter is used")
                    .help("choose it in `[vars]`, which are evaluated once a run, and give the variable"),
            );
        }
    }

    /// Reports parameters that nothing in their file uses, unless the rest of the probe has errors, which may be why.
    pub(in crate::config) fn unused_parameters(&mut self) {
        let Some(uses) = self.uses.filter(|_| !self.diagnostics.has_errors()) else { return };
        for (index, each) in uses.iter().enumerate() {
            for (name, span) in &each.parameters {
                if !self.used_parameters.contains(&(index, (*name).to_owned())) {
                    self.diagnostics.push(
                        Diagnostic::at(Code::UnusedParameter, *span, format!("no step of this file uses the parameter `{name}`"))
                            .help("take it out, here and where it is given"),
                    );
                }
            }
        }
    }

    /// An expression as it will be compiled at its place, before it is; nothing if it is none.
    pub(in crate::config) fn ahead(&self, node: &Node<'f>) -> Option<Expression> {
        let expression = Expression::parse(node.as_text()?, node.span.location()).ok()?;
        Some(match self.given(node.span) {
            Some(given) => expression.with_given(given),
            None => expression,
        })
    }

    /// The same of a template.
    pub(in crate::config) fn template_ahead(&self, node: &Node<'f>) -> Option<Template> {
        let template = Template::parse(node.as_text()?, node.span.location()).ok()?;
        Some(match self.given(node.span) {
            Some(given) => template.with_given(given),
            None => template,
        })
    }

    /// What the names at a place stand for.
    pub(in crate::config) fn given(&self, span: SourceSpan<'f>) -> Option<&'b Arc<Given>> {
        self.uses.and_then(|uses| uses.given(span))
    }

    /// Whether what was declared may be used at a place: a file knows what it declares itself, and what the files do that it uses.
    pub(in crate::config) fn sees(&self, from: SourceSpan<'f>, declared: &DeclaredName<'f>) -> bool {
        self.uses.is_none_or(|uses| uses.sees(from, declared.span))
    }

    /// Whether a name is a parameter at this place, which it then is used at.
    pub(in crate::config) fn parameter(&mut self, name: &str, span: SourceSpan<'f>) -> bool {
        let Some((index, of)) = self.uses.and_then(|uses| uses.of(span)) else { return false };
        let is_one = of.parameters.iter().any(|(known, _)| *known == name);
        if is_one {
            self.used_parameters.insert((index, name.to_owned()));
        }
        is_one
    }
}
