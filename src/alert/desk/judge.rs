//! What is to be done about an incident that was touched: tell, attach, hold or end.
//!
//! | incident | what follows |
//! |---|---|
//! | no problem any more | ends; held open first while its scope flaps |
//! | muted by `alert.page = false` | nothing |
//! | not told at its level, covered by what the probe needs | attached: nobody is told |
//! | not told at its level | told under a new key, or under its key when it only became worse |
//! | somebody new in a region or cell that was not named | told again; under a new key if acknowledged or told long ago |
//! | critical | told under a key of its own, until it is not for a whole window |
//! | told long ago, unacknowledged, with `alert.remind` | told again |

use std::time::Duration;

use crate::alert::incident::{Critical, Incident, Root};
use crate::alert::{Moment, Occasion, Scope};
use crate::plan::{CriticalRule, Severity};

use super::Desk;
use super::join::row;
use super::send::Ring;

/// What the plan says of an incident.
#[derive(Debug, Clone, Copy)]
struct Policy {
    muted: bool,
    remind: Option<Duration>,
    critical: Option<CriticalRule>,
}

impl Desk {
    /// Judges an incident, and puts it on the agenda for when it is to be judged though nothing happens.
    pub(super) fn judge(&mut self, scope: &Scope, now: Moment) {
        // It is taken out so that the others can be looked at meanwhile; it does not explain itself.
        let Some(mut incident) = self.incidents.remove(scope) else { return };
        if let Some(at) = incident.due.take() {
            self.agenda.remove(&(at, scope.clone()));
        }
        let policy = self.policy(scope);
        let mut due = self.judge_critical(&mut incident, policy, now);
        if incident.level.is_none() {
            let quiet = incident.quiet.unwrap_or(now.steady);
            let hold = self.pasts.get(&scope.to_string()).map_or(Duration::ZERO, |past| past.hold(&self.alerting.flapping, now));
            if now.steady >= quiet + hold {
                return self.close(incident, "everything in it is well again", now);
            }
            due = due.into_iter().chain([quiet + hold]).min();
        } else if !policy.muted {
            due = due.into_iter().chain(self.tell(&mut incident, policy, now)).min();
        }
        if let Some(at) = due {
            self.agenda.insert((at, scope.clone()));
        }
        incident.due = due;
        self.incidents.insert(scope.clone(), incident);
    }

    fn policy(&self, scope: &Scope) -> Policy {
        let alert = scope.probe().and_then(|probe| self.probes.get(probe)).map(|watched| &watched.probe.alert);
        let muted = match scope {
            Scope::Blind(_) => !self.alerting.blind.page,
            Scope::Probe(_)
            | Scope::Subject(..)
            | Scope::Subjects(_)
            | Scope::Budget(_)
            | Scope::Latency(_)
            | Scope::Leak(_)
            | Scope::Test => alert.is_some_and(|alert| !alert.page),
        };
        let critical = if matches!(scope, Scope::Probe(_)) { alert.and_then(|alert| alert.critical) } else { None };
        Policy { muted, remind: alert.and_then(|alert| alert.remind), critical }
    }

    /// Tells whom it concerns of an incident with a problem. Says when there is more to do though nothing happens.
    fn tell(&mut self, incident: &mut Incident, policy: Policy, now: Moment) -> Option<Duration> {
        let level = incident.level?;
        let mut due = None;
        if !incident.keys.reached(level) {
            if let Some(roots) = self.covering(incident) {
                self.attach(incident, roots, now);
                return None;
            }
            self.detach(incident, now);
            // What was told as worth a look by day and is a page now: who acknowledged that did not acknowledge this.
            let anew = incident.keys.page().is_none() || incident.acknowledged.is_some();
            self.ring(incident, Ring { occasion: Occasion::Opened, severity: level, anew }, now);
        } else if incident.members.has_newcomers() {
            let earliest = incident.keys.next_spread();
            if now.steady < earliest {
                due = Some(earliest);
            } else {
                let stale = incident.keys.is_stale(now.steady);
                incident.keys.spreads = if stale { 0 } else { incident.keys.spreads + 1 };
                let anew = stale || incident.acknowledged.is_some();
                self.ring(incident, Ring { occasion: Occasion::Spread, severity: level, anew }, now);
            }
        }
        if incident.critical.is_some() && incident.keys.critical().is_none() {
            self.ring_critical(incident, now);
        }
        due.into_iter().chain(self.remind(incident, policy, level, now)).min()
    }

    fn remind(&mut self, incident: &mut Incident, policy: Policy, level: Severity, now: Moment) -> Option<Duration> {
        let pause = policy.remind.filter(|_| incident.acknowledged.is_none())?;
        let at = incident.keys.last? + pause;
        if now.steady < at {
            return Some(at);
        }
        self.ring(incident, Ring { occasion: Occasion::Reminder, severity: level, anew: false }, now);
        Some(now.steady + pause)
    }

    /// Becomes critical at once, and is no longer critical after a whole window in which it would not have been.
    fn judge_critical(&mut self, incident: &mut Incident, policy: Policy, now: Moment) -> Option<Duration> {
        let regions = incident.scope.probe().and_then(|probe| self.probes.get(probe)).map(|watched| &watched.regions);
        let paging = incident.level.is_some_and(|level| level >= Severity::Page);
        let holds = regions.is_some_and(|regions| regions.is_critical(policy.critical.as_ref(), paging, now));
        let within = policy.critical.map_or(Duration::ZERO, |rule| rule.within);
        let before = incident.critical;
        let mut due = None;
        if holds {
            incident.critical = Some(Critical { lost: None });
            due = regions.and_then(|regions| regions.due(within, now));
        } else if let Some(critical) = &mut incident.critical {
            let lost = *critical.lost.get_or_insert(now.steady);
            if now.steady >= lost + within {
                incident.critical = None;
                self.resolve_critical(incident, now);
            } else {
                due = Some(lost + within);
            }
        }
        if incident.critical != before {
            self.changed.insert(incident.scope.clone());
            let text = match (before, incident.critical) {
                (None, Some(_)) => Some(("critical", "enough regions have a failed run for it to be critical")),
                (Some(_), None) => Some(("less_severe", "it is no longer critical")),
                (None, None) | (Some(_), Some(_)) => None,
            };
            incident.worst = if incident.critical.is_some() { Severity::Critical } else { incident.worst };
            self.commit.timeline.extend(text.map(|(what, text)| row(&incident.id, what, text.to_owned(), now)));
        }
        due
    }

    /// Nobody is told of the incident as long as these explain it.
    fn attach(&mut self, incident: &mut Incident, roots: Vec<Root>, now: Moment) {
        if incident.attached == roots {
            return;
        }
        self.unlink(incident);
        for root in &roots {
            self.attached.entry(root.scope.clone()).or_default().insert(incident.scope.clone());
            if !incident.attached.contains(root) {
                let text = format!("attached to {} (incident {}), whose page stands for it", root.scope, root.incident);
                self.commit.timeline.push(row(&incident.id, "attached", text, now));
                let text = format!("{} (incident {}) is attached to it", incident.scope, incident.id);
                self.commit.timeline.push(row(&root.incident, "explains", text, now));
            }
        }
        incident.attached = roots;
        self.changed.insert(incident.scope.clone());
    }

    /// Nothing explains the incident any more.
    fn detach(&mut self, incident: &mut Incident, now: Moment) {
        if incident.attached.is_empty() {
            return;
        }
        self.unlink(incident);
        let roots: Vec<String> = std::mem::take(&mut incident.attached).iter().map(|root| root.scope.to_string()).collect();
        let text = format!("it goes on though {} no longer explains it", roots.join(", "));
        incident.note(text.clone());
        self.commit.timeline.push(row(&incident.id, "detached", text, now));
        self.changed.insert(incident.scope.clone());
    }

    /// The incidents that explain it forget it.
    pub(super) fn unlink(&mut self, incident: &Incident) {
        for root in &incident.attached {
            if let Some(attached) = self.attached.get_mut(&root.scope) {
                attached.remove(&incident.scope);
                if attached.is_empty() {
                    self.attached.remove(&root.scope);
                }
            }
        }
    }

    /// Something changed about an incident that may explain others: those are judged too.
    pub(super) fn touch_attached(&mut self, root: &Scope) {
        if let Some(attached) = self.attached.get(root) {
            self.touched.extend(attached.iter().cloned());
        }
    }
}
