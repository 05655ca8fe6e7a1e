//! The status, the backlog, and the JSON of an incident's row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::Moment;
use crate::plan::{CanaryId, Channel, Plan, Probe, Severity};

use super::super::condition::ObjectivesNow;
use super::super::delivery;
use super::super::heartbeat::Signs;
use super::super::incident::{Incident, Told};
use super::super::message::{Saying, compose};
use super::super::status::{CanaryNow, ChannelStatus, LeftBehind, Open, ProbeNow, Status, StatusInput, gather};
use super::super::tries::Action;
use super::super::view::View;
use super::super::{FactKey, message, metrics};
use super::Evaluator;

/// The JSON of an incident's row, with what readers of the store want to know without its members.
#[derive(Debug, Serialize)]
struct IncidentJson<'a> {
    /// One line: what broke, for whom.
    title: String,
    /// How many members it has.
    members_total: usize,
    /// The incident itself.
    incident: &'a Incident,
}

/// What of [`IncidentJson`] is read back.
#[derive(Debug, Deserialize)]
pub(super) struct StoredIncident {
    pub(super) incident: Incident,
}

/// What channels are owed, and signs of life for the heartbeat. Times are steady.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a sign of its own, and all combinations occur")]
pub struct Backlog {
    /// How each channel fares.
    pub channels: Vec<delivery::ChannelBacklog>,
    /// Since when the oldest page-level member has been due without a waking channel taking it, once it is escalated.
    pub page_due: Option<Duration>,
    /// Whether a page-level member matches no route.
    pub page_unrouted: bool,
    /// Canaries that should run.
    pub should_run: usize,
    /// Those of them without data.
    pub without_data: usize,
    /// Whether a counted run has ended since the start.
    pub run_ended: bool,
    /// When the first run that was due since the start had its deadline and 10 s.
    pub run_expected: Option<Duration>,
    /// How long a page may be due without a waking channel having taken it.
    pub escalate_after: Duration,
    /// Whether this process tells by itself, or has still to end what it told so.
    pub alone: bool,
    /// Whether the store has something that this process told alone and nobody has taken over.
    pub hands_in: bool,
    /// When this was seen.
    pub seen: Duration,
}

impl Backlog {
    /// All signs that the heartbeat asks for.
    pub fn signs(&self, evaluates: bool, ticks_on_time: bool, conditions_evaluated: bool) -> Signs {
        Signs {
            evaluates,
            ticks_on_time,
            conditions_evaluated,
            run_ended: self.run_ended,
            run_expected: self.run_expected,
            should_run: self.should_run,
            without_data: self.without_data,
            page_unrouted: self.page_unrouted,
            page_due: self.page_due,
        }
    }

    /// What is due at channels and was not taken.
    pub fn owed(&self) -> usize {
        self.channels.iter().map(|channel| channel.due).sum()
    }
}

impl Evaluator {
    /// While all canaries are muted, no run is due, so the first one is expected after the next tick.
    pub(super) fn expect_a_run(&mut self, now: Moment) {
        let overdue = !self.run_ended && self.run_expected.is_some_and(|at| at <= now.steady);
        if overdue && self.loaded.0.canaries.iter().all(|canary| self.mutes.of_canary(&canary.id, now).is_some()) {
            self.run_expected = expected_first(&self.loaded.0, now);
        }
    }

    /// The backlog. Cheap.
    pub fn backlog(&self, now: Moment) -> Backlog {
        let escalated = &self.incidents.escalated;
        let is_without =
            |id: &&CanaryId| self.facts.get(&FactKey::NoData((*id).clone())).is_some_and(|fact| fact.level().is_some());
        let paused_without = self.mutes.paused().filter(is_without).count();
        Backlog {
            channels: self.delivery.backlog(),
            page_due: escalated.values().flatten().min().copied(),
            page_unrouted: escalated.values().any(Option::is_none),
            should_run: self.config.plan.canaries.len().saturating_sub(self.mutes.paused().count()),
            without_data: self.facts.without_data().saturating_sub(paused_without) + self.unheard_of(),
            run_ended: self.run_ended,
            run_expected: self.run_expected,
            escalate_after: self.config.alerting.escalate_after,
            alone: self.role.is_alone(),
            hands_in: self.handing_in.waits(),
            seen: now.steady,
        }
    }

    /// Canaries of regions that nobody has spoken for.
    fn unheard_of(&self) -> usize {
        let missed = |region: &&Arc<str>| self.facts.get(&FactKey::Region(Arc::clone(region))).is_some();
        self.config.plan.known_regions.iter().filter(missed).map(|region| self.config.canaries_in(region)).sum()
    }

    /// How everything stands.
    pub fn status(&self, now: Moment) -> Status {
        let views: Vec<View> = self.incidents.open.values().map(|incident| self.view(incident, now)).collect();
        let titles: Vec<String> = views.iter().map(|view| self.title(view, now)).collect();
        let mut open = Vec::new();
        for (view, title) in views.iter().zip(titles) {
            let Some(incident) = self.incidents.find(&view.id) else { continue };
            let keys = incident.told.values().flat_map(|told| &told.open).map(|open| open.key.clone());
            let rang = |(channel, told): (&Arc<str>, &Told)| {
                told.last.filter(|_| told.rings > 0).map(|last| (Arc::clone(channel), told.rings, last))
            };
            let told = incident.told.iter().filter_map(rang).collect();
            open.push(Open { view, title, keys: keys.collect(), told, owed: self.owed_now(incident, now) });
        }
        gather(
            StatusInput {
                probes: self.probes_now(now),
                canaries: self.canaries_now(now),
                incidents: open,
                leaks: self.left_behind(),
                channels: self.channels_now(now),
            },
            now,
        )
    }

    /// The channels to which an incident is owed, due or not, and since when.
    fn owed_now(&self, incident: &Incident, now: Moment) -> Vec<(Arc<str>, Duration)> {
        let channels = self.config.alerting.channels.iter();
        let owed = |channel: &Arc<Channel>| {
            let (owed, _) = self.owed_to(incident, channel, now.steady);
            owed.map(|owed| (Arc::clone(&channel.name), owed.since))
        };
        channels.filter_map(owed).collect()
    }

    /// One line: what broke, for whom.
    fn title(&self, view: &View, now: Moment) -> String {
        let none = BTreeSet::new();
        let what = if view.end.is_some() { Action::End } else { Action::Ring };
        let occasion = message::Occasion::Changed;
        let saying = Saying { what, key: "", number: 0, previous: None, occasion, told: &none, flapped: None };
        compose(view, &saying, &self.message_context(), now).title
    }

    /// The JSON of an incident's row.
    pub(super) fn incident_json(&self, incident: &Incident, now: Moment) -> String {
        let members_total = incident.members.values().filter(|member| member.failed).count();
        let json = IncidentJson { title: self.title(&self.view(incident, now), now), members_total, incident };
        serde_json::to_string(&json).expect("its keys are texts")
    }

    fn probes_now<'a>(&'a self, now: Moment) -> Vec<ProbeNow<'a>> {
        let one = |probe: &'a Arc<Probe>| {
            let objectives = self.conditions.objectives(&probe.name, now);
            let ObjectivesNow { convergence_1h, degraded_1h, budget_left } = objectives;
            ProbeNow { probe, convergence_1h, degraded_1h, budget_left }
        };
        // One that only other processes have loaded has no page here.
        let loaded: BTreeSet<&str> = self.loaded.0.probes.iter().map(|probe| &*probe.name).collect();
        self.config.plan.probes.iter().filter(|probe| loaded.contains(&*probe.name)).map(one).collect()
    }

    fn canaries_now(&self, now: Moment) -> Vec<CanaryNow<'_>> {
        let mut found = Vec::new();
        for canary in &self.config.plan.canaries {
            let known = self.conditions.canary(&canary.id, now);
            let region = FactKey::Region(Arc::clone(&canary.region.name));
            let no_data = self.facts.get(&FactKey::NoData(canary.id.clone())).filter(|fact| fact.level().is_some());
            let without = no_data.or_else(|| self.facts.get(&region));
            // What other regions do not report is well, as long as somebody is heard of there.
            let region = &canary.region.name;
            let elsewhere = !self.probes_region(region) && without.is_none() && self.conditions.is_heard_of(region);
            found.push(CanaryNow {
                canary,
                fact: self.facts.get(&FactKey::Canary(canary.id.clone())).map(|fact| &**fact),
                known: known.known || elsewhere,
                muted: self.mutes.of_canary(&canary.id, now).is_some(),
                without_data: without.map(|fact| fact.since),
                last: known.last,
                hour: known.hour,
            });
        }
        found
    }

    /// Whether this process probes from a region.
    fn probes_region(&self, name: &str) -> bool {
        self.loaded.0.regions.iter().any(|region| *region.name == *name)
    }

    fn left_behind(&self) -> Vec<LeftBehind> {
        let mut leaks: BTreeMap<Arc<str>, LeftBehind> = BTreeMap::new();
        for fact in self.facts.all() {
            let FactKey::Leak(probe, _) = &fact.key else { continue };
            let owner = self.conditions.owner(&fact.key);
            let leak = leaks.entry(Arc::clone(probe)).or_insert_with(|| LeftBehind {
                probe: Arc::clone(probe),
                owner,
                entries: 0,
                since: fact.since,
            });
            leak.entries += 1;
            leak.since = leak.since.min(fact.since);
        }
        leaks.into_values().collect()
    }

    fn channels_now(&self, now: Moment) -> Vec<ChannelStatus> {
        let of = |backlog: delivery::ChannelBacklog| ChannelStatus {
            channel: backlog.channel.to_string(),
            kind: backlog.kind,
            wakes: self.config.channel(&backlog.channel).is_some_and(|channel| channel.wakes),
            tries: backlog.in_flight + backlog.unknown,
            taken_ms: backlog.taken.map(|taken| now.wall_ms_of(taken)),
            trouble: backlog.last_error.map(|error| error.to_string()),
            ..ChannelStatus::default()
        };
        let mut channels: Vec<ChannelStatus> = self.delivery.backlog().into_iter().map(of).collect();
        let place = |name: &str| self.config.alerting.channels.iter().position(|channel| &*channel.name == name);
        channels.sort_by_key(|channel| place(&channel.channel));
        channels
    }

    /// Shows in metrics how many incidents are open, and what is owed.
    pub(super) fn show_counts(&self) {
        let mut severities: BTreeMap<Option<Severity>, usize> = BTreeMap::new();
        let mut owed: BTreeMap<&str, (usize, Option<Duration>)> = BTreeMap::new();
        for incident in self.incidents.open.values() {
            *severities.entry(incident.severity()).or_default() += 1;
            for (channel, told) in &incident.told {
                if let Some(due) = told.due {
                    let (incidents, since) = owed.entry(channel).or_default();
                    *incidents += 1;
                    *since = Some(since.map_or(due, |known: Duration| known.min(due)));
                }
            }
        }
        metrics::incidents(|severity| severities.get(&severity).copied().unwrap_or(0));
        for backlog in self.delivery.backlog() {
            let (incidents, since) = owed.get(&*backlog.channel).copied().unwrap_or_default();
            metrics::owed(&backlog.channel, incidents, since);
            metrics::waiting(&backlog.channel, backlog.in_flight + backlog.unknown);
        }
    }
}

/// When the first run of this process after a start had its deadline and a little; nothing if it runs nothing.
pub(super) fn expected_first(plan: &Plan, now: Moment) -> Option<Duration> {
    let runs: BTreeSet<&str> = plan.canaries.iter().map(|canary| &*canary.probe.name).collect();
    plan.probes.iter().filter(|probe| runs.contains(&*probe.name)).map(|probe| expected(probe, now)).min()
}

/// When the first run of a probe after a start had its deadline and a little.
fn expected(probe: &Probe, now: Moment) -> Duration {
    const AROUND_A_RUN: Duration = Duration::from_secs(10);
    now.steady + probe.cadence.next_within(now.wall) + probe.deadline + AROUND_A_RUN
}
