//! One message about many incidents: a storm, or what a channel never got while it could not be reached.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::alert::Moment;
use crate::plan::Severity;

use super::saying::{MessageContext, Saying};
use super::words::{count, line, some};
use super::{Action, MOST, Message, Occasion, VERSION, severity_word};

/// Names in the title.
const NAMED: usize = 3;

/// What a gathered message tells of one incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentSummary {
    /// The incident's id.
    pub incident: String,
    /// What it is about, as `Scope` displays it.
    pub scope: String,
    /// How bad it is.
    #[serde(with = "severity_word")]
    pub severity: Severity,
    /// The title of its own message.
    pub title: String,
    /// Who is responsible.
    pub owner: Option<String>,
    /// Where it is written what to do.
    pub runbook: Option<String>,
    /// Regions that fail.
    pub regions: Vec<String>,
    /// When it began.
    pub since_ms: i64,
    /// Whether it is over.
    pub is_over: bool,
    /// Where it is looked at; absent where nothing answers.
    pub url: Option<String>,
}

impl IncidentSummary {
    /// What a gathered message tells of a message of its own.
    pub fn of(message: &Message) -> Self {
        Self {
            incident: message.incident.clone(),
            scope: line(&message.scope, 250),
            severity: message.severity,
            title: message.title.clone(),
            owner: message.owner.clone(),
            runbook: message.runbook.as_deref().map(|runbook| line(runbook, 250)),
            regions: message.regions.clone(),
            since_ms: message.since_ms,
            is_over: message.is_over(),
            url: message.url.clone(),
        }
    }

    /// What a title calls it: the probe, or whatever it is about.
    fn name(&self) -> &str {
        self.scope.strip_prefix("probe/").unwrap_or(&self.scope)
    }
}

/// One message about these incidents. `saying.occasion` is [`Occasion::Gathered`], or [`Occasion::Unheard`] of what was not
/// delivered before its end.
pub fn gathered(told: &[IncidentSummary], saying: &Saying<'_>, context: &MessageContext<'_>, now: Moment) -> Message {
    // The worst first, then the oldest.
    let mut told: Vec<&IncidentSummary> = told.iter().collect();
    told.sort_by_key(|one| (one.is_over, std::cmp::Reverse(one.severity), one.since_ms));
    let over = told.iter().filter(|one| one.is_over).count();
    let owners: BTreeSet<&str> = told.iter().filter_map(|one| one.owner.as_deref()).collect();
    let first = told.first();
    Message {
        version: VERSION,
        key: saying.key.to_owned(),
        number: saying.number,
        previous: saying.previous.map(str::to_owned),
        action: saying.what,
        occasion: saying.occasion,
        severity: told.iter().map(|one| one.severity).max().unwrap_or(Severity::Warn),
        incident: first.map(|one| one.incident.clone()).unwrap_or_default(),
        scope: "storm".to_owned(),
        origin: context.origin.map(|origin| line(origin, 120)),
        title: title(&told, over, saying),
        probe: None,
        subject: None,
        promised: None,
        owner: match owners.len() {
            1 => owners.first().map(|owner| (*owner).to_owned()),
            _ => None,
        },
        runbook: None,
        tags: Vec::new(),
        since_ms: told.iter().map(|one| one.since_ms).min().unwrap_or_else(|| now.wall_ms()),
        at_ms: now.wall_ms(),
        ended_ms: None,
        regions: regions(&told),
        cell: BTreeMap::new(),
        critical: Vec::new(),
        why: why(saying),
        failing: Vec::new(),
        apart: Vec::new(),
        evidence: Vec::new(),
        members: Vec::new(),
        members_total: 0,
        incidents: told.iter().take(MOST).map(|one| (*one).clone()).collect(),
        incidents_total: told.len(),
        url: context.pages.map(|pages| format!("{pages}/incidents")),
        test: false,
    }
}

/// `7 incidents at once: cart, login, search and 4 more`, or `while you could not be reached: 14 incidents, all over`.
fn title(told: &[&IncidentSummary], over: usize, saying: &Saying<'_>) -> String {
    let incidents = count(told.len(), "incident", "incidents");
    if saying.occasion == Occasion::Unheard {
        let how = match (over, told.len()) {
            (over, all) if over == all => "all over".to_owned(),
            (over, _) => format!("{over} of them over"),
        };
        return format!("while you could not be reached: {incidents}, {how}");
    }
    let names: Vec<&str> = told.iter().map(|one| one.name()).collect();
    let what = match (saying.what, told.len()) {
        (Action::End, 1) => " is over",
        (Action::End, _) => " are over",
        (Action::Ring | Action::Change | Action::Acknowledge, _) => " at once",
    };
    line(&format!("{incidents}{what}: {}", some(&names, NAMED)), 250)
}

fn regions(told: &[&IncidentSummary]) -> Vec<String> {
    let regions: BTreeSet<&String> = told.iter().filter(|one| !one.is_over).flat_map(|one| &one.regions).collect();
    regions.into_iter().take(MOST).cloned().collect()
}

fn why(saying: &Saying<'_>) -> Vec<String> {
    match (saying.occasion, saying.what) {
        (Occasion::Unheard, _) => vec!["Nothing of this was delivered here while it was open.".to_owned()],
        (_, Action::Ring) => vec!["So much rings that this minute's messages are gathered in one.".to_owned()],
        (_, Action::Change | Action::Acknowledge | Action::End) => Vec::new(),
    }
}
