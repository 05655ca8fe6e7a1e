//! The live view as text: a pure function of what was seen and how wide the terminal is.

use std::fmt::Write as _;
use std::time::Duration;

use crate::cli::report::clock;
use crate::cli::style::{Style, cut, human_duration, mark, printable};
use crate::outcome::{Cause, RunReport, Verdict};

use super::state::{CanaryState, GridState, ProbeGrid, percentile};

const INDENT: usize = 2;
/// Columns of a duration such as `2 min 03 s`, rarely more than seven.
const LATENCY: usize = 7;
/// Columns of a convergence pair such as `210 ms/480 ms`.
const CONVERGENCE: usize = 15;
/// From this column width on, each canary shows its own convergence.
const WIDE: usize = 31;
/// From this column width on, each canary shows its last duration.
const MIDDLE: usize = 14;
/// Most verdicts shown for one canary.
const MOST_MARKS: usize = 20;

/// Draws every probe's regions × cells: verdicts of the last runs (newest at the right), the last run's duration, and
/// convergence p50/p95; below it the probe's last failure. No line is wider than `width` (at least 40 are assumed).
pub(crate) fn render_grid(state: &GridState, width: usize, style: Style) -> String {
    let width = width.max(40);
    let mut text = String::new();
    let legend: Vec<String> = Verdict::ALL.iter().map(|&verdict| format!("{} {verdict}", mark(verdict))).collect();
    push(&mut text, &style.dim(&cut(&format!("{}   newest right; last duration; converged p50/p95", legend.join("  ")), width)));
    for probe in &state.probes {
        text.push('\n');
        render_probe(&mut text, probe, width, style);
    }
    text
}

fn render_probe(text: &mut String, probe: &ProbeGrid, width: usize, style: Style) {
    head(text, probe, width, style);
    let label = probe.cells.iter().map(|cell| cell.to_string().chars().count()).max().unwrap_or(0).min(width / 3);
    let regions = probe.regions.len().max(1);
    let column = width.saturating_sub(INDENT + label + 2) / regions;
    let names: Vec<String> =
        probe.regions.iter().map(|region| format!("{:column$}", cut(region, column.saturating_sub(1)))).collect();
    push(text, &style.dim(format!("{:INDENT$}{:label$}  {}", "", "", names.concat()).trim_end()));
    for cell in &probe.cells {
        let name = cell.to_string();
        let mut line = format!("{:INDENT$}{:label$}  ", "", cut(&printable(&name), label));
        for region in &probe.regions {
            line.push_str(&canary(probe.canary(region, cell), column, style));
        }
        push(text, line.trim_end());
    }
    if let Some(report) = &probe.last_failure {
        last_failure(text, report, width, style);
    }
}

fn head(text: &mut String, probe: &ProbeGrid, width: usize, style: Style) {
    let (runs, failed) = probe.canaries.values().fold((0, 0), |(runs, failed), state| (runs + state.runs, failed + state.failed));
    let mut facts = format!("  {runs} runs, {failed} failed");
    if probe.leaked > 0 {
        let _ = write!(facts, ", {} leaked", probe.leaked);
    }
    if let Some(pair) = convergence(probe.canaries.values().flat_map(|state| &state.convergence)) {
        let _ = write!(facts, ", converged p50/p95 {pair}");
    }
    let name = printable(&probe.name);
    let room = width.saturating_sub(name.chars().count());
    push(text, &format!("{}{}", style.bold(&cut(&name, width)), cut(&facts, room)));
}

/// One canary's place in the grid, padded to `column` visible columns.
fn canary(state: Option<&CanaryState>, column: usize, style: Style) -> String {
    let Some(state) = state else { return format!("{:column$}", "·") };
    let latency = state.latency.map_or(String::new(), human_duration);
    let facts = if column >= WIDE {
        format!(" {latency:>LATENCY$}  {:<CONVERGENCE$}  ", convergence(&state.convergence).unwrap_or_default())
    } else if column >= MIDDLE {
        format!(" {latency:>LATENCY$} ")
    } else {
        " ".to_owned()
    };
    let room = column.saturating_sub(facts.chars().count());
    let shown = state.marks.len().min(room).min(MOST_MARKS);
    let newest = state.marks.iter().skip(state.marks.len() - shown);
    let marks: String = newest.map(|&verdict| style.verdict(verdict, &mark(verdict).to_string())).collect();
    let gap = room.min(MOST_MARKS) - shown;
    let rest = room.saturating_sub(MOST_MARKS);
    format!("{marks}{:gap$}{facts}{:rest$}", "", "")
}

fn convergence<'a>(samples: impl IntoIterator<Item = &'a Duration> + Clone) -> Option<String> {
    let (p50, p95) = (percentile(samples.clone(), 50)?, percentile(samples, 95)?);
    Some(format!("{}/{}", human_duration(p50), human_duration(p95)))
}

fn last_failure(text: &mut String, report: &RunReport, width: usize, style: Style) {
    let Some(cause) = &report.cause else { return };
    let place = report.canary.id.as_str().split_once('/').map_or("", |(_, place)| place);
    let line = format!("{:INDENT$}last failure {} {}: {}", "", clock(report.started), printable(place), cause_line(cause));
    push(text, &style.bad(&cut(&line, width)));
}

/// Why a run did not pass, in one line.
fn cause_line(cause: &Cause) -> String {
    let mut line = cause.reason.to_string();
    if let Some(step) = &cause.step {
        let _ = write!(line, " at '{}'", printable(step));
    }
    let what = cause.expectation.as_deref().unwrap_or(&cause.message);
    let _ = write!(line, ": {}", printable(what));
    let seen: Vec<String> =
        cause.seen.iter().map(|seen| format!("{} was {}", printable(&seen.source), printable(&seen.value))).collect();
    if !seen.is_empty() {
        let _ = write!(line, " ({})", seen.join(", "));
    }
    line
}

/// One run as one line, for where nothing can be redrawn.
pub(crate) fn event_line(report: &RunReport, style: Style) -> String {
    let verdict = style.verdict(report.verdict, &format!("{} {:7}", mark(report.verdict), report.verdict.as_str()));
    let why = report.cause.as_ref().map_or(String::new(), |cause| format!("  {}", cause_line(cause)));
    let (at, id, took) = (clock(report.started), printable(report.canary.id.as_str()), human_duration(report.duration));
    format!("{at} {verdict} {id} {took}{why}")
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::cli::report::fixture::{activation_cause, assert_snapshot, canary, passed, run, silent_registration};
    use crate::plan::CellValue;

    fn state() -> GridState {
        let platform = |name: &str| [("platform", CellValue::Text(name.into()))];
        let mut canaries = Vec::new();
        for region in ["eu", "us", "ap"] {
            canaries.extend(["ios", "android"].map(|name| canary("premium-registration", region, &platform(name))));
            canaries.push(canary("front-page", region, &[]));
        }
        let mut grid = GridState::new(&canaries);
        for (at, canary) in canaries.iter().enumerate() {
            for round in 0..at * 3 {
                let fails = round == 4;
                let (verdict, cause) = if fails { (Verdict::Failed, Some(activation_cause())) } else { (Verdict::Passed, None) };
                let mut steps = passed().report.steps.clone();
                steps[0].convergence = (!fails).then(|| Duration::from_millis(100 + 10 * round as u64));
                grid.run_finished(&run(canary, verdict, cause, steps));
            }
        }
        grid.cleanup_finished(silent_registration().cleanup.as_deref().unwrap());
        grid
    }

    #[test]
    fn the_grid_shows_regions_by_cells_with_verdicts_latency_convergence_and_the_last_failure() {
        assert_snapshot("grid_140.txt", &render_grid(&state(), 140, Style::PLAIN));
        assert_snapshot("grid_80.txt", &render_grid(&state(), 80, Style::PLAIN));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [40, 57, 80, 100, 140, 200] {
            for line in render_grid(&state(), width, Style::PLAIN).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn colour_changes_no_visible_character() {
        let coloured = render_grid(&state(), 100, Style { colour: true });
        let bare = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap().replace_all(&coloured, "").into_owned();
        assert_eq!(bare, render_grid(&state(), 100, Style::PLAIN));
    }

    #[test]
    fn an_event_is_one_line_that_says_why() {
        let line = event_line(&silent_registration().report, Style::PLAIN);
        assert_eq!(
            line,
            "10:44:00 ✗ failed  premium-registration/eu/platform=ios,tracks=10 2.31 s  expectation at 'activated': \
             json.status == 'activated' (json.status was \"payment_captured\")"
        );
    }
}
