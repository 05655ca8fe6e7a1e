//! Failed and counted runs of the last hour, for display. It is not stored.

use std::time::Duration;

use crate::alert::Moment;
use crate::alert::fact::Share;
use crate::outcome::{SloCount, Verdict};

/// How finely the hour is divided.
const SLOTS: u8 = 12;

/// A slot's length in seconds: five minutes.
const WIDTH: u64 = 3_600 / SLOTS as u64;

/// Failed and counted runs of each five minutes. 56 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Hour {
    newest: u64,
    slots: [(u16, u16); SLOTS as usize],
}

impl Hour {
    /// One more run.
    pub(super) fn take(&mut self, verdict: Verdict, now: Moment) {
        let failed = match verdict.slo() {
            SloCount::Good => 0,
            SloCount::Bad => 1,
            SloCount::Not => return,
        };
        let number = number(now.steady);
        for passed in (self.newest + 1..=number).rev().take(SLOTS.into()) {
            self.slots[place(passed)] = (0, 0);
        }
        self.newest = self.newest.max(number);
        let slot = &mut self.slots[place(self.newest)];
        *slot = (slot.0.saturating_add(failed), slot.1.saturating_add(1));
    }

    /// Failed and counted runs of the hour that ends now.
    pub(in super::super) fn share(&self, now: Moment) -> Share {
        let number = number(now.steady).max(self.newest);
        let recent = (number.saturating_sub(u64::from(SLOTS) - 1)..=self.newest).map(|number| self.slots[place(number)]);
        recent.fold(Share::default(), |sum, (failed, counted)| Share {
            failed: sum.failed + u32::from(failed),
            counted: sum.counted + u32::from(counted),
            reaches: false,
        })
    }
}

fn number(steady: Duration) -> u64 {
    steady.as_secs() / WIDTH
}

fn place(number: u64) -> usize {
    usize::try_from(number % u64::from(SLOTS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::testing::moment;

    #[test]
    fn it_counts_the_last_hour_and_nothing_before_it() {
        let mut hour = Hour::default();
        for second in (0..7_200).step_by(60) {
            let verdict = if second < 3_600 { Verdict::Failed } else { Verdict::Passed };
            hour.take(verdict, moment(second));
            hour.take(Verdict::Errored, moment(second));
        }
        assert_eq!(hour.share(moment(3_600 * 2 - 1)), Share { failed: 0, counted: 60, reaches: false });
        assert_eq!(hour.share(moment(3_600 * 2 + 1_800)).counted, 25, "half an hour later, to five minutes");
        assert_eq!(hour.share(moment(3_600 * 4)), Share::default());
        hour.take(Verdict::Failed, moment(3_600 * 10));
        assert_eq!(hour.share(moment(3_600 * 10)), Share { failed: 1, counted: 1, reaches: false });
    }
}
