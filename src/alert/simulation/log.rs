//! The log of a history for the judges: what readers heard, and what excuses a missing message.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a reader heard, or could have heard.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Heard {
    /// When the reader heard it.
    pub(super) at: Duration,
    /// When the message was made.
    pub(super) made: Duration,
    pub(super) channel: String,
    pub(super) sound: Sound,
    /// The id of the try.
    pub(super) id: String,
    /// The reader's name for it: a dedup key, an alert, an incident in a chat.
    pub(super) key: String,
    pub(super) incident: String,
    /// As `Scope` displays it.
    pub(super) scope: String,
    pub(super) severity: u8,
    pub(super) title: String,
    /// Canaries that it says fail, unless they are acknowledged.
    pub(super) failing: BTreeSet<String>,
    /// Canaries that it lists with another state: suspect, muted, explained, acknowledged, recovered, ….
    pub(super) apart: BTreeMap<String, String>,
    /// Regions that it says fail.
    pub(super) regions: BTreeSet<String>,
    /// Which end it is.
    pub(super) over: Option<EndHeard>,
    /// It is a reminder.
    pub(super) reminder: bool,
}

impl Heard {
    /// Whether it tells that a canary fails, or told it as suspect and it crossed within ten minutes.
    pub(super) fn tells(&self, canary: &str, crossed: Duration) -> bool {
        let soon = crossed.saturating_sub(self.made) <= Duration::from_mins(10);
        self.failing.contains(canary) || (soon && self.apart.get(canary).is_some_and(|how| how == "suspect"))
    }

    /// Whether it tells that a canary failed and recovered.
    pub(super) fn tells_recovered(&self, canary: &str) -> bool {
        self.apart.get(canary).is_some_and(|how| how == "recovered")
    }
}

/// How it sounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sound {
    #[default]
    Rang,
    Changed,
    Ended,
}

/// Which end it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndHeard {
    Well,
    Unwatched,
    Closed,
    /// It goes on under another key, or was well for a while.
    GoesOn,
}

/// Something that judges must know.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LogEntry {
    Heard(Heard),
    /// The outcome of a try is unknown.
    Unknown {
        at: Duration,
        channel: String,
        id: String,
    },
    /// The process was killed; tries in flight are of unknown outcome.
    Died {
        at: Duration,
    },
    /// The process starts or stops working.
    Up {
        at: Duration,
        up: bool,
    },
    /// A channel starts or stops taking what it is sent.
    Takes {
        at: Duration,
        channel: String,
        takes: bool,
    },
    /// Somebody acknowledged a scope.
    Acknowledged {
        at: Duration,
        scope: String,
    },
    /// The store is lost.
    Forgot {
        at: Duration,
    },
    /// The Alertmanager was restarted: it knows what it notified, but not which alerts are open.
    Restarted {
        at: Duration,
    },
    /// The heartbeat was sent.
    Beat {
        at: Duration,
    },
}

/// All of them, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    pub(super) entries: Vec<LogEntry>,
}

impl Log {
    /// What a channel's reader heard.
    pub(super) fn heard<'a>(&'a self, channel: &'a str) -> impl Iterator<Item = &'a Heard> {
        self.all_heard().filter(move |heard| heard.channel == channel)
    }

    /// What anybody heard.
    pub(super) fn all_heard(&self) -> impl Iterator<Item = &Heard> {
        self.entries.iter().filter_map(|entry| if let LogEntry::Heard(heard) = entry { Some(heard) } else { None })
    }

    /// What a channel's reader thinks is open at a moment, by key: with the last ring of it.
    pub(super) fn open<'a>(&'a self, channel: &'a str, at: Duration) -> BTreeMap<&'a str, &'a Heard> {
        let mut open: BTreeMap<&str, &Heard> = BTreeMap::new();
        for heard in self.heard(channel).filter(|heard| heard.at <= at) {
            match heard.sound {
                Sound::Rang => drop(open.insert(&heard.key, heard)),
                Sound::Changed => {}
                Sound::Ended => drop(open.remove(heard.key.as_str())),
            }
        }
        open
    }

    /// Since when, until a moment, the process was up and the channel took what it was sent.
    pub(super) fn reachable_since(&self, channel: &str, until: Duration) -> Option<Duration> {
        let (mut up, mut takes) = (Some(Duration::ZERO), Some(Duration::ZERO));
        for entry in &self.entries {
            match entry {
                LogEntry::Up { at, up: is } if *at <= until => up = is.then_some(*at),
                LogEntry::Takes { at, channel: of, takes: is } if *at <= until && of == channel => takes = is.then_some(*at),
                LogEntry::Died { at } if *at <= until => up = None,
                _ => {}
            }
        }
        Some(up?.max(takes?))
    }

    /// Whether a scope was acknowledged between two moments.
    pub(super) fn acknowledged(&self, scope: &str, from: Duration, to: Duration) -> bool {
        let is = |entry: &LogEntry| matches!(entry, LogEntry::Acknowledged { at, scope: of } if of == scope && (from..=to).contains(at));
        self.entries.iter().any(is)
    }

    /// Whether the sender of a try died between two moments, or its answer was lost.
    pub(super) fn is_excused(&self, channel: &str, id: &str, from: Duration, to: Duration) -> bool {
        self.entries.iter().any(|entry| match entry {
            LogEntry::Unknown { at, channel: of, id: lost } => of == channel && lost == id && *at <= to,
            LogEntry::Died { at } | LogEntry::Forgot { at } => (from..=to).contains(at),
            _ => false,
        })
    }

    /// Whether a process started between two moments.
    pub(super) fn started(&self, from: Duration, to: Duration) -> bool {
        self.entries.iter().any(|entry| matches!(entry, LogEntry::Up { at, up: true } if (from..=to).contains(at)))
    }

    /// Whether the Alertmanager started again between two moments.
    pub(super) fn restarted(&self, from: Duration, to: Duration) -> bool {
        self.entries.iter().any(|entry| matches!(entry, LogEntry::Restarted { at } if (from..=to).contains(at)))
    }

    /// When the store was last lost before a moment.
    pub(super) fn forgot(&self, until: Duration) -> Option<Duration> {
        let mut times =
            self.entries.iter().filter_map(|entry| if let LogEntry::Forgot { at } = entry { Some(*at) } else { None });
        times.rfind(|at| *at <= until)
    }
}
