//! Moments of the calendar, as people write them.

use std::time::SystemTime;

use chrono::offset::LocalResult;
use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeZone};
use chrono_tz::Tz;

/// A moment as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It has an offset, and means the same everywhere.
    Absolute(DateTime<FixedOffset>),
    /// It is what a clock on the wall of some zone shows.
    Local(NaiveDateTime),
}

/// Reads RFC 3339, with or without an offset and seconds; the date and the time are parted by `T` or a space.
pub(super) fn written(text: &str) -> Result<Written, String> {
    if let Ok(absolute) = DateTime::parse_from_rfc3339(text) {
        return Ok(Written::Absolute(absolute));
    }
    let with_t = text.replacen(' ', "T", 1);
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    local.iter().find_map(|format| NaiveDateTime::parse_from_str(&with_t, format).ok()).map(Written::Local).ok_or_else(|| {
        "write a date and a time such as \"2026-11-28T22:00:00Z\", or \"2026-11-28T23:00\" with a `timezone`".to_owned()
    })
}

impl Written {
    /// The moment in time; `zone` is that of a time without an offset. Where the clocks are put back, the hour comes twice:
    /// `late` takes the second one.
    pub(super) fn at(self, zone: Tz, late: bool) -> Result<SystemTime, String> {
        match self {
            Self::Absolute(absolute) => Ok(absolute.into()),
            Self::Local(local) => match (zone.from_local_datetime(&local), late) {
                (LocalResult::Single(only), _) => Ok(only.into()),
                (LocalResult::Ambiguous(first, _), false) => Ok(first.into()),
                (LocalResult::Ambiguous(_, second), true) => Ok(second.into()),
                (LocalResult::None, _) => Err(format!("the clocks of {} skip this hour: take the one after it", zone.name())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seconds(text: &str, late: bool) -> Result<u64, String> {
        let at = written(text)?.at(chrono_tz::Europe::Berlin, late)?;
        Ok(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs())
    }

    #[test]
    fn a_moment_with_an_offset_means_the_same_in_every_zone() {
        assert_eq!(seconds("2026-11-28T22:00:00Z", false), seconds("2026-11-28 23:00:00+01:00", false));
    }

    #[test]
    fn a_moment_without_one_is_read_in_its_zone() {
        assert_eq!(seconds("2026-11-28T23:00", false), seconds("2026-11-28T22:00:00Z", false));
        assert_eq!(seconds("2026-07-01 00:00:00", false), seconds("2026-06-30T22:00:00Z", false));
    }

    #[test]
    fn an_hour_that_comes_twice_begins_with_its_first_and_ends_with_its_second() {
        assert_eq!(seconds("2026-10-25T02:30", false), seconds("2026-10-25T00:30:00Z", false));
        assert_eq!(seconds("2026-10-25T02:30", true), seconds("2026-10-25T01:30:00Z", false));
    }

    #[test]
    fn an_hour_that_is_skipped_and_what_is_no_moment_are_refused() {
        assert!(seconds("2026-03-29T02:30", false).unwrap_err().contains("skip this hour"));
        for text in ["2026-11-28", "22:00", "tomorrow", "2026-13-01T00:00:00Z"] {
            assert!(seconds(text, false).is_err(), "{text}");
        }
    }
}
