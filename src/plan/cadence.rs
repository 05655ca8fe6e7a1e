//! When a probe is due and what happens when it is still busy.

use std::time::Duration;

/// How often a canary's ticks come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cadence {
    /// Every so often, at a phase that is a function of the canary's id. At least 1 s unless the service allows less.
    Every(Duration),
    /// At the moments of a cron expression in a time zone; croner's rules, so a skipped hour runs once at its end and a
    /// repeated hour is not skipped.
    Cron {
        /// The parsed expression. It is boxed because it is large and most probes use an interval.
        cron: Box<croner::Cron>,
        /// The zone the expression is read in.
        timezone: chrono_tz::Tz,
    },
}

/// Pauses of a cron expression are looked for in the eight days after its next moment, so that a weekend is among them,
const CRON_SPAN: chrono::TimeDelta = chrono::TimeDelta::days(8);

/// and among so many moments at most: one every five minutes of that time.
const CRON_MOMENTS: usize = 2_400;

impl Cadence {
    /// The shortest and the longest pause between two ticks of one slot: the interval twice; of a cron expression those among
    /// the moments of a week. Takes up to some milliseconds for a cron expression: ask once a probe.
    pub fn pauses(&self) -> (Duration, Duration) {
        match self {
            Self::Every(interval) => (*interval, *interval),
            Self::Cron { cron, timezone } => {
                let mut moments = Vec::new();
                for moment in cron.iter_after(chrono::Utc::now().with_timezone(timezone)).take(CRON_MOMENTS) {
                    let is_far = moments.first().is_some_and(|first| moment - *first > CRON_SPAN);
                    moments.push(moment);
                    if is_far {
                        break;
                    }
                }
                let pauses = moments.windows(2).filter_map(|pair| (pair[1] - pair[0]).to_std().ok());
                pauses
                    .fold(None, |known: Option<(Duration, Duration)>, pause| {
                        Some(known.map_or((pause, pause), |(shortest, longest)| (shortest.min(pause), longest.max(pause))))
                    })
                    .unwrap_or_default()
            }
        }
    }
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

    #[test]
    fn the_pauses_of_office_hours_are_five_minutes_and_a_weekend() {
        let cron = croner::parser::CronParser::new().parse("*/5 9-17 * * 1-5").unwrap();
        let cadence = Cadence::Cron { cron: Box::new(cron), timezone: chrono_tz::Europe::Berlin };
        let (shortest, longest) = cadence.pauses();
        assert_eq!(shortest, Duration::from_mins(5));
        // 63 h 5 min, or an hour more or less where the clocks are changed.
        let hours = longest.as_secs() / 3_600;
        assert!((62..=64).contains(&hours), "{longest:?}");
    }

    #[test]
    fn the_pauses_of_an_interval_are_the_interval_and_rare_moments_have_one_too() {
        let minute = Duration::from_mins(1);
        assert_eq!(Cadence::Every(minute).pauses(), (minute, minute));
        let cron = croner::parser::CronParser::new().parse("0 0 1 * *").unwrap();
        let (shortest, _) = Cadence::Cron { cron: Box::new(cron), timezone: chrono_tz::UTC }.pauses();
        assert!(shortest >= Duration::from_hours(28 * 24), "{shortest:?}");
    }
}
