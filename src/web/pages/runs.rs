//! `GET /runs`: the raw log of runs, newest first, with a filter that the address keeps.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use chrono::NaiveDateTime;
use serde::Deserialize;

use crate::history::{RunFilter, RunView};
use crate::outcome::{Reason, Verdict};
use crate::web::Api;
use crate::web::model::overview::encoded;
use crate::web::model::{run, words};

use super::frame::Frame;
use super::page::{Look, PageError, PageResult, html, snapshot};

/// Runs on a page.
const ROWS: usize = 100;

/// What the address bar keeps. Whatever is empty does not matter.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct RunsQuery {
    probe: String,
    canary: String,
    region: String,
    verdict: String,
    reason: String,
    since: String,
    until: String,
    after: String,
}

#[derive(Template)]
#[template(path = "runs.html", config = "src/web/pages/askama.toml")]
struct RunsPage {
    frame: Frame,
    query: RunsQuery,
    probes: Vec<String>,
    regions: Vec<String>,
    rows: Vec<RunView>,
    next: Option<String>,
    trouble: Option<String>,
}

/// `GET /runs`
pub(super) async fn runs(
    look: Look,
    Extension(api): Extension<Arc<Api>>,
    query: Result<Query<RunsQuery>, QueryRejection>,
) -> PageResult {
    let snapshot = snapshot(&api, &look).await?;
    let unreadable = || ("The address cannot be read as a filter: show all, and choose again.".to_owned(), RunsQuery::default());
    let (trouble, query) = match query {
        Ok(Query(query)) => (None, query),
        Err(_) => (Some(unreadable().0), unreadable().1),
    };
    let asked = trouble.map_or_else(|| query.filter(), Err);
    let (rows, next, trouble, status) = match asked {
        Err(trouble) => (Vec::new(), None, Some(trouble), StatusCode::BAD_REQUEST),
        Ok(filter) => {
            let after = Some(query.after.clone()).filter(|after| !after.is_empty());
            match api.read(api.reader.runs(filter, ROWS, after)).await {
                Ok(page) => (page.items, page.next, None, StatusCode::OK),
                Err(failure) if failure.status() == StatusCode::BAD_REQUEST => {
                    let trouble = "The address does not say where the list goes on: it begins anew below its filter.".to_owned();
                    (Vec::new(), None, Some(trouble), StatusCode::BAD_REQUEST)
                }
                Err(failure) => return Err(PageError::of(&look, &failure)),
            }
        }
    };
    let plan = api.plan();
    let page = RunsPage {
        frame: look.frame(&api, &snapshot, "Runs"),
        probes: plan.probes.iter().map(|probe| probe.name.to_string()).collect(),
        regions: plan.known_regions.iter().map(ToString::to_string).collect(),
        query,
        rows,
        next,
        trouble,
    };
    Ok((status, html(&page)).into_response())
}

impl RunsQuery {
    /// What is wanted, or what cannot be understood.
    fn filter(&self) -> Result<RunFilter, String> {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let refused = |what: &str, given: &str| {
            format!("`{}` is no {what}: choose again.", crate::outcome::visible(&words::clip(given, 80)))
        };
        let (mut not_passed, mut degraded, mut verdict) = (false, false, None);
        match self.verdict.as_str() {
            "" => {}
            "not_passed" => not_passed = true,
            "degraded" => degraded = true,
            word => verdict = Some(word.parse::<Verdict>().map_err(|_| refused("verdict", word))?),
        }
        let reason = text(&self.reason).map(|word| word.parse::<Reason>().map_err(|_| refused("reason", &word))).transpose()?;
        let time = |given: &str| text(given).map(|given| moment(&given).ok_or_else(|| refused("time", &given))).transpose();
        Ok(RunFilter {
            canary: text(&self.canary),
            probe: text(&self.probe),
            region: text(&self.region),
            verdict,
            reason,
            not_passed,
            degraded,
            since_ms: time(&self.since)?,
            until_ms: time(&self.until)?,
        })
    }

    /// The address of the same filter, from this place on.
    fn from(&self, after: &str) -> String {
        let all = [
            ("probe", self.probe.as_str()),
            ("canary", &self.canary),
            ("region", &self.region),
            ("verdict", &self.verdict),
            ("reason", &self.reason),
            ("since", &self.since),
            ("until", &self.until),
            ("after", after),
        ];
        let said: Vec<String> =
            all.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        if said.is_empty() { "runs".to_owned() } else { format!("runs?{}", said.join("&")) }
    }

    /// Whether it asks for something that is seldom asked for.
    fn is_narrow(&self) -> bool {
        [&self.region, &self.reason, &self.since, &self.until].iter().any(|value| !value.is_empty())
    }

    fn is_empty(&self) -> bool {
        self.from("") == "runs"
    }
}

/// A moment in UTC as browsers and people write it, or in milliseconds since the epoch.
fn moment(text: &str) -> Option<i64> {
    if let Ok(ms) = text.parse::<i64>() {
        return Some(ms);
    }
    let text = text.trim_end_matches(['Z', 'z']).replace(' ', "T");
    let time = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f"].iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
    let day = || NaiveDateTime::parse_from_str(&format!("{text}T00:00"), "%Y-%m-%dT%H:%M").ok();
    time.or_else(day).map(|time| time.and_utc().timestamp_millis())
}

/// The same as the field for it shows it.
fn field(text: &str) -> String {
    moment(text).map(|ms| words::iso(ms).trim_end_matches('Z').to_owned()).unwrap_or_default()
}

/// The verdicts that can be chosen: the word in the address, and in the list.
const VERDICTS: [(&str, &str); 8] = [
    ("not_passed", "not passed"),
    ("failed", "failed"),
    ("degraded", "degraded"),
    ("passed", "passed"),
    ("errored", "errored"),
    ("missed", "missed"),
    ("blocked", "blocked"),
    ("skipped", "skipped"),
];

/// A reason as people read it.
fn in_words(reason: &str) -> String {
    reason.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_can_be_chosen_and_what_is_none_is_refused() {
        for (word, _) in VERDICTS {
            let query = RunsQuery { verdict: word.to_owned(), ..RunsQuery::default() };
            assert!(query.filter().is_ok(), "{word}");
        }
        for verdict in Verdict::ALL {
            assert!(VERDICTS.iter().any(|(word, _)| *word == verdict.as_str()), "{verdict}");
        }
        let wrong = |query: RunsQuery| query.filter().unwrap_err();
        assert!(wrong(RunsQuery { verdict: "<b>".to_owned(), ..RunsQuery::default() }).contains("no verdict"));
        assert!(wrong(RunsQuery { reason: "bored".to_owned(), ..RunsQuery::default() }).contains("no reason"));
        assert!(wrong(RunsQuery { since: "soon".to_owned(), ..RunsQuery::default() }).contains("no time"));
    }

    #[test]
    fn times_are_read_as_browsers_and_people_write_them() {
        for text in ["2025-11-21T12:00", "2025-11-21 12:00:00", "2025-11-21T12:00:00Z", "1763726400000"] {
            assert_eq!(moment(text), Some(1_763_726_400_000), "{text}");
        }
        assert_eq!(moment("2025-11-21"), Some(1_763_683_200_000));
        assert_eq!(moment("99999-99-99"), None);
    }

    #[test]
    fn the_address_keeps_the_filter() {
        let query = RunsQuery { probe: "a&b".to_owned(), verdict: "failed".to_owned(), ..RunsQuery::default() };
        assert_eq!(query.from("7.1"), "runs?probe=a%26b&verdict=failed&after=7.1");
        assert!(RunsQuery { after: "7.1".to_owned(), ..RunsQuery::default() }.is_empty());
    }
}
