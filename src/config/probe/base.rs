//! URLs of requests, and the paths that stand for them: what begins with `/` is joined to the `base` of its device.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plan::{Device, Template};

use super::super::keys::StepItem;
use super::super::scope::{NameScope, Stage};
use super::super::tree::Node;
use super::super::{Code, Diagnostic, Diagnostics, device, value};

/// The device of a step that names none.
const DEFAULT: &str = "default";

/// A URL or a path: what stands before the first expression must already say which.
pub(super) fn url<'f>(node: &Node<'f>, scope: &mut NameScope<'_, 'f>) -> Template {
    let Some(text) = node.as_text() else { return scope.template(node, Stage::Request) };
    let known = text.split_once("{{").map_or(text, |(known, _)| known);
    let problem = if known.is_empty() && !text.is_empty() || (is_path(text) && !known.starts_with("//")) {
        None
    } else if known.starts_with("//") {
        Some("a path begins with one `/`, and a URL with http:// or https://".to_owned())
    } else if !known.starts_with("http://") && !known.starts_with("https://") {
        let path = "a path begins with `/` and is joined to `base` of its device";
        Some(format!("it must begin with http:// or https://, or with an expression that does; {path}"))
    } else if known.len() == text.len() {
        value::url(text, &["https://", "http://"]).err()
    } else {
        None
    };
    if let Some(problem) = problem {
        scope.diagnostics.push(Diagnostic::at(Code::InvalidValue, node.span, "this is not a URL").help(problem));
    }
    if let Some(diagnostic) = device::control(node) {
        scope.diagnostics.push(diagnostic);
    }
    scope.template(node, Stage::Request)
}

/// Whether it is written as a path that has to be joined to something.
fn is_path(text: &str) -> bool {
    text.starts_with('/')
}

/// Reports paths that have nothing to be joined to, as far as it is known which device asks.
pub(super) fn lacking(steps: &[StepItem<'_>], devices: &BTreeMap<Arc<str>, Device>, diagnostics: &mut Diagnostics) {
    for step in steps.iter().flat_map(StepItem::doing) {
        let own = *step.value.device;
        of_step(step, own, devices, diagnostics);
        for cleanup in step.value.cleanup.items() {
            of_step(cleanup, cleanup.value.device.or(own), devices, diagnostics);
        }
    }
}

fn of_step(step: &StepItem<'_>, device: Option<&Node<'_>>, devices: &BTreeMap<Arc<str>, Device>, diagnostics: &mut Diagnostics) {
    let Some(http) = &step.value.http.value else { return };
    let written = http.written_methods().first().map(|(_, entry)| &entry.value).or(*http.url);
    let Some(node) = written.filter(|node| node.as_text().is_some_and(is_path)) else { return };
    let has_base = |device: &Device| device.requests.base.is_some();
    let name = device.and_then(|node| node.as_text()).unwrap_or(DEFAULT);
    let (has_one, whose, table) = if name.contains("{{") {
        // It is chosen in the run, which tells where the chosen one has none.
        (devices.values().any(has_base), "no device of this probe has a `base`".to_owned(), DEFAULT)
    } else {
        // A device that is not there is another problem.
        (devices.get(name).is_none_or(has_base), format!("the device `{name}` has no `base`"), name)
    };
    if !has_one {
        let message = format!("there is nothing to join this path to: {whose}");
        let table =
            format!("give `base = \"https://…\"` in `[devices.{table}]`, or in `[http]` of the service; or write the whole URL");
        diagnostics.push(Diagnostic::at(Code::NoBase, node.span, message).help(table));
    }
}
