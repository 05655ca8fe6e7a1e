//! The moments of a cron expression in a time zone, forwards and backwards, with the clocks' changes right.
//!
//! Moments are nanoseconds since the Unix epoch. Nothing here remembers anything. A skipped hour's moments come at its end, a
//! repeated hour is not skipped: croner's rules.

use chrono::{DateTime, Offset as _, Utc};
use chrono_tz::Tz;

/// How long before and after a change of the clocks local times may be ambiguous.
const AROUND_A_CHANGE: u64 = 3 * 3_600_000_000_000;

/// A cron expression and the zone it is read in, borrowed from a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calendar<'a> {
    pub(crate) cron: &'a croner::Cron,
    pub(crate) timezone: Tz,
}

impl Calendar<'_> {
    /// The first moment after `now`; none where the expression has come to its end.
    pub(crate) fn after(self, now: u64) -> Option<u64> {
        let found = self.cron.find_next_occurrence(&self.local(now)?, false).ok()?;
        unix_nanos(&found).filter(|&at| at > now)
    }

    /// The last moment that is not after `now`; none where there was none yet.
    pub(crate) fn until(self, now: u64) -> Option<u64> {
        if !self.clocks_change_near(now) {
            return self.previous(now);
        }
        // In an hour that is repeated croner may look back to the wrong one of the two, or to none. Looking forwards it is right,
        // so the last moment is walked to from a time at which the clocks are left alone.
        let start = now.saturating_sub(AROUND_A_CHANGE);
        let known = self.previous(start);
        let ahead = |&at: &u64| self.after(at).filter(|&next| next <= now);
        std::iter::successors(ahead(&known.unwrap_or(start)), ahead).last().or(known)
    }

    fn previous(self, now: u64) -> Option<u64> {
        let found = self.cron.find_previous_occurrence(&self.local(now)?, true).ok()?;
        unix_nanos(&found).filter(|&at| at <= now)
    }

    fn clocks_change_near(self, now: u64) -> bool {
        let offset = |at| self.local(at).map(|local| local.offset().fix());
        offset(now.saturating_sub(AROUND_A_CHANGE)) != offset(now.saturating_add(AROUND_A_CHANGE))
    }

    fn local(self, at: u64) -> Option<DateTime<Tz>> {
        let at = i64::try_from(at).ok()?;
        Some(DateTime::<Utc>::from_timestamp_nanos(at).with_timezone(&self.timezone))
    }
}

fn unix_nanos(at: &DateTime<Tz>) -> Option<u64> {
    at.timestamp_nanos_opt().and_then(|at| u64::try_from(at).ok())
}
