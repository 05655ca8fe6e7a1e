//! `serinus mute` and `serinus unmute`: a known bug rings nobody, and the probe goes on.

use std::path::Path;

use serde_json::json;

use super::args::{MuteArgs, Output, PartArgs, UnmuteArgs};
use super::client::Client;
use super::exit::Failure;
use super::verbs::note_if_not_durable;
use super::{Exit, Printer};

pub(crate) async fn mute(printer: &Printer, config: Option<&Path>, args: &MuteArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote.service, config)?;
    let lasting = args.lasting.map(|lasting| lasting.as_secs_f64());
    let PartArgs { reason, subject } = &args.part;
    let body = json!({
        "probe": args.probe, "reason": reason, "subject": subject, "for_seconds": lasting, "by": args.by, "why": args.why,
    });
    let answer = client.post(&["mutes"], &body).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => {
            let until = args.lasting.map_or_else(
                || "until it is unmuted".to_owned(),
                |lasting| format!("for {}", humantime::format_duration(lasting)),
            );
            printer.note(&format!(
                "muted {} of {} {until}; its runs go on, and its incidents stay open",
                named(&args.part),
                args.probe
            ));
            note_if_not_durable(printer, &answer);
        }
    }
    Ok(Exit::Well)
}

pub(crate) async fn unmute(printer: &Printer, config: Option<&Path>, args: &UnmuteArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote.service, config)?;
    let PartArgs { reason, subject } = &args.part;
    let body = json!({ "probe": args.probe, "reason": reason, "subject": subject });
    let answer = client.post(&["mutes", "end"], &body).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => {
            printer.note(&format!("{} of {} rings again with its next failure", named(&args.part), args.probe));
            note_if_not_durable(printer, &answer);
        }
    }
    Ok(Exit::Well)
}

/// `reason timeout`, `subject seg-1`.
fn named(part: &PartArgs) -> String {
    match (&part.reason, &part.subject) {
        (Some(reason), _) => format!("reason {reason}"),
        (None, subject) => format!("subject {}", subject.as_deref().unwrap_or_default()),
    }
}
