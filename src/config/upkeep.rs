//! What keeps the service itself honest: the store, the self check, the heartbeat.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::plan::{Heartbeat, SelfCheckSettings, StoreSettings};

use super::keys::{HeartbeatKeys, SelfCheckKeys, StoreKeys};
use super::section::Field;
use super::world::World;
use super::{Code, Diagnostic, Diagnostics, outside};

/// `[store]`; nothing if its file cannot be read from what is written.
pub(super) fn store(keys: &StoreKeys<'_>, diagnostics: &mut Diagnostics) -> Option<StoreSettings> {
    let path = store_path(&keys.url, diagnostics);
    let (keep_passed, keep_failed) = (*keys.keep_passed, *keys.keep_failed);
    let written = keys.keep_failed.spot().or(keys.keep_passed.spot());
    if let Some(spot) = written.filter(|_| keep_failed < keep_passed) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, spot, "failures are kept for a shorter time than passes")
                .help("failures are what is looked for later: make `keep_failed` at least as long as `keep_passed`"),
        );
    }
    Some(StoreSettings { path: path?, keep_passed, keep_failed, keep_rollups: *keys.keep_rollups, bodies: *keys.bodies })
}

fn store_path(url: &Field<'_, &str>, diagnostics: &mut Diagnostics) -> Option<PathBuf> {
    let text = url.value;
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        let later = "a store in PostgreSQL comes with a later version";
        let found = Diagnostic::at(Code::NotYet, url.spot()?, later).help("name a file for now: \"sqlite:serinus.db\"");
        diagnostics.push(found);
        return None;
    }
    let why = match text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
        None => "write \"sqlite:\" and the path of a file, such as \"sqlite:/var/lib/serinus/serinus.db\"",
        Some("" | ":memory:") => "it must name a file: what is only in memory forgets every incident at a restart",
        Some(path) if path.contains('?') => "it takes no parameters: write the path of a file only",
        Some(path) => return Some(path.into()),
    };
    diagnostics.push(Diagnostic::at(Code::InvalidValue, url.spot()?, "this cannot be `url`").help(why));
    None
}

/// `[self_check]`.
pub(super) fn self_check(keys: &SelfCheckKeys<'_>, diagnostics: &mut Diagnostics) -> SelfCheckSettings {
    let mut seen = BTreeSet::new();
    let mut endpoints = Vec::new();
    for item in keys.endpoints.items() {
        let (url, spot) = (&item.value.url, item.node.spot);
        if !seen.insert(url.to_string()) {
            diagnostics.push(
                Diagnostic::at(Code::Repeated, spot, "this endpoint is listed twice")
                    .help("the majority decides: name places that do not fail together"),
            );
        }
        if url.scheme() == "tcp" && url.port().is_none() {
            diagnostics.push(
                Diagnostic::at(Code::InvalidValue, spot, "there is no port to connect to")
                    .help("write it as in \"tcp://192.0.2.1:53\""),
            );
        }
        endpoints.push(url.clone());
    }
    if let Some(node) = keys.endpoints.node().filter(|node| node.as_list().len() < 2) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.spot, "one endpoint cannot tell its own outage from ours")
                .help("name two or more that do not fail together; without any, leave `[self_check]` out"),
        );
    }
    SelfCheckSettings { endpoints, every: *keys.every, timeout: *keys.timeout }
}

/// `[heartbeat]`; nothing if it has no URL.
pub(super) fn heartbeat(keys: &HeartbeatKeys<'_>, world: &World, diagnostics: &mut Diagnostics) -> Option<Heartbeat> {
    Some(Heartbeat { url: outside::url(&keys.url, world, diagnostics)?, every: *keys.every, timeout: *keys.timeout })
}
