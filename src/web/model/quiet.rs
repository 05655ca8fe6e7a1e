//! What is quiet on purpose: windows of maintenance, when each is open or opens next, and for whom.
//!
//! Pure; whoever asks says what time it is.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::time::epoch_ms;
use crate::plan::{Maintenance, MaintenanceTime, Plan};

use super::words;

/// Names that are told.
const NAMED: usize = 8;

/// A window of maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct Window {
    /// What people call it.
    pub(in crate::web) name: String,
    /// `once`, `0 2 * * * (Europe/Berlin), for 1 h`.
    pub(in crate::web) when: String,
    /// For whom, in words.
    pub(in crate::web) whom: String,
    /// Canaries that it selects.
    pub(in crate::web) canaries: usize,
    /// Whether it is open.
    pub(in crate::web) is_open: bool,
    /// When it changes next, milliseconds since the epoch: closes if it is open, opens if not. Absent if nothing changes any more.
    pub(in crate::web) changes_ms: Option<i64>,
    /// When it ends after it opens next.
    pub(in crate::web) ends_ms: Option<i64>,
}

/// The windows of a plan: those that are open first, then those that open next, then those that are over.
pub(in crate::web) fn windows(plan: &Plan, now: SystemTime) -> Vec<Window> {
    let of_plan = plan.maintenance.iter().map(|window| (window, None));
    let own = plan.probes.iter().flat_map(|probe| probe.maintenance.iter().map(move |window| (window, Some(&*probe.name))));
    let mut all: Vec<Window> = of_plan.chain(own).map(|(window, probe)| of(window, probe, plan, now)).collect();
    all.sort_by_key(|window| (!window.is_open, window.changes_ms.unwrap_or(i64::MAX)));
    all
}

fn of(window: &Arc<Maintenance>, probe: Option<&str>, plan: &Plan, now: SystemTime) -> Window {
    let period = window.period_at(now);
    let meant =
        |canary: &&Arc<crate::plan::Canary>| probe.is_none_or(|name| *name == *canary.probe.name) && window.selects(canary);
    let lasts = |begins: SystemTime| match &window.when {
        MaintenanceTime::Once { until, .. } => Some(*until),
        MaintenanceTime::Recurring { lasts, .. } => begins.checked_add(*lasts),
    };
    Window {
        name: words::clip(&window.name, 120),
        when: when(&window.when),
        whom: whom(window, probe),
        canaries: plan.canaries.iter().filter(meant).count(),
        is_open: period.open,
        changes_ms: period.until.map(epoch_ms),
        ends_ms: period.until.filter(|_| !period.open).and_then(lasts).map(epoch_ms),
    }
}

fn when(when: &MaintenanceTime) -> String {
    match when {
        MaintenanceTime::Once { from, until } => {
            let lasts: Duration = until.duration_since(*from).unwrap_or_default();
            format!("once, for {}", words::lasting(lasts))
        }
        MaintenanceTime::Recurring { cron, timezone, lasts } => {
            format!("{} in {}, for {}", cron.as_str(), timezone.name(), words::lasting(*lasts))
        }
    }
}

/// `probes checkout and login, in eu, tagged web`, `everything`.
fn whom(window: &Maintenance, probe: Option<&str>) -> String {
    let named = |names: &[Arc<str>]| {
        let mut shown: Vec<String> = names.iter().take(NAMED).map(|name| words::clip(name, 80)).collect();
        if names.len() > NAMED {
            shown.push(format!("{} more", names.len() - NAMED));
        }
        words::list(&shown)
    };
    let mut parts = Vec::new();
    match probe {
        Some(probe) => parts.push(words::clip(probe, 80)),
        None if !window.probes.is_empty() => parts.push(named(&window.probes)),
        None => {}
    }
    if !window.regions.is_empty() {
        parts.push(format!("in {}", named(&window.regions)));
    }
    if !window.tags.is_empty() {
        parts.push(format!("tagged {}", named(&window.tags)));
    }
    if parts.is_empty() { "everything".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Probe, testing};

    const HOUR: Duration = Duration::from_hours(1);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(400_000)
    }

    fn once(name: &str, from: SystemTime, until: SystemTime) -> Arc<Maintenance> {
        let when = MaintenanceTime::Once { from, until };
        Arc::new(Maintenance { name: name.into(), when, probes: Vec::new(), regions: vec!["eu".into()], tags: Vec::new() })
    }

    #[test]
    fn what_is_open_comes_first_and_what_is_over_last_with_when_each_changes() {
        let (over, open, next) = (
            once("over", now() - HOUR * 2, now() - HOUR),
            once("open", now() - HOUR, now() + HOUR),
            once("next", now() + HOUR, now() + HOUR * 3),
        );
        let probe = Probe { maintenance: vec![over, next, open], ..testing::probe("p") };
        let plan = testing::plan(vec![probe, testing::probe("q")], &["eu", "us"]);
        let windows = windows(&plan, now());
        let names: Vec<&str> = windows.iter().map(|window| window.name.as_str()).collect();
        assert_eq!(names, ["open", "next", "over"]);
        assert_eq!((windows[0].is_open, windows[0].changes_ms), (true, Some(epoch_ms(now() + HOUR))));
        assert_eq!((windows[1].is_open, windows[1].ends_ms), (false, Some(epoch_ms(now() + HOUR * 3))));
        assert_eq!((windows[2].is_open, windows[2].changes_ms), (false, None));
        assert_eq!((windows[0].whom.as_str(), windows[0].canaries), ("p, in eu", 1), "a window of a probe is about that probe");
        assert_eq!(windows[1].when, "once, for 2 h");
    }
}
