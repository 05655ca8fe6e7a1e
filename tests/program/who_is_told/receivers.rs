//! All receivers of pages: PagerDuty, a Slack channel, a webhook, Alertmanager's receiver and the dead-man's switch. Each is a
//! path of one listener with a reader who remembers.
//!
//! A path can refuse, hang up or lose its answers. A transcript of what arrives explains a failed test.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::readers::chat::{Chat, Says};
use crate::readers::pagerduty::{Incident, PagerDuty};

/// How a path answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Takes,
    /// This status, and nothing is taken.
    Refuses(u16),
    HangsUp,
    /// Anything: it takes and says so, takes and says nothing, takes and says 500, or does not take it.
    Loses,
}

/// What Alertmanager's receiver got.
#[derive(Debug, Clone)]
pub(crate) struct Notified {
    /// `PROBE#RING` of what fires.
    pub(crate) firing: BTreeSet<String>,
    /// The same of what is over.
    pub(crate) resolved: BTreeSet<String>,
}

/// What the readers know.
pub(crate) struct Read {
    pub(crate) pagerduty: PagerDuty,
    pub(crate) hook: Chat,
    /// The texts of Slack's messages.
    pub(crate) slack: Vec<String>,
    pub(crate) notified: Vec<Notified>,
    /// When the dead-man's switch was asked.
    pub(crate) pings: Vec<Instant>,
    /// Requests that were not taken, by path.
    pub(crate) refused: HashMap<String, usize>,
    moods: HashMap<String, Mood>,
    transcript: Vec<(Instant, String)>,
    dice: fastrand::Rng,
}

/// It listens until the test program ends.
#[derive(Clone)]
pub(crate) struct Receivers {
    pub(crate) address: SocketAddr,
    read: Arc<Mutex<Read>>,
    began: Instant,
}

impl Receivers {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let read = Read {
            pagerduty: PagerDuty::default(),
            hook: Chat::default(),
            slack: Vec::new(),
            notified: Vec::new(),
            pings: Vec::new(),
            refused: HashMap::new(),
            moods: HashMap::new(),
            transcript: Vec::new(),
            dice: fastrand::Rng::with_seed(8),
        };
        let receivers = Self { address: listener.local_addr().unwrap(), read: Arc::new(Mutex::new(read)), began: Instant::now() };
        let serving = receivers.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || while serving.serve(&stream).is_some() {});
            }
        });
        receivers
    }

    /// Has a path answer like this from now on: `pager`, `slack`, `hook`.
    pub(crate) fn set(&self, path: &str, mood: Mood) {
        self.read().moods.insert(path.to_owned(), mood);
        self.notes(format_args!("{path} is now {mood:?}"));
    }

    /// What the readers know by now.
    pub(crate) fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap()
    }

    /// Writes down what was done, between what arrived.
    pub(crate) fn notes(&self, what: impl std::fmt::Display) {
        self.read().transcript.push((Instant::now(), format!("--- {what}")));
    }

    /// What arrived and what was done, a line each.
    pub(crate) fn transcript(&self) -> String {
        let mut text = String::new();
        for (at, line) in &self.read().transcript {
            writeln!(text, "{:>7.1} s {line}", (*at - self.began).as_secs_f64()).unwrap();
        }
        text
    }

    /// One request; `None` at the connection's end.
    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        let (path, id, body) = request(stream)?;
        let answer = self.read().answer(&path, &id, &body)?;
        write!(stream, "HTTP/1.1 {answer} X\r\ncontent-length: 2\r\n\r\nok").ok()
    }
}

/// The path, the try's id and the body of the next request.
fn request(stream: &TcpStream) -> Option<(String, String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.trim_matches('/').to_owned();
    let (mut length, mut id) = (0, String::new());
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "x-serinus-try" => value.clone_into(&mut id),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, id, body))
}

impl Read {
    /// The status to answer with; none hangs up.
    fn answer(&mut self, path: &str, id: &str, body: &[u8]) -> Option<u16> {
        let (channel, rest) = path.split_once('/').unwrap_or((path, ""));
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let mood = self.moods.get(channel).copied().unwrap_or(Mood::Takes);
        let (taken, answer) = match (mood, self.dice.u8(..100)) {
            (Mood::Takes, _) | (Mood::Loses, 0..40) => (true, Some(())),
            (Mood::Loses, 40..80) => (true, None),
            (Mood::Refuses(_), _) => (false, Some(())),
            (Mood::HangsUp | Mood::Loses, _) => (false, None),
        };
        if !taken {
            *self.refused.entry(channel.to_owned()).or_default() += 1;
            self.tells(&format!("{channel}: not taken"));
            let Mood::Refuses(status) = mood else { return None };
            return Some(status);
        }
        let status = self.take(channel, rest, id, &value);
        answer.map(|()| status)
    }

    fn take(&mut self, channel: &str, rest: &str, id: &str, value: &Value) -> u16 {
        match channel {
            "pager" => {
                let answer = self.pagerduty.take(now(), value);
                let what = format!("{} {} {}", value["event_action"], value["dedup_key"], value["payload"]["summary"]);
                self.tells(&format!("PagerDuty {} {}: {what} {}", answer.status, value["payload"]["severity"], answer.body));
                answer.status
            }
            "slack" => {
                self.tells(&format!("Slack: {}", value["text"]));
                self.slack.push(value.to_string());
                200
            }
            "hook" => self.hears(id, value),
            "am" => {
                let notified = Notified { firing: alerts(value, "firing"), resolved: alerts(value, "resolved") };
                self.tells(&format!("Alertmanager {rest}: firing {:?}, resolved {:?}", notified.firing, notified.resolved));
                self.notified.push(notified);
                200
            }
            _ => {
                self.pings.push(Instant::now());
                200
            }
        }
    }

    /// The webhook's reader.
    fn hears(&mut self, id: &str, value: &Value) -> u16 {
        let (action, scope, title) = (&value["action"], &value["scope"], &value["title"]);
        self.tells(&format!("hook {action} {} {} {scope}: {title} {}", value["occasion"], value["severity"], value["why"]));
        let says = match action.as_str() {
            Some("ring") => Says::Open,
            Some("end") => Says::Over,
            _ => Says::More,
        };
        let several: Vec<String> = value["incidents"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| it["incident"].as_str())
            .map(str::to_owned)
            .collect();
        let one = value["incident"].as_str().unwrap_or_default().to_owned();
        let incidents = if several.is_empty() { vec![one] } else { several };
        self.hook.take(now(), id, says, &incidents, value).status
    }

    fn tells(&mut self, what: &str) {
        self.transcript.push((Instant::now(), what.to_owned()));
    }

    /// The webhook's messages about a scope with this action.
    pub(crate) fn hooks(&self, action: &str, scope: &str) -> Vec<Value> {
        let all = self.hook.read.iter().map(|read| &read.shown);
        all.filter(|shown| shown["action"] == action && shown["scope"] == scope).cloned().collect()
    }

    /// PagerDuty's incidents of a scope: each of them rang.
    pub(crate) fn paged(&self, scope: &str) -> Vec<Incident> {
        self.pagerduty.incidents.iter().filter(|incident| is_of(&incident.key, scope)).cloned().collect()
    }

    /// What PagerDuty's reader believes to be open, by key.
    pub(crate) fn pages_open(&self) -> Vec<String> {
        self.pagerduty.beliefs.open().keys().cloned().collect()
    }

    /// Numbers of rings of a probe that made Alertmanager's receiver hear something new.
    pub(crate) fn notified(&self, probe: &str) -> Vec<String> {
        let mut heard = Vec::new();
        let mut firing = BTreeSet::new();
        for notified in &self.notified {
            let new = notified.firing.iter().filter(|ring| is_ring(ring, probe) && !firing.contains(*ring));
            heard.extend(new.cloned());
            if notified.firing.iter().chain(&notified.resolved).any(|ring| is_ring(ring, probe)) {
                firing.clone_from(&notified.firing);
            }
        }
        heard
    }

    /// Those that it heard are over.
    pub(crate) fn resolved(&self, probe: &str) -> BTreeSet<String> {
        self.notified.iter().flat_map(|it| it.resolved.clone()).filter(|ring| is_ring(ring, probe)).collect()
    }
}

/// Whether a key, which may begin with a region, is `SCOPE/N`.
fn is_of(key: &str, scope: &str) -> bool {
    let without = key.rsplit_once('/').map_or(key, |(before, _)| before);
    without == scope || without.strip_suffix(scope).is_some_and(|before| before.ends_with('/'))
}

fn is_ring(ring: &str, probe: &str) -> bool {
    ring.split('#').next() == Some(probe)
}

fn alerts(value: &Value, status: &str) -> BTreeSet<String> {
    let all = value["alerts"].as_array().into_iter().flatten().filter(|alert| alert["status"] == status);
    let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or_default().to_owned();
    all.map(|alert| format!("{}#{}", label(alert, "probe"), label(alert, "ring"))).collect()
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}
