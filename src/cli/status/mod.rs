//! `serinus status`: how a running service stands.
//!
//! A table with a line for each probe; below it open incidents, members that do not page, undelivered pages and leaked test data. It
//! prints what the service answers and computes nothing itself, also not whether somebody must be woken. No line is wider than 80
//! columns, unless a word is.

mod fleet;
mod members;
mod probes;

use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;

use super::args::{Output, RemoteArgs};
use super::client::{Client, ago, list, moment, plural, word};
use super::exit::Failure;
use super::style::{Style, printable, wrap};
use super::{Exit, Printer};

/// Columns of what a line is about.
const WHAT: usize = 11;
/// States of canaries, the worst first.
const STATES: [&str; 6] = ["failing", "no_data", "suspect", "muted", "unknown", "passing"];
/// Severities of incidents, the worst first.
const SEVERITIES: [&str; 4] = ["critical", "page", "warn", "held"];
/// Canaries that are named.
const NAMED: usize = 20;

pub(crate) async fn status(printer: &Printer, config: Option<&Path>, args: &RemoteArgs) -> Result<Exit, Failure> {
    let status = Client::new(&args.service, config)?.get(&["status"], &[]).await?;
    if !status["version"].is_string() {
        return Err(Failure::prober("what answers there is no serinus service, though it speaks JSON"));
    }
    let exit = exit(&status)?;
    printer.data(&match args.output {
        Output::Json => format!("{status:#}"),
        Output::Human => human(&status, SystemTime::now(), printer.style()),
    });
    Ok(exit)
}

/// 1 exactly while a page-level member fails, unmuted, unexplained and unacknowledged.
fn exit(status: &Value) -> Result<Exit, Failure> {
    match status["unanswered"].as_u64() {
        Some(0) => Ok(Exit::Well),
        Some(_) => Ok(Exit::ProbeFailed),
        None => Err(Failure::prober(format!(
            "the service there is of another version ({}), which does not say whether somebody ought to be awake",
            word(status, "version")
        ))),
    }
}

/// Lines: each names its subject and what is said of it.
struct StatusLines {
    text: String,
}

impl StatusLines {
    /// A line; what is too long for one goes on below. What is painted is all of it.
    fn say(&mut self, what: &str, said: &str, paint: impl Fn(&str) -> String) {
        let wrapped = wrap(&format!("{what:<WHAT$}{said}"), WHAT);
        for (number, line) in wrapped.lines().enumerate() {
            let (head, rest) =
                if number == 0 { (&line[..WHAT.min(line.len())], line.get(WHAT..).unwrap_or_default()) } else { ("", line) };
            self.text.extend([head, &paint(rest), "\n"]);
        }
    }
}

fn human(status: &Value, now: SystemTime, style: Style) -> String {
    let table = probes::table(list(status, "probes"), status["probes_total"].as_u64().unwrap_or(0), now, style);
    let mut lines = StatusLines { text: table };
    let (plain, bad, odd) = (|text: &str| text.to_owned(), |text: &str| style.bad(text), |text: &str| style.odd(text));
    lines.say("canaries", &counts(&status["canaries"], &STATES), plain);
    for probe in list(status, "probes").iter().filter(|probe| probe["degraded_1h"].as_f64().is_some_and(|share| share > 0.0)) {
        let said =
            format!("{}: {} of the passed runs of the last hour", word(probe, "probe"), probes::at_least(&probe["degraded_1h"]));
        lines.say("degraded", &said, odd);
    }
    incidents(&mut lines, status, now, style);
    members::apart(&mut lines, status, now, style);
    for owed in list(status, "owed") {
        let since = ago(&owed["since_ms"], now);
        lines.say("owed", &format!("{} of {} since {since}", word(owed, "channel"), word(owed, "scope")), odd);
    }
    for leak in list(status, "leaks") {
        let entries = plural(leak["entries"].as_u64().unwrap_or(0), "thing", "things");
        let owner = if leak["owner"].is_string() { format!(" ({})", word(leak, "owner")) } else { String::new() };
        let since = ago(&leak["since_ms"], now);
        lines.say("leaks", &format!("{}{owner}: {entries} left behind since {since}; `serinus sweep`", word(leak, "probe")), odd);
    }
    channels(&mut lines, status, now, style);
    process(&mut lines, status, now, style);
    fleet::fleet(&mut lines, status, now, style);
    for pause in list(status, "pauses") {
        lines.say("paused", &paused(pause), odd);
    }
    for mute in list(status, "mutes") {
        lines.say("mutes", &muted(mute), odd);
    }
    let problems = list(status, "problems");
    for canary in problems.iter().take(NAMED) {
        let standing = word(canary, "standing").replace('_', " ");
        let failures = canary["failures"].as_u64().filter(|failures| *failures > 0);
        let failures = failures.map_or(String::new(), |failures| format!("  {}", plural(failures, "failed run", "failed runs")));
        let painted: &dyn Fn(&str) -> String = if standing == "failing" { &bad } else { &odd };
        lines.say(&standing, &format!("{}{failures}", word(canary, "canary")), painted);
    }
    let total = status["problems_total"].as_u64().unwrap_or(0);
    if let Some(more) = total.checked_sub(problems.len().min(NAMED) as u64).filter(|more| *more > 0) {
        lines.say("", &format!("… and {more} more; `serinus incidents ID` names the members of one"), plain);
    }
    lines.text
}

fn incidents(lines: &mut StatusLines, status: &Value, now: SystemTime, style: Style) {
    let counts = counts(&status["incidents"], &SEVERITIES);
    let open = list(status, "open_incidents");
    lines.say("incidents", &counts, |text| if open.is_empty() { style.good(text) } else { style.bad(text) });
    for incident in open {
        let since = ago(&incident["since_ms"], now);
        let head = format!("{:<8} since {since}  {}", word(incident, "severity"), word(incident, "id"));
        let answered = incident["unanswered"].as_u64() == Some(0);
        lines.say("", &head, |text| if answered { style.odd(text) } else { style.bad(text) });
        lines.say("", &format!("  {}", word(incident, "title")), str::to_owned);
        for said in list(incident, "acknowledged") {
            let reason = if said["reason"].is_string() { format!(": {}", word(said, "reason")) } else { String::new() };
            lines.say("", &format!("  acknowledged by {} {}{reason}", word(said, "by"), ago(&said["at_ms"], now)), str::to_owned);
        }
    }
}

/// The channels and their deliveries.
fn channels(lines: &mut StatusLines, status: &Value, now: SystemTime, style: Style) {
    let all = list(status, "channels");
    if all.is_empty() {
        lines.say("channel", "there is none: nobody is told", |text| style.odd(text));
    }
    for channel in all {
        let wakes = if channel["wakes"] == true { "wakes" } else { "informs" };
        let mut said = vec![format!("{}: {}, {wakes}", word(channel, "channel"), word(channel, "kind"))];
        if let Some(owed) = channel["owed"].as_u64().filter(|owed| *owed > 0) {
            said.push(format!("{} owed since {}", plural(owed, "incident", "incidents"), ago(&channel["owed_since_ms"], now)));
        }
        if channel["trouble"].is_string() {
            said.push(format!("takes nothing: {}", word(channel, "trouble")));
        } else if channel["taken_ms"].is_number() {
            said.push(format!("took something {}", ago(&channel["taken_ms"], now)));
        }
        let broken = channel["trouble"].is_string();
        lines.say("channel", &said.join(", "), |text| if broken { style.bad(text) } else { text.to_owned() });
    }
}

/// The service itself.
fn process(lines: &mut StatusLines, status: &Value, now: SystemTime, style: Style) {
    if let Some(check) = status["self_check"].as_str() {
        let up = check == "up";
        let said = if up { "up".to_owned() } else { format!("{}: the network is away", printable(check)) };
        lines.say("self check", &said, |text| if up { style.good(text) } else { style.odd(text) });
    }
    for secret in list(status, "missing_secrets") {
        lines.say("secret", &missing(secret), |text| style.bad(text));
    }
    lines.say("store", &store(&status["store"], style), str::to_owned);
    lines.say("config", &reload(&status["config"], now, style), str::to_owned);
    let since = format!("since {} ({})", moment(&status["started_ms"]), ago(&status["started_ms"], now));
    lines.say("running", &format!("{since}, version {}", word(status, "version")), str::to_owned);
}

/// What is muted, whether it fails just now or not.
fn muted(mute: &Value) -> String {
    let part = if mute["reason"].is_string() { "reason" } else { "subject" };
    let mut text = format!("{part} {} of {}", word(mute, part), word(mute, "probe"));
    until_by_and_why(&mut text, mute);
    text
}

fn until_by_and_why(text: &mut String, of: &Value) {
    if of["until_ms"].is_number() {
        text.extend([" until ", &moment(&of["until_ms"])]);
    }
    for (key, before) in [("by", "by"), ("why", "because")] {
        if of[key].is_string() {
            text.extend([" ", before, " ", &word(of, key)]);
        }
    }
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

/// `1 failing, 12 passing`, without what there is none of; of `order` those first, and in that order.
fn counts(of: &Value, order: &[&str]) -> String {
    let mut some: Vec<(usize, String)> = of
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, count)| {
            let count = count.as_u64().filter(|count| *count > 0)?;
            let place = order.iter().position(|known| known == name).unwrap_or(order.len());
            Some((place, format!("{count} {}", name.replace('_', " "))))
        })
        .collect();
    some.sort_by_key(|(place, _)| *place);
    let some: Vec<String> = some.into_iter().map(|(_, said)| said).collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

fn reload(config: &Value, now: SystemTime, style: Style) -> String {
    let loaded = moment(&config["loaded_ms"]);
    let last = &config["last_reload"];
    if last["applied"].as_bool() == Some(false) {
        let at = moment(&last["at_ms"]);
        let said = last["message"].as_str().unwrap_or_default();
        return style.bad(&format!("of {loaded} is still in force: the one read at {at} was refused: {}", printable(said)));
    }
    format!("loaded {loaded} ({})", ago(&config["loaded_ms"], now))
}

fn missing(secret: &Value) -> String {
    let probes: Vec<String> =
        list(secret, "probes").iter().filter_map(Value::as_str).map(|name| printable(name).to_string()).collect();
    let without = if probes.is_empty() { String::new() } else { format!("; without it no run of {} counts", probes.join(", ")) };
    format!("{}: {}{without}", word(secret, "name"), word(secret, "error"))
}

fn paused(pause: &Value) -> String {
    let mut text = word(pause, "target");
    until_by_and_why(&mut text, pause);
    text
}

#[cfg(test)]
mod tests;
