//! What is drawn: a head, the list or a text, and a foot. Pure functions of the state, the time and the size.
//!
//! [`draw`] is all that others call. `list` has the columns, `paint` the shapes and colours. A new view is a file here and an arm of
//! [`draw`].

mod list;
mod paint;
#[cfg(test)]
mod tests;

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::alert::status::Health;
use crate::base::time::{from_epoch_ms, rfc3339};
use crate::cli::style::wrap_at;

use super::detail::{Detail, DetailLine};
use super::state::{Prompt, TopState};

use list::{Columns, fit, line, longest, wide};
pub(super) use paint::Palette;
use paint::{shape, word};

/// The least that can be drawn on.
const LEAST: (u16, u16) = (40, 8);

/// What keys do, as the foot says it and as the help does.
const KEYS: [(&str, &str, &str); 10] = [
    ("↑↓", "", "select; also k and j, PgUp and PgDn, Home and End"),
    ("Enter", "open", "open what is selected: an incident, a probe, a canary, a run"),
    ("i", "incident", "open the incident about what is selected"),
    ("Space", "all", "show all canaries of a probe, or only those that are not well"),
    ("a", "ack", "acknowledge the incident: nobody is rung for it again"),
    ("v", "verify", "run each failing canary of the incident now; these count for nothing"),
    ("/", "filter", "show only canaries with these words in id, owner, summary or tags"),
    ("Esc", "", "back, or drop the filter"),
    ("?", "help", "this"),
    ("q", "quit", "back, or quit; Ctrl-C quits"),
];

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, state: &mut TopState, now: Instant, palette: Palette) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        frame.render_widget(Paragraph::new("the terminal is too small"), area);
        return;
    }
    let width = usize::from(area.width);
    let head = head(state, now, width, palette);
    let heading = u16::try_from(head.len()).unwrap_or_default();
    let is_old = state.stale_for(now).is_some() || state.head.as_ref().is_some_and(|head| head.stale.is_some());
    let body = Rect { y: heading, height: area.height.saturating_sub(heading + 1), ..area };
    state.rows = usize::from(body.height);
    let lines = if state.is_help {
        help(width)
    } else if let Some(detail) = state.details.last() {
        text(detail, state.rows, width, palette)
    } else {
        state.rows = state.rows.saturating_sub(1);
        rows(state, width, palette)
    };
    frame.render_widget(Paragraph::new(head), Rect { height: heading, ..area });
    let style = if is_old { Palette::dim() } else { Style::new() };
    frame.render_widget(Paragraph::new(lines).style(style), body);
    let foot_at = Rect { y: area.height - 1, height: 1, ..area };
    frame.render_widget(Paragraph::new(foot(state, now, width, palette)), foot_at);
}

/// Where it looks, how fresh it is, how many canaries are how, and what the prober has trouble with.
fn head(state: &TopState, now: Instant, width: usize, palette: Palette) -> Vec<Line<'static>> {
    let (fresh, style) = freshness(state, now, palette);
    let name = format!("serinus top  {}", state.service);
    let gap = width.saturating_sub(wide(&name) + wide(&fresh));
    let name = if gap == 0 { fit(&name, width.saturating_sub(wide(&fresh) + 1)) } else { name };
    let first =
        Line::from(vec![Span::styled(name, Palette::bold()), Span::raw(" ".repeat(gap.max(1))), Span::styled(fresh, style)]);
    let mut lines = vec![first, totals(state, palette)];
    let head = state.head.as_ref();
    let troubles = head.into_iter().flat_map(|head| head.stale.iter().chain(&head.troubles));
    lines.extend(troubles.take(3).map(|trouble| Line::styled(fit(&format!("! {trouble}"), width), palette.odd())));
    lines
}

fn freshness(state: &TopState, now: Instant, palette: Palette) -> (String, Style) {
    let at = state.head.as_ref().map_or_else(String::new, |head| {
        let moment = rfc3339(from_epoch_ms(head.at_ms));
        moment.get(11..19).unwrap_or_default().to_owned()
    });
    if let Some(silent) = state.stale_for(now) {
        return (format!(" STALE: as of {at} UTC, {} s ago ", silent.as_secs()), palette.bad().patch(Palette::selected()));
    }
    let is_doubted = state.head.as_ref().is_some_and(|head| head.stale.is_some());
    match &state.lost {
        Some(_) if at.is_empty() => ("connecting".to_owned(), palette.odd()),
        Some(_) => (format!("{at} UTC  reconnecting"), palette.odd()),
        None if at.is_empty() => ("waiting".to_owned(), Palette::dim()),
        // The service answers, and what it says may be over all the same.
        None if is_doubted => (format!(" STALE: {at} UTC, see below "), palette.bad().patch(Palette::selected())),
        None => (format!("{at} UTC  live"), Palette::dim()),
    }
}

fn totals(state: &TopState, palette: Palette) -> Line<'static> {
    let Some(head) = &state.head else { return Line::default() };
    if state.is_filtering {
        return Line::styled(format!("{} canaries in all", head.canaries.total()), Palette::dim());
    }
    let of = if state.filter.is_empty() { head.canaries } else { head.shown };
    let mut spans = Vec::new();
    for health in Health::ALL.into_iter().rev() {
        let count = of.of(health);
        if count > 0 {
            spans.push(Span::styled(format!("{} {count} {}   ", shape(health), word(health)), palette.health(health)));
        }
    }
    if spans.is_empty() {
        spans.push(Span::styled("no canaries   ", palette.odd()));
    }
    if !state.filter.is_empty() {
        let said = format!("of {}, with \"{}\"", head.canaries.total(), state.filter);
        spans.push(Span::styled(said, Palette::bold()));
    }
    if head.left_out > 0 {
        spans.push(Span::styled(format!("{} probes more: filter by /", head.left_out), palette.odd()));
    }
    Line::from(spans)
}

/// The list, as far as it fits around what is selected.
fn rows(state: &TopState, width: usize, palette: Palette) -> Vec<Line<'static>> {
    let entries = state.entries();
    let columns = Columns::of(width, longest(&entries));
    let mut lines = vec![columns.heading()];
    let chosen = state.selection(&entries);
    let first = chosen.saturating_sub(state.rows / 2).min(entries.len().saturating_sub(state.rows));
    let now_ms = state.head.as_ref().map_or(0, |head| head.at_ms);
    for (at, entry) in entries.iter().enumerate().skip(first).take(state.rows) {
        let mut line = line(entry, columns, now_ms, palette);
        if at == chosen {
            line = line.patch_style(Palette::selected());
        }
        lines.push(line);
    }
    if state.probes.is_empty() && lines.len() <= state.rows {
        let said = match (&state.head, state.filter.is_empty()) {
            (None, _) => "waiting for the service".to_owned(),
            (Some(_), true) if state.is_filtering => "asking for all canaries".to_owned(),
            (Some(_), false) if state.is_filtering => format!("asking for canaries with \"{}\"", state.filter),
            (Some(_), true) => "nothing is probed".to_owned(),
            (Some(_), false) => "no canary has these words; Esc drops the filter".to_owned(),
        };
        lines.push(Line::styled(fit(&format!("  {said}"), width), Palette::dim()));
        // The foot has one line, and this is all there is to say.
        if let Some(why) = state.lost.as_ref().filter(|_| state.head.is_none()) {
            let why = wrap_at(width, &format!("  {why}"), 2);
            lines.extend(why.lines().map(|line| Line::styled(line.to_owned(), palette.odd())));
        }
    }
    lines
}

/// A text, as far as it fits.
fn text(detail: &Detail, rows: usize, width: usize, palette: Palette) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (at, DetailLine { text, .. }) in detail.lines.iter().enumerate().skip(detail.scroll).take(rows) {
        let style = match text.trim_start().chars().next() {
            Some('✗') => palette.bad(),
            Some('!' | '?' | '■') => palette.odd(),
            _ => Style::new(),
        };
        let style = if detail.chosen == Some(at) { style.patch(Palette::selected()) } else { style };
        lines.push(Line::styled(fit(text, width), style));
    }
    if detail.lines.is_empty() {
        lines.push(Line::styled(format!("  asking for {}", detail.of.title()), Palette::dim()));
    }
    lines
}

fn help(width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    for (key, _, does) in KEYS {
        lines.push(Line::from(vec![Span::styled(format!("  {key:>6}  "), Palette::bold()), Span::raw(does)]));
    }
    let shapes = Health::ALL.into_iter().rev().map(|health| format!("{} {}", shape(health), word(health)));
    let canaries = format!("  canaries  {}", shapes.collect::<Vec<_>>().join("  "));
    let runs = "  runs      ✓ passed  ~ degraded  ✗ failed  ! errored  ? missed  ■ blocked  – skipped";
    for text in [&*canaries, runs] {
        lines.extend(wrap_at(width, text, 12).lines().map(|line| Line::raw(line.to_owned())));
    }
    lines
}

/// What was said or is typed, or else what keys do.
fn foot(state: &TopState, now: Instant, width: usize, palette: Palette) -> Line<'static> {
    match &state.prompt {
        Some(Prompt::Filter(typed)) => return Line::styled(format!("/{typed}█"), Palette::bold()),
        Some(Prompt::Acknowledge(_, title)) => {
            let asked = fit(&format!("acknowledge \"{title}\"?"), width.saturating_sub(18)).trim_end().to_owned();
            return Line::styled(format!("{asked} y, or any key: no"), Palette::bold().patch(Palette::selected()));
        }
        None => {}
    }
    if let Some(said) = state.saying(now) {
        let style = if said.is_bad { palette.bad() } else { Palette::bold() };
        return Line::styled(fit(&said.text, width), style);
    }
    if let Some(why) = state.trouble(now) {
        return Line::styled(fit(why, width), palette.odd());
    }
    let mut spans = Vec::new();
    for (key, does, _) in KEYS.iter().filter(|(_, does, _)| !does.is_empty()) {
        spans.push(Span::styled((*key).to_owned(), Palette::bold()));
        spans.push(Span::styled(format!(" {does}  "), Palette::dim()));
    }
    Line::from(spans)
}
