//! `serinus incidents`: what is open, or the timeline of one: its members as they are, and what happened with each try.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::base::time::epoch_ms;

use super::args::{IncidentsArgs, Output};
use super::client::{Client, list, moment, plural, word};
use super::exit::Failure;
use super::style::{Style, printable, wrap};
use super::{Exit, Printer};

pub(crate) async fn incidents(printer: &Printer, config: Option<&Path>, args: &IncidentsArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote.service, config)?;
    let style = printer.style();
    if let Some(id) = &args.id {
        let answer = client.get(&["incidents", id], &[]).await?;
        printer.data(&match args.remote.output {
            Output::Json => format!("{answer:#}"),
            Output::Human => full(&answer, style),
        });
        return Ok(Exit::Well);
    }
    let query = [("open", (!args.all && args.since.is_none()).to_string()), ("limit", args.limit.to_string())];
    let mut page = client.get(&["incidents"], &query).await?;
    if let Some(since) = args.since {
        opened_since(&mut page, epoch_ms(since));
    }
    match args.remote.output {
        Output::Json => printer.data(&format!("{page:#}")),
        Output::Human => {
            let items = page["items"].as_array().map_or(&[][..], Vec::as_slice);
            if items.is_empty() {
                printer.note(match (args.since, args.all) {
                    (Some(_), _) => "no incident was opened since then",
                    (None, true) => "no incidents are kept",
                    (None, false) => "no incident is open",
                });
            }
            for incident in items {
                printer.data(&line(incident, style));
            }
            if page["next"].is_string() {
                printer.note("there are more: raise --limit");
            }
        }
    }
    Ok(Exit::Well)
}

/// Leaves out what was opened before; the newest come first, so that what comes after is older still.
fn opened_since(page: &mut Value, since_ms: i64) {
    let is_older = |incident: &Value| incident["opened_ms"].as_i64().is_some_and(|opened| opened < since_ms);
    let Some(items) = page["items"].as_array_mut() else { return };
    let all = items.len();
    items.retain(|incident| !is_older(incident));
    if items.len() < all {
        page["next"] = Value::Null;
    }
}

fn line(incident: &Value, style: Style) -> String {
    let severity = format!("{:<8}", word(incident, "severity"));
    let details = &incident["details"];
    let (severity, end) = if incident["resolved_ms"].is_number() {
        (style.dim(&severity), format!("until {}", moment(&incident["resolved_ms"])))
    } else {
        let by = acknowledged(details).first().map_or(String::new(), |said| format!(", acknowledged by {}", word(said, "by")));
        (style.bad(&severity), format!("open{by}"))
    };
    let title = word(details, "title");
    let title = if title.is_empty() { word(incident, "scope") } else { title };
    format!("{}  {severity} {} {end}  {title}", word(incident, "id"), moment(&incident["opened_ms"]))
}

/// Who acknowledged it. An older version of the service gives only the last one.
fn acknowledged(details: &Value) -> &[Value] {
    match &details["acknowledged"] {
        Value::Array(all) => all,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

/// What it is about, who is in it and how they stand, what failed last, and what happened, with each try.
pub(super) fn full(answer: &Value, style: Style) -> String {
    let incident = &answer["incident"];
    let details = &incident["details"];
    let keys: Vec<String> =
        list(details, "keys").iter().filter_map(Value::as_str).map(|key| printable(key).into_owned()).collect();
    let keys = if keys.is_empty() { String::new() } else { format!("  told as {}", keys.join(", ")) };
    let mut text =
        format!("{}\n{}\n", line(incident, style), style.dim(&wrap(&format!("  {}{keys}", word(incident, "scope")), 4)));
    // Writing to a string cannot fail.
    let regions: Vec<&str> = list(details, "critical").iter().filter_map(Value::as_str).collect();
    if !regions.is_empty() {
        let _ = writeln!(text, "{}", style.bad(&wrap(&format!("  critical because of {}", printable(&regions.join(", "))), 4)));
    }
    for said in acknowledged(details) {
        let reason = if said["reason"].is_string() { format!(": {}", word(said, "reason")) } else { String::new() };
        let _ =
            writeln!(text, "{}", wrap(&format!("  {} is at it since {}{reason}", word(said, "by"), moment(&said["at_ms"])), 4));
    }
    for owed in list(details, "owed") {
        let said = format!("  owed to {} since {}", word(owed, "channel"), moment(&owed["since_ms"]));
        let _ = writeln!(text, "{}", style.odd(&said));
    }
    if incident["resolved_ms"].is_number() && list(details, "members").is_empty() {
        let members = plural(details["members_total"].as_u64().unwrap_or(0), "member", "members");
        let _ = writeln!(text, "  it had {members}");
    } else {
        members(&mut text, details, style);
    }
    for latest in std::iter::once(&details["failure"]).chain(list(details, "failures")) {
        failure(&mut text, latest, style);
    }
    for note in list(details, "notes") {
        let _ = writeln!(text, "  {}", printable(note.as_str().unwrap_or_default()));
    }
    happened(&mut text, answer, style);
    text
}

/// Members as they are now, what fails first, and their number.
fn members(text: &mut String, details: &Value, style: Style) {
    let members = list(details, "members");
    for member in members {
        let standing = word(member, "standing");
        let painted = |line: &str| match &*standing {
            "failing" | "waiting" => style.bad(line),
            "recovered" | "removed" | "closed" | "" => line.to_owned(),
            _ => style.odd(line),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", painted(&wrap(&member_line(member, &standing), 15)));
    }
    let total = details["members_total"].as_u64().unwrap_or(0);
    if let Some(more) = total.checked_sub(members.len() as u64).filter(|more| *more > 0) {
        let _ = writeln!(text, "  … and {more} more");
    }
    if let Some(suspects) = details["suspects"].as_u64().filter(|suspects| *suspects > 0) {
        let _ = writeln!(text, "  failed once so far: {}", plural(suspects, "canary", "canaries"));
    }
}

fn member_line(member: &Value, standing: &str) -> String {
    let name = if member["name"].is_string() { word(member, "name") } else { word(member, "canary") };
    let mut said = format!("  {standing:<12} {name}  since {}", moment(&member["since_ms"]));
    match (member["failures"].as_u64().unwrap_or(0), member["of"].as_u64().unwrap_or(0)) {
        (0, _) => {}
        (failed, 0) => said.extend(["  ", &plural(failed, "failed run", "failed runs")]),
        (failed, of) => said.extend(["  ", &format!("{failed} of {of} runs failed")]),
    }
    for key in ["reason", "words"] {
        if member[key].is_string() {
            said.extend(["  ", &word(member, key)]);
        }
    }
    if member["without_data_since_ms"].is_number() {
        said.extend(["  no data since ", &moment(&member["without_data_since_ms"])]);
    }
    let why = &member["why"];
    let by: Vec<String> = list(why, "by").iter().filter_map(Value::as_str).map(|by| printable(by).into_owned()).collect();
    if !by.is_empty() {
        said.extend(["  ", if why["what"] == "needs" { "because of " } else { "by " }, &by.join(", ")]);
    }
    if why["until_ms"].is_number() {
        said.extend(["  until ", &moment(&why["until_ms"])]);
    }
    if why["because"].is_string() {
        said.extend([": ", &word(why, "because")]);
    }
    said
}

/// What happened and each try, in the order of time.
fn happened(text: &mut String, answer: &Value, style: Style) {
    let at = |of: &Value, key: &str| of[key].as_u64().unwrap_or(0);
    let event = |event: &Value| (at(event, "at_ms"), 0, word(event, "what"), word(event, "text"), None);
    let mut all: Vec<(u64, u8, String, String, Option<bool>)> = list(answer, "timeline").iter().map(event).collect();
    let attempt =
        |attempt: &Value| (at(attempt, "made_ms"), 1, word(attempt, "what"), tried(attempt), Some(attempt["state"] == "taken"));
    all.extend(list(answer, "tries").iter().map(attempt));
    all.sort_by_key(|(at, order, ..)| (*at, *order));
    // Writing to a string cannot fail.
    if !all.is_empty() {
        let _ = writeln!(text, "{}", style.bold("what happened"));
    }
    for (at, _, what, said, taken) in all {
        let said = wrap(&format!("  {}  {what:<12} {said}", moment(&at.into())), 28);
        let _ = writeln!(text, "{}", if taken == Some(false) { style.odd(&said) } else { said });
    }
}

/// A try, and what became of it.
fn tried(attempt: &Value) -> String {
    let mut said = format!("{}  {}: {}", word(attempt, "channel"), word(attempt, "key"), word(attempt, "state"));
    if let Some(attempts) = attempt["attempts"].as_u64().filter(|attempts| *attempts > 1) {
        said.extend([", sent ", &attempts.to_string(), " times"]);
    }
    if attempt["error"].is_string() {
        said.extend([": ", &word(attempt, "error")]);
    }
    said
}

/// The latest failed run of a region. An older version of the service gives the run that opened the incident.
fn failure(text: &mut String, failure: &Value, style: Style) {
    if failure.is_null() {
        return;
    }
    let said: Vec<String> =
        ["canary", "step", "message"].map(|key| word(failure, key)).into_iter().filter(|said| !said.is_empty()).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", style.bad(&wrap(&format!("  {}", said.join(": ")), 4)));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Seconds of the year 1970.
    fn at(seconds: u64) -> Value {
        json!(seconds * 1_000)
    }

    fn member(name: &str, standing: &str, more: Value) -> Value {
        let (mut member, Value::Object(more)) = (json!({ "name": name, "standing": standing, "since_ms": at(0) }), more) else {
            panic!("an object")
        };
        member.as_object_mut().unwrap().extend(more);
        member
    }

    #[test]
    fn an_incident_tells_its_story_with_members_as_they_are_and_each_try_where_it_happened() {
        let muted = json!({ "failures": 2, "reason": "timeout",
                            "why": { "what": "reason", "by": ["bob"], "because": "ticket 7", "until_ms": at(60) } });
        let answer = json!({
            "incident": {
                "id": "01X", "scope": "probe/p", "probe": "p", "severity": "critical", "opened_ms": at(0), "resolved_ms": null,
                "details": {
                    "title": "p fails in eu and us", "members_total": 8, "suspects": 1, "keys": ["probe/p/1", "probe/p/2"],
                    "critical": ["eu", "us"],
                    "members": [
                        member("p/eu", "failing", json!({ "failures": 3, "of": 0, "reason": "expectation" })),
                        member("p/us", "waiting", json!({ "failures": 6, "of": 9, "why": { "what": "needs", "by": [], "until_ms": at(60) } })),
                        member("p/ap", "explained", json!({ "failures": 0, "why": { "what": "needs", "by": ["sign-in"] } })),
                        member("p/sa", "muted", muted),
                        member("p: its error budget", "acknowledged", json!({ "words": "it burns 14.2 times as fast as it may over 1h",
                               "why": { "what": "acknowledged", "by": ["ann"] } })),
                        member("p/af", "recovered", json!({ "without_data_since_ms": at(9) })),
                    ],
                    "acknowledged": [{ "by": "ann\u{1b}", "at_ms": at(5), "reason": "looking" }],
                    "owed": [{ "channel": "pager", "since_ms": at(6) }],
                    "failures": [{ "canary": "p/eu", "step": "s", "message": "it did not hold", "expectation": "json.a == 1", "location": "p.toml:9:1",
                                 "seen": [["json.a", "2"]], "run_id": "01R", "trace_id": "t" }],
                },
            },
            "timeline": [{ "at_ms": at(0), "what": "opened", "text": "p/eu failed twice" },
                         { "at_ms": at(5), "what": "acknowledged", "text": "ann is at it" }],
            "tries": [{ "made_ms": at(0), "what": "ring", "state": "taken", "channel": "chat", "key": "probe/p/1", "attempts": 1, "error": null },
                      { "made_ms": at(3), "what": "ring", "state": "waiting", "channel": "pager", "key": "probe/p/2", "attempts": 3,
                        "error": "503: it is busy" }],
        });
        let text = full(&answer, Style::PLAIN);
        assert_eq!(
            text,
            "01X  critical 1970-01-01T00:00:00.000Z open, acknowledged by ann\\u001b  p fails in eu and us
  probe/p  told as probe/p/1, probe/p/2
  critical because of eu, us
  ann\\u001b is at it since 1970-01-01T00:00:05.000Z: looking
  owed to pager since 1970-01-01T00:00:06.000Z
  failing      p/eu  since 1970-01-01T00:00:00.000Z  3 failed runs  expectation
  waiting      p/us  since 1970-01-01T00:00:00.000Z  6 of 9 runs failed  until
               1970-01-01T00:01:00.000Z
  explained    p/ap  since 1970-01-01T00:00:00.000Z  because of sign-in
  muted        p/sa  since 1970-01-01T00:00:00.000Z  2 failed runs  timeout  by
               bob  until 1970-01-01T00:01:00.000Z: ticket 7
  acknowledged p: its error budget  since 1970-01-01T00:00:00.000Z  it burns
               14.2 times as fast as it may over 1h  by ann
  recovered    p/af  since 1970-01-01T00:00:00.000Z  no data since
               1970-01-01T00:00:09.000Z
  … and 2 more
  failed once so far: 1 canary
  p/eu: s: it did not hold
    json.a == 1  p.toml:9:1
    json.a was 2
    run 01R  trace t
what happened
  1970-01-01T00:00:00.000Z  opened       p/eu failed twice
  1970-01-01T00:00:00.000Z  ring         chat  probe/p/1: taken
  1970-01-01T00:00:03.000Z  ring         pager  probe/p/2: waiting, sent 3
                            times: 503: it is busy
  1970-01-01T00:00:05.000Z  acknowledged ann is at it
"
        );
        assert!(text.lines().skip(1).all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn incidents_since_a_moment_are_those_that_were_opened_then_or_later() {
        let mut page = json!({ "items": [{ "opened_ms": 9 }, { "opened_ms": 5 }, { "opened_ms": 4 }], "next": "x" });
        opened_since(&mut page, 5);
        assert_eq!(page, json!({ "items": [{ "opened_ms": 9 }, { "opened_ms": 5 }], "next": null }));
        opened_since(&mut page, 1);
        assert_eq!(list(&page, "items").len(), 2);
    }

    #[test]
    fn an_incident_that_an_older_version_kept_still_reads() {
        let answer = json!({
            "incident": {
                "id": "01X", "scope": "probe:p", "probe": "p", "severity": "page", "opened_ms": 0, "resolved_ms": null,
                "details": {
                    "title": "p fails in eu", "members_total": 2, "notes": ["linked to eu/p/1"],
                    "members": [{ "canary": "p/eu", "since_ms": 0, "failures": 3, "reason": "expectation" }],
                    "acknowledged": { "by": "ann", "at_ms": 5 },
                },
            },
            "timeline": [],
            "tries": [{ "made_ms": 1, "what": "ring", "state": "waiting", "channel": "chat", "key": "p/1", "error": "503" }],
        });
        let text = full(&answer, Style::PLAIN);
        for part in [
            "open, acknowledged by ann  p fails",
            "p/eu  since 1970",
            "3 failed runs  expectation",
            "  … and 1 more\n",
            "linked to eu/p/1",
            "ring         chat  p/1: waiting: 503\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
