//! What messages said of an incident: once it is over, nothing else knows who failed in it and how.
//!
//! Messages are JSON of whatever version wrote them. What is missing or has another form is left out.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::history::{TimelineView, TryView};

use super::{Acknowledged, FailedRun, Member, Standing};

/// Members that are kept in memory for a page.
const MEMBERS: usize = 1_000;
/// Failed runs that are.
const FAILURES: usize = 50;

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

/// Messages of this incident alone; one that gathers several tells of none of them in full.
fn messages<'t>(tries: &'t [TryView], is_own: impl Fn(&Value) -> bool + 't) -> impl Iterator<Item = &'t Value> {
    tries.iter().rev().map(|one| &one.message).filter(move |message| is_own(message))
}

/// Those of the latest message; without any, those that the timeline names.
pub(super) fn members(tries: &[TryView], scope: &str, timeline: &[TimelineView]) -> Vec<Member> {
    let has_members = |message: &Value| message["members"].as_array().is_some_and(|list| !list.is_empty());
    let latest = messages(tries, |message| message["scope"].as_str() == Some(scope)).find(|message| has_members(message));
    match latest {
        Some(message) => message["members"].as_array().into_iter().flatten().take(MEMBERS).map(of_message).collect(),
        None => of_timeline(timeline),
    }
}

fn of_message(member: &Value) -> Member {
    let key = text(&member["name"]).unwrap_or_default();
    let canary = key.strip_prefix("canary/").or_else(|| key.strip_prefix("no_data/")).map(str::to_owned);
    Member {
        name: canary.clone().unwrap_or_else(|| key.clone()),
        canary,
        region: text(&member["region"]).unwrap_or_default(),
        cell: text(&member["cell"]).unwrap_or_default(),
        standing: Standing::of(member["standing"].as_str().unwrap_or("unknown")),
        since_ms: member["since_ms"].as_i64().unwrap_or(0),
        failures: number(&member["failed"]),
        of: number(&member["of"]),
        reason: text(&member["reason"]),
        why: None,
    }
}

/// `canary/p/eu/platform=ios fails`, and later `… no longer fails`.
fn of_timeline(timeline: &[TimelineView]) -> Vec<Member> {
    let mut found: BTreeMap<&str, Member> = BTreeMap::new();
    for row in timeline {
        let (key, standing) = match row.what.as_str() {
            "joined" => (row.text.strip_suffix(" fails"), Standing::Failing),
            "left" => (row.text.strip_suffix(" no longer fails"), Standing::Recovered),
            _ => continue,
        };
        let Some(key) = key.filter(|key| found.len() < MEMBERS || found.contains_key(key)) else { continue };
        let canary = key.strip_prefix("canary/").or_else(|| key.strip_prefix("no_data/"));
        let mut parts = canary.unwrap_or_default().splitn(3, '/').skip(1).map(str::to_owned);
        let member = Member {
            name: canary.unwrap_or(key).to_owned(),
            canary: canary.map(str::to_owned),
            region: parts.next().unwrap_or_default(),
            cell: parts.next().unwrap_or_default(),
            standing,
            since_ms: found.get(key).map_or(row.at_ms, |known| known.since_ms),
            failures: 0,
            of: 0,
            reason: None,
            why: None,
        };
        found.insert(key, member);
    }
    found.into_values().collect()
}

/// The latest failed run of each region that its messages tell of.
pub(super) fn failures(tries: &[TryView], incident: &str) -> Vec<FailedRun> {
    let mut latest: BTreeMap<String, FailedRun> = BTreeMap::new();
    for message in messages(tries, |message| message["incident"].as_str() == Some(incident)) {
        for evidence in message["evidence"].as_array().into_iter().flatten() {
            let Some(run) = failed_run(evidence, message) else { continue };
            if latest.len() < FAILURES || latest.contains_key(&run.region) {
                let known = latest.entry(run.region.clone()).or_insert_with(|| run.clone());
                if run.at_ms > known.at_ms {
                    *known = run;
                }
            }
        }
    }
    latest.into_values().collect()
}

fn failed_run(evidence: &Value, message: &Value) -> Option<FailedRun> {
    let region = text(&evidence["region"])?;
    let cell = text(&evidence["cell"]).unwrap_or_default();
    let probe = text(&message["probe"]).unwrap_or_default();
    let slash = if cell.is_empty() { "" } else { "/" };
    let seen = evidence["seen"].as_array().into_iter().flatten();
    Some(FailedRun {
        canary: format!("{probe}/{region}{slash}{cell}"),
        run_id: text(&evidence["run"])?,
        region,
        at_ms: evidence["at_ms"].as_i64().unwrap_or(0),
        reason: text(&evidence["reason"]).unwrap_or_default(),
        message: text(&evidence["message"]).unwrap_or_default(),
        step: text(&evidence["step"]),
        expectation: text(&evidence["expectation"]),
        location: text(&evidence["location"]),
        attempts: number(&evidence["attempts"]),
        seen: seen.filter_map(|pair| Some((text(&pair[0])?, text(&pair[1])?))).collect(),
        host: None,
    })
}

/// Times in what alerting keeps are of its own clock; when the incident opened is known by both.
pub(super) fn wall(own: &Value, time: &Value, opened_ms: i64) -> Option<i64> {
    let (opened, time) = (own["opened"].as_i64()?, time.as_i64()?);
    Some(opened_ms.saturating_add(time.saturating_sub(opened)))
}

pub(super) fn acknowledged(own: &Value, opened_ms: i64) -> Vec<Acknowledged> {
    let said = own["acknowledged"].as_array().into_iter().flatten();
    said.map(|said| Acknowledged {
        by: text(&said["by"]).unwrap_or_else(|| "somebody".to_owned()),
        at_ms: wall(own, &said["at"], opened_ms).unwrap_or(opened_ms),
        reason: text(&said["reason"]),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{row, try_of};
    use super::*;

    #[test]
    fn members_and_failed_runs_come_from_the_latest_message_of_the_incident() {
        let early = json!({ "scope": "probe/p", "incident": "01A", "probe": "p",
            "members": [{ "name": "canary/p/eu", "standing": "failing" }],
            "evidence": [{ "region": "eu", "run": "R1", "at_ms": 5, "reason": "timeout" }] });
        let late = json!({ "scope": "probe/p", "incident": "01A", "probe": "p",
            "members": [{ "name": "canary/p/eu/platform=ios", "region": "eu", "cell": "platform=ios", "standing": "recovered", "failed": 6 }],
            "evidence": [] });
        let tries = [try_of("pagerduty", "ring", "taken", early), try_of("pagerduty", "end", "taken", late)];
        let members = members(&tries, "probe/p", &[]);
        assert_eq!((members.len(), members[0].name.as_str(), members[0].failures), (1, "p/eu/platform=ios", 6));
        assert_eq!(members[0].standing, Standing::Recovered);
        let failures = failures(&tries, "01A");
        assert_eq!((failures[0].run_id.as_str(), failures[0].canary.as_str()), ("R1", "p/eu"));
        assert!(super::failures(&tries, "01B").is_empty());
    }

    #[test]
    fn without_messages_the_timeline_tells_who_failed() {
        let rows =
            [row(1, "joined", "canary/p/eu/platform=ios fails"), row(9, "left", "canary/p/eu/platform=ios no longer fails")];
        let members = members(&[], "probe/p", &rows);
        assert_eq!((members.len(), members[0].region.as_str(), members[0].cell.as_str()), (1, "eu", "platform=ios"));
        assert_eq!(members[0].standing, Standing::Recovered);
    }

    #[test]
    fn whatever_form_a_message_has_it_is_read_without_harm() {
        for message in [
            json!(null),
            json!("text"),
            json!({ "scope": "probe/p", "members": "no" }),
            json!({ "scope": "probe/p", "incident": "01A",
            "members": [null, 7, { "name": 7, "since_ms": "x" }], "evidence": [null, { "region": "eu" }, { "region": "eu", "run": "R", "seen": [[1, 2], "x"] }] }),
        ] {
            let tries = [try_of("slack", "ring", "taken", message)];
            let _ = members(&tries, "probe/p", &[]);
            assert!(failures(&tries, "01A").iter().all(|run| run.seen.is_empty()));
        }
    }

    #[test]
    fn times_of_alerting_are_told_by_the_clock_of_the_wall() {
        let own = json!({ "opened": 1_000, "acknowledged": [{ "by": "ann", "at": 4_000 }, {}] });
        let said = acknowledged(&own, 50_000);
        assert_eq!((said[0].at_ms, said[0].by.as_str()), (53_000, "ann"));
        assert_eq!((said[1].at_ms, said[1].by.as_str()), (50_000, "somebody"));
    }
}
