//! Who reads what the program says, as far as the program can know: stand-ins for PagerDuty, Alertmanager and chats.
//!
//! Tests judge alerting by what these believe, never by what the program noted as taken. Each takes the body of a request as a
//! channel sends it, deduplicates as the real one does, remembers what made noise, and knows what its reader thinks is open.
//!
//! They are pure: the time is passed in, as the reader's wall clock has it, and nothing is random. They use nothing of the
//! program, so that they share no mistake with it, and are included by path where they are needed. The one for Alertmanager is
//! held against the real one by `tests/in_process/alertmanager_rings`; what is assumed of PagerDuty stands in its file, with the documents.

pub(crate) mod alertmanager;
pub(crate) mod chat;
pub(crate) mod pagerduty;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

/// What a receiver answers to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn taken(status: u16) -> Self {
        Self { status, body: String::new() }
    }

    /// It is not understood.
    pub(crate) fn unreadable(why: impl Into<String>) -> Self {
        Self { status: 400, body: why.into() }
    }

    pub(crate) fn is_taken(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What a reader noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sound {
    /// It made noise, and is open from now on.
    Rang,
    /// What is open looks different now, without noise.
    Changed,
    /// It is over.
    Ended,
}

/// One thing that a reader noticed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    /// When, by the reader's clock, since the epoch.
    pub(crate) at: Duration,
    pub(crate) sound: Sound,
    /// What it is about, by the reader's own key: PagerDuty's dedup key, Alertmanager's labels, an incident in a chat.
    pub(crate) key: String,
    /// What was shown of it.
    pub(crate) shown: Value,
}

/// What a reader believes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beliefs {
    /// All that was noticed, in order.
    pub(crate) heard: Vec<Heard>,
    open: BTreeMap<String, Heard>,
}

impl Beliefs {
    /// What the reader thinks is open, by key, with the last that was shown of it.
    pub(crate) fn open(&self) -> &BTreeMap<String, Heard> {
        &self.open
    }

    /// What made noise, in order.
    pub(crate) fn rang(&self) -> impl Iterator<Item = &Heard> {
        self.heard.iter().filter(|heard| heard.sound == Sound::Rang)
    }

    fn notice(&mut self, at: Duration, sound: Sound, key: &str, shown: &Value) {
        let heard = Heard { at, sound, key: key.to_owned(), shown: shown.clone() };
        match sound {
            Sound::Rang | Sound::Changed => drop(self.open.insert(key.to_owned(), heard.clone())),
            Sound::Ended => drop(self.open.remove(key)),
        }
        self.heard.push(heard);
    }
}
