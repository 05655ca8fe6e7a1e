//! `serinus pause` and `serinus resume`.

use std::path::Path;

use serde_json::{Value, json};

use super::args::{Output, PauseArgs, TargetArgs};
use super::client::Client;
use super::exit::Failure;
use super::{Exit, Printer};

pub(crate) async fn pause(printer: &Printer, config: Option<&Path>, args: &PauseArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote, config)?;
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
            unkept(printer, &answer);
        }
    }
    Ok(Exit::Well)
}

pub(crate) async fn resume(printer: &Printer, config: Option<&Path>, args: &TargetArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote, config)?;
    let answer = client.post(&["resume"], &json!({ "target": args.target })).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => {
            printer.note(&format!("{} runs again from its next tick on", args.target));
            unkept(printer, &answer);
        }
    }
    Ok(Exit::Well)
}

/// Says so if what was asked for is not durable yet.
pub(super) fn unkept(printer: &Printer, answer: &Value) {
    if answer["kept"] == false {
        printer.note("the store could not take it yet; until it does, a restart forgets it");
    }
}
