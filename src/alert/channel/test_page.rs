//! `serinus notify-test`: sends a test message in the same way as real ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use ulid::Ulid;

use crate::alert::Scope;
use crate::alert::message::{Action, Message, Occasion, VERSION};
use crate::alert::tries::{About, Open, Outcome, Try};
use crate::base::time::now_ms;
use crate::outcome::Secrets;
use crate::plan::{Alerting, Channel, ChannelKind};

use super::alertmanager::labels;
use super::http::HttpClient;
use super::sender::Sender;

/// There is no channel to send to.
#[derive(Debug, thiserror::Error)]
pub enum NoChannel {
    /// None has that name.
    #[error("there is no channel `{name}`; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// None is configured.
    #[error("no channel is configured; add a [[notify.…]] table to the service's file")]
    None,
}

/// What became of the test in one channel.
#[derive(Debug, Clone)]
pub struct Tested {
    /// The channel.
    pub channel: Arc<Channel>,
    /// The key of the test.
    pub key: String,
    /// Whether the receiver took the ring and its end; otherwise the error. Nothing is repeated.
    pub result: Result<(), String>,
}

/// Rings the channel of that name, or all, and ends it again at once.
///
/// # Errors
/// If there is no such channel.
pub async fn send_test(
    client: &HttpClient,
    alerting: &Alerting,
    secrets: &Arc<Secrets>,
    channel: Option<&str>,
) -> Result<Vec<Tested>, NoChannel> {
    let chosen: Vec<&Arc<Channel>> =
        alerting.channels.iter().filter(|known| channel.is_none_or(|name| *known.name == *name)).collect();
    if chosen.is_empty() {
        return Err(match channel {
            Some(name) if !alerting.channels.is_empty() => NoChannel::Unknown { name: name.to_owned(), known: names(alerting) },
            Some(_) | None => NoChannel::None,
        });
    }
    let sender = Sender::new(client.clone(), alerting, secrets);
    let tests = chosen.into_iter().map(|channel| test(&sender, alerting, channel));
    Ok(futures::future::join_all(tests).await)
}

fn names(alerting: &Alerting) -> String {
    alerting.channels.iter().map(|channel| format!("`{}`", channel.name)).collect::<Vec<_>>().join(", ")
}

async fn test(sender: &Sender, alerting: &Alerting, channel: &Arc<Channel>) -> Tested {
    let ring = message(alerting, channel);
    let key = ring.key.clone();
    let labels = match &channel.kind {
        ChannelKind::Alertmanager { labels: own, .. } => labels(&ring, own),
        _ => Vec::new(),
    };
    let opens = [Open { key: key.clone(), taken: false, acknowledged: 0, labels }];
    let end = Message {
        action: Action::End,
        title: format!("the test of the channel {} is over", channel.name),
        ended_ms: Some(ring.at_ms),
        ..ring.clone()
    };
    let mut result = Ok(());
    for message in [ring, end] {
        let attempt = Try {
            id: Ulid::generate().to_string(),
            channel: Arc::clone(&channel.name),
            what: message.action,
            key: key.clone(),
            about: vec![About { incident: message.incident.clone(), scope: Scope::Test, cover: None }],
            made: std::time::Duration::ZERO,
            labels: Vec::new(),
            message: String::new(),
            attempts: 1,
        };
        if let Outcome::Refused(refusal) | Outcome::Unknown(refusal) = sender.send(&attempt, &message, &opens, false).await {
            result = Err(refusal.message);
            break;
        }
    }
    Tested { channel: Arc::clone(channel), key, result }
}

fn message(alerting: &Alerting, channel: &Channel) -> Message {
    let id = Ulid::generate().to_string();
    let origin = alerting.origin.as_deref();
    let now_ms = now_ms();
    Message {
        version: VERSION,
        key: format!("{}{}/{id}", origin.map(|origin| format!("{origin}/")).unwrap_or_default(), Scope::Test),
        number: u64::try_from(now_ms / 1_000).unwrap_or(0),
        previous: None,
        action: Action::Ring,
        occasion: Occasion::Test,
        severity: channel.least,
        incident: id,
        scope: Scope::Test.to_string(),
        origin: origin.map(str::to_owned),
        title: format!("a test of the channel {}, nothing is broken", channel.name),
        probe: None,
        subject: None,
        promised: None,
        owner: None,
        runbook: None,
        tags: Vec::new(),
        since_ms: now_ms,
        at_ms: now_ms,
        ended_ms: None,
        regions: Vec::new(),
        cell: BTreeMap::new(),
        critical: Vec::new(),
        why: vec!["Somebody has run `serinus notify-test` to see whether messages arrive here.".to_owned()],
        failing: Vec::new(),
        apart: Vec::new(),
        evidence: Vec::new(),
        members: Vec::new(),
        members_total: 0,
        incidents: Vec::new(),
        incidents_total: 0,
        url: None,
        test: true,
    }
}
