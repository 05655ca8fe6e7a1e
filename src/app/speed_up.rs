//! A shipped probe's text, sped up for the demo: shorter intervals, tighter bounds.
//!
//! Values are replaced where they stand, so that lines keep their numbers and an expectation is reported where the user
//! finds it in the file. Steps and expectations are never touched.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How far a probe is sped up.
#[derive(Debug, Clone, Copy)]
pub(super) struct DemoTimes {
    /// The interval it gets.
    pub(super) every: Duration,
    /// The most that the run's bound may be.
    pub(super) deadline: Duration,
    /// The most that an `eventually` may wait.
    pub(super) within: Duration,
    /// The most that it may pause between two attempts.
    pub(super) poll: Duration,
}

/// The text with its durations replaced; durations that are shorter already stay as they are.
pub(super) fn speed_up(text: &str, times: DemoTimes) -> Result<String, toml::de::Error> {
    let mut places = Vec::new();
    table(DeTable::parse(text)?.get_ref(), times, &mut places);
    places.sort_unstable_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut sped_up = text.to_owned();
    for (span, value) in places {
        sped_up.replace_range(span, &format!("\"{}\"", humantime::format_duration(value)));
    }
    Ok(sped_up)
}

fn table(table: &DeTable<'_>, times: DemoTimes, places: &mut Vec<(Range<usize>, Duration)>) {
    for (key, value) in table {
        // The windows of `[alert]` are about many runs; sped up, they would mean another rule.
        if key.get_ref() == "alert" {
            continue;
        }
        let most = match key.get_ref().as_ref() {
            "every" => Some(times.every),
            "deadline" => Some(times.deadline),
            "within" => Some(times.within),
            "poll" => Some(times.poll),
            _ => None,
        };
        match most {
            Some(most) => places.extend(longer(value, most).map(|span| (span, most))),
            None => inside(value, times, places),
        }
    }
}

fn inside(value: &Spanned<DeValue<'_>>, times: DemoTimes, places: &mut Vec<(Range<usize>, Duration)>) {
    match value.get_ref() {
        DeValue::Table(of) => table(of, times, places),
        DeValue::Array(of) => of.iter().for_each(|value| inside(value, times, places)),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

/// Where the value is written, if it is a duration longer than `most`.
fn longer(value: &Spanned<DeValue<'_>>, most: Duration) -> Option<Range<usize>> {
    let written = humantime::parse_duration(value.get_ref().as_str()?).ok()?;
    (written > most).then(|| value.span())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_durations_are_replaced_where_they_stand_and_short_ones_stay() {
        let text = r#"name = "p"
every    = "5m" # often
deadline = "2m"
[[step]]
name = "a"
eventually = { within = "110s", poll = "1s" }
http.json = { note = "every" }
[alert]
critical = { regions = 2, within = "10m" }
[[step]]
name = "b"
eventually = { within = "2s", poll = "1s" }
"#;
        let times = DemoTimes {
            every: Duration::from_secs(5),
            deadline: Duration::from_secs(20),
            within: Duration::from_secs(10),
            poll: Duration::from_millis(500),
        };
        let expected = text
            .replace("\"5m\"", "\"5s\"")
            .replace("\"2m\"", "\"20s\"")
            .replace("\"110s\"", "\"10s\"")
            .replace("\"1s\"", "\"500ms\"");
        assert_eq!(speed_up(text, times).unwrap(), expected);
    }
}
