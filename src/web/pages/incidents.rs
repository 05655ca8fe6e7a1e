//! `GET /incidents`: what is open, as cards, and what was, as a table.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::Query;
use serde::Deserialize;

use crate::history::{IncidentFilter, IncidentView, Page};
use crate::web::Api;
use crate::web::model::incident::{title, who_had_it};
use crate::web::model::overview::encoded;
use crate::web::model::{Snapshot, words};

use super::card::{Card, cards};
use super::frame::Frame;
use super::moments::on;
use super::page::{Look, PageResult, html, snapshot};

/// Ended incidents of a page.
const ENDED: usize = 50;
/// Open ones that are shown.
const OPEN: usize = 50;

/// What the address bar keeps.
#[derive(Debug, Default, Deserialize)]
pub(super) struct IncidentsQuery {
    #[serde(default)]
    probe: String,
    #[serde(default)]
    after: String,
}

/// An ended incident.
struct Ended {
    href: String,
    opened_ms: i64,
    lasted: String,
    severity: String,
    class: &'static str,
    title: String,
    by: String,
}

#[derive(Template)]
#[template(path = "incidents.html", config = "src/web/pages/askama.toml")]
struct IncidentsPage {
    frame: Frame,
    cards: Vec<Card>,
    more_open: usize,
    ended: Vec<Ended>,
    /// The next page's address, if there is one.
    next: Option<String>,
    is_first: bool,
    probe: String,
    /// Names to choose from.
    probes: Vec<String>,
    /// Why ended ones cannot be shown.
    trouble: Option<String>,
}

/// `GET /incidents`
pub(super) async fn incidents(
    look: Look,
    Extension(api): Extension<Arc<Api>>,
    Query(query): Query<IncidentsQuery>,
) -> PageResult {
    let snapshot = snapshot(&api, &look).await?;
    let plan = api.plan();
    let probe = Some(query.probe.clone()).filter(|probe| !probe.is_empty());
    let after = Some(query.after.clone()).filter(|after| !after.is_empty());
    let is_first = after.is_none();
    let filter = IncidentFilter { open: false, probe: probe.clone() };
    let answer = api.read(api.reader.incidents(filter, ENDED, after)).await;
    let (page, trouble) = match answer {
        Ok(page) => (page, None),
        Err(failure) => (Page { items: Vec::new(), next: None }, Some(failure.message().to_owned())),
    };
    let open = of_probe(&snapshot, probe.as_deref());
    let changes = api.recent.changes.get(&api.reader, snapshot.at_ms).await;
    let shown = cards(&plan, &open, &changes, OPEN);
    let is_open = |one: &IncidentView| snapshot.status.incidents.iter().any(|open| open.id == one.id);
    let next = page.next.map(|next| address(&query.probe, &next));
    let page = IncidentsPage {
        more_open: open.status.incidents.len().saturating_sub(OPEN),
        cards: if is_first { shown } else { Vec::new() },
        ended: page.items.iter().filter(|one| !is_open(one)).map(|one| ended(one, snapshot.at_ms)).collect(),
        next,
        is_first,
        probes: plan.probes.iter().map(|probe| probe.name.to_string()).take(1_000).collect(),
        probe: words::clip(&query.probe, 200),
        trouble,
        frame: look.live(&api, &snapshot, "Incidents"),
    };
    Ok(html(&page))
}

/// The state with the incidents of one probe alone.
fn of_probe(snapshot: &Snapshot, probe: Option<&str>) -> Snapshot {
    let mut status = snapshot.status.clone();
    status.incidents.retain(|incident| probe.is_none_or(|probe| incident.probe.as_deref() == Some(probe)));
    Snapshot { at_ms: snapshot.at_ms, status }
}

fn address(probe: &str, after: &str) -> String {
    let probe = if probe.is_empty() { String::new() } else { format!("probe={}&", encoded(probe)) };
    format!("incidents?{probe}after={}", encoded(after))
}

fn ended(one: &IncidentView, now_ms: i64) -> Ended {
    Ended {
        href: format!("incidents/{}", encoded(&one.id)),
        opened_ms: one.opened_ms,
        // One that is neither open nor ended was left by a process that is not there any more.
        lasted: one.resolved_ms.map_or_else(
            || format!("{}, no end is known", words::between(one.opened_ms, now_ms)),
            |ended| words::between(one.opened_ms, ended),
        ),
        severity: words::clip(&one.severity, 40),
        class: match one.severity.as_str() {
            "critical" | "page" => "bad",
            _ => "warned",
        },
        title: words::clip(&title(one), 250),
        by: who_had_it(one).map_or_else(|| "nobody".to_owned(), |by| words::clip(&by, 80)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(details: serde_json::Value, resolved_ms: Option<i64>) -> IncidentView {
        IncidentView {
            id: "01/A".to_owned(),
            scope: "probe/p".to_owned(),
            probe: Some("p".to_owned()),
            severity: "page".to_owned(),
            opened_ms: 0,
            resolved_ms,
            details,
        }
    }

    #[test]
    fn an_ended_incident_says_how_long_it_lasted_and_who_had_it() {
        let said = json!({ "title": "p failed in eu", "incident": { "acknowledged": [{ "by": "ann" }] } });
        let row = ended(&view(said, Some(41 * 60_000)), 0);
        assert_eq!((row.lasted.as_str(), row.by.as_str(), row.title.as_str()), ("41 min", "ann", "p failed in eu"));
        assert_eq!(row.href, "incidents/01%2FA");
    }

    #[test]
    fn one_of_an_earlier_version_and_one_without_an_end_are_shown_as_well() {
        let row = ended(&view(json!("text"), None), 60_000);
        assert_eq!((row.title.as_str(), row.by.as_str()), ("probe/p", "nobody"));
        assert_eq!(row.lasted, "1 min, no end is known");
    }

    #[test]
    fn a_cursor_and_a_name_are_escaped_in_the_address() {
        assert_eq!(address("a&b", "1 2"), "incidents?probe=a%26b&after=1+2");
    }
}
