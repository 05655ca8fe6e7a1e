//! `serinus leaks`: what a running service's cleanup ledger holds, by probe and entry by entry.
//!
//! What was given up makes the exit code 1, as it is what `status` calls left behind; what is tried again by itself, or belongs to a run
//! that goes on, does not.

use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;

use super::args::{Output, RemoteArgs};
use super::client::{Client, ago, list, plural, word};
use super::exit::Failure;
use super::style::{Style, wrap};
use super::{Exit, Printer};

pub(crate) async fn leaks(printer: &Printer, config: Option<&Path>, args: &RemoteArgs) -> Result<Exit, Failure> {
    let answer = Client::new(&args.service, config)?.get(&["leaks"], &[]).await?;
    match args.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => printer.data(&human(&answer, SystemTime::now(), printer.style())),
    }
    printer.note(&summary(&answer));
    Ok(if count(&answer, "given_up") + count(&answer, "unreadable") > 0 { Exit::ProbeFailed } else { Exit::Well })
}

fn count(of: &Value, key: &str) -> u64 {
    of[key].as_u64().unwrap_or(0)
}

fn human(answer: &Value, now: SystemTime, style: Style) -> String {
    let mut text = String::new();
    for probe in list(answer, "probes") {
        let owner = if probe["owner"].is_string() { format!(" ({})", word(probe, "owner")) } else { String::new() };
        let things = plural(count(probe, "entries"), "thing", "things");
        let given_up = count(probe, "given_up");
        let said = format!(
            "{}{owner}: {things}, {given_up} given up, the oldest of a run {}",
            word(probe, "probe"),
            ago(&probe["oldest_ms"], now)
        );
        let said = wrap(&said, 2);
        let said = if given_up > 0 { style.bad(&said) } else { style.bold(&said) };
        text.extend([&said, "\n"]);
        let is_of = |entry: &&Value| word(entry, "canary").split('/').next() == Some(&*word(probe, "probe"));
        for entry in list(answer, "entries").iter().filter(is_of) {
            text.extend([&*wrap(&line(entry, now), 6), "\n"]);
        }
    }
    let listed = list(answer, "entries").len() as u64;
    if let Some(more) = count(answer, "entries_total").checked_sub(listed).filter(|more| *more > 0) {
        text.extend(["… and ", &more.to_string(), " more\n"]);
    }
    text
}

/// `  01A  given up  p/eu  create  2 h ago, 5 cleanups failed: 503`
fn line(entry: &Value, now: SystemTime) -> String {
    let state = if entry["given_up"] == true { "given up" } else { "waiting " };
    let failed = match count(entry, "attempts") {
        0 => String::new(),
        attempts => format!(", {} failed", plural(attempts, "cleanup", "cleanups")),
    };
    let why = if entry["message"].is_string() { format!(": {}", word(entry, "message")) } else { String::new() };
    let (id, canary, step) = (word(entry, "id"), word(entry, "canary"), word(entry, "step"));
    format!("  {id}  {state}  {canary}  {step}  {}{failed}{why}", ago(&entry["started_ms"], now))
}

fn summary(answer: &Value) -> String {
    let (all, given_up, unreadable) = (count(answer, "entries_total"), count(answer, "given_up"), count(answer, "unreadable"));
    let unreadable = if unreadable > 0 { format!("; {unreadable} cannot be read") } else { String::new() };
    match (all, given_up) {
        (0, _) => format!("nothing is left behind{unreadable}"),
        (all, 0) => format!("{all} in the ledger, of runs that go on or tried again by itself{unreadable}"),
        (all, given_up) => {
            format!(
                "{all} in the ledger, {given_up} given up{unreadable}; with the service stopped, `serinus sweep` tries again or forgets"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn each_probe_has_its_entries_below_it_and_what_was_given_up_says_why() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(3);
        let answer = json!({
            "probes": [{ "probe": "order", "owner": "shop\u{1b}", "entries": 2, "given_up": 1, "oldest_ms": 3_600_000 }],
            "entries": [
                { "id": "01A", "canary": "order/eu", "step": "create", "started_ms": 3_600_000, "given_up": true, "attempts": 5, "message": "503" },
                { "id": "01B", "canary": "order/us", "step": "create", "started_ms": 10_790_000, "given_up": false, "attempts": 0, "message": null },
            ],
            "entries_total": 3, "given_up": 1, "unreadable": 0,
        });
        assert_eq!(
            human(&answer, now, Style::PLAIN),
            "order (shop\\u001b): 2 things, 1 given up, the oldest of a run 2 h ago
  01A  given up  order/eu  create  2 h ago, 5 cleanups failed: 503
  01B  waiting   order/us  create  10 s ago
… and 1 more
"
        );
        assert!(summary(&answer).starts_with("3 in the ledger, 1 given up; "));
        assert_eq!(summary(&json!({ "entries_total": 0 })), "nothing is left behind");
    }
}
