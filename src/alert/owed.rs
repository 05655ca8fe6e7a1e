//! What a channel is owed, and when it is due: a function of an incident and of what the channel took.
//!
//! Owed is what fails, is routed to the channel and is in no cover that it took. It is due when its pause, hold or wait is over.
//! This module has no state: a crash, another process, or a new or mended channel is the same computation.
//!
//! | owed | due |
//! |---|---|
//! | the first of an incident at this channel | at once |
//! | a rise of severity; the first newcomer after an acknowledgement; a region that is new, unless critical was told | 5 s after the last ring |
//! | anything else | 1, 2, 4, 8, then 15 minutes after the last ring |
//! | at PagerDuty, unless a rise or a new region | not within 10 minutes of a ring |
//! | only members that flap | `flapping.hold` after the scope's last ring there |
//! | no data, subjects beyond the cap | for a new reason, or as many as are covered and still fail |

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::plan::{Alerting, Channel, Probe, ReceiverKind, Severity};

use super::fact::Level;
use super::incident::{Incident, Member, Told, regions_of};
use super::route::{RouteQuery, Routed, routed};
use super::scope_records::ScopeRecords;
use super::tries::Cover;
use super::{FactKey, Scope};

/// Pauses between the rings of an incident at a channel.
const PAUSES: [Duration; 5] =
    [Duration::from_mins(1), Duration::from_mins(2), Duration::from_mins(4), Duration::from_mins(8), Duration::from_mins(15)];

/// The pause before urgent rings.
const SHORT: Duration = Duration::from_secs(5);

/// The pause at a receiver that has incidents of its own, as PagerDuty. Acknowledgements made there are not known here, so one that
/// was just rung counts as acknowledged.
const INCIDENTS_PAUSE: Duration = Duration::from_mins(10);

/// The pause between silent changes.
const CHANGES: Duration = Duration::from_mins(5);

/// What is needed besides the incident.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Channels, routes, flapping.
    pub alerting: &'a Alerting,
    /// The probe, if the incident is about one that is there.
    pub probe: Option<&'a Probe>,
    /// Ring numbers and flapping.
    pub records: &'a ScopeRecords,
    /// The incident's scope as text.
    pub scope: &'a str,
    /// Members that go to every channel, see [`escalated`].
    pub escalated: &'a BTreeSet<FactKey>,
    /// Facts that may have been removed; nobody is rung for them while that is not known.
    pub removals: &'a BTreeMap<FactKey, Duration>,
    /// All probes, for routes of members in scopes without a probe.
    pub probes: &'a BTreeMap<Arc<str>, Arc<Probe>>,
}

/// What a channel is owed of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Number of failing members that it was not told of.
    pub members: usize,
    /// Whether one of them is at page level.
    pub page: bool,
    /// When it is due; in the past if now.
    pub at: Duration,
    /// Since when the oldest of it is owed.
    pub since: Duration,
    /// Why it rings.
    pub why: RingReason,
    /// Whether it is escalated: no waking channel took it.
    pub escalated: bool,
    /// The severity that the ring has.
    pub severity: Severity,
}

/// Why a channel is rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingReason {
    /// The first ring of the incident at this channel.
    Opened,
    /// The incident is worse than it was told.
    Rose,
    /// Others fail that it was not told of.
    Spread,
    /// What it was told of fails again after it had been well.
    Again,
    /// It was told long ago, and nobody has acknowledged.
    Reminder,
}

/// What a channel is owed of an incident, if anything. The second value is when to ask again by time alone.
pub fn owed(incident: &Incident, channel: &Channel, context: &Context<'_>, now: Duration) -> (Option<Owed>, Option<Duration>) {
    // The incident of a channel is told to the other channels.
    let is_its_own = matches!(&incident.scope, Scope::Channel(name) if *name == channel.name);
    let severity = incident.severity().filter(|_| incident.end.is_none() && !is_its_own);
    let Some(severity) = severity else { return (None, None) };
    let nothing = Told::default();
    let told = incident.told.get(&channel.name).unwrap_or(&nothing);
    let until = lapses(told, channel, context);
    let lapsed = until.is_some_and(|at| at <= now);
    let again = until.filter(|_| !lapsed);
    let cover = told.cover.as_ref().filter(|_| !lapsed);
    let routes = Routes::new(incident, channel, context, severity);
    let uncovered: Vec<&Member> = incident
        .ringing()
        .filter(|member| context.rings(member) && !cover.is_some_and(|cover| tells(incident, cover, member)))
        .filter(|member| !incident.is_acknowledged(member) && routes.means(member))
        .collect();
    let watched = incident.ringing().any(|member| !context.removals.contains_key(&member.fact.key));
    let critical = watched && is_critical_owed(incident, cover, &routes);
    if uncovered.is_empty() && !critical {
        return (None, again);
    }
    if incident.scope.rings_in_bulk() && cover.is_some_and(|cover| !is_worth_it(incident, cover, &uncovered)) {
        return (None, again);
    }
    let rose = critical || cover.is_some_and(|cover| uncovered.iter().any(|member| above(member, cover)));
    let mut at = pause_is_over(incident, told, cover, &uncovered, rose, channel, now);
    let flapping = &context.alerting.flapping;
    let flaps = |member: &&Member| context.records.flaps(context.scope, &member.fact.key, flapping, now);
    if !critical && uncovered.iter().all(flaps) {
        at = at.max(context.records.not_before(context.scope, &channel.name, flapping).unwrap_or_default());
    }
    let why = match (told.cover.is_some(), lapsed, rose) {
        (false, _, _) => RingReason::Opened,
        (true, true, _) => RingReason::Reminder,
        (true, false, true) => RingReason::Rose,
        (true, false, false) if uncovered.iter().all(|member| member.again) => RingReason::Again,
        (true, false, false) => RingReason::Spread,
    };
    let page = critical || uncovered.iter().any(|member| member.level() == Some(Level::Page));
    let since = uncovered.iter().map(|member| member.crossed_at).min().or(incident.critical.since()).unwrap_or(now);
    let escalated = uncovered.iter().any(|member| context.escalated.contains(&member.fact.key));
    let owed = Owed { members: uncovered.len(), page, at, since, why, escalated, severity };
    let again = again.into_iter().chain((at > now).then_some(at)).min();
    (Some(owed), again)
}

/// What a ring that is made now covers at a channel.
pub fn cover(incident: &Incident, channel: &Channel, context: &Context<'_>, severity: Severity, now: Duration) -> Cover {
    let routes = Routes::new(incident, channel, context, severity);
    let told = |member: &Member| {
        let suspect = member.left.is_none() && !member.fails();
        (suspect || context.rings(member)) && routes.means(member) && !incident.is_acknowledged(member)
    };
    // A member that is well just now may continue an episode that this ring does not tell, so it is an exception.
    let untold = |member: &&Member| if member.left.is_some() { member.may_go_on(now) } else { !told(member) };
    let failed_before = |member: &&Member| member.left.is_none() && !member.fails() && member.crossed.is_some();
    let there = || incident.members.values().filter(|member| member.left.is_none());
    let reason = |member: &Member| member.fact.reason.clone().filter(|_| incident.scope.rings_in_bulk());
    Cover {
        severity,
        revision: incident.revision,
        at: now,
        except: incident.members.values().filter(untold).map(|member| member.fact.key.clone()).collect(),
        suspects: incident.members.values().filter(failed_before).map(|member| member.fact.key.clone()).collect(),
        regions: incident.regions(),
        reasons: there().filter(|member| told(member)).filter_map(reason).collect(),
    }
}

/// What goes to every channel, whatever its `least` and its routes.
#[derive(Debug, Default)]
pub struct Escalated {
    /// Page-level members that no waking channel took, and that match no route or have been due for too long.
    pub members: BTreeSet<FactKey>,
    /// Whether one of them matches no route.
    pub unrouted: bool,
    /// When to ask again; steady.
    pub again: Option<Duration>,
}

/// The members that are escalated to every channel.
pub fn escalated(incident: &Incident, context: &Context<'_>, now: Duration) -> Escalated {
    let alerting = context.alerting;
    let mut escalated = Escalated::default();
    let Some(severity) = incident.severity().filter(|_| incident.end.is_none()) else { return escalated };
    let wakes = |name: &Arc<str>| alerting.channels.iter().any(|channel| channel.name == *name && channel.wakes);
    let covers: Vec<&Cover> =
        incident.told.iter().filter(|(name, _)| wakes(name)).filter_map(|(_, told)| told.cover.as_ref()).collect();
    let unheard = |member: &&Member| {
        let page = context.rings(member) && member.level() == Some(Level::Page);
        page && !incident.is_acknowledged(member) && !covers.iter().any(|cover| cover.covers(member))
    };
    let after = alerting.escalate_after;
    let mut due: Vec<(&Arc<Channel>, Duration)> = Vec::new();
    for channel in &alerting.channels {
        let waits = incident.told.get(&channel.name).and_then(|told| told.page_due);
        due.extend(waits.map(|since| (channel, since + after)));
    }
    for member in incident.ringing().filter(unheard) {
        let asked = regions_of(member);
        let routed = routed(alerting, &asked_of(incident, severity, &asked, probe_of(context, member)));
        if matches!(routed, Routed::Nowhere) {
            escalated.unrouted = true;
            escalated.members.insert(member.fact.key.clone());
            continue;
        }
        let waits = due.iter().filter(|(channel, _)| routed.means(channel, severity)).map(|(_, at)| *at).min();
        match waits {
            Some(at) if at <= now => {
                escalated.members.insert(member.fact.key.clone());
            }
            Some(at) => escalated.again = escalated.again.into_iter().chain([at]).min(),
            None => {}
        }
    }
    escalated
}

impl Context<'_> {
    /// Whether somebody may be rung for a member.
    fn rings(&self, member: &Member) -> bool {
        member.may_ring() && !self.removals.contains_key(&member.fact.key)
    }
}

/// The probe for the routes of a member: the incident's, or the member's own if the scope has none.
fn probe_of<'a>(context: &Context<'a>, member: &Member) -> Option<&'a Probe> {
    let own = || context.probes.get(member.fact.key.probe()?).map(|probe| &**probe);
    context.probe.or_else(own)
}

fn asked_of<'a>(incident: &'a Incident, severity: Severity, regions: &'a [Arc<str>], probe: Option<&'a Probe>) -> RouteQuery<'a> {
    let owner = probe.and_then(|probe| probe.owner.as_deref()).or(incident.owner.as_deref());
    RouteQuery { severity, probe, owner, regions }
}

/// What the routes of a member depend on: its regions and its probe.
type RouteKey = (Vec<Arc<str>>, Option<Arc<str>>);

fn asked_for(member: &Member) -> RouteKey {
    (regions_of(member), member.fact.key.probe().map(Arc::from))
}

/// Which members of an incident are routed to a channel, computed once for each region and probe.
struct Routes<'a> {
    by_regions: BTreeMap<RouteKey, bool>,
    escalated: &'a BTreeSet<FactKey>,
}

impl<'a> Routes<'a> {
    fn new(incident: &Incident, channel: &Channel, context: &Context<'a>, severity: Severity) -> Self {
        let mut by_regions = BTreeMap::new();
        for member in incident.members.values() {
            if let Entry::Vacant(place) = by_regions.entry(asked_for(member)) {
                let asked = asked_of(incident, severity, &place.key().0, probe_of(context, member));
                let means = routed(context.alerting, &asked).means(channel, severity);
                place.insert(means);
            }
        }
        Self { by_regions, escalated: context.escalated }
    }

    fn means(&self, member: &Member) -> bool {
        self.escalated.contains(&member.fact.key) || self.by_regions.get(&asked_for(member)).copied().unwrap_or(false)
    }
}

/// Whether the channel is owed that the incident is critical, which goes wherever a member of its regions is routed.
fn is_critical_owed(incident: &Incident, cover: Option<&Cover>, routes: &Routes<'_>) -> bool {
    let regions = &incident.critical_regions;
    let of_its_regions =
        |member: &&Member| regions.is_empty() || regions_of(member).iter().any(|region| regions.contains(region));
    incident.severity() == Some(Severity::Critical)
        && !cover.is_some_and(|cover| cover.covers_critical(&incident.critical))
        && !incident.is_critical_acknowledged()
        && incident.ringing().filter(of_its_regions).any(|member| member.may_ring() && routes.means(member))
}

fn above(member: &Member, cover: &Cover) -> bool {
    member.level().is_some_and(|level| level.severity() > cover.severity)
}

/// Whether a cover tells of a member; in a scope that rings in bulk, also of its current reason.
fn tells(incident: &Incident, cover: &Cover, member: &Member) -> bool {
    let is_told = |why: &Arc<str>| cover.reasons.is_empty() || cover.reasons.contains(why);
    let told = !incident.scope.rings_in_bulk() || member.fact.reason.as_ref().is_none_or(is_told);
    cover.covers(member) && told
}

/// Whether uncovered members of a scope that rings in bulk are worth a further ring.
fn is_worth_it(incident: &Incident, cover: &Cover, uncovered: &[&Member]) -> bool {
    let new_reason = uncovered.iter().any(|member| member.fact.reason.as_ref().is_some_and(|why| !cover.reasons.contains(why)));
    let covered = incident.ringing().filter(|member| cover.covers(member)).count();
    new_reason || uncovered.len() >= covered || uncovered.iter().any(|member| above(member, cover))
}

/// When covers lapse for a reminder, at receivers that do not remind by themselves. Acknowledged members are not owed all the
/// same.
fn lapses(told: &Told, channel: &Channel, context: &Context<'_>) -> Option<Duration> {
    let reminds_itself = channel.kind.receiver() != ReceiverKind::Posts;
    let remind = context.probe?.alert.remind.filter(|_| !reminds_itself)?;
    Some(told.cover.as_ref()?.at + remind)
}

/// When the next ring may follow the last one.
fn pause_is_over(
    incident: &Incident,
    told: &Told,
    cover: Option<&Cover>,
    uncovered: &[&Member],
    rose: bool,
    channel: &Channel,
    now: Duration,
) -> Duration {
    let Some(last) = told.last else { return now };
    let is_new =
        |member: &&&Member| regions_of(member).iter().any(|region| cover.is_none_or(|cover| !cover.regions.contains(region)));
    let new_region =
        cover.is_some_and(|cover| cover.severity < Severity::Critical) && uncovered.iter().filter(is_new).count() > 0;
    let after_ack = incident.acknowledged.last().is_some_and(|acknowledged| acknowledged.at >= last);
    let step = usize::try_from(told.rings).unwrap_or(usize::MAX).saturating_sub(1).min(PAUSES.len() - 1);
    let pause = if rose || new_region || after_ack { SHORT } else { PAUSES[step] };
    let has_incidents = channel.kind.receiver() == ReceiverKind::Incidents && !rose && !new_region;
    last + if has_incidents { pause.max(INCIDENTS_PAUSE) } else { pause }
}

/// Whether a silent change is due because the latest open key shows other regions or another severity, and when to ask again.
/// This is for receivers with incidents, as PagerDuty, only: Alertmanager's texts are always kept up to date, and elsewhere the next ring or the end says it.
pub fn change(incident: &Incident, channel: &Channel, now: Duration) -> (bool, Option<Duration>) {
    if channel.kind.receiver() != ReceiverKind::Incidents {
        return (false, None);
    }
    let Some(told) = incident.told.get(&channel.name).filter(|told| told.open.iter().any(|open| open.taken)) else {
        return (false, None);
    };
    let (Some(shown), Some(severity)) = (&told.shown, incident.severity()) else { return (false, None) };
    if shown.severity == severity && shown.regions == incident.regions() {
        return (false, None);
    }
    let at = shown.at + CHANGES;
    (at <= now, (at > now).then_some(at))
}

#[cfg(test)]
mod tests;
