//! How canaries, subjects and leaks come into incidents and leave them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alert::incident::{Incident, Joined, Past};
use crate::alert::subject::{Place, Subjects};
use crate::alert::{Failure, Moment, Scope, describe};
use crate::history::TimelineRow;
use crate::plan::{CanaryId, Severity};

use super::{Desk, PASTS};

/// Comings and goings are told one by one in the timeline of an incident that has at most so many members.
const TOLD_APART: usize = 20;

impl Desk {
    /// The open incident of a scope; opens one.
    pub(super) fn incident(&mut self, scope: &Scope, now: Moment) -> &mut Incident {
        if !self.incidents.contains_key(scope) {
            let id = self.numbers.next(now);
            self.by_id.insert(id.clone(), scope.clone());
            self.commit.timeline.push(row(&id, "opened", "the incident opened".to_owned(), now));
            self.begins(scope, now);
            self.changed.insert(scope.clone());
            self.incidents.insert(scope.clone(), Incident::open(id, scope.clone(), now));
        }
        self.touched.insert(scope.clone());
        self.incidents.get_mut(scope).expect("it was made above if it was not there")
    }

    /// A problem of this scope begins, or comes back while it is held open.
    pub(super) fn begins(&mut self, scope: &Scope, now: Moment) {
        let key = scope.to_string();
        if self.pasts.len() >= self.pasts_bound && !self.pasts.contains_key(&key) {
            self.forget_pasts(now);
        }
        let past = self.pasts.entry(key.clone()).or_default();
        past.opens(&self.alerting.flapping, now);
        let json = past.to_json(now);
        self.write("generation", &key, Some(json));
    }

    /// Forgets scopes of long ago: names of subjects may be new ones for ever. Now and then, since it looks at all of them.
    fn forget_pasts(&mut self, now: Moment) {
        let open: BTreeSet<String> = self.incidents.keys().map(ToString::to_string).collect();
        let is_old = |(key, past): &(&String, &Past)| past.is_forgotten(now) && !open.contains(*key);
        let old: Vec<String> = self.pasts.iter().filter(is_old).map(|(key, _)| key.clone()).collect();
        for key in old {
            self.pasts.remove(&key);
            self.write("generation", &key, None);
        }
        self.pasts_bound = PASTS.max(self.pasts.len() * 2);
    }

    /// Somebody is in the incident from now on, or there is news of it.
    pub(super) fn join(&mut self, scope: &Scope, key: &Arc<str>, joined: Joined, level: Severity, now: Moment) {
        let since_ms = now.wall_ms_of(joined.since);
        let incident = self.incident(scope, now);
        if incident.members.join(key, joined) {
            if incident.members.len() <= TOLD_APART {
                let text = format!("{key} joined");
                let row = row(&incident.id, "joined", text, now);
                self.commit.timeline.push(row);
            }
            let incident = self.incident(scope, now);
            if incident.keys.told.is_empty() {
                incident.since_ms = incident.since_ms.min(since_ms);
            }
        }
        self.set_level(scope, Some(level), now);
    }

    /// Somebody leaves an incident; whatever it was attached to or held is judged anew.
    pub(super) fn leave(&mut self, scope: &Scope, key: &str, why: &str, now: Moment) {
        let Some(incident) = self.incidents.get_mut(scope) else { return };
        let few = incident.members.len() <= TOLD_APART;
        if !incident.members.leave(key) {
            return;
        }
        let empty = incident.members.is_empty();
        if few {
            let row = row(&incident.id, "left", format!("{key} {why}"), now);
            self.commit.timeline.push(row);
        }
        if empty {
            self.set_level(scope, None, now);
            self.begin_anew(scope, now);
        }
        self.touched.insert(scope.clone());
        self.touch_attached(scope);
    }

    /// How bad the incident is from now on; absent when there is no problem any more.
    pub(super) fn set_level(&mut self, scope: &Scope, level: Option<Severity>, now: Moment) {
        let Some(incident) = self.incidents.get_mut(scope) else { return };
        if incident.level == level {
            return;
        }
        let again = incident.quiet.is_some() && level.is_some();
        incident.level = level;
        incident.worst = incident.worst.max(level.unwrap_or(Severity::Warn));
        incident.quiet = level.is_none().then_some(now.steady);
        self.changed.insert(scope.clone());
        self.touched.insert(scope.clone());
        if again {
            let row = row(&incident.id, "again", "the problem is back".to_owned(), now);
            self.commit.timeline.push(row);
            self.begins(scope, now);
        }
    }

    /// The failure that decided, or the latest one.
    pub(super) fn set_failure(&mut self, scope: &Scope, failure: Option<Arc<Failure>>) {
        if let Some(incident) = self.incidents.get_mut(scope)
            && failure.is_some()
        {
            incident.failure = failure;
        }
    }

    /// Brings a probe's incident up to date with one of its canaries.
    pub(super) fn sync_canary(&mut self, id: &CanaryId, was: bool, now: Moment) {
        let Some(known) = self.canaries.get(id) else { return };
        let scope = Scope::Probe(Arc::clone(&known.canary.probe.name));
        if !known.state.is_paging() {
            if was {
                self.leave(&scope, id.as_str(), "is well again", now);
            }
            return;
        }
        let failure = known.state.failure().cloned();
        let joined = Joined {
            region: Arc::clone(&known.canary.region.name),
            cell: known.canary.cell.to_string().into(),
            spreads: true,
            since: known.state.failing_since().unwrap_or(now.steady),
            failures: known.state.failures(),
            reason: failure.as_ref().map(|failure| failure.reason.as_str().into()),
        };
        self.join(&scope, &id.as_str().into(), joined, Severity::Page, now);
        self.set_failure(&scope, failure);
    }

    /// Brings the incident of a subject, or of those beyond the cap, up to date with who sees it.
    pub(super) fn sync_subject(&mut self, probe: &Arc<str>, subject: Option<&str>, place: Place, removed: bool, now: Moment) {
        let Some(watched) = self.probes.get(probe) else { return };
        let (scope, members) = match (place, subject) {
            (Place::Own, Some(name)) => (describe::subject_scope(probe, name), self.seers(&watched.subjects, name)),
            (Place::Own | Place::Summary, _) => (Scope::Subjects(Arc::clone(probe)), summary(&watched.subjects)),
        };
        let failure = watched.subjects.failure(subject).cloned();
        let left: Vec<Arc<str>> = match self.incidents.get(&scope) {
            Some(incident) => {
                incident.members.keys().filter(|key| members.iter().all(|(there, _)| there != *key)).cloned().collect()
            }
            None => Vec::new(),
        };
        for (key, mut joined) in members {
            joined.reason = failure.as_ref().map(|failure| failure.reason.as_str().into());
            self.join(&scope, &key, joined, Severity::Page, now);
        }
        for key in left {
            if removed {
                self.leave_with_note(&scope, &key, now);
            } else {
                self.leave(&scope, &key, "is well again", now);
            }
        }
        self.set_failure(&scope, failure);
    }

    /// The canaries that see a subject fail.
    fn seers(&self, subjects: &Subjects, name: &str) -> Vec<(Arc<str>, Joined)> {
        let joined = |sighting: crate::alert::subject::Sighting<'_>| {
            let canary = &self.canaries.get(sighting.canary)?.canary;
            let joined = Joined {
                region: Arc::clone(&canary.region.name),
                cell: canary.cell.to_string().into(),
                spreads: false,
                since: sighting.since,
                failures: sighting.failures,
                reason: None,
            };
            Some((sighting.canary.as_str().into(), joined))
        };
        subjects.sightings(Some(name)).into_iter().filter_map(joined).collect()
    }
}

/// The subjects that share an incident; a new one is worth a notification.
fn summary(subjects: &Subjects) -> Vec<(Arc<str>, Joined)> {
    let nowhere: Arc<str> = "".into();
    let others = (!subjects.sightings(None).is_empty()).then(|| (None, Arc::<str>::from("others")));
    let named = subjects.paging(Place::Summary).map(|name| (Some(&**name), Arc::<str>::from(describe::cut(name, 200))));
    let joined = |(subject, key): (Option<&str>, Arc<str>)| {
        let sightings = subjects.sightings(subject);
        let first = sightings.iter().map(|sighting| sighting.since).min()?;
        let failures = sightings.iter().map(|sighting| sighting.failures).max().unwrap_or(0);
        let (region, cell) = (Arc::clone(&nowhere), Arc::clone(&key));
        Some((key, Joined { region, cell, spreads: true, since: first, failures, reason: None }))
    };
    named.chain(others).filter_map(joined).collect()
}

/// A line of an incident's timeline.
pub(super) fn row(incident: &str, what: &'static str, text: impl Into<String>, now: Moment) -> TimelineRow {
    TimelineRow { incident: incident.to_owned(), at_ms: now.wall_ms(), what, text: describe::cut(&text.into(), 500) }
}
