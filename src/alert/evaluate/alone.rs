//! A process of a fleet that cannot reach the others: it tells what fails in its own region, under keys of its own, and hands that in when
//! it reaches them again.
//!
//! Owns going on alone, starting alone, and the way back; what is handed in is `handed_in`'s. What it tells meanwhile goes to its journal
//! (`rows`), with how the rules of its canaries stand, so that the next process knows both where this one dies.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::history::{StartState, StateRow};
use crate::plan::{Alerting, Plan};

use super::super::scope_records::ScopeRecords;
use super::super::view::Ended;
use super::fleet::Role;
use super::{Evaluator, Facts, HandingIn};

/// How long a process that reaches the others again has to end what it told alone.
const REJOINS: Duration = Duration::from_mins(1);

impl Evaluator {
    /// The store has not answered since then: what fails in this region is told by this process, whoever tells of it besides.
    pub fn alone(&mut self, since: Duration, now: Moment) {
        self.becomes(Role::Alone(since), now);
        let rows = self.conditions.all_rows(now);
        self.mirrored.get_or_insert_default().extend(rows.iter().map(|row| (row.kind, row.key.clone())));
        self.dirty.commit.states.extend(rows);
        // No number that the fleet has used is known here; keys begin with the region.
        self.records = ScopeRecords::restore(&[], true, now.steady);
        for fact in self.conditions.facts() {
            self.put(&fact.key.clone(), Some(fact));
        }
        self.say_roots(now);
    }

    /// The evaluator of a process that starts while the store of the fleet cannot be reached. `remembered` is what an earlier process
    /// told alone.
    pub fn starting_alone(plan: &Arc<Plan>, alerting: &Arc<Alerting>, remembered: &StartState, now: Moment) -> Self {
        let role = Role::Alone(now.steady);
        let alerting = role.alerting(plan, alerting);
        let mut evaluator = Self::restored(plan, &alerting, remembered, role, now);
        evaluator.records = ScopeRecords::restore(&remembered.states, true, now.steady);
        evaluator.handing_in = HandingIn::by_journal();
        evaluator
    }

    /// The store answers again, and the fleet tells from now on of what this process told alone. `hands_in`: whoever evaluates goes on with
    /// that; else it ends here, since what this process writes is not taken any more.
    pub fn rejoins(&mut self, hands_in: bool, now: Moment) {
        if !matches!(self.role, Role::Alone(_)) {
            return;
        }
        if hands_in {
            self.leave_told(now);
        } else {
            self.keep_told();
        }
        self.role = Role::Rejoins(now.steady + REJOINS);
        // What was refused while it was cut off is tried at once.
        self.delivery.ask_again();
        self.facts = Facts::default();
        self.pending.touched.clear();
        for scope in self.incidents.open.keys().cloned().collect::<Vec<_>>() {
            if let Some(mut incident) = self.incidents.open.remove(&scope) {
                // The fleet tells what is still due.
                for told in incident.told.values_mut() {
                    (told.due, told.page_due, told.missed) = (None, None, false);
                    if hands_in {
                        told.open.clear();
                    }
                }
                let id = incident.id.clone();
                self.ends(incident, None, now);
                if let Some(end) = self.incidents.ended.get_mut(&id).and_then(|incident| incident.end.as_mut()) {
                    end.how = Ended::Continues(scope.to_string());
                }
            }
        }
    }

    /// Whether this process may send without being certain of a lease.
    pub fn speaks_alone(&self) -> bool {
        matches!(self.role, Role::Single | Role::Alone(_) | Role::Rejoins(_))
    }

    /// Once all is ended that this process told alone, or there is no more time for it, it reports as before. Returns what leaves the
    /// journal then.
    pub(super) fn rejoined(&mut self, now: Moment) -> Vec<StateRow> {
        let Some(until) = self.role.until() else { return Vec::new() };
        if until <= now.steady || self.incidents.ended.is_empty() {
            let told = self.incidents.ended.values().flat_map(|incident| &incident.told);
            for (channel, open) in told.flat_map(|(channel, told)| told.open.iter().map(move |open| (channel, open))) {
                tracing::error!(
                    channel = &**channel,
                    key = open.key,
                    "what this process told alone could not be ended; end it by hand"
                );
            }
            self.stand_down(now);
            let mirrored = self.mirrored.take().unwrap_or_default().into_iter();
            return mirrored.map(|(kind, key)| StateRow { kind, key, json: None }).collect();
        }
        Vec::new()
    }
}
