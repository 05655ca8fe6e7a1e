//! Reading cron expressions, and saying in own words which field of one cannot be.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

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
    let cron = parse(text).ok_or_else(|| misfit(&fields))?;
    // Without a field for the year, what does not come in all the years from 1970 on never comes.
    match cron.find_next_occurrence(&chrono::DateTime::UNIX_EPOCH, true) {
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
fn misfit(fields: &[&str]) -> String {
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
    use super::*;

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
