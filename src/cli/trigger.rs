//! `serinus trigger`: a run now, beside the ticks.

use std::path::Path;

use serde_json::json;

use super::args::{Output, TargetArgs};
use super::client::Client;
use super::exit::Failure;
use super::{Exit, Printer};

pub(crate) async fn trigger(printer: &Printer, config: Option<&Path>, args: &TargetArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote, config)?;
    let answer = client.post(&["trigger"], &json!({ "target": args.target })).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => {
            let started = answer["started"].as_array().map_or(0, Vec::len);
            printer.talk(&format!("started {started} run(s) of {0}; see `serinus runs {0}`", args.target));
        }
    }
    Ok(Exit::Well)
}
