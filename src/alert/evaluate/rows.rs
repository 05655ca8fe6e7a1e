//! The changed rows, written in the same transaction as the run that changed them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alert::Moment;
use crate::base::time::signed_millis;
use crate::history::{Commit, IncidentRow, OutcomeRow, Record, StateRow, TimelineRow, TryRow, TryState};
use crate::outcome::{RunReport, Trigger};

use super::super::FactKey;
use super::super::condition::channel::Health;
use super::super::incident::Incident;
use super::super::tries::{Outcome, Try};
use super::Evaluator;
use super::fleet::Role;

/// The kind of rows of an incident's members; the key begins with the incident's id.
pub(super) const MEMBER: &str = "member";
/// See [`MEMBER`].
pub(super) const COVER: &str = "cover";
/// The kind of rows with the health of channels.
pub(super) const CHANNEL: &str = "channel";
/// The kind of rows with what channels never got before the end.
pub(super) const UNHEARD: &str = "unheard";

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub(super) commit: Commit,
    incidents: BTreeSet<String>,
    members: BTreeSet<(String, FactKey)>,
    told: BTreeSet<(String, Arc<str>)>,
}

/// The row of a channel's health.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChannelHealthRow {
    /// The fingerprint of the channel's configuration. The row is ignored if it has changed.
    #[serde(default)]
    pub(super) config: Option<u64>,
    #[serde(flatten)]
    pub(super) health: Health,
}

impl Dirty {
    pub(super) fn run(&mut self, report: &Arc<RunReport>, watched: bool) {
        let counted = watched && !matches!(report.trigger, Trigger::Manual | Trigger::Test);
        self.commit.runs.push(Record { report: Arc::clone(report), counted });
    }

    pub(super) fn incident(&mut self, id: &str) {
        self.incidents.insert(id.to_owned());
    }

    pub(super) fn member(&mut self, id: &str, key: &FactKey) {
        self.members.insert((id.to_owned(), key.clone()));
    }

    /// The incidents of which anything changed.
    pub(super) fn touched_incidents(&self) -> BTreeSet<String> {
        let members = self.members.iter().map(|(id, _)| id);
        let told = self.told.iter().map(|(id, _)| id);
        self.incidents.iter().chain(members).chain(told).cloned().collect()
    }

    pub(super) fn told(&mut self, id: &str, channel: &Arc<str>) {
        self.told.insert((id.to_owned(), Arc::clone(channel)));
    }

    /// Drops what only who evaluates writes, since another process does now.
    pub(super) fn forget_evaluation(&mut self) {
        let Commit { runs, facts, .. } = std::mem::take(&mut self.commit);
        *self = Self { commit: Commit { runs, facts, ..Commit::default() }, ..Self::default() };
    }

    /// The health of a channel changed.
    pub(super) fn channel(&mut self, name: &Arc<str>, kept: &ChannelHealthRow) {
        let json = serde_json::to_string(kept).expect("it has only numbers in it");
        self.commit.states.push(StateRow { kind: CHANNEL, key: name.to_string(), json: Some(json) });
    }

    /// A channel was removed: its health is forgotten.
    pub(super) fn channel_gone(&mut self, name: &str) {
        self.commit.states.push(StateRow { kind: CHANNEL, key: name.to_owned(), json: None });
    }

    /// Adds an entry to the timeline of an incident.
    pub(super) fn timeline(&mut self, incident: &str, what: &'static str, text: String, now: Moment) {
        let at_ms = now.wall_ms();
        self.commit.timeline.push(TimelineRow { incident: incident.to_owned(), at_ms, what, text });
    }

    /// A try is about to leave.
    pub(super) fn attempt(&mut self, attempt: &Try) {
        // Id and steady time identify a try, so the wall clock may be set meanwhile.
        self.commit.tries.push(TryRow {
            id: attempt.id.clone(),
            incidents: attempt.about.iter().map(|about| about.incident.clone()).collect(),
            channel: attempt.channel.to_string(),
            what: attempt.what.as_str(),
            key: attempt.key.clone(),
            made_ms: signed_millis(attempt.made),
            attempts: attempt.attempts,
            json: serde_json::to_string(attempt).expect("its keys are texts"),
        });
    }

    /// A try came back.
    pub(super) fn outcome(&mut self, attempt: &Try, outcome: &Outcome, now: Moment) {
        let (state, error) = match outcome {
            Outcome::Taken => (TryState::Taken, None),
            Outcome::Refused(refusal) => (TryState::Refused, Some(refusal.message.clone())),
            Outcome::Unknown(refusal) => (TryState::Waiting, Some(refusal.message.clone())),
        };
        self.commit.outcomes.push(OutcomeRow {
            id: attempt.id.clone(),
            made_ms: signed_millis(attempt.made),
            state,
            attempts: attempt.attempts,
            at_ms: now.wall_ms(),
            error,
        });
    }

    /// A try of unknown outcome is not repeated any more.
    pub(super) fn dropped(&mut self, attempt: &Try, now: Moment) {
        self.commit.outcomes.push(OutcomeRow {
            id: attempt.id.clone(),
            made_ms: signed_millis(attempt.made),
            state: TryState::Dropped,
            attempts: attempt.attempts,
            at_ms: now.wall_ms(),
            error: None,
        });
    }
}

impl Evaluator {
    /// Forgets an incident whose end was told everywhere, and deletes its rows of members and covers. Its own row is written now
    /// if it has changed, since it cannot be found later.
    pub(super) fn forget(&mut self, incident: &Incident, now: Moment) {
        if self.dirty.incidents.remove(&incident.id) {
            let row = self.incident_row(incident, now);
            self.dirty.commit.incidents.push(row);
        }
        for key in incident.members.keys() {
            self.dirty.member(&incident.id, key);
        }
        for channel in incident.told.keys() {
            self.dirty.told(&incident.id, channel);
        }
    }

    /// Everything that changed since the last call: what runs said, with what is told unless this process tells it alone; and what it
    /// tells alone, which goes to its journal.
    pub(super) fn commit(&mut self, now: Moment) -> (Commit, Commit) {
        if self.role.alone().is_some() {
            self.report_told(self.dirty.touched_incidents(), now);
        }
        let Commit { runs, facts, .. } = &mut self.dirty.commit;
        let (runs, facts) = (std::mem::take(runs), std::mem::take(facts));
        let said = Commit { runs, facts, states: self.conditions.take_rows(now), ..Commit::default() };
        match self.role {
            Role::Reports => {
                self.dirty.forget_evaluation();
                self.records.take_rows();
                self.unheard.take_rows();
                (said, Commit::default())
            }
            Role::Alone(_) | Role::Rejoins(_) => {
                let mut told = self.evaluation(now);
                // What waits in memory for the store is lost with the process, and the next one has to know what failed.
                if let Some(mirrored) = &mut self.mirrored {
                    mirrored.extend(said.states.iter().map(|row| (row.kind, row.key.clone())));
                    told.states.extend_from_slice(&said.states);
                }
                (said, told)
            }
            Role::Single | Role::Evaluates(_) => {
                let mut all = said;
                all.append(self.evaluation(now));
                all.evaluator = self.role.epoch();
                (all, Commit::default())
            }
        }
    }

    /// What changed of incidents, and of what channels were told.
    fn evaluation(&mut self, now: Moment) -> Commit {
        let mut commit = std::mem::take(&mut self.dirty.commit);
        commit.states.extend(self.records.take_rows());
        let unheard = self.unheard.take_rows().into_iter();
        commit.states.extend(unheard.map(|(channel, json)| StateRow { kind: UNHEARD, key: channel.to_string(), json }));
        for (id, key) in std::mem::take(&mut self.dirty.members) {
            let member = self.incidents.find(&id).and_then(|incident| incident.members.get(&key));
            let json = member.map(|member| serde_json::to_string(member).expect("its keys are texts"));
            commit.states.push(StateRow { kind: MEMBER, key: format!("{id}/{key}"), json });
        }
        for (id, channel) in std::mem::take(&mut self.dirty.told) {
            let told = self.incidents.find(&id).and_then(|incident| incident.told.get(&channel));
            let json = told.map(|told| serde_json::to_string(told).expect("its keys are texts"));
            commit.states.push(StateRow { kind: COVER, key: format!("{id}/{channel}"), json });
        }
        for id in std::mem::take(&mut self.dirty.incidents) {
            if let Some(incident) = self.incidents.find(&id) {
                commit.incidents.push(self.incident_row(incident, now));
            }
        }
        commit
    }

    pub(super) fn incident_row(&self, incident: &Incident, now: Moment) -> IncidentRow {
        let ended = incident.end.as_ref().map(|end| now.wall_ms_of(end.at));
        let opened_ms = now.wall_ms_of(incident.opened);
        IncidentRow {
            id: incident.id.clone(),
            scope: incident.scope.to_string(),
            probe: incident.scope.probe().map(ToString::to_string),
            severity: incident.worst.as_str(),
            opened_ms,
            // The clock may have been set back, but nothing ends before it began.
            resolved_ms: ended.map(|ended| ended.max(opened_ms)),
            json: self.incident_json(incident, now),
        }
    }
}
