//! How many people an incident may have reached, where the probe states how many take its journey.
//!
//! It is an upper bound and says what it is made of: the rate, times how long the incident lasts, times the share of the probe's
//! canaries that failed in it. A canary that was well again for a while counts as failing until the end.

use std::collections::BTreeSet;

use super::super::words;
use super::IncidentModel;

const HOUR_MS: u128 = 3_600_000;

/// How many people an incident may have reached, and what that follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Users {
    /// At most so many.
    pub(in crate::web) most: u64,
    /// How many an hour take the journey.
    pub(in crate::web) per_hour: u32,
    /// Canaries that failed in it.
    pub(in crate::web) failed: usize,
    /// The probe's canaries.
    pub(in crate::web) canaries: usize,
    /// From the start of the first failing run to its end or to now, milliseconds.
    pub(in crate::web) lasted_ms: i64,
    /// Whether it goes on.
    pub(in crate::web) is_open: bool,
}

impl Users {
    /// Those of an incident whose probe has so many canaries; none where no canary failed in it.
    pub(in crate::web) fn of(incident: &IncidentModel, per_hour: u32, canaries: usize, now_ms: i64) -> Option<Self> {
        let failed: BTreeSet<&str> = incident.members.iter().filter_map(|member| member.canary.as_deref()).collect();
        if failed.is_empty() || !incident.is_of_runs() {
            return None;
        }
        // Messages name a few of many, and canaries that were removed since are not among the probe's any more.
        let failed = failed.len().max(incident.members_total);
        let canaries = canaries.max(failed);
        let lasted_ms = (incident.until_ms(now_ms) - incident.since_ms).max(0);
        let whole = u128::from(per_hour) * u128::from(lasted_ms.unsigned_abs()) * failed as u128;
        let most = u64::try_from(whole.div_ceil(HOUR_MS * canaries as u128)).unwrap_or(u64::MAX);
        Some(Self { most, per_hour, failed, canaries, lasted_ms, is_open: incident.ended_ms.is_none() })
    }

    /// `up to 42 so far: 100 an hour, for 38 min, in 6 of 9 canaries`
    pub(in crate::web) fn in_words(&self) -> String {
        let so_far = if self.is_open { " so far" } else { "" };
        format!(
            "up to {}{so_far}: {} an hour, for {}, in {} of {} canaries",
            words::thousands(usize::try_from(self.most).unwrap_or(usize::MAX)),
            words::thousands(self.per_hour as usize),
            words::between(0, self.lasted_ms),
            self.failed,
            self.canaries
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{incident, member};
    use super::*;

    #[test]
    fn it_is_the_rate_times_how_long_times_the_share_of_canaries_that_failed() {
        let mut model = incident(vec![member("eu", "", "failing"), member("us", "", "recovered")], Vec::new());
        model.since_ms = 0;
        let users = Users::of(&model, 1_200, 3, 38 * 60_000).unwrap();
        assert_eq!(users.in_words(), "up to 507 so far: 1,200 an hour, for 38 min, in 2 of 3 canaries");
        model.members_total = 3;
        assert_eq!(Users::of(&model, 1_200, 6, 30 * 60_000).unwrap().most, 300, "two of three are named");
        model.members_total = 2;
        model.ended_ms = Some(30 * 60_000);
        let users = Users::of(&model, 1_200, 1, i64::MAX).unwrap();
        assert_eq!(users.in_words(), "up to 600: 1,200 an hour, for 30 min, in 2 of 2 canaries");
    }

    #[test]
    fn where_no_canary_failed_nothing_is_said_and_no_rate_overflows() {
        assert_eq!(Users::of(&incident(Vec::new(), Vec::new()), 100, 3, 90_000), None);
        let mut model = incident(vec![member("eu", "", "failing")], Vec::new());
        model.scope = "no-data/p".to_owned();
        assert_eq!(Users::of(&model, 100, 3, 90_000), None, "that nothing is known reaches nobody");
        model.scope = "probe/p".to_owned();
        let users = Users::of(&model, 1_000_000_000, 0, i64::MAX).unwrap();
        assert!(users.most > 1_000_000_000 && users.canaries == 1, "{users:?}");
    }
}
