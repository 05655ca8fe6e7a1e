//! What a reload changes, in words: what it brings, and what holds until a restart.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::plan::{Plan, Service};

/// What only a restart changes.
pub(super) fn fixed(service: &Service) -> Vec<(&'static str, String)> {
    let Service { plan, listen, traces, log_format, alerting: _, store, fleet, self_check, heartbeat, status_page } = service;
    let crate::plan::Limits {
        concurrent_runs: _,
        step_timeout,
        response_bytes,
        cleanup,
        shutdown_grace,
        min_interval: _,
        extra_roots,
        exec: _,
    } = &plan.limits;
    vec![
        ("listen", format!("{listen:?}")),
        ("traces", format!("{traces:?}")),
        ("log_format", format!("{log_format:?}")),
        ("store", format!("{store:?}")),
        ("fleet", format!("{fleet:?}")),
        ("self_check", format!("{self_check:?}")),
        ("heartbeat", format!("{heartbeat:?}")),
        ("where the status page is", format!("{:?}", status_page.as_ref().map(|page| &page.place))),
        ("limits", format!("{:?}", (step_timeout, response_bytes, cleanup, shutdown_grace, extra_roots))),
    ]
}

/// `2 canaries added, 1 removed, 30 kept`.
pub(super) fn difference(old: &Plan, new: &Plan) -> String {
    let is_in = |plan: &Plan, id| plan.canaries.binary_search_by(|canary| canary.id.cmp(id)).is_ok();
    let added = new.canaries.iter().filter(|canary| !is_in(old, &canary.id)).count();
    let removed = old.canaries.iter().filter(|canary| !is_in(new, &canary.id)).count();
    let plural = if added == 1 { "y" } else { "ies" };
    format!("{added} canar{plural} added, {removed} removed, {} kept", new.canaries.len() - added)
}

/// `; probes added: a, b; removed: c`, or nothing.
pub(super) fn probes(old: &Plan, new: &Plan) -> String {
    const NAMED: usize = 10;
    let all = |plan: &Plan| plan.probes.iter().map(|probe| Arc::clone(&probe.name)).collect::<BTreeSet<_>>();
    let (old, new) = (all(old), all(new));
    let list = |how: &str, names: Vec<&Arc<str>>| {
        let first = names.iter().take(NAMED).map(|name| &***name).collect::<Vec<_>>().join(", ");
        match names.len() {
            0 => String::new(),
            1..=NAMED => format!("; probes {how}: {first}"),
            more => format!("; probes {how}: {first} and {} more", more - NAMED),
        }
    };
    list("added", new.difference(&old).collect()) + &list("removed", old.difference(&new).collect())
}
