//! Maintenance windows, of a probe and of the service.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono_tz::Tz;

use crate::plan::{Maintenance, MaintenanceTime};

use super::moment::{Written, written};
use super::tree::{Data, Node, Table};
use super::{Code, Diagnostic, Diagnostics, cron, value};

/// The windows of a table; each is for everything its keys select. Those that are over by `now` are warned of.
pub(super) fn read(table: &Table<'_>, now: SystemTime, diagnostics: &mut Diagnostics) -> Vec<Maintenance> {
    let windows = table.tables("maintenance").into_iter().filter_map(Node::as_table);
    windows.filter_map(|window| one(window, now, diagnostics)).collect()
}

fn one(window: &Table<'_>, now: SystemTime, diagnostics: &mut Diagnostics) -> Option<Maintenance> {
    let when = match window.get("cron") {
        Some(_) => recurring(window, now, diagnostics)?,
        None => once(window, now, diagnostics)?,
    };
    let names = |key: &str| window.texts(key).into_iter().filter_map(|node| node.as_text().map(Arc::from)).collect();
    Some(Maintenance {
        name: window.text("name").unwrap_or_default().into(),
        when,
        probes: names("probes"),
        regions: names("regions"),
        tags: names("tags"),
    })
}

fn once(window: &Table<'_>, now: SystemTime, diagnostics: &mut Diagnostics) -> Option<MaintenanceTime> {
    let (from, until) = (window.get("from")?, window.get("until")?);
    let zone = window.text("timezone").map(value::timezone).transpose().ok()?;
    if let Some(entry) = window.entry("timezone").filter(|_| [from, until].into_iter().all(absolute)) {
        diagnostics.push(
            Diagnostic::at(Code::NeedsKey, entry.key_spot, "`timezone` has no effect: both times have an offset of their own")
                .help("take it out, or write the times without an offset"),
        );
    }
    let begin = moment(from, zone, false, diagnostics)?;
    let end = moment(until, zone, true, diagnostics)?;
    if end <= begin {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, until.spot, "the window ends before it begins")
                .related(from.spot, "it begins here")
                .help("make `until` later than `from`"),
        );
    } else if end <= now {
        diagnostics.push(
            Diagnostic::at(Code::MaintenanceOver, until.spot, "this window is over").help("take it out, or give it a new date"),
        );
    }
    Some(MaintenanceTime::Once { from: begin, until: end })
}

fn text<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    match &node.data {
        Data::Datetime(text) => Some(text),
        _ => node.as_text(),
    }
}

fn absolute(node: &Node<'_>) -> bool {
    matches!(text(node).map(written), Some(Ok(Written::Absolute(_))))
}

fn moment(node: &Node<'_>, zone: Option<Tz>, late: bool, diagnostics: &mut Diagnostics) -> Option<SystemTime> {
    let written = written(text(node)?).ok()?;
    if zone.is_none() && matches!(written, Written::Local(_)) {
        diagnostics.push(
            Diagnostic::at(Code::NeedsKey, node.spot, "this is another moment in each time zone")
                .help("add `timezone`, or give the time an offset such as `Z` or `+01:00`"),
        );
    }
    written
        .at(zone.unwrap_or(Tz::UTC), late)
        .map_err(|why| {
            diagnostics.push(Diagnostic::at(Code::InvalidValue, node.spot, "this time does not come").help(why));
        })
        .ok()
}

fn recurring(window: &Table<'_>, now: SystemTime, diagnostics: &mut Diagnostics) -> Option<MaintenanceTime> {
    let cron = cron::cron(window.text("cron")?).ok()?;
    let timezone = window.text("timezone").map_or(Ok(Tz::UTC), value::timezone).ok()?;
    let lasts = window.duration("lasts")?;
    if let Some(node) = window.get("lasts").filter(|_| never_closes(&cron, timezone, lasts, now)) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.spot, "the window begins again before it ends, so nothing would ever run")
                .help("make `lasts` shorter than the pause between two of its beginnings"),
        );
    }
    Some(MaintenanceTime::Recurring { cron: Box::new(cron), timezone, lasts })
}

/// Whether each of its next windows reaches into the one after it.
fn never_closes(cron: &croner::Cron, timezone: Tz, lasts: Duration, now: SystemTime) -> bool {
    const LOOKED_AT: usize = 8;
    let now = chrono::DateTime::<chrono::Utc>::from(now).with_timezone(&timezone);
    let begins: Vec<_> = cron.iter_from(now, croner::Direction::Forward).take(LOOKED_AT).collect();
    begins.len() > 1 && begins.windows(2).all(|pair| (pair[1] - pair[0]).to_std().is_ok_and(|pause| pause <= lasts))
}
