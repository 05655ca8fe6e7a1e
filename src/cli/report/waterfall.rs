//! The bar that shows when a step ran inside its run.

use std::time::Duration;

/// A bar of `width` columns for something that ran from `started` for `duration` inside `whole`. At least one column is
/// filled, so that the shortest step can be seen.
pub(crate) fn bar(started: Duration, duration: Duration, whole: Duration, width: usize) -> String {
    let (from, to) = (column(started, whole, width), column(started + duration, whole, width));
    let from = from.min(width.saturating_sub(1));
    let to = to.clamp(from + 1, width.max(from + 1));
    format!("{}{}{}", " ".repeat(from), "█".repeat(to - from), " ".repeat(width - to.min(width)))
}

fn column(moment: Duration, whole: Duration, width: usize) -> usize {
    let width_wide = width as u128;
    let at = (moment.as_nanos() * width_wide).checked_div(whole.as_nanos()).unwrap_or(0);
    usize::try_from(at.min(width_wide)).unwrap_or(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(started: u64, duration: u64) -> String {
        bar(Duration::from_millis(started), Duration::from_millis(duration), Duration::from_millis(100), 10)
    }

    #[test]
    fn a_bar_lies_where_the_step_lay_and_is_never_invisible() {
        assert_eq!(drawn(0, 100), "██████████");
        assert_eq!(drawn(0, 1), "█         ");
        assert_eq!(drawn(50, 20), "     ██   ");
        assert_eq!(drawn(100, 0), "         █");
        assert_eq!(drawn(100, 50), "         █");
        assert_eq!(bar(Duration::ZERO, Duration::ZERO, Duration::ZERO, 3), "█  ");
    }
}
