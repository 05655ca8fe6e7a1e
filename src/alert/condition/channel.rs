//! Whether a channel takes what it is sent: `channel/NAME`. Pure.
//!
//! It fails once rings have been due there for five minutes and it took nothing in that time. It stays failing until it takes
//! anything, its configuration or secret changes, or it is removed; that nothing is due any more proves nothing.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::fact::Level;
use crate::alert::{Fact, FactKey, Scope, State};

/// How long something may be due at a channel that takes nothing.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// What is seen of a channel. Times are steady.
#[derive(Debug, Clone, Copy)]
pub struct ChannelInput<'a> {
    /// Its name.
    pub name: &'a Arc<str>,
    /// Whether it wakes somebody: page level then, else warn.
    pub wakes: bool,
    /// Since when the oldest ring is due there, whether or not it may leave now.
    pub due: Option<Duration>,
    /// Since when this process knows the channel; nothing could be sent before.
    pub known: Duration,
    /// When it took something last, in the life of this process.
    pub taken: Option<Duration>,
    /// When its configuration or secret changed last, in the life of this process.
    pub mended: Option<Duration>,
    /// Why it did not take what it was sent last.
    pub last_error: Option<&'a Arc<str>>,
}

/// What is kept of a channel, also over a restart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Since when it has taken nothing, while it fails.
    #[serde(default, with = "crate::alert::serde_with::millis_option", skip_serializing_if = "Option::is_none")]
    pub failing: Option<Duration>,
}

impl Health {
    /// The new state, and a fact unless the channel is well.
    #[must_use]
    pub fn judge(self, seen: &ChannelInput<'_>, now: Duration) -> (Self, Option<Fact>) {
        let kept = self.failing.filter(|since| !seen.well_since(*since));
        let failing = kept.or_else(|| seen.begins().filter(|since| *since + PATIENCE <= now));
        (Self { failing }, failing.map(|since| fact(seen, since)))
    }

    /// When it begins to fail if nothing happens.
    pub fn due(self, seen: &ChannelInput<'_>) -> Option<Duration> {
        match self.failing {
            // Something happened that makes it well, so it is judged now.
            Some(since) => seen.well_since(since).then_some(Duration::ZERO),
            None => seen.begins().map(|since| since + PATIENCE),
        }
    }
}

impl ChannelInput<'_> {
    /// Since when something is due and nothing was taken.
    fn begins(&self) -> Option<Duration> {
        let last = [Some(self.known), self.taken, self.mended].into_iter().flatten().max();
        self.due.max(last).filter(|_| self.due.is_some())
    }

    /// Whether it took something or was mended since then.
    fn well_since(&self, since: Duration) -> bool {
        self.taken.max(self.mended).is_some_and(|at| at > since)
    }
}

fn fact(seen: &ChannelInput<'_>, since: Duration) -> Fact {
    let level = if seen.wakes { Level::Page } else { Level::Warn };
    let words =
        seen.last_error.map_or_else(|| Arc::from("it has taken nothing"), |why| format!("it has taken nothing: {why}").into());
    Fact {
        state: State::Failing(level),
        since,
        words: Some(words),
        ..Fact::well(FactKey::Channel(Arc::clone(seen.name)), Scope::Channel(Arc::clone(seen.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Duration {
        Duration::from_secs(10_000 + second)
    }

    fn judged(health: Health, due: Option<u64>, taken: Option<u64>, mended: Option<u64>, now: u64) -> Option<u64> {
        let name = Arc::from("chat");
        let seen = ChannelInput {
            name: &name,
            wakes: true,
            due: due.map(at),
            known: at(0),
            taken: taken.map(at),
            mended: mended.map(at),
            last_error: None,
        };
        let (health, fact) = health.judge(&seen, at(now));
        assert_eq!(fact.is_some(), health.failing.is_some());
        if health.failing.is_none() {
            assert!(health.due(&seen).is_none_or(|due| due > at(now)), "it asks again for what it has judged");
        }
        health.failing.map(|since| since.as_secs() - at(0).as_secs())
    }

    #[test]
    fn a_channel_fails_once_rings_are_due_for_five_minutes_and_it_took_nothing_in_that_time() {
        // Due since, taken last, mended last, now: failing since.
        let table = [
            (None, None, None, 10_000, None),
            (Some(100), None, None, 399, None),
            (Some(100), None, None, 400, Some(100)),
            (Some(100), Some(50), None, 400, Some(100)),
            (Some(100), Some(200), None, 400, None),
            (Some(100), Some(200), None, 500, Some(200)),
            (Some(100), None, Some(250), 500, None),
            (Some(100), None, Some(250), 550, Some(250)),
            (Some(0), None, None, 299, None),
            (None, Some(1), None, 10_000, None),
        ];
        for (due, taken, mended, now, failing) in table {
            assert_eq!(judged(Health::default(), due, taken, mended, now), failing, "{due:?} {taken:?} {mended:?} {now}");
        }
    }

    #[test]
    fn what_was_due_before_this_process_began_gives_it_five_minutes_to_send_it() {
        let name = Arc::from("chat");
        let seen = ChannelInput {
            name: &name,
            wakes: true,
            due: Some(at(0)),
            known: at(1_000),
            taken: None,
            mended: None,
            last_error: None,
        };
        assert_eq!(Health::default().due(&seen), Some(at(1_300)));
        assert!(Health::default().judge(&seen, at(1_299)).1.is_none());
    }

    #[test]
    fn it_stays_failing_until_it_takes_something_or_is_mended() {
        let health = Health { failing: Some(at(100)) };
        // Due since, taken last, mended last: failing since.
        let table = [
            (Some(100), None, None, Some(100)),
            (None, None, None, Some(100)),
            (None, Some(50), None, Some(100)),
            (None, Some(101), None, None),
            (Some(100), Some(401), None, None),
            (Some(100), None, Some(401), None),
        ];
        for (due, taken, mended, failing) in table {
            assert_eq!(judged(health, due, taken, mended, 402), failing, "{due:?} {taken:?} {mended:?}");
        }
    }

    #[test]
    fn it_is_of_page_level_if_it_wakes_and_says_why() {
        for (wakes, level) in [(true, Level::Page), (false, Level::Warn)] {
            let (name, last_error) = (Arc::from("chat"), Arc::from("it answered 404"));
            let seen = ChannelInput {
                name: &name,
                wakes,
                due: Some(at(0)),
                known: at(0),
                taken: None,
                mended: None,
                last_error: Some(&last_error),
            };
            let fact = Health::default().judge(&seen, at(300)).1.unwrap();
            assert_eq!((fact.state, fact.scope), (State::Failing(level), Scope::Channel("chat".into())));
            assert_eq!(fact.words.as_deref(), Some("it has taken nothing: it answered 404"));
        }
    }

    #[test]
    fn what_is_kept_of_it_is_read_back() {
        for health in [Health::default(), Health { failing: Some(at(7)) }] {
            let json = serde_json::to_string(&health).unwrap();
            assert_eq!(serde_json::from_str::<Health>(&json).unwrap(), health);
        }
    }
}
