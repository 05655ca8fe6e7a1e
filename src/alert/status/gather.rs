//! Makes the status from what the evaluator knows.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Failure, Moment};
use crate::plan::{Canary, Probe, Severity};

use super::super::fact::{Level, Share};
use super::super::view::{Acknowledged, MemberState, MemberView, View};
use super::super::{Fact, FactKey, Scope, State};
use super::member::{MemberStatus, is_unanswered, rank};
use super::{
    AcknowledgedStatus, ByHealth, CanaryStatus, ChannelStatus, Health, IncidentStatus, LeakStatus, Owed, ProbeStatus, Status,
    Told,
};

/// What the evaluator knows when somebody asks. Times are steady.
#[derive(Debug, Default)]
pub struct StatusInput<'a> {
    /// Every enabled probe.
    pub probes: Vec<ProbeNow<'a>>,
    /// Every canary.
    pub canaries: Vec<CanaryNow<'a>>,
    /// Every open incident.
    pub incidents: Vec<Open<'a>>,
    /// Test data that could not be removed, by probe.
    pub leaks: Vec<LeftBehind>,
    /// Every channel; what is owed there is counted here.
    pub channels: Vec<ChannelStatus>,
}

/// A probe as its conditions know it.
#[derive(Debug)]
pub struct ProbeNow<'a> {
    /// The probe.
    pub probe: &'a Probe,
    /// The 95th percentile of its convergence within the last hour, in seconds.
    pub convergence_1h: Option<f64>,
    /// Degraded runs and passed ones of the last hour, where a step of it warns.
    pub degraded_1h: Option<Share>,
    /// What is left of its error budget.
    pub budget_left: Option<f64>,
}

/// A canary as its conditions know it.
#[derive(Debug)]
pub struct CanaryNow<'a> {
    /// The canary.
    pub canary: &'a Canary,
    /// What is so of its runs; absent while it is well.
    pub fact: Option<&'a Fact>,
    /// Whether it had a counted run that is not forgotten.
    pub known: bool,
    /// Whether it is muted.
    pub muted: bool,
    /// Since when it is without data.
    pub without_data: Option<Duration>,
    /// The verdict of its last run, and when that ended.
    pub last: Option<(&'static str, Duration)>,
    /// Its counted runs of the last hour.
    pub hour: Share,
}

/// An open incident.
#[derive(Debug)]
pub struct Open<'a> {
    /// The incident as it is now.
    pub view: &'a View,
    /// One line: what broke, for whom.
    pub title: String,
    /// The keys that channels have open because of it, the latest last.
    pub keys: Vec<String>,
    /// Which channels took a ring of it, how many, and when the last one rang.
    pub told: Vec<(Arc<str>, u32, Duration)>,
    /// To which channels it is owed, and since when.
    pub owed: Vec<(Arc<str>, Duration)>,
}

/// Test data of a probe that could not be removed.
#[derive(Debug)]
pub struct LeftBehind {
    /// The probe's name.
    pub probe: Arc<str>,
    /// Whose it is.
    pub owner: Option<Arc<str>>,
    /// How many entries.
    pub entries: usize,
    /// Since when the oldest was given up.
    pub since: Duration,
}

/// Makes the status.
pub fn gather(seen: StatusInput<'_>, now: Moment) -> Status {
    let StatusInput { probes, canaries, incidents, leaks, channels } = seen;
    let severities = worst_by_probe(&incidents);
    let mut status = Status { probes: self::probes(&probes, &canaries, &severities, now), ..Status::default() };
    let within = incident_of_canary(&incidents);
    status.canaries = canaries.iter().map(|canary| self::canary(canary, &within, now)).collect();
    status.canaries.sort_by(|one, other| one.canary.cmp(&other.canary));
    let mut open = incidents;
    open.sort_by_key(|open| (Reverse(open.view.severity), open.view.since));
    for open in &open {
        let members = members(open.view, now);
        for (member, view) in &members {
            match view.state {
                MemberState::Muted(_) => status.muted.push(member.clone()),
                MemberState::Explained(_) => status.explained.push(member.clone()),
                MemberState::Failing | MemberState::Waiting(_) | MemberState::Acknowledged(_) if member.is_without_data() => {
                    status.without_data.push(member.clone());
                }
                _ => {}
            }
        }
        let incident = incident(open, members.into_iter().map(|(member, _)| member).collect(), now);
        status.unanswered += incident.unanswered;
        if open.view.members.iter().any(is_loose) {
            status.counts.add(open.view.severity);
        } else {
            status.counts.held += 1;
        }
        status.owed.extend(incident.owed.iter().cloned());
        status.incidents.push(incident);
    }
    status.owed.sort_by(|one, other| (one.since_ms, &one.channel).cmp(&(other.since_ms, &other.channel)));
    status.leaks = leaks.into_iter().map(|leak| left_behind(&leak, now)).collect();
    status.channels = channels.into_iter().map(|channel| with_owed(channel, &status.owed)).collect();
    status
}

/// Whether it fails and is neither muted nor explained, so that it counts for the severity.
fn is_loose(member: &MemberView) -> bool {
    matches!(member.state, MemberState::Failing | MemberState::Waiting(_) | MemberState::Acknowledged(_))
}

fn worst_by_probe(incidents: &[Open<'_>]) -> BTreeMap<Arc<str>, Severity> {
    let mut worst = BTreeMap::new();
    for view in incidents.iter().map(|open| open.view) {
        if let Some(probe) = view.scope.probe() {
            let known = worst.entry(Arc::clone(probe)).or_insert(view.severity);
            *known = (*known).max(view.severity);
        }
    }
    worst
}

/// The incident of its probe that a canary is in, by the canary's id.
fn incident_of_canary<'a>(incidents: &[Open<'a>]) -> BTreeMap<&'a str, &'a str> {
    let own = incidents.iter().map(|open| open.view).filter(|view| matches!(view.scope, Scope::Probe(_)));
    let failing = own.flat_map(|view| view.members.iter().filter(|member| member.state.fails()).map(move |one| (view, one)));
    let of_canaries = failing.filter_map(|(view, member)| match &member.fact.key {
        FactKey::Canary(id) => Some((id.as_str(), view.id.as_str())),
        _ => None,
    });
    of_canaries.collect()
}

impl CanaryNow<'_> {
    /// Its health, and since when.
    fn health(&self) -> (Health, Option<Duration>) {
        let state = self.fact.map_or(State::Well, |fact| fact.state);
        let since = self.fact.map(|fact| fact.since);
        match (state, self.without_data) {
            (State::Failing(_) | State::Suspect, _) if self.muted => (Health::Muted, since),
            _ if self.muted => (Health::Muted, None),
            (State::Failing(_), _) => (Health::Failing, since),
            (_, Some(since)) => (Health::NoData, Some(since)),
            (State::Suspect, None) => (Health::Suspect, since),
            (State::Well, None) => (if self.known { Health::Passing } else { Health::Unknown }, None),
        }
    }
}

/// The sum of a probe's canaries.
#[derive(Default)]
struct Sum {
    verdict: Option<Health>,
    since: Option<Duration>,
    hour: Share,
    canaries: ByHealth,
}

impl Sum {
    fn add(&mut self, canary: &CanaryNow<'_>) {
        let (health, since) = canary.health();
        if self.verdict.is_none_or(|worst| health > worst) {
            (self.verdict, self.since) = (Some(health), since);
        } else if self.verdict == Some(health) {
            self.since = [self.since, since].into_iter().flatten().min();
        }
        self.canaries.add(health);
        self.hour.failed = self.hour.failed.saturating_add(canary.hour.failed);
        self.hour.counted = self.hour.counted.saturating_add(canary.hour.counted);
    }
}

fn probes(
    probes: &[ProbeNow<'_>],
    canaries: &[CanaryNow<'_>],
    severities: &BTreeMap<Arc<str>, Severity>,
    now: Moment,
) -> Vec<ProbeStatus> {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for canary in canaries {
        sums.entry(&canary.canary.probe.name).or_default().add(canary);
    }
    let of_one = |probe: &ProbeNow<'_>| {
        let name = &probe.probe.name;
        let sum = sums.remove(&**name).unwrap_or_default();
        let passed = f64::from(sum.hour.counted.saturating_sub(sum.hour.failed));
        ProbeStatus {
            probe: name.to_string(),
            owner: probe.probe.owner.clone(),
            verdict: sum.verdict.unwrap_or_default(),
            since_ms: sum.since.map(|since| now.wall_ms_of(since)),
            severity: severities.get(name).map(|severity| severity.as_str()),
            success_1h: (sum.hour.counted > 0).then(|| passed / f64::from(sum.hour.counted)),
            counted_1h: sum.hour.counted,
            convergence_1h: probe.convergence_1h,
            degraded_1h: probe.degraded_1h.map(|share| f64::from(share.failed) / f64::from(share.counted.max(1))),
            budget_left: probe.budget_left,
            canaries: sum.canaries,
        }
    };
    let mut found: Vec<ProbeStatus> = probes.iter().map(of_one).collect();
    let severity = |probe: &ProbeStatus| probe.severity.and_then(Severity::of);
    found.sort_by(|one, other| {
        (Reverse(severity(one)), Reverse(one.verdict), &one.probe).cmp(&(
            Reverse(severity(other)),
            Reverse(other.verdict),
            &other.probe,
        ))
    });
    found
}

fn canary(seen: &CanaryNow<'_>, within: &BTreeMap<&str, &str>, now: Moment) -> CanaryStatus {
    let (standing, since) = seen.health();
    let id = seen.canary.id.as_str();
    CanaryStatus {
        canary: id.to_owned(),
        probe: seen.canary.probe.name.to_string(),
        region: seen.canary.region.name.to_string(),
        cell: seen.canary.cell.to_string(),
        standing,
        since_ms: since.map(|since| now.wall_ms_of(since)),
        failures: seen.fact.map_or(0, |fact| fact.failed),
        paging: seen.fact.and_then(Fact::level) == Some(Level::Page),
        last_verdict: seen.last.map(|(verdict, _)| verdict),
        last_ms: seen.last.map(|(_, ended)| now.wall_ms_of(ended)),
        step: seen.fact.and_then(|fact| fact.evidence.as_ref()).and_then(|failure| failure.step.clone()),
        incident: within.get(id).map(|incident| (*incident).to_owned()),
    }
}

/// The members of an incident and its suspects, what fails first.
fn members(view: &View, now: Moment) -> Vec<(MemberStatus, &MemberView)> {
    let mut members: Vec<&MemberView> = view.members.iter().collect();
    members.sort_by_key(|member| (rank(&member.state), member.fact.since));
    members.into_iter().map(|member| (MemberStatus::of(member, now), member)).collect()
}

fn incident(open: &Open<'_>, all: Vec<MemberStatus>, now: Moment) -> IncidentStatus {
    let view = open.view;
    let (suspects, members): (Vec<_>, Vec<_>) = all.into_iter().partition(|member| member.standing == "suspect");
    let acknowledged = |said: &Acknowledged| AcknowledgedStatus {
        by: said.by.to_string(),
        at_ms: now.wall_ms_of(said.at),
        reason: said.reason.as_deref().map(str::to_owned),
    };
    let owed = |(channel, since): &(Arc<str>, Duration)| Owed {
        scope: view.scope.to_string(),
        incident: view.id.clone(),
        channel: channel.to_string(),
        since_ms: now.wall_ms_of(*since),
    };
    let told = |(channel, rings, last): &(Arc<str>, u32, Duration)| Told {
        channel: channel.to_string(),
        rings: *rings,
        last_ms: now.wall_ms_of(*last),
    };
    let mut keys = open.keys.clone();
    let key = keys.last().cloned();
    keys.sort();
    keys.dedup();
    IncidentStatus {
        id: view.id.clone(),
        scope: view.scope.to_string(),
        probe: view.scope.probe().map(ToString::to_string),
        key,
        keys,
        severity: view.severity.as_str(),
        title: open.title.clone(),
        since_ms: now.wall_ms_of(view.since),
        critical: view.critical.iter().map(ToString::to_string).collect(),
        members_total: members.len(),
        members,
        suspects: suspects.len(),
        failures: failures(view),
        unanswered: view.members.iter().filter(|member| is_unanswered(member)).count(),
        acknowledged: view.acknowledged.iter().map(acknowledged).collect(),
        told: open.told.iter().map(told).collect(),
        owed: open.owed.iter().map(owed).collect(),
    }
}

/// The latest failed run of those that fail, one for each region.
fn failures(view: &View) -> Vec<Arc<Failure>> {
    let mut latest: BTreeMap<&str, (Option<Duration>, &Arc<Failure>)> = BTreeMap::new();
    for fact in view.members.iter().filter(|member| member.state.fails()).map(|member| &member.fact) {
        let Some(failure) = &fact.evidence else { continue };
        let known = latest.entry(&fact.region).or_insert((fact.last_failed, failure));
        if fact.last_failed > known.0 {
            *known = (fact.last_failed, failure);
        }
    }
    latest.into_values().map(|(_, failure)| Arc::clone(failure)).collect()
}

fn left_behind(leak: &LeftBehind, now: Moment) -> LeakStatus {
    LeakStatus {
        probe: leak.probe.to_string(),
        owner: leak.owner.as_deref().map(str::to_owned),
        entries: leak.entries,
        since_ms: now.wall_ms_of(leak.since),
    }
}

/// It with what is owed there; `owed` has the oldest first.
fn with_owed(mut channel: ChannelStatus, owed: &[Owed]) -> ChannelStatus {
    let mut there = owed.iter().filter(|owed| owed.channel == channel.channel);
    channel.owed = there.clone().count();
    channel.owed_since_ms = there.next().map(|owed| owed.since_ms);
    channel
}
