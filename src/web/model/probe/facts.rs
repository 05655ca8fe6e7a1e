//! What stands beside the charts: the next ticks, what the probe needs and what needs it, and its subjects.

use std::collections::BTreeMap;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::alert::Status;
use crate::alert::status::Health;
use crate::base::time::epoch_ms;
use crate::plan::{Cadence, Canary, Plan};
use crate::schedule;

use super::Narrowed;
use super::describe::canaries;

/// Ticks that are shown of one canary.
const TICKS: usize = 5;
/// Subjects that are shown.
const SUBJECTS: usize = 200;

/// A tick that comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct TickRow {
    /// Milliseconds since the epoch.
    pub(in crate::web) at_ms: i64,
    /// The region, or the canary that is looked at.
    pub(in crate::web) whose: String,
    /// The same moment by the clocks of the cron expression's zone; empty for an interval.
    pub(in crate::web) local: String,
}

/// The next ticks of the canary that is looked at, or the next one of each region.
pub(in crate::web) fn next_ticks(plan: &Plan, probe: &str, narrowed: &Narrowed, now: SystemTime) -> Vec<TickRow> {
    let of = |canary: &Canary, whose: &str, count: usize| -> Vec<TickRow> {
        let ticks = schedule::next_ticks(canary, now, count).into_iter();
        ticks.map(|at| TickRow { at_ms: epoch_ms(at), whose: whose.to_owned(), local: local(canary, at) }).collect()
    };
    let mut admitted = canaries(plan, probe).filter(|canary| narrowed.admits(canary.id.as_str()));
    if narrowed.canary.is_some() {
        return admitted.next().map(|canary| of(canary, canary.id.as_str(), TICKS)).unwrap_or_default();
    }
    let mut first: BTreeMap<&str, TickRow> = BTreeMap::new();
    for canary in admitted {
        for tick in of(canary, &canary.region.name, 1) {
            let known = first.entry(&canary.region.name).or_insert_with(|| tick.clone());
            if tick.at_ms < known.at_ms {
                *known = tick;
            }
        }
    }
    let mut ticks: Vec<TickRow> = first.into_values().collect();
    ticks.sort_by_key(|tick| tick.at_ms);
    ticks
}

fn local(canary: &Canary, at: SystemTime) -> String {
    match &canary.probe.cadence {
        Cadence::Every(_) => String::new(),
        Cadence::Cron { timezone, .. } => {
            DateTime::<Utc>::from(at).with_timezone(timezone).format("%a %Y-%m-%d %H:%M:%S %Z").to_string()
        }
    }
}

/// A probe that another one needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct Need {
    /// Its name.
    pub(in crate::web) probe: String,
    /// How it is now.
    pub(in crate::web) health: Health,
}

/// The probes that it needs, and those that need it.
pub(in crate::web) fn needs(plan: &Plan, status: &Status, probe: &str) -> (Vec<Need>, Vec<Need>) {
    let need = |name: &str| {
        let known = status.probes.iter().find(|status| status.probe == name);
        Need { probe: name.to_owned(), health: known.map(|known| known.verdict).unwrap_or_default() }
    };
    let own = plan.probes.iter().filter(|known| *known.name == *probe).flat_map(|known| &known.needs);
    let others = plan.probes.iter().filter(|known| known.needs.iter().any(|needed| **needed == *probe));
    (own.map(|name| need(name)).collect(), others.map(|other| need(&other.name)).collect())
}

/// A subject of a probe that is in an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct SubjectRow {
    /// Its name.
    pub(in crate::web) name: String,
    /// How it stands, a closed word.
    pub(in crate::web) standing: &'static str,
    /// Failed runs since it was well.
    pub(in crate::web) failures: u32,
    /// Since when, milliseconds since the epoch.
    pub(in crate::web) since_ms: i64,
    /// The incident that it is in.
    pub(in crate::web) incident: String,
}

/// The subjects of a probe that are in open incidents.
pub(in crate::web) fn subjects(status: &Status, probe: &str) -> Vec<SubjectRow> {
    let prefix = format!("subject/{probe}/");
    let members = status.incidents.iter().flat_map(|incident| incident.members.iter().map(move |member| (incident, member)));
    members
        .filter_map(|(incident, member)| {
            let name = member.member.strip_prefix(&prefix)?;
            Some(SubjectRow {
                name: name.to_owned(),
                standing: member.standing,
                failures: member.failures,
                since_ms: member.since_ms,
                incident: incident.id.clone(),
            })
        })
        .take(SUBJECTS)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::time::from_epoch_ms;
    use crate::plan::{Probe, testing};

    #[test]
    fn the_next_tick_of_each_region_comes_first_and_five_of_the_canary_that_is_looked_at() {
        let probe = Probe { cells: testing::cells(&["ios", "web"]), ..testing::probe("p") };
        let plan = testing::plan(vec![probe, testing::probe("other")], &["eu", "us"]);
        let now = from_epoch_ms(1_800_000_000_000);
        let all = next_ticks(&plan, "p", &Narrowed::default(), now);
        assert_eq!(all.len(), 2);
        assert!(all[0].at_ms <= all[1].at_ms && all.iter().all(|tick| tick.at_ms <= 1_800_000_060_000 && tick.local.is_empty()));
        let one = Narrowed { canary: Some("p/us/platform=web".to_owned()), region: None };
        let ticks = next_ticks(&plan, "p", &one, now);
        assert_eq!((ticks.len(), ticks[4].at_ms - ticks[0].at_ms), (5, 240_000));
        let gone = Narrowed { canary: Some("p/moon".to_owned()), region: None };
        assert!(next_ticks(&plan, "p", &gone, now).is_empty());
    }

    #[test]
    fn ticks_of_an_expression_are_shown_by_the_clocks_of_its_zone_too() {
        let parser = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Optional).build();
        let cadence = Cadence::cron(parser.parse("30 9 * * *").unwrap(), chrono_tz::Europe::Berlin);
        let plan = testing::plan(vec![Probe { cadence, ..testing::probe("p") }], &["eu"]);
        let now = DateTime::parse_from_rfc3339("2026-10-24T12:00:00Z").unwrap();
        let ticks = next_ticks(&plan, "p", &Narrowed::default(), SystemTime::from(now));
        assert_eq!(ticks[0].local, "Sun 2026-10-25 09:30:00 CET");
        assert_eq!(
            ticks[0].at_ms - now.timestamp_millis(),
            i64::try_from(Duration::from_mins(20 * 60 + 30).as_millis()).unwrap()
        );
    }

    #[test]
    fn needs_are_shown_both_ways() {
        let sync = Probe { needs: vec!["login".into()], ..testing::probe("sync") };
        let plan = testing::plan(vec![testing::probe("login"), sync], &["eu"]);
        let names = |needs: Vec<Need>| needs.into_iter().map(|need| need.probe).collect::<Vec<_>>();
        let (own, others) = needs(&plan, &Status::default(), "sync");
        assert_eq!((names(own), names(others)), (vec!["login".to_owned()], vec![]));
        let (own, others) = needs(&plan, &Status::default(), "login");
        assert_eq!((names(own), names(others)), (vec![], vec!["sync".to_owned()]));
    }
}
