//! The overview as data, for programs that follow it: `GET /api/v1/stream` tells it, and `serinus top` draws it.
//!
//! Pure functions of the same [`Grid`] and status that the overview page shows, so that both say the same in the same words and the
//! same order. Strips are texts with a letter for each step of the axis, since a terminal has columns instead of pixels. What is told is
//! bounded as the page is. A new field is one of these structs, which the description of the API lists by itself.

use serde::Serialize;
use utoipa::ToSchema;

use crate::alert::status::{AcknowledgedStatus, ByHealth, Counts, Health, IncidentStatus, Status};

use super::overview::{Grid, Group, Row, Seen};
use super::run::contrast;
use super::strip::{Axis, StripMark, strip};
use super::words;

/// Incidents that are told.
const INCIDENTS: usize = 50;
/// Characters of what was seen in one.
const SAID: usize = 240;

/// What is so of all.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct LiveHead {
    /// When it was so, milliseconds since the epoch.
    pub(in crate::web) at_ms: i64,
    /// Of the program.
    pub(in crate::web) version: &'static str,
    /// Why all of this may be over; absent where it is not.
    pub(in crate::web) stale: Option<String>,
    /// What the prober itself has trouble with, a sentence each.
    pub(in crate::web) troubles: Vec<String>,
    /// Members that fail at page level, unmuted, unexplained and unacknowledged.
    unanswered: usize,
    /// Open incidents by severity.
    incidents: Counts,
    /// Open incidents that are not told, since there are too many.
    incidents_left_out: usize,
    /// All canaries by health.
    canaries: ByHealth,
    /// Those that were asked for.
    shown: ByHealth,
    /// Probes that were asked for and are not told, since there are too many.
    left_out: usize,
    /// Where the strips begin, milliseconds since the epoch.
    from_ms: i64,
    /// What each letter of a strip stands for, milliseconds.
    step_ms: i64,
}

/// An open incident.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct LiveIncident {
    /// Its id.
    id: String,
    /// "warn", "page" or "critical".
    severity: &'static str,
    /// The probe, if it is about one.
    probe: Option<String>,
    /// What broke, for whom.
    title: String,
    /// When its first failed run started, milliseconds since the epoch.
    since_ms: i64,
    /// Page-level members that fail, unmuted, unexplained and unacknowledged.
    unanswered: usize,
    /// Who has it, the last who said so.
    acknowledged: Option<AcknowledgedStatus>,
    /// The step that fails and what it saw, as far as a run is known.
    seen: Option<String>,
}

/// A probe with its canaries.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct LiveProbe {
    /// Its name.
    probe: String,
    /// Whose it is; empty if nobody's.
    owner: String,
    /// The worst of its canaries.
    health: Health,
    /// Its canaries by health.
    canaries: ByHealth,
    /// What fails in it and since when; empty where all is well.
    now: String,
    /// What is left of its error budget, `92 %`; empty without an objective.
    budget: String,
    /// An open incident about it, the worst.
    incident: Option<String>,
    /// Whether only those of its canaries are told that are not well; `open` asks for all of them.
    is_folded: bool,
    /// The worst of all its canaries over time: see [`LiveRow::strip`].
    strip: String,
    /// Canaries, or several of a region, the worst first.
    rows: Vec<LiveRow>,
}

/// A canary, or several.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct LiveRow {
    /// `eu · ios`, `eu: 12 canaries`.
    name: String,
    /// Its id; absent where there are several.
    canary: Option<String>,
    /// In one word.
    health: Health,
    /// The same in words: `account is active · 6 in a row`.
    now: String,
    /// A letter for each step of the last hour, the newest last, for how its runs ended: passed, degraded (`d`), failed, errored, missed,
    /// blocked or skipped, each by its first letter; the worst where there are several, and a dot where there is none.
    strip: String,
    /// How long the last run took; empty if there was none.
    last: String,
    /// The 95th percentile of what it waits for, or of the whole run, in the last hour; "lost" where it is among lost runs.
    p95: String,
    /// The open incident that it is in.
    incident: Option<String>,
}

impl LiveHead {
    /// What follows from the status and the rows alone.
    pub(in crate::web) fn of(at_ms: i64, status: &Status, grid: &Grid, axis: Axis) -> Self {
        Self {
            at_ms,
            version: env!("CARGO_PKG_VERSION"),
            stale: None,
            troubles: troubles(status),
            unanswered: status.unanswered,
            incidents: status.counts,
            incidents_left_out: status.incidents.len().saturating_sub(INCIDENTS),
            canaries: grid.all,
            shown: grid.admitted,
            left_out: grid.left_out,
            from_ms: axis.from_ms,
            step_ms: axis.step_ms(),
        }
    }
}

/// What alerting has trouble with.
fn troubles(status: &Status) -> Vec<String> {
    let mut said = Vec::new();
    for channel in &status.channels {
        if let Some(trouble) = &channel.trouble {
            said.push(format!("channel {} takes nothing: {}", channel.channel, words::clip(trouble, SAID)));
        }
    }
    let left: usize = status.leaks.iter().map(|leak| leak.entries).sum();
    if left > 0 {
        said.push(format!("{} left behind", words::count(left, "thing was", "things were")));
    }
    said
}

/// The open incidents, the worst first, as far as they are told.
pub(in crate::web) fn incidents(status: &Status) -> Vec<LiveIncident> {
    status.incidents.iter().take(INCIDENTS).map(incident).collect()
}

fn incident(of: &IncidentStatus) -> LiveIncident {
    let seen = of.failures.first().map(|failure| {
        let plain = failure.expectation.as_deref().and_then(|source| contrast(source, &failure.seen));
        let step = failure.step.as_deref().map(|step| format!("{step}: ")).unwrap_or_default();
        format!("{step}{}", words::clip(plain.as_deref().unwrap_or(&failure.message), SAID))
    });
    LiveIncident {
        id: of.id.clone(),
        severity: of.severity,
        probe: of.probe.clone(),
        title: of.title.clone(),
        since_ms: of.since_ms,
        unanswered: of.unanswered,
        acknowledged: of.acknowledged.last().cloned(),
        seen,
    }
}

/// The probes of a grid, the worst first.
pub(in crate::web) fn probes(status: &Status, grid: Grid, seen: Seen<'_>) -> Vec<LiveProbe> {
    grid.groups.into_iter().map(|group| probe(status, group, seen)).collect()
}

fn probe(status: &Status, group: Group, seen: Seen<'_>) -> LiveProbe {
    let Seen { strips, axis, .. } = seen;
    let ids = || group.rows.iter().flat_map(|row| &row.ids);
    let all = strip(axis, ids().flat_map(|canary| strips.of(canary).map(|mark| (0, mark))));
    let incident = status.incidents.iter().find(|incident| incident.probe.as_ref() == Some(&group.probe));
    LiveProbe {
        owner: group.owner,
        health: group.health,
        canaries: group.canaries,
        now: group.fails,
        budget: group.budget,
        incident: incident.map(|incident| incident.id.clone()),
        is_folded: group.is_folded,
        strip: letters(axis, &all),
        rows: group.rows.into_iter().map(|found| row(status, found, axis)).collect(),
        probe: group.probe,
    }
}

fn row(status: &Status, row: Row, axis: Axis) -> LiveRow {
    let canary = match <[String; 1]>::try_from(row.ids) {
        Ok([canary]) => Some(canary),
        Err(_several) => None,
    };
    // They are ordered by id.
    let known = canary.as_ref().and_then(|id| status.canaries.binary_search_by(|known| known.canary.cmp(id)).ok());
    LiveRow {
        name: row.name,
        health: row.health,
        now: row.now,
        strip: letters(axis, &row.strip),
        last: row.last,
        p95: row.p95,
        incident: known.and_then(|at| status.canaries[at].incident.clone()),
        canary,
    }
}

/// The marks of a strip as letters, a step of the axis each.
fn letters(axis: Axis, marks: &[StripMark]) -> String {
    let step = axis.step_ms();
    let length = usize::try_from((axis.to_ms - axis.from_ms) / step).unwrap_or_default();
    let mut letters = vec!["."; length];
    for mark in marks {
        let place = usize::try_from((mark.due_ms - axis.from_ms) / step).ok().and_then(|at| letters.get_mut(at));
        if let Some(letter) = place {
            *letter = mark.class;
        }
    }
    letters.concat()
}

#[cfg(test)]
mod tests {
    use super::super::recent::{Mark, MarkKind};
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_strip_has_a_letter_for_each_step_of_its_axis() {
        let axis = Axis::until(100 * HOUR - 1, HOUR);
        let mark = |step: i64, kind| Mark {
            due_ms: axis.from_ms + step * axis.step_ms() + 1,
            duration_us: 1,
            convergence_us: None,
            kind,
            counted: true,
        };
        let marks =
            [mark(0, MarkKind::Passed), mark(2, MarkKind::Passed), mark(2, MarkKind::Failed), mark(119, MarkKind::Degraded)];
        let text = letters(axis, &strip(axis, marks.iter().map(|mark| (0, mark))));
        assert_eq!(text.len(), 120);
        assert!(text.starts_with("p.f...") && text.ends_with("..d"), "{text}");
        assert_eq!(letters(axis, &[]), ".".repeat(120));
    }

    #[test]
    fn of_many_incidents_the_worst_are_told_and_how_many_are_not() {
        let of = |number: usize| IncidentStatus { id: format!("I{number}"), ..IncidentStatus::default() };
        for (open, told, left_out) in [(3, 3, 0), (INCIDENTS, INCIDENTS, 0), (INCIDENTS + 7, INCIDENTS, 7)] {
            let status = Status { incidents: (0..open).map(of).collect(), ..Status::default() };
            let head = LiveHead::of(0, &status, &Grid::default(), Axis::until(HOUR, HOUR));
            assert_eq!((incidents(&status).len(), head.incidents_left_out), (told, left_out));
        }
    }
}
