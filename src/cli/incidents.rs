//! `serinus incidents`: what is open, or the story of one.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::args::{IncidentsArgs, Output};
use super::client::{Client, moment, word};
use super::exit::Failure;
use super::style::{Style, printable};
use super::{Exit, Printer};

pub(crate) async fn incidents(printer: &Printer, config: Option<&Path>, args: &IncidentsArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote, config)?;
    let style = printer.style();
    if let Some(id) = &args.id {
        let story = client.get(&["incidents", id], &[]).await?;
        printer.data(&match args.remote.output {
            Output::Json => format!("{story:#}"),
            Output::Human => full(&story, style),
        });
        return Ok(Exit::Well);
    }
    let query = [("open", (!args.all).to_string()), ("limit", args.limit.to_string())];
    let page = client.get(&["incidents"], &query).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{page:#}")),
        Output::Human => {
            let items = page["items"].as_array().map_or(&[][..], Vec::as_slice);
            if items.is_empty() {
                printer.talk(if args.all { "no incidents are kept" } else { "no incident is open" });
            }
            for incident in items {
                printer.data(&line(incident, style));
            }
            if page["next"].is_string() {
                printer.talk("there are more: raise --limit");
            }
        }
    }
    Ok(Exit::Well)
}

fn line(incident: &Value, style: Style) -> String {
    let severity = format!("{:<8}", word(incident, "severity"));
    let (severity, end) = if incident["resolved_ms"].is_number() {
        (style.dim(&severity), format!("until {}", moment(&incident["resolved_ms"])))
    } else {
        let by = &incident["details"]["acknowledged"]["by"];
        let by = by.as_str().map_or(String::new(), |by| format!(", acknowledged by {}", printable(by)));
        (style.bad(&severity), format!("open{by}"))
    };
    let title = word(&incident["details"], "title");
    let title = if title.is_empty() { word(incident, "scope") } else { title };
    format!("{}  {severity} {} {end}  {title}", word(incident, "id"), moment(&incident["opened_ms"]))
}

/// What it is about, whom it concerns, what failed last, what happened, and who was told.
fn full(story: &Value, style: Style) -> String {
    let incident = &story["incident"];
    let details = &incident["details"];
    let mut text = format!("{}\n  {}\n", line(incident, style), style.dim(&word(incident, "scope")));
    // Writing to a string cannot fail.
    let members = list(details, "members");
    for member in members {
        let reason = word(member, "reason");
        let streak = member["failures"].as_u64().filter(|failures| *failures > 0);
        let streak = streak.map_or(String::new(), |failures| format!("  {failures} in a row"));
        let _ = writeln!(text, "  {}  since {}{streak}  {reason}", word(member, "canary"), moment(&member["since_ms"]));
    }
    let total = details["members_total"].as_u64().unwrap_or(0);
    if total > members.len() as u64 {
        let _ = writeln!(text, "  … and {} more", total - members.len() as u64);
    }
    failure(&mut text, &details["failure"], style);
    for note in list(details, "notes") {
        let _ = writeln!(text, "  {}", printable(note.as_str().unwrap_or_default()));
    }
    if !list(story, "timeline").is_empty() {
        let _ = writeln!(text, "{}", style.bold("what happened"));
    }
    for event in list(story, "timeline") {
        let _ = writeln!(text, "  {}  {:<16} {}", moment(&event["at_ms"]), word(event, "what"), word(event, "text"));
    }
    if !list(story, "messages").is_empty() {
        let _ = writeln!(text, "{}", style.bold("who was told"));
    }
    for message in list(story, "messages") {
        let state = word(message, "state");
        let (channel, key) = (word(message, "channel"), word(message, "key"));
        let _ = write!(text, "  {}  {:<12} ", moment(&message["created_ms"]), word(&message["notice"], "occasion"));
        let _ = write!(text, "{}  {channel}  {key}", if state == "delivered" { style.good(&state) } else { style.odd(&state) });
        let _ =
            writeln!(text, "{}", message["error"].as_str().map_or_else(String::new, |error| format!(": {}", printable(error))));
    }
    text
}

/// The failure that decided, or the latest one.
fn failure(text: &mut String, failure: &Value, style: Style) {
    if failure.is_null() {
        return;
    }
    let step = word(failure, "step");
    let step = if step.is_empty() { step } else { format!("{step}: ") };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {}", style.bad(&format!("{step}{}", word(failure, "message"))));
    if failure["expectation"].is_string() {
        let _ = writeln!(text, "    {}  {}", word(failure, "expectation"), style.dim(&word(failure, "location")));
    }
    for seen in list(failure, "seen") {
        let part = |at: usize| printable(seen[at].as_str().unwrap_or_default());
        let _ = writeln!(text, "    {} was {}", part(0), part(1));
    }
    let ids = format!("run {}  trace {}", word(failure, "run_id"), word(failure, "trace_id"));
    let _ = writeln!(text, "    {}", style.dim(&ids));
}

fn list<'v>(of: &'v Value, key: &str) -> &'v [Value] {
    of[key].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_incident_tells_its_story() {
        let story = json!({
            "incident": {
                "id": "01X", "scope": "probe:p", "probe": "p", "severity": "page", "opened_ms": 0, "resolved_ms": null,
                "details": {
                    "title": "p fails in eu", "members_total": 2, "notes": ["linked to eu/p/1"],
                    "members": [{ "canary": "p/eu", "since_ms": 0, "failures": 3, "reason": "expectation" }],
                    "acknowledged": { "by": "ann\u{1b}", "at_ms": 5 },
                    "failure": { "step": "s", "message": "it did not hold", "expectation": "json.a == 1", "location": "p.toml:9:1",
                                 "seen": [["json.a", "2"]], "run_id": "01R", "trace_id": "t" },
                },
            },
            "timeline": [{ "at_ms": 0, "what": "opened", "text": "p/eu failed twice" }],
            "messages": [{ "created_ms": 1, "state": "pending", "channel": "chat", "key": "p/1", "error": "503",
                           "notice": { "occasion": "opened" } }],
        });
        assert_eq!(
            full(&story, Style::PLAIN),
            "01X  page     1970-01-01T00:00:00.000Z open, acknowledged by ann\\u001b  p fails in eu\n  probe:p\n\
             \x20 p/eu  since 1970-01-01T00:00:00.000Z  3 in a row  expectation\n  … and 1 more\n\
             \x20 s: it did not hold\n    json.a == 1  p.toml:9:1\n    json.a was 2\n    run 01R  trace t\n  linked to eu/p/1\n\
             what happened\n  1970-01-01T00:00:00.000Z  opened           p/eu failed twice\n\
             who was told\n  1970-01-01T00:00:00.001Z  opened       pending  chat  p/1: 503\n"
        );
    }
}
