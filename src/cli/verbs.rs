//! `serinus pause`, `resume` and `reload`: what a running service is asked to do.

use std::path::Path;

use serde_json::{Value, json};

use super::args::{Output, PauseArgs, RemoteArgs, TargetArgs};
use super::client::{Client, word};
use super::exit::Failure;
use super::style::printable;
use super::{Exit, Printer};

pub(crate) async fn pause(printer: &Printer, config: Option<&Path>, args: &PauseArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote.service, config)?;
    let lasting = args.lasting.map(|lasting| lasting.as_secs_f64());
    let body = json!({ "target": args.target, "for_seconds": lasting, "by": args.by, "why": args.why });
    let answer = client.post(&["pause"], &body).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => {
            let until = args.lasting.map_or_else(
                || "until it is resumed".to_owned(),
                |lasting| format!("for {}", humantime::format_duration(lasting)),
            );
            printer.note(&format!("paused {} {until}; its open incidents stay open", args.target));
            note_if_not_durable(printer, &answer);
        }
    }
    Ok(Exit::Well)
}

pub(crate) async fn resume(printer: &Printer, config: Option<&Path>, args: &TargetArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote.service, config)?;
    let answer = client.post(&["resume"], &json!({ "target": args.target })).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => {
            printer.note(&format!("{} runs again from its next tick on", args.target));
            note_if_not_durable(printer, &answer);
        }
    }
    Ok(Exit::Well)
}

/// Has the service read its configuration again.
pub(crate) async fn reload(printer: &Printer, config: Option<&Path>, args: &RemoteArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.service, config)?;
    let answer = client.post(&["reload"], &json!({})).await?;
    let applied = answer["applied"].as_bool() == Some(true);
    match args.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => {
            if let Some(diagnostics) = answer["diagnostics"].as_str().filter(|text| !text.is_empty()) {
                diagnostics.trim_end().lines().for_each(|line| printer.note(&printable(line)));
            }
            printer.note(&word(&answer, "message"));
        }
    }
    Ok(if applied { Exit::Well } else { Exit::Usage })
}

/// Says so if what was asked for is not durable yet.
pub(super) fn note_if_not_durable(printer: &Printer, answer: &Value) {
    if answer["kept"] == false {
        printer.note("the store could not take it yet; until it does, a restart forgets it");
    }
}
