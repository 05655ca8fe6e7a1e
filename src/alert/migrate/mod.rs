//! Migrates the incidents of the version before this one (store format 2): open incidents with what channels were told, and ended
//! ones whose end was not told everywhere.
//!
//! Rings that a channel took become its cover; what it did not take is owed. Keys of objectives (`budget/…`, `latency/…`) and of
//! critical (`…/critical`) end with the probe's incident. The migration is pure: it takes facts and returns rows to write. An
//! incident is migrated only once.

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

/// Kinds of rows that only the version before this one used; they are deleted.
const STATES: [&str; 1] = ["regions"];

/// The result of the migration.
#[derive(Debug, Default)]
pub(super) struct Migrated {
    /// Open incidents, and ended ones whose end was not told everywhere. The caller writes all their rows.
    pub(super) incidents: Vec<Incident>,
    /// Further rows to write.
    pub(super) commit: Commit,
}

/// An incident of the version before, with its messages.
struct FormerIncident<'r> {
    row: &'r IncidentRow,
    details: Details,
    sent: Vec<Sent>,
}

/// Migrates everything. `facts` are the facts at the start.
pub(super) fn migrate(remembered: &StartState, alerting: &Alerting, facts: &[Arc<Fact>], now: Moment) -> Migrated {
    let mut rows: BTreeMap<&str, Vec<&RestoredTry>> = BTreeMap::new();
    for row in &remembered.former {
        rows.entry(&row.incident).or_default().push(row);
    }
    let mut migrated = Migrated::default();
    migrated.commit.outcomes = dropped(&remembered.former, now);
    let old = remembered.states.iter().filter(|state| STATES.contains(&&*state.kind));
    migrated.commit.states =
        old.filter_map(|state| STATES.iter().find(|kind| **kind == state.kind).map(|kind| gone(kind, &state.key))).collect();
    let mut open: BTreeMap<Scope, Vec<FormerIncident<'_>>> = BTreeMap::new();
    for row in remembered.incidents.iter().filter(|row| is_former(row)) {
        let details: Details = match serde_json::from_str(&row.json) {
            Ok(details) => details,
            Err(error) => {
                tracing::error!(incident = row.id, %error, "an incident of the version before cannot be read and is left out");
                continue;
            }
        };
        let sent = rows.get(&*row.id).into_iter().flatten().filter_map(|row| Sent::of(row, &details.scope)).collect();
        let former = FormerIncident { row, details, sent };
        match row.resolved_ms {
            _ if former.details.continues.is_some() => {}
            None => open.entry(goes_on_in(&former.details, facts, now)).or_default().push(former),
            Some(at) => migrated.incidents.extend(ended(&former, at, alerting, now)),
        }
    }
    for (scope, formers) in open {
        let incident = opened(scope, formers, alerting, facts, now, &mut migrated.commit);
        migrated.incidents.extend(incident);
    }
    migrated
}

/// The scope that an incident has in this version. Canaries without data used to belong to their region, and now belong to their
/// probe unless the region is blind. If they are of several probes, the former incident stays open until all of them have data,
/// and each probe opens an incident of its own.
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

/// Drops messages that were not sent yet; what they said is owed.
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

/// An ended incident, if something may still be open because of it.
fn ended(former: &FormerIncident<'_>, at_ms: i64, alerting: &Alerting, now: Moment) -> Option<Incident> {
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

/// The open incident of a scope, merged from the probe's own and those of its objectives.
fn opened(
    scope: Scope,
    mut formers: Vec<FormerIncident<'_>>,
    alerting: &Alerting,
    facts: &[Arc<Fact>],
    now: Moment,
    commit: &mut Commit,
) -> Option<Incident> {
    let is_own = |former: &FormerIncident<'_>| !matches!(former.details.scope, FormerScope::Budget(_) | FormerScope::Latency(_));
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
        incident.critical = Critical::migrated(incident.since, revision);
        incident.critical_regions =
            incident.members.values().map(|member| Arc::clone(&member.fact.region)).filter(|region| !region.is_empty()).collect();
    }
    let sent: Vec<Sent> = formers.iter_mut().flat_map(|former| std::mem::take(&mut former.sent)).collect();
    incident.numbered = told::number(&sent, &incident.scope).map(|number| (revision, number));
    incident.told = tell(&sent, &incident, alerting, now);
    Some(incident)
}

/// An acknowledgement covers what was sent before it, whether or not it was taken.
fn acknowledgement(former: &FormerIncident<'_>, incident: &Incident, now: Moment) -> Option<Acknowledgement> {
    let by = former.details.acknowledged.as_ref()?;
    let before: Vec<&Sent> = former.sent.iter().filter(|sent| told::is_ring(sent) && sent.notice.at_ms <= by.at_ms).collect();
    let covers = told::cover(&before, incident.members.values(), incident.revision, now).into_iter().collect();
    Some(Acknowledgement { by: Arc::clone(&by.by), at: now.steady_of(by.at_ms), reason: None, covers })
}

/// An incident without members that no channel was told.
fn begun(former: &FormerIncident<'_>, now: Moment) -> Incident {
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

/// The row of an objective's incident that was merged into its probe's.
fn merged(row: &IncidentRow, into: &str, now: Moment) -> IncidentRow {
    let mut json: serde_json::Value = serde_json::from_str(&row.json).unwrap_or_default();
    if let Some(fields) = json.as_object_mut() {
        fields.insert("continues".to_owned(), into.into());
    }
    IncidentRow { resolved_ms: Some(now.wall_ms().max(row.opened_ms)), json: json.to_string(), ..row.clone() }
}

#[cfg(test)]
mod tests;
