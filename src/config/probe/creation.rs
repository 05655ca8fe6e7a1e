//! Creations that no cleanup could undo, because they differ from attempt to attempt.
//!
//! What undoes a step is written down once, before its first attempt, and must hold wherever the run is cut or the process ends. So what
//! identifies the thing that is created, and what the cleanup reads of it, is the same in every attempt: a constant, a value of
//! `[vars]`, or a capture.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plan::{Device, Step, Template};

use super::super::keys::{StepItem, StepKeys};
use super::super::scope::NameScope;
use super::super::tree::{Data, Node};
use super::super::{Code, Diagnostic};

/// Keys of `http` that say how something is asked for, and not what.
const NOT_ITS_NAME: [&str; 4] = ["headers", "bearer", "basic", "oauth2"];

/// Reports what of a step with these cleanups is another value at each attempt.
pub(super) fn check<'f>(
    item: &StepItem<'f>,
    cleanups: &[Step],
    devices: &BTreeMap<Arc<str>, Device>,
    scope: &mut NameScope<'_, 'f>,
) {
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
    let differing = asked.iter().find(|node| scope.template_ahead(node).is_some_and(|template| differs(&template)));
    let device = keys.device.and_then(|node| node.as_text()).unwrap_or("default");
    let mut chosen = devices.iter().filter(|(name, _)| ***name == *device || device.contains("{{")).map(|(_, device)| device);
    let by_device = keys.http.entry.is_some() && chosen.any(|device| device.requests.content().any(&differs));
    let found = match differing {
        Some(node) => Some((node.span, "this is")),
        None => by_device.then_some((item.node.span, "what the device adds to this step's requests is")),
    };
    if let Some((span, what)) = found {
        let message = format!("{what} another value at each attempt, so that the cleanup would undo one creation of several");
        scope.diagnostics.push(
            Diagnostic::at(Code::ChangingCreation, span, message).help(
                "choose it in `[vars]`: all attempts then create the same; or look for what was created in a step of its own",
            ),
        );
    }
    let handed_on = |name: &str| carried(name) || keys.collect.entries().any(|entry| entry.key == name);
    for (cleanup, written) in cleanups.iter().zip(keys.cleanup.items()) {
        if cleanup.reads(&handed_on) {
            let message = "the cleanup reads what the attempts of its step hand on, which is not whole where the run is cut";
            scope.diagnostics.push(
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
