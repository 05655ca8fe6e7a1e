//! The receivers of a simulation with their readers: they take the channels' requests, and record what readers hear.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::environment::{CHAT, DUTY, PROM};
use super::log::{EndHeard, Heard, Sound};
use crate::alert::channel::bodies;
use crate::alert::evaluate::{AlertRefresh, OutgoingTry};
use crate::alert::message::{Message, Occasion};
use crate::alert::tries::{Action, Open, Outcome, Refusal, RefusalKind};
use stand_ins::alertmanager::{Alertmanager, GroupBy, Route};
use stand_ins::chat::{Chat, Says};
use stand_ins::pagerduty::PagerDuty;

#[expect(dead_code, reason = "other test programs use the rest of it")]
#[path = "../../../tests/readers/mod.rs"]
mod stand_ins;

/// What an Alertmanager tells of it when its channel repeats it so often, its end too.
const ROUNDS: u32 = 4;

/// How a receiver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Well,
    /// No connection.
    Away,
    /// 404.
    Refuses,
    /// 429.
    Busy,
    /// It accepts connections, never answers, and nobody reads what it got.
    Deaf,
    /// It takes everything, and its answers are lost.
    Mute,
}

impl Health {
    /// Whether what is sent reaches the reader.
    fn takes(self) -> bool {
        matches!(self, Self::Well | Self::Mute)
    }

    fn outcome(self) -> Outcome {
        let refusal = |kind| Refusal { message: format!("{self:?}"), kind };
        match self {
            Self::Well => Outcome::Taken,
            Self::Away => Outcome::Refused(refusal(RefusalKind::Unreachable)),
            Self::Refuses => Outcome::Refused(refusal(RefusalKind::Rejected)),
            Self::Busy => Outcome::Refused(refusal(RefusalKind::Busy(Some(Duration::from_secs(20))))),
            Self::Deaf | Self::Mute => Outcome::Unknown(refusal(RefusalKind::Unreachable)),
        }
    }
}

/// The last text of an alert, by its labels.
#[derive(Debug, Clone)]
struct Spoken {
    id: String,
    made: Duration,
    message: Message,
}

/// An alert that is repeated to the Alertmanager.
#[derive(Debug, Clone)]
struct Repeated {
    labels: Vec<(String, String)>,
    message: Message,
    id: String,
    made: Duration,
    /// When it ended, by the sender's wall clock, and how often the end is still repeated.
    ended: Option<(i64, u32)>,
}

/// All receivers.
#[derive(Debug)]
pub(super) struct Readers {
    duty: PagerDuty,
    prom: Alertmanager,
    chat: Chat,
    spoken: BTreeMap<String, Spoken>,
    heard_of_prom: usize,
    /// The sender's open alerts; they are lost with the process.
    book: BTreeMap<String, Repeated>,
    pub(super) health: BTreeMap<&'static str, Health>,
}

impl Readers {
    pub(super) fn new(now: Duration) -> Self {
        let route = Route {
            group_wait: Duration::from_secs(5),
            group_interval: Duration::from_secs(30),
            ..Route::default_times(GroupBy::Labels(vec!["probe"]))
        };
        Self {
            duty: PagerDuty::default(),
            prom: Alertmanager::new(route, now),
            chat: Chat::default(),
            spoken: BTreeMap::new(),
            heard_of_prom: 0,
            book: BTreeMap::new(),
            health: BTreeMap::from([(DUTY, Health::Well), (PROM, Health::Well), (CHAT, Health::Well)]),
        }
    }

    /// Sends a try. Returns its outcome and what was heard.
    pub(super) fn send(&mut self, outgoing: &OutgoingTry, now: Duration, wall_ms: i64) -> (Outcome, Vec<Heard>) {
        let channel = &*outgoing.attempt.channel;
        let health = self.health.get(channel).copied().unwrap_or(Health::Away);
        let mut heard = Vec::new();
        let message = if outgoing.shortest { outgoing.message.shortest() } else { outgoing.message.clone() };
        let mut understood = true;
        match channel {
            DUTY if health.takes() => {
                let body = bodies::pagerduty(outgoing.attempt.what, &outgoing.attempt.key, &message);
                let before = self.duty.beliefs.heard.len();
                understood = self.duty.take(now, &body).is_taken();
                heard.extend(
                    self.duty.beliefs.heard[before..]
                        .iter()
                        .map(|one| words(channel, &outgoing.attempt.id, one.at, now, &one.key, sound(one.sound), &message)),
                );
            }
            CHAT if health.takes() => heard.extend(self.read(outgoing, &message, now)),
            PROM => {
                self.enter(outgoing, now, wall_ms);
                let keys: Vec<String> =
                    outgoing.opens.iter().map(|open| open.key.clone()).chain([outgoing.attempt.key.clone()]).collect();
                if health.takes() {
                    heard.extend(self.tell_prom(Some(&keys), now, wall_ms));
                }
                // A refused ring is made anew with another number.
                let is_new =
                    outgoing.attempt.what == Action::Ring && !outgoing.opens.iter().any(|open| open.key == outgoing.attempt.key);
                if is_new && matches!(health.outcome(), Outcome::Refused(_)) {
                    self.book.remove(&outgoing.attempt.key);
                }
            }
            _ => {}
        }
        let unreadable = || Outcome::Refused(Refusal { message: "not understood".to_owned(), kind: RefusalKind::Unreadable });
        (if understood { health.outcome() } else { unreadable() }, heard)
    }

    /// A message in the chat.
    fn read(&mut self, outgoing: &OutgoingTry, message: &Message, now: Duration) -> Vec<Heard> {
        let incidents: BTreeMap<String, String> = if message.incidents.is_empty() {
            BTreeMap::from([(message.scope.clone(), message.incident.clone())])
        } else {
            message.incidents.iter().map(|told| (told.scope.clone(), told.incident.clone())).collect()
        };
        let says = match (message.action, message.occasion) {
            (_, Occasion::Unheard | Occasion::Continues | Occasion::WasWell) | (Action::Acknowledge | Action::Change, _) => {
                Says::More
            }
            (Action::Ring, _) => Says::Open,
            (Action::End, _) => Says::Over,
        };
        // People know it by its scope.
        let names: Vec<String> = incidents.keys().cloned().collect();
        let shown = serde_json::to_value(message).unwrap_or(Value::Null);
        let before = self.chat.beliefs.heard.len();
        self.chat.take(now, &outgoing.attempt.id, says, &names, &shown);
        let one = |one: &stand_ins::Heard| {
            let heard = words(CHAT, &outgoing.attempt.id, one.at, now, &one.key, sound(one.sound), message);
            Heard { incident: incidents.get(&one.key).cloned().unwrap_or_default(), scope: one.key.clone(), ..heard }
        };
        self.chat.beliefs.heard[before..].iter().map(one).collect()
    }

    /// Records a try among the open alerts.
    fn enter(&mut self, outgoing: &OutgoingTry, now: Duration, wall_ms: i64) {
        let own =
            Open { key: outgoing.attempt.key.clone(), taken: false, acknowledged: 0, labels: outgoing.attempt.labels.clone() };
        let new =
            (outgoing.attempt.what == Action::Ring && !outgoing.opens.iter().any(|open| open.key == own.key)).then_some(&own);
        for open in outgoing.opens.iter().chain(new) {
            let ended = (outgoing.attempt.what == Action::End).then_some((wall_ms, ROUNDS));
            self.note(open, &outgoing.message, &outgoing.attempt.id, ended, now);
        }
    }

    fn note(&mut self, open: &Open, message: &Message, id: &str, ended: Option<(i64, u32)>, now: Duration) {
        let entry = self.book.entry(open.key.clone()).or_insert_with(|| Repeated {
            labels: open.labels.clone(),
            message: message.clone(),
            id: id.to_owned(),
            made: now,
            ended: None,
        });
        if entry.ended.is_none() {
            (entry.message, entry.made, entry.ended) = (message.clone(), now, ended);
        }
    }

    /// The evaluator changed the text of an open alert.
    pub(super) fn hold(&mut self, held: &AlertRefresh, now: Duration) {
        if &*held.channel == PROM {
            self.note(&held.open, &held.message, &held.open.key, None, now);
        }
    }

    /// A round: everything that is open or has just ended is sent again.
    pub(super) fn round(&mut self, now: Duration, wall_ms: i64) -> Vec<Heard> {
        if !self.health.get(PROM).is_some_and(|health| health.takes()) {
            return self.listen(now);
        }
        let heard = self.tell_prom(None, now, wall_ms);
        for repeated in self.book.values_mut() {
            if let Some((_, left)) = &mut repeated.ended {
                *left = left.saturating_sub(1);
            }
        }
        self.book.retain(|_, repeated| repeated.ended.is_none_or(|(_, left)| left > 0));
        heard
    }

    fn tell_prom(&mut self, only: Option<&[String]>, now: Duration, wall_ms: i64) -> Vec<Heard> {
        let chosen = self.book.iter().filter(|(key, _)| only.is_none_or(|only| only.contains(key)));
        let mut alerts = Vec::new();
        for (_, repeated) in chosen {
            let body = bodies::alert(&repeated.labels, &repeated.message, repeated.ended.map(|(at, _)| at), wall_ms);
            let labels: stand_ins::alertmanager::Labels = repeated.labels.iter().cloned().collect();
            let spoken = Spoken { id: repeated.id.clone(), made: repeated.made, message: repeated.message.clone() };
            self.spoken.insert(stand_ins::alertmanager::name(&labels), spoken);
            alerts.push(body);
        }
        if !alerts.is_empty() {
            let answer = self.prom.take(now, &alerts.into());
            assert!(answer.is_taken(), "Alertmanager would refuse this: {}", answer.body);
        }
        self.listen(now)
    }

    /// What Alertmanager has told its reader meanwhile.
    pub(super) fn listen(&mut self, now: Duration) -> Vec<Heard> {
        self.prom.advance(now);
        let news = &self.prom.beliefs.heard[self.heard_of_prom..];
        self.heard_of_prom = self.prom.beliefs.heard.len();
        let one = |one: &stand_ins::Heard| {
            let spoken = self.spoken.get(&one.key)?;
            Some(words(PROM, &spoken.id, one.at, spoken.made, &one.key, sound(one.sound), &spoken.message))
        };
        news.iter().filter_map(one).collect()
    }

    /// When Alertmanager speaks next.
    pub(super) fn due(&self) -> Duration {
        self.prom.due()
    }

    /// Alertmanager is restarted.
    pub(super) fn restart_prom(&mut self, now: Duration) {
        self.prom.restart(now, true);
    }

    /// The process is gone, and its open alerts with it.
    pub(super) fn died(&mut self) {
        self.book.clear();
    }

    /// The keys that PagerDuty has open.
    pub(super) fn open_at_duty(&self) -> Vec<String> {
        self.duty.beliefs.open().keys().cloned().collect()
    }

    /// Somebody acknowledges there; the program does not know of it.
    pub(super) fn acknowledged_at_duty(&mut self, key: &str) {
        self.duty.acknowledged_by_hand(key);
    }
}

fn sound(sound: stand_ins::Sound) -> Sound {
    match sound {
        stand_ins::Sound::Rang => Sound::Rang,
        stand_ins::Sound::Changed => Sound::Changed,
        stand_ins::Sound::Ended => Sound::Ended,
    }
}

/// What a message says, as judges ask.
fn words(channel: &str, id: &str, at: Duration, made: Duration, key: &str, sound: Sound, message: &Message) -> Heard {
    let canary = |name: &str| name.strip_prefix("canary/").map(str::to_owned);
    let standing = |failing: bool| message.members.iter().filter(move |member| (member.standing == "failing") == failing);
    let over = match message.occasion {
        Occasion::Well => Some(EndHeard::Well),
        Occasion::Unwatched => Some(EndHeard::Unwatched),
        Occasion::Closed => Some(EndHeard::Closed),
        Occasion::Continues | Occasion::WasWell => Some(EndHeard::GoesOn),
        _ => None,
    };
    Heard {
        at,
        made,
        channel: channel.to_owned(),
        sound,
        id: id.to_owned(),
        key: key.to_owned(),
        incident: message.incident.clone(),
        scope: message.scope.clone(),
        severity: message.severity as u8,
        title: message.title.clone(),
        failing: standing(true).filter_map(|member| canary(&member.name)).collect(),
        apart: standing(false).filter_map(|member| Some((canary(&member.name)?, member.standing.clone()))).collect(),
        regions: message.regions.iter().cloned().collect::<BTreeSet<_>>(),
        over: over.filter(|_| message.action == Action::End),
        reminder: message.occasion == Occasion::Reminder,
    }
}
