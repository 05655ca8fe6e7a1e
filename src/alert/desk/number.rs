//! Ids of incidents and messages.

use ulid::Ulid;

use crate::alert::Moment;

/// Makes ids that ascend, whatever the wall clock does.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    last: Ulid,
}

impl Numbers {
    /// The next ids come after this one.
    pub(super) fn after(&mut self, id: &str) {
        // A copy for another channel has the original's id and something behind it.
        let known = id.get(..ulid::ULID_LEN).and_then(|id| Ulid::from_string(id).ok());
        self.last = known.map_or(self.last, |known| self.last.max(known));
    }

    pub(super) fn next(&mut self, now: Moment) -> String {
        let fresh = Ulid::from_parts(u64::try_from(now.wall_ms()).unwrap_or(0), fastrand::u128(..));
        let follows = fresh.timestamp_ms() > self.last.timestamp_ms();
        self.last = if follows { fresh } else { self.last.increment().unwrap_or(fresh) };
        self.last.to_string()
    }
}
