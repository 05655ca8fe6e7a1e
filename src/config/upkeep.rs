//! What keeps the service itself honest: the store, the self check, the heartbeat.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::plan::{Bodies, Heartbeat, SelfCheckSettings, StoreSettings};

use super::tree::{Node, Table};
use super::world::World;
use super::{Code, Diagnostic, Diagnostics, outside};

/// The file everything is kept in where nothing is configured; the working directory is where a process may write.
const STORE: &str = "serinus.db";

const DAY: Duration = Duration::from_hours(24);

/// `[store]`.
pub(super) fn store(table: &Table<'_>, diagnostics: &mut Diagnostics) -> StoreSettings {
    let mut settings = StoreSettings {
        path: STORE.into(),
        keep_passed: DAY.saturating_mul(3),
        keep_failed: DAY.saturating_mul(30),
        keep_rollups: DAY.saturating_mul(365),
        bodies: Bodies::Failed,
    };
    let Some(table) = table.table("store") else { return settings };
    if let Some(node) = table.get("url")
        && let Some(path) = store_path(node, diagnostics)
    {
        settings.path = path;
    }
    let kept = [
        ("keep_passed", &mut settings.keep_passed),
        ("keep_failed", &mut settings.keep_failed),
        ("keep_rollups", &mut settings.keep_rollups),
    ];
    for (key, kept) in kept {
        *kept = table.duration(key).unwrap_or(*kept);
    }
    if table.text("bodies") == Some("never") {
        settings.bodies = Bodies::Never;
    }
    let written = table.get("keep_failed").or_else(|| table.get("keep_passed"));
    if let Some(node) = written.filter(|_| settings.keep_failed < settings.keep_passed) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.spot, "failures are kept for a shorter time than passes")
                .help("failures are what is looked for later: make `keep_failed` at least as long as `keep_passed`"),
        );
    }
    settings
}

fn store_path(node: &Node<'_>, diagnostics: &mut Diagnostics) -> Option<PathBuf> {
    let text = node.as_text()?;
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        diagnostics.push(
            Diagnostic::at(Code::NotYet, node.spot, "a store in PostgreSQL comes with a later version")
                .help("name a file for now: \"sqlite:serinus.db\""),
        );
        return None;
    }
    let why = match text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
        None => "write \"sqlite:\" and the path of a file, such as \"sqlite:/var/lib/serinus/serinus.db\"",
        Some("" | ":memory:") => "it must name a file: what is only in memory forgets every incident at a restart",
        Some(path) if path.contains('?') => "it takes no parameters: write the path of a file only",
        Some(path) => return Some(path.into()),
    };
    diagnostics.push(Diagnostic::at(Code::InvalidValue, node.spot, "this cannot be `url`").help(why));
    None
}

/// `[self_check]`.
pub(super) fn self_check(table: &Table<'_>, diagnostics: &mut Diagnostics) -> Option<SelfCheckSettings> {
    let table = table.table("self_check")?;
    let mut seen = BTreeSet::new();
    let mut endpoints = Vec::new();
    for node in table.list("endpoints") {
        let Some(url) = node.as_text().and_then(|text| url::Url::parse(text).ok()) else { continue };
        if !seen.insert(url.to_string()) {
            diagnostics.push(
                Diagnostic::at(Code::Repeated, node.spot, "this endpoint is listed twice")
                    .help("the majority decides: name places that do not fail together"),
            );
        }
        if url.scheme() == "tcp" && url.port().is_none() {
            diagnostics.push(
                Diagnostic::at(Code::InvalidValue, node.spot, "there is no port to connect to")
                    .help("write it as in \"tcp://192.0.2.1:53\""),
            );
        }
        endpoints.push(url);
    }
    if let Some(node) = table.get("endpoints").filter(|node| node.as_list().len() < 2) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.spot, "one endpoint cannot tell its own outage from ours")
                .help("name two or more that do not fail together; without any, leave `[self_check]` out"),
        );
    }
    Some(SelfCheckSettings {
        endpoints,
        every: table.duration("every").unwrap_or(Duration::from_secs(5)),
        timeout: table.duration("timeout").unwrap_or(Duration::from_secs(2)),
    })
}

/// `[heartbeat]`.
pub(super) fn heartbeat(table: &Table<'_>, world: &World, diagnostics: &mut Diagnostics) -> Option<Heartbeat> {
    let table = table.table("heartbeat")?;
    Some(Heartbeat {
        url: outside::url(table, "url", world, diagnostics)?,
        every: table.duration("every").unwrap_or(Duration::from_mins(1)),
        timeout: table.duration("timeout").unwrap_or(Duration::from_secs(10)),
    })
}
