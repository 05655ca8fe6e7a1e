//! Tables, outages and random histories of delivery, with channels whose answers the test decides.

mod outages;
mod random;
mod tables;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::*;
use crate::alert::Scope;
use crate::alert::tries::{About, Cover, Refusal, RefusalKind};
use crate::plan::{ReceiverKind, Severity};

fn at(second: u64) -> Moment {
    let steady = Duration::from_secs(1_000_000 + second);
    Moment { steady, wall: SystemTime::UNIX_EPOCH + steady }
}

fn policy(name: &str, receiver: ReceiverKind) -> ChannelPolicy {
    ChannelPolicy { name: name.into(), kind: "slack", receiver, wakes: true }
}

/// A notification about the scope that the incident's name begins with, up to a dot.
fn notification(incident: &str, what: Action, severity: Severity, since: u64) -> Notification {
    let scope = Scope::Probe(incident.split('.').next().unwrap_or(incident).into());
    Notification { scope, incident: incident.into(), what, severity, since: at(since).steady }
}

fn page(incident: &str, since: u64) -> Notification {
    notification(incident, Action::Ring, Severity::Page, since)
}

fn refused(kind: RefusalKind) -> Outcome {
    Outcome::Refused(Refusal { message: format!("it was refused: {kind:?}"), kind })
}

fn unknown() -> Outcome {
    Outcome::Unknown(Refusal { message: "no answer".into(), kind: RefusalKind::Unreachable })
}

/// Delivery with an evaluator that makes a try of each grant at once.
struct Bench {
    delivery: Delivery,
    made: usize,
    in_flight: BTreeMap<String, Try>,
    facts: Vec<Fact>,
    /// How tries are spread.
    chance: f64,
}

/// What left: the channel and the incidents, or the id of what was repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Left {
    id: String,
    channel: Arc<str>,
    what: Action,
    incidents: Vec<String>,
    shortest: bool,
    repeated: bool,
}

impl Bench {
    fn new(channels: &[(&str, ReceiverKind)]) -> Self {
        let channels = channels.iter().map(|(name, receiver)| policy(name, *receiver));
        Self { delivery: Delivery::new(channels, at(0)), made: 0, in_flight: BTreeMap::new(), facts: Vec::new(), chance: 1.0 }
    }

    fn enqueue(&mut self, notifications: impl IntoIterator<Item = Notification>) {
        for notification in notifications {
            self.delivery.enqueue("a", notification);
        }
    }

    /// All that may leave now.
    fn round(&mut self, now: Moment) -> Vec<Left> {
        let mut left = Vec::new();
        for Repeat { attempt, shortest } in self.delivery.repeats(now) {
            left.push(Left { repeated: true, ..of(&attempt, shortest) });
            assert!(self.in_flight.insert(attempt.id.clone(), attempt).is_none(), "it is on its way already");
        }
        while let Some(grant) = self.delivery.next(now) {
            let (channel, what, notifications, shortest) = match grant {
                Grant::One { channel, notification, shortest } => (channel, notification.what, vec![notification], shortest),
                Grant::Gathered { channel, what, notifications, shortest } => (channel, what, notifications, shortest),
            };
            let attempt = self.make(channel, what, &notifications, now);
            left.push(of(&attempt, shortest));
            self.in_flight.insert(attempt.id.clone(), attempt.clone());
            self.delivery.leaves(attempt, now);
        }
        self.facts.extend(self.delivery.facts(now));
        assert!(self.delivery.due().is_none_or(|due| due > now.steady), "it asks to be asked again at once: it would spin");
        left
    }

    fn make(&mut self, channel: Arc<str>, what: Action, notifications: &[Notification], now: Moment) -> Try {
        self.made += 1;
        let about = notifications.iter().map(|notification| {
            let (except, regions, reasons) = Default::default();
            let cover = Cover {
                severity: notification.severity,
                revision: 1,
                at: now.steady,
                except,
                suspects: std::collections::BTreeSet::new(),
                regions,
                reasons,
            };
            About {
                incident: notification.incident.clone(),
                scope: notification.scope.clone(),
                cover: (what == Action::Ring).then_some(cover),
            }
        });
        Try {
            id: format!("t{:05}", self.made),
            channel,
            what,
            key: "k/1".into(),
            about: about.collect(),
            made: now.steady,
            labels: Vec::new(),
            message: String::new(),
            attempts: 1,
        }
    }

    fn land(&mut self, id: &str, outcome: &Outcome, now: Moment) -> Completed {
        let attempt = self.in_flight.remove(id).expect("it is on its way");
        self.delivery.completed(&attempt.channel, id, outcome, self.chance, now)
    }

    /// Until nothing may leave any more now: all that leaves lands at once, each as `answer` says. Gives how many left.
    fn settle(&mut self, now: Moment, answer: impl Fn(&Left) -> Outcome) -> usize {
        let mut count = 0;
        loop {
            let left = self.round(now);
            if left.is_empty() {
                return count;
            }
            count += left.len();
            for left in left {
                self.land(&left.id, &answer(&left), now);
            }
        }
    }

    /// Lands all in flight.
    fn land_all(&mut self, outcome: &Outcome, now: Moment) -> Vec<Completed> {
        let ids: Vec<String> = self.in_flight.keys().cloned().collect();
        ids.iter().map(|id| self.land(id, outcome, now)).collect()
    }
}

fn of(attempt: &Try, shortest: bool) -> Left {
    let incidents = attempt.about.iter().map(|about| about.incident.clone()).collect();
    let (id, channel) = (attempt.id.clone(), Arc::clone(&attempt.channel));
    Left { id, channel, what: attempt.what, incidents, shortest, repeated: false }
}

fn names(left: &[Left]) -> Vec<String> {
    left.iter().map(|left| left.incidents.join("+")).collect()
}
