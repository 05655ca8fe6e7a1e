//! What is open in Alertmanagers, and has just ended there: repeated to every peer, round by round.
//!
//! A round tells each peer everything, so that one that was away or was restarted knows it after the next. An end is told for
//! four rounds that a peer took, and given up when the alert would long have ended there by itself. Requests to one peer go one
//! after the other, or a round that is under way could overtake an end and open again what is over.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use serde_json::Value;
use tokio::time::Instant;

use crate::alert::message::Message;
use crate::alert::told::{Outcome, Refusal, Trouble};
use crate::base::time::now_ms;
use crate::outcome::Redactor;

use super::alertmanager::{ROUNDS, Receiver, alert, request};
use super::http::HttpClient;
use super::unknown;

/// Alerts in one request.
const BATCH: usize = 200;

/// Once one peer has taken a request, the others have so long; what they miss, the next round brings.
const COMPANY: Duration = Duration::from_secs(1);

/// An end that a peer did not take is told until then: an alert there would have ended by itself twice.
const GIVE_UP: Duration = Duration::from_mins(30);

/// An alert that is open, or has ended and is still told of.
#[derive(Debug, Clone)]
struct Held {
    labels: Arc<Vec<(String, String)>>,
    message: Arc<Message>,
    ended: Option<Ended>,
}

#[derive(Debug, Clone)]
struct Ended {
    at_ms: i64,
    since: Instant,
    /// How often each peer has taken the end.
    taken: HashMap<String, u32>,
}

/// What is open at which channel, by key.
#[derive(Debug, Default)]
pub(super) struct Book {
    held: Mutex<BTreeMap<(Arc<str>, String), Held>>,
    peers: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Book {
    /// An alert is open and says this from now on. One that has ended stays so.
    pub(super) fn hold(&self, channel: &Arc<str>, key: &str, labels: &[(String, String)], message: &Arc<Message>) {
        let mut held = self.lock();
        let place = (Arc::clone(channel), key.to_owned());
        match held.get_mut(&place) {
            Some(held) if held.ended.is_none() => held.message = Arc::clone(message),
            Some(_) => {}
            None => {
                let labels = Arc::new(labels.to_vec());
                held.insert(place, Held { labels, message: Arc::clone(message), ended: None });
            }
        }
    }

    /// An alert has ended. One that is not known is told of all the same, by its labels.
    pub(super) fn end(&self, channel: &Arc<str>, key: &str, labels: &[(String, String)], message: &Arc<Message>) {
        let mut all = self.lock();
        let held = all.entry((Arc::clone(channel), key.to_owned())).or_insert_with(|| Held {
            labels: Arc::new(labels.to_vec()),
            message: Arc::clone(message),
            ended: None,
        });
        if held.ended.is_none() {
            held.message = Arc::clone(message);
            held.ended = Some(Ended { at_ms: now_ms(), since: Instant::now(), taken: HashMap::new() });
        }
    }

    /// An alert was never opened.
    pub(super) fn forget(&self, channel: &Arc<str>, key: &str) {
        self.lock().remove(&(Arc::clone(channel), key.to_owned()));
    }

    /// Whether anything is held for a channel.
    pub(super) fn holds(&self, channel: &str) -> bool {
        self.lock().keys().any(|(known, _)| **known == *channel)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Arc<str>, String), Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells every peer of these alerts at once: one that takes them is enough.
    pub(super) async fn tell(&self, client: &HttpClient, to: &Receiver, keys: &[String], redactor: &Redactor) -> Outcome {
        let mut tries: FuturesUnordered<_> =
            to.urls.iter().map(|url| self.tell_peer(client, to, url, Some(keys), redactor)).collect();
        let mut taken = false;
        let mut troubles: Vec<(bool, Refusal)> = Vec::new();
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
                    until = until.or(Some(Instant::now() + COMPANY));
                }
                Some(Outcome::Refused(refusal)) => troubles.push((false, refusal)),
                Some(Outcome::Unknown(refusal)) => troubles.push((true, refusal)),
            }
        }
        for (_, trouble) in troubles.iter().filter(|_| taken) {
            tracing::warn!(channel = &*to.channel, "one of several Alertmanagers gets an alert later: {}", trouble.message);
        }
        if taken { Outcome::Taken } else { worst(&troubles) }
    }

    /// Brings alerts to one peer: these, or all of the channel.
    async fn tell_peer(
        &self,
        client: &HttpClient,
        to: &Receiver,
        url: &str,
        only: Option<&[String]>,
        redactor: &Redactor,
    ) -> Outcome {
        let peer = Arc::clone(self.peers.lock().unwrap_or_else(PoisonError::into_inner).entry(url.to_owned()).or_default());
        let Ok(_turn) = tokio::time::timeout(to.timeout, peer.lock()).await else {
            let message = format!("an earlier request was not answered within {:?}", to.timeout);
            return Outcome::Refused(Refusal { message, trouble: Trouble::Unreachable });
        };
        // Looked at under the peer's lock: what has ended by now is told as ended.
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

    /// Sends everything that is open or has just ended to every peer again.
    pub(super) async fn round(&self, client: &HttpClient, to: &Receiver, redactor: &Redactor) {
        let done = |ended: &Ended| {
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

/// What became of a request that no peer took: unknown if one of them may have it.
fn worst(troubles: &[(bool, Refusal)]) -> Outcome {
    let message = troubles.iter().map(|(_, refusal)| refusal.message.as_str()).collect::<Vec<_>>().join("; ");
    let is_unknown = troubles.iter().any(|(is_unknown, _)| *is_unknown);
    // The one that is likeliest to pass decides when to ask again.
    let rank = |trouble: &Trouble| match trouble {
        Trouble::Unreachable => 0,
        Trouble::Busy(_) => 1,
        Trouble::Unreadable => 2,
        Trouble::Rejected => 3,
    };
    let trouble = troubles.iter().map(|(_, refusal)| refusal.trouble).min_by_key(rank).unwrap_or(Trouble::Rejected);
    if is_unknown { unknown(trouble, message) } else { super::refused(trouble, message) }
}
