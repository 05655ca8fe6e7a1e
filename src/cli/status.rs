//! `serinus status`: how a running service stands.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::args::{Output, RemoteArgs};
use super::client::{Client, ago, moment, word};
use super::exit::Failure;
use super::style::{Style, printable};
use super::{Exit, Printer};

pub(crate) async fn status(printer: &Printer, config: Option<&Path>, args: &RemoteArgs) -> Result<Exit, Failure> {
    let status = Client::new(args, config)?.get(&["status"], &[]).await?;
    if !status["version"].is_string() {
        return Err(Failure::prober("what answers there is no serinus service, though it speaks JSON"));
    }
    printer.data(&match args.output {
        Output::Json => format!("{status:#}"),
        Output::Human => human(&status, printer.style()),
    });
    let incidents = &status["incidents"];
    let awake = ["page", "critical"].iter().any(|severity| incidents[severity].as_u64().unwrap_or(0) > 0);
    Ok(if awake { Exit::ProbeFailed } else { Exit::Well })
}

fn human(status: &Value, style: Style) -> String {
    let mut text = String::new();
    let mut say = |what: &str, said: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{what:<10} {said}");
    };
    say("canaries", counts(&status["canaries"]));
    say("incidents", incidents(&status["incidents"], style));
    for incident in list(status, "open_incidents") {
        say("", open(incident, style));
    }
    say("outbox", outbox(&status["outbox"], style));
    if let Some(check) = status["self_check"].as_str() {
        say(
            "self check",
            if check == "up" { style.good(check) } else { style.odd(&format!("{}: the network is away", printable(check))) },
        );
    }
    say("store", store(&status["store"], style));
    say("config", reload(&status["config"], style));
    say(
        "running",
        format!("since {} ({}), version {}", moment(&status["started_ms"]), ago(&status["started_ms"]), word(status, "version")),
    );
    for pause in list(status, "pauses") {
        say("paused", style.odd(&paused(pause)));
    }
    for canary in list(status, "problems") {
        say("", problem(canary, style));
    }
    text
}

fn list<'v>(of: &'v Value, key: &str) -> &'v [Value] {
    of[key].as_array().map_or(&[], Vec::as_slice)
}

/// `page  2026-01-01T00:00:00.000Z (3 min ago)  01ABC  p fails in eu`.
fn open(incident: &Value, style: Style) -> String {
    let since = format!("{} ({})", moment(&incident["opened_ms"]), ago(&incident["opened_ms"]));
    let by = incident["acknowledged_by"].as_str().map_or(String::new(), |by| format!("  acknowledged by {}", printable(by)));
    let to = if incident["attached_to"].is_string() {
        format!("  because of {}", word(incident, "attached_to"))
    } else {
        String::new()
    };
    let severity = style.bad(&format!("{:<8}", word(incident, "severity")));
    format!("{severity} since {since}  {}  {}{by}{to}", style.dim(&word(incident, "id")), word(incident, "title"))
}

fn outbox(of: &Value, style: Style) -> String {
    let waiting = counts(&of["pending_by_channel"]);
    let mut said = vec![if waiting == "none" { "nothing waits".to_owned() } else { format!("waiting: {waiting}") }];
    if let Some(age) = of["oldest_page_seconds"].as_u64() {
        said.push(style.odd(&format!("the oldest page waits for {age} s")));
    }
    for channel in list(of, "refusing_channels") {
        said.push(style.bad(&format!("{} refuses pages", printable(channel.as_str().unwrap_or_default()))));
    }
    if let Some(dead) = of["dead"].as_u64().filter(|dead| *dead > 0) {
        said.push(style.odd(&format!("{dead} given up")));
    }
    said.join(", ")
}

fn store(of: &Value, style: Style) -> String {
    let mut said = match of["writable"].as_bool() {
        Some(false) => style.bad("cannot be written; what happens is kept in memory until it can"),
        Some(true) | None => "well".to_owned(),
    };
    if of["damaged"].is_string() {
        said += &style.odd(&format!("; it was damaged at the start and put to {}", word(of, "damaged")));
    }
    said
}

/// `12 healthy, 1 failing`, without what there is none of.
fn counts(of: &Value) -> String {
    let some = of.as_object().into_iter().flatten().filter_map(|(name, count)| {
        let count = count.as_u64().filter(|count| *count > 0)?;
        Some(format!("{count} {}", name.replace('_', " ")))
    });
    let some: Vec<String> = some.collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

fn incidents(of: &Value, style: Style) -> String {
    let text = counts(of);
    if text == "none" { style.good(&text) } else { style.bad(&text) }
}

fn reload(config: &Value, style: Style) -> String {
    let loaded = moment(&config["loaded_ms"]);
    let last = &config["last_reload"];
    if last["applied"].as_bool() == Some(false) {
        let at = moment(&last["at_ms"]);
        let said = last["message"].as_str().unwrap_or_default();
        return style.bad(&format!("of {loaded} is still in force: the one read at {at} was refused: {}", printable(said)));
    }
    format!("loaded {loaded} ({})", ago(&config["loaded_ms"]))
}

fn paused(pause: &Value) -> String {
    let mut text = word(pause, "target");
    if pause["until_ms"].is_number() {
        text.extend([" until ", &moment(&pause["until_ms"])]);
    }
    for (key, before) in [("by", "by"), ("why", "because")] {
        if pause[key].is_string() {
            text.extend([" ", before, " ", &word(pause, key)]);
        }
    }
    text
}

fn problem(canary: &Value, style: Style) -> String {
    let standing = format!("{:<8}", word(canary, "standing"));
    let painted = if standing.trim() == "failing" { style.bad(&standing) } else { style.odd(&standing) };
    let mut text = format!("{painted} {}", word(canary, "canary"));
    if let Some(streak) = canary["failures"].as_u64().filter(|streak| *streak > 0) {
        text.extend(["  ", &streak.to_string(), " in a row"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_listed_and_what_there_is_none_of_is_not() {
        let status = json!({
            "version": "9", "started_ms": 0,
            "canaries": { "healthy": 2, "failing": 1, "blind": 0 },
            "incidents": { "warn": 0, "page": 1, "critical": 0 },
            "open_incidents": [{ "id": "01X", "severity": "page", "opened_ms": 0, "title": "reg\u{1b} fails", "acknowledged_by": null,
                                 "attached_to": null }],
            "outbox": { "pending": 2, "pending_by_channel": { "chat": 2, "pager": 0 }, "oldest_page_seconds": 7,
                        "refusing_channels": ["pager"], "dead": 1 },
            "self_check": "up",
            "store": { "writable": false, "damaged": "serinus.db.damaged-1" },
            "config": { "loaded_ms": 0, "last_reload": { "applied": false, "at_ms": 1000, "message": "1 error" } },
            "pauses": [{ "target": "sync", "until_ms": null, "by": "ops", "why": "move" }],
            "problems": [{ "canary": "reg/eu", "standing": "failing", "failures": 3, "incident": "01X" }],
        });
        let text = human(&status, Style::PLAIN);
        let ago = ago(&json!(0));
        let expected = format!(
            "canaries   2 healthy, 1 failing
incidents  1 page
           page     since 1970-01-01T00:00:00.000Z ({ago})  01X  reg\\u001b fails
outbox     waiting: 2 chat, the oldest page waits for 7 s, pager refuses pages, 1 given up
self check up
store      cannot be written; what happens is kept in memory until it can; it was damaged at the start and put to \
serinus.db.damaged-1
config     of 1970-01-01T00:00:00.000Z is still in force: the one read at 1970-01-01T00:00:01.000Z was refused: 1 error
running    since 1970-01-01T00:00:00.000Z ({ago}), version 9
paused     sync by ops because move
           failing  reg/eu  3 in a row
"
        );
        assert_eq!(text, expected);
    }
}
