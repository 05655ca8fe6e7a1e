//! A desk with a clock, a store and channels made by hand, and the sentences about it.

mod chance;
mod incidents;
mod needs;
mod restart;
mod sources;
mod storm;
mod telling;
mod together;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::alert::testing::{cause, moment_ms, probe, run, step};
use crate::alert::{Action, Notice};
use crate::history::{DeliveryState, IncidentRow, KeptState, MessageRow, Remembered, TimelineRow};
use crate::outcome::{Cause, Reason, RunReport, StepReport, Trigger};
use crate::plan::{AlertPolicy, Cell, CellValue, Channel, ChannelKind, Limits, Probe, Region, Severity};

/// A message as a test reads it: `trigger opened probe/p/1`.
pub(super) type Line = String;

/// A desk in a world where messages arrive unless a test says otherwise.
pub(super) struct World {
    pub(super) desk: Desk,
    pub(super) plan: Arc<Plan>,
    pub(super) alerting: Arc<Alerting>,
    pub(super) millis: u64,
    pub(super) wall_hours: i64,
    pub(super) order: u64,
    pub(super) arrives: bool,
    pub(super) sent: Vec<(String, Notice)>,
    pub(super) timeline: Vec<TimelineRow>,
    pub(super) states: BTreeMap<(String, String), String>,
    pub(super) rows: BTreeMap<String, IncidentRow>,
    /// The outbox as the store has it.
    pub(super) messages: Vec<MessageRow>,
}

/// A probe's name and policy, where it runs, and the values of its matrix key `platform`.
pub(super) fn named(name: &str, alert: AlertPolicy) -> Probe {
    Probe { name: name.into(), ..probe(vec![step("s", false)], alert) }
}

/// Probes in regions, with a canary for each platform, or one without a matrix.
pub(super) fn plan(probes: Vec<Probe>, regions: &[&str], platforms: &[&str]) -> Plan {
    let regions: Vec<Arc<Region>> =
        regions.iter().map(|name| Arc::new(Region { name: (*name).into(), vars: Vec::new() })).collect();
    let probes: Vec<Arc<Probe>> = probes.into_iter().map(Arc::new).collect();
    let cell = |platform: &&str| Cell(vec![("platform".into(), CellValue::Text((*platform).into()))]);
    let cells: Vec<Cell> = if platforms.is_empty() { vec![Cell::default()] } else { platforms.iter().map(cell).collect() };
    let mut canaries = Vec::new();
    for probe in &probes {
        for region in &regions {
            for cell in &cells {
                canaries.push(Arc::new(Canary {
                    id: CanaryId::new(&probe.name, &region.name, cell),
                    probe: Arc::clone(probe),
                    region: Arc::clone(region),
                    cell: Arc::new(cell.clone()),
                }));
            }
        }
    }
    canaries.sort_by(|a, b| a.id.cmp(&b.id));
    Plan {
        known_regions: regions.iter().map(|region| Arc::clone(&region.name)).collect(),
        regions,
        maintenance: Vec::new(),
        probes,
        canaries,
        secrets: BTreeMap::new(),
        limits: Limits::default(),
    }
}

pub(super) fn channel(name: &str, least: Severity) -> Arc<Channel> {
    let kind = ChannelKind::PagerDuty { routing_key: "key".into(), url: "http://localhost".to_owned() };
    Arc::new(Channel { name: name.into(), least, wakes: true, timeout: Duration::from_secs(10), kind })
}

/// One channel, `pager`, that takes everything.
pub(super) fn alerting() -> Alerting {
    Alerting { channels: vec![channel("pager", Severity::Warn)], ..Alerting::default() }
}

pub(super) fn world(plan: Plan, alerting: Alerting) -> World {
    let (plan, alerting) = (Arc::new(plan), Arc::new(alerting));
    let (desk, effects) = Desk::new(Arc::clone(&plan), Arc::clone(&alerting), Remembered::default(), moment_ms(0, 0));
    assert!(effects.commit.incidents.is_empty());
    World {
        desk,
        plan,
        alerting,
        millis: 0,
        wall_hours: 0,
        order: 0,
        arrives: true,
        sent: Vec::new(),
        timeline: Vec::new(),
        states: BTreeMap::new(),
        rows: BTreeMap::new(),
        messages: Vec::new(),
    }
}

/// The probe `p` with the usual policy in these regions.
pub(super) fn usual(regions: &[&str]) -> World {
    world(plan(vec![named("p", AlertPolicy::default())], regions, &[]), alerting())
}

impl World {
    pub(super) fn now(&self) -> Moment {
        moment_ms(self.millis, self.wall_hours)
    }

    pub(super) fn tell(&mut self, event: Event) -> Effects {
        let effects = self.desk.handle(event, self.now());
        self.take(effects.clone());
        effects
    }

    fn take(&mut self, effects: Effects) {
        let commit = effects.commit;
        for state in commit.states {
            let key = (state.kind.to_owned(), state.key);
            match state.json {
                Some(json) => self.states.insert(key, json),
                None => self.states.remove(&key),
            };
        }
        for row in commit.incidents {
            self.rows.insert(row.id.clone(), row);
        }
        self.timeline.extend(commit.timeline);
        let mut arrived = Vec::new();
        for message in commit.messages {
            let state = if self.arrives { DeliveryState::Delivered } else { DeliveryState::Pending };
            self.messages.push(MessageRow { state, ..message.clone() });
            let notice: Notice = serde_json::from_str(&message.notice).unwrap();
            arrived.push(Event::Delivered {
                message: message.id.clone(),
                incident: message.incident.clone(),
                key: message.key.clone(),
                channel: message.channel.as_str().into(),
                action: notice.action,
            });
            self.sent.push((message.channel, notice));
        }
        if self.arrives {
            for event in arrived {
                self.tell(event);
            }
        }
    }

    /// Time passes; the desk is woken whenever it asked to be.
    pub(super) fn pass(&mut self, seconds: u64) {
        let end = self.millis + seconds * 1_000;
        let begin = moment_ms(0, 0).steady;
        while let Some(due) = self.desk.due() {
            let at = u64::try_from(due.saturating_sub(begin).as_millis()).unwrap();
            if at > end {
                break;
            }
            self.millis = self.millis.max(at);
            self.tell(Event::Clock);
            assert!(self.desk.due().is_none_or(|next| next > self.now().steady), "it asks again for what it has just done");
        }
        self.millis = end;
    }

    pub(super) fn report(&mut self, id: &str, verdict: Verdict, reason: Reason) -> RunReport {
        self.order += 1;
        let canary = Arc::clone(self.plan.canaries.iter().find(|canary| canary.id.as_str() == id).unwrap());
        let cause = (verdict != Verdict::Passed).then(|| cause(reason, "s", None));
        run(&canary, self.order, verdict, cause, Vec::new())
    }

    pub(super) fn passes(&mut self, id: &str) {
        let report = self.report(id, Verdict::Passed, Reason::Expectation);
        self.tell(Event::Run(Arc::new(report)));
    }

    pub(super) fn fails(&mut self, id: &str) {
        let report = self.report(id, Verdict::Failed, Reason::Expectation);
        self.tell(Event::Run(Arc::new(report)));
    }

    /// A run in which only these subjects were found; those that failed.
    pub(super) fn finds(&mut self, id: &str, steps: Vec<StepReport>, cause: Option<Cause>) {
        self.order += 1;
        let canary = Arc::clone(self.plan.canaries.iter().find(|canary| canary.id.as_str() == id).unwrap());
        let verdict = if cause.is_some() { Verdict::Failed } else { Verdict::Passed };
        let report = run(&canary, self.order, verdict, cause, steps);
        self.tell(Event::Run(Arc::new(report)));
    }

    /// It fails until it is at page level, a minute apart.
    pub(super) fn breaks(&mut self, id: &str) {
        self.fails(id);
        self.pass(60);
        self.fails(id);
    }

    /// It passes until it is well again, a minute apart.
    pub(super) fn heals(&mut self, id: &str) {
        for _ in 0..3 {
            self.pass(60);
            self.passes(id);
        }
    }

    /// What was sent since the last time somebody asked.
    pub(super) fn lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.sent).iter().map(|(_, notice)| line(notice)).collect()
    }

    /// The same with the channels.
    pub(super) fn letters(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.sent).iter().map(|(channel, notice)| format!("{channel}: {}", line(notice))).collect()
    }

    pub(super) fn incident(&self, scope: &str) -> Option<IncidentStatus> {
        self.desk.status(self.now()).incidents.into_iter().find(|incident| incident.scope == scope)
    }

    pub(super) fn story(&self, what: &str) -> Vec<&str> {
        self.timeline.iter().filter(|row| row.what == what).map(|row| row.text.as_str()).collect()
    }

    pub(super) fn remembered(&self) -> Remembered {
        let kept = |((kind, key), json): (&(String, String), &String)| KeptState {
            kind: kind.clone(),
            key: key.clone(),
            json: json.clone(),
        };
        Remembered {
            states: self.states.iter().map(kept).collect(),
            incidents: self.rows.values().cloned().collect(),
            messages: self.outbox(DeliveryState::Pending),
            told: self.outbox(DeliveryState::Delivered),
            ..Remembered::default()
        }
    }

    fn outbox(&self, state: DeliveryState) -> Vec<MessageRow> {
        self.messages.iter().filter(|message| message.state == state).cloned().collect()
    }

    /// The process begins again with what was written.
    pub(super) fn restart(&mut self) {
        let remembered = self.remembered();
        let (desk, effects) = Desk::new(Arc::clone(&self.plan), Arc::clone(&self.alerting), remembered, self.now());
        self.desk = desk;
        self.order = 0;
        self.take(effects);
    }

    pub(super) fn reload(&mut self, plan: Plan, alerting: Alerting) {
        self.plan = Arc::new(plan);
        self.alerting = Arc::new(alerting);
        self.tell(Event::Plan(Arc::clone(&self.plan), Arc::clone(&self.alerting)));
    }
}

fn line(notice: &Notice) -> Line {
    let word = |json: serde_json::Value| json.as_str().unwrap().to_owned();
    let action = word(serde_json::to_value(notice.action).unwrap());
    let occasion = word(serde_json::to_value(notice.occasion).unwrap());
    format!("{action} {occasion} {}", notice.key)
}
