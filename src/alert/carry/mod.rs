//! Takes over what the version before this one left (format 2 of the store): open incidents with who was told of them, and ends
//! that were not told everywhere.
//!
//! Rings that a channel took become its cover; what it did not take is simply owed. What objectives (`budget/…`, `latency/…`) and
//! being critical (`…/critical`) had opened under keys of their own ends with the probe's incident. It is pure: facts, which know
//! the streaks, are given to it, and what it returns is to be written. What was carried over is not carried over again.

mod former;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::alert::Moment;
use crate::history::{Commit, IncidentRow, OutcomeRow, RestoredTry, StartState, TimelineRow, TryState};
use crate::plan::{Alerting, Severity};

use super::critical::Critical;
use super::incident::{Acknowledgement, Incident};
use super::view::{End, Ended};
use super::{Fact, FactKey, Scope};
pub(super) use former::is_former;
use former::{Details, FormerScope, Sent};

/// States that only the version before this one kept, and nothing else reads.
const STATES: [&str; 1] = ["regions"];

/// What was carried over.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Incidents that are open, and those whose ends are not told everywhere. All of each is to be written.
    pub(super) incidents: Vec<Incident>,
    /// What is to be written besides.
    pub(super) commit: Commit,
}

/// What was known of one incident.
struct Former<'r> {
    row: &'r IncidentRow,
    details: Details,
    sent: Vec<Sent>,
}

/// Takes over. `facts` are those that are known at the start.
pub(super) fn carry(remembered: &StartState, alerting: &Alerting, facts: &[Arc<Fact>], now: Moment) -> Carried {
    let mut rows: BTreeMap<&str, Vec<&RestoredTry>> = BTreeMap::new();
    for row in &remembered.former {
        rows.entry(&row.incident).or_default().push(row);
    }
    let mut carried = Carried::default();
    carried.commit.outcomes = dropped(&remembered.former, now);
    let old = remembered.states.iter().filter(|state| STATES.contains(&&*state.kind));
    carried.commit.states =
        old.filter_map(|state| STATES.iter().find(|kind| **kind == state.kind).map(|kind| gone(kind, &state.key))).collect();
    let mut open: BTreeMap<Scope, Vec<Former<'_>>> = BTreeMap::new();
    for row in remembered.incidents.iter().filter(|row| is_former(row)) {
        let details: Details = match serde_json::from_str(&row.json) {
            Ok(details) => details,
            Err(error) => {
                tracing::error!(incident = row.id, %error, "an incident of the version before cannot be read and is left out");
                continue;
            }
        };
        let sent = rows.get(&*row.id).into_iter().flatten().filter_map(|row| Sent::of(row, &details.scope)).collect();
        let former = Former { row, details, sent };
        match row.resolved_ms {
            _ if former.details.continues.is_some() => {}
            None => open.entry(goes_on_in(&former.details, facts, now)).or_default().push(former),
            Some(at) => carried.incidents.extend(ended(&former, at, alerting, now)),
        }
    }
    for (scope, formers) in open {
        let incident = opened(scope, formers, alerting, facts, now, &mut carried.commit);
        carried.incidents.extend(incident);
    }
    carried
}

/// The scope in which an incident goes on. Canaries without data were always their region's, and are now their probe's as long as
/// they are few. Where they are those of several probes, what was told stays open until all of them have data, and each probe speaks
/// for itself.
fn goes_on_in(details: &Details, facts: &[Arc<Fact>], now: Moment) -> Scope {
    let former = details.scope.scope();
    if let Scope::Blind(_) = former {
        let members = details.members(now);
        let facts = facts.iter().filter(|fact| fact.level().is_some() && members.contains_key(&fact.key));
        let scopes: BTreeSet<&Scope> = facts.map(|fact| &fact.scope).collect();
        if let (Some(scope), 1) = (scopes.first(), scopes.len()) {
            return Scope::clone(scope);
        }
    }
    former
}

/// Messages that were still to be sent are not: what they said is owed.
fn dropped(former: &[RestoredTry], now: Moment) -> Vec<OutcomeRow> {
    let waiting = former.iter().filter(|row| row.state == TryState::Waiting);
    waiting
        .map(|row| OutcomeRow {
            id: row.id.clone(),
            made_ms: row.made_ms,
            state: TryState::Dropped,
            attempts: row.attempts,
            at_ms: now.wall_ms(),
            error: None,
        })
        .collect()
}

fn gone(kind: &'static str, key: &str) -> crate::history::StateRow {
    crate::history::StateRow { kind, key: key.to_owned(), json: None }
}

/// An incident that ended, if something may still be open because of it.
fn ended(former: &Former<'_>, at_ms: i64, alerting: &Alerting, now: Moment) -> Option<Incident> {
    let mut incident = begun(former, now);
    incident.told = tell(&former.sent, &incident, alerting, now);
    incident.told.retain(|_, told| told.has_open());
    for told in incident.told.values_mut() {
        (told.due, told.page_due) = (None, None);
    }
    let how = if former.details.was_removed() { Ended::Unwatched } else { Ended::Well };
    incident.end = Some(End { at: now.steady_of(at_ms), how });
    (!incident.told.is_empty()).then_some(incident)
}

/// The open incident of a scope, of all that there were: a probe's own and those of its objectives.
fn opened(
    scope: Scope,
    mut formers: Vec<Former<'_>>,
    alerting: &Alerting,
    facts: &[Arc<Fact>],
    now: Moment,
    commit: &mut Commit,
) -> Option<Incident> {
    let is_own = |former: &Former<'_>| !matches!(former.details.scope, FormerScope::Budget(_) | FormerScope::Latency(_));
    formers.sort_by_key(|former| !is_own(former));
    let first = formers.first().filter(|_| scope != Scope::Test)?;
    let mut incident = begun(first, now);
    incident.scope = scope;
    let mut known: BTreeMap<FactKey, Arc<Fact>> = BTreeMap::new();
    for former in &formers {
        known.extend(former.details.members(now).into_iter().map(|(key, fact)| (key, Arc::new(fact))));
    }
    for fact in facts {
        let is_member = known.contains_key(&fact.key) || fact.scope == incident.scope;
        if is_member && fact.level().is_some() {
            known.insert(fact.key.clone(), Arc::clone(fact));
        }
    }
    for fact in known.values() {
        incident.take(fact, now.steady);
    }
    incident.since = now.steady_of(formers.iter().map(|former| former.details.since_ms).min()?);
    for later in formers.iter().skip(1) {
        commit.incidents.push(merged(later.row, &first.row.id, now));
        let text = format!("it goes on in the incident {}", first.row.id);
        commit.timeline.push(TimelineRow { incident: later.row.id.clone(), at_ms: now.wall_ms(), what: "continues", text });
    }
    let revision = incident.revision;
    incident.acknowledged = formers.iter().filter_map(|former| acknowledgement(former, &incident, now)).collect();
    incident.acknowledged.sort_by_key(|acknowledgement| acknowledgement.at);
    if first.details.critical.is_some() {
        incident.critical = Critical::carried(incident.since, revision);
        incident.critical_regions =
            incident.members.values().map(|member| Arc::clone(&member.fact.region)).filter(|region| !region.is_empty()).collect();
    }
    let sent: Vec<Sent> = formers.iter_mut().flat_map(|former| std::mem::take(&mut former.sent)).collect();
    incident.numbered = told::number(&sent, &incident.scope).map(|number| (revision, number));
    incident.told = tell(&sent, &incident, alerting, now);
    Some(incident)
}

/// Somebody was at it: at what was sent by then, whether or not it was taken.
fn acknowledgement(former: &Former<'_>, incident: &Incident, now: Moment) -> Option<Acknowledgement> {
    let by = former.details.acknowledged.as_ref()?;
    let before: Vec<&Sent> = former.sent.iter().filter(|sent| told::is_ring(sent) && sent.notice.at_ms <= by.at_ms).collect();
    let covers = told::cover(&before, incident.members.values(), incident.revision, now).into_iter().collect();
    Some(Acknowledgement { by: Arc::clone(&by.by), at: now.steady_of(by.at_ms), reason: None, covers })
}

/// An incident without members, of which nobody was told.
fn begun(former: &Former<'_>, now: Moment) -> Incident {
    let opened = now.steady_of(former.row.opened_ms);
    let owner = former.sent.iter().find_map(|sent| sent.notice.owner()).map(Arc::from);
    let mut incident = Incident::open(former.row.id.clone(), former.details.scope.scope(), owner, opened);
    incident.since = now.steady_of(former.details.since_ms);
    incident.worst = Severity::of(former.row.severity).unwrap_or(Severity::Page);
    incident
}

/// What each channel was told.
fn tell(sent: &[Sent], incident: &Incident, alerting: &Alerting, now: Moment) -> BTreeMap<Arc<str>, super::incident::Told> {
    let mut all = BTreeMap::new();
    for name in told::channels(sent) {
        let here: Vec<&Sent> = sent.iter().filter(|sent| sent.channel == name).collect();
        let own = alerting.channels.iter().find(|channel| channel.name == name).and_then(|channel| channel.kind.labels());
        let told = told::told(&here, incident.members.values(), incident.revision, own, now);
        all.insert(name, told);
    }
    all
}

/// The row of an objective's incident, which goes on in that of its probe.
fn merged(row: &IncidentRow, into: &str, now: Moment) -> IncidentRow {
    let mut json: serde_json::Value = serde_json::from_str(&row.json).unwrap_or_default();
    if let Some(fields) = json.as_object_mut() {
        fields.insert("continues".to_owned(), into.into());
    }
    IncidentRow { resolved_ms: Some(now.wall_ms().max(row.opened_ms)), json: json.to_string(), ..row.clone() }
}

#[cfg(test)]
mod tests;
