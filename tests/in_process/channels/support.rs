//! Channels, messages and tries for the tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serinus::alert::Scope;
use serinus::alert::channel::{HttpClient, Sender};
use serinus::alert::message::{Action, Message};
use serinus::alert::tries::{About, Open, Outcome, Refusal, RefusalKind, Try};
use serinus::outcome::{Secret, Secrets};
use serinus::plan::{Alerting, Channel, ChannelKind, Severity, Template};
use serinus::source::Location;

pub(crate) fn channel(name: &str, kind: ChannelKind) -> Arc<Channel> {
    hurried(name, Duration::from_secs(10), kind)
}

/// A channel that waits so long for an answer.
pub(crate) fn hurried(name: &str, timeout: Duration, kind: ChannelKind) -> Arc<Channel> {
    Arc::new(Channel { name: name.into(), least: Severity::Page, wakes: true, timeout, kind })
}

pub(crate) fn alerting(channels: Vec<Arc<Channel>>) -> Alerting {
    Alerting { channels, ..Alerting::default() }
}

pub(crate) fn template(text: &str) -> Template {
    let location = Location { path: std::path::Path::new("serinus.toml").into(), line: 1, column: 1 };
    Template::parse(text, location).expect("the template is one")
}

pub(crate) fn webhook(url: &str) -> ChannelKind {
    ChannelKind::Webhook { url: template(url), headers: Vec::new(), body: None, signing_key: None }
}

pub(crate) fn secrets(values: &[(&str, &str)]) -> Arc<Secrets> {
    let values: BTreeMap<Arc<str>, _> = values.iter().map(|(name, value)| ((*name).into(), Ok(Secret::new(*value)))).collect();
    Arc::new(Secrets::new(values))
}

pub(crate) fn client() -> HttpClient {
    HttpClient::new(&[]).expect("the machine's roots can be read")
}

pub(crate) fn sender(channels: Vec<Arc<Channel>>, secrets: &Arc<Secrets>) -> Sender {
    Sender::new(client(), &alerting(channels), secrets)
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is set");
    i64::try_from(since.as_millis()).expect("it is not that late yet")
}

/// The message of a golden file, as it is said now.
pub(crate) fn message(case: &str) -> Message {
    let path = format!("{}/tests/messages/webhook/{case}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (_, body) = text.split_once("\n\n").expect("headers and a body");
    let message: Message = serde_json::from_str(body).expect("the body is a message");
    let later = now_ms() - message.at_ms;
    Message {
        since_ms: message.since_ms + later,
        at_ms: message.at_ms + later,
        ended_ms: message.ended_ms.map(|ended| ended + later),
        ..message
    }
}

/// The ring's number and everything that goes with it.
pub(crate) fn ring(number: u64) -> Message {
    Message { number, key: format!("probe/premium-registration/{number}"), ..message("one_region") }
}

pub(crate) fn end() -> Message {
    message("well")
}

pub(crate) fn open(key: &str) -> Open {
    Open { key: key.to_owned(), taken: true, acknowledged: 0, labels: Vec::new() }
}

/// A try of that message.
pub(crate) fn attempt(id: &str, channel: &str, message: &Message) -> Try {
    let scope = Scope::Probe("premium-registration".into());
    Try {
        id: id.to_owned(),
        channel: channel.into(),
        what: message.action,
        key: message.key.clone(),
        about: vec![About { incident: message.incident.clone(), scope, cover: None }],
        made: Duration::ZERO,
        labels: Vec::new(),
        message: String::new(),
        attempts: 1,
    }
}

/// Sends a message of which nothing is open yet.
pub(crate) async fn sent(sender: &Sender, channel: &str, message: &Message) -> Outcome {
    sender.send(&attempt("try-1", channel, message), message, &[], false).await
}

/// An outcome in short: its word and the kind of refusal.
pub(crate) fn short(outcome: &Outcome) -> (&'static str, Option<RefusalKind>) {
    match outcome {
        Outcome::Taken => ("taken", None),
        Outcome::Refused(Refusal { kind, .. }) => ("refused", Some(*kind)),
        Outcome::Unknown(Refusal { kind, .. }) => ("unknown", Some(*kind)),
    }
}

pub(crate) fn why(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Taken => "",
        Outcome::Refused(refusal) | Outcome::Unknown(refusal) => &refusal.message,
    }
}

/// Something other than a ring, of the same incident.
pub(crate) fn as_what(what: Action, message: Message) -> Message {
    Message { action: what, ..message }
}
