//! Creations that no cleanup could undo, because they differ from attempt to attempt.
//!
//! What undoes a step is written down once, before its first attempt, and must hold wherever the run is cut or the process ends. So what
//! identifies the thing that is created, and what the cleanup reads of it, is the same in every attempt: a constant, a value of
//! `[vars]`, or a capture.

use crate::plan::{Step, Template};

use super::super::keys::{StepItem, StepKeys};
use super::super::tree::{Data, Node};
use super::super::{Code, Diagnostic, Diagnostics};

/// Keys of `http` that say how something is asked for, and not what.
const NOT_ITS_NAME: [&str; 4] = ["headers", "bearer", "basic", "oauth2"];

/// Reports what of a step with these cleanups is another value at each attempt.
pub(super) fn check(item: &StepItem<'_>, cleanups: &[Step], diagnostics: &mut Diagnostics) {
    let keys = &item.value;
    if keys.cleanup.entry.is_none() {
        return;
    }
    let polls = keys.eventually.entry.or(keys.consistently.entry).is_some();
    let carried = |name: &str| keys.carry.entries().any(|entry| entry.key == name);
    let differs = |template: &Template| {
        template.counts_attempts() || polls && (template.is_random() || template.names().iter().any(|name| carried(name)))
    };
    let asked = what_is_asked(keys);
    let differing = asked.iter().find(|node| {
        let template = node.as_text().and_then(|text| Template::parse(text, node.span.location()).ok());
        template.is_some_and(|template| differs(&template))
    });
    if let Some(node) = differing {
        let message = "this is another value at each attempt, so that the cleanup would undo one creation of several";
        diagnostics.push(
            Diagnostic::at(Code::ChangingCreation, node.span, message).help(
                "choose it in `[vars]`: all attempts then create the same; or look for what was created in a step of its own",
            ),
        );
    }
    let handed_on = |name: &str| carried(name) || keys.collect.entries().any(|entry| entry.key == name);
    for (cleanup, written) in cleanups.iter().zip(keys.cleanup.items()) {
        if cleanup.reads(&handed_on) {
            let message = "the cleanup reads what the attempts of its step hand on, which is not whole where the run is cut";
            diagnostics.push(
                Diagnostic::at(Code::ChangingCreation, written.node.span, message)
                    .help("let it undo by a name of `[vars]`, or by a `capture` of the step"),
            );
        }
    }
}

/// The texts that say what a step asks for.
fn what_is_asked<'n, 'f>(keys: &'n StepKeys<'f>) -> Vec<&'n Node<'f>> {
    let mut texts = Vec::new();
    if let Some(Data::Table(http)) = keys.http.node().map(|node| &node.data) {
        let asked = http.entries.iter().filter(|entry| !NOT_ITS_NAME.contains(&&*entry.key));
        asked.for_each(|entry| entry.value.add_texts(&mut texts));
    }
    let others = [keys.dns.node(), keys.tcp.node(), keys.exec.node()];
    others.into_iter().flatten().for_each(|node| node.add_texts(&mut texts));
    texts
}
