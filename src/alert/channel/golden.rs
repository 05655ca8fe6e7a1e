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
use crate::plan::{ChannelKind, ReceiverKind, SmtpTls, Template};
use crate::source::Location;

use super::http::Post;
use super::webhook::Webhook;
use super::{alertmanager, email, knows, pagerduty, slack, webhook};

fn template(text: &str) -> Template {
    Template::parse(text, Location { path: Path::new("serinus.toml").into(), line: 1, column: 1 }).unwrap()
}

/// A channel of each kind.
fn channels() -> [ChannelKind; 5] {
    let secret: Arc<str> = "R0".into();
    let url = template("https://hooks.example.com/");
    [
        ChannelKind::Slack { url: Arc::clone(&secret), channel: None },
        ChannelKind::Email {
            host: String::new(),
            port: 25,
            tls: SmtpTls::None,
            login: None,
            from: "serinus@example.org".to_owned(),
            to: vec!["oncall@example.com".to_owned()],
            ca: None,
        },
        ChannelKind::Webhook { url, headers: Vec::new(), body: None, signing_key: None },
        ChannelKind::PagerDuty { routing_key: secret, url: "https://events.pagerduty.com".to_owned() },
        ChannelKind::Alertmanager {
            urls: Vec::new(),
            headers: Vec::new(),
            labels: vec![("team".to_owned(), "music".to_owned())],
            resend: Duration::from_mins(1),
        },
    ]
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn body(post: &Post) -> Value {
    serde_json::from_slice(&post.body).unwrap()
}

/// What a channel gets.
fn rendered(channel: &ChannelKind, message: &Message) -> String {
    match channel {
        ChannelKind::Slack { channel, .. } => {
            pretty(&body(&slack::request("https://hooks.example.com/x", channel.as_deref(), message, false)))
        }
        ChannelKind::Email { from, to, .. } => {
            let open = Open {
                key: message.previous.clone().unwrap_or_else(|| message.key.clone()),
                taken: true,
                acknowledged: 0,
                labels: Vec::new(),
            };
            let mail = email::mail(from, to, "try-1", Some(&open.key), message, SystemTime::UNIX_EPOCH);
            let mail = String::from_utf8(mail.unwrap().formatted()).unwrap().replace("\r\n", "\n");
            // The text as it is read; how it is encoded on the wire is the mail library's.
            format!("{}\n\n{}", mail.split("\n\n").next().unwrap(), plain(&headline(message, 500), message))
        }
        ChannelKind::Webhook { url, headers, body: own, .. } => {
            let settings = Webhook { url, headers, body: own.as_ref(), signing_key: None };
            let post = webhook::request(&settings, &Arc::new(Secrets::default()), "try-1", message, now().wall).unwrap();
            let mut text = String::new();
            for (name, value) in &post.headers {
                writeln!(text, "{name}: {value}").unwrap();
            }
            format!("{text}\n{}", pretty(&body(&post)))
        }
        ChannelKind::PagerDuty { routing_key, url } => {
            pretty(&body(&pagerduty::request(url, routing_key, message.action, &message.key, message)))
        }
        ChannelKind::Alertmanager { labels, resend, .. } => {
            let labels = alertmanager::labels(message, labels);
            let ended = (message.action == Action::End).then_some(message.at_ms);
            pretty(&alertmanager::alert(&labels, message, ended, message.at_ms, *resend))
        }
    }
}

/// Whether a channel is ever sent such a message.
fn is_sent(receiver: ReceiverKind, message: &Message) -> bool {
    knows(receiver, message.action)
        && match message.action {
            Action::Acknowledge | Action::Change => true,
            Action::Ring | Action::End if message.key.starts_with("storm/") => receiver != ReceiverKind::Alerts,
            Action::Ring | Action::End => receiver == ReceiverKind::Posts || !message.key.starts_with("unheard/"),
        }
}

#[test]
fn every_message_is_as_its_golden_file() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    let update = std::env::var_os("UPDATE").is_some();
    let (mut wrong, mut known) = (Vec::new(), BTreeSet::new());
    for channel in channels() {
        let folder = root.join(channel.as_str());
        std::fs::create_dir_all(&folder).unwrap();
        let is_json = !matches!(channel, ChannelKind::Email { .. } | ChannelKind::Webhook { .. });
        for case in cases().iter().filter(|case| is_sent(channel.receiver(), &case.message)) {
            let path = folder.join(format!("{}.{}", case.name, if is_json { "json" } else { "txt" }));
            let text = rendered(&channel, &case.message);
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
    let channels = channels();
    let of = |kind: &str| channels.iter().find(|channel| channel.as_str() == kind).unwrap().receiver();
    let receivers = ["slack", "pagerduty", "alertmanager"].map(of);
    let knows = |what| receivers.map(|receiver| knows(receiver, what));
    assert_eq!((knows(Action::Ring), knows(Action::End)), ([true; 3], [true; 3]));
    assert_eq!((knows(Action::Change), knows(Action::Acknowledge)), ([false, true, true], [true, true, false]));
    // Who has keys, and who keeps what was never heard.
    assert_eq!(receivers.map(|receiver| receiver == ReceiverKind::Incidents), [false, true, false]);
    assert_eq!(receivers.map(|receiver| receiver == ReceiverKind::Posts), [true, false, false]);
}
