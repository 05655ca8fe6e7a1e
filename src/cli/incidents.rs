//! `serinus incidents`: what is open, or the story of one.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::args::{IncidentsArgs, Output};
use super::client::{Client, moment};
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
    let query = [("open", (!args.all).to_string())];
    let page = client.get(&["incidents"], &query).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{page:#}")),
        Output::Human => {
            let items = page["items"].as_array().map_or(&[][..], Vec::as_slice);
            if items.is_empty() {
                printer.talk(if args.all { "no incidents are kept" } else { "no incident is open" });
            }
            items.iter().for_each(|incident| printer.data(&line(incident, style)));
        }
    }
    Ok(Exit::Well)
}

fn line(incident: &Value, style: Style) -> String {
    let word = |key: &str| printable(incident[key].as_str().unwrap_or_default()).into_owned();
    let severity = format!("{:<8}", word("severity"));
    let (severity, end) = if incident["resolved_ms"].is_number() {
        (style.dim(&severity), format!("resolved {}", moment(&incident["resolved_ms"])))
    } else {
        (style.bad(&severity), "open".to_owned())
    };
    format!("{}  {severity} {}  since {}  {end}", word("id"), word("scope"), moment(&incident["opened_ms"]))
}

fn full(story: &Value, style: Style) -> String {
    let mut text = line(&story["incident"], style);
    text.push('\n');
    let word = |of: &Value, key: &str| printable(of[key].as_str().unwrap_or_default()).into_owned();
    // Writing to a string cannot fail.
    for event in story["timeline"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "  {}  {:<12} {}", moment(&event["at_ms"]), word(event, "what"), word(event, "text"));
    }
    for message in story["messages"].as_array().into_iter().flatten() {
        let occasion = printable(message["notice"]["occasion"].as_str().unwrap_or_default()).into_owned();
        let state = word(message, "state");
        let _ = write!(text, "  {}  {state:<12} {occasion} to {}", moment(&message["created_ms"]), word(message, "channel"));
        let _ =
            writeln!(text, "{}", message["error"].as_str().map_or_else(String::new, |error| format!(": {}", printable(error))));
    }
    text
}
