//! The list: incidents, probes and canaries, as many columns as there are.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::alert::status::Health;
use crate::cli::top::data::{Incident, Probe, Row};
use crate::cli::top::entry::Entry;

use super::paint::{Palette, shape, word};

/// Columns of a duration: `1 min 03 s` is rare, `110.0 s` is the longest of others.
const TOOK: usize = 7;
/// The narrowest column of names.
const NAME: usize = 18;

/// Where columns stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    width: usize,
    name: usize,
    now: usize,
    strip: usize,
}

impl Columns {
    /// For a screen so wide, and names so long. Strips have as many columns as divide their steps evenly.
    pub(super) fn of(width: usize, longest: usize) -> Self {
        let strip = match width {
            0..100 => 12,
            100..130 => 24,
            130..170 => 40,
            _ => 60,
        };
        // A shape, three blanks between columns, and two durations with a blank before each.
        let rest = width.saturating_sub(2 + 3 + strip + 2 * (TOOK + 1));
        let name = longest.clamp(NAME, (rest / 2).max(NAME)).min(rest);
        Self { width, name, now: rest - name, strip }
    }

    /// What stands above them.
    pub(super) fn heading(self) -> Line<'static> {
        let strip = if self.strip < 12 { "" } else { "LAST HOUR" };
        let text = format!(
            "  {:name$} {:now$}  {strip:>width$} {:>TOOK$} {:>TOOK$}",
            "PROBE",
            "NOW",
            "LAST",
            "P95",
            name = self.name,
            now = self.now,
            width = self.strip
        );
        Line::styled(text, Palette::dim())
    }
}

/// How long the longest name is.
pub(super) fn longest(entries: &[Entry<'_>]) -> usize {
    let of = |entry: &Entry<'_>| match entry {
        Entry::Incident(_) | Entry::MoreIncidents(_) => 0,
        Entry::Probe(probe) => wide(&probe.name),
        Entry::Row(_, row) => wide(&row.name) + 2,
    };
    entries.iter().map(of).max().unwrap_or(0)
}

/// A row of the list.
pub(super) fn line(entry: &Entry<'_>, columns: Columns, now_ms: i64, palette: Palette) -> Line<'static> {
    match entry {
        Entry::Incident(incident) => of_incident(incident, columns, now_ms, palette),
        Entry::MoreIncidents(more) => {
            let (more, s) = (*more, if *more == 1 { "" } else { "s" });
            let said = format!("▲ and {more} incident{s} more; `serinus incidents --limit 500` lists all");
            Line::styled(fit(&said, columns.width), palette.odd())
        }
        Entry::Probe(probe) => of_probe(probe, columns, palette),
        Entry::Row(_, row) => of_row(row, columns, palette),
    }
}

fn of_incident(incident: &Incident, columns: Columns, now_ms: i64, palette: Palette) -> Line<'static> {
    let who = match &incident.acknowledged {
        Some(by) if incident.unanswered == 0 => format!("{} has it", by.by),
        Some(by) => format!("{} has it, {} new", by.by, incident.unanswered),
        None if incident.unanswered == 0 => "held".to_owned(),
        None => "nobody has it".to_owned(),
    };
    let end = format!("{:>10}  {}", lasting(now_ms - incident.since_ms), fit(&who, 16));
    let head = format!("▲ {:<8} ", incident.severity);
    let room = columns.width.saturating_sub(wide(&head) + wide(&end) + 1);
    // There is room for what was seen where the title is short.
    let said = match &incident.seen {
        Some(seen) if wide(&incident.title) + 12 < room => format!("{} · {seen}", incident.title),
        _ => incident.title.clone(),
    };
    let style = if incident.unanswered > 0 { palette.severity(&incident.severity) } else { palette.odd() };
    Line::from(vec![Span::styled(head, style), Span::styled(fit(&said, room), style), Span::raw(format!(" {end}"))])
}

fn of_probe(probe: &Probe, columns: Columns, palette: Palette) -> Line<'static> {
    let one = match probe.rows.as_slice() {
        [row] if row.canary.is_some() => Some(row),
        _ => None,
    };
    let now = match one {
        Some(row) if !matches!(row.health, Health::Passing) => row.now.clone(),
        _ if probe.now.is_empty() => worst(probe),
        _ => format!("{} · {}", worst(probe), probe.now),
    };
    let budget = if probe.budget.is_empty() { String::new() } else { format!("left {}", probe.budget) };
    let (last, p95) = one.map_or(("", ""), |row| (row.last.as_str(), row.p95.as_str()));
    // A probe of several canaries has no duration of its own.
    let end = if last.is_empty() && p95.is_empty() {
        format!(" {budget:>width$}", width = 2 * TOOK + 1)
    } else {
        format!(" {last:>TOOK$} {p95:>TOOK$}")
    };
    let name = Span::styled(fit(&probe.name, columns.name), Palette::bold());
    whole(probe.health, name, &now, palette.strip(&probe.strip, columns.strip), end, columns, palette)
}

fn of_row(row: &Row, columns: Columns, palette: Palette) -> Line<'static> {
    let name = Span::raw(fit(&format!("  {}", row.name), columns.name));
    let end = format!(" {:>TOOK$} {:>TOOK$}", row.last, row.p95);
    whole(row.health, name, &row.now, palette.strip(&row.strip, columns.strip), end, columns, palette)
}

fn whole(
    health: Health,
    name: Span<'static>,
    now: &str,
    strip: Vec<Span<'static>>,
    end: String,
    columns: Columns,
    palette: Palette,
) -> Line<'static> {
    let style = palette.health(health);
    let said = if health == Health::Passing { Style::new() } else { style };
    let mut spans = vec![
        Span::styled(format!("{} ", shape(health)), style),
        name,
        Span::raw(" "),
        Span::styled(fit(now, columns.now), said),
        Span::raw("  "),
    ];
    spans.extend(strip);
    spans.push(Span::raw(end));
    Line::from(spans)
}

/// `2/9 failing`, `9 passed`: the worst of a probe's canaries.
fn worst(probe: &Probe) -> String {
    let (some, all) = (probe.canaries.of(probe.health), probe.canaries.total());
    let of = if some == all { some.to_string() } else { format!("{some}/{all}") };
    format!("{of} {}", word(probe.health))
}

/// The columns that a text has on a terminal.
pub(super) fn wide(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text in exactly so many columns; what is cut is marked.
pub(super) fn fit(text: &str, columns: usize) -> String {
    let mut fitting = text.to_owned();
    if wide(text) > columns {
        while wide(&fitting) + 1 > columns && fitting.pop().is_some() {}
        fitting.push('…');
    }
    let missing = columns.saturating_sub(wide(&fitting));
    fitting + &" ".repeat(missing)
}

/// `40 s`, `12 min`, `3 h 05 min`, `2 d 4 h`.
pub(super) fn lasting(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {:02} m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_the_screen_and_no_more() {
        for width in [60, 80, 81, 100, 129, 130, 200, 300] {
            let columns = Columns::of(width, 30);
            let heading: String = columns.heading().spans.iter().map(|span| span.content.as_ref()).collect();
            assert_eq!(wide(&heading), width, "{heading:?}");
        }
    }

    #[test]
    fn a_text_has_as_many_columns_as_it_is_given_also_where_letters_are_wide() {
        assert_eq!(fit("grün", 5), "grün ");
        assert_eq!(fit("grüne Wiese", 5), "grün…");
        assert_eq!(fit("東京都", 5), "東京…");
        assert_eq!(fit("東京都", 4), "東… ");
    }

    #[test]
    fn a_time_is_short() {
        for (seconds, said) in [(-1, "0 s"), (59, "59 s"), (61, "1 min"), (3_900, "1 h 05 m"), (200_000, "2 d 7 h")] {
            assert_eq!(lasting(seconds * 1_000), said);
        }
    }
}
