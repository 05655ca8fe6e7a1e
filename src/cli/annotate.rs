//! `serinus annotate`: something happened, such as a deployment; `serinus note`: what is known of an incident.

use std::path::Path;

use serde_json::json;

use crate::base::time::epoch_ms;

use super::args::{AnnotateArgs, NoteArgs, Output};
use super::client::{Client, moment, word};
use super::exit::Failure;
use super::verbs::note_if_not_durable;
use super::{Exit, Printer};

pub(crate) async fn annotate(printer: &Printer, config: Option<&Path>, args: &AnnotateArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote.service, config)?;
    let AnnotateArgs { text, probe, what, at, by, remote } = args;
    let body = json!({ "text": text, "probe": probe, "what": what, "at_ms": at.map(epoch_ms), "by": by });
    let answer = client.post(&["annotations"], &body).await?;
    match remote.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => {
            let said = &answer["annotation"];
            let about = if said["probe"].is_null() { String::new() } else { format!(" about {}", word(said, "probe")) };
            printer.note(&format!("annotated {}{about} at {}", word(said, "what"), moment(&said["at_ms"])));
            note_if_not_durable(printer, &answer);
        }
    }
    Ok(Exit::Well)
}

pub(crate) async fn note(printer: &Printer, config: Option<&Path>, args: &NoteArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote.service, config)?;
    if let Some(note) = &args.withdraw {
        return withdraw(printer, &client, args, note).await;
    }
    let body = json!({ "text": args.text, "by": args.by, "public": args.public });
    let answer = client.post(&["incidents", &args.incident, "notes"], &body).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => {
            let (incident, note) = (word(&answer["note"], "incident"), word(&answer["note"], "id"));
            let withdraw = || format!(", for everybody; `serinus note {incident} --withdraw {note}` takes it back");
            let whom = if args.public { withdraw() } else { String::new() };
            printer.note(&format!("noted on incident {incident}{whom}"));
            note_if_not_durable(printer, &answer);
        }
    }
    Ok(Exit::Well)
}

async fn withdraw(printer: &Printer, client: &Client, args: &NoteArgs, note: &str) -> Result<Exit, Failure> {
    let answer = client.post(&["incidents", &args.incident, "notes", note, "withdraw"], &json!({ "by": args.by })).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => {
            printer.note(&format!("withdrawn: note {} is not for everybody any more", word(&answer, "withdrawn")));
            note_if_not_durable(printer, &answer);
        }
    }
    Ok(Exit::Well)
}
