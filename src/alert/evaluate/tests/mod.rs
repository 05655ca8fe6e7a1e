//! The rules of alerting, sentence by sentence, on the whole evaluator with receivers that answer at once.

mod ack;
mod ends;
mod flapping;
mod fleet;
mod gone;
mod lost;
mod muted;
mod needs;
mod no_data;
mod objectives;
mod others;
mod regressions;
mod restart;
mod rings;
mod routes;
mod storm;
mod subjects;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::super::message::Message;
use super::super::muting::Paused;
use super::super::simulation::store::Tables;
use super::super::tries::{Action, Outcome, Refusal, RefusalKind};
use super::{Effects, Evaluator, Event};
use crate::alert::testing::{cause, moment_ms, plan, probe, run};
use crate::history::StartState;
use crate::outcome::{Cause, Reason, StepReport, Trigger, Verdict};
use crate::plan::{AlertPolicy, Alerting, CanaryId, Channel, ChannelKind, Plan, Probe, Route, Severity};

/// A try as a receiver saw it.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    /// Seconds since the beginning.
    pub(super) at: u64,
    pub(super) channel: String,
    pub(super) id: String,
    pub(super) what: Action,
    pub(super) message: Message,
}

/// The evaluator with its receivers. A tick is a minute, and so is the interval of the probes.
pub(super) struct Bench {
    pub(super) evaluator: Evaluator,
    pub(super) plan: Arc<Plan>,
    pub(super) alerting: Arc<Alerting>,
    /// Milliseconds since the beginning.
    now: u64,
    order: u64,
    pub(super) heard: Vec<Heard>,
    /// What a channel answers; taken if absent.
    pub(super) answers: HashMap<String, Outcome>,
    /// Canaries whose next run is to be brought forward, and since when.
    pub(super) wanted: Vec<(u64, String)>,
    /// Channels that do not answer yet, and their tries in flight.
    pub(super) slow: BTreeSet<String>,
    in_flight: Vec<(Arc<str>, String)>,
    /// What was written.
    pub(super) store: Tables,
    /// The incidents that are shown outside, by scope.
    pub(super) shown: BTreeMap<String, Severity>,
}

pub(super) fn refuses() -> Outcome {
    Outcome::Refused(Refusal { message: "no".to_owned(), kind: RefusalKind::Unreachable })
}

pub(super) fn unknown() -> Outcome {
    Outcome::Unknown(Refusal { message: "no answer".to_owned(), kind: RefusalKind::Unreachable })
}

pub(super) fn chat(name: &str) -> Arc<Channel> {
    let kind = ChannelKind::Slack { url: "hook".into(), channel: None };
    Arc::new(Channel { name: name.into(), least: Severity::Warn, wakes: false, timeout: Duration::from_secs(10), kind })
}

pub(super) fn pagerduty(name: &str) -> Arc<Channel> {
    let kind = ChannelKind::PagerDuty { routing_key: "key".into(), url: "https://events.example.com".to_owned() };
    Arc::new(Channel { name: name.into(), least: Severity::Warn, wakes: true, timeout: Duration::from_secs(10), kind })
}

pub(super) fn route(channels: &[&str]) -> Route {
    Route {
        severities: Vec::new(),
        owners: Vec::new(),
        tags: Vec::new(),
        regions: Vec::new(),
        probes: Vec::new(),
        channels: channels.iter().map(|name| Arc::from(*name)).collect(),
    }
}

/// These canaries are paused, and no others.
pub(super) fn paused(ids: &[&str]) -> Event {
    let one = Paused { by: "ann".into(), why: None, until_ms: None };
    Event::Paused(ids.iter().map(|id| (CanaryId::read_back(id), one.clone())).collect())
}

/// A probe that is never critical, so that each rule can be looked at by itself.
pub(super) fn quiet(name: &str) -> Probe {
    let alert = AlertPolicy { critical: None, ..AlertPolicy::default() };
    Probe { name: name.into(), ..probe(Vec::new(), alert) }
}

impl Bench {
    pub(super) fn new(probes: Vec<Probe>, regions: &[&str], alerting: Alerting) -> Self {
        let (plan, alerting) = (plan(probes, regions), Arc::new(alerting));
        let now = moment_ms(0, 0);
        let evaluator = Evaluator::new(&plan, &alerting, &StartState::default(), now);
        Self {
            evaluator,
            plan,
            alerting,
            now: 0,
            order: 0,
            heard: Vec::new(),
            answers: HashMap::new(),
            wanted: Vec::new(),
            slow: BTreeSet::new(),
            in_flight: Vec::new(),
            store: Tables::default(),
            shown: BTreeMap::new(),
        }
    }

    /// The probe `p` in these regions, told to one chat.
    pub(super) fn chat(regions: &[&str]) -> Self {
        let alerting = Alerting { channels: vec![chat("chat")], ..Alerting::default() };
        Self::new(vec![quiet("p")], regions, alerting)
    }

    pub(super) fn take(&mut self, event: Event) {
        self.evaluator.take(event, moment_ms(self.now, 0));
        self.settle();
    }

    fn settle(&mut self) {
        for _ in 0..1_000 {
            let now = moment_ms(self.now, 0);
            let Effects { tries, wanted, commit, scopes, .. } = self.evaluator.finish(now);
            self.store.write(commit);
            for (scope, severity) in scopes {
                match severity {
                    Some(severity) => self.shown.insert(scope.to_string(), severity),
                    None => self.shown.remove(&scope.to_string()),
                };
            }
            self.wanted.extend(wanted.iter().map(|id| (self.now / 1_000, id.to_string())));
            if tries.is_empty() {
                return;
            }
            for outgoing in tries {
                let channel = Arc::clone(&outgoing.attempt.channel);
                let outcome = self.answers.get(&*channel).cloned().unwrap_or(Outcome::Taken);
                let (at, what, message) = (self.now / 1_000, outgoing.attempt.what, outgoing.message);
                let id = outgoing.attempt.id;
                self.heard.push(Heard { at, channel: channel.to_string(), id: id.clone(), what, message });
                if self.slow.contains(&*channel) {
                    self.in_flight.push((channel, id));
                    continue;
                }
                let event = Event::Completed { channel, id, outcome, chance: 0.5 };
                self.evaluator.take(event, now);
            }
        }
        panic!("it never comes to rest");
    }

    /// Completes all tries in flight.
    pub(super) fn land(&mut self, outcome: &Outcome) {
        self.slow.clear();
        for (channel, id) in std::mem::take(&mut self.in_flight) {
            self.take(Event::Completed { channel, id, outcome: outcome.clone(), chance: 0.5 });
        }
    }

    /// The process dies with its tries in flight, and another takes over.
    pub(super) fn restart(&mut self) -> &mut Self {
        self.restart_with(&[])
    }

    /// The same, while these canaries are paused.
    pub(super) fn restart_with(&mut self, pauses: &[&str]) -> &mut Self {
        self.in_flight.clear();
        self.evaluator = Evaluator::new(&self.plan, &self.alerting, &self.store.remembered(), moment_ms(self.now, 0));
        self.take(paused(pauses));
        self
    }

    /// These channels hold from now on, without routes.
    pub(super) fn channels(&mut self, channels: Vec<Arc<Channel>>) -> &mut Self {
        self.alerting = Arc::new(Alerting { channels, ..Alerting::default() });
        let (plan, alerting) = (Arc::clone(&self.plan), Arc::clone(&self.alerting));
        self.take(Event::Plan { plan, alerting, found: false });
        self
    }

    /// Nothing is probed any more but something else.
    pub(super) fn unplan(&mut self, regions: &[&str], found: bool) {
        self.plan = plan(vec![quiet("q")], regions);
        let (plan, alerting) = (Arc::clone(&self.plan), Arc::clone(&self.alerting));
        self.take(Event::Plan { plan, alerting, found });
    }

    /// Lets time pass to so many seconds after the beginning.
    pub(super) fn at(&mut self, seconds: u64) -> &mut Self {
        let until = seconds * 1_000;
        assert!(until >= self.now, "time goes on");
        loop {
            let now = moment_ms(self.now, 0);
            let due = self.evaluator.due(now).map(|due| due.saturating_sub(now.steady));
            let wait = due.map_or(u64::MAX, |due| u64::try_from(due.as_millis()).unwrap_or(u64::MAX));
            // What is due at once was settled, but for what waits a fraction of a millisecond.
            let next = self.now.saturating_add(wait.max(1));
            if next > until {
                break;
            }
            self.now = next;
            self.settle();
        }
        self.now = until;
        self.settle();
        self
    }

    fn run(&mut self, id: &str, verdict: Verdict) -> &mut Self {
        self.run_for(id, verdict, Reason::Expectation)
    }

    pub(super) fn run_for(&mut self, id: &str, verdict: Verdict, reason: Reason) -> &mut Self {
        let why = (verdict == Verdict::Failed).then(|| cause(reason, "a", None));
        self.ends(id, (verdict, Trigger::Schedule), why, Vec::new())
    }

    /// A run ends now, and took no time.
    pub(super) fn ends(
        &mut self,
        id: &str,
        (verdict, trigger): (Verdict, Trigger),
        why: Option<Cause>,
        steps: Vec<StepReport>,
    ) -> &mut Self {
        let canary = self.plan.canaries.iter().find(|canary| canary.id.as_str() == id).expect("it is planned");
        self.order += 1;
        let mut report = run(canary, self.order, verdict, why, steps);
        report.trigger = trigger;
        self.take(Event::Run(Arc::new(report)));
        self
    }

    /// A run that was brought forward fails, or passes.
    pub(super) fn answers(&mut self, id: &str, failed: bool) -> &mut Self {
        let verdict = if failed { Verdict::Failed } else { Verdict::Passed };
        self.ends(id, (verdict, Trigger::Needed), failed.then(|| cause(Reason::Expectation, "a", None)), Vec::new())
    }

    /// A tick has no result, for this reason.
    pub(super) fn misses(&mut self, id: &str, reason: Reason) -> &mut Self {
        self.ends(id, (Verdict::of(reason), Trigger::Schedule), Some(cause(reason, "a", None)), Vec::new())
    }

    /// The message that came last to a channel.
    pub(super) fn last(&self, channel: &str) -> &Heard {
        self.heard.iter().rev().find(|heard| heard.channel == channel).expect("something came")
    }

    pub(super) fn fail(&mut self, id: &str) -> &mut Self {
        self.run(id, Verdict::Failed)
    }

    pub(super) fn pass(&mut self, id: &str) -> &mut Self {
        self.run(id, Verdict::Passed)
    }

    /// A canary fails twice, a minute apart, from this second on.
    pub(super) fn breaks(&mut self, from: u64, id: &str) -> &mut Self {
        self.at(from).fail(id).at(from + 60).fail(id)
    }

    /// A canary passes so often that it is well: three times, a minute apart.
    pub(super) fn mends(&mut self, from: u64, id: &str) -> &mut Self {
        self.at(from).pass(id).at(from + 60).pass(id).at(from + 120).pass(id)
    }

    /// When rings came to a channel, and what they said.
    pub(super) fn rings(&self, channel: &str) -> Vec<(u64, String)> {
        let rings = self.heard.iter().filter(|heard| heard.channel == channel && heard.what == Action::Ring);
        rings.map(|heard| (heard.at, heard.message.title.clone())).collect()
    }

    /// When something else came to a channel.
    pub(super) fn came(&self, channel: &str, what: Action) -> Vec<u64> {
        self.heard.iter().filter(|heard| heard.channel == channel && heard.what == what).map(|heard| heard.at).collect()
    }

    pub(super) fn ring_times(&self, channel: &str) -> Vec<u64> {
        self.came(channel, Action::Ring)
    }
}
