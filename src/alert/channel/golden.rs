//! Golden files: what each channel gets in each case, in `tests/messages/CHANNEL/CASE`. `UPDATE=1` writes them anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::alert::message::cases::cases;
use crate::alert::message::testing::now;
use crate::alert::message::{Action, Message, headline, plain};
use crate::alert::tries::Open;
use crate::outcome::Secrets;
use crate::plan::{ChannelKind, ReceiverKind, Template};
use crate::source::Location;

use super::http::Post;
use super::webhook::Webhook;
use super::{alertmanager, email, knows, pagerduty, slack, webhook};

const CHANNELS: [&str; 5] = ["slack", "email", "webhook", "pagerduty", "alertmanager"];

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn body(post: &Post) -> Value {
    serde_json::from_slice(&post.body).unwrap()
}

/// What a channel of that kind gets.
fn rendered(channel: &str, message: &Message) -> String {
    let opens = [Open {
        key: message.previous.clone().unwrap_or_else(|| message.key.clone()),
        taken: true,
        acknowledged: 0,
        labels: Vec::new(),
    }];
    match channel {
        "slack" => pretty(&body(&slack::request("https://hooks.example.com/x", None, message, false))),
        "email" => {
            let to = ["oncall@example.com".to_owned()];
            let mail = email::mail("serinus@example.org", &to, "try-1", Some(&opens[0].key), message, SystemTime::UNIX_EPOCH);
            let mail = String::from_utf8(mail.unwrap().formatted()).unwrap().replace("\r\n", "\n");
            // The text as it is read; how it is encoded on the wire is the mail library's.
            format!("{}\n\n{}", mail.split("\n\n").next().unwrap(), plain(&headline(message, 500), message))
        }
        "webhook" => {
            let location = Location { path: Path::new("serinus.toml").into(), line: 1, column: 1 };
            let url = Template::parse("https://hooks.example.com/", location).unwrap();
            let settings = Webhook { url: &url, headers: &[], body: None, signing_key: None };
            let post = webhook::request(&settings, &Arc::new(Secrets::default()), "try-1", message, now().wall).unwrap();
            let mut text = String::new();
            for (name, value) in &post.headers {
                writeln!(text, "{name}: {value}").unwrap();
            }
            format!("{text}\n{}", pretty(&body(&post)))
        }
        "pagerduty" => {
            pretty(&body(&pagerduty::request("https://events.pagerduty.com", "R0", message.action, &message.key, message)))
        }
        "alertmanager" => {
            let labels = alertmanager::labels(message, &[("team".to_owned(), "music".to_owned())]);
            let ended = (message.action == Action::End).then_some(message.at_ms);
            pretty(&alertmanager::alert(&labels, message, ended, message.at_ms, Duration::from_mins(1)))
        }
        other => panic!("`{other}` is no channel"),
    }
}

/// Whether a channel is ever sent such a message.
fn is_sent(channel: &str, message: &Message) -> bool {
    let chat = matches!(channel, "slack" | "email" | "webhook");
    match message.action {
        Action::Acknowledge => channel != "alertmanager",
        Action::Change => !chat,
        Action::Ring | Action::End if message.key.starts_with("storm/") => channel != "alertmanager",
        Action::Ring | Action::End => chat || !message.key.starts_with("unheard/"),
    }
}

#[test]
fn every_message_is_as_its_golden_file() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    let update = std::env::var_os("UPDATE").is_some();
    let (mut wrong, mut known) = (Vec::new(), BTreeSet::new());
    for channel in CHANNELS {
        let folder = root.join(channel);
        if update {
            std::fs::create_dir_all(&folder).unwrap();
        }
        for case in cases().iter().filter(|case| is_sent(channel, &case.message)) {
            let path =
                folder.join(format!("{}.{}", case.name, if matches!(channel, "email" | "webhook") { "txt" } else { "json" }));
            let text = rendered(channel, &case.message);
            if update {
                std::fs::write(&path, &text).unwrap();
            }
            if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
                wrong.push(format!("{}:\n{text}", path.display()));
            }
            known.insert(path);
        }
        let there = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        wrong.extend(there.filter(|path| !known.contains(path)).map(|path| format!("{} is of no case", path.display())));
    }
    assert!(wrong.is_empty(), "UPDATE=1 writes them anew; look at what changed.\n{}", wrong.join("\n"));
}

#[test]
fn channels_know_what_they_have_a_word_for() {
    let slack = ChannelKind::Slack { url: "s".into(), channel: None };
    let pagerduty = ChannelKind::PagerDuty { routing_key: "s".into(), url: String::new() };
    let manager = ChannelKind::Alertmanager { urls: Vec::new(), headers: Vec::new(), labels: Vec::new(), resend: Duration::ZERO };
    let receivers = [&slack, &pagerduty, &manager].map(ChannelKind::receiver);
    let knows = |what| receivers.map(|receiver| knows(receiver, what));
    assert_eq!((knows(Action::Ring), knows(Action::End)), ([true; 3], [true; 3]));
    assert_eq!((knows(Action::Change), knows(Action::Acknowledge)), ([false, true, true], [true, true, false]));
    // Who has keys, and who keeps what was never heard.
    assert_eq!(receivers.map(|receiver| receiver == ReceiverKind::Incidents), [false, true, false]);
    assert_eq!(receivers.map(|receiver| receiver == ReceiverKind::Posts), [true, false, false]);
}
