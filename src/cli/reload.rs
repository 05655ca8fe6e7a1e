//! `serinus reload`: a running service reads its configuration again.

use std::path::Path;

use serde_json::json;

use super::args::{Output, RemoteArgs};
use super::client::{Client, word};
use super::exit::Failure;
use super::style::printable;
use super::{Exit, Printer};

pub(crate) async fn reload(printer: &Printer, config: Option<&Path>, args: &RemoteArgs) -> Result<Exit, Failure> {
    let client = Client::new(args, config)?;
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
