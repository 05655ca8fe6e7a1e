//! An incident as Markdown, to begin a postmortem with: what is known is written, and what only people know has an empty heading.
//!
//! Whatever a probe, a target or a person wrote is one line of plain text in it: nothing of it can begin a heading, end a cell of a
//! table, or be a link.

use std::fmt::Write as _;

use crate::history::EventView;
use crate::outcome::visible;

use super::super::words;
use super::before::Change;
use super::seen::Earlier;
use super::shared::Shared;
use super::timeline::Timeline;
use super::times::Times;
use super::users::Users;
use super::{Group, HowEnded, IncidentModel};

/// Members that are named.
const MEMBERS: usize = 100;

/// What the page shows, too.
pub(in crate::web) struct Facts<'a> {
    /// The incident.
    pub(in crate::web) incident: &'a IncidentModel,
    /// What the failing runs share.
    pub(in crate::web) shared: &'a Shared,
    /// What changed before.
    pub(in crate::web) changes: &'a [Change],
    /// Earlier ones.
    pub(in crate::web) earlier: &'a [Earlier],
    /// What happened.
    pub(in crate::web) timeline: &'a Timeline,
    /// How long it took.
    pub(in crate::web) times: &'a Times,
    /// Whom it may have reached, if the probe states how many take its journey.
    pub(in crate::web) users: Option<&'a Users>,
    /// What people wrote.
    pub(in crate::web) notes: &'a [EventView],
    /// Milliseconds since the epoch.
    pub(in crate::web) now_ms: i64,
}

/// Text as Markdown shows it: one line in which no character has a meaning.
pub(in crate::web) fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in visible(text).chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '!' | '$') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped.trim().to_owned()
}

/// The incident as Markdown.
pub(in crate::web) fn postmortem(facts: &Facts<'_>) -> String {
    let mut text = String::new();
    head(&mut text, facts);
    section(
        &mut text,
        "What the failing runs share",
        facts.shared.dimensions.iter().map(|one| format!("{}: {}", plain(&one.of), plain(&one.says))),
    );
    if let Some(passes) = &facts.shared.passes {
        let _ = writeln!(text, "- {}", plain(passes));
    }
    section(
        &mut text,
        "What changed before it",
        facts.changes.iter().map(|change| {
            let by = change.by.as_deref().map(|by| format!(" ({})", plain(by))).unwrap_or_default();
            format!("{} UTC, {}: {}{by}", words::moment(change.at_ms), change.ago, plain(&change.says))
        }),
    );
    section(&mut text, "Seen before", facts.earlier.iter().map(earlier));
    members(&mut text, facts.incident);
    timeline(&mut text, facts.timeline);
    section(
        &mut text,
        "Notes",
        facts.notes.iter().map(|note| {
            format!(
                "{} UTC, {}: {}",
                words::moment(note.at_ms),
                plain(note.by.as_deref().unwrap_or("somebody")),
                plain(&note.text)
            )
        }),
    );
    for title in ["Cause", "What went well", "What went badly", "Actions"] {
        let _ = write!(text, "\n## {title}\n\n");
    }
    text
}

fn head(text: &mut String, facts: &Facts<'_>) {
    let incident = facts.incident;
    let _ = write!(text, "# {}\n\n", plain(&incident.title));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "- {name}: {value}");
    };
    line("Incident", &plain(&incident.id));
    line("About", &plain(&incident.scope));
    line("Severity", &plain(&incident.severity));
    if !incident.critical.is_empty() {
        line("Critical because of", &plain(&words::list(&incident.critical)));
    }
    line("Began", &format!("{} UTC", words::moment(incident.since_ms)));
    match incident.ended_ms {
        Some(ended) => line("Ended", &format!("{} UTC{}", words::moment(ended), plain(&how(&incident.how_ended)))),
        None => line("Ended", &format!("not yet, as of {} UTC", words::moment(facts.now_ms))),
    }
    for (name, said) in facts.times.in_words() {
        line(&format!("Time {name}"), &said);
    }
    if let Some(users) = facts.users {
        line("Users", &users.in_words());
    }
    let shared = facts.shared.sentence();
    if !shared.is_empty() {
        line("What all failing runs have", &plain(&shared));
    }
    for said in &incident.acknowledged {
        let why = said.reason.as_deref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
        line("Had by", &format!("{} since {} UTC{why}", plain(&said.by), words::moment(said.at_ms)));
    }
}

/// How it ended, to follow when it did.
pub(in crate::web) fn how(ended: &HowEnded) -> String {
    match ended {
        HowEnded::Well => ", everything in it being well".to_owned(),
        HowEnded::Unwatched => ", not being watched any more".to_owned(),
        HowEnded::Closed { by, why } => format!(", closed by {by}: {why}"),
        HowEnded::Unknown => String::new(),
    }
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let _ = write!(text, "\n## {title}\n\n");
    let mut any = false;
    for line in lines {
        any = true;
        let _ = writeln!(text, "- {line}");
    }
    if !any {
        text.push_str("Nothing is known.\n");
    }
}

fn earlier(one: &Earlier) -> String {
    let lasted = one.lasted.as_deref().map_or_else(|| ", still open".to_owned(), |lasted| format!(", {lasted}"));
    let by = one.by.as_deref().map(|by| format!(", {}", plain(by))).unwrap_or_default();
    let said = one.said.as_deref().map(|said| format!(": {}", plain(said))).unwrap_or_default();
    let alike = if one.alike.is_empty() { String::new() } else { format!(", {}", one.alike) };
    format!("{} UTC{lasted}{alike}{by}{said} ({})", words::moment(one.opened_ms), plain(&one.id))
}

fn members(text: &mut String, incident: &IncidentModel) {
    let unknown = incident.members_total.saturating_sub(incident.members.len());
    if unknown > 0 {
        let _ = write!(text, "\n{} are not known any more.\n", words::count(unknown, "member", "members"));
    }
    for group in Group::ALL {
        let members = incident.of_group(group);
        if members.is_empty() {
            continue;
        }
        let _ = write!(text, "\n## {}: {}\n\n", group.title(), words::thousands(members.len()));
        text.push_str("| member | standing | since (UTC) | failed runs | reason |\n|---|---|---|---|---|\n");
        for member in members.iter().take(MEMBERS) {
            let why = member.why.as_deref().or(member.reason.as_deref()).unwrap_or_default();
            let cells = [
                plain(&member.name),
                plain(member.standing.as_str()),
                words::moment(member.since_ms),
                member.streak(),
                plain(&words::clip(why, 300)),
            ];
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        if members.len() > MEMBERS {
            let _ = writeln!(text, "\nand {} more", words::thousands(members.len() - MEMBERS));
        }
    }
}

fn timeline(text: &mut String, timeline: &Timeline) {
    text.push_str("\n## Timeline\n\n| when (UTC) | what | |\n|---|---|---|\n");
    for (at, entry) in timeline.entries().enumerate() {
        if at == timeline.begin.len() && timeline.left_out > 0 {
            let _ = writeln!(text, "| | | {} entries are left out |", words::thousands(timeline.left_out));
        }
        let more = entry.more.map(|(count, until)| format!(" (× {count}, until {})", words::clock(until))).unwrap_or_default();
        let _ = writeln!(text, "| {} | {} | {}{more} |", words::moment(entry.at_ms), plain(&entry.what), plain(&entry.text));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{event, failed, incident, member, row};
    use super::super::{before, shared, timeline, times};
    use super::*;

    const HOSTILE: &str = "`x` | y\n# heading\r\n| a | b |\n<script>alert(1)</script> [l](javascript:x) ![i](//e) **b** \\";

    fn made(incident: &IncidentModel, events: &[EventView]) -> String {
        let shared = shared::shared(incident, &[], &[], true);
        let timeline = timeline::timeline(incident, events, HOSTILE, 90_000);
        let notes = super::super::notes::notes(events, Some(&incident.id));
        postmortem(&Facts {
            incident,
            shared: &shared,
            changes: &before::changes(events, incident.since_ms),
            earlier: &[],
            timeline: &timeline,
            times: &times::times(incident),
            users: None,
            notes: &notes,
            now_ms: 90_000,
        })
    }

    /// Unescaped occurrences.
    fn bare(line: &str, wanted: char) -> usize {
        let mut count = 0;
        let mut chars = line.chars();
        while let Some(character) = chars.next() {
            match character {
                '\\' => drop(chars.next()),
                other if other == wanted => count += 1,
                _ => {}
            }
        }
        count
    }

    #[test]
    fn hostile_texts_in_every_field_break_neither_headings_nor_tables() {
        let hostile = HOSTILE.to_owned();
        let mut open = incident(vec![member("eu", "", "failing")], vec![failed("p/eu", HOSTILE, HOSTILE)]);
        let kept: Vec<String> = made(&open, &[]).lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect();
        open.title = hostile.clone();
        open.scope = hostile.clone();
        open.critical = vec![hostile.clone()];
        open.members[0].name = hostile.clone();
        open.members[0].reason = Some(hostile.clone());
        open.members[0].standing = super::super::Standing::of(HOSTILE);
        open.acknowledged = vec![super::super::Acknowledged { by: hostile.clone(), at_ms: 2_000, reason: Some(hostile.clone()) }];
        open.timeline = vec![row(2_000, HOSTILE, HOSTILE)];
        let events = [
            EventView { incident: Some("01A".to_owned()), by: Some(hostile.clone()), ..event("note", 3_000, "note", HOSTILE) },
            EventView { by: Some(hostile.clone()), ..event("annotation", 900, HOSTILE, HOSTILE) },
        ];
        let text = made(&open, &events);
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(headings[1..], kept[1..], "{text}");
        for line in text.lines() {
            assert!(line.is_empty() || line.starts_with(['#', '-', '|', 'N', 'a']), "{line}");
            assert_eq!((bare(line, '`'), bare(line, '<'), bare(line, '['), bare(line, '*')), (0, 0, 0, 0), "{line}");
        }
        let mut columns = 0;
        for line in text.lines().filter(|line| line.starts_with('|')) {
            let bars = bare(line, '|');
            if line.contains("---") {
                assert_eq!(bars, columns, "{line}");
            }
            columns = if line.contains(" (UTC) |") { bars } else { columns };
            assert_eq!(bars, columns, "{line}");
        }
    }

    #[test]
    fn what_is_not_known_is_said_and_what_people_have_to_write_has_a_heading() {
        let text = made(&incident(Vec::new(), Vec::new()), &[]);
        assert!(text.starts_with("# p fails in eu\n"), "{text}");
        for wanted in [
            "## What changed before it\n\nNothing is known.",
            "\n## Cause\n",
            "\n## Actions\n",
            "Time until somebody was told: not yet",
        ] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
    }
}
