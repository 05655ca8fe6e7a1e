//! When a probe is due and what happens when it is still busy.

use std::time::{Duration, SystemTime};

use crate::base::time::epoch_nanos;

use super::calendar::Calendar;

/// How often a canary's ticks come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cadence {
    /// Every so often, at a phase that is a function of the canary's id. At least 1 s unless the service allows less.
    Every(Duration),
    /// At the moments of a cron expression in a time zone; croner's rules, so a skipped hour runs once at its end and a
    /// repeated hour is not skipped. Made by [`Cadence::cron`].
    Cron {
        /// The parsed expression. It is boxed because it is large and most probes use an interval.
        cron: Box<croner::Cron>,
        /// The zone the expression is read in.
        timezone: chrono_tz::Tz,
        /// The shortest and the longest pause between two of its moments.
        pauses: (Duration, Duration),
    },
}

impl Cadence {
    /// The moments of a cron expression. Takes up to some milliseconds: it looks for its pauses.
    pub fn cron(cron: croner::Cron, timezone: chrono_tz::Tz) -> Self {
        let pauses = pauses(&cron);
        Self::Cron { cron: Box::new(cron), timezone, pauses }
    }

    /// The shortest and the longest pause between two ticks of one slot: the interval twice; of a cron expression those between
    /// its moments, read as if clocks were never changed.
    pub fn pauses(&self) -> (Duration, Duration) {
        match self {
            Self::Every(interval) => (*interval, *interval),
            Self::Cron { pauses, .. } => *pauses,
        }
    }

    /// The next tick of a slot comes within this time.
    pub fn next_within(&self, now: SystemTime) -> Duration {
        match self {
            Self::Every(interval) => *interval,
            Self::Cron { cron, timezone, .. } => {
                let now = epoch_nanos(now);
                let next = Calendar { cron, timezone: *timezone }.after(now);
                Duration::from_nanos(next.map_or(0, |next| next - now))
            }
        }
    }
}

const MINUTE: u64 = 60_000_000_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A Monday that begins a leap year, 2024-01-01.
const BEGIN: u64 = 1_704_067_200_000_000_000;

/// The shortest and the longest pause between two moments of an expression; nothing where it has fewer than two.
///
/// They depend on the expression alone, so neither the hour of a reload nor a restart changes how a probe is judged. What an expression says of seconds, minutes, hours, days and months repeats itself, so the pauses that lie over the ends of
/// some of each are all there are: the minutes of an hour, the hours of a day, the days of six weeks, the months of eight years.
fn pauses(cron: &croner::Cron) -> (Duration, Duration) {
    let calendar = Calendar { cron, timezone: chrono_tz::UTC };
    let Some(first) = calendar.after(BEGIN - 1) else { return Default::default() };
    let over = |end: u64| Some(calendar.after(end - 1)? - calendar.until(end - 1)?);
    let moments: Vec<u64> = std::iter::successors(Some(first), |at| calendar.after(*at)).take(130).collect();
    let minutes = (1..=60).map(|minute| first / HOUR * HOUR + minute * MINUTE);
    let hours = (1..=24).map(|hour| first / DAY * DAY + hour * HOUR);
    let days = (1..=42).map(|day| first / DAY * DAY + day * DAY);
    let ends = minutes.chain(hours).chain(days).chain(months());
    let all = moments.windows(2).map(|pair| pair[1] - pair[0]).chain(ends.filter_map(over));
    let pauses = all.fold(None, |known: Option<(u64, u64)>, pause| {
        Some(known.map_or((pause, pause), |(shortest, longest)| (shortest.min(pause), longest.max(pause))))
    });
    let (shortest, longest) = pauses.unwrap_or_default();
    (Duration::from_nanos(shortest), Duration::from_nanos(longest))
}

/// The ends of the months of eight years.
fn months() -> impl Iterator<Item = u64> {
    let begin = |year, month| chrono::NaiveDate::from_ymd_opt(year, month, 1).and_then(|day| day.and_hms_opt(0, 0, 0));
    let all = (2024..2032).flat_map(move |year| (1..=12).filter_map(move |month| begin(year, month)));
    all.filter_map(|at| u64::try_from(at.and_utc().timestamp_nanos_opt()?).ok()).skip(1)
}

/// What to do when a slot's earlier run has not ended at its next tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// The tick becomes `missed`/`overlap`.
    #[default]
    Skip,
    /// Both run.
    Allow,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(expression: &str) -> Cadence {
        let parser = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Optional).build();
        Cadence::cron(parser.parse(expression).unwrap(), chrono_tz::Europe::Berlin)
    }

    #[test]
    fn the_pauses_of_an_expression_are_those_of_its_whole_round_whenever_it_is_read() {
        let (minute, hour, day) = (Duration::from_mins(1), Duration::from_hours(1), Duration::from_hours(24));
        for (expression, shortest, longest) in [
            ("* 9-17 * * 1-5", minute, Duration::from_mins(63 * 60 + 1)),
            ("*/5 9-17 * * 1-5", minute * 5, Duration::from_mins(63 * 60 + 5)),
            ("*/7 * * * * *", Duration::from_secs(4), Duration::from_secs(7)),
            ("0,59 * * * *", minute, minute * 59),
            ("0-5 0 9 * * *", Duration::from_secs(1), Duration::from_secs(24 * 60 * 60 - 5)),
            ("* 0-1,50-55 * * * *", Duration::from_secs(1), minute * 48 + Duration::from_secs(1)),
            ("0 9,17 * * *", hour * 8, hour * 16),
            ("0 0 1 * *", day * 28, day * 31),
            ("0 12 * 1-3 *", day, day * 276),
        ] {
            assert_eq!(cron(expression).pauses(), (shortest, longest), "{expression}");
        }
    }

    #[test]
    fn the_next_tick_of_an_expression_is_as_far_as_its_calendar_says_and_of_an_interval_at_most_one_away() {
        // A Monday, 08:30 in Berlin.
        let now = humantime::parse_rfc3339("2025-11-24T07:30:00Z").unwrap();
        assert_eq!(cron("0 9 * * *").next_within(now), Duration::from_mins(30));
        assert_eq!(Cadence::Every(Duration::from_mins(7)).next_within(now), Duration::from_mins(7));
        assert_eq!(Cadence::Every(Duration::from_mins(7)).pauses(), (Duration::from_mins(7), Duration::from_mins(7)));
    }
}
