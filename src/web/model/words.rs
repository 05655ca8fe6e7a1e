//! Times, durations, shares and counts as people read them on a page.
//!
//! Pure functions of numbers. Every page and table speaks through these, so that one thing is written in one way.

use std::fmt::Display;
use std::time::Duration;

use chrono::DateTime;

use crate::history::RunCounts;

/// `03:12:05`, in UTC.
pub(in crate::web) fn clock(ms: i64) -> String {
    format(ms, "%H:%M:%S")
}

/// `03:12`, in UTC; the label of an axis.
pub(in crate::web) fn minute(ms: i64) -> String {
    format(ms, "%H:%M")
}

/// `2026-11-21 03:12:05`, in UTC.
pub(in crate::web) fn moment(ms: i64) -> String {
    format(ms, "%Y-%m-%d %H:%M:%S")
}

/// `2026-11-21`.
pub(in crate::web) fn day(ms: i64) -> String {
    format(ms, "%Y-%m-%d")
}

/// `2026-11-21T03:12:05Z`, for `datetime` attributes.
pub(in crate::web) fn iso(ms: i64) -> String {
    format(ms, "%Y-%m-%dT%H:%M:%SZ")
}

/// The clock alone where the moment is of the same day as `now_ms`, else with the date before it.
pub(in crate::web) fn when(ms: i64, now_ms: i64) -> String {
    if day(ms) == day(now_ms) { clock(ms) } else { moment(ms) }
}

fn format(ms: i64, pattern: &str) -> String {
    DateTime::from_timestamp_millis(ms).map_or_else(|| "unknown".to_owned(), |time| time.format(pattern).to_string())
}

/// `713 ms`, `1.9 s`, `110.0 s`: how long something took, to the digit that matters.
pub(in crate::web) fn took(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.001 {
        format!("{} µs", time.as_micros())
    } else if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 9.995 {
        format!("{seconds:.2} s")
    } else if seconds < 600.0 {
        format!("{seconds:.1} s")
    } else {
        lasting(time)
    }
}

/// The same of microseconds.
pub(in crate::web) fn took_us(us: u64) -> String {
    took(Duration::from_micros(us))
}

/// `40 s`, `12 min`, `1 h 20 min`, `3 d 2 h`: how long something lasts, in at most two units.
pub(in crate::web) fn lasting(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |great: u64, unit: &str, small: u64, rest: &str| match small {
        0 => format!("{great} {unit}"),
        small => format!("{great} {unit} {small} {rest}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// How long from one moment to another; nothing at all if they are the wrong way round.
pub(in crate::web) fn between(from_ms: i64, to_ms: i64) -> String {
    lasting(Duration::from_millis(u64::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(0)))
}

/// `12 min ago`, `in 40 s`.
pub(in crate::web) fn relative(ms: i64, now_ms: i64) -> String {
    if ms > now_ms { format!("in {}", between(now_ms, ms)) } else { format!("{} ago", between(ms, now_ms)) }
}

/// `99.5 %`, `100 %`: rounded so that only a whole share reads as one.
pub(in crate::web) fn percent(share: f64) -> String {
    let percent = share.clamp(0.0, 1.0) * 100.0;
    if percent > 0.0 && percent < 100.0 {
        let shown = (percent * 10.0).floor() / 10.0;
        if (shown - shown.round()).abs() < 0.05 { format!("{shown:.0} %") } else { format!("{shown:.1} %") }
    } else {
        format!("{percent:.0} %")
    }
}

/// `1 canary`, `2,980 canaries`.
pub(in crate::web) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {many}", thousands(number)) }
}

/// `2,980`.
pub(in crate::web) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `eu, us and ap`.
pub(in crate::web) fn list<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

/// The text in at most `most` characters; what is cut is shown by an ellipsis.
pub(in crate::web) fn clip(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let short: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() { format!("{short}…") } else { short }
}

/// `2 failing, 7 passed`: those of which there are some; empty where there are none.
pub(in crate::web) fn listed<N: Display + PartialOrd + Default>(all: &[(N, &str)]) -> String {
    let some = all.iter().filter(|(count, _)| *count > N::default());
    some.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

/// `3 failed, 17 passed`; empty of nothing.
pub(in crate::web) fn counts(count: RunCounts) -> String {
    listed(&[
        (count.failed, "failed"),
        (count.errored, "errored"),
        (count.missed, "missed"),
        (count.blocked, "blocked"),
        (count.skipped, "skipped"),
        (count.degraded, "degraded"),
        (count.passed - count.degraded.min(count.passed), "passed"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_below_one_never_reads_as_one_and_one_above_nothing_never_as_nothing_at_a_tenth() {
        for (share, text) in [(1.0, "100 %"), (0.9999, "99.9 %"), (0.5, "50 %"), (0.925, "92.5 %"), (0.0, "0 %"), (2.0, "100 %")]
        {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn a_duration_is_as_exact_as_it_matters() {
        for (us, text) in
            [(5, "5 µs"), (713_400, "713 ms"), (1_900_000, "1.90 s"), (110_000_000, "110.0 s"), (4_800_000_000, "1 h 20 min")]
        {
            assert_eq!(took_us(us), text);
        }
        assert_eq!((lasting(Duration::from_secs(59)), lasting(Duration::from_hours(74))), ("59 s".into(), "3 d 2 h".into()));
        assert_eq!((relative(1_000, 61_000), relative(61_000, 1_000)), ("1 min ago".into(), "in 1 min".into()));
    }

    #[test]
    fn a_moment_that_no_calendar_has_is_unknown() {
        assert_eq!((clock(i64::MAX), iso(i64::MIN)), ("unknown".into(), "unknown".into()));
        assert_eq!(when(1_763_726_400_000, 1_763_726_460_000), "12:00:00");
        assert_eq!(when(1_763_726_400_000, 1_763_826_460_000), "2025-11-21 12:00:00");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!((clip("ééé", 2), clip("éé", 2)), ("éé…".into(), "éé".into()));
    }
}
