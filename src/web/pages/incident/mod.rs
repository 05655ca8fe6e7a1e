//! `GET /incidents/{id}`: who fails, what that has in common, what changed before, and what happened since; and the same as Markdown.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::header;
use axum::response::IntoResponse;
use serde::Deserialize;

use crate::history::{EventView, TryView};
use crate::web::Api;
use crate::web::api::verify::members;
use crate::web::model::incident::facts::{IncidentFacts, facts};
use crate::web::model::incident::notes::notes;
use crate::web::model::incident::postmortem::{Facts, how, postmortem};
use crate::web::model::incident::shared::place;
use crate::web::model::incident::timeline::Entry;
use crate::web::model::incident::times::exact;
use crate::web::model::incident::{FailedRun, Group, IncidentModel, Member};
use crate::web::model::overview::encoded;
use crate::web::model::run::contrast;
use crate::web::model::{Snapshot, words};

use super::by_hand::{HandRuns, verified};
use super::card::who_passes;
use super::frame::Frame;
use super::moments::{at, at_both, on};
use super::page::{Look, PageError, PageResult, html, snapshot};
use crate::web::pages::runbook::ShownRunbook;

/// Members of a group that are shown.
const MEMBERS: usize = 40;
/// Tries that are shown.
const TRIES: usize = 40;
/// Notes that are shown.
const NOTES: usize = 100;
/// Failed runs that are shown.
const RUNS: usize = 6;
/// Values seen of a run that are.
const SEEN: usize = 6;
/// Expectations, messages and values are cut to so many characters.
const LONG: usize = 600;

/// Members that are shown together.
struct MemberGroup {
    title: &'static str,
    count: String,
    rows: Vec<MemberRow>,
    /// `and 960 more: eu 400, us 560`; empty if all are shown.
    more: String,
}

/// A member.
struct MemberRow {
    class: &'static str,
    sign: &'static str,
    standing: String,
    name: String,
    /// The probe's page, narrowed to it; empty if it is no canary.
    href: String,
    since_ms: i64,
    streak: String,
    says: String,
    /// The run that failed last, as far as it is known.
    run: String,
}

/// What a channel was sent, alike messages once.
struct TryRow {
    channel: String,
    what: String,
    key: String,
    made_ms: i64,
    outcome: String,
    class: &'static str,
}

#[derive(Template)]
#[template(path = "incident.html", config = "src/web/pages/askama.toml")]
struct IncidentPage {
    frame: Frame,
    path: String,
    class: &'static str,
    level: String,
    /// `38 min`, or how long it lasted.
    lasted: String,
    lines: Vec<String>,
    facts: IncidentFacts,
    passes: Option<String>,
    groups: Vec<MemberGroup>,
    tries: Vec<TryRow>,
    more_tries: usize,
    notes: Vec<EventView>,
    /// Whether a note of it can stand on the public status page.
    may_publish: bool,
    /// Reasons of this incident that can be muted.
    reasons: Vec<String>,
    subject: Option<String>,
    runbook: Option<ShownRunbook>,
    can_acknowledge: bool,
    can_verify: bool,
    /// What came of the last verification, where there was one lately.
    hand: Option<HandRuns>,
    now_ms: i64,
}

/// What the address bar keeps.
#[derive(Debug, Default, Deserialize)]
pub(super) struct IncidentQuery {
    /// Since when the runs of a verification are shown, milliseconds since the epoch.
    verified: Option<i64>,
}

/// `GET /incidents/{id}`
pub(super) async fn incident(
    look: Look,
    Extension(api): Extension<Arc<Api>>,
    Path(id): Path<String>,
    query: Result<Query<IncidentQuery>, QueryRejection>,
) -> PageResult {
    let snapshot = snapshot(&api, &look).await?;
    let facts = facts(&api, &snapshot, &id).await.map_err(|failure| PageError::of(&look, &failure))?;
    let title = words::clip(&facts.incident.title, 120);
    let frame = match facts.incident.ended_ms {
        None => look.live(&api, &snapshot, title),
        Some(_) => look.frame(&api, &snapshot, title),
    };
    let asked = query.map(|Query(query)| query).unwrap_or_default().verified;
    let hand = hand(&api, &look, &snapshot, &facts, asked).await;
    let may_publish = api.status_page.shows(&facts.incident.scope, facts.incident.probe.as_deref());
    Ok(html(&IncidentPage { may_publish, hand, ..page(facts, &snapshot, frame) }))
}

/// How the runs of its last verification went, while it is open.
async fn hand(api: &Api, look: &Look, snapshot: &Snapshot, facts: &IncidentFacts, asked: Option<i64>) -> Option<HandRuns> {
    let (since_ms, by) = verified(&facts.events, asked, snapshot.at_ms)?;
    let open = snapshot.status.incidents.iter().find(|one| one.id == facts.incident.id)?;
    let hand = HandRuns::of(api, look, &members(&facts.plan, open), since_ms, snapshot.at_ms).await;
    let by = by.map(|by| format!(" by {}", words::clip(&by, 60))).unwrap_or_default();
    Some(HandRuns { title: format!("Verified{by} {}", words::relative(since_ms, snapshot.at_ms)), ..hand })
}

/// `GET /incidents/{id}/postmortem.md`
pub(super) async fn export(look: Look, Extension(api): Extension<Arc<Api>>, Path(id): Path<String>) -> PageResult {
    let snapshot = snapshot(&api, &look).await?;
    let facts = facts(&api, &snapshot, &id).await.map_err(|failure| PageError::of(&look, &failure))?;
    let text = postmortem(&Facts {
        incident: &facts.incident,
        shared: &facts.shared,
        changes: &facts.changes,
        earlier: &facts.earlier,
        timeline: &facts.timeline,
        times: &facts.times,
        users: facts.users.as_ref(),
        notes: &notes(&facts.events, Some(&facts.incident.id)),
        now_ms: snapshot.at_ms,
    });
    let name: String = facts.incident.id.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    let headers = [
        (header::CONTENT_TYPE, "text/markdown; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"incident-{name}.md\"")),
    ];
    Ok((headers, text).into_response())
}

fn page(facts: IncidentFacts, snapshot: &Snapshot, frame: Frame) -> IncidentPage {
    let (incident, now_ms) = (&facts.incident, snapshot.at_ms);
    let live = snapshot.status.incidents.iter().find(|one| one.id == incident.id);
    let (class, level) = level(incident);
    let probe = incident.probe.as_deref().and_then(|name| facts.plan.probes.iter().find(|probe| &*probe.name == name));
    let latest = latest_runs(&facts);
    let (tries, more_tries) = tries(&incident.tries);
    let mut noted = notes(&facts.events, Some(&incident.id));
    let cut = noted.len().saturating_sub(NOTES);
    IncidentPage {
        path: format!("incidents/{}", encoded(&incident.id)),
        class,
        level,
        lasted: words::between(incident.since_ms, incident.until_ms(now_ms)),
        lines: lines(incident, now_ms),
        passes: facts.shared.passes.clone().or_else(|| live.and_then(|live| who_passes(&snapshot.status, live))),
        groups: Group::ALL.into_iter().filter_map(|group| member_group(incident, group, &latest, &frame)).collect(),
        tries,
        more_tries,
        notes: noted.split_off(cut),
        may_publish: false,
        reasons: reasons(incident),
        subject: incident.scope.strip_prefix("subject/").and_then(|rest| rest.split_once('/')).map(|(_, name)| name.to_owned()),
        runbook: probe.and_then(|probe| probe.runbook.as_ref()).map(ShownRunbook::of),
        can_acknowledge: incident.unanswered > 0,
        can_verify: incident.ended_ms.is_none() && incident.members.iter().any(|member| member.canary.is_some()),
        hand: None,
        now_ms,
        frame,
        facts,
    }
}

fn level(incident: &IncidentModel) -> (&'static str, String) {
    let quiet = incident.of_group(Group::Failing).is_empty() && incident.owed.is_empty();
    match (incident.ended_ms, incident.severity.as_str()) {
        (Some(_), severity) => ("held", format!("Over · {}", words::clip(severity, 40))),
        (None, _) if quiet => ("held", "Held".to_owned()),
        (None, "critical") => ("critical", "Critical".to_owned()),
        (None, "page") => ("page", "Page".to_owned()),
        (None, "warn") => ("warn", "Warn".to_owned()),
        (None, other) => ("page", words::clip(other, 40)),
    }
}

/// Who has it, who was told and who is owed, why it is critical.
fn lines(incident: &IncidentModel, now_ms: i64) -> Vec<String> {
    let mut lines = Vec::new();
    let said = incident.acknowledged.last();
    let why = said.and_then(|said| said.reason.as_deref()).map(|why| format!(": {}", words::clip(why, 200))).unwrap_or_default();
    match (said, incident.ended_ms) {
        (None, None) => lines.push("Nobody has it.".to_owned()),
        (None, Some(_)) => lines.push("Nobody had it.".to_owned()),
        (Some(said), None) => {
            let new = match incident.unanswered {
                0 => String::new(),
                unanswered => format!(", and {unanswered} failing since is new"),
            };
            lines.push(format!("{} has it since {} UTC{why}{new}.", said.by, words::when(said.at_ms, now_ms)));
        }
        (Some(said), Some(_)) => lines.push(format!("{} had it since {} UTC{why}.", said.by, words::when(said.at_ms, now_ms))),
    }
    lines.push(told(incident, now_ms));
    if !incident.critical.is_empty() {
        let fail = match (incident.ended_ms, incident.critical.len()) {
            (Some(_), _) => "failed",
            (None, 1) => "fails",
            (None, _) => "fail",
        };
        lines.push(format!("Critical because {} {fail}.", words::list(&incident.critical)));
    }
    if let Some(ended) = incident.ended_ms {
        lines.push(format!("Over since {} UTC{}.", words::moment(ended), words::clip(&how(&incident.how_ended), 300)));
    }
    lines
}

/// `pagerduty was told at 02:35:41 · slack is owed it since 02:35:40`.
fn told(incident: &IncidentModel, now_ms: i64) -> String {
    let mut taken: BTreeMap<&str, i64> = BTreeMap::new();
    for one in incident.tries.iter().filter(|one| one.state == "taken" && one.what == "ring") {
        let at_ms = one.ended_ms.unwrap_or(one.made_ms);
        let first = taken.entry(&one.channel).or_insert(at_ms);
        *first = at_ms.min(*first);
    }
    let mut said: Vec<String> =
        taken.iter().take(10).map(|(channel, at)| format!("{channel} was told at {}", words::when(*at, now_ms))).collect();
    said.extend(
        incident
            .owed
            .iter()
            .take(10)
            .map(|(channel, since)| format!("{channel} is not told yet, since {}", words::when(*since, now_ms))),
    );
    if said.is_empty() { "No channel was rung for it.".to_owned() } else { format!("{} (UTC).", said.join(" · ")) }
}

/// The run of each canary that failed last, as far as it is known.
fn latest_runs(facts: &IncidentFacts) -> HashMap<&str, &str> {
    let mut latest: HashMap<&str, &str> = HashMap::new();
    for run in &facts.runs {
        latest.entry(&run.canary).or_insert(&run.run_id);
    }
    for run in &facts.incident.failures {
        latest.entry(&run.canary).or_insert(&run.run_id);
    }
    latest
}

fn member_group(incident: &IncidentModel, group: Group, latest: &HashMap<&str, &str>, frame: &Frame) -> Option<MemberGroup> {
    let members = incident.of_group(group);
    let (shown, rest) = members.split_at(members.len().min(MEMBERS));
    let row = |member: &&Member| {
        let (class, sign) = member.standing.glyph();
        let run = member.canary.as_deref().and_then(|canary| latest.get(canary));
        let probe = member.canary.as_deref().and_then(|canary| canary.split('/').next());
        MemberRow {
            class,
            sign,
            standing: member.standing.as_str().to_owned(),
            name: words::clip(&name_of(incident, member), 200),
            href: probe
                .zip(member.canary.as_deref())
                .map_or_else(String::new, |(probe, canary)| format!("probes/{}?canary={}", encoded(probe), encoded(canary))),
            since_ms: member.since_ms,
            streak: member.streak(),
            says: words::clip(member.why.as_deref().or(member.reason.as_deref()).unwrap_or_default(), 300),
            run: run.map_or_else(String::new, |run| format!("runs/{}{}", encoded(run), frame.viewer.key)),
        }
    };
    (!members.is_empty()).then(|| MemberGroup {
        title: group.title(),
        count: words::thousands(members.len()),
        rows: shown.iter().map(row).collect(),
        more: more(rest),
    })
}

/// `eu · ios` of a canary of the incident's own probe, which its title names.
fn name_of(incident: &IncidentModel, member: &Member) -> String {
    let is_own = |canary: &&str| canary.split('/').next() == incident.probe.as_deref();
    let own = member.canary.as_deref().filter(is_own).map(place).filter(|place| !place.is_empty());
    own.unwrap_or_else(|| member.name.clone())
}

/// `and 960 more: eu 400, us 560`.
fn more(rest: &[&Member]) -> String {
    if rest.is_empty() {
        return String::new();
    }
    let mut regions: BTreeMap<&str, usize> = BTreeMap::new();
    for member in rest {
        *regions.entry(&member.region).or_default() += 1;
    }
    let named = regions.iter().filter(|(region, _)| !region.is_empty()).take(12);
    let named: Vec<String> =
        named.map(|(region, count)| format!("{} {}", words::clip(region, 60), words::thousands(*count))).collect();
    let more = format!("and {} more", words::thousands(rest.len()));
    if named.is_empty() { more } else { format!("{more}: {}", named.join(", ")) }
}

/// What was sent, alike messages to a channel once, and how many lines are not shown.
fn tries(tries: &[TryView]) -> (Vec<TryRow>, usize) {
    let mut rows: Vec<TryRow> = Vec::new();
    let mut counts: Vec<usize> = Vec::new();
    for one in tries.iter().rev() {
        let row = try_row(one);
        let is_alike = |known: &TryRow| {
            (&known.channel, &known.what, &known.key, &known.outcome) == (&row.channel, &row.what, &row.key, &row.outcome)
        };
        if let Some(at) = rows.iter().position(is_alike) {
            counts[at] += 1;
        } else {
            rows.push(row);
            counts.push(1);
        }
    }
    for (row, count) in rows.iter_mut().zip(counts).filter(|(_, count)| *count > 1) {
        row.outcome = format!("{} · {count} times", row.outcome);
    }
    let left_out = rows.len().saturating_sub(TRIES);
    rows.truncate(TRIES);
    (rows, left_out)
}

fn try_row(one: &TryView) -> TryRow {
    let after = one.ended_ms.map(|ended| format!(" after {}", exact(ended - one.made_ms))).unwrap_or_default();
    let attempts = if one.attempts > 1 { format!(", {} attempts", one.attempts) } else { String::new() };
    let error = one.error.as_deref().map(|error| format!(": {}", words::clip(error, 200))).unwrap_or_default();
    let (class, outcome) = match one.state {
        "taken" => ("", format!("taken{after}{attempts}")),
        "waiting" => ("warned", format!("not answered yet{attempts}{error}")),
        "refused" => ("bad", format!("refused{attempts}{error}")),
        "dropped" => ("muted", format!("not wanted any more{attempts}")),
        other => ("odd", format!("{other}{attempts}{error}")),
    };
    TryRow {
        channel: words::clip(&one.channel, 80),
        what: words::clip(&one.what, 40),
        key: words::clip(&one.key, 120),
        made_ms: one.made_ms,
        outcome,
        class,
    }
}

/// The reasons for which it fails, each once, as a mute names them.
fn reasons(incident: &IncidentModel) -> Vec<String> {
    let mut reasons: Vec<String> =
        incident.failures.iter().map(|run| run.reason.clone()).filter(|reason| !reason.is_empty()).collect();
    reasons.sort();
    reasons.dedup();
    reasons.truncate(20);
    reasons
}

impl IncidentPage {
    /// Whether a run of a verification goes on, so that the page is read again soon.
    pub(super) fn is_going(&self) -> bool {
        self.hand.as_ref().is_some_and(|hand| hand.runs.going > 0)
    }

    /// The failed runs that are shown.
    pub(super) fn failures(&self) -> &[FailedRun] {
        let all = &self.facts.incident.failures;
        &all[..all.len().min(RUNS)]
    }

    /// The values seen of a run that are shown, where its first line does not say them.
    #[expect(clippy::unused_self, reason = "templates call what belongs to a value")]
    pub(super) fn seen<'r>(&self, run: &'r FailedRun) -> &'r [(String, String)] {
        let is_said = run.expectation.as_deref().is_some_and(|source| contrast(source, &run.seen).is_some());
        if is_said { &[] } else { &run.seen[..run.seen.len().min(SEEN)] }
    }

    pub(super) fn run_href(&self, run: &FailedRun) -> String {
        format!("runs/{}{}", encoded(&run.run_id), self.frame.viewer.key)
    }

    pub(super) fn first_href(&self) -> Option<String> {
        self.facts.shared.first.run_id.as_deref().map(|run| format!("runs/{}{}", encoded(run), self.frame.viewer.key))
    }

    pub(super) fn export_href(&self) -> String {
        format!("{}/postmortem.md{}", self.path, self.frame.viewer.key)
    }
}

fn where_of(run: &FailedRun) -> String {
    let place = place(&run.canary);
    if place.is_empty() { run.region.clone() } else { place }
}

fn clipped(text: &str) -> String {
    words::clip(text, LONG)
}

/// `json.status was "pending", not "active"`, of a plain comparison; otherwise what was tried and seen.
fn short(run: &FailedRun) -> String {
    let plain = run.expectation.as_deref().and_then(|source| contrast(source, &run.seen));
    clipped(&plain.unwrap_or_else(|| run.message.clone()))
}

/// ` · 12 times, until 03:10:00`.
fn folded(entry: &Entry) -> String {
    entry.more.map(|(count, until)| format!("{count} of them, until {}", words::clock(until))).unwrap_or_default()
}
