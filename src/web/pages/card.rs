//! An open incident in a few lines, as the overview and the list of incidents show it.

use std::collections::BTreeSet;

use crate::alert::status::{Health, IncidentStatus, Status};
use crate::history::EventView;
use crate::plan::{Plan, Runbook};
use crate::web::model::run::contrast;
use crate::web::model::{Snapshot, changes, words};

/// Channels that are named.
const CHANNELS: usize = 5;

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
pub(super) fn cards(plan: &Plan, snapshot: &Snapshot, changes: &[EventView], most: usize) -> Vec<Card> {
    snapshot.status.incidents.iter().take(most).map(|incident| card(plan, snapshot, changes, incident)).collect()
}

/// All that are about one probe.
pub(super) fn cards_of(plan: &Plan, snapshot: &Snapshot, changes: &[EventView], probe: &str) -> Vec<Card> {
    let of_probe = snapshot.status.incidents.iter().filter(|incident| incident.probe.as_deref() == Some(probe));
    of_probe.map(|incident| card(plan, snapshot, changes, incident)).collect()
}

fn card(plan: &Plan, snapshot: &Snapshot, events: &[EventView], incident: &IncidentStatus) -> Card {
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
        lines: lines(
            &snapshot.status,
            incident,
            changes::after(events, incident.probe.as_deref(), incident.since_ms),
            snapshot.at_ms,
        ),
        can_acknowledge: incident.unanswered > 0,
        can_verify: incident.members.iter().any(|member| member.canary.is_some()),
        runbook: probe.and_then(|probe| probe.runbook.as_ref()).and_then(Runbook::url).map(str::to_owned),
    }
}

/// Whether all that fails in it is muted or explained.
fn is_quiet(incident: &IncidentStatus) -> bool {
    !incident.members.iter().any(|member| matches!(member.standing, "failing" | "waiting" | "acknowledged"))
}

fn lines(status: &Status, incident: &IncidentStatus, after: Option<String>, now_ms: i64) -> Vec<Line> {
    let mut first = vec![format!("for {}", words::between(incident.since_ms, now_ms))];
    if let Some(failure) = incident.failures.first() {
        let step = failure.step.as_deref().map(|step| format!("step {step}: ")).unwrap_or_default();
        let plain = failure.expectation.as_deref().and_then(|source| contrast(source, &failure.seen));
        first.push(format!("{step}{}", words::clip(&plain.unwrap_or_else(|| failure.message.clone()), 240)));
    } else if let Some(said) = incident.members.iter().find_map(|member| member.words.as_deref().or(member.reason.as_deref())) {
        first.push(words::clip(said, 240));
    }
    if let Some(pass) = who_passes(status, incident) {
        first.push(pass);
    }
    first.extend(after);
    vec![
        Line { text: first.join(" · "), is_muted: false },
        Line { text: format!("{} · {}", who_has_it(incident, now_ms), told(incident, now_ms)), is_muted: true },
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

/// `pager was told at 02:35:51 · not told yet: chat since 02:35:40`.
pub(super) fn told(incident: &IncidentStatus, now_ms: i64) -> String {
    let mut rung: Vec<(String, Vec<&str>)> = Vec::new();
    for told in incident.told.iter().take(CHANNELS) {
        let last = words::when(told.last_ms, now_ms);
        let how = if told.rings > 1 { format!("rung {} times, last at {last}", told.rings) } else { format!("rung at {last}") };
        match rung.iter_mut().find(|(known, _)| *known == how) {
            Some((_, channels)) => channels.push(&told.channel),
            None => rung.push((how, vec![&told.channel])),
        }
    }
    let was = |channels: &[&str]| if channels.len() == 1 { "was" } else { "were" };
    let mut said: Vec<String> =
        rung.iter().map(|(how, channels)| format!("{} {} {how}", words::list(channels), was(channels))).collect();
    if let Some(more) = incident.told.len().checked_sub(CHANNELS).filter(|more| *more > 0) {
        said.push(format!("and {}", words::count(more, "more channel", "more channels")));
    }
    if !incident.owed.is_empty() {
        let owed: Vec<String> = incident
            .owed
            .iter()
            .take(CHANNELS)
            .map(|owed| format!("{} since {}", owed.channel, words::when(owed.since_ms, now_ms)))
            .collect();
        said.push(format!("not told yet: {}", words::list(&owed)));
    }
    if said.is_empty() { "no channel was rung for it".to_owned() } else { said.join(" · ") }
}

#[cfg(test)]
mod tests {
    use crate::alert::status::{Owed, Told};

    use super::*;

    fn incident(told: Vec<Told>, owed: Vec<Owed>) -> IncidentStatus {
        IncidentStatus {
            id: "01A".to_owned(),
            scope: "probe/p".to_owned(),
            probe: Some("p".to_owned()),
            key: None,
            keys: Vec::new(),
            severity: "page",
            title: "p fails in eu".to_owned(),
            since_ms: 1_000,
            critical: Vec::new(),
            members: Vec::new(),
            members_total: 0,
            suspects: 0,
            failures: Vec::new(),
            unanswered: 1,
            acknowledged: Vec::new(),
            told,
            owed,
        }
    }

    fn rang(channel: &str, rings: u32) -> Told {
        Told { channel: channel.to_owned(), rings, last_ms: 90_000 }
    }

    #[test]
    fn who_was_rung_stands_before_who_is_owed_it() {
        let owed = Owed { scope: "probe/p".to_owned(), incident: "01A".to_owned(), channel: "chat".to_owned(), since_ms: 60_000 };
        let said = told(&incident(vec![rang("pager", 1), rang("mail", 3), rang("page", 1)], vec![owed]), 100_000);
        assert_eq!(
            said,
            "pager and page were rung at 00:01:30 · mail was rung 3 times, last at 00:01:30 · not told yet: chat since 00:01:00"
        );
        assert_eq!(told(&incident(Vec::new(), Vec::new()), 0), "no channel was rung for it");
        let many = incident((0..8).map(|at| rang(&format!("c{at}"), 1)).collect(), Vec::new());
        assert!(told(&many, 100_000).ends_with("c3 and c4 were rung at 00:01:30 · and 3 more channels"));
    }

    #[test]
    fn a_card_says_after_which_change_it_began() {
        let lines =
            lines(&Status::default(), &incident(Vec::new(), Vec::new()), Some("12 min after deploy 4711".to_owned()), 61_000);
        assert_eq!(lines[0].text, "for 1 min · 12 min after deploy 4711");
        assert_eq!(lines[1].text, "nobody has it · no channel was rung for it");
    }
}
