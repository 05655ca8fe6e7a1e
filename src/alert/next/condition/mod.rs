//! Temporary.
pub mod channel;
use super::status::CanaryNow as _X;
use super::{Fact, FactKey, fact::Share};
use crate::alert::Moment;
pub use crate::alert::canary::Count;
use crate::history::{KeptState, StateRow};
use crate::outcome::{MissedTicks, RunReport};
use crate::plan::{Alerting, CanaryId, Plan};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
pub enum Input<'a> {
    Run(&'a RunReport),
    TicksMissed(&'a MissedTicks),
    Lost { ticks: &'a MissedTicks, passed: u64 },
    Leaked { probe: &'a str, entry: &'a str, message: &'a str },
    LeakCleared { probe: &'a str, entry: &'a str },
    LedgerHas(&'a BTreeSet<String>),
    Started { graceful_before: bool },
}
pub struct Changed {
    pub key: FactKey,
    pub fact: Option<Arc<Fact>>,
}
#[derive(Debug)]
pub struct Conditions;
pub struct Obj {
    pub convergence_1h: Option<f64>,
    pub budget_left: Option<f64>,
}
pub struct Known {
    pub known: bool,
    pub last: Option<(&'static str, Duration)>,
    pub hour: Share,
}
impl Conditions {
    pub fn new(_: Arc<Plan>, _: Arc<Alerting>, _: &[KeptState], _: Moment) -> (Self, Vec<Changed>) {
        (Self, vec![])
    }
    pub fn apply(&mut self, _: Arc<Plan>, _: Arc<Alerting>, _: Moment) -> Vec<Changed> {
        vec![]
    }
    pub fn take(&mut self, _: Input<'_>, _: Moment) -> Vec<Changed> {
        vec![]
    }
    pub fn clock(&mut self, _: Moment) -> Vec<Changed> {
        vec![]
    }
    pub fn due(&self) -> Option<Duration> {
        None
    }
    pub fn close(&mut self, _: &[FactKey], _: Moment) -> Vec<Changed> {
        vec![]
    }
    pub fn take_rows(&mut self, _: Moment) -> Vec<StateRow> {
        vec![]
    }
    pub fn objectives(&self, _: &str, _: Moment) -> Obj {
        Obj { convergence_1h: None, budget_left: None }
    }
    pub fn canary(&self, _: &CanaryId, _: Moment) -> Known {
        todo!()
    }
}
