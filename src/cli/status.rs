//! `serinus status`: how a running service stands.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::args::{Output, RemoteArgs};
use super::client::{Client, moment};
use super::exit::Failure;
use super::style::{Style, printable};
use super::{Exit, Printer};

pub(crate) async fn status(printer: &Printer, config: Option<&Path>, args: &RemoteArgs) -> Result<Exit, Failure> {
    let status = Client::new(args, config)?.get(&["status"], &[]).await?;
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
    // Writing to a string cannot fail.
    let _ = writeln!(text, "canaries   {}", counts(&status["canaries"]));
    let _ = writeln!(text, "incidents  {}", incidents(&status["incidents"], style));
    let outbox = &status["outbox"];
    let _ = writeln!(text, "outbox     {}", counts(outbox));
    if let Some(check) = status["self_check"].as_str() {
        let check = if check == "up" { style.good(check) } else { style.odd(check) };
        let _ = writeln!(text, "self check {check}");
    }
    let _ = writeln!(text, "config     {}", reload(&status["config"], style));
    for pause in status["pauses"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "{}", style.odd(&paused(pause)));
    }
    for canary in status["problems"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "{}", problem(canary, style));
    }
    text
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
    format!("loaded {loaded}")
}

fn paused(pause: &Value) -> String {
    let mut text = format!("paused     {}", printable(pause["target"].as_str().unwrap_or_default()));
    if pause["until_ms"].is_number() {
        text += &format!(" until {}", moment(&pause["until_ms"]));
    }
    for (key, word) in [("by", "by"), ("why", "because")] {
        if let Some(said) = pause[key].as_str() {
            text += &format!(" {word} {}", printable(said));
        }
    }
    text
}

fn problem(canary: &Value, style: Style) -> String {
    let word = |key: &str| printable(canary[key].as_str().unwrap_or_default()).into_owned();
    let standing = word("standing");
    let painted = if standing == "failing" { style.bad(&standing) } else { style.odd(&standing) };
    let mut text = format!("{painted:<10} {}", word("canary"));
    if let Some(streak) = canary["failures"].as_u64().filter(|streak| *streak > 0) {
        text += &format!("  {streak} in a row");
    }
    if let Some(incident) = canary["incident"].as_str() {
        text += &style.dim(&format!("  incident {incident}"));
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
            "canaries": { "healthy": 2, "failing": 1, "blind": 0 },
            "incidents": { "warn": 0, "page": 1, "critical": 0 },
            "outbox": { "pending": 0, "dead": 0 },
            "self_check": "up",
            "config": { "loaded_ms": 0, "last_reload": { "applied": false, "at_ms": 1000, "message": "1 error" } },
            "pauses": [{ "target": "sync", "until_ms": null, "by": "ops", "why": "move" }],
            "problems": [{ "canary": "reg/eu", "standing": "failing", "failures": 3, "incident": "01X" }],
        });
        let text = human(&status, Style::PLAIN);
        assert_eq!(
            text,
            "canaries   2 healthy, 1 failing\nincidents  1 page\noutbox     none\nself check up\n\
             config     of 1970-01-01T00:00:00.000Z is still in force: the one read at 1970-01-01T00:00:01.000Z was refused: 1 error\n\
             paused     sync by ops because move\nfailing    reg/eu  3 in a row  incident 01X\n"
        );
    }
}
