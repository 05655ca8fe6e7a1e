//! An open incident in a few lines, as the overview and the list of incidents show it.

use std::collections::BTreeSet;

use crate::alert::status::{Health, IncidentStatus, Status};
use crate::plan::{Plan, Runbook};
use crate::web::model::{Snapshot, words};

/// A line of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// What it says.
    pub(super) text: String,
    /// Whether it stands back.
    pub(super) is_muted: bool,
}

/// An incident in a few lines.
#[derive(Debug, Clone)]
pub(super) struct Card {
    /// Its severity as the style sheet knows it; "held" where it rings nobody.
    pub(super) class: &'static str,
    /// The same as a word: "Critical".
    pub(super) level: &'static str,
    /// What broke, for whom.
    pub(super) title: String,
    /// Where it is looked at, with what lets somebody look.
    pub(super) href: String,
    /// Its address, for what acts on it.
    pub(super) path: String,
    /// Since when, what fails, who passes, who has it, who is owed what.
    pub(super) lines: Vec<Line>,
    /// Whether there is something to acknowledge.
    pub(super) can_acknowledge: bool,
    /// Whether there are canaries to run now.
    pub(super) can_verify: bool,
    /// Where it is written what to do.
    pub(super) runbook: Option<String>,
}

/// The worst incidents, at most so many.
pub(super) fn cards(plan: &Plan, snapshot: &Snapshot, most: usize) -> Vec<Card> {
    snapshot.status.incidents.iter().take(most).map(|incident| card(plan, &snapshot.status, incident, snapshot.at_ms)).collect()
}

/// All that are about one probe.
pub(super) fn cards_of(plan: &Plan, snapshot: &Snapshot, probe: &str) -> Vec<Card> {
    let of_probe = snapshot.status.incidents.iter().filter(|incident| incident.probe.as_deref() == Some(probe));
    of_probe.map(|incident| card(plan, &snapshot.status, incident, snapshot.at_ms)).collect()
}

fn card(plan: &Plan, status: &Status, incident: &IncidentStatus, now_ms: i64) -> Card {
    let probe = incident.probe.as_deref().and_then(|name| plan.probes.iter().find(|probe| &*probe.name == name));
    let path = format!("incidents/{}", incident.id);
    let is_held = incident.unanswered == 0 && incident.acknowledged.is_empty() && incident.owed.is_empty() && is_quiet(incident);
    let (class, level) = match incident.severity {
        _ if is_held => ("held", "Held"),
        "critical" => ("critical", "Critical"),
        "page" => ("page", "Page"),
        _ => ("warn", "Warn"),
    };
    Card {
        class,
        level,
        title: incident.title.clone(),
        href: path.clone(),
        path,
        lines: lines(status, incident, now_ms),
        can_acknowledge: incident.unanswered > 0,
        can_verify: incident.members.iter().any(|member| member.canary.is_some()),
        runbook: probe.and_then(|probe| probe.runbook.as_ref()).and_then(Runbook::url).map(str::to_owned),
    }
}

/// Whether all that fails in it is muted or explained.
fn is_quiet(incident: &IncidentStatus) -> bool {
    !incident.members.iter().any(|member| matches!(member.standing, "failing" | "waiting" | "acknowledged"))
}

fn lines(status: &Status, incident: &IncidentStatus, now_ms: i64) -> Vec<Line> {
    let mut first = vec![format!("for {}", words::between(incident.since_ms, now_ms))];
    if let Some(failure) = incident.failures.first() {
        let step = failure.step.as_deref().map(|step| format!("step {step}: ")).unwrap_or_default();
        first.push(format!("{step}{}", words::clip(&failure.message, 240)));
    } else if let Some(said) = incident.members.iter().find_map(|member| member.words.as_deref().or(member.reason.as_deref())) {
        first.push(words::clip(said, 240));
    }
    if let Some(pass) = who_passes(status, incident) {
        first.push(pass);
    }
    vec![
        Line { text: first.join(" · "), is_muted: false },
        Line { text: format!("{} · {}", who_has_it(incident, now_ms), owed(incident, now_ms)), is_muted: true },
    ]
}

/// `ap passes`: the regions of its probe in which every canary is well.
pub(super) fn who_passes(status: &Status, incident: &IncidentStatus) -> Option<String> {
    let probe = incident.probe.as_deref()?;
    let of_probe = || status.canaries.iter().filter(|canary| canary.probe == probe);
    let unwell: BTreeSet<&str> =
        of_probe().filter(|canary| canary.standing != Health::Passing).map(|canary| &*canary.region).collect();
    let well: BTreeSet<&str> = of_probe().map(|canary| &*canary.region).filter(|region| !unwell.contains(region)).collect();
    let well: Vec<&str> = well.into_iter().collect();
    (!well.is_empty()).then(|| format!("{} {}", words::list(&well), if well.len() == 1 { "passes" } else { "pass" }))
}

/// `ann has it since 02:41`, `nobody has it`.
pub(super) fn who_has_it(incident: &IncidentStatus, now_ms: i64) -> String {
    match incident.acknowledged.last() {
        None => "nobody has it".to_owned(),
        Some(said) => {
            let since = words::when(said.at_ms, now_ms);
            let more = if incident.unanswered > 0 {
                format!(", and {} failing since is new", incident.unanswered)
            } else {
                String::new()
            };
            let why = said.reason.as_deref().map(|why| format!(": {}", words::clip(why, 120))).unwrap_or_default();
            format!("{} has it since {since} UTC{why}{more}", said.by)
        }
    }
}

/// Who ought to have been told and was not yet.
pub(super) fn owed(incident: &IncidentStatus, now_ms: i64) -> String {
    let owed: Vec<String> =
        incident.owed.iter().map(|owed| format!("{} since {}", owed.channel, words::when(owed.since_ms, now_ms))).collect();
    match (owed.is_empty(), incident.key.is_some()) {
        (false, _) => format!("not told yet: {}", words::list(&owed)),
        (true, true) => "everybody who should be was told".to_owned(),
        (true, false) => "no channel was rung for it".to_owned(),
    }
}
