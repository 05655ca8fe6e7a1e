//! The events that are kept, and what of them a reader sees.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::super::seed::{Ids, Seed};
use super::super::time_scale::TimeScale;

/// How long it takes until an event can be read.
const FASTEST: Duration = Duration::from_millis(100);
const SLOWEST: Duration = Duration::from_millis(400);

/// All events of all rooms.
#[derive(Debug)]
pub(in crate::sandbox) struct Feed {
    seed: Seed,
    ids: Ids,
    log: Mutex<Log>,
    /// Tells those who wait that something was sent.
    pub(super) sent: Notify,
}

#[derive(Debug)]
struct Log {
    most: usize,
    /// The position of the newest event; positions count from 1.
    newest: u64,
    /// By position.
    events: VecDeque<Event>,
}

#[derive(Debug, Clone)]
pub(super) struct Event {
    position: u64,
    pub(super) id: Arc<str>,
    room: Arc<str>,
    text: Arc<str>,
    sent_at: DateTime<Utc>,
    /// Nobody sees it before. Events appear in the order of their positions.
    appears: Instant,
}

/// What a reader is told.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    /// The position after which the next batch begins.
    pub(super) next: u64,
    /// When the next event of any room appears, if one was sent.
    pub(super) more: Option<Instant>,
}

impl Feed {
    /// Keeps at most `most` events.
    pub(in crate::sandbox) fn new(seed: Seed, most: usize) -> Self {
        let log = Log { most, newest: 0, events: VecDeque::new() };
        Self { seed, ids: Ids::new(seed), log: Mutex::new(log), sent: Notify::new() }
    }

    /// Events held, for `/healthz`.
    pub(in crate::sandbox) fn len(&self) -> usize {
        self.lock().events.len()
    }

    /// Adds an event, which appears a moment later.
    pub(super) fn send(&self, room: &str, text: &str, scale: TimeScale) -> Event {
        let id = self.ids.next("evt");
        let lag = scale.wall(self.seed.between("feed lag", &id, FASTEST, SLOWEST));
        let mut log = self.lock();
        let earliest = log.events.back().map_or_else(Instant::now, |last| last.appears);
        log.newest += 1;
        let event = Event {
            position: log.newest,
            id,
            room: room.into(),
            text: text.into(),
            sent_at: Utc::now(),
            appears: earliest.max(Instant::now() + lag),
        };
        if log.events.len() >= log.most {
            log.events.pop_front();
        }
        log.events.push_back(event.clone());
        drop(log);
        self.sent.notify_waiters();
        event
    }

    /// What can be seen at `now` after a position, of one room or of all, the oldest first; where there is no position, the newest.
    /// `None`: no event has had this position yet.
    pub(super) fn read(&self, since: Option<u64>, room: Option<&str>, limit: usize, now: Instant) -> Option<Batch> {
        let log = self.lock();
        if since.is_some_and(|since| since > log.newest) {
            return None;
        }
        let seen = log.events.iter().take_while(|event| event.appears <= now);
        let last = seen.clone().last().map_or(since.unwrap_or_default(), |event| event.position);
        let after = seen.filter(|event| event.position > since.unwrap_or_default());
        let mut wanted: VecDeque<&Event> = after.filter(|event| room.is_none_or(|room| *event.room == *room)).collect();
        let mut next = last.max(since.unwrap_or_default());
        if since.is_some() {
            if let Some(cut) = wanted.get(limit.saturating_sub(1)).filter(|_| wanted.len() > limit) {
                next = cut.position;
            }
            wanted.truncate(limit);
        } else {
            wanted.drain(..wanted.len().saturating_sub(limit));
        }
        let more = log.events.iter().map(|event| event.appears).find(|appears| *appears > now);
        Some(Batch { events: wanted.into_iter().cloned().collect(), next, more })
    }

    /// Forgets the events of a room.
    pub(super) fn remove(&self, room: &str) {
        self.lock().events.retain(|event| *event.room != *room);
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Event {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "id": *self.id,
            "room": *self.room,
            "text": *self.text,
            "sent_at": self.sent_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_hours(1);

    fn feed(most: usize) -> Feed {
        let feed = Feed::new(Seed::new(1), most);
        let scale = TimeScale::new(1.0).unwrap();
        for number in 1..=5 {
            feed.send(if number == 3 { "other" } else { "room" }, &number.to_string(), scale);
        }
        feed
    }

    fn texts(batch: &Batch) -> (Vec<&str>, u64) {
        (batch.events.iter().map(|event| &*event.text).collect(), batch.next)
    }

    #[test]
    fn a_reader_who_follows_the_cursors_sees_each_event_of_its_room_once_and_in_order() {
        let (feed, later) = (feed(10), Instant::now() + LATER);
        let read = |since, limit| feed.read(since, Some("room"), limit, later).unwrap();
        assert_eq!(texts(&read(Some(0), 2)), (vec!["1", "2"], 2));
        assert_eq!(texts(&read(Some(2), 2)), (vec!["4", "5"], 5));
        assert_eq!(texts(&read(Some(5), 2)), (vec![], 5));
        assert_eq!(texts(&read(None, 2)), (vec!["4", "5"], 5), "without a cursor the newest");
        assert!(feed.read(Some(6), None, 2, later).is_none());
    }

    #[test]
    fn what_has_not_appeared_yet_is_not_passed_over() {
        let feed = feed(10);
        let now = Instant::now();
        let batch = feed.read(Some(0), None, 10, now).unwrap();
        assert_eq!((texts(&batch), batch.more.is_some()), ((vec![], 0), true));
        let appears = batch.more.unwrap();
        assert!(appears > now && appears <= now + SLOWEST);
        assert_eq!(
            feed.read(Some(0), None, 10, appears).unwrap().events[0].id,
            feed.read(Some(0), None, 1, now + LATER).unwrap().events[0].id
        );
    }

    #[test]
    fn the_oldest_events_are_forgotten_and_cursors_stay_good() {
        let (feed, later) = (feed(2), Instant::now() + LATER);
        assert_eq!(texts(&feed.read(Some(1), None, 10, later).unwrap()), (vec!["4", "5"], 5));
        feed.remove("room");
        assert_eq!((feed.len(), texts(&feed.read(Some(1), None, 10, later).unwrap())), (0, (vec![], 1)));
        feed.send("room", "6", TimeScale::new(1.0).unwrap());
        assert_eq!(texts(&feed.read(Some(5), None, 10, later).unwrap()), (vec!["6"], 6));
    }
}
