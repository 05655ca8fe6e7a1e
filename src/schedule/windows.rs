//! The windows of maintenance of a plan, cheap enough to be asked at each tick.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::plan::{Canary, Maintenance, Period, Plan};

/// Every window of a plan and of its probes.
#[derive(Default)]
pub(super) struct Windows {
    of_all: Vec<Window>,
    of_probe: HashMap<Arc<str>, Vec<Window>>,
}

/// A window and the period of time that was asked about last, in which it neither opens nor closes.
struct Window {
    maintenance: Arc<Maintenance>,
    known: Mutex<Option<Period>>,
}

impl Windows {
    /// The windows of a plan.
    pub(super) fn of(plan: &Plan) -> Self {
        let own = plan.probes.iter().filter(|probe| !probe.maintenance.is_empty());
        Self {
            of_all: windows(&plan.maintenance),
            of_probe: own.map(|probe| (Arc::clone(&probe.name), windows(&probe.maintenance))).collect(),
        }
    }

    /// A window for this canary that was open at some time from `from` to `to`.
    pub(super) fn over(&self, canary: &Canary, from: SystemTime, to: SystemTime) -> Option<&Maintenance> {
        let own = self.of_probe.get(&canary.probe.name).into_iter().flatten();
        let mut all = self.of_all.iter().chain(own);
        all.find(|window| window.maintenance.selects(canary) && window.over(from, to)).map(|window| &*window.maintenance)
    }
}

impl Window {
    fn over(&self, from: SystemTime, to: SystemTime) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let period = match *known {
            Some(period) if period.from <= from && period.until.is_none_or(|until| from < until) => period,
            _ => *known.insert(self.maintenance.period_at(from)),
        };
        drop(known);
        // A closed period ends when the window opens.
        period.open || period.until.is_some_and(|opens| to >= opens)
    }
}

fn windows(of: &[Arc<Maintenance>]) -> Vec<Window> {
    of.iter().map(|maintenance| Window { maintenance: Arc::clone(maintenance), known: Mutex::default() }).collect()
}
