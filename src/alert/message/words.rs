//! Words, numbers and times as people read them. Lengths are bytes, so that whatever script a text is in, bounds hold.

use std::time::Duration;

use chrono::DateTime;
use data_encoding::HEXLOWER;
use ring::digest;

use crate::base::time::{from_epoch_ms, rfc3339 as rfc3339_of};
use crate::outcome::is_steering;

/// The text in at most `most` bytes; what is cut is shown by an ellipsis.
pub(in crate::alert) fn clip(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most.saturating_sub('…'.len_utf8())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end])
}

/// The text on one line, without characters that steer what shows them, in at most `most` bytes.
pub(in crate::alert) fn line(text: &str, most: usize) -> String {
    // Text far beyond the bound is cut first.
    let text = clip(text, most.saturating_mul(2).saturating_add(64));
    let flat: String = text.chars().map(|char| if is_steering(char) { ' ' } else { char }).collect();
    clip(flat.trim(), most)
}

/// `eu, us and ap`.
pub(super) fn list<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => format!("{} and {}", join(most), last.as_ref()),
    }
}

/// The same of many: `eu, us, ap and 4 more`.
pub(super) fn some<T: AsRef<str>>(names: &[T], most: usize) -> String {
    // Naming one more takes no more room than "and 1 more".
    if names.len() <= most + 1 {
        return list(names);
    }
    format!("{} and {} more", join(&names[..most]), thousands(names.len() - most))
}

fn join<T: AsRef<str>>(names: &[T]) -> String {
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// `1 canary`, `2,980 canaries`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {many}", thousands(number)) }
}

/// `2,980`.
pub(super) fn thousands(number: usize) -> String {
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

/// `once`, `twice`, `5 times`.
pub(super) fn times(number: u32) -> String {
    match number {
        0 | 1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{} times", thousands(more as usize)),
    }
}

/// `40s`, `25m`, `1h 20m`, `3d 2h`: two units, since nobody needs the seconds of an hour.
pub(super) fn lasting(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |great: u64, unit: &str, small: u64, rest: &str| match small {
        0 => format!("{great}{unit}"),
        small => format!("{great}{unit} {small}{rest}"),
    };
    match seconds {
        0..60 => format!("{seconds}s"),
        60..600 => two(seconds / 60, "m", seconds % 60, "s"),
        600..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// Milliseconds between two moments, as time; none if they are the wrong way round.
pub(super) fn between(from_ms: i64, to_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(0))
}

/// `2026-11-21 11:45:29 UTC`.
pub(super) fn time(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| "unknown".to_owned(), |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// `11:45:29 UTC`; with the date, if that is not the day of `now_ms`.
pub(super) fn clock(ms: i64, now_ms: i64) -> String {
    let day = |ms: i64| ms.div_euclid(86_400_000);
    let full = time(ms);
    match full.split_once(' ') {
        Some((_, clock)) if day(ms) == day(now_ms) => clock.to_owned(),
        Some(_) | None => full,
    }
}

/// `2026-11-21T11:45:29.123Z`.
pub(in crate::alert) fn rfc3339(ms: i64) -> String {
    rfc3339_of(from_epoch_ms(ms))
}

/// Whether a link can be given as one: people click on it.
pub(in crate::alert) fn is_link(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// A key in at most `most` bytes (33 or more); a longer key is cut and gets a digest.
pub(in crate::alert) fn short_key(key: &str, most: usize) -> String {
    if key.len() <= most {
        return key.to_owned();
    }
    let hash = HEXLOWER.encode(&digest::digest(&digest::SHA256, key.as_bytes()).as_ref()[..16]);
    let room = most.saturating_sub(hash.len() + 1);
    let cut = (0..=room).rev().find(|at| key.is_char_boundary(*at)).unwrap_or(0);
    format!("{}#{hash}", &key[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_people_write_them_and_many_are_counted() {
        assert_eq!(list(&["eu"]), "eu");
        assert_eq!(list(&["eu", "us", "ap"]), "eu, us and ap");
        assert_eq!(some(&["a", "b", "c"], 2), "a, b and c");
        assert_eq!(some(&["a", "b", "c", "d"], 2), "a, b and 2 more");
        assert_eq!(
            (count(1, "canary", "canaries"), count(2_980, "canary", "canaries")),
            ("1 canary".into(), "2,980 canaries".into())
        );
    }

    #[test]
    fn a_time_is_as_exact_as_somebody_who_was_woken_needs_it() {
        for (seconds, text) in
            [(5, "5s"), (60, "1m"), (95, "1m 35s"), (1_525, "25m"), (4_800, "1h 20m"), (7_200, "2h"), (266_400, "3d 2h")]
        {
            assert_eq!(lasting(Duration::from_secs(seconds)), text);
        }
        let noon = 1_763_726_400_000;
        assert_eq!(clock(noon, noon + 60_000), "12:00:00 UTC");
        assert_eq!(clock(noon, noon + 86_400_000), "2025-11-21 12:00:00 UTC");
        assert_eq!(between(noon, noon - 1), Duration::ZERO);
    }

    #[test]
    fn a_bound_is_kept_in_every_script_and_nothing_steers() {
        for text in ["a", "é", "日", "😀", "\u{202e}", "\r\n"] {
            let long = text.repeat(1_000);
            assert!(clip(&long, 100).len() <= 100);
            let line = line(&long, 100);
            assert!(line.len() <= 100 && !line.contains(is_steering), "{line}");
        }
        assert_eq!(clip("abcdef", 5), "ab…");
        assert_eq!(line(" a\r\nb\u{202e} ", 100), "a  b");
    }

    #[test]
    fn a_key_that_is_too_long_is_cut_and_kept_apart_from_those_that_begin_alike() {
        let long = |end: &str| format!("subject/p/{}{end}", "é".repeat(300));
        let (one, two) = (short_key(&long("1"), 255), short_key(&long("2"), 255));
        assert!(one.len() <= 255 && one != two && one.starts_with("subject/p/é"));
        assert_eq!(short_key("probe/p/1", 255), "probe/p/1");
    }
}
