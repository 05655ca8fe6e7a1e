//! `GET /log`: what people and programs did, and what changed, newest first.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::Query;
use serde::Deserialize;

use crate::history::{EventFilter, EventKind, EventView, Page};
use crate::web::Api;
use crate::web::model::overview::encoded;
use crate::web::model::words;

use super::frame::Frame;
use super::moments::on;
use super::page::{Look, PageResult, html, snapshot};

/// Events of a page.
const EVENTS: usize = 100;

/// What the address bar keeps.
#[derive(Debug, Default, Deserialize)]
pub(super) struct LogQuery {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    probe: String,
    #[serde(default)]
    after: String,
}

/// A choice of the filter.
struct KindChip {
    label: &'static str,
    href: String,
    is_chosen: bool,
}

/// Something that happened.
struct LogRow {
    at_ms: i64,
    kind: &'static str,
    by: String,
    what: String,
    text: String,
    probe: String,
    probe_href: String,
    incident_href: String,
}

#[derive(Template)]
#[template(path = "log.html", config = "src/web/pages/askama.toml")]
struct LogPage {
    frame: Frame,
    chips: Vec<KindChip>,
    rows: Vec<LogRow>,
    kind: &'static str,
    probe: String,
    next: Option<String>,
    newest: Option<String>,
    trouble: Option<String>,
}

/// `GET /log`
pub(super) async fn log(look: Look, Extension(api): Extension<Arc<Api>>, Query(query): Query<LogQuery>) -> PageResult {
    let snapshot = snapshot(&api, &look).await?;
    let kind = EventKind::ALL.into_iter().find(|kind| kind.as_str() == query.kind);
    let filter = EventFilter {
        kinds: kind.into_iter().collect(),
        probe: Some(query.probe.clone()).filter(|probe| !probe.is_empty()),
        ..EventFilter::default()
    };
    let after = Some(query.after.clone()).filter(|after| !after.is_empty());
    let is_first = after.is_none();
    let (page, trouble) = match api.read(api.reader.events(filter, EVENTS, after)).await {
        Ok(page) => (page, None),
        Err(failure) => (Page { items: Vec::new(), next: None }, Some(failure.message().to_owned())),
    };
    let word = kind.map_or("", EventKind::as_str);
    let page = LogPage {
        chips: chips(kind, &query.probe),
        rows: page.items.iter().map(row).collect(),
        next: page.next.map(|next| address(word, &query.probe, &next)),
        newest: (!is_first).then(|| address(word, &query.probe, "")),
        kind: word,
        probe: words::clip(&query.probe, 200),
        trouble,
        frame: look.frame(&api, &snapshot, "Log"),
    };
    Ok(html(&page))
}

fn chips(chosen: Option<EventKind>, probe: &str) -> Vec<KindChip> {
    let all = KindChip { label: "all", href: address("", probe, ""), is_chosen: chosen.is_none() };
    let of_kind = EventKind::ALL.into_iter().map(|kind| KindChip {
        label: label(kind),
        href: address(kind.as_str(), probe, ""),
        is_chosen: chosen == Some(kind),
    });
    std::iter::once(all).chain(of_kind).collect()
}

fn label(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Annotation => "annotations",
        EventKind::Action => "actions",
        EventKind::Reload => "reloads",
        EventKind::Certificate => "certificates",
        EventKind::Note => "notes",
    }
}

fn address(kind: &str, probe: &str, after: &str) -> String {
    let said = [("kind", kind), ("probe", probe), ("after", after)];
    let said: Vec<String> =
        said.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| format!("{key}={}", encoded(value))).collect();
    if said.is_empty() { "log".to_owned() } else { format!("log?{}", said.join("&")) }
}

fn row(event: &EventView) -> LogRow {
    LogRow {
        at_ms: event.at_ms,
        kind: event.kind,
        by: words::clip(event.by.as_deref().unwrap_or_default(), 80),
        what: words::clip(&event.what, 80),
        text: words::clip(&event.text, 2_000),
        probe: words::clip(event.probe.as_deref().unwrap_or_default(), 120),
        probe_href: event.probe.as_deref().map_or_else(String::new, |probe| format!("probes/{}", encoded(probe))),
        incident_href: event.incident.as_deref().map_or_else(String::new, |id| format!("incidents/{}", encoded(id))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_keeps_what_was_chosen_and_escapes_it() {
        assert_eq!(address("", "", ""), "log");
        assert_eq!(address("note", "a&b", "x y"), "log?kind=note&probe=a%26b&after=x+y");
        let chips = chips(Some(EventKind::Note), "p");
        assert_eq!(chips.iter().filter(|chip| chip.is_chosen).map(|chip| chip.label).collect::<Vec<_>>(), ["notes"]);
        assert_eq!(chips.len(), EventKind::ALL.len() + 1);
    }
}
