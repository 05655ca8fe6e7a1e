//! Until when each canary was last scheduled, over restarts and reloads. Ticks after that are reported as `down` after a stop, as
//! `crashed` after any other end, and not at all while the probe was disabled or gone.
//!
//! Kept as states of the store: when the service was last started and last stopped in order, and, of canaries that left the plan or
//! have not finished a tick yet, that they did or when they came.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use crate::base::time::{epoch_ms, from_epoch_ms as moment};
use crate::history::{Commit, StartState, StateRow};
use crate::plan::{CanaryId, Plan};
use crate::schedule::LastSeen;

const STARTED: &str = "started";
const STOPPED: &str = "stopped";
const LOOKED_AFTER: &str = "attended";

/// The kinds of its states.
pub(super) const KINDS: [&str; 3] = [STARTED, STOPPED, LOOKED_AFTER];

/// Which canaries are known to be in no plan.
#[derive(Debug, Default)]
pub(super) struct LastSeenLog {
    absent: HashSet<CanaryId>,
}

impl LastSeenLog {
    /// Reads what an earlier process left, for a plan that starts now: when each canary was last scheduled, and what is to be
    /// written.
    pub(super) fn start(start_state: &StartState, plan: &Plan, now: SystemTime) -> (Self, HashMap<CanaryId, LastSeen>, Commit) {
        let kept = |kind: &'static str| start_state.states.iter().filter(move |state| state.kind == kind);
        let one = |kind: &'static str| kept(kind).find_map(|state| state.json.parse().ok()).map(moment);
        // A stop before the last start says nothing of how that process ended.
        let stopped = one(STOPPED).filter(|stopped| one(STARTED).is_none_or(|started| started <= *stopped));
        // When it came back; nothing while it is away.
        let known: HashMap<CanaryId, Option<SystemTime>> =
            kept(LOOKED_AFTER).map(|state| (CanaryId::read_back(&state.key), state.json.parse().ok().map(moment))).collect();
        let mut planned: HashMap<&CanaryId, u32> = plan.canaries.iter().map(|canary| (&canary.id, canary.probe.runs)).collect();
        let (mut last_seen_log, mut seen, mut commit) = (Self::default(), HashMap::new(), Commit::default());
        commit.states.push(StateRow { kind: STARTED, key: String::new(), json: Some(back(now)) });
        for ticks in start_state.last_ticks.chunk_by(|one, other| one.canary == other.canary) {
            let id = CanaryId::from_text(&ticks[0].canary);
            let last = ticks.iter().map(|tick| moment(tick.due_ms)).max().unwrap_or(now);
            match (planned.remove(&id), known.get(&id)) {
                (Some(_), Some(None)) => commit.states.push(row(&id, Some(back(now)))),
                (Some(runs), since) => {
                    let since = since.copied().flatten();
                    if since.is_some_and(|since| since <= last) {
                        commit.states.push(row(&id, None));
                    }
                    let at = |last: SystemTime| since.map_or(last, |since| since.max(last));
                    let stopped = stopped.is_some_and(|stopped| stopped >= at(last));
                    let mut slots: Vec<(u32, SystemTime)> =
                        ticks.iter().map(|tick| (tick.slot, at(moment(tick.due_ms)))).collect();
                    // A slot that has not finished a tick yet was scheduled from the beginning.
                    let unfinished = (0..runs).filter(|slot| ticks.iter().all(|tick| tick.slot != *slot));
                    slots.extend(since.into_iter().flat_map(|since| unfinished.clone().map(move |slot| (slot, since))));
                    seen.insert(id, LastSeen { slots, stopped });
                }
                (None, known) => {
                    if known != Some(&None) {
                        commit.states.push(row(&id, Some(AWAY.to_owned())));
                    }
                    last_seen_log.absent.insert(id);
                }
            }
        }
        for id in planned.into_keys() {
            match known.get(id) {
                Some(Some(since)) => {
                    let stopped = stopped.is_some_and(|stopped| stopped >= *since);
                    seen.insert(id.clone(), LastSeen { slots: vec![(0, *since)], stopped });
                }
                Some(None) | None => commit.states.push(row(id, Some(back(now)))),
            }
        }
        (last_seen_log, seen, commit)
    }

    /// Another plan holds from now on. What is to be written.
    pub(super) fn apply(&mut self, old: &Plan, new: &Plan, now: SystemTime) -> Commit {
        let ids = |plan: &Plan| plan.canaries.iter().map(|canary| canary.id.clone()).collect::<HashSet<CanaryId>>();
        let (old, new) = (ids(old), ids(new));
        let mut commit = Commit::default();
        for id in old.difference(&new) {
            self.absent.insert(id.clone());
            commit.states.push(row(id, Some(AWAY.to_owned())));
        }
        for id in new.difference(&old) {
            self.absent.remove(id);
            commit.states.push(row(id, Some(back(now))));
        }
        commit
    }
}

/// Whether the process before this one was stopped in order, or there was none.
pub(super) fn ended_gracefully(start_state: &StartState) -> bool {
    let one = |kind: &str| {
        let mut kept = start_state.states.iter().filter(|state| state.kind == kind);
        kept.find_map(|state| state.json.parse().ok()).map(moment)
    };
    one(STARTED).is_none_or(|started| one(STOPPED).is_some_and(|stopped| started <= stopped))
}

/// What is written when the service is stopped in order, after its last run.
pub(super) fn stopped(now: SystemTime) -> Commit {
    let state = StateRow { kind: STOPPED, key: String::new(), json: Some(back(now)) };
    Commit { states: vec![state], ..Commit::default() }
}

/// Written instead of the moment at which a canary came back, while it is away.
const AWAY: &str = "null";

fn row(id: &CanaryId, json: Option<String>) -> StateRow {
    StateRow { kind: LOOKED_AFTER, key: id.to_string(), json }
}

fn back(now: SystemTime) -> String {
    epoch_ms(now).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fixture;
    use super::*;
    use crate::history::{OF_REGION, RestoredState, RestoredTick};

    const MINUTE: i64 = 60_000;

    #[test]
    fn what_is_kept_belongs_to_the_region() {
        assert!([STARTED, STOPPED, LOOKED_AFTER].iter().all(|kind| OF_REGION.contains(kind)));
    }

    fn plan(regions: &[&str]) -> Arc<Plan> {
        fixture::service(regions.iter().map(|region| fixture::canary(region)).collect()).plan
    }

    /// What the store remembers after these commits, with a last tick of `p/eu` at minute 10.
    fn start_state(commits: &[&Commit]) -> StartState {
        let mut states: HashMap<(String, String), String> = HashMap::new();
        for row in commits.iter().flat_map(|commit| &commit.states) {
            let key = (row.kind.to_owned(), row.key.clone());
            match &row.json {
                Some(json) => drop(states.insert(key, json.clone())),
                None => drop(states.remove(&key)),
            }
        }
        let states = states.into_iter().map(|((kind, key), json)| RestoredState { kind, key, json }).collect();
        StartState {
            states,
            last_ticks: vec![RestoredTick { canary: "p/eu".to_owned(), slot: 0, due_ms: 10 * MINUTE }],
            ..StartState::default()
        }
    }

    /// When `p/eu` was last looked after, minutes, and whether the service was stopped.
    fn seen(start_state: &StartState, at: i64) -> Option<(u64, bool)> {
        let (_, seen, _) = LastSeenLog::start(start_state, &plan(&["eu"]), moment(at * MINUTE));
        let seen = seen.get(&CanaryId::from_text("p/eu"))?;
        Some((seen.slots[0].1.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 60, seen.stopped))
    }

    #[test]
    fn a_stop_in_order_is_told_from_another_end() {
        assert_eq!(seen(&start_state(&[]), 20), Some((10, false)));
        assert_eq!(seen(&start_state(&[&stopped(moment(11 * MINUTE))]), 20), Some((10, true)));
        assert_eq!(
            seen(&start_state(&[&stopped(moment(9 * MINUTE))]), 20),
            Some((10, false)),
            "it ran again since, and was killed"
        );
        let started = LastSeenLog::start(&start_state(&[]), &plan(&["eu"]), moment(12 * MINUTE)).2;
        assert_eq!(
            seen(&start_state(&[&stopped(moment(11 * MINUTE)), &started]), 20),
            Some((10, false)),
            "it was started again, and killed before a tick finished"
        );
        assert_eq!(seen(&start_state(&[&started, &stopped(moment(13 * MINUTE))]), 20), Some((10, true)));
    }

    #[test]
    fn what_was_killed_in_its_first_run_was_looked_after_from_its_start() {
        let us = plan(&["us"]);
        let seen = |commits: &[&Commit]| {
            let (_, seen, _) = LastSeenLog::start(&start_state(commits), &us, moment(60 * MINUTE));
            seen.get(&CanaryId::from_text("p/us")).cloned()
        };
        assert_eq!(seen(&[]), None, "nobody has looked after it yet");
        let started = LastSeenLog::start(&start_state(&[]), &us, moment(30 * MINUTE)).2;
        let since = |minute: i64| Some(LastSeen { slots: vec![(0, moment(minute * MINUTE))], stopped: false });
        assert_eq!(seen(&[&started]), since(30), "it was there at the start");
        let loaded = LastSeenLog::default().apply(&plan(&["eu"]), &us, moment(40 * MINUTE));
        assert_eq!(seen(&[&loaded]), since(40), "it came with a reload");
    }

    #[test]
    fn while_a_probe_is_disabled_nothing_is_missed() {
        let (with, without) = (plan(&["eu", "us"]), plan(&["us"]));
        let mut running = LastSeenLog::default();
        let disabled = running.apply(&with, &without, moment(11 * MINUTE));
        assert_eq!(seen(&start_state(&[&disabled]), 60), None, "disabled by a reload, enabled by a start");
        let (mut running, _, again) = LastSeenLog::start(&start_state(&[&disabled]), &without, moment(30 * MINUTE));
        assert!(again.states.iter().all(|row| row.key != "p/eu"), "{again:?}");
        let enabled = running.apply(&without, &with, moment(40 * MINUTE));
        assert_eq!(seen(&start_state(&[&disabled, &enabled]), 60), Some((40, false)), "enabled by a reload, and then killed");
        let (_, _, disabled) = LastSeenLog::start(&start_state(&[]), &without, moment(30 * MINUTE));
        assert_eq!(seen(&start_state(&[&disabled]), 60), None, "disabled by a start, enabled by another");
    }
}
