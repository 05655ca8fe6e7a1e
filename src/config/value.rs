//! Reading single values: durations, sizes, shares, addresses. Each says in its error what it wants instead.

use std::net::{IpAddr, SocketAddr};
use std::path::{Component, Path};
use std::time::Duration;

use crate::outcome::is_steering;

use super::Code;
use super::code::Severity;
use super::diagnostic::nearest;
use super::tree::Data;

/// No duration in a configuration means more than this; it keeps sums of instants from overflowing.
const LONGEST: Duration = Duration::from_hours(24 * 366);

const LONGEST_NAME: usize = 100;

/// Characters of a sentence for people.
const LONGEST_SAYING: usize = 300;

/// A positive duration up to a year. Months and years are not read: `M` is most often a mistyped minute, and neither has one
/// length.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const WRITE: &str = "write a duration such as \"250ms\", \"10s\", \"5m\" or \"1h 30m\"";
    let mut units = text.split(|character: char| !character.is_alphabetic()).filter(|unit| !unit.is_empty());
    match units.find(|unit| matches!(*unit, "M" | "month" | "months" | "y" | "yr" | "yrs" | "year" | "years")) {
        Some("M") => return Err(format!("minutes are `m`, and months are not read: {WRITE}")),
        Some(unit) => return Err(format!("`{unit}` has no fixed length, count in days: {WRITE}, or \"30d\"")),
        None => {}
    }
    let duration = humantime::parse_duration(text).map_err(|error| match error {
        humantime::DurationError::UnknownUnit { unit, .. } if unit.is_empty() => format!("it has no unit: {WRITE}"),
        humantime::DurationError::UnknownUnit { unit, .. } => format!("there is no unit `{unit}`: {WRITE}"),
        _ => WRITE.into(),
    })?;
    if duration.is_zero() {
        return Err("it must be longer than nothing".into());
    }
    if duration > LONGEST { Err("it must not be longer than a year".into()) } else { Ok(duration) }
}

/// Bytes: a plain number, or one with `B`, `kB`, `MB`, `GB`, `KiB`, `MiB`, `GiB`.
pub(super) fn size(data: &Data<'_>) -> Result<usize, String> {
    const UNITS: [(&str, u64); 8] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("B", 1),
    ];
    let bytes = match data {
        Data::Integer(bytes) => u64::try_from(*bytes).ok(),
        Data::Text(text) => {
            let split = UNITS.iter().find_map(|(unit, factor)| Some((text.trim().strip_suffix(unit)?, *factor)));
            split.and_then(|(number, factor)| number.trim().parse::<u64>().ok()?.checked_mul(factor))
        }
        Data::Float(_) | Data::Bool(_) | Data::Datetime(_) | Data::List(_) | Data::Table(_) => None,
    };
    let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok()).filter(|bytes| (1..=1 << 30).contains(bytes));
    bytes.ok_or_else(|| "sizes go from 1 byte to 1 GiB, with one of the units B, kB, MB, GB, KiB, MiB, GiB".into())
}

/// A share of one.
pub(super) fn share(data: &Data<'_>) -> Result<f64, String> {
    let share = match data {
        #[expect(clippy::cast_precision_loss, reason = "only 0 and 1 are in range")]
        Data::Integer(number) => Some(*number as f64),
        Data::Float(number) => Some(*number),
        Data::Text(text) => {
            text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok()).map(|number| number / 100.0)
        }
        Data::Bool(_) | Data::Datetime(_) | Data::List(_) | Data::Table(_) => None,
    };
    share.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "shares go from 0 to 1, or from \"0%\" to \"100%\"".into())
}

/// A URL that begins with one of `schemes`.
pub(super) fn url(text: &str, schemes: &[&str]) -> Result<url::Url, String> {
    let scheme = schemes.iter().find(|scheme| text.starts_with(**scheme));
    match (scheme, url::Url::parse(text)) {
        (Some(_), Ok(url)) => Ok(url),
        (Some(scheme), Err(_)) => Err(format!(
            "its host or port cannot be read: write a URL such as \"{scheme}example.com/path\"; its port is a number"
        )),
        (None, _) => {
            let example = schemes.first().unwrap_or(&"https://");
            Err(format!("write a URL that begins with {}, such as \"{example}example.com/path\"", schemes.join(" or ")))
        }
    }
}

/// The path of a file of Markdown in a folder or below it.
pub(super) fn markdown_below(text: &str) -> Result<&str, String> {
    let path = Path::new(text);
    if path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err("a runbook lies in the folder of its probe or below it: write a relative path without `..`".into());
    }
    if path.extension().is_none_or(|extension| extension != "md") {
        return Err("write a URL such as \"https://example.com/path\", or a file of Markdown such as \"shop.md\"".into());
    }
    Ok(text)
}

/// An address with an optional port; 0 stands for no port.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let bare = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0));
    text.parse::<SocketAddr>().or_else(|_| bare()).map_err(|_| format!("`{text}` is not an IP address; names are not looked up"))
}

/// A pattern of files.
pub(super) fn glob(text: &str) -> Result<(), String> {
    glob::Pattern::new(text).map(drop).map_err(|_| {
        "`**` stands alone between slashes, and each `[` is closed: write a pattern such as \"probes/*.toml\"".into()
    })
}

/// A time zone; a misspelt one gets the nearest name.
pub(super) fn timezone(text: &str) -> Result<chrono_tz::Tz, String> {
    text.parse::<chrono_tz::Tz>().map_err(|_| match nearest(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())) {
        Some(near) => format!("there is no time zone `{text}`; did you mean `{near}`?"),
        None => format!("there is no time zone `{text}`"),
    })
}

/// A lint that can be allowed, by its word.
pub(super) fn lint(text: &str) -> Result<Code, String> {
    let rule = Code::of_lint(text).or_else(|| Code::of(text));
    match rule {
        Some(rule) if rule.lint() == Some(text) && rule.can_be_allowed() => Ok(rule),
        Some(rule) if rule.severity() == Severity::Error => Err("an error cannot be allowed, only a lint can".into()),
        Some(Code::NoChannel) => {
            Err("it cannot be allowed: say `none = true` in `[notify]`, and nobody is told of anything".into())
        }
        Some(rule) if rule.can_be_allowed() => Err(format!("write it without `lint::`: \"{}\"", rule.lint().unwrap_or_default())),
        Some(_) => Err("this one cannot be allowed: do what it says".into()),
        None => Err(match nearest(text, Code::ALL.iter().filter(|code| code.can_be_allowed()).filter_map(|code| code.lint())) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "there is no such lint; `serinus check` shows the word of each, behind `lint::`".into(),
        }),
    }
}

/// A name that expressions can use.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}

pub(super) fn slug(text: &str) -> Result<&str, String> {
    let fits = text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.len() <= LONGEST_NAME
        && text.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-'));
    let problem = "it is made of letters, digits, `.`, `_` and `-`, begins with a letter or digit, and has at most";
    if fits { Ok(text) } else { Err(format!("{problem} {LONGEST_NAME} characters")) }
}

pub(super) fn secret_name(text: &str) -> Result<&str, String> {
    let what = "this is where the name of a secret stands, never the secret: declare it in `[secrets]`, as in \
                `NAME = { env = \"VARIABLE\" }`, and write its name here";
    slug(text).map_err(|_| what.into())
}

pub(super) fn mailbox(text: &str) -> Result<&str, String> {
    text.parse::<lettre::message::Mailbox>()
        .map(|_| text)
        .map_err(|_| "write a mail address such as \"canary@example.com\" or \"Canary <canary@example.com>\"".into())
}

pub(super) fn title(text: &str) -> Result<&str, String> {
    let fits = !text.trim().is_empty() && text.chars().count() <= LONGEST_NAME && !text.contains(is_steering);
    if fits { Ok(text) } else { Err(format!("it is one line of 1 to {LONGEST_NAME} characters")) }
}

/// A sentence for people. What expressions saw is told behind it, so that it needs none.
pub(super) fn saying(text: &str) -> Result<&str, String> {
    if text.contains("{{") {
        return Err("it is said as it is written, without `{{ … }}`; the values seen are told behind it".into());
    }
    let fits = !text.trim().is_empty() && text.chars().count() <= LONGEST_SAYING && !text.contains(is_steering);
    if fits { Ok(text) } else { Err(format!("it is one line of 1 to {LONGEST_SAYING} characters")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(text: &str) -> Option<usize> {
        size(&Data::Text(text.into())).ok()
    }

    #[test]
    fn sizes_have_units_and_bounds() {
        assert_eq!(sized("1MiB"), Some(1 << 20));
        assert_eq!(sized("10 kB"), Some(10_000));
        assert_eq!(sized("12"), None);
        assert_eq!(sized("0B"), None);
        assert_eq!(sized("9999999999GiB"), None);
    }

    #[test]
    fn durations_are_positive_and_bounded() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(duration("0s").is_err());
        assert!(duration("5").is_err());
        assert_eq!(duration("365d"), Ok(Duration::from_hours(24 * 365)));
        assert!(duration("367d").is_err());
    }

    #[test]
    fn months_and_years_are_no_durations_and_a_capital_m_is_no_minute() {
        assert_eq!(duration("5m"), Ok(Duration::from_mins(5)));
        for text in ["5M", "1h 5M"] {
            assert!(duration(text).unwrap_err().starts_with("minutes are `m`"), "{text}");
        }
        for text in ["1month", "2 months", "1y", "1year"] {
            assert!(duration(text).unwrap_err().contains("no fixed length"), "{text}");
        }
    }

    #[test]
    fn shares_are_percentages_or_fractions() {
        assert_eq!(share(&Data::Text("95%".into())), Ok(0.95));
        assert_eq!(share(&Data::Float(0.5)), Ok(0.5));
        assert!(share(&Data::Text("95".into())).is_err());
        assert!(share(&Data::Integer(2)).is_err());
    }
}
