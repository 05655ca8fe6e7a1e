//! Dates, times and cron expressions as people write them, with an error text for each that cannot be read.

use std::time::SystemTime;

use chrono::offset::LocalResult;
use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// A moment as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateTimeValue {
    /// A time with an offset: the same moment everywhere.
    Offset(DateTime<FixedOffset>),
    /// A local time of some time zone.
    Local(NaiveDateTime),
}

/// Reads RFC 3339, with or without an offset and seconds; the date and the time are parted by `T` or a space.
pub(super) fn date_time(text: &str) -> Result<DateTimeValue, String> {
    if let Ok(absolute) = DateTime::parse_from_rfc3339(text) {
        return Ok(DateTimeValue::Offset(absolute));
    }
    let with_t = text.replacen(' ', "T", 1);
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    local.iter().find_map(|format| NaiveDateTime::parse_from_str(&with_t, format).ok()).map(DateTimeValue::Local).ok_or_else(
        || "write a date and a time such as \"2026-11-28T22:00:00Z\", or \"2026-11-28T23:00\" with a `timezone`".to_owned(),
    )
}

impl DateTimeValue {
    /// The moment in time; `zone` is that of a time without an offset. Where the clocks are put back, the hour comes twice:
    /// `late` takes the second one.
    pub(super) fn at(self, zone: Tz, late: bool) -> Result<SystemTime, String> {
        match self {
            Self::Offset(absolute) => Ok(absolute.into()),
            Self::Local(local) => match (zone.from_local_datetime(&local), late) {
                (LocalResult::Single(only), _) => Ok(only.into()),
                (LocalResult::Ambiguous(first, _), false) => Ok(first.into()),
                (LocalResult::Ambiguous(_, second), true) => Ok(second.into()),
                (LocalResult::None, _) => Err(format!("the clocks of {} skip this hour: take the one after it", zone.name())),
            },
        }
    }
}

/// What the fields are, beginning with the one that may be left out.
const FIELDS: [&str; 6] = [
    "second, 0 to 59",
    "minute, 0 to 59",
    "hour, 0 to 23",
    "day of the month, 1 to 31",
    "month, 1 to 12 or JAN to DEC",
    "day of the week, 0 to 7 or SUN to SAT",
];

const EXAMPLE: &str =
    "write five fields (minute, hour, day, month, weekday) such as \"*/5 * * * *\", or six with the second first";

/// A cron expression of five or six fields that has a moment to come.
pub(super) fn cron(text: &str) -> Result<Cron, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    if let [name] = fields.as_slice()
        && let Some(meaning) = nickname(name)
    {
        return Err(format!("names such as `{name}` are not read: write \"{meaning}\""));
    }
    if !(5..=6).contains(&fields.len()) {
        let years = if fields.len() == 7 { ", and none for the year" } else { "" };
        return Err(format!("it has {}: {EXAMPLE}{years}", count(fields.len())));
    }
    let cron = parse(text).ok_or_else(|| invalid_field(&fields))?;
    // Without a field for the year, what does not come in all the years from 1970 on never comes.
    match cron.find_next_occurrence(&DateTime::UNIX_EPOCH, true) {
        Ok(_) => Ok(cron),
        Err(_) => {
            Err("it never comes: no month it names has such a day; the fields are minute, hour, day, month, weekday".into())
        }
    }
}

fn parse(text: &str) -> Option<Cron> {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build().parse(text).ok()
}

fn nickname(name: &str) -> Option<&'static str> {
    match name.to_lowercase().as_str() {
        "@yearly" | "@annually" => Some("0 0 1 1 *"),
        "@monthly" => Some("0 0 1 * *"),
        "@weekly" => Some("0 0 * * SUN"),
        "@daily" | "@midnight" => Some("0 0 * * *"),
        "@hourly" => Some("0 * * * *"),
        _ => None,
    }
}

fn count(fields: usize) -> String {
    if fields == 1 { "1 field".into() } else { format!("{fields} fields") }
}

/// The first field that cannot be what its place says.
fn invalid_field(fields: &[&str]) -> String {
    let names = &FIELDS[FIELDS.len() - fields.len()..];
    for (at, (field, name)) in fields.iter().zip(names).enumerate() {
        let mut alone = vec!["*"; fields.len()];
        alone[at] = field;
        if parse(&alone.join(" ")).is_none() {
            return format!("`{field}` cannot be field {}, the {name}: {EXAMPLE}", at + 1);
        }
    }
    EXAMPLE.into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seconds(text: &str, late: bool) -> Result<u64, String> {
        let at = date_time(text)?.at(chrono_tz::Europe::Berlin, late)?;
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

    #[test]
    fn seconds_are_optional() {
        assert!(cron("0 */5 * * * *").is_ok());
        assert!(cron("*/5 * * * *").is_ok());
        assert!(cron("30 4 * JAN-MAR MON").is_ok());
    }

    #[test]
    fn a_field_that_cannot_be_is_named() {
        assert!(cron("61 * * * *").unwrap_err().starts_with("`61` cannot be field 1, the minute, 0 to 59"));
        assert!(cron("0 0 25 * * *").unwrap_err().starts_with("`25` cannot be field 3, the hour"));
    }

    #[test]
    fn years_and_nicknames_are_not_read() {
        assert!(cron("0 0 0 1 1 * 2020").unwrap_err().starts_with("it has 7 fields"));
        assert!(cron("@hourly").unwrap_err().contains("\"0 * * * *\""));
        assert!(cron("now and then").unwrap_err().starts_with("it has 3 fields"));
    }

    #[test]
    fn what_never_comes_is_refused_and_the_rarest_day_is_not() {
        assert!(cron("0 0 30 2 *").unwrap_err().contains("never comes"));
        assert!(cron("0 0 31 4,6,9,11 *").unwrap_err().contains("never comes"));
        assert!(cron("0 0 29 2 *").is_ok());
        assert!(cron("0 0 29 2 +MON").is_ok());
    }
}
