//! Alerts that are open in Alertmanagers or have just ended. They are repeated to every peer in rounds.
//!
//! A round sends everything to each peer, so a peer that was away or restarted is up to date after the next round. An end is sent
//! until each peer took it in four rounds, or until the alert would long have ended by itself. Requests to one peer go one after
//! the other. Otherwise a round could overtake an end and open the alert again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use serde_json::Value;
use tokio::time::Instant;

use crate::alert::message::Message;
use crate::alert::tries::{Outcome, Refusal, RefusalKind};
use crate::base::time::now_ms;
use crate::outcome::Redactor;

use super::alertmanager::{ROUNDS, Receiver, alert, request};
use super::http::HttpClient;
use super::unknown;

/// Alerts in one request.
const BATCH: usize = 200;

/// How long the other peers have once one peer took a request. The next round brings what they miss.
const PEER_GRACE: Duration = Duration::from_secs(1);

/// When an end that a peer did not take is given up. The alert has ended by itself by then.
const GIVE_UP: Duration = Duration::from_mins(30);

/// An alert that is open, or has ended and is still told of.
#[derive(Debug, Clone)]
struct OpenAlert {
    labels: Arc<Vec<(String, String)>>,
    message: Arc<Message>,
    ended: Option<EndedAlert>,
}

#[derive(Debug, Clone)]
struct EndedAlert {
    at_ms: i64,
    since: Instant,
    /// How often each peer has taken the end.
    taken: HashMap<String, u32>,
}

/// Open alerts by channel and key.
#[derive(Debug, Default)]
pub(super) struct OpenAlerts {
    held: Mutex<BTreeMap<(Arc<str>, String), OpenAlert>>,
    peers: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl OpenAlerts {
    /// Opens an alert or changes its text. An ended alert stays ended.
    pub(super) fn hold(&self, channel: &Arc<str>, key: &str, labels: &[(String, String)], message: &Arc<Message>) {
        let mut held = self.lock();
        let place = (Arc::clone(channel), key.to_owned());
        match held.get_mut(&place) {
            Some(held) if held.ended.is_none() => held.message = Arc::clone(message),
            Some(_) => {}
            None => {
                let labels = Arc::new(labels.to_vec());
                held.insert(place, OpenAlert { labels, message: Arc::clone(message), ended: None });
            }
        }
    }

    /// Ends an alert. The end of an unknown alert is sent, too, by its labels.
    pub(super) fn end(&self, channel: &Arc<str>, key: &str, labels: &[(String, String)], message: &Arc<Message>) {
        let mut all = self.lock();
        let held = all.entry((Arc::clone(channel), key.to_owned())).or_insert_with(|| OpenAlert {
            labels: Arc::new(labels.to_vec()),
            message: Arc::clone(message),
            ended: None,
        });
        if held.ended.is_none() {
            held.message = Arc::clone(message);
            held.ended = Some(EndedAlert { at_ms: now_ms(), since: Instant::now(), taken: HashMap::new() });
        }
    }

    /// Forgets an alert that was never opened.
    pub(super) fn forget(&self, channel: &Arc<str>, key: &str) {
        self.lock().remove(&(Arc::clone(channel), key.to_owned()));
    }

    /// Drops everything, as if nothing had been opened.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// Whether anything is held for a channel.
    pub(super) fn holds(&self, channel: &str) -> bool {
        self.lock().keys().any(|(known, _)| **known == *channel)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Arc<str>, String), OpenAlert>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends these alerts to all peers at once. One that takes them is enough.
    pub(super) async fn tell(&self, client: &HttpClient, to: &Receiver, keys: &[String], redactor: &Redactor) -> Outcome {
        let mut tries: FuturesUnordered<_> =
            to.urls.iter().map(|url| self.tell_peer(client, to, url, Some(keys), redactor)).collect();
        let mut taken = false;
        let mut refusals: Vec<(bool, Refusal)> = Vec::new();
        let mut until = None;
        loop {
            let next = match until {
                None => tries.next().await,
                Some(until) => tokio::time::timeout_at(until, tries.next()).await.unwrap_or_default(),
            };
            match next {
                None => break,
                Some(Outcome::Taken) => {
                    taken = true;
                    until = until.or(Some(Instant::now() + PEER_GRACE));
                }
                Some(Outcome::Refused(refusal)) => refusals.push((false, refusal)),
                Some(Outcome::Unknown(refusal)) => refusals.push((true, refusal)),
            }
        }
        for (_, kind) in refusals.iter().filter(|_| taken) {
            tracing::warn!(channel = &*to.channel, "one of several Alertmanagers gets an alert later: {}", kind.message);
        }
        if taken { Outcome::Taken } else { worst(&refusals) }
    }

    /// Sends alerts to one peer: these, or all of the channel.
    async fn tell_peer(
        &self,
        client: &HttpClient,
        to: &Receiver,
        url: &str,
        only: Option<&[String]>,
        redactor: &Redactor,
    ) -> Outcome {
        let peer = Arc::clone(self.peers.lock().unwrap_or_else(PoisonError::into_inner).entry(url.to_owned()).or_default());
        let Ok(_in_order) = tokio::time::timeout(to.timeout, peer.lock()).await else {
            let message = format!("an earlier request was not answered within {:?}", to.timeout);
            return Outcome::Refused(Refusal { message, kind: RefusalKind::Unreachable });
        };
        // Alerts are read under the peer's lock, so that those that have ended by now are sent as ended.
        let now = now_ms();
        let alerts: Vec<(String, bool, Value)> = self
            .lock()
            .iter()
            .filter(|((channel, key), _)| *channel == to.channel && only.is_none_or(|only| only.contains(key)))
            .map(|((_, key), held)| {
                let ended = held.ended.as_ref().map(|ended| ended.at_ms);
                (key.clone(), ended.is_some(), alert(&held.labels, &held.message, ended, now, to.resend))
            })
            .collect();
        for batch in alerts.chunks(BATCH) {
            let values: Vec<Value> = batch.iter().map(|(_, _, alert)| alert.clone()).collect();
            match client.post(request(to, url, &values), to.timeout, redactor).await {
                Outcome::Taken => self.ended_at(to, url, batch.iter().filter(|(_, ended, _)| *ended).map(|(key, _, _)| key)),
                other => return other,
            }
        }
        Outcome::Taken
    }

    /// A peer has taken the end of these.
    fn ended_at<'k>(&self, to: &Receiver, url: &str, keys: impl Iterator<Item = &'k String>) {
        let mut held = self.lock();
        for key in keys {
            let ended = held.get_mut(&(Arc::clone(&to.channel), key.clone())).and_then(|held| held.ended.as_mut());
            if let Some(ended) = ended {
                *ended.taken.entry(url.to_owned()).or_default() += 1;
            }
        }
    }

    /// Sends all open and just ended alerts to every peer again.
    pub(super) async fn round(&self, client: &HttpClient, to: &Receiver, redactor: &Redactor) {
        let done = |ended: &EndedAlert| {
            ended.since.elapsed() > GIVE_UP.max(to.resend * ROUNDS * 2)
                || to.urls.iter().all(|url| ended.taken.get(url).is_some_and(|times| *times >= ROUNDS))
        };
        self.lock().retain(|(channel, _), held| *channel != to.channel || !held.ended.as_ref().is_some_and(done));
        let rounds = to.urls.iter().map(|url| async move {
            if let Outcome::Refused(refusal) | Outcome::Unknown(refusal) = self.tell_peer(client, to, url, None, redactor).await {
                tracing::warn!(
                    channel = &*to.channel,
                    "open alerts could not be repeated to an Alertmanager, the next round tries again: {}",
                    refusal.message
                );
            }
        });
        futures::future::join_all(rounds).await;
    }
}

/// The outcome of a request that no peer took: unknown if one of them may have it.
fn worst(refusals: &[(bool, Refusal)]) -> Outcome {
    let message = refusals.iter().map(|(_, refusal)| refusal.message.as_str()).collect::<Vec<_>>().join("; ");
    let is_unknown = refusals.iter().any(|(is_unknown, _)| *is_unknown);
    // The refusal that is likeliest to pass decides when to try again.
    let rank = |kind: &RefusalKind| match kind {
        RefusalKind::Unreachable => 0,
        RefusalKind::Busy(_) => 1,
        RefusalKind::Unreadable => 2,
        RefusalKind::Rejected => 3,
    };
    let kind = refusals.iter().map(|(_, refusal)| refusal.kind).min_by_key(rank).unwrap_or(RefusalKind::Rejected);
    if is_unknown { unknown(kind, message) } else { super::refused(kind, message) }
}
