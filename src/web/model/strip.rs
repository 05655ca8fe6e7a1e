//! Strips: the runs of a row on the one time axis of a page, as marks with a place, a form and a moment.
//!
//! Pure geometry in the units of a view box. Where more runs fall into a mark's room than can be told apart, the worst stands.

use super::recent::{Mark, MarkKind};
use super::words;

/// Width of the view box.
pub(in crate::web) const WIDTH: u32 = 600;
/// Height of the view box.
pub(in crate::web) const HEIGHT: u32 = 20;
/// The most marks in a strip.
const MARKS: i64 = 120;

/// The time that all strips of a page show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) struct Axis {
    /// Where it begins, milliseconds since the epoch.
    pub(in crate::web) from_ms: i64,
    /// Where it ends.
    pub(in crate::web) to_ms: i64,
}

impl Axis {
    /// The last `length_ms` before now, up to the end of the step that is going on, so that strips move only where a step ends.
    pub(in crate::web) fn until(now_ms: i64, length_ms: i64) -> Self {
        let step = (length_ms / MARKS).max(1);
        let to_ms = (now_ms.div_euclid(step) + 1) * step;
        Self { from_ms: to_ms - length_ms, to_ms }
    }

    /// Milliseconds that a mark stands for.
    pub(in crate::web) fn step_ms(self) -> i64 {
        ((self.to_ms - self.from_ms) / MARKS).max(1)
    }

    /// Where a moment is, in units of the view box.
    pub(in crate::web) fn x(self, ms: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of some days are far below what is lost")]
        let share = (ms - self.from_ms) as f64 / (self.to_ms - self.from_ms).max(1) as f64;
        share * f64::from(WIDTH)
    }

    /// Five labels with their places, each in the middle of its text but for the first and the last.
    pub(in crate::web) fn labels(self) -> Vec<(f64, &'static str, String)> {
        let length = self.to_ms - self.from_ms;
        let label = |ms| if length > 2 * 86_400_000 { words::day(ms) } else { words::minute(ms) };
        (0..5)
            .map(|at| {
                let ms = self.from_ms + length * at / 4;
                let anchor = match at {
                    0 => "start",
                    4 => "end",
                    _ => "middle",
                };
                (self.x(ms), anchor, label(ms))
            })
            .collect()
    }
}

/// A mark of a strip.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::web) struct StripMark {
    /// Its form, as the style sheet knows it.
    pub(in crate::web) class: &'static str,
    /// Its outline, the data of a path.
    pub(in crate::web) path: String,
    /// When the run that it stands for was due, milliseconds since the epoch.
    pub(in crate::web) due_ms: i64,
    /// Whose run it is: the place of the canary among those that were given.
    pub(in crate::web) of: usize,
}

/// The marks of one row, made of the marks of one or several canaries.
pub(in crate::web) fn strip<'a>(axis: Axis, canaries: impl IntoIterator<Item = (usize, &'a Mark)>) -> Vec<StripMark> {
    let step = axis.step_ms();
    let mut worst: Vec<Option<(MarkKind, i64, usize)>> = vec![None; usize::try_from(MARKS).unwrap_or_default() + 1];
    for (of, mark) in canaries {
        let Ok(bin) = usize::try_from((mark.due_ms - axis.from_ms).div_euclid(step)) else { continue };
        if let Some(known) = worst.get_mut(bin)
            // Of alike ones the first, so that a strip stays as it is while more of them come.
            && known.is_none_or(|(kind, due_ms, _)| mark.kind > kind || mark.kind == kind && mark.due_ms < due_ms)
        {
            *known = Some((mark.kind, mark.due_ms, of));
        }
    }
    // A strip with few runs has wide marks.
    let gap = widest_gap(&worst);
    let width = (f64::from(WIDTH) / f64::from(u32::try_from(MARKS).unwrap_or(1)) * gap * 0.7).clamp(2.0, 9.0);
    worst
        .into_iter()
        .enumerate()
        .filter_map(|(bin, found)| found.map(|found| (bin, found)))
        .map(|(bin, (kind, due_ms, of))| {
            let x = axis.x(axis.from_ms + i64::try_from(bin).unwrap_or_default() * step);
            StripMark { class: class(kind), path: outline(kind, x, width), due_ms, of }
        })
        .collect()
}

/// How many steps lie between one mark and the next where they are nearest.
fn widest_gap<T>(bins: &[Option<T>]) -> f64 {
    let mut last = None;
    let mut nearest = usize::MAX;
    for (at, _) in bins.iter().enumerate().filter(|(_, bin)| bin.is_some()) {
        if let Some(before) = last.replace(at) {
            nearest = nearest.min(at - before);
        }
    }
    u32::try_from(nearest.min(3)).map_or(3.0, f64::from)
}

/// The class in the style sheet, one letter, since a page has thousands.
pub(super) fn class(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Passed => "p",
        MarkKind::Degraded => "d",
        MarkKind::Failed => "f",
        MarkKind::Errored => "e",
        MarkKind::Missed => "m",
        MarkKind::Blocked => "b",
        MarkKind::Skipped => "s",
    }
}

/// A mark's form: each kind has a height and a place of its own, so that colour is not needed.
pub(super) fn outline(kind: MarkKind, x: f64, width: f64) -> String {
    let (y, height, width) = match kind {
        MarkKind::Passed => (13, 5, width),
        MarkKind::Degraded => (8, 10, width),
        MarkKind::Failed => (2, 16, width),
        MarkKind::Errored => (6, 7, width),
        MarkKind::Missed => (12, 6, width - 1.0),
        MarkKind::Blocked | MarkKind::Skipped => (15, 3, 3.0_f64.min(width)),
    };
    format!("M{x:.0} {y}h{width:.0}v{height}h-{width:.0}z")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn mark(due_ms: i64, kind: MarkKind) -> Mark {
        Mark { due_ms, duration_us: 1, convergence_us: None, kind, counted: true }
    }

    fn axis() -> Axis {
        Axis::until(100 * HOUR - 1, HOUR)
    }

    #[test]
    fn an_axis_ends_with_the_step_that_goes_on_and_moves_by_whole_steps() {
        let axis = axis();
        assert_eq!((axis.from_ms, axis.to_ms, axis.step_ms()), (99 * HOUR, 100 * HOUR, 30_000));
        assert_eq!(Axis::until(100 * HOUR, HOUR).to_ms, 100 * HOUR + 30_000);
        assert_eq!((axis.x(99 * HOUR), axis.x(100 * HOUR)), (0.0, 600.0));
        let labels: Vec<String> = axis.labels().into_iter().map(|(_, _, label)| label).collect();
        assert_eq!(labels, ["03:00", "03:15", "03:30", "03:45", "04:00"]);
    }

    #[test]
    fn of_runs_that_share_a_marks_room_the_worst_stands_and_leads_to_itself() {
        let begin = axis().from_ms;
        let runs = [
            mark(begin + 60_000, MarkKind::Passed),
            mark(begin + 61_000, MarkKind::Failed),
            mark(begin + 62_000, MarkKind::Passed),
            mark(begin + 120_000, MarkKind::Passed),
        ];
        let marks = strip(axis(), runs.iter().map(|run| (7, run)));
        let told: Vec<_> = marks.iter().map(|mark| (mark.class, mark.due_ms - begin, mark.of)).collect();
        assert_eq!(told, [("f", 61_000, 7), ("p", 120_000, 7)]);
    }

    #[test]
    fn of_alike_runs_the_first_stands_so_that_later_ones_change_nothing() {
        let begin = axis().from_ms;
        let runs = [5_000, 3_000, 20_000].map(|at| mark(begin + at, MarkKind::Passed));
        let of = |runs: &[Mark]| strip(axis(), runs.iter().enumerate());
        assert_eq!(of(&runs), of(&runs[..2]));
        assert_eq!((of(&runs)[0].due_ms - begin, of(&runs)[0].of), (3_000, 1));
    }

    #[test]
    fn what_is_beyond_the_axis_is_left_out_and_a_fast_canary_has_no_more_marks_than_there_is_room() {
        let begin = axis().from_ms;
        let runs: Vec<Mark> = (-50..5_000).map(|second| mark(begin + second * 1_000, MarkKind::Passed)).collect();
        let marks = strip(axis(), runs.iter().map(|run| (0, run)));
        assert!(marks.len() <= 121, "{}", marks.len());
        assert!(marks.iter().all(|mark| mark.due_ms >= begin));
    }

    #[test]
    fn each_kind_has_a_form_of_its_own_but_for_the_two_that_are_a_dot() {
        let kinds = [
            MarkKind::Passed,
            MarkKind::Degraded,
            MarkKind::Failed,
            MarkKind::Errored,
            MarkKind::Missed,
            MarkKind::Blocked,
            MarkKind::Skipped,
        ];
        let forms: std::collections::BTreeSet<String> = kinds.iter().map(|kind| outline(*kind, 10.0, 8.0)).collect();
        assert_eq!(forms.len(), 6);
    }
}
