//! Runs, and ticks that did not run, move the machines.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::blind::Sight;
use crate::alert::budget::{Level, samples};
use crate::alert::canary::{CanaryState, Count, Seen, Standing};
use crate::alert::incident::Joined;
use crate::alert::subject::SubjectChange;
use crate::alert::{Moment, Scope, describe};
use crate::history::Record;
use crate::outcome::{MissedTicks, RunReport, SloCount, Trigger, Verdict};
use crate::plan::{CanaryId, Severity};

use super::Desk;

impl Desk {
    /// A run ended. One of a canary that is no more, or that somebody asked for, is only written down.
    pub(super) fn run(&mut self, report: &Arc<RunReport>, now: Moment) {
        let counts = matches!(report.trigger, Trigger::Schedule | Trigger::Confirm | Trigger::Needed);
        let known = self.canaries.contains_key(&report.canary.id);
        self.commit.runs.push(Record { report: Arc::clone(report), counted: counts && known });
        if counts && known {
            let told = |report: &RunReport| report.cause.as_ref().map(|cause| Arc::new(describe::failure(report, cause)));
            let failure = if report.verdict == Verdict::Failed { told(report) } else { None };
            self.seen(&report.canary.id, Seen::of(report, failure), now);
            self.share(report, now);
        }
    }

    /// Ticks that did not run and have no report.
    pub(super) fn ticks_missed(&mut self, missed: &MissedTicks, now: Moment) {
        let seen = Seen {
            verdict: Verdict::Missed,
            reason: Some(missed.reason),
            count: Count::NoResult,
            ticks: missed.count,
            order: 0,
            age: Duration::ZERO,
            failure: None,
        };
        self.seen(&missed.canary.id, seen, now);
    }

    /// Results of a canary gave way while they waited to be looked at, so many passes among them: those ticks are without data.
    pub(super) fn lost(&mut self, ticks: &MissedTicks, passed: u64, now: Moment) {
        let id = &ticks.canary.id;
        let Some(known) = self.canaries.get_mut(id) else { return };
        let Some(watched) = self.probes.get_mut(&known.canary.probe.name) else { return };
        known.state.lost(&watched.rule, passed);
        if let Some(rule) = &watched.across_rule {
            watched.across.lost(rule, passed);
        }
        self.ticks_missed(ticks, now);
    }

    /// Moves the canary's own machine.
    fn seen(&mut self, id: &CanaryId, seen: Seen, now: Moment) {
        let Some(known) = self.canaries.get_mut(id) else { return };
        let Some(watched) = self.probes.get(&known.canary.probe.name) else { return };
        let verdict = seen.verdict;
        let (was_paging, was_quiet) = (known.state.is_paging(), is_quiet(&known.state));
        known.state.seen(&watched.rule, seen, now);
        known.last = Some((verdict, now.wall_ms()));
        let clock = known.state.clock();
        // While all is well its row only tells when it last ran, and a restart gives it time for a run anyway.
        let old = known.written.is_none_or(|at| now.steady.saturating_sub(at) > watched.rule.memory / 6);
        let plain = was_quiet && is_quiet(&known.state) && matches!(verdict, Verdict::Passed);
        let json = (old || !plain).then(|| known.state.to_json(now));
        let is_paging = known.state.is_paging();
        if let Some(json) = json {
            known.written = Some(now.steady);
            self.write("canary", id.as_str(), Some(json));
        }
        if let Some(sight) = self.blind.told(id, clock) {
            self.sight(&sight, now);
        }
        if was_paging || is_paging {
            self.sync_canary(id, was_paging, now);
        }
    }

    /// Moves the machines that the probe's canaries share.
    fn share(&mut self, report: &RunReport, now: Moment) {
        let Some(known) = self.canaries.get(&report.canary.id) else { return };
        let name = Arc::clone(&known.canary.probe.name);
        self.together(&name, report, now);
        let Some(watched) = self.probes.get_mut(&name) else { return };
        watched.regions.seen(report, now);
        let changes = watched.subjects.seen(&watched.subject_rule, report, now, describe::failure);
        let rows = watched.subjects.take_changed(&name, now);
        for (key, json) in rows {
            self.write("subject", &key, json);
        }
        self.sync_subjects(&name, changes, false, now);
        if report.verdict == Verdict::Failed {
            self.write_regions(&name, now);
            let scope = Scope::Probe(Arc::clone(&name));
            self.doubt(&scope, &report.canary.id);
            if self.incidents.contains_key(&scope) {
                self.touched.insert(scope);
            }
        }
        self.objectives(&name, report, now);
    }

    fn write_regions(&mut self, name: &str, now: Moment) {
        if let Some(watched) = self.probes.get(name) {
            let json = watched.regions.to_json(now);
            self.write("regions", name, Some(json));
        }
    }

    /// Brings the incidents of subjects up to date, the summary once however many are in it.
    pub(super) fn sync_subjects(&mut self, probe: &Arc<str>, changes: Vec<SubjectChange>, removed: bool, now: Moment) {
        let mut scopes = BTreeMap::new();
        for change in changes {
            let own = matches!(change.place, crate::alert::subject::Place::Own);
            let key = if own { change.subject.clone() } else { None };
            scopes.insert((own, key), (change.subject, change.place));
        }
        for (subject, place) in scopes.into_values() {
            self.sync_subject(probe, subject.as_deref(), place, removed, now);
        }
    }

    /// Moves the objectives of the probe.
    fn objectives(&mut self, name: &Arc<str>, report: &RunReport, now: Moment) {
        let Some(watched) = self.probes.get_mut(name) else { return };
        let Some(slo) = &watched.probe.slo else { return };
        let good = match report.verdict.slo() {
            SloCount::Good => true,
            SloCount::Bad => false,
            SloCount::Not => return,
        };
        let budget = watched.budget.as_mut().and_then(|budget| budget.seen(slo, good, now).then(|| budget.to_json(now)));
        let mut changed = false;
        if let (Some(latency), Some(bounds)) = (&mut watched.latency, &slo.latency) {
            for took in samples(bounds, report) {
                changed |= latency.seen(slo, took, now);
            }
        }
        let latency = watched.latency.as_ref().filter(|_| changed).map(|latency| latency.to_json(now));
        if let Some(json) = budget {
            self.write("budget", name, Some(json));
            self.sync_objective(name, now);
        }
        if let Some(json) = latency {
            self.write("latency", name, Some(json));
            self.sync_objective(name, now);
        }
    }

    /// Brings the incidents of a probe's objectives up to date.
    pub(super) fn sync_objective(&mut self, name: &Arc<str>, now: Moment) {
        let Some(watched) = self.probes.get(name) else { return };
        let wanted = watched.probe.alert.burn_rate;
        let budget = watched.budget.as_ref().filter(|_| wanted).and_then(|budget| {
            level(&budget.judge(), |burn| {
                format!(
                    "its budget burns {:.1} times as fast as it may over {}: {} of {} runs were bad",
                    burn.rate,
                    humantime::format_duration(whole(burn.long)),
                    burn.bad,
                    burn.runs
                )
            })
        });
        let latency = watched.latency.as_ref().and_then(|latency| {
            level(&latency.judge(), |lag| {
                format!(
                    "its {} is {} and may be {}; lately it is {} ({} samples)",
                    lag.measure.as_str(),
                    humantime::format_duration(fine(lag.seen)),
                    humantime::format_duration(fine(lag.bound)),
                    humantime::format_duration(fine(lag.recent)),
                    lag.samples
                )
            })
        });
        self.set_objective(&Scope::Budget(Arc::clone(name)), budget, now);
        self.set_objective(&Scope::Latency(Arc::clone(name)), latency, now);
    }

    fn set_objective(&mut self, scope: &Scope, level: Option<(Severity, String)>, now: Moment) {
        match level {
            Some((severity, note)) => {
                let incident = self.incident(scope, now);
                if incident.level != Some(severity) {
                    incident.note(note);
                }
                self.set_level(scope, Some(severity), now);
            }
            None => self.set_level(scope, None, now),
        }
    }

    /// Canaries that have had no counted run for too long.
    pub(super) fn look_for_blind(&mut self, now: Moment) {
        for sight in self.blind.now_blind(now) {
            self.sight(&sight, now);
        }
    }

    /// A canary became blind, or sees again.
    fn sight(&mut self, sight: &Sight, now: Moment) {
        let scope = Scope::Blind(Arc::clone(&sight.region));
        let json = sight.blind.then(|| "true".to_owned());
        self.write("blind", sight.canary.as_str(), json);
        if sight.blind {
            self.join_blind(&sight.canary, now);
        } else {
            self.leave(&scope, sight.canary.as_str(), "has a counted run again", now);
        }
    }

    /// Puts a blind canary into its region's incident.
    pub(super) fn join_blind(&mut self, id: &CanaryId, now: Moment) {
        let Some(known) = self.canaries.get(id) else { return };
        let joined = Joined {
            region: Arc::clone(&known.canary.region.name),
            cell: known.canary.cell.to_string().into(),
            spreads: false,
            since: now.steady.saturating_sub(known.state.clock().shows(now.steady)),
            failures: 0,
            reason: None,
        };
        let scope = Scope::Blind(Arc::clone(&joined.region));
        self.join(&scope, &id.as_str().into(), joined, Severity::Page, now);
    }

    /// How a canary stands, in one word.
    pub(super) fn standing(&self, id: &CanaryId, now: Moment) -> super::Standing {
        let Some(known) = self.canaries.get(id) else { return super::Standing::Unknown };
        let rule = self.probes.get(&known.canary.probe.name).map(|watched| watched.rule);
        let standing = rule.map_or(Standing::Unknown, |rule| known.state.standing(&rule, now));
        if self.paused.contains(id) {
            super::Standing::Paused
        } else if self.blind.is_blind(id) {
            super::Standing::Blind
        } else if known.state.is_paging() {
            super::Standing::Failing
        } else {
            match standing {
                Standing::Unknown => super::Standing::Unknown,
                Standing::Passing => super::Standing::Healthy,
                Standing::Failing(_) => super::Standing::Failing,
            }
        }
    }
}

/// Whether there is nothing in a state that a restart must not lose.
fn is_quiet(state: &CanaryState) -> bool {
    !state.is_paging() && state.failing_since().is_none()
}

fn level<T: Copy>(level: &Level<T>, text: impl Fn(T) -> String) -> Option<(Severity, String)> {
    match level {
        Level::Well => None,
        Level::Warn(seen) => Some((Severity::Warn, text(*seen))),
        Level::Page(seen) => Some((Severity::Page, text(*seen))),
    }
}

fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

fn fine(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
