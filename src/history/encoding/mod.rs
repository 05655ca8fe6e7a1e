//! How reports and durations are written down, whatever the store is: JSON of a run and of its cleanup, the times of steps in few
//! bytes, durations as a log-histogram in few bytes, and the hours of a canary.

pub(super) mod detail;
pub(super) mod hour;
pub(super) mod sketch;
mod varint;
