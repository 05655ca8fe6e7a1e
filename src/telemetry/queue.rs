//! A bounded queue between the runtime that probes and a thread that may be slow.
//!
//! Owns the bound: what does not fit is handed back at once, so that no sender ever waits for the receiver. It must not know what
//! it carries.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Many senders that never wait, one receiver that does.
#[derive(Debug)]
pub(super) struct BoundedQueue<T> {
    state: Mutex<QueueState<T>>,
    filled: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct QueueState<T> {
    waiting: VecDeque<T>,
    /// The length at which a lingering receiver is woken.
    wanted: usize,
    /// Something in the queue is urgent: a lingering receiver takes it at once.
    urgent: bool,
    closed: bool,
}

impl<T> BoundedQueue<T> {
    /// A queue for at most `capacity` things (at least one).
    pub(super) fn new(capacity: usize) -> Self {
        let state = QueueState { waiting: VecDeque::new(), wanted: 1, urgent: false, closed: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), capacity: capacity.max(1) }
    }

    /// Puts a thing in, or hands it back if the queue is full or closed. The lock is only ever held for a push or a swap.
    pub(super) fn push(&self, thing: T) -> Result<(), T> {
        self.put(thing, false)
    }

    /// The same for something that presses: a receiver that lingers for more takes what there is now.
    pub(super) fn push_urgent(&self, thing: T) -> Result<(), T> {
        self.put(thing, true)
    }

    fn put(&self, thing: T, urgent: bool) -> Result<(), T> {
        let mut state = self.lock();
        if state.closed || state.waiting.len() >= self.capacity {
            return Err(thing);
        }
        state.waiting.push_back(thing);
        state.urgent |= urgent;
        let wakes = urgent || state.waiting.len() == state.wanted;
        drop(state);
        if wakes {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for a first thing, then up to `linger` for more, and takes at most `most`. Empty only when the queue is closed
    /// and drained.
    pub(super) fn take(&self, most: usize, linger: Duration) -> Vec<T> {
        let mut state = self
            .filled
            .wait_while(self.lock(), |state| state.waiting.is_empty() && !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + linger;
        // A full queue gets no more, so the receiver does not linger.
        state.wanted = most.min(self.capacity);
        while state.waiting.len() < state.wanted && !state.urgent && !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        (state.wanted, state.urgent) = (1, false);
        let taken = most.min(state.waiting.len());
        state.waiting.drain(..taken).collect()
    }

    /// Things that wait.
    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Nothing more goes in; what waits can still be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// Whether nothing more goes in.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until it is closed, for at most `lasting`.
    pub(super) fn wait_for_the_end(&self, lasting: Duration) {
        // Poisoned or not, the wait is over.
        let _ = self.filled.wait_timeout_while(self.lock(), lasting, |state| !state.closed);
    }

    /// Throws away what waits and says how much it was.
    pub(super) fn clear(&self) -> usize {
        std::mem::take(&mut self.lock().waiting).len()
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_handed_back_at_once() {
        let queue = BoundedQueue::new(2);
        assert_eq!((queue.push(1), queue.push(2), queue.push(3)), (Ok(()), Ok(()), Err(3)));
        assert_eq!(queue.take(10, Duration::ZERO), [1, 2]);
        assert_eq!(queue.push(4), Ok(()));
    }

    #[test]
    fn a_closed_queue_is_drained_and_then_empty_for_good() {
        let queue = BoundedQueue::new(8);
        for thing in 0..3 {
            queue.push(thing).expect("it fits");
        }
        queue.close();
        assert_eq!(queue.push(9), Err(9));
        assert_eq!(queue.take(2, Duration::from_mins(1)), [0, 1], "a closed queue does not linger");
        assert_eq!(queue.take(2, Duration::from_mins(1)), [2]);
        assert!(queue.take(2, Duration::from_mins(1)).is_empty());
    }

    #[test]
    fn a_waiting_receiver_is_woken_by_the_first_thing() {
        let queue = std::sync::Arc::new(BoundedQueue::new(1));
        let receiver = std::thread::spawn({
            let queue = std::sync::Arc::clone(&queue);
            move || queue.take(1, Duration::ZERO)
        });
        queue.push("here").expect("it fits");
        assert_eq!(receiver.join().expect("the receiver ends"), ["here"]);
    }

    #[test]
    fn a_receiver_that_lingers_is_woken_once_there_is_enough() {
        let queue = std::sync::Arc::new(BoundedQueue::new(3));
        let receiver = std::thread::spawn({
            let queue = std::sync::Arc::clone(&queue);
            move || queue.take(100, Duration::from_hours(1))
        });
        for thing in 0..3 {
            queue.push(thing).expect("it fits");
        }
        assert_eq!(receiver.join().expect("a full queue is enough"), [0, 1, 2]);
    }

    #[test]
    fn for_what_presses_nobody_lingers() {
        let queue = std::sync::Arc::new(BoundedQueue::new(10));
        queue.push(0).expect("it fits");
        queue.push_urgent(1).expect("it fits");
        assert_eq!(queue.take(100, Duration::from_hours(1)), [0, 1], "it came before anybody waited");
        let receiver = std::thread::spawn({
            let queue = std::sync::Arc::clone(&queue);
            move || queue.take(100, Duration::from_hours(1))
        });
        queue.push_urgent(2).expect("it fits");
        assert_eq!(receiver.join().expect("the receiver ends"), [2]);
    }
}
