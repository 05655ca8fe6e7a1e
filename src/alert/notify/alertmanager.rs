//! Alertmanager's API v2.
//!
//! An alert there ends by itself at its `endsAt`, so that one whose sender died does not stay for ever. Firing ones are
//! therefore sent again and again, and the book of them is here. Its identity are its labels: they must not change between
//! its first and its last message, whatever a reload changes in between.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures::stream::{FuturesUnordered, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::alert::{Action, Notice};
use crate::outcome::Redactor;
use crate::plan::Severity;

use super::http::{HttpClient, Post};
use super::letter::Trouble;
use super::text::{clip, headline, is_link, line, plain, rfc3339, short_key};

/// An alert ends by itself after so many of the pauses between two rounds; an ended one is told of for as many rounds.
const ROUNDS: u32 = 4;

/// Alerts in one request.
const BATCH: usize = 200;

/// Once one peer has taken a message, the others have so long; what they miss, the next round brings.
const COMPANY: Duration = Duration::from_secs(1);

/// Labels by name.
pub(super) type Labels = BTreeMap<String, String>;

/// A channel's settings with its headers.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    pub(super) channel: Arc<str>,
    pub(super) urls: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) labels: Vec<(String, String)>,
    pub(super) resend: Duration,
    pub(super) timeout: Duration,
}

/// An alert that fires, or has ended and is still told of.
#[derive(Debug, Clone)]
struct Held {
    notice: Arc<Notice>,
    labels: Labels,
    ended_ms: Option<i64>,
    /// When the ended one may be forgotten.
    forget: Option<Instant>,
}

/// What fires in which channel, by key.
#[derive(Debug, Default)]
pub(super) struct Book {
    held: Mutex<BTreeMap<(Arc<str>, String), Held>>,
    /// One request at a time to each peer, or a round that is under way could overtake the end of an alert.
    peers: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Book {
    /// Learns of a message that an earlier process delivered; they come in order.
    pub(super) fn remember(&self, channel: &Arc<str>, notice: Arc<Notice>, own: &[(String, String)]) {
        let place = (Arc::clone(channel), notice.key.clone());
        let mut book = self.lock();
        let old = book.remove(&place);
        let labels = match notice.action {
            Action::Resolve => return,
            Action::Acknowledge => old.map(|old| old.labels),
            Action::Trigger => Some(kept(old.map(|old| old.labels), labels(&notice, own))),
        };
        if let Some(labels) = labels {
            book.insert(place, Held { notice, labels, ended_ms: None, forget: None });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Arc<str>, String), Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers one message: one peer that takes it is enough.
    pub(super) async fn deliver(
        &self,
        client: &HttpClient,
        to: &Receiver,
        notice: &Arc<Notice>,
        redactor: &Redactor,
    ) -> Result<(), Trouble> {
        let now = now_ms();
        let place = (Arc::clone(&to.channel), notice.key.clone());
        let fresh = labels(notice, &to.labels);
        let old = self.lock().get(&place).filter(|held| held.ended_ms.is_none() || notice.action == Action::Resolve).cloned();
        let mut alerts = Vec::new();
        let held = match notice.action {
            Action::Trigger => {
                let labels = kept(old.as_ref().map(|old| old.labels.clone()), fresh);
                if let Some(old) = old.filter(|old| old.labels != labels) {
                    alerts.push(alert(&old, Some(now), now, to.resend));
                }
                Held { notice: Arc::clone(notice), labels, ended_ms: None, forget: None }
            }
            // Alertmanager has no word for it: what fires gets new texts, and what does not is not set off by it.
            Action::Acknowledge => match old {
                Some(old) => Held { notice: Arc::clone(notice), ..old },
                None => return Ok(()),
            },
            Action::Resolve => {
                let labels = old.as_ref().map_or(fresh, |old| old.labels.clone());
                let ended = old.and_then(|old| old.ended_ms).unwrap_or(now);
                let held = Held { notice: Arc::clone(notice), labels, ended_ms: Some(ended), forget: None };
                // Rounds tell of the end from now on, also while no peer has taken this message.
                self.lock().insert(place.clone(), held.clone());
                held
            }
        };
        alerts.push(alert(&held, held.ended_ms, now, to.resend));
        self.post_to_any(client, to, &alerts, redactor).await?;
        let forget = held.ended_ms.map(|_| Instant::now() + to.resend * ROUNDS);
        self.lock().insert(place, Held { forget, ..held });
        Ok(())
    }

    async fn post_to_any(
        &self,
        client: &HttpClient,
        to: &Receiver,
        alerts: &[Value],
        redactor: &Redactor,
    ) -> Result<(), Trouble> {
        let body = Value::from(alerts.to_vec());
        let mut tries: FuturesUnordered<_> = to.urls.iter().map(|url| self.post(client, to, url, &body, redactor)).collect();
        let mut taken = false;
        let mut troubles: Vec<Trouble> = Vec::new();
        let mut until = None;
        loop {
            let next = match until {
                None => tries.next().await,
                Some(until) => tokio::time::timeout_at(until, tries.next()).await.unwrap_or_default(),
            };
            match next {
                None => break,
                Some(Ok(())) => {
                    taken = true;
                    until = until.or(Some(Instant::now() + COMPANY));
                }
                Some(Err(trouble)) => troubles.push(trouble),
            }
        }
        if taken {
            for trouble in troubles {
                tracing::warn!(
                    channel = &*to.channel,
                    "one of several Alertmanagers did not take an alert, it gets it later: {trouble}"
                );
            }
            return Ok(());
        }
        let message = troubles.iter().map(|trouble| trouble.message.as_str()).collect::<Vec<_>>().join("; ");
        Err(Trouble {
            again: troubles.iter().any(|trouble| trouble.again),
            hold: troubles.iter().map(|trouble| trouble.hold.unwrap_or_default()).min().filter(|hold| !hold.is_zero()),
            message,
            taken: Vec::new(),
        })
    }

    async fn post(
        &self,
        client: &HttpClient,
        to: &Receiver,
        url: &str,
        body: &Value,
        redactor: &Redactor,
    ) -> Result<(), Trouble> {
        let peer = self.peer(url);
        let Ok(_turn) = tokio::time::timeout(to.timeout, peer.lock()).await else {
            return Err(Trouble::passing(format!("no answer within {:?}", to.timeout)));
        };
        client.post(request(to, url, body), to.timeout, redactor).await
    }

    fn peer(&self, url: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(peers.entry(url.to_owned()).or_default())
    }

    /// Sends everything that fires or has just ended to every peer again.
    pub(super) async fn round(&self, client: &HttpClient, to: &Receiver, redactor: &Redactor) {
        self.lock().retain(|_, held| held.forget.is_none_or(|forget| forget > Instant::now()));
        let rounds = to.urls.iter().map(|url| async move {
            let peer = self.peer(url);
            let Ok(_turn) = tokio::time::timeout(to.timeout, peer.lock()).await else { return };
            let now = now_ms();
            // Looked at under the peer's lock: what has ended by now is told as ended.
            let alerts: Vec<Value> = self
                .lock()
                .iter()
                .filter(|((channel, _), _)| *channel == to.channel)
                .map(|(_, held)| alert(held, held.ended_ms, now, to.resend))
                .collect();
            for batch in alerts.chunks(BATCH) {
                if let Err(trouble) = client.post(request(to, url, &Value::from(batch.to_vec())), to.timeout, redactor).await {
                    tracing::warn!(channel = &*to.channel, "firing alerts could not be kept alive in an Alertmanager: {trouble}");
                    return;
                }
            }
        });
        futures::future::join_all(rounds).await;
    }
}

fn request(to: &Receiver, url: &str, body: &Value) -> Post {
    let mut post = Post::json(format!("{}/api/v2/alerts", url.trim_end_matches('/')), body);
    post.headers.extend(to.headers.iter().cloned());
    post
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What identifies the alert of a notice. `own` are the channel's; they do not replace ours.
fn labels(notice: &Notice, own: &[(String, String)]) -> Labels {
    let mut labels: Labels = own.iter().cloned().collect();
    let severity = if notice.key.ends_with("/critical") { Severity::Critical } else { notice.severity.min(Severity::Page) };
    let region = notice.scope.strip_prefix("blind/").map(str::to_owned);
    let ours = [
        ("alertname", Some(name(&notice.scope).to_owned())),
        ("severity", Some(severity.as_str().to_owned())),
        ("key", Some(short_key(&notice.key, 255))),
        ("probe", notice.probe.clone()),
        ("owner", notice.owner.clone()),
        ("subject", notice.subject.clone()),
        ("region", region),
    ];
    for (name, value) in ours {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            labels.insert(name.to_owned(), line(&value, 500));
        }
    }
    labels
}

/// The name of the alert, by the kind of problem.
fn name(scope: &str) -> &'static str {
    match scope.split('/').next().unwrap_or_default() {
        "probe" => "SerinusProbeFailing",
        "subject" => "SerinusSubjectFailing",
        "subjects" => "SerinusSubjectsFailing",
        "blind" => "SerinusProberBlind",
        "budget" => "SerinusErrorBudgetBurning",
        "latency" => "SerinusLatencyObjectiveMissed",
        "leak" => "SerinusTestDataLeaked",
        "test" => "SerinusTest",
        _ => "SerinusIncident",
    }
}

/// The labels an alert goes on with: those it has, unless it is worse now. It is another alert then, and rings.
fn kept(old: Option<Labels>, fresh: Labels) -> Labels {
    match old {
        Some(old) if rank(&fresh) <= rank(&old) => old,
        Some(_) | None => fresh,
    }
}

fn rank(labels: &Labels) -> Option<Severity> {
    labels.get("severity").and_then(|word| Severity::of(word))
}

/// The alert as the API takes it.
fn alert(held: &Held, ended_ms: Option<i64>, now_ms: i64, resend: Duration) -> Value {
    let notice = &held.notice;
    let starts = notice.since_ms.min(now_ms);
    let ahead = i64::try_from((resend * ROUNDS).as_millis()).unwrap_or(i64::MAX);
    // One that ends before it starts is refused, and wall clocks are set back.
    let ends = ended_ms.unwrap_or_else(|| now_ms.saturating_add(ahead)).max(starts + 1);
    let mut annotations =
        Labels::from([("summary".to_owned(), headline(notice, 500)), ("description".to_owned(), clip(&plain(notice), 8_000))]);
    let links = [
        ("runbook_url", &notice.runbook),
        ("incident_url", &notice.links.incident),
        ("run_url", &notice.links.run),
        ("trace_url", &notice.links.trace),
    ];
    for (name, link) in links {
        if let Some(link) = link.as_deref().filter(|link| is_link(link)) {
            annotations.insert(name.to_owned(), line(link, 2_000));
        }
    }
    let mut alert = json!({
        "labels": held.labels,
        "annotations": annotations,
        "startsAt": rfc3339(starts),
        "endsAt": rfc3339(ends),
    });
    if let Some(link) = notice.links.incident.as_deref().filter(|link| is_link(link)) {
        alert["generatorURL"] = link.into();
    }
    alert
}

#[cfg(test)]
mod tests {
    use super::super::testing::{monster, notice};
    use super::*;

    fn held(book: &Book, key: &str) -> Option<Labels> {
        book.lock().get(&("am".into(), key.to_owned())).map(|held| held.labels.clone())
    }

    #[test]
    fn what_an_earlier_process_delivered_goes_on_with_its_labels_until_it_is_resolved() {
        let book = Book::default();
        let remember = |notice: &Notice| book.remember(&"am".into(), Arc::new(notice.clone()), &[]);
        let page = notice("k");
        remember(&page);
        let first = held(&book, "k");
        remember(&Notice { owner: Some("others".to_owned()), severity: Severity::Warn, ..page.clone() });
        remember(&Notice { action: Action::Acknowledge, ..page.clone() });
        assert_eq!(held(&book, "k"), first);
        assert_eq!(first.unwrap()["severity"], "page");
        remember(&Notice { action: Action::Resolve, ..page.clone() });
        assert_eq!(held(&book, "k"), None);
        remember(&Notice { action: Action::Acknowledge, ..page });
        assert_eq!(held(&book, "k"), None, "what does not fire is not set off by an acknowledgement");
    }

    #[test]
    fn a_critical_keys_alert_is_critical_and_its_pages_stays_a_page() {
        let critical = |key| labels(&Notice { severity: Severity::Critical, ..notice(key) }, &[])["severity"].clone();
        assert_eq!((critical("k/critical").as_str(), critical("k").as_str()), ("critical", "page"));
    }

    #[test]
    fn an_alert_ends_after_it_starts_whatever_the_clock_did() {
        let notice = Arc::new(notice("k"));
        let held = Held { labels: labels(&notice, &[]), notice, ended_ms: None, forget: None };
        let moment = |value: &Value| chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap().timestamp_millis();
        let hour_ago = held.notice.since_ms - 3_600_000;
        for (ended, now) in [(Some(hour_ago), hour_ago), (None, hour_ago), (Some(hour_ago), held.notice.at_ms)] {
            let alert = alert(&held, ended, now, Duration::from_mins(1));
            assert!(moment(&alert["startsAt"]) < moment(&alert["endsAt"]));
        }
        let alert = alert(&held, None, held.notice.at_ms, Duration::from_mins(1));
        assert_eq!(moment(&alert["endsAt"]), held.notice.at_ms + 240_000);
    }

    #[test]
    fn the_longest_notice_is_still_a_small_alert() {
        let notice = Arc::new(monster());
        let held = Held { labels: labels(&notice, &[]), notice, ended_ms: None, forget: None };
        let size = alert(&held, None, held.notice.at_ms, Duration::from_mins(1)).to_string().len();
        assert!(size < 64 * 1_024, "{size} bytes");
    }
}
