//! Permits for look-ups: as many as this process can afford, and for each zone no more than are left for all others.
//!
//! A look-up that hangs holds its permit for seconds, a healthy one for milliseconds. A zone whose name servers are dead would
//! soon hold every permit. So a zone gets one only while it holds fewer than are free (dynamic thresholds, Choudhury and Hahne
//! 1998): one dead zone takes half, two take two thirds, and something is left for a zone that holds none.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, getrlimit};
use tokio::sync::oneshot;

/// Bounds the look-ups that go on at once. Clones share the permits.
#[derive(Debug, Clone)]
pub(super) struct LookUpLimiter(Arc<Mutex<LimiterState>>);

#[derive(Debug)]
struct LimiterState {
    all: usize,
    taken: usize,
    by_zone: HashMap<Arc<str>, usize>,
    /// Look-ups that wait, in order. Those that were given up are skipped.
    waiting: VecDeque<(Arc<str>, oneshot::Sender<LookUpPermit>)>,
}

/// The right to look a name up; given back when dropped.
#[derive(Debug)]
pub(super) struct LookUpPermit {
    limiter: LookUpLimiter,
    zone: Arc<str>,
}

impl LookUpLimiter {
    /// A limiter of so many permits.
    pub(super) fn new(all: usize) -> Self {
        Self(Arc::new(Mutex::new(LimiterState { all, taken: 0, by_zone: HashMap::new(), waiting: VecDeque::new() })))
    }

    /// How many permits there are, taken or not.
    pub(super) fn all(&self) -> usize {
        self.state().all
    }

    /// How many are taken.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.state().taken
    }

    /// Waits for a permit for a name of `zone`. Giving up is dropping the future.
    pub(super) async fn acquire(&self, zone: &str) -> LookUpPermit {
        let zone: Arc<str> = zone.into();
        let waiting = {
            let mut state = self.state();
            if state.admits(&zone) {
                return self.permit(&mut state, zone);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push_back((zone, sender));
            receiver
        };
        // The queue is part of the limiter, which is borrowed here.
        waiting.await.expect("who waits is in the queue until a permit is free")
    }

    fn permit(&self, state: &mut LimiterState, zone: Arc<str>) -> LookUpPermit {
        state.taken += 1;
        *state.by_zone.entry(Arc::clone(&zone)).or_default() += 1;
        LookUpPermit { limiter: self.clone(), zone }
    }

    fn state(&self) -> MutexGuard<'_, LimiterState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LimiterState {
    fn admits(&self, zone: &str) -> bool {
        self.by_zone.get(zone).copied().unwrap_or(0) < self.all - self.taken
    }

    /// Takes the next look-up out of the queue that may have a permit now.
    fn next(&mut self) -> Option<(Arc<str>, oneshot::Sender<LookUpPermit>)> {
        self.waiting.retain(|(_, sender)| !sender.is_closed());
        let at = (0..self.waiting.len()).find(|&at| self.admits(&self.waiting[at].0))?;
        self.waiting.remove(at)
    }
}

impl Drop for LookUpPermit {
    fn drop(&mut self) {
        let mut called = Vec::new();
        {
            let mut state = self.limiter.state();
            state.taken -= 1;
            if let Some(held) = state.by_zone.get_mut(&self.zone) {
                *held -= 1;
                if *held == 0 {
                    state.by_zone.remove(&self.zone);
                }
            }
            while let Some((zone, sender)) = state.next() {
                called.push((self.limiter.permit(&mut state, zone), sender));
            }
        }
        for (permit, sender) in called {
            // A receiver that has gone drops the permit, which calls the next one.
            let _ = sender.send(permit);
        }
    }
}

/// The zone of a name, which its name servers are responsible for: as far as a name tells its last two labels, or three below
/// such as `co.uk`.
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

/// As many permits as take at most an eighth of the files this process may open, each look-up being one.
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

    fn now(limiter: &LookUpLimiter, zone: &str) -> Option<LookUpPermit> {
        limiter.acquire(zone).now_or_never()
    }

    #[test]
    fn a_zone_gets_no_more_than_it_leaves_and_others_still_come_in() {
        let limiter = LookUpLimiter::new(100);
        let greedy: Vec<_> = (0..100).map_while(|_| now(&limiter, "dead.test")).collect();
        assert_eq!(greedy.len(), 50);
        let second: Vec<_> = (0..100).map_while(|_| now(&limiter, "dying.test")).collect();
        assert_eq!(second.len(), 25);
        assert!(now(&limiter, "healthy.test").is_some());
        drop(greedy);
        assert!(now(&limiter, "dying.test").is_some());
    }

    #[tokio::test]
    async fn who_waits_comes_in_as_soon_as_there_is_room_and_who_gave_up_keeps_none() {
        let limiter = LookUpLimiter::new(2);
        let (first, other) = (now(&limiter, "a.test").unwrap(), now(&limiter, "b.test").unwrap());
        let mut waiting = Box::pin(limiter.acquire("a.test"));
        let mut impatient = Box::pin(limiter.acquire("c.test"));
        assert!(waiting.as_mut().now_or_never().is_none() && impatient.as_mut().now_or_never().is_none());
        drop(impatient);
        drop(other);
        assert!(waiting.as_mut().now_or_never().is_none(), "its zone holds as much as is free");
        drop(first);
        let permit = waiting.await;
        assert_eq!(limiter.state().taken, 1);
        drop(permit);
        let state = limiter.state();
        assert_eq!((state.taken, state.by_zone.len(), state.waiting.len()), (0, 0, 0));
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
