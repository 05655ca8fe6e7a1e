//! The desk: owns all alert state, is told what happens and says what is to be written and sent.

mod event;
mod status;

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::history::Remembered;
use crate::plan::{Alerting, Plan};

pub use event::{Effects, Event};
pub use status::{CanaryStatus, Counts, IncidentStatus, Standing, Status};

/// Owns all alert state.
#[derive(Debug)]
pub struct Desk {
    plan: Arc<Plan>,
}

impl Desk {
    /// Takes up what an earlier process left. The effects are what follows from that: incidents without a probe end.
    pub fn new(plan: Arc<Plan>, _alerting: Arc<Alerting>, _remembered: Remembered, _now: Moment) -> (Self, Effects) {
        (Self { plan }, Effects::default())
    }

    /// Takes an event in.
    pub fn handle(&mut self, _event: Event, _now: Moment) -> Effects {
        let _ = &self.plan;
        unimplemented!()
    }

    /// When [`Event::Clock`] has something to do; steady time. Before that it does nothing.
    pub fn due(&self) -> Option<Duration> {
        unimplemented!()
    }

    /// How everything stands. Walks over all canaries.
    pub fn status(&self, _now: Moment) -> Status {
        unimplemented!()
    }

    /// Open incidents by severity. Cheap.
    pub fn counts(&self) -> Counts {
        unimplemented!()
    }

    /// The id of the open incident with this id, key or scope.
    pub fn find(&self, _name: &str) -> Option<String> {
        unimplemented!()
    }
}
