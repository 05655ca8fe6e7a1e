//! Applies the outcomes of tries: covers, and what is open at channels.

use std::sync::Arc;

use crate::alert::Moment;
use crate::plan::ReceiverKind;

use super::super::delivery::{Completed, unheard};
use super::super::incident::{Incident, Shown};
use super::super::metrics;
use super::super::tries::{About, Action, Open, Outcome, Try};
use super::Evaluator;

impl Evaluator {
    /// A try came back.
    pub(super) fn completed(&mut self, channel: &Arc<str>, id: &str, outcome: &Outcome, chance: f64, now: Moment) {
        let completed = self.delivery.completed(channel, id, outcome, chance, now);
        let attempt = match &completed {
            Completed::Taken(attempt) | Completed::Dropped(attempt) | Completed::Again(attempt) | Completed::Perhaps(attempt) => {
                attempt
            }
            // The channel was removed meanwhile, and its tries were forgotten.
            Completed::Gone => return,
        };
        self.dirty.outcome(attempt, outcome, now);
        metrics::notified(channel, attempt.what, outcome);
        for about in &attempt.about {
            match &completed {
                Completed::Taken(_) if about.incident == unheard::INCIDENT => self.unheard.told(channel, attempt.made),
                Completed::Taken(_) => self.taken(attempt, about, now),
                Completed::Perhaps(_) if attempt.what == Action::End => self.perhaps_ended(channel, &about.incident),
                Completed::Again(_) | Completed::Perhaps(_) => self.perhaps(attempt, about),
                Completed::Dropped(_) | Completed::Gone => self.note_refused(attempt, about, outcome, now),
            }
            self.look_again(&about.incident);
        }
    }

    /// A channel took a try.
    fn taken(&mut self, attempt: &Try, about: &About, now: Moment) {
        let channel = &attempt.channel;
        if let Some(mut incident) = self.incidents.take(&about.incident) {
            let acknowledged = incident.acknowledged_at(attempt.made);
            let (severity, regions) = (incident.severity().unwrap_or(incident.worst), incident.regions());
            let has_keys = self.config.channel(channel).is_some_and(|it| it.kind.receiver() == ReceiverKind::Incidents);
            let Incident { told, members, id, scope, end, numbered, .. } = &mut incident;
            let told = told.entry(Arc::clone(channel)).or_default();
            match (attempt.what, &about.cover) {
                (Action::Ring, Some(cover)) => {
                    let open = Open { key: attempt.key.clone(), taken: true, acknowledged, labels: attempt.labels.clone() };
                    // A repeated ring may have rung earlier, so the latest time counts.
                    let rang = if attempt.attempts > 0 { now.steady } else { cover.at };
                    told.took(open, cover.clone(), rang, |key| members.get(key));
                    self.records.rang(&scope.to_string(), channel, now.steady);
                }
                (Action::Ring, None) => {}
                (Action::Change, _) => told.shown = Some(Shown { severity, regions, at: now.steady }),
                (Action::Acknowledge, _) => {
                    let known = told.open.iter_mut().filter(|open| !has_keys || open.key == attempt.key);
                    known.for_each(|open| open.acknowledged = acknowledged);
                }
                (Action::End, _) if !has_keys => told.open.clear(),
                (Action::End, _) => told.ended(&attempt.key),
            }
            if attempt.what == Action::End && end.is_none() {
                // The channel was removed. If it comes back, it is rung anew with a new number.
                told.forget();
                *numbered = None;
                self.dirty.incident(id);
            }
            self.dirty.told(id, channel);
            let text = format!("{channel} took {} ({})", attempt.key, attempt.what.as_str());
            self.dirty.timeline(id, "taken", text, now);
            self.incidents.put_back(incident);
        }
    }

    /// The outcome of a try is unknown: what it opens is perhaps open.
    pub(super) fn perhaps(&mut self, attempt: &Try, about: &About) {
        if attempt.what != Action::Ring {
            return;
        }
        let Some(mut incident) = self.incidents.take(&about.incident) else { return };
        let acknowledged = incident.acknowledged_at(attempt.made);
        let told = incident.told.entry(Arc::clone(&attempt.channel)).or_default();
        if !told.open.iter().any(|open| open.key == attempt.key) {
            told.open.push(Open { key: attempt.key.clone(), taken: false, acknowledged, labels: attempt.labels.clone() });
            self.dirty.told(&incident.id, &attempt.channel);
        }
        self.incidents.put_back(incident);
    }

    /// An end was perhaps taken by a channel that was removed and is back, while the incident goes on.
    pub(super) fn perhaps_ended(&mut self, channel: &Arc<str>, incident: &str) {
        let Some(mut incident) = self.incidents.take(incident) else { return };
        if incident.end.is_none()
            && let Some(told) = incident.told.get_mut(channel)
        {
            told.forget();
            incident.numbered = None;
            self.dirty.told(&incident.id, channel);
            self.dirty.incident(&incident.id);
        }
        self.incidents.put_back(incident);
    }

    fn note_refused(&mut self, attempt: &Try, about: &About, outcome: &Outcome, now: Moment) {
        let (Outcome::Refused(refusal) | Outcome::Unknown(refusal)) = outcome else { return };
        let first = self.incidents.find(&about.incident).is_some_and(|incident| {
            incident.told.get(&attempt.channel).is_none_or(|told| told.refused.as_ref() != Some(&refusal.message))
        });
        if !first {
            return;
        }
        if let Some(mut incident) = self.incidents.take(&about.incident) {
            let told = incident.told.entry(Arc::clone(&attempt.channel)).or_default();
            told.refused = Some(refusal.message.clone());
            let text = format!("{} did not take {}: {}", attempt.channel, attempt.key, refusal.message);
            self.dirty.timeline(&incident.id, "refused", text, now);
            self.incidents.put_back(incident);
        }
    }

    /// Marks an incident after a try of it was completed.
    fn look_again(&mut self, id: &str) {
        match self.incidents.by_id.get(id) {
            Some(scope) => {
                let scope = scope.clone();
                self.pending.touch(&scope);
            }
            None => {
                self.pending.ended.insert(id.to_owned());
            }
        }
    }
}
