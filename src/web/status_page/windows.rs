//! Windows of maintenance of the components: those that are open, and the next of those that open soon. Pure.
//!
//! A window's own name is for those who made it; the page tells only whom it is about, and when.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use indexmap::IndexSet;

use crate::base::time::epoch_ms;
use crate::plan::{Canary, Maintenance, MaintenanceTime, Plan, Probe, StatusComponent, StatusPage};

use super::model::PublicWindow;

/// How far ahead windows are told.
const AHEAD: Duration = Duration::from_hours(24 * 14);
/// Windows that are told.
const MOST: usize = 20;

/// The windows that are open now.
pub(super) struct OpenWindows<'p> {
    of_service: Vec<&'p Maintenance>,
    /// Probes with an open window of their own.
    probes: HashSet<&'p str>,
}

impl<'p> OpenWindows<'p> {
    pub(super) fn at(plan: &'p Plan, now: SystemTime) -> Self {
        let is_open = |window: &&'p Arc<Maintenance>| window.open_at(now);
        let has_open = |probe: &&'p Arc<Probe>| probe.maintenance.iter().any(|window| window.open_at(now));
        Self {
            of_service: plan.maintenance.iter().filter(is_open).map(|window| &**window).collect(),
            probes: plan.probes.iter().filter(has_open).map(|probe| &*probe.name).collect(),
        }
    }

    /// Whether one of them holds for a canary.
    pub(super) fn hold_for(&self, canary: &Canary) -> bool {
        self.probes.contains(&*canary.probe.name) || self.of_service.iter().any(|window| window.selects(canary))
    }
}

/// What the page tells of them.
pub(super) fn windows(page: &StatusPage, plan: &Plan, now: SystemTime) -> Vec<PublicWindow> {
    let mut by_time: BTreeMap<(Option<i64>, Option<i64>), IndexSet<&str>> = BTreeMap::new();
    let of_service = plan.maintenance.iter().map(|window| (window, None));
    let own = plan.probes.iter().flat_map(|probe| probe.maintenance.iter().map(move |window| (window, Some(&*probe.name))));
    for (window, probe) in of_service.chain(own) {
        let Some(time) = time(window, now) else { continue };
        let is_about = |component: &&StatusComponent| {
            plan.canaries.iter().any(|canary| {
                component.probes.contains(&canary.probe.name)
                    && probe.is_none_or(|own| own == &*canary.probe.name)
                    && window.selects(canary)
            })
        };
        let about = page.components.iter().filter(is_about).map(|component| &*component.name);
        by_time.entry(time).or_default().extend(about);
    }
    let told = by_time.into_iter().filter(|(_, components)| !components.is_empty());
    let window = |((begins_ms, ends_ms), components): (_, IndexSet<&str>)| {
        let components = components.into_iter().map(str::to_owned).collect();
        PublicWindow { components, begins_ms, ends_ms }
    };
    told.map(window).take(MOST).collect()
}

/// When it begins, unless it has, and ends; nothing if it does not open soon.
fn time(window: &Maintenance, now: SystemTime) -> Option<(Option<i64>, Option<i64>)> {
    let period = window.period_at(now);
    if period.open {
        return Some((None, period.until.map(epoch_ms)));
    }
    let begins = period.until.filter(|begins| begins.duration_since(now).is_ok_and(|ahead| ahead <= AHEAD))?;
    let ends = match &window.when {
        MaintenanceTime::Once { until, .. } => Some(*until),
        MaintenanceTime::Recurring { lasts, .. } => begins.checked_add(*lasts),
    };
    Some((Some(epoch_ms(begins)), ends.map(epoch_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{StatusPlace, testing};

    const HOUR: Duration = Duration::from_hours(1);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(400_000)
    }

    fn once(from: SystemTime, until: SystemTime, probes: &[&str]) -> Arc<Maintenance> {
        let probes = probes.iter().map(|name| Arc::from(*name)).collect();
        let when = MaintenanceTime::Once { from, until };
        Arc::new(Maintenance { name: "secret drill".into(), when, probes, regions: Vec::new(), tags: Vec::new() })
    }

    fn page() -> StatusPage {
        let component =
            |name: &str, probe: &str| StatusComponent { name: name.into(), summary: None, probes: vec![probe.into()] };
        StatusPage {
            title: "Status".into(),
            intro: None,
            place: StatusPlace::Path("/status".into()),
            days: 90,
            regions: None,
            components: vec![component("Shop", "p"), component("Search", "q")],
        }
    }

    #[test]
    fn a_window_of_a_probe_is_about_that_probe_and_one_of_the_service_about_whom_it_selects() {
        let own = testing::probe("p");
        let own = Probe { maintenance: vec![once(now() - HOUR, now() + HOUR, &[])], ..own };
        let plan = testing::plan(vec![own, testing::probe("q"), testing::probe("hidden")], &["eu"]);
        let mut plan = Arc::into_inner(plan).expect("nobody else has it");
        plan.maintenance = vec![
            once(now() + HOUR, now() + HOUR * 2, &["q", "hidden"]),
            once(now() + HOUR * 3, now() + HOUR * 4, &["hidden"]),
            once(now() + AHEAD + HOUR, now() + AHEAD + HOUR * 2, &[]),
        ];
        let open = OpenWindows::at(&plan, now());
        let held: Vec<_> = plan.canaries.iter().map(|canary| (&*canary.probe.name, open.hold_for(canary))).collect();
        assert_eq!(held, [("hidden", false), ("p", true), ("q", false)]);
        let told = windows(&page(), &plan, now());
        let expected = [
            (vec!["Shop".to_owned()], None, Some(epoch_ms(now() + HOUR))),
            (vec!["Search".to_owned()], Some(epoch_ms(now() + HOUR)), Some(epoch_ms(now() + HOUR * 2))),
        ];
        let told: Vec<_> = told.into_iter().map(|window| (window.components, window.begins_ms, window.ends_ms)).collect();
        assert_eq!(told, expected, "neither hidden probes nor windows far ahead are told");
    }
}
