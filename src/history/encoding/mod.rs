//! How reports and durations are written down, whatever the store is: JSON of a run and of its cleanup, the times of steps in few
//! bytes, and durations as a log-histogram in few bytes.

pub(super) mod cleanup;
pub(super) mod detail;
pub(super) mod sketch;
mod varint;
