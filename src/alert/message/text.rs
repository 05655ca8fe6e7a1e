//! A message as plain text, and its parts for channels that lay them out themselves.
//!
//! The order is that of somebody who was woken: what fails, what was seen, who else; then whom to ask and where to look.

use super::evidence::Evidence;
use super::words::{between, clip, clock, count, lasting, line, list, thousands, time};
use super::{Action, MOST, Message, Occasion};

/// Bytes of a line.
const LINE: usize = 700;

/// The title, for channels with a field for the severity. A test is marked as one.
pub(in crate::alert) fn marked_title(message: &Message, most: usize) -> String {
    let mark = if message.test { "[TEST] " } else { "" };
    line(&format!("{mark}{}", message.title), most)
}

/// The title after the severity, for channels without a field for the severity.
pub(in crate::alert) fn headline(message: &Message, most: usize) -> String {
    let severity = message.severity.as_str().to_uppercase();
    let word = match message.occasion {
        Occasion::Acknowledged => "ACKNOWLEDGED".to_owned(),
        Occasion::Well => "WELL".to_owned(),
        Occasion::Unwatched | Occasion::Closed => "ENDED".to_owned(),
        // The key ends but the problem does not, so the headline must not look like an end.
        Occasion::Continues => "STILL OPEN".to_owned(),
        Occasion::WasWell => "FAILS AGAIN".to_owned(),
        Occasion::Unheard => "MISSED".to_owned(),
        Occasion::Test => format!("TEST {severity}"),
        Occasion::Gathered if message.action == Action::End => "ENDED".to_owned(),
        Occasion::Reminder => format!("{severity}, REMINDER"),
        Occasion::Opened
        | Occasion::Spread
        | Occasion::Rose
        | Occasion::Again
        | Occasion::Escalated
        | Occasion::Gathered
        | Occasion::Changed => severity,
    };
    line(&format!("[{word}] {}", message.title), most)
}

/// Names and values of facts to look up: times, owner, links.
pub(in crate::alert) fn facts(message: &Message) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut add = |name: &'static str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.push((name, line(value, LINE)));
        }
    };
    let is_end = message.action == Action::End;
    let (name, times) = times(message);
    add(name, Some(&times));
    // An end needs no runbook.
    add("Promised", message.promised.as_deref().filter(|_| !is_end));
    add("Owner", message.owner.as_deref());
    add("Runbook", message.runbook.as_deref().filter(|_| !is_end));
    add("Incident", Some(&incident(message)));
    add("Key", Some(&message.key));
    add("Before", message.previous.as_deref());
    facts
}

/// Since when and for how long, or from when until when.
fn times(message: &Message) -> (&'static str, String) {
    let from = time(message.since_ms);
    match (message.action, message.ended_ms) {
        (Action::End, Some(ended)) => ("Lasted", format!("{from} until {}", clock(ended, message.since_ms))),
        (Action::End, None) => ("", String::new()),
        _ => ("Since", format!("{from}, for {}", lasting(between(message.since_ms, message.at_ms)))),
    }
}

/// Where the incident is looked at: a link, or what to type.
fn incident(message: &Message) -> String {
    if message.test {
        return String::new();
    }
    match (&message.url, message.incidents.is_empty()) {
        (Some(url), _) => url.clone(),
        (None, true) => format!("serinus incidents {}", message.incident),
        (None, false) if message.action == Action::End => "serinus incidents --all".to_owned(),
        (None, false) => "serinus incidents".to_owned(),
    }
}

/// The heading of the failing lines.
fn failing_title(message: &Message) -> &'static str {
    let scope = message.scope.split('/').next().unwrap_or_default();
    match scope {
        "probe" | "subject" | "subjects" => "What fails",
        "no-data" | "blind" => "Without data",
        _ => "What is known",
    }
}

/// The non-empty lists of a message: what was seen, what fails, what else, and incidents.
pub(in crate::alert) fn lists(message: &Message) -> Vec<(&'static str, Vec<String>)> {
    // An end does not repeat what was seen.
    let seen = if message.action == Action::End { Vec::new() } else { seen(message) };
    // Lines that the title contains are left out.
    let failing =
        message.failing.iter().take(MOST).map(|text| line(text, LINE)).filter(|text| !message.title.contains(text.as_str()));
    let failing: Vec<String> = failing.collect();
    let mut lists = vec![
        ("What was seen", seen),
        (failing_title(message), failing),
        ("Besides", message.apart.iter().take(MOST).map(|text| line(text, LINE)).collect()),
        ("Incidents", incidents(message)),
    ];
    lists.retain(|(_, list): &(_, Vec<String>)| !list.is_empty());
    lists
}

/// The runs that failed. Where several regions saw the same, that is said once.
fn seen(message: &Message) -> Vec<String> {
    let mut groups: Vec<Vec<&Evidence>> = Vec::new();
    let same = |one: &Evidence, other: &Evidence| {
        (&one.step, one.attempts, &one.message, &one.location) == (&other.step, other.attempts, &other.message, &other.location)
    };
    for evidence in message.evidence.iter().take(MOST) {
        match groups.iter_mut().find(|group| same(group[0], evidence)) {
            Some(group) => group.push(evidence),
            None => groups.push(vec![evidence]),
        }
    }
    groups.iter().flat_map(|group| said(group, message.at_ms)).collect()
}

fn said(group: &[&Evidence], now_ms: i64) -> Vec<String> {
    let Some(first) = group.first() else { return Vec::new() };
    let regions: Vec<&str> = group.iter().map(|one| one.region.as_str()).filter(|region| !region.is_empty()).collect();
    let attempts =
        if first.attempts > 1 { format!(" after {} attempts", thousands(first.attempts as usize)) } else { String::new() };
    let step = first.step.as_ref().map(|step| format!(", step \"{step}\"{attempts}")).unwrap_or_default();
    let mut lines = vec![line(&format!("{}{step}: {}", list(&regions), first.message), LINE)];
    if let Some(expectation) = first.expectation.as_deref().filter(|text| !first.message.contains(*text)) {
        lines.push(line(&format!("  expected: {expectation}"), LINE));
    }
    let unsaid = first.seen.iter().filter(|(part, value)| !(first.message.contains(part) && first.message.contains(value)));
    lines.extend(unsaid.map(|(part, value)| line(&format!("{part}: {value}"), LINE)).map(|text| format!("  {text}")));
    lines.extend(first.location.iter().map(|location| format!("  at {}", line(location, LINE))));
    for one in group {
        lines.push(format!("  {}", clip(&run(one, group.len() > 1, now_ms), LINE)));
    }
    lines
}

/// `eu platform=ios, 02:14:05 UTC: serinus runs 01HF…, trace https://…`.
fn run(evidence: &Evidence, is_one_of_many: bool, now_ms: i64) -> String {
    let region = if is_one_of_many { evidence.region.as_str() } else { "" };
    let who = [region, evidence.cell.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let who = if who.is_empty() { who } else { format!("{who}, ") };
    let run = evidence.run_url.clone().unwrap_or_else(|| format!("serinus runs {}", evidence.run));
    let trace = evidence.trace_url.as_ref().unwrap_or(&evidence.trace);
    let trace = if trace.is_empty() { String::new() } else { format!(", trace {trace}") };
    line(&format!("{who}{}: {run}{trace}", clock(evidence.at_ms, now_ms)), LINE)
}

/// The incidents of a gathered message, a line each.
fn incidents(message: &Message) -> Vec<String> {
    let mut lines: Vec<String> = message
        .incidents
        .iter()
        .take(MOST)
        .map(|one| {
            if one.is_over {
                return line(&format!("{}, from {}", one.title, clock(one.since_ms, message.at_ms)), LINE);
            }
            // One owner of all is said once.
            let owner = one.owner.as_ref().filter(|_| message.owner.is_none()).map(|owner| format!(", owner {owner}"));
            let runbook = one.runbook.as_ref().map(|runbook| format!(", {runbook}"));
            let severity = one.severity.as_str().to_uppercase();
            line(&format!("[{severity}] {}{}{}", one.title, owner.unwrap_or_default(), runbook.unwrap_or_default()), LINE)
        })
        .collect();
    let more = message.incidents_total.saturating_sub(message.incidents.len());
    if more > 0 && !lines.is_empty() {
        lines.push(format!("and {}", count(more, "more", "more")));
    }
    lines
}

/// Everything, as plain text under `head`.
pub(in crate::alert) fn plain(head: &str, message: &Message) -> String {
    let mut lines = vec![head.to_owned()];
    lines.extend(message.why.iter().take(MOST).map(|sentence| line(sentence, LINE)));
    for (title, list) in lists(message) {
        lines.extend([String::new(), title.to_owned()]);
        lines.extend(list.into_iter().map(|item| format!("  {item}")));
    }
    lines.push(String::new());
    lines.extend(facts(message).into_iter().map(|(name, value)| format!("{:<10}{value}", format!("{name}:"))));
    lines.push(String::new());
    lines.join("\n")
}
