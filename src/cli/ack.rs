//! `serinus ack`: somebody is at an incident; `serinus close`: somebody says that it is over.

use std::path::Path;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::args::{AckArgs, CloseArgs, Output};
use super::client::{Client, ago, plural, word};
use super::exit::Failure;
use super::{Exit, Printer};

pub(crate) async fn ack(printer: &Printer, config: Option<&Path>, args: &AckArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote.service, config)?;
    let body = json!({ "by": args.by, "reason": args.reason });
    let answer = client.post(&["incidents", &args.incident, "ack"], &body).await?;
    tell(printer, args.remote.output, &answer, |answer| acknowledged(&args.incident, answer, SystemTime::now()));
    Ok(Exit::Well)
}

pub(crate) async fn close(printer: &Printer, config: Option<&Path>, args: &CloseArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote.service, config)?;
    let body = json!({ "by": args.by, "why": args.why });
    let answer = client.post(&["incidents", &args.incident, "close"], &body).await?;
    tell(printer, args.remote.output, &answer, |answer| {
        let members = plural(answer["members"].as_u64().unwrap_or(0), "member is", "members are");
        format!("closed {}: {members} taken for well, and whoever was rung is told so", args.incident)
    });
    Ok(Exit::Well)
}

fn tell(printer: &Printer, output: Output, answer: &Value, human: impl FnOnce(&Value) -> String) {
    match output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => printer.note(&human(answer)),
    }
}

fn acknowledged(incident: &str, answer: &Value, now: SystemTime) -> String {
    let count = answer["members"].as_u64().unwrap_or(0);
    let already = &answer["already"];
    if already.is_null() {
        let members = plural(count, "member", "members");
        return format!("acknowledged {incident} with {members}: nobody is rung for it again; what comes up later rings");
    }
    let newly = match count {
        0 => "nothing new is covered".to_owned(),
        1 => "1 member that failed since is now covered as well".to_owned(),
        count => format!("{count} members that failed since are now covered as well"),
    };
    format!("{incident} was acknowledged already, by {} {}; {newly}", word(already, "by"), ago(&already["at_ms"], now))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_acknowledgement_says_so_and_what_it_newly_covers() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_mins(10);
        let said = |members: u64, already: Value| acknowledged("01X", &json!({ "members": members, "already": already }), now);
        let first = json!({ "by": "ann\u{1b}", "at_ms": 60_000 });
        assert_eq!(
            said(3, Value::Null),
            "acknowledged 01X with 3 members: nobody is rung for it again; what comes up later rings"
        );
        assert_eq!(said(0, first.clone()), "01X was acknowledged already, by ann\\u001b 9 min ago; nothing new is covered");
        assert_eq!(
            said(1, first),
            "01X was acknowledged already, by ann\\u001b 9 min ago; 1 member that failed since is now covered as well"
        );
    }
}
