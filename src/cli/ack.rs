//! `serinus ack`: somebody is at an incident.

use std::path::Path;

use serde_json::json;

use super::args::{AckArgs, Output};
use super::client::Client;
use super::exit::Failure;
use super::{Exit, Printer};

pub(crate) async fn ack(printer: &Printer, config: Option<&Path>, args: &AckArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote, config)?;
    let answer = client.post(&["incidents", &args.incident, "ack"], &json!({ "by": args.by })).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => {
            printer.talk(&format!("acknowledged {}: it sends no reminders; what spreads still pages", args.incident));
        }
    }
    Ok(Exit::Well)
}
