//! The sender: finds a try's channel, renders what the channel wants with the secrets of the day, and sends it once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, MissedTickBehavior};

use crate::alert::message::{Message, What};
use crate::alert::told::{Open, Outcome, Trouble, Try};
use crate::outcome::Secrets;
use crate::plan::expr::Place;
use crate::plan::{Alerting, Channel, ChannelKind};

use super::alertmanager::{Receiver, labels};
use super::book::Book;
use super::http::HttpClient;
use super::scope::{NoValue, render, scope, secret};
use super::smtp::{self, Partly, Server};
use super::webhook::Webhook;
use super::{knows, pagerduty, refused, slack, webhook};

/// How often it is looked whether an Alertmanager's next round is due.
const LOOK: Duration = Duration::from_millis(250);

/// Sends tries to real receivers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: HttpClient,
    settings: RwLock<Settings>,
    book: Book,
    partly: Partly,
}

/// Channels by name, each with the secrets it was last loaded with: a removed one is kept until its open keys are ended.
#[derive(Debug, Default)]
struct Settings {
    channels: HashMap<Arc<str>, Setting>,
}

#[derive(Debug, Clone)]
struct Setting {
    channel: Arc<Channel>,
    secrets: Arc<Secrets>,
}

impl Sender {
    /// With these channels.
    pub fn new(client: HttpClient, alerting: &Alerting, secrets: &Arc<Secrets>) -> Self {
        let sender =
            Self(Arc::new(Inner { client, settings: RwLock::default(), book: Book::default(), partly: Partly::default() }));
        sender.apply(alerting, secrets);
        sender
    }

    /// Takes a new configuration or new secrets. Channels that are gone are kept as they were last loaded, for ends, until
    /// [`forget`](Self::forget).
    pub fn apply(&self, alerting: &Alerting, secrets: &Arc<Secrets>) {
        let mut settings = self.0.settings.write().unwrap_or_else(PoisonError::into_inner);
        for channel in &alerting.channels {
            let setting = Setting { channel: Arc::clone(channel), secrets: Arc::clone(secrets) };
            settings.channels.insert(Arc::clone(&channel.name), setting);
        }
    }

    /// A removed channel has nothing open any more.
    pub fn forget(&self, channel: &str) {
        self.0.settings.write().unwrap_or_else(PoisonError::into_inner).channels.remove(channel);
    }

    /// Sends a try once. `message` is what is said now, `opens` what the channel has open of the try's incidents in the order in
    /// which it was opened, with what this try opens. `shortest`: with nothing but title, severity and link.
    pub async fn send(&self, attempt: &Try, message: &Message, opens: &[Open], shortest: bool) -> Outcome {
        let Some(Setting { channel, secrets }) = self.0.setting(&attempt.channel) else {
            return refused(Trouble::Rejected, format!("the channel `{}` is not in the configuration", attempt.channel));
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
        sent.unwrap_or_else(|missing| refused(Trouble::Rejected, missing.message))
    }

    /// An alert is open at an Alertmanager and says this from now on: what an earlier process opened, or a silent change. It is
    /// sent with the next round. Other channels need nothing of that.
    pub fn hold(&self, channel: &Arc<str>, open: &Open, message: &Arc<Message>) {
        if let Some(labels) = self.0.labels_at(channel, open, message) {
            self.0.book.hold(channel, &open.key, &labels, message);
        }
    }

    /// Sends what is open in Alertmanagers to them again and again. Never ends.
    pub async fn keep_alive(&self) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last: HashMap<Arc<str>, Instant> = HashMap::new();
        loop {
            look.tick().await;
            let mut due = Vec::new();
            for Setting { channel, secrets } in self.0.settings() {
                let ChannelKind::Alertmanager { resend, .. } = &channel.kind else { continue };
                // The first round comes at once: after a restart the alerts may be about to end.
                if last.get(&channel.name).is_some_and(|last| last.elapsed() < *resend) || !self.0.book.holds(&channel.name) {
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
            let rounds = due.iter().map(|(to, secrets)| self.0.book.round(&self.0.client, to, secrets.redactor()));
            futures::future::join_all(rounds).await;
        }
    }
}

impl Inner {
    fn setting(&self, channel: &str) -> Option<Setting> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).channels.get(channel).cloned()
    }

    fn settings(&self) -> Vec<Setting> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).channels.values().cloned().collect()
    }

    /// The labels of an open alert; nothing if the channel is no Alertmanager.
    fn labels_at(&self, channel: &str, open: &Open, message: &Message) -> Option<Vec<(String, String)>> {
        let setting = self.setting(channel)?;
        let ChannelKind::Alertmanager { labels: own, .. } = &setting.channel.kind else { return None };
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
                let settings = Webhook { url, headers, body: body.as_ref(), signing_key: signing_key.as_deref() };
                webhook::request(&settings, secrets, &attempt.id, message, SystemTime::now())?
            }
        };
        Ok(self.client.post(post, channel.timeout, redactor).await)
    }

    /// A ring opens an alert and brings the texts of the others up to date; an end ends all of them in one request.
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
        // A change or an end is of what is open; only a ring opens something.
        let new = (attempt.what == What::Ring && !is_known).then_some(&own);
        let mut keys = Vec::new();
        for open in opens.iter().chain(new) {
            let Some(labels) = self.labels_at(&channel.name, open, &message) else { continue };
            match attempt.what {
                What::Ring | What::Change | What::Acknowledge => self.book.hold(&channel.name, &open.key, &labels, &message),
                What::End => self.book.end(&channel.name, &open.key, &labels, &message),
            }
            keys.push(open.key.clone());
        }
        if keys.is_empty() {
            return Ok(Outcome::Taken);
        }
        let outcome = self.book.tell(&self.client, &to, &keys, secrets.redactor()).await;
        // A ring that was refused is not open: what is due is made anew, and nobody would ever end this one.
        if let (Outcome::Refused(_), Some(new)) = (&outcome, new) {
            self.book.forget(&channel.name, &new.key);
        }
        Ok(outcome)
    }
}

/// An Alertmanager's settings, rendered; `None` if the channel is none.
fn receiver(channel: &Channel, secrets: &Arc<Secrets>) -> Result<Option<Receiver>, NoValue> {
    let ChannelKind::Alertmanager { urls, headers, resend, .. } = &channel.kind else { return Ok(None) };
    let scope = scope(None, secrets);
    let headers = headers.iter().map(|(name, value)| Ok((name.clone(), render(value, Place::Header, &scope, secrets)?)));
    Ok(Some(Receiver {
        channel: Arc::clone(&channel.name),
        urls: urls.clone(),
        headers: headers.collect::<Result<_, NoValue>>()?,
        resend: *resend,
        timeout: channel.timeout,
    }))
}
