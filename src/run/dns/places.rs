//! Places for look-ups: as many as this process can afford, and for each zone no more than are left for all others.
//!
//! A look-up that hangs holds its place for seconds, a healthy one for milliseconds. A zone whose name servers are dead would
//! soon hold every place; so a zone is let in only while it holds fewer places than are free (dynamic thresholds, Choudhury and
//! Hahne 1998): one dead zone takes half, two take two thirds, and something is left for who holds nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, getrlimit};
use tokio::sync::oneshot;

/// Places that can be taken.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Mutex<Room>>);

#[derive(Debug)]
struct Room {
    all: usize,
    taken: usize,
    by_zone: HashMap<Arc<str>, usize>,
    /// Who waits, in order. Whoever gave up is skipped.
    waiting: VecDeque<(Arc<str>, oneshot::Sender<Place>)>,
}

/// A place; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    zone: Arc<str>,
}

impl Places {
    /// So many places.
    pub(super) fn new(all: usize) -> Self {
        Self(Arc::new(Mutex::new(Room { all, taken: 0, by_zone: HashMap::new(), waiting: VecDeque::new() })))
    }

    /// How many there are, taken or not.
    pub(super) fn all(&self) -> usize {
        self.room().all
    }

    /// How many are taken.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.room().taken
    }

    /// Waits for a place for a name of `zone`. Giving up is dropping the future.
    pub(super) async fn take(&self, zone: &str) -> Place {
        let zone: Arc<str> = zone.into();
        let waiting = {
            let mut room = self.room();
            if room.admits(&zone) {
                return self.place(&mut room, zone);
            }
            let (sender, receiver) = oneshot::channel();
            room.waiting.push_back((zone, sender));
            receiver
        };
        // The queue is part of the places, and those are borrowed here.
        waiting.await.expect("who waits is in the queue until a place is free")
    }

    fn place(&self, room: &mut Room, zone: Arc<str>) -> Place {
        room.taken += 1;
        *room.by_zone.entry(Arc::clone(&zone)).or_default() += 1;
        Place { places: self.clone(), zone }
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn admits(&self, zone: &str) -> bool {
        self.by_zone.get(zone).copied().unwrap_or(0) < self.all - self.taken
    }

    /// Takes out of the queue who may come in now.
    fn next(&mut self) -> Option<(Arc<str>, oneshot::Sender<Place>)> {
        self.waiting.retain(|(_, sender)| !sender.is_closed());
        let at = (0..self.waiting.len()).find(|&at| self.admits(&self.waiting[at].0))?;
        self.waiting.remove(at)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut called = Vec::new();
        {
            let mut room = self.places.room();
            room.taken -= 1;
            if let Some(held) = room.by_zone.get_mut(&self.zone) {
                *held -= 1;
                if *held == 0 {
                    room.by_zone.remove(&self.zone);
                }
            }
            while let Some((zone, sender)) = room.next() {
                called.push((self.places.place(&mut room, zone), sender));
            }
        }
        for (place, sender) in called {
            // Who gave up meanwhile gives the place back, which calls the next one.
            let _ = sender.send(place);
        }
    }
}

/// What is looked after by the same name servers, as far as a name tells: its last two labels, or three below such as `co.uk`.
pub(super) fn zone(host: &str) -> &str {
    let host = host.trim_end_matches('.');
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let (last, second, third) = (dots.next(), dots.next(), dots.next());
    let (Some(last), Some(second)) = (last, second) else { return host };
    let shared_by_many = host.len() - last == 3 && last - second <= 4;
    match (shared_by_many, third) {
        (false, _) => &host[second + 1..],
        (true, Some(third)) => &host[third + 1..],
        (true, None) => host,
    }
}

/// Places that take at most an eighth of the files this process may open, each look-up being one.
pub(super) fn affordable() -> usize {
    const MOST: u64 = 1024;
    const LEAST: u64 = 16;
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from((files / 8).clamp(LEAST, MOST)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn now(places: &Places, zone: &str) -> Option<Place> {
        places.take(zone).now_or_never()
    }

    #[test]
    fn a_zone_gets_no_more_than_it_leaves_and_others_still_come_in() {
        let places = Places::new(100);
        let greedy: Vec<_> = (0..100).map_while(|_| now(&places, "dead.test")).collect();
        assert_eq!(greedy.len(), 50);
        let second: Vec<_> = (0..100).map_while(|_| now(&places, "dying.test")).collect();
        assert_eq!(second.len(), 25);
        assert!(now(&places, "healthy.test").is_some());
        drop(greedy);
        assert!(now(&places, "dying.test").is_some());
    }

    #[tokio::test]
    async fn who_waits_comes_in_as_soon_as_there_is_room_and_who_gave_up_keeps_none() {
        let places = Places::new(2);
        let (first, other) = (now(&places, "a.test").unwrap(), now(&places, "b.test").unwrap());
        let mut waiting = Box::pin(places.take("a.test"));
        let mut impatient = Box::pin(places.take("c.test"));
        assert!(waiting.as_mut().now_or_never().is_none() && impatient.as_mut().now_or_never().is_none());
        drop(impatient);
        drop(other);
        assert!(waiting.as_mut().now_or_never().is_none(), "its zone holds as much as is free");
        drop(first);
        let place = waiting.await;
        assert_eq!(places.room().taken, 1);
        drop(place);
        let room = places.room();
        assert_eq!((room.taken, room.by_zone.len(), room.waiting.len()), (0, 0, 0));
    }

    #[test]
    fn a_zone_is_what_one_owner_looks_after() {
        for (host, expected) in [
            ("a.b.example.com", "example.com"),
            ("example.com.", "example.com"),
            ("api.example.co.uk", "example.co.uk"),
            ("example.co.uk", "example.co.uk"),
            ("localhost", "localhost"),
            ("db.svc.cluster.local", "cluster.local"),
        ] {
            assert_eq!(zone(host), expected, "{host}");
        }
    }

    #[test]
    fn what_is_affordable_is_bounded_on_both_sides() {
        assert!((16..=1024).contains(&affordable()));
    }
}
