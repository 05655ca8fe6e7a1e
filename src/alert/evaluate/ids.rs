//! Ids of incidents: they ascend, whatever the wall clock does.

use ulid::Ulid;

use crate::alert::Moment;

/// Makes ids that ascend.
#[derive(Debug, Default)]
pub(super) struct Ids {
    last: Ulid,
}

impl Ids {
    /// The next ids come after this one.
    pub(super) fn after(&mut self, id: &str) {
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
