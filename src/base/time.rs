//! Times of the wall clock as numbers since the epoch, and durations as whole milliseconds and nanoseconds.
//!
//! Every conversion of the program is one of these, so that all of them agree at the edges. A time before 1970 counts as the
//! epoch, in both directions. What is too large for its type is the type's largest number: for `i64` milliseconds that is the
//! year 292,278,994, for `u64` nanoseconds the year 2554. Fractions are cut off, never rounded.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};

/// The time since the epoch; nothing for a time before it.
pub fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A moment as RFC 3339 in UTC, to the millisecond. A moment beyond the calendar's end (the year 262,142)
/// counts as the epoch, because it was read from outside and must not cause a panic.
pub fn rfc3339(time: SystemTime) -> String {
    DateTime::<Utc>::from_timestamp_millis(epoch_ms(time)).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Whole milliseconds since the epoch, as store, API and messages keep them. Never below zero.
pub fn epoch_ms(time: SystemTime) -> i64 {
    signed_millis(since_epoch(time))
}

/// What the wall clock says now, in milliseconds since the epoch.
pub fn now_ms() -> i64 {
    epoch_ms(SystemTime::now())
}

/// The time that is so many milliseconds after the epoch; the epoch for a number below zero.
pub fn from_epoch_ms(ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Nanoseconds since the epoch, as schedules count.
pub fn epoch_nanos(time: SystemTime) -> u64 {
    nanos(since_epoch(time))
}

/// The time that is so many nanoseconds after the epoch.
pub fn from_epoch_nanos(nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

/// A duration in whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A duration in whole milliseconds, to be added to those since the epoch or taken from them.
pub fn signed_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A duration in nanoseconds.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A duration without what is shorter than a millisecond, for people.
pub fn whole_millis(duration: Duration) -> Duration {
    Duration::from_millis(millis(duration))
}

/// A duration in seconds, rounded to the microsecond, as JSON spells durations.
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_1970_is_the_epoch_in_both_directions() {
        let before = UNIX_EPOCH - Duration::from_hours(1);
        assert_eq!((since_epoch(before), epoch_ms(before), epoch_nanos(before)), (Duration::ZERO, 0, 0));
        assert_eq!((from_epoch_ms(-1), from_epoch_ms(i64::MIN)), (UNIX_EPOCH, UNIX_EPOCH));
    }

    #[test]
    fn what_is_too_large_is_the_largest_number_and_comes_back() {
        assert_eq!((millis(Duration::MAX), signed_millis(Duration::MAX), nanos(Duration::MAX)), (u64::MAX, i64::MAX, u64::MAX));
        assert_eq!(epoch_ms(from_epoch_ms(i64::MAX)), i64::MAX);
        assert_eq!(epoch_nanos(from_epoch_nanos(u64::MAX)), u64::MAX);
        assert_eq!(epoch_nanos(from_epoch_ms(i64::MAX)), u64::MAX);
    }

    #[test]
    fn a_moment_is_written_down_whatever_it_is() {
        let moments = [1_711_000_000_123, -1, i64::MAX].map(|ms| rfc3339(from_epoch_ms(ms)));
        assert_eq!(moments, ["2024-03-21T05:46:40.123Z", "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z"]);
    }

    #[test]
    fn fractions_are_cut_off() {
        let time = UNIX_EPOCH + Duration::from_nanos(1_999_999);
        assert_eq!((epoch_ms(time), epoch_nanos(time)), (1, 1_999_999));
        assert_eq!(whole_millis(Duration::from_nanos(2_999_999)), Duration::from_millis(2));
    }
}
