//! `serinus trigger`: a run now, beside the ticks.

use std::path::Path;

use serde_json::json;

use super::args::{Output, TargetArgs};
use super::client::{Client, word};
use super::exit::Failure;
use super::{Exit, Printer};

pub(crate) async fn trigger(printer: &Printer, config: Option<&Path>, args: &TargetArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote, config)?;
    let answer = client.post(&["trigger"], &json!({ "target": args.target })).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => {
            let started = answer["started"].as_array().map_or(0, Vec::len);
            let runs = if started == 1 { "a run".to_owned() } else { format!("{started} runs") };
            printer.note(&format!("started {runs} of {0}; `serinus runs {0}` shows how it went", args.target));
            for refused in answer["refused"].as_array().into_iter().flatten() {
                printer.note(&format!("not started: {}: {}", word(refused, "canary"), word(refused, "why")));
            }
        }
    }
    Ok(Exit::Well)
}
