//! A queue between two stages whose items become due at a time.
//!
//! Each stage of the product has one and a worker of its own, so that stages are slow, stopped or behind independently.
//! Must not know what a stage does.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Items waiting for one worker.
#[derive(Debug)]
pub(super) struct Queue<T> {
    most: usize,
    waiting: Mutex<Waiting<T>>,
    wake: Notify,
}

#[derive(Debug)]
struct Waiting<T> {
    pushed: u64,
    heap: BinaryHeap<Reverse<Due<T>>>,
}

#[derive(Debug)]
struct Due<T> {
    at: Instant,
    order: u64,
    item: T,
}

/// The queue holds as much as it may.
#[derive(Debug)]
pub(super) struct Full;

impl<T> Queue<T> {
    /// A queue for at most `most` items.
    pub(super) fn new(most: usize) -> Self {
        Self { most, waiting: Mutex::new(Waiting { pushed: 0, heap: BinaryHeap::new() }), wake: Notify::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().heap.len()
    }

    /// Adds an item that is due `at`; items due together keep their order.
    pub(super) fn push(&self, at: Instant, item: T) -> Result<(), Full> {
        {
            let mut waiting = self.lock();
            if waiting.heap.len() >= self.most {
                return Err(Full);
            }
            let order = waiting.pushed;
            waiting.pushed += 1;
            waiting.heap.push(Reverse(Due { at, order, item }));
        }
        self.wake.notify_one();
        Ok(())
    }

    /// The next item, once it is due. There must be one worker: a second could sleep past the first's wake-up.
    pub(super) async fn next(&self) -> T {
        loop {
            let next_at = {
                let mut waiting = self.lock();
                match waiting.heap.peek() {
                    Some(Reverse(due)) if due.at <= Instant::now() => {
                        if let Some(Reverse(due)) = waiting.heap.pop() {
                            return due.item;
                        }
                        None
                    }
                    Some(Reverse(due)) => Some(due.at),
                    None => None,
                }
            };
            match next_at {
                None => self.wake.notified().await,
                Some(at) => tokio::select! {
                    () = self.wake.notified() => {}
                    () = sleep_until(at) => {}
                },
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Due<T> {}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn items_come_when_they_are_due_and_in_order() {
        let queue = Queue::new(3);
        let now = Instant::now();
        queue.push(now + Duration::from_secs(2), "late").unwrap();
        queue.push(now, "first").unwrap();
        queue.push(now, "second").unwrap();
        assert!(queue.push(now, "too many").is_err());
        assert_eq!((queue.next().await, queue.next().await), ("first", "second"));
        assert_eq!(queue.next().await, "late");
        assert!(now.elapsed() >= Duration::from_secs(2));
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_item_overtakes_one_that_is_waited_for() {
        let queue = Queue::new(3);
        queue.push(Instant::now() + Duration::from_hours(1), "late").unwrap();
        let (item, pushed) = tokio::join!(queue.next(), async { queue.push(Instant::now(), "now") });
        pushed.unwrap();
        assert_eq!(item, "now");
    }
}
