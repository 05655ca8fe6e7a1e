//! An incident as its page and its export show it.
//!
//! What is open is known by alerting ([`IncidentStatus`]), and what happened to it by the store ([`IncidentDetail`]). Of an ended one
//! only the store knows: who failed in it, and how, is what its messages said ([`told`]). [`IncidentModel`] is both as one. The
//! other files are each an answer to a question about it: [`shared`] what the failing runs have in common, [`before`] what changed
//! before it, [`seen`] whether it happened earlier, [`notes`] what people wrote, [`timeline`] what happened when, [`times`] how long it took, [`users`] how many people it may have reached, [`postmortem`] all
//! of that as Markdown. All of them are pure and bounded; [`facts`] alone asks the store, for the page and the API. A new question is a file here and a section of the page.

pub(in crate::web) mod before;
pub(in crate::web) mod detail;
pub(in crate::web) mod facts;
pub(in crate::web) mod member;
pub(in crate::web) mod notes;
pub(in crate::web) mod postmortem;
pub(in crate::web) mod seen;
pub(in crate::web) mod shared;
#[cfg(test)]
pub(in crate::web) mod testing;
pub(in crate::web) mod timeline;
pub(in crate::web) mod times;
mod told;
pub(in crate::web) mod users;

use serde_json::Value;

use serde::Serialize;

use utoipa::ToSchema;

use crate::alert::Failure;
use crate::alert::status::IncidentStatus;
use crate::history::{IncidentDetail, IncidentView, TimelineView, TryView};

pub(in crate::web) use member::{Group, Member, Standing};

/// A failed run that a person can look at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct FailedRun {
    /// The canary's id.
    pub(in crate::web) canary: String,
    /// The run's id.
    pub(in crate::web) run_id: String,
    /// The region.
    pub(in crate::web) region: String,
    /// When it ended, milliseconds since the epoch.
    pub(in crate::web) at_ms: i64,
    /// The closed word.
    pub(in crate::web) reason: String,
    /// One sentence.
    pub(in crate::web) message: String,
    /// The step.
    pub(in crate::web) step: Option<String>,
    /// The expectation that did not hold, as written.
    pub(in crate::web) expectation: Option<String>,
    /// `file:line:column`.
    pub(in crate::web) location: Option<String>,
    /// Attempts made of the step.
    pub(in crate::web) attempts: u32,
    /// Parts of the expectation and the values seen.
    pub(in crate::web) seen: Vec<(String, String)>,
    /// The host that was asked, if its details tell.
    pub(in crate::web) host: Option<String>,
}

impl FailedRun {
    fn of(failure: &Failure) -> Self {
        Self {
            canary: failure.canary.clone(),
            run_id: failure.run_id.clone(),
            region: failure.canary.split('/').nth(1).unwrap_or_default().to_owned(),
            at_ms: failure.at_ms,
            reason: failure.reason.clone(),
            message: failure.message.clone(),
            step: failure.step.clone(),
            expectation: failure.expectation.clone(),
            location: failure.location.clone(),
            attempts: failure.attempts,
            seen: failure.seen.clone(),
            host: None,
        }
    }
}

/// Somebody said that he is at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct Acknowledged {
    /// Who.
    pub(in crate::web) by: String,
    /// When, milliseconds since the epoch.
    pub(in crate::web) at_ms: i64,
    /// Why, in their words.
    pub(in crate::web) reason: Option<String>,
}

/// How an incident ended, as far as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "how", rename_all = "snake_case")]
pub(in crate::web) enum HowEnded {
    /// Everything in it is well.
    Well,
    /// It is not watched any more.
    Unwatched,
    /// Somebody closed it.
    Closed {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// Nobody says.
    Unknown,
}

/// An incident: what alerting knows of it now, and what the store kept.
#[derive(Debug, Clone)]
pub(in crate::web) struct IncidentModel {
    /// Its id.
    pub(in crate::web) id: String,
    /// What it is about.
    pub(in crate::web) scope: String,
    /// The probe, if it is about one.
    pub(in crate::web) probe: Option<String>,
    /// How bad it is; of an ended one, the worst it has been.
    pub(in crate::web) severity: String,
    /// What broke, for whom.
    pub(in crate::web) title: String,
    /// When its first failed run started, milliseconds since the epoch.
    pub(in crate::web) since_ms: i64,
    /// When it ended; open if absent.
    pub(in crate::web) ended_ms: Option<i64>,
    /// How it ended.
    pub(in crate::web) how_ended: HowEnded,
    /// The regions that make it critical.
    pub(in crate::web) critical: Vec<String>,
    /// Who failed in it.
    pub(in crate::web) members: Vec<Member>,
    /// How many there are.
    pub(in crate::web) members_total: usize,
    /// Failed runs that can be looked at, one for each region.
    pub(in crate::web) failures: Vec<FailedRun>,
    /// Acknowledgements, in order.
    pub(in crate::web) acknowledged: Vec<Acknowledged>,
    /// Channels that were not told yet, and since when that is owed to them.
    pub(in crate::web) owed: Vec<(String, i64)>,
    /// What fails at page level and nobody has acknowledged.
    pub(in crate::web) unanswered: usize,
    /// What happened, oldest first.
    pub(in crate::web) timeline: Vec<TimelineView>,
    /// What was sent, oldest first.
    pub(in crate::web) tries: Vec<TryView>,
    /// Whether something of it could not be read.
    pub(in crate::web) is_partial: bool,
}

impl IncidentModel {
    /// One that is open. What the store has of it may be missing, where it is away or has not written it yet.
    pub(in crate::web) fn open(now: &IncidentStatus, kept: Option<IncidentDetail>, is_partial: bool) -> Self {
        let (timeline, tries) = kept.map_or_else(Default::default, |kept| (kept.timeline, kept.tries));
        let acknowledged = now.acknowledged.iter().map(|said| Acknowledged {
            by: said.by.clone(),
            at_ms: said.at_ms,
            reason: said.reason.clone(),
        });
        Self {
            id: now.id.clone(),
            scope: now.scope.clone(),
            probe: now.probe.clone(),
            severity: now.severity.to_owned(),
            title: now.title.clone(),
            since_ms: now.since_ms,
            ended_ms: None,
            how_ended: HowEnded::Unknown,
            critical: now.critical.clone(),
            members: now.members.iter().map(Member::of).collect(),
            members_total: now.members_total,
            failures: now.failures.iter().map(|failure| FailedRun::of(failure)).collect(),
            acknowledged: acknowledged.collect(),
            owed: now.owed.iter().map(|owed| (owed.channel.clone(), owed.since_ms)).collect(),
            unanswered: now.unanswered,
            timeline,
            tries,
            is_partial,
        }
    }

    /// One that only the store knows: it ended, or this process does not know of it.
    pub(in crate::web) fn kept(kept: IncidentDetail) -> Self {
        let IncidentDetail { incident, timeline, tries } = kept;
        let own = &incident.details["incident"];
        let members = told::members(&tries, &incident.scope, &timeline);
        let total = incident.details["members_total"].as_u64().and_then(|total| usize::try_from(total).ok());
        Self {
            title: title(&incident),
            since_ms: told::wall(own, &own["since"], incident.opened_ms).unwrap_or(incident.opened_ms),
            how_ended: how_ended(own),
            critical: texts(&own["critical_regions"]),
            members_total: total.unwrap_or(members.len()).max(members.len()),
            members,
            failures: told::failures(&tries, &incident.id),
            acknowledged: told::acknowledged(own, incident.opened_ms),
            owed: Vec::new(),
            unanswered: 0,
            ended_ms: incident.resolved_ms,
            id: incident.id,
            scope: incident.scope,
            probe: incident.probe,
            severity: incident.severity,
            timeline,
            tries,
            is_partial: false,
        }
    }

    /// Whether it is about failing runs of a probe, and not about its subjects, what it left behind, or that nothing is known of it.
    pub(in crate::web) fn is_of_runs(&self) -> bool {
        self.scope.starts_with("probe/")
    }

    /// Until when it lasted, or now.
    pub(in crate::web) fn until_ms(&self, now_ms: i64) -> i64 {
        self.ended_ms.unwrap_or(now_ms)
    }

    /// Those of a group, in the order in which they are told.
    pub(in crate::web) fn of_group(&self, group: Group) -> Vec<&Member> {
        self.members.iter().filter(|member| member.standing.group() == group).collect()
    }
}

/// The title that was kept; an incident of an earlier version has none.
pub(in crate::web) fn title(incident: &IncidentView) -> String {
    match incident.details["title"].as_str() {
        Some(title) if !title.is_empty() => title.to_owned(),
        _ => incident.scope.clone(),
    }
}

/// Who had it: the last who acknowledged it, or else who closed it.
pub(in crate::web) fn who_had_it(incident: &IncidentView) -> Option<String> {
    let own = &incident.details["incident"];
    let last = own["acknowledged"].as_array().and_then(|all| all.last()).and_then(|said| said["by"].as_str());
    match (last, how_ended(own)) {
        (Some(by), _) => Some(by.to_owned()),
        (None, HowEnded::Closed { by, .. }) => Some(by),
        (None, _) => None,
    }
}

fn how_ended(own: &Value) -> HowEnded {
    let how = &own["end"]["how"];
    match (how.as_str(), how["closed"].as_object()) {
        (Some("well"), _) => HowEnded::Well,
        (Some("unwatched"), _) => HowEnded::Unwatched,
        (_, Some(closed)) => {
            let text = |key: &str| closed.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            HowEnded::Closed { by: text("by"), why: text("why") }
        }
        _ => HowEnded::Unknown,
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
