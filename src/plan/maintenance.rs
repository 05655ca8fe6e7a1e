//! Windows in which failures are expected.
//!
//! Pure: whoever asks says what time it is, by the wall clock, because a calendar goes by that. A recurring window lasts as long
//! as it says, also where the clocks change within it: one hour from 02:00 on the night of the repeated hour ends when it is
//! 02:00 again. Windows that begin before the one before them has ended run into one another.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::base::time::{epoch_nanos, from_epoch_nanos};

use super::{Calendar, Canary};

/// A window in which the canaries it selects are skipped.
#[derive(Debug, Clone)]
pub struct Maintenance {
    /// What people call it.
    pub name: Arc<str>,
    /// When.
    pub when: MaintenanceTime,
    /// Probes; empty means all.
    pub probes: Vec<Arc<str>>,
    /// Regions; empty means all.
    pub regions: Vec<Arc<str>>,
    /// Tags, one of which the probe must have; empty means all.
    pub tags: Vec<Arc<str>>,
}

/// When a window is open.
#[derive(Debug, Clone)]
pub enum MaintenanceTime {
    /// Once.
    Once {
        /// Begin.
        from: SystemTime,
        /// End, exclusive.
        until: SystemTime,
    },
    /// Again and again.
    Recurring {
        /// When it begins.
        cron: Box<croner::Cron>,
        /// The zone the expression is read in.
        timezone: chrono_tz::Tz,
        /// How long it lasts.
        lasts: Duration,
    },
}

/// A period of time in which a window neither opens nor closes: `from..until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its begin, or the moment that was asked about.
    pub from: SystemTime,
    /// Its end, exclusive; none if nothing changes any more. Where an open window runs into its next one, the period may end
    /// before the window closes.
    pub until: Option<SystemTime>,
    /// Whether the window is open then.
    pub open: bool,
}

impl Maintenance {
    /// Whether it is open at a moment.
    pub fn open_at(&self, at: SystemTime) -> bool {
        self.period_at(at).open
    }

    /// Whether it is open at some moment from `from` to `to`, both included.
    pub fn overlaps(&self, from: SystemTime, to: SystemTime) -> bool {
        let period = self.period_at(from);
        // What is closed until a moment opens at it.
        period.open || period.until.is_some_and(|opens| to >= opens)
    }

    /// What is known at `at`, so that it need not be asked for again until the period ends.
    pub fn period_at(&self, at: SystemTime) -> Period {
        match &self.when {
            MaintenanceTime::Once { from, until } if at < *from => {
                // A window that ends before it begins never opens.
                Period { from: at, until: (from < until).then_some(*from), open: false }
            }
            MaintenanceTime::Once { until, .. } if at < *until => Period { from: at, until: Some(*until), open: true },
            MaintenanceTime::Once { .. } => Period { from: at, until: None, open: false },
            MaintenanceTime::Recurring { cron, timezone, lasts } => recurring(Calendar { cron, timezone: *timezone }, *lasts, at),
        }
    }

    /// Whether it is about this canary.
    pub fn selects(&self, canary: &Canary) -> bool {
        let any = |list: &[Arc<str>], of: &str| list.is_empty() || list.iter().any(|name| &**name == of);
        let tagged = self.tags.is_empty() || self.tags.iter().any(|tag| canary.probe.tags.iter().any(|of| **of == **tag));
        any(&self.probes, &canary.probe.name) && any(&self.regions, &canary.region.name) && tagged
    }
}

fn recurring(calendar: Calendar<'_>, lasts: Duration, at: SystemTime) -> Period {
    let now = epoch_nanos(at);
    let closes = calendar.until(now).map(|opened| from_epoch_nanos(opened) + lasts).filter(|closes| *closes > at);
    if closes.is_some() {
        return Period { from: at, until: closes, open: true };
    }
    let opens = calendar.after(now).filter(|_| !lasts.is_zero());
    Period { from: at, until: opens.map(from_epoch_nanos), open: false }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(when: MaintenanceTime) -> Maintenance {
        Maintenance { name: "w".into(), when, probes: Vec::new(), regions: Vec::new(), tags: Vec::new() }
    }

    fn berlin(expression: &str, lasts: Duration) -> Maintenance {
        let parser = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Optional).build();
        let cron = Box::new(parser.parse(expression).expect("a cron expression"));
        window(MaintenanceTime::Recurring { cron, timezone: chrono_tz::Europe::Berlin, lasts })
    }

    fn at(rfc3339: &str) -> SystemTime {
        chrono::DateTime::parse_from_rfc3339(rfc3339).expect("a time").into()
    }

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_window_is_open_from_its_begin_and_until_before_its_end() {
        let daily = berlin("0 2 * * *", HOUR);
        let once =
            window(MaintenanceTime::Once { from: at("2026-11-21T02:00:00+01:00"), until: at("2026-11-21T03:00:00+01:00") });
        for window in [daily, once] {
            for (time, open) in [("01:59:59.999", false), ("02:00:00", true), ("02:59:59.999", true), ("03:00:00", false)] {
                assert_eq!(window.open_at(at(&format!("2026-11-21T{time}+01:00"))), open, "{time}");
            }
        }
    }

    #[test]
    fn a_run_that_touches_a_window_overlaps_it() {
        let daily = berlin("0 2 * * *", HOUR);
        let over =
            |from: &str, to: &str| daily.overlaps(at(&format!("2026-11-21T{from}+01:00")), at(&format!("2026-11-21T{to}+01:00")));
        assert!(over("01:59:00", "02:00:00") && over("02:59:59", "03:10:00") && over("01:00:00", "04:00:00"));
        assert!(!over("01:00:00", "01:59:59") && !over("03:00:00", "03:10:00"));
    }

    #[test]
    fn a_window_that_begins_in_the_skipped_hour_begins_at_its_end() {
        let daily = berlin("30 2 * * *", HOUR);
        for (time, open) in
            [("01:59:59+01:00", false), ("03:00:00+02:00", true), ("03:59:59+02:00", true), ("04:00:00+02:00", false)]
        {
            assert_eq!(daily.open_at(at(&format!("2026-03-29T{time}"))), open, "{time}");
        }
    }

    #[test]
    fn a_window_over_the_repeated_hour_lasts_as_long_as_it_says() {
        let daily = berlin("0 2 * * *", HOUR);
        for (time, open) in
            [("02:00:00+02:00", true), ("02:59:59+02:00", true), ("02:00:00+01:00", false), ("02:30:00+01:00", false)]
        {
            assert_eq!(daily.open_at(at(&format!("2026-10-25T{time}"))), open, "{time}");
        }
        let long = berlin("30 1 * * *", HOUR * 3);
        for (time, open) in
            [("01:29:59+02:00", false), ("02:30:00+01:00", true), ("03:29:59+01:00", true), ("03:30:00+01:00", false)]
        {
            assert_eq!(long.open_at(at(&format!("2026-10-25T{time}"))), open, "{time}");
        }
    }

    #[test]
    fn windows_longer_than_their_period_never_close() {
        let hourly = berlin("0 * * * *", HOUR * 2);
        for minute in 0..180 {
            assert!(hourly.open_at(at("2026-10-25T00:00:00+02:00") + Duration::from_mins(minute)), "{minute}");
        }
    }

    #[test]
    fn a_window_that_is_over_or_lasts_no_time_never_opens_again() {
        let (from, until) = (at("2026-11-21T02:00:00Z"), at("2026-11-21T03:00:00Z"));
        assert_eq!(window(MaintenanceTime::Once { from, until }).period_at(until).until, None);
        assert_eq!(window(MaintenanceTime::Once { from: until, until: from }).period_at(from - HOUR).until, None);
        assert!(!berlin("0 * * * *", Duration::ZERO).overlaps(from - HOUR, until));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_stretch_holds_until_it_ends_and_overlapping_agrees_with_asking_minute_by_minute(
            expression in prop::sample::select(vec!["0 2 * * *", "30 2 * * *", "*/20 * * * *", "0 */6 * * *", "15 1-3 * * *"]),
            lasts in 1_u64..400,
            minutes in 0_u64..4_320,
            length in 0_u64..200,
            autumn in any::<bool>(),
        ) {
            let window = berlin(expression, Duration::from_mins(lasts));
            let begin = at(if autumn { "2026-10-24T00:00:00Z" } else { "2026-03-28T00:00:00Z" });
            let from = begin + Duration::from_mins(minutes);
            let to = from + Duration::from_mins(length);
            let open: Vec<bool> = (0..=length).map(|minute| window.open_at(from + Duration::from_mins(minute))).collect();
            prop_assert_eq!(window.overlaps(from, to), open.contains(&true));
            let period = window.period_at(from);
            prop_assert!(period.until.is_some_and(|until| until > from));
            let held = (0..=length).take_while(|&minute| period.until.is_some_and(|until| from + Duration::from_mins(minute) < until));
            for minute in held {
                prop_assert_eq!(open[usize::try_from(minute).expect("small")], period.open, "minute {}", minute);
            }
            // By the definition: some moment of the calendar lies less than `lasts` ago.
            let MaintenanceTime::Recurring { cron, timezone, lasts } = &window.when else { unreachable!("it is") };
            let calendar = Calendar { cron, timezone: *timezone };
            let recent = calendar.after(epoch_nanos(from - *lasts)).is_some_and(|opened| opened <= epoch_nanos(from));
            prop_assert_eq!(period.open, recent);
        }
    }
}
