//! What Alertmanager's receiver gets of one alert per ring, tried with the real one; and whether the stand-ins of `tests/readers`
//! do as the real ones do.
//!
//! Alertmanager is Debian's own (`tests/setup/packages paging`); where it is missing these tests fail. Routes are short here. With
//! the defaults (`group_wait` 30 s, `group_interval` 5 min) this was seen by hand: a first ring notifies after 30 s; each further
//! one, also a rise to critical, at the group's next look, so within 5 minutes, or, grouped by all labels, after 30 s.

mod exported;
mod peers;
mod real;
mod rings;
mod same;
mod stand_ins;
