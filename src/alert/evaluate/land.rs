//! What came of tries: covers, and what is open at channels.

use std::sync::Arc;

use crate::alert::Moment;
use crate::plan::ReceiverKind;

use super::super::counts;
use super::super::delivery::{Landed, unheard};
use super::super::incident::{Incident, Shown};
use super::super::told::{About, Open, Outcome, Try, What};
use super::Evaluator;

impl Evaluator {
    /// A try came back.
    pub(super) fn landed(&mut self, channel: &Arc<str>, id: &str, outcome: &Outcome, chance: f64, now: Moment) {
        let landed = self.delivery.landed(channel, id, outcome, chance, now);
        let attempt = match &landed {
            Landed::Taken(attempt) | Landed::Dropped(attempt) | Landed::Again(attempt) | Landed::Perhaps(attempt) => attempt,
            // The channel was removed meanwhile, and what it had on its way was forgotten with it.
            Landed::Gone => return,
        };
        self.dirty.outcome(attempt, outcome, now);
        counts::notified(channel, attempt.what, outcome);
        for about in &attempt.about {
            match &landed {
                Landed::Taken(_) if about.incident == unheard::INCIDENT => self.unheard.told(channel, attempt.made),
                Landed::Taken(_) => self.taken(attempt, about, now),
                Landed::Perhaps(_) if attempt.what == What::End => self.perhaps_ended(channel, &about.incident),
                Landed::Again(_) | Landed::Perhaps(_) => self.perhaps(attempt, about),
                Landed::Dropped(_) | Landed::Gone => self.note_refused(attempt, about, outcome, now),
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
            let has_keys = self.world.channel(channel).is_some_and(|it| it.kind.receiver() == ReceiverKind::Incidents);
            let Incident { told, members, id, scope, end, numbered, .. } = &mut incident;
            let told = told.entry(Arc::clone(channel)).or_default();
            match (attempt.what, &about.cover) {
                (What::Ring, Some(cover)) => {
                    let open = Open { key: attempt.key.clone(), taken: true, acknowledged, labels: attempt.labels.clone() };
                    // Of one that was repeated nobody knows when it rang first.
                    let rang = if attempt.attempts > 0 { now.steady } else { cover.at };
                    told.took(open, cover.clone(), rang, |key| members.get(key));
                    self.memory.rang(&scope.to_string(), channel, now.steady);
                }
                (What::Ring, None) => {}
                (What::Change, _) => told.shown = Some(Shown { severity, regions, at: now.steady }),
                (What::Acknowledge, _) => {
                    let known = told.open.iter_mut().filter(|open| !has_keys || open.key == attempt.key);
                    known.for_each(|open| open.acknowledged = acknowledged);
                }
                (What::End, _) if !has_keys => told.open.clear(),
                (What::End, _) => told.ended(&attempt.key),
            }
            if attempt.what == What::End && end.is_none() {
                // The channel was removed. If it comes back it is rung anew, with a number that it has not had.
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

    /// Nobody knows whether a channel took a try: what it opens is perhaps open.
    pub(super) fn perhaps(&mut self, attempt: &Try, about: &About) {
        if attempt.what != What::Ring {
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

    /// An end perhaps reached a channel that was removed and is there again, while the incident goes on.
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

    /// An incident is to be looked at: something about it was told, or was not.
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
