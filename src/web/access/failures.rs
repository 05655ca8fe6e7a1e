//! How often somebody may be wrong: tokens and codes cannot be tried out.
//!
//! A client is refused for the rest of a minute after ten failures in it. All clients together have sixty, beyond which nobody logs
//! in by a form for the rest of that minute. A bearer token that is right is refused to nobody who has used it before: a script with
//! a wrong token beside it does not keep Prometheus out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures of one client in a minute.
const OF_ONE: u32 = 10;
/// Failures of all.
const OF_ALL: u32 = 60;
/// What they are counted in.
const WITHIN: Duration = Duration::from_mins(1);
/// Clients that are remembered, in each of both lists.
const MOST: usize = 1_000;

/// Failures of late.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    all: Option<Count>,
    by_client: HashMap<IpAddr, Count>,
    /// Who has used which token.
    proven: HashMap<(IpAddr, usize), Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    failed: u32,
}

impl Count {
    fn one_more(self, now: Instant) -> Self {
        if now.duration_since(self.since) < WITHIN {
            Self { failed: self.failed + 1, ..self }
        } else {
            Self { since: now, failed: 1 }
        }
    }

    /// How long nobody is listened to, where that many were too many.
    fn wait(self, most: u32, now: Instant) -> Option<Duration> {
        let left = WITHIN.checked_sub(now.duration_since(self.since)).filter(|left| !left.is_zero());
        left.filter(|_| self.failed >= most)
    }
}

/// Who counts as one client: an IPv6 address for the sake of counting is the network that whoever has it may choose it from.
fn counted(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

impl Failures {
    /// How long this client has to wait before he is listened to, if he has to.
    pub(super) fn wait(&self, client: IpAddr, now: Instant) -> Option<Duration> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.by_client.get(&counted(client)).and_then(|count| count.wait(OF_ONE, now))
    }

    /// The same for somebody who logs in, which nobody does while all fail.
    pub(super) fn wait_to_log_in(&self, client: IpAddr, now: Instant) -> Option<Duration> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).all;
        self.wait(client, now).or_else(|| all.and_then(|count| count.wait(OF_ALL, now)))
    }

    /// Whether this client has used this token before, so that his own failures do not count against it.
    pub(super) fn has_proven(&self, client: IpAddr, token: usize) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).proven.contains_key(&(counted(client), token))
    }

    /// He used a token.
    pub(super) fn proved(&self, client: IpAddr, token: usize, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut state.proven, |last| *last);
        state.proven.insert((counted(client), token), now);
    }

    /// He was wrong.
    pub(super) fn failed(&self, client: IpAddr, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (client, none) = (counted(client), Count { since: now, failed: 0 });
        state.all = Some(state.all.unwrap_or(none).one_more(now));
        let count = state.by_client.get(&client).copied().unwrap_or(none).one_more(now);
        make_room(&mut state.by_client, |count| count.since);
        state.by_client.insert(client, count);
    }
}

/// Forgets the oldest, where there is no room for one more.
fn make_room<K: Copy + Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>, since: impl Fn(&V) -> Instant) {
    if map.len() >= MOST {
        let oldest = map.iter().min_by_key(|(_, value)| since(value)).map(|(key, _)| *key);
        oldest.and_then(|oldest| map.remove(&oldest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn who_was_wrong_ten_times_waits_for_the_rest_of_the_minute_and_others_do_not() {
        let (failures, now) = (Failures::default(), Instant::now());
        for _ in 0..9 {
            failures.failed(client(1), now);
        }
        assert_eq!(failures.wait(client(1), now), None);
        failures.failed(client(1), now + Duration::from_secs(20));
        assert_eq!(failures.wait(client(1), now + Duration::from_secs(20)), Some(Duration::from_secs(40)));
        assert_eq!(failures.wait_to_log_in(client(2), now), None);
        assert_eq!(failures.wait(client(1), now + WITHIN), None);
        failures.failed(client(1), now + WITHIN);
        assert_eq!(failures.wait(client(1), now + WITHIN), None, "a new minute is counted from its beginning");
    }

    #[test]
    fn sixty_failures_of_many_hold_up_who_logs_in_and_no_token() {
        let (failures, now) = (Failures::default(), Instant::now());
        for last in 0..60 {
            failures.failed(client(last), now);
        }
        assert_eq!(failures.wait_to_log_in(client(200), now), Some(WITHIN));
        assert_eq!(failures.wait(client(200), now), None);
    }

    #[test]
    fn who_has_used_a_token_is_remembered_and_never_too_many_are() {
        let (failures, now) = (Failures::default(), Instant::now());
        failures.proved(client(1), 0, now);
        assert!(failures.has_proven(client(1), 0) && !failures.has_proven(client(1), 1) && !failures.has_proven(client(2), 0));
        for at in 1..=2_000_u32 {
            failures.failed(IpAddr::from(at.to_be_bytes()), now + Duration::from_millis(at.into()));
            failures.proved(IpAddr::from(at.to_be_bytes()), 0, now + Duration::from_millis(at.into()));
        }
        let state = failures.0.lock().unwrap();
        assert_eq!((state.by_client.len(), state.proven.len()), (MOST, MOST));
    }
}
