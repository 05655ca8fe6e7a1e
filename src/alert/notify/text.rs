//! What a page says in words, the same for every channel. Pure.
//!
//! Every length is bounded here, whatever the notice brings along.

use chrono::DateTime;
use ring::digest;

use crate::alert::{Action, Failure, Member, Notice, Occasion};
use crate::outcome::is_steering;

/// Longest single value shown, in characters.
const VALUE: usize = 500;

/// Most values of one expectation, and most notes.
const SOME: usize = 20;

/// The text in at most `most` characters; what is cut is shown by an ellipsis.
pub(super) fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The text on one line, without control characters, in at most `most` characters.
pub(super) fn line(text: &str, most: usize) -> String {
    let flat: String = text.chars().map(|char| if is_steering(char) { ' ' } else { char }).collect();
    clip(flat.trim(), most)
}

/// The one line that must do if there is room for no more: `[PAGE] title`.
pub(super) fn headline(notice: &Notice, most: usize) -> String {
    let test = if notice.test { "TEST " } else { "" };
    let word = match notice.action {
        // The key ends and the problem does not: whoever reads no further must not go back to sleep.
        Action::Resolve if notice.occasion == Occasion::LessSevere => "LESS SEVERE, STILL OPEN".to_owned(),
        Action::Resolve => "RESOLVED".to_owned(),
        Action::Acknowledge => "ACKNOWLEDGED".to_owned(),
        Action::Trigger => notice.severity.as_str().to_uppercase(),
    };
    line(&format!("[{test}{word}] {}", notice.title), most)
}

/// Why this is sent now, where the headline does not say it.
pub(super) fn occasion(notice: &Notice) -> Option<&'static str> {
    match notice.occasion {
        Occasion::Opened | Occasion::Resolved => None,
        Occasion::Spread => Some("It has spread to a region or cell that no page has named yet."),
        Occasion::Critical => Some("It is critical now."),
        Occasion::LessSevere => Some("It is less severe than it was, and still open."),
        Occasion::Reminder => Some("It is still open."),
        Occasion::Undelivered => Some("Sent here because another channel could not deliver it."),
        Occasion::Acknowledged => Some("Somebody is at it."),
        Occasion::Test => Some("This is a test of the way pages take. Nothing is broken."),
    }
}

/// Whether the problem has ended, and not only one of its keys.
fn is_over(notice: &Notice) -> bool {
    notice.action == Action::Resolve && notice.occasion != Occasion::LessSevere
}

/// What stands in short: name and value, in the order of importance.
pub(super) fn facts(notice: &Notice) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut add = |name: &'static str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.push((name, line(value, VALUE)));
        }
    };
    let failure = notice.failure.as_ref();
    add("Severity", Some(notice.severity.as_str()));
    add("Since", Some(&since(notice)));
    add("Resolved", notice.resolved_ms.map(time).as_deref());
    add("Probe", notice.probe.as_deref());
    add("Subject", notice.subject.as_deref());
    // A region counts as failing for a while after its last failed run, which reads wrong where all is well again.
    add("Regions", (!is_over(notice)).then(|| regions(notice)).as_deref());
    add("Owner", notice.owner.as_deref());
    add("Reason", failure.map(|failure| failure.reason.as_str()));
    add("Step", failure.and_then(step).as_deref());
    add("Runbook", notice.runbook.as_deref());
    add("Incident", notice.links.incident.as_deref());
    add("Run", notice.links.run.as_deref().or(failure.map(|failure| failure.run_id.as_str())));
    add("Trace", notice.links.trace.as_deref().or(failure.map(|failure| failure.trace_id.as_str())));
    add("Key", Some(&notice.key));
    add("Before", notice.previous.as_deref());
    facts
}

/// What was expected and what was seen, a line each.
fn seen(failure: &Failure) -> Vec<String> {
    let mut lines = vec![line(&failure.message, VALUE)];
    if let Some(expectation) = &failure.expectation {
        let place = failure.location.as_deref().map(|location| format!(" ({location})")).unwrap_or_default();
        lines.push(line(&format!("expected: {expectation}{place}"), VALUE));
    }
    lines.extend(failure.seen.iter().take(SOME).map(|(part, value)| line(&format!("{part}: {value}"), VALUE)));
    if failure.seen.len() > SOME {
        lines.push(format!("and {} more", thousands(failure.seen.len() - SOME)));
    }
    lines
}

/// The canaries in it, a line each; those beyond the list are counted.
fn members(notice: &Notice) -> Vec<String> {
    let listed = notice.members.len().min(Notice::MEMBERS);
    let mut lines: Vec<String> = notice.members[..listed].iter().map(member).collect();
    let more = notice.members_total.max(notice.members.len()) - listed;
    if more > 0 {
        lines.push(format!("and {} more", thousands(more)));
    }
    lines
}

/// Further sentences.
fn notes(notice: &Notice) -> Vec<String> {
    notice.notes.iter().take(SOME).map(|note| line(note, VALUE)).collect()
}

/// Everything, as plain text.
pub(super) fn plain(notice: &Notice) -> String {
    let mut lines = vec![headline(notice, VALUE)];
    lines.extend(notice.summary.as_deref().into_iter().chain(occasion(notice)).map(|sentence| line(sentence, VALUE)));
    lines.push(String::new());
    lines.extend(facts(notice).into_iter().map(|(name, value)| format!("{:<10}{value}", format!("{name}:"))));
    for (title, list) in lists(notice) {
        lines.extend([String::new(), title.to_owned()]);
        lines.extend(list.into_iter().map(|item| format!("  {item}")));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// What was seen, the canaries and the notes, as far as there are any.
pub(super) fn lists(notice: &Notice) -> Vec<(&'static str, Vec<String>)> {
    let seen = notice.failure.as_ref().map(seen).unwrap_or_default();
    let when = if is_over(notice) { "What was seen while it failed" } else { "What was seen" };
    let mut lists = vec![(when, seen), ("Canaries", members(notice)), ("Notes", notes(notice))];
    lists.retain(|(_, list)| !list.is_empty());
    lists
}

/// `2026-11-21 11:45:29 UTC`.
pub(super) fn time(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| "unknown".to_owned(), |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// `2026-11-21T11:45:29.123Z`.
pub(super) fn rfc3339(ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// Whether a link can be given as one: people click on it.
pub(super) fn is_link(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn since(notice: &Notice) -> String {
    let until = notice.resolved_ms.unwrap_or(notice.at_ms);
    let seconds = u64::try_from((until - notice.since_ms) / 1_000).unwrap_or(0);
    let lasting = humantime::format_duration(std::time::Duration::from_secs(seconds));
    format!("{} (for {lasting})", time(notice.since_ms))
}

fn regions(notice: &Notice) -> String {
    notice.regions.iter().take(SOME).map(|region| format!("{} {}", region.region, region.state)).collect::<Vec<_>>().join(", ")
}

fn step(failure: &Failure) -> Option<String> {
    let attempts = if failure.attempts > 1 { format!(" ({} attempts)", failure.attempts) } else { String::new() };
    failure.step.as_ref().map(|step| format!("{step}{attempts}"))
}

fn member(member: &Member) -> String {
    let cell = if member.cell.is_empty() { String::new() } else { format!(" {}", member.cell) };
    let plural = if member.failures == 1 { "" } else { "s" };
    let reason = member.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let text = format!("{}{cell}: {} failure{plural} since {}{reason}", member.region, member.failures, time(member.since_ms));
    line(&text, 200)
}

/// A key in at most `most` bytes, 33 or more: as much of it as fits, and where that is not all, a digest that tells it from others
/// that begin alike.
pub(super) fn short_key(key: &str, most: usize) -> String {
    if key.len() <= most {
        return key.to_owned();
    }
    let hash = hex(&digest::digest(&digest::SHA256, key.as_bytes()).as_ref()[..16]);
    let room = most.saturating_sub(hash.len() + 1);
    let cut = (0..=room).rev().find(|at| key.is_char_boundary(*at)).unwrap_or(0);
    format!("{}#{hash}", &key[..cut])
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// `2,980`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::testing::{monster, notice};
    use super::*;
    use crate::alert::RegionState;

    #[test]
    fn long_keys_are_shortened_without_becoming_the_same() {
        let long = "é".repeat(300);
        let keys: BTreeSet<_> =
            [long.clone(), format!("{long}1"), format!("{long}2")].iter().map(|key| short_key(key, 255)).collect();
        assert_eq!(keys.len(), 3);
        assert!(keys.iter().all(|key| key.len() <= 255));
        assert_eq!(short_key("probe/a/1", 255), "probe/a/1");
    }

    #[test]
    fn a_page_of_three_thousand_canaries_names_the_first_and_counts_the_others() {
        let text = plain(&monster());
        assert_eq!(text.matches("  eu platform=p").count(), Notice::MEMBERS);
        assert!(text.contains("\n  and 2,980 more\n"), "{text}");
        assert!(text.len() < 64 * 1_024, "{} bytes", text.len());
        assert!(!text.replace('\n', "").contains(is_steering), "nothing steers a terminal");
    }

    #[test]
    fn the_headline_says_how_bad_it_is_or_that_it_is_over_or_a_test() {
        let head = |notice: Notice| headline(&notice, 200);
        assert_eq!(head(notice("k")), "[PAGE] playlist-sync fails in eu");
        assert_eq!(head(Notice { action: Action::Resolve, ..notice("k") }), "[RESOLVED] playlist-sync fails in eu");
        assert_eq!(head(Notice { action: Action::Acknowledge, ..notice("k") }), "[ACKNOWLEDGED] playlist-sync fails in eu");
        assert_eq!(head(Notice { test: true, ..notice("k") }), "[TEST PAGE] playlist-sync fails in eu");
        assert_eq!(headline(&notice("k"), 10), "[PAGE] pl…");
    }

    #[test]
    fn a_resolved_page_names_no_failing_region_and_one_that_is_only_less_severe_does_not_call_itself_resolved() {
        let failing = Notice { regions: vec![RegionState { region: "eu".into(), state: "failing".into() }], ..notice("k") };
        let resolved = |occasion| plain(&Notice { action: Action::Resolve, occasion, ..failing.clone() });
        assert!(plain(&failing).contains("eu failing"));
        let over = resolved(Occasion::Resolved);
        assert!(over.starts_with("[RESOLVED]") && !over.contains("eu failing"), "{over}");
        let milder = resolved(Occasion::LessSevere);
        assert!(milder.starts_with("[LESS SEVERE, STILL OPEN]") && milder.contains("eu failing"), "{milder}");
    }
}
