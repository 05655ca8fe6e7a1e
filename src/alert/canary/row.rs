//! A canary's state as the store keeps it: JSON with times by the wall clock, and only what is not as usual.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::course::Course;
use super::{CanaryState, Clock, Track};
use crate::alert::{Failure, Moment};
use crate::outcome::{NoData, Reason};

/// Times are milliseconds since the epoch.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Row {
    runs: CourseRow,
    /// Milliseconds that the clock showed when it was started.
    #[serde(skip_serializing_if = "is_default")]
    ran: u64,
    #[serde(skip_serializing_if = "is_default")]
    clock: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    waiting: Option<i64>,
    /// Ticks without data, those that wait for a run, and why.
    #[serde(skip_serializing_if = "is_default")]
    ticks: u64,
    #[serde(skip_serializing_if = "is_default")]
    waits: u64,
    #[serde(skip_serializing_if = "is_default")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    failure: Option<Arc<Failure>>,
}

/// The course of counted runs in a [`Row`].
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::alert) struct CourseRow {
    #[serde(skip_serializing_if = "is_default")]
    last: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    failures: u32,
    #[serde(skip_serializing_if = "is_default")]
    since: Option<i64>,
    /// How many judged runs ago, and when.
    #[serde(skip_serializing_if = "is_default")]
    window: Vec<(u64, i64)>,
    #[serde(skip_serializing_if = "is_default")]
    paging: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    passes: u32,
    #[serde(skip_serializing_if = "is_default")]
    passing: Option<i64>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl CourseRow {
    /// What is kept of a track. Passes matter only while it is at page level.
    pub(in crate::alert) fn of(track: &Track, now: Moment) -> Self {
        let course = track.course();
        let wall = |at: Option<Duration>| at.map(|at| now.wall_ms_of(at));
        let paging = course.paging_since.is_some();
        Self {
            last: wall(course.last),
            failures: course.failures,
            since: wall(course.failing_since),
            window: course.window.iter().map(|(number, at)| (course.number - number, now.wall_ms_of(*at))).collect(),
            paging: wall(course.paging_since),
            passes: if paging { course.passes } else { 0 },
            passing: wall(course.passing_since.filter(|_| paging)),
        }
    }

    /// The track again, with all its runs settled.
    pub(in crate::alert) fn track(self, now: Moment) -> Track {
        let steady = |at: Option<i64>| at.map(|at| now.steady_of(at));
        let number = self.window.iter().map(|(ago, _)| *ago).max().unwrap_or(0) + 1;
        Track::recovered(Course {
            last: steady(self.last),
            failures: self.failures,
            failing_since: steady(self.since),
            number,
            window: self.window.iter().map(|(ago, at)| (number - ago, now.steady_of(*at))).collect(),
            paging_since: steady(self.paging),
            passes: self.passes,
            passing_since: steady(self.passing),
        })
    }
}

pub(super) fn to_json(state: &CanaryState, now: Moment) -> String {
    let wall = |at: Option<Duration>| at.map(|at| now.wall_ms_of(at));
    let row = Row {
        runs: CourseRow::of(&state.track, now),
        ran: u64::try_from(state.clock.ran.as_millis()).unwrap_or(u64::MAX),
        clock: wall(state.clock.since),
        waiting: wall(state.clock.waiting),
        ticks: state.clock.no_data.ticks,
        waits: state.clock.no_data.waiting,
        reason: state.clock.no_data.reason.map(|reason| reason.as_str().to_owned()),
        failure: state.failure.as_ref().map(|(_, failure)| Arc::clone(failure)),
    };
    serde_json::to_string(&row).expect("it has no keys that are not strings")
}

pub(super) fn from_json(json: &str, now: Moment) -> Result<CanaryState, serde_json::Error> {
    let row: Row = serde_json::from_str(json)?;
    let steady = |at: Option<i64>| at.map(|at| now.steady_of(at));
    let reason = row.reason.and_then(|word| Reason::ALL.into_iter().find(|reason| reason.as_str() == word));
    let no_data = NoData { ticks: row.ticks, waiting: row.waits, reason };
    let clock = Clock { ran: Duration::from_millis(row.ran), since: steady(row.clock), waiting: steady(row.waiting), no_data };
    Ok(CanaryState { track: row.runs.track(now), clock, failure: row.failure.map(|failure| (0, failure)) })
}
