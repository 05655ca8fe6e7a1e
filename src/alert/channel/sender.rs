//! The sender finds a try's channel, renders the request with the current secrets, and sends it once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, MissedTickBehavior};

use crate::alert::message::{Action, Message};
use crate::alert::tries::{Open, Outcome, RefusalKind, Try};
use crate::outcome::Secrets;
use crate::plan::expr::Destination;
use crate::plan::{Alerting, Channel, ChannelKind};

use super::alertmanager::{Receiver, labels};
use super::http::HttpClient;
use super::open_alerts::OpenAlerts;
use super::smtp::{self, Partly, Server};
use super::template::{NoValue, context, render, secret};
use super::webhook::Webhook;
use super::{knows, pagerduty, refused, slack, webhook};

/// How often to check whether an Alertmanager's next round is due.
const LOOK: Duration = Duration::from_millis(250);

/// Sends tries to real receivers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender(Arc<SenderState>);

#[derive(Debug)]
struct SenderState {
    client: HttpClient,
    loaded: RwLock<LoadedChannels>,
    open_alerts: OpenAlerts,
    partly: Partly,
}

/// Channels by name, each with the secrets that it was last loaded with. A removed channel is kept until its open keys are ended.
#[derive(Debug, Default)]
struct LoadedChannels {
    channels: HashMap<Arc<str>, LoadedChannel>,
}

#[derive(Debug, Clone)]
struct LoadedChannel {
    channel: Arc<Channel>,
    secrets: Arc<Secrets>,
}

impl Sender {
    /// With these channels.
    pub fn new(client: HttpClient, alerting: &Alerting, secrets: &Arc<Secrets>) -> Self {
        let sender = Self(Arc::new(SenderState {
            client,
            loaded: RwLock::default(),
            open_alerts: OpenAlerts::default(),
            partly: Partly::default(),
        }));
        sender.apply(alerting, secrets);
        sender
    }

    /// Applies a new configuration or new secrets. Removed channels are kept as they were last loaded until
    /// [`forget`](Self::forget), so that their open keys can be ended.
    pub fn apply(&self, alerting: &Alerting, secrets: &Arc<Secrets>) {
        let mut loaded = self.0.loaded.write().unwrap_or_else(PoisonError::into_inner);
        for channel in &alerting.channels {
            let loaded_channel = LoadedChannel { channel: Arc::clone(channel), secrets: Arc::clone(secrets) };
            loaded.channels.insert(Arc::clone(&channel.name), loaded_channel);
        }
    }

    /// Drops a removed channel that has nothing open any more.
    pub fn forget(&self, channel: &str) {
        self.0.loaded.write().unwrap_or_else(PoisonError::into_inner).channels.remove(channel);
    }

    /// Sends a try once. `message` is the current text. `opens` is what the channel has open of the try's incidents, oldest
    /// first. `shortest` sends only title, severity and link.
    pub async fn send(&self, attempt: &Try, message: &Message, opens: &[Open], shortest: bool) -> Outcome {
        let Some(LoadedChannel { channel, secrets }) = self.0.loaded_channel(&attempt.channel) else {
            return refused(RefusalKind::Rejected, format!("the channel `{}` is not in the configuration", attempt.channel));
        };
        if !knows(channel.kind.receiver(), attempt.what) {
            return Outcome::Taken;
        }
        let short;
        let message = if shortest {
            short = message.shortest();
            &short
        } else {
            message
        };
        let sent = self.0.send(&channel, &secrets, attempt, message, opens, shortest).await;
        sent.unwrap_or_else(|missing| refused(RefusalKind::Rejected, missing.message))
    }

    /// Sets the text of an open alert at an Alertmanager: one of an earlier process, or a silent change. The next round sends it.
    /// Other channels ignore it.
    pub fn hold(&self, channel: &Arc<str>, open: &Open, message: &Arc<Message>) {
        if let Some(labels) = self.0.labels_at(channel, open, message) {
            self.0.open_alerts.hold(channel, &open.key, &labels, message);
        }
    }

    /// Repeats nothing any more: another process does.
    pub fn release(&self) {
        self.0.open_alerts.clear();
    }

    /// Repeats open alerts to Alertmanagers, while this process may send. Never ends.
    pub async fn keep_alive(&self, may_send: impl Fn() -> bool) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last: HashMap<Arc<str>, Instant> = HashMap::new();
        loop {
            look.tick().await;
            if !may_send() {
                continue;
            }
            let mut due = Vec::new();
            for LoadedChannel { channel, secrets } in self.0.loaded() {
                let ChannelKind::Alertmanager { resend, .. } = &channel.kind else { continue };
                // The first round comes at once: after a restart the alerts may be about to end.
                if last.get(&channel.name).is_some_and(|last| last.elapsed() < *resend)
                    || !self.0.open_alerts.holds(&channel.name)
                {
                    continue;
                }
                last.insert(Arc::clone(&channel.name), Instant::now());
                match receiver(&channel, &secrets) {
                    Ok(receiver) => due.extend(receiver.map(|receiver| (receiver, secrets))),
                    Err(missing) => {
                        tracing::warn!(
                            channel = &*channel.name,
                            "open alerts could not be repeated to an Alertmanager: {missing}"
                        );
                    }
                }
            }
            let rounds = due.iter().map(|(to, secrets)| self.0.open_alerts.round(&self.0.client, to, secrets.redactor()));
            futures::future::join_all(rounds).await;
        }
    }
}

impl SenderState {
    fn loaded_channel(&self, channel: &str) -> Option<LoadedChannel> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).channels.get(channel).cloned()
    }

    fn loaded(&self) -> Vec<LoadedChannel> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).channels.values().cloned().collect()
    }

    /// The labels of an open alert; nothing if the channel is no Alertmanager.
    fn labels_at(&self, channel: &str, open: &Open, message: &Message) -> Option<Vec<(String, String)>> {
        let loaded_channel = self.loaded_channel(channel)?;
        let ChannelKind::Alertmanager { labels: own, .. } = &loaded_channel.channel.kind else { return None };
        Some(if open.labels.is_empty() { labels(message, own) } else { open.labels.clone() })
    }

    async fn send(
        &self,
        channel: &Channel,
        secrets: &Arc<Secrets>,
        attempt: &Try,
        message: &Message,
        opens: &[Open],
        shortest: bool,
    ) -> Result<Outcome, NoValue> {
        let redactor = secrets.redactor();
        let first = opens.first().map(|open| open.key.as_str());
        let post = match &channel.kind {
            ChannelKind::Alertmanager { .. } => return self.alertmanager(channel, secrets, attempt, message, opens).await,
            ChannelKind::Email { host, port, tls, login, from, to, ca } => {
                let login = match login {
                    Some((user, password)) => Some((user.as_str(), secret(password, secrets)?)),
                    None => None,
                };
                let ca = ca.as_deref();
                let server = Server { host, port: *port, tls: *tls, login, from, to, ca, timeout: channel.timeout };
                return Ok(smtp::send(&server, &self.partly, &attempt.id, first, message, redactor).await);
            }
            ChannelKind::PagerDuty { routing_key, url } => {
                let key = secret(routing_key, secrets)?;
                pagerduty::request(url, key.expose(), attempt.what, &attempt.key, message)
            }
            ChannelKind::Slack { url, channel } => {
                slack::request(secret(url, secrets)?.expose(), channel.as_deref(), message, shortest)
            }
            ChannelKind::Webhook { url, headers, body, signing_key } => {
                let loaded = Webhook { url, headers, body: body.as_ref(), signing_key: signing_key.as_deref() };
                webhook::request(&loaded, secrets, &attempt.id, message, SystemTime::now())?
            }
        };
        Ok(self.client.post(post, channel.timeout, redactor).await)
    }

    /// A ring opens an alert and updates the texts of the others; an end ends all of them in one request.
    async fn alertmanager(
        &self,
        channel: &Channel,
        secrets: &Arc<Secrets>,
        attempt: &Try,
        message: &Message,
        opens: &[Open],
    ) -> Result<Outcome, NoValue> {
        let Some(to) = receiver(channel, secrets)? else { return Ok(Outcome::Taken) };
        let message = Arc::new(message.clone());
        let own = Open { key: attempt.key.clone(), taken: false, acknowledged: 0, labels: attempt.labels.clone() };
        let is_known = opens.iter().any(|open| open.key == own.key);
        // Only a ring opens an alert.
        let new = (attempt.what == Action::Ring && !is_known).then_some(&own);
        let mut keys = Vec::new();
        for open in opens.iter().chain(new) {
            let Some(labels) = self.labels_at(&channel.name, open, &message) else { continue };
            match attempt.what {
                Action::Ring | Action::Change | Action::Acknowledge => {
                    self.open_alerts.hold(&channel.name, &open.key, &labels, &message);
                }
                Action::End => self.open_alerts.end(&channel.name, &open.key, &labels, &message),
            }
            keys.push(open.key.clone());
        }
        if keys.is_empty() {
            return Ok(Outcome::Taken);
        }
        let outcome = self.open_alerts.tell(&self.client, &to, &keys, secrets.redactor()).await;
        // A refused ring is forgotten: it is made anew with another key, and nobody would end this one.
        if let (Outcome::Refused(_), Some(new)) = (&outcome, new) {
            self.open_alerts.forget(&channel.name, &new.key);
        }
        Ok(outcome)
    }
}

/// An Alertmanager's settings, rendered; `None` if the channel is none.
fn receiver(channel: &Channel, secrets: &Arc<Secrets>) -> Result<Option<Receiver>, NoValue> {
    let ChannelKind::Alertmanager { urls, headers, resend, .. } = &channel.kind else { return Ok(None) };
    let context = context(None, secrets);
    let headers = headers.iter().map(|(name, value)| Ok((name.clone(), render(value, Destination::Header, &context, secrets)?)));
    Ok(Some(Receiver {
        channel: Arc::clone(&channel.name),
        urls: urls.clone(),
        headers: headers.collect::<Result<_, NoValue>>()?,
        resend: *resend,
        timeout: channel.timeout,
    }))
}
