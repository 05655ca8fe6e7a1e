//! The post office: finds a letter's channel, renders what the channel wants with the secrets of the day, and sends it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::{Instant, MissedTickBehavior};

use crate::alert::Notice;
use crate::history::MessageRow;
use crate::outcome::Secrets;
use crate::plan::expr::Place;
use crate::plan::{Alerting, Channel, ChannelKind, Template};

use super::alertmanager::{Book, Receiver};
use super::dispatcher::Courier;
use super::email::Mail;
use super::http::HttpClient;
use super::letter::{Letter, Trouble};
use super::scope::{render, scope, secret};
use super::{email, pagerduty, slack, webhook};

/// How often it is looked whether an Alertmanager's next round is due.
const LOOK: Duration = Duration::from_millis(250);

/// Sends letters to real receivers.
#[derive(Debug, Clone)]
pub(super) struct PostOffice(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: HttpClient,
    settings: RwLock<Settings>,
    book: Book,
}

#[derive(Debug, Clone)]
struct Settings {
    alerting: Arc<Alerting>,
    secrets: Arc<Secrets>,
}

impl PostOffice {
    pub(super) fn new(client: HttpClient, alerting: Arc<Alerting>, secrets: Arc<Secrets>) -> Self {
        Self(Arc::new(Inner { client, settings: RwLock::new(Settings { alerting, secrets }), book: Book::default() }))
    }
}

impl Courier for PostOffice {
    fn deliver(&self, letter: Letter) -> BoxFuture<'static, Result<(), Trouble>> {
        let inner = Arc::clone(&self.0);
        async move { inner.deliver(&letter).await }.boxed()
    }

    fn apply(&self, alerting: Arc<Alerting>, secrets: Arc<Secrets>) {
        *self.0.settings.write().unwrap_or_else(PoisonError::into_inner) = Settings { alerting, secrets };
    }

    fn remember(&self, row: &MessageRow) {
        let settings = self.0.settings();
        let channel = settings.alerting.channels.iter().find(|channel| *channel.name == row.channel);
        let Some(ChannelKind::Alertmanager { labels, .. }) = channel.map(|channel| &channel.kind) else { return };
        if let (Some(channel), Ok(notice)) = (channel, serde_json::from_str::<Notice>(&row.notice)) {
            self.0.book.remember(&channel.name, Arc::new(notice), labels);
        }
    }

    fn keep_alive(&self) -> BoxFuture<'static, ()> {
        let inner = Arc::clone(&self.0);
        async move { inner.keep_alive().await }.boxed()
    }
}

impl Inner {
    fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn deliver(&self, letter: &Letter) -> Result<(), Trouble> {
        let Settings { alerting, secrets } = self.settings();
        let Some(channel) = alerting.channels.iter().find(|channel| channel.name == letter.channel) else {
            return Err(Trouble::lasting("the channel is no longer in the configuration"));
        };
        let redactor = secrets.redactor();
        let notice = &letter.notice;
        let post = match &channel.kind {
            ChannelKind::Alertmanager { .. } => {
                let receiver = receiver(channel, &secrets)?;
                return match receiver {
                    Some(receiver) => self.book.deliver(&self.client, &receiver, notice, redactor).await,
                    None => Ok(()),
                };
            }
            ChannelKind::Email { host, port, tls, login, from, to, ca } => {
                let login = match login {
                    Some((user, password)) => Some((user.as_str(), secret(password, &secrets)?)),
                    None => None,
                };
                let ca = ca.as_deref();
                let mail = Mail { host, port: *port, tls: *tls, login, from, to, ca, timeout: channel.timeout };
                return email::send(&mail, letter, redactor).await;
            }
            ChannelKind::PagerDuty { routing_key, url } => {
                let key = secret(routing_key, &secrets)?;
                pagerduty::request(url, key.expose(), notice, alerting.public_url.as_deref())
            }
            ChannelKind::Slack { url, channel } => slack::request(secret(url, &secrets)?.expose(), channel.as_deref(), notice),
            ChannelKind::Webhook { url, headers, body, signing_key } => {
                let scope = scope(Some(notice), &secrets);
                // What has no value for this page must not cost the page: it goes without, and says so.
                let mut notice = Notice::clone(notice);
                let mut filled = Vec::new();
                for (name, value) in headers {
                    let value = optional(render(value, Place::Header, &scope, &secrets), &mut notice)?;
                    filled.extend(value.map(|value| (name.clone(), value)));
                }
                let body = body.as_ref().map(|body| render(body, Place::Text, &scope, &secrets));
                let body = body.map(|body| optional(body, &mut notice)).transpose()?.flatten();
                let rendered = webhook::Rendered {
                    url: render(url, Place::Url, &scope, &secrets)?,
                    headers: filled,
                    body,
                    signing_key: signing_key.as_deref().map(|name| secret(name, &secrets)).transpose()?,
                };
                webhook::request(rendered, &letter.id, &notice, SystemTime::now())
            }
        };
        self.client.post(post, channel.timeout, redactor).await
    }

    async fn keep_alive(&self) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last: HashMap<Arc<str>, Instant> = HashMap::new();
        loop {
            look.tick().await;
            let Settings { alerting, secrets } = self.settings();
            let mut due = Vec::new();
            for channel in &alerting.channels {
                let ChannelKind::Alertmanager { resend, .. } = &channel.kind else { continue };
                // The first round comes at once: after a restart the alerts may be about to end.
                if last.get(&channel.name).is_some_and(|last| last.elapsed() < *resend) {
                    continue;
                }
                last.insert(Arc::clone(&channel.name), Instant::now());
                match receiver(channel, &secrets) {
                    Ok(receiver) => due.extend(receiver),
                    Err(trouble) => {
                        tracing::warn!(
                            channel = &*channel.name,
                            "firing alerts could not be kept alive in an Alertmanager: {trouble}"
                        );
                    }
                }
            }
            futures::future::join_all(due.iter().map(|to| self.book.round(&self.client, to, secrets.redactor()))).await;
        }
    }
}

/// An Alertmanager's settings, rendered; `None` if the channel is none.
fn receiver(channel: &Channel, secrets: &Arc<Secrets>) -> Result<Option<Receiver>, Trouble> {
    let ChannelKind::Alertmanager { urls, headers, labels, resend } = &channel.kind else { return Ok(None) };
    Ok(Some(Receiver {
        channel: Arc::clone(&channel.name),
        urls: urls.clone(),
        headers: rendered(headers, &scope(None, secrets), secrets)?,
        labels: labels.clone(),
        resend: *resend,
        timeout: channel.timeout,
    }))
}

/// A part of a webhook that the page can do without; the page says if it does. A secret that is not there is waited for.
fn optional(rendered: Result<String, Trouble>, notice: &mut Notice) -> Result<Option<String>, Trouble> {
    match rendered {
        Ok(text) => Ok(Some(text)),
        Err(trouble) if trouble.again => Err(trouble),
        Err(trouble) => {
            tracing::error!(key = notice.key, "a webhook is sent without what its configuration asks for: {trouble}");
            notice.notes.push(format!("This message is not as configured: {}", trouble.message));
            Ok(None)
        }
    }
}

fn rendered(
    headers: &[(String, Template)],
    scope: &minijinja::Value,
    secrets: &Secrets,
) -> Result<Vec<(String, String)>, Trouble> {
    headers.iter().map(|(name, value)| Ok((name.clone(), render(value, Place::Header, scope, secrets)?))).collect()
}
