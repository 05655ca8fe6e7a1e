//! The connections of the listener: how many there may be, what state each is in, and which one is closed for a new one.
//!
//! A client that has sent the token is known; all others are strangers. Strangers share half of the slots. Another stranger takes
//! the slot of the stranger that has been idle for longest, so idle connections keep nobody out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::counter;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a request's head may take to arrive from its first byte, the first one from the connection's beginning; and how long
/// its body may take after that.
pub(super) const ARRIVES: Duration = Duration::from_secs(10);
/// How long a connection may stand idle, and how long a peer may take nothing of its answer.
pub(super) const IDLE: Duration = Duration::from_mins(1);

/// Connections that were cut, by why.
const CUT: &str = "serinus_listener_cut_total";

/// Why a connection was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CutReason {
    /// A request did not arrive, or what had to be taken was not, in time.
    Slow,
    /// Nothing happened on it for long.
    Idle,
    /// Its slot was needed.
    Full,
}

impl CutReason {
    const ALL: [Self; 3] = [Self::Slow, Self::Idle, Self::Full];

    fn as_str(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Idle => "idle",
            Self::Full => "full",
        }
    }

    /// Counts it.
    pub(super) fn count(self) {
        counter!(CUT, "why" => self.as_str()).increment(1);
    }
}

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A head is arriving.
    Head,
    /// A body is arriving.
    Body,
    /// It is being answered, which takes as long as it takes: the answer may be a stream.
    Answer,
    /// Nobody asks for anything.
    Idle,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// Since when the peer has taken nothing that it was sent.
    stuck: Option<Instant>,
    /// By when the peer must have taken what it is being sent, where that is known.
    must_take: Option<Instant>,
    known: bool,
}

/// How a connection stands; it is told by the connection, and asked by whoever needs its slot.
#[derive(Debug)]
pub(super) struct ConnectionState {
    state: Mutex<State>,
    gives_way: CancellationToken,
}

impl ConnectionState {
    fn new() -> Self {
        let state = State { phase: Phase::Head, since: Instant::now(), stuck: None, must_take: None, known: false };
        Self { state: Mutex::new(state), gives_way: CancellationToken::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.lock();
        (state.phase, state.since) = (phase, Instant::now());
    }

    /// Bytes came.
    pub(super) fn came(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Idle {
            (state.phase, state.since) = (Phase::Head, Instant::now());
        }
    }

    /// Bytes went.
    pub(super) fn went(&self) {
        let mut state = self.lock();
        state.stuck = None;
        if state.phase == Phase::Idle {
            state.since = Instant::now();
        }
    }

    /// Bytes could not go.
    pub(super) fn stuck(&self) {
        self.lock().stuck.get_or_insert_with(Instant::now);
    }

    /// A head has arrived whole.
    pub(super) fn asked(&self) {
        self.enter(Phase::Body);
    }

    /// A body has arrived whole, or its rest is not wanted.
    pub(super) fn heard(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Body {
            state.phase = Phase::Answer;
        }
    }

    /// The answer has been handed over whole.
    pub(super) fn answered(&self) {
        self.must_take_until(None);
        self.enter(Phase::Idle);
    }

    /// A part of an answer must be taken by then, however steadily; or nothing must.
    pub(super) fn must_take_until(&self, until: Option<Instant>) {
        self.lock().must_take = until;
    }

    /// The peer has sent the token.
    pub(super) fn know(&self) {
        self.lock().known = true;
    }

    /// When it is to be cut unless something happens, and why.
    pub(super) fn deadline(&self) -> Option<(Instant, CutReason)> {
        let state = self.lock();
        match (state.phase, state.stuck) {
            (Phase::Head | Phase::Body, _) => Some((state.since + ARRIVES, CutReason::Slow)),
            (Phase::Answer, stuck) => {
                let stuck = stuck.map(|stuck| (stuck + IDLE, CutReason::Idle));
                let late = state.must_take.map(|until| (until, CutReason::Slow));
                [stuck, late].into_iter().flatten().min_by_key(|(until, _)| *until)
            }
            (Phase::Idle, _) => Some((state.since + IDLE, CutReason::Idle)),
        }
    }

    /// Resolves when its slot is needed.
    pub(super) async fn gives_way(&self) {
        self.gives_way.cancelled().await;
    }
}

/// All slots.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    most: usize,
    taken: Mutex<(u64, HashMap<u64, Arc<ConnectionState>>)>,
}

/// A slot, until it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    number: u64,
    slots: Arc<ConnectionSlots>,
    pub(super) connection: Arc<ConnectionState>,
}

impl ConnectionSlots {
    /// So many, at least two.
    pub(super) fn new(most: usize) -> Arc<Self> {
        for why in CutReason::ALL {
            counter!(CUT, "why" => why.as_str()).increment(0);
        }
        Arc::new(Self { most: most.max(2), taken: Mutex::default() })
    }

    /// A slot for one more stranger, for which another one gives way if need be. None where only known ones are left.
    pub(super) fn take(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, held) = &mut *taken;
        let strangers = held.values().filter(|connection| !connection.lock().known).count();
        if strangers >= self.most / 2 || held.len() >= self.most {
            give_way(held)?;
        }
        *last += 1;
        let connection = Arc::new(ConnectionState::new());
        held.insert(*last, Arc::clone(&connection));
        Some(ConnectionSlot { number: *last, slots: Arc::clone(self), connection })
    }

    /// Has a stranger give way, if there is one.
    pub(super) fn make_room(&self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        give_way(&mut taken.1);
    }
}

/// Frees the slot of the stranger that has been idle for longest. One that is being answered is taken only if all are.
fn give_way(held: &mut HashMap<u64, Arc<ConnectionState>>) -> Option<()> {
    let rank = |connection: &ConnectionState| {
        let state = connection.lock();
        (!state.known).then_some((state.phase == Phase::Answer, state.since))
    };
    let ranked = held.iter().filter_map(|(number, connection)| Some((rank(connection)?, *number)));
    let (_, number) = ranked.min()?;
    if let Some(connection) = held.remove(&number) {
        CutReason::Full.count();
        connection.gives_way.cancel();
    }
    Some(())
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_gone(slot: &ConnectionSlot) -> bool {
        slot.connection.gives_way.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_have_half_and_the_one_that_was_idle_for_longest_gives_way() {
        let slots = ConnectionSlots::new(8);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(slots.take().unwrap());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        // The oldest is being answered, the next one has just asked for something.
        held[0].connection.asked();
        held[0].connection.heard();
        held[1].connection.asked();
        held.push(slots.take().unwrap());
        assert_eq!(held.iter().map(is_gone).collect::<Vec<_>>(), [false, false, true, false, false]);
        // Its slot is free at once, so no one else goes for the same stranger.
        drop(held.remove(2));
        assert_eq!(slots.taken.lock().unwrap().1.len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_known_gives_way_to_nobody_and_leaves_the_place_to_another_stranger() {
        let slots = ConnectionSlots::new(8);
        let mut held = Vec::new();
        for _ in 0..8 {
            let slot = slots.take().unwrap();
            slot.connection.know();
            held.push(slot);
        }
        assert!(slots.take().is_none());
        held.truncate(6);
        let strangers = [slots.take().unwrap(), slots.take().unwrap()];
        assert!(!strangers.iter().any(is_gone), "slots for known ones are free, and theirs as well");
        let third = slots.take().unwrap();
        assert!(is_gone(&strangers[0]) && !is_gone(&strangers[1]) && !is_gone(&third) && !held.iter().any(is_gone));
    }
}
