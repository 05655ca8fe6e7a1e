//! `serinus notify-test`: a page that says it is a test, through the way that true ones take.

use std::sync::Arc;
use std::time::SystemTime;

use ulid::Ulid;

use crate::alert::{Action, Links, Notice, Occasion, Scope};
use crate::outcome::Secrets;
use crate::plan::{Alerting, Channel};

use super::dispatcher::Courier as _;
use super::http::HttpClient;
use super::letter::{Letter, Trouble};
use super::post::PostOffice;

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

/// What became of the test page in one channel.
#[derive(Debug, Clone)]
pub struct Tested {
    /// The channel.
    pub channel: Arc<Channel>,
    /// The key of the page.
    pub key: String,
    /// Whether the receiver took both the page and its end; the first trouble otherwise. Nothing is tried twice.
    pub result: Result<(), Trouble>,
}

/// Sends a test page to the channel of that name, or to all, and ends it again at once.
///
/// # Errors
/// If there is no such channel.
pub async fn send_test(
    client: &HttpClient,
    alerting: &Arc<Alerting>,
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
    let office = PostOffice::new(client.clone(), Arc::clone(alerting), Arc::clone(secrets));
    let tests = chosen.into_iter().map(|channel| test(&office, alerting, channel));
    Ok(futures::future::join_all(tests).await)
}

fn names(alerting: &Alerting) -> String {
    alerting.channels.iter().map(|channel| format!("`{}`", channel.name)).collect::<Vec<_>>().join(", ")
}

async fn test(office: &PostOffice, alerting: &Alerting, channel: &Arc<Channel>) -> Tested {
    let trigger = notice(alerting, channel);
    let key = trigger.key.clone();
    let resolve = Notice { action: Action::Resolve, resolved_ms: Some(trigger.at_ms), ..trigger.clone() };
    let mut result = Ok(());
    for notice in [trigger, resolve] {
        let letter = Letter {
            id: Ulid::generate().to_string(),
            incident: notice.incident.clone(),
            channel: Arc::clone(&channel.name),
            notice: Arc::new(notice),
            taken: Vec::new(),
        };
        result = office.deliver(letter).await;
        if result.is_err() {
            break;
        }
    }
    Tested { channel: Arc::clone(channel), key, result }
}

fn notice(alerting: &Alerting, channel: &Channel) -> Notice {
    let id = Ulid::generate().to_string();
    let origin = alerting.origin.as_deref().map(|origin| format!("{origin}/")).unwrap_or_default();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Notice {
        key: format!("{origin}{}/{id}", Scope::Test),
        action: Action::Trigger,
        occasion: Occasion::Test,
        severity: channel.least,
        incident: id,
        scope: Scope::Test.to_string(),
        title: format!("TEST of the channel `{}`, nothing is broken", channel.name),
        probe: None,
        summary: Some("Somebody has run `serinus notify-test` to see whether pages arrive here.".to_owned()),
        owner: None,
        runbook: None,
        tags: Vec::new(),
        subject: None,
        since_ms: now_ms,
        at_ms: now_ms,
        resolved_ms: None,
        members: Vec::new(),
        members_total: 0,
        regions: Vec::new(),
        failure: None,
        notes: Vec::new(),
        previous: None,
        links: Links { incident: alerting.public_url.clone(), ..Links::default() },
        test: true,
    }
}
