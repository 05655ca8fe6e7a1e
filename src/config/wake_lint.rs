//! Warnings about pages that wake nobody, and about reminders that no channel sends.
//!
//! A channel wakes or informs (`wakes`). A page that has woken nobody after `escalate_after` goes to all channels and stops the
//! heartbeat. A configuration under which every page does so is most likely a mistake. A new warning is a function here, called
//! from where its tables are read.

use std::sync::Arc;
use std::time::Duration;

use crate::plan::{Alerting, Channel, ReceiverKind, Route, Severity};

use super::cross::ProbeMetadata;
use super::keys::ServiceKeys;
use super::tree::SourceSpan;
use super::{Code, Diagnostic, Diagnostics};

/// Warns of a route that takes pages and names no waking channel, although there is one. `span` is where its channels are named.
pub(super) fn route(
    span: SourceSpan<'_>,
    route: &Route,
    channels: &[Arc<Channel>],
    escalate_after: Duration,
    diagnostics: &mut Diagnostics,
) {
    let severities = if route.severities.is_empty() { &Severity::ALL[..] } else { &route.severities };
    let Some(worst) = severities.iter().max().filter(|worst| **worst >= Severity::Page) else { return };
    let wakes = |channel: &Arc<Channel>| channel.wakes && channel.least <= *worst;
    let named: Vec<&Arc<Channel>> = channels.iter().filter(|channel| route.channels.contains(&channel.name)).collect();
    if named.is_empty() || named.iter().any(|channel| wakes(channel)) || !channels.iter().any(wakes) {
        return;
    }
    let after = humantime::format_duration(escalate_after);
    diagnostics.push(
        Diagnostic::at(
            Code::NobodyWakes,
            span,
            format!("none of these wakes anybody: after {after} a page goes to all channels"),
        )
        .help("add one that wakes, say `wakes = true` for one of these, or `alert.page = false` for the probes"),
    );
}

/// Warns of channels none of which wakes anybody for a page.
pub(super) fn channels(
    keys: &ServiceKeys<'_>,
    top: SourceSpan<'_>,
    alerting: &Alerting,
    probes: &[ProbeMetadata],
    diagnostics: &mut Diagnostics,
) {
    let takes_pages = |channel: &Arc<Channel>| channel.wakes && channel.least <= Severity::Page;
    if alerting.channels.is_empty() || alerting.channels.iter().any(takes_pages) || !probes.iter().any(|probe| probe.pages) {
        return;
    }
    let span = keys.notify.entry.map_or(top, |entry| entry.key_span);
    let after = humantime::format_duration(alerting.escalate_after);
    let message = if alerting.channels.iter().any(|channel| channel.wakes) {
        "no channel that wakes takes pages"
    } else {
        "no channel wakes anybody"
    };
    diagnostics.push(
        Diagnostic::at(Code::NobodyWakes, span, format!("{message}: after {after} a page goes to all, and the heartbeat stops"))
            .help("say `wakes = true` for one that somebody hears at night, with `least = \"page\"`"),
    );
}

/// Warns of reminders where every channel reminds by itself.
pub(super) fn reminders(keys: &ServiceKeys<'_>, alerting: &Alerting, probes: &[ProbeMetadata], diagnostics: &mut Diagnostics) {
    let reminds = |channel: &Arc<Channel>| channel.kind.receiver() == ReceiverKind::Posts;
    if alerting.channels.is_empty() || alerting.channels.iter().any(reminds) {
        return;
    }
    let defaults = keys.alerting.defaults.as_ref();
    let of_service = defaults.and_then(|defaults| defaults.remind.node()).filter(|node| node.as_text().is_some());
    let of_probes = probes.iter().filter_map(|probe| probe.remind.map(|range| probe.span(range)));
    for span in of_service.map(|node| node.span).into_iter().chain(of_probes) {
        diagnostics.push(
            Diagnostic::at(Code::NoEffect, span, "`remind` does nothing: it is for Slack, e-mail and webhook")
                .help("PagerDuty and Alertmanager remind by themselves, as they are configured there"),
        );
    }
}
