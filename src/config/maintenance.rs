//! Maintenance windows, of a probe and of the service.

use std::time::{Duration, SystemTime};

use chrono_tz::Tz;

use crate::plan::{Maintenance, MaintenanceTime};

use super::calendar::DateTimeValue;
use super::keys::MaintenanceKeys;
use super::section::{Field, Item};
use super::tree::SourceSpan;
use super::{Code, Diagnostic, Diagnostics};

/// The windows that are written; each is for everything its keys select. Those that are over by `now` are warned of.
pub(super) fn read(
    windows: &Field<'_, Option<Vec<Item<'_, MaintenanceKeys<'_>>>>>,
    now: SystemTime,
    diagnostics: &mut Diagnostics,
) -> Vec<Maintenance> {
    windows.items().iter().filter_map(|window| one(&window.value, now, diagnostics)).collect()
}

fn one(window: &MaintenanceKeys<'_>, now: SystemTime, diagnostics: &mut Diagnostics) -> Option<Maintenance> {
    let when = match window.cron.entry {
        Some(_) => recurring(window, now, diagnostics)?,
        None => once(window, now, diagnostics)?,
    };
    Some(Maintenance {
        name: window.name.value?.into(),
        when,
        probes: window.probes.texts(),
        regions: window.regions.texts(),
        tags: window.tags.texts(),
    })
}

fn once(window: &MaintenanceKeys<'_>, now: SystemTime, diagnostics: &mut Diagnostics) -> Option<MaintenanceTime> {
    let (from, from_span) = (window.from.value?, window.from.span()?);
    let (until, until_span) = (window.until.value?, window.until.span()?);
    if window.timezone.is_unreadable() {
        return None;
    }
    let zone = window.timezone.value;
    let absolute = [from, until].into_iter().all(|each| matches!(each, DateTimeValue::Offset(_)));
    if let Some(entry) = window.timezone.entry.filter(|_| absolute) {
        diagnostics.push(
            Diagnostic::at(Code::NeedsKey, entry.key_span, "`timezone` has no effect: both times have an offset of their own")
                .help("take it out, or write the times without an offset"),
        );
    }
    let begin = moment(from, from_span, zone, false, diagnostics)?;
    let end = moment(until, until_span, zone, true, diagnostics)?;
    if end <= begin {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, until_span, "the window ends before it begins")
                .related(from_span, "it begins here")
                .help("make `until` later than `from`"),
        );
    } else if end <= now {
        diagnostics.push(
            Diagnostic::at(Code::MaintenanceOver, until_span, "this window is over").help("take it out, or give it a new date"),
        );
    }
    Some(MaintenanceTime::Once { from: begin, until: end })
}

fn moment(
    written: DateTimeValue,
    span: SourceSpan<'_>,
    zone: Option<Tz>,
    late: bool,
    diagnostics: &mut Diagnostics,
) -> Option<SystemTime> {
    if zone.is_none() && matches!(written, DateTimeValue::Local(_)) {
        diagnostics.push(
            Diagnostic::at(Code::NeedsKey, span, "this is another moment in each time zone")
                .help("add `timezone`, or give the time an offset such as `Z` or `+01:00`"),
        );
    }
    written
        .at(zone.unwrap_or(Tz::UTC), late)
        .map_err(|why| {
            diagnostics.push(Diagnostic::at(Code::InvalidValue, span, "this time does not come").help(why));
        })
        .ok()
}

fn recurring(window: &MaintenanceKeys<'_>, now: SystemTime, diagnostics: &mut Diagnostics) -> Option<MaintenanceTime> {
    let cron = window.cron.value.clone()?;
    let lasts = window.lasts.value?;
    if window.timezone.is_unreadable() {
        return None;
    }
    let timezone = window.timezone.value.unwrap_or(Tz::UTC);
    if let Some(span) = window.lasts.span().filter(|_| never_closes(&cron, timezone, lasts, now)) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, span, "the window begins again before it ends, so nothing would ever run")
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
