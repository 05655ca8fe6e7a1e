//! The evidence in a message: the latest failed run of each failing region.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::Failure;
use crate::alert::Moment;
use crate::alert::view::MemberView;
use crate::plan::expr::Destination;

use super::saying::MessageContext;
use super::words::{is_link, line};

/// Most regions with evidence.
const REGIONS: usize = 5;

/// Bytes of a sentence.
const SENTENCE: usize = 500;

/// Bytes of a name or value.
const WORD: usize = 150;

/// Bytes of a link.
const LINK: usize = 1_000;

/// Parts of an expectation.
const PARTS: usize = 4;

/// A failed run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The region.
    pub region: String,
    /// `platform=ios,size=large`; empty without a matrix.
    pub cell: String,
    /// The run's id.
    pub run: String,
    /// Its trace's id.
    pub trace: String,
    /// When it ended, milliseconds since the epoch.
    pub at_ms: i64,
    /// The closed word.
    pub reason: String,
    /// The step.
    pub step: Option<String>,
    /// Attempts made of it.
    pub attempts: u32,
    /// One sentence: the expectation's author's words, or what was tried and what was seen.
    pub message: String,
    /// The expectation that did not hold, as written.
    pub expectation: Option<String>,
    /// `file:line:column`.
    pub location: Option<String>,
    /// Parts of the expectation and the values seen.
    pub seen: Vec<(String, String)>,
    /// Where the run is looked at; absent where nothing answers.
    pub run_url: Option<String>,
    /// Where the trace is looked at; absent where nothing is configured.
    pub trace_url: Option<String>,
}

/// The latest failed run by tick of each region that these members are in, in the order of `regions`.
pub(super) fn latest(
    members: &[&MemberView],
    regions: &[Arc<str>],
    incident: &str,
    context: &MessageContext<'_>,
    now: Moment,
) -> Vec<Evidence> {
    let mut latest: BTreeMap<&str, (Duration, &Failure)> = BTreeMap::new();
    for member in members {
        let (Some(failure), at) = (member.fact.evidence.as_deref(), member.fact.last_failed.unwrap_or(member.fact.since)) else {
            continue;
        };
        let (region, _) = region_and_cell(failure);
        let newest = latest.entry(region).or_insert((at, failure));
        if at > newest.0 {
            *newest = (at, failure);
        }
    }
    // Subjects and objectives have no region, so their evidence of any region is told.
    let known = regions.iter().filter_map(|region| latest.get(&**region));
    let found: Vec<&(Duration, &Failure)> = if regions.is_empty() { latest.values().collect() } else { known.collect() };
    found.into_iter().take(REGIONS).map(|(_, failure)| evidence(failure, incident, context, now)).collect()
}

/// Region and cell of the canary that failed. Values of a matrix may have a slash in them, names have none.
fn region_and_cell(failure: &Failure) -> (&str, &str) {
    let mut parts = failure.canary.splitn(3, '/').skip(1);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

fn evidence(failure: &Failure, incident: &str, context: &MessageContext<'_>, now: Moment) -> Evidence {
    let (region, cell) = region_and_cell(failure);
    let link = |text: String| Some(line(&text, LINK)).filter(|text| is_link(text));
    let trace = |url: &crate::plan::Template| {
        let scope = minijinja::context! { trace_id => failure.trace_id.as_str() };
        url.render(&scope, Destination::Url).ok().and_then(link)
    };
    Evidence {
        region: line(region, WORD),
        cell: line(cell, WORD),
        run: line(&failure.run_id, WORD),
        trace: line(&failure.trace_id, WORD),
        at_ms: failure.at_ms,
        reason: line(&failure.reason, WORD),
        step: failure.step.as_deref().map(|step| line(step, WORD)),
        attempts: failure.attempts,
        message: line(&failure.message, SENTENCE),
        expectation: failure.expectation.as_deref().map(|text| line(text, SENTENCE)),
        location: failure.location.as_deref().map(|text| line(text, WORD)),
        seen: failure.seen.iter().take(PARTS).map(|(part, value)| (line(part, WORD), line(value, WORD))).collect(),
        // One that is cut leads nowhere.
        run_url: context.run_url(&failure.run_id, incident, now).filter(|url| url.len() <= LINK).and_then(link),
        trace_url: context.trace_url.and_then(trace),
    }
}
