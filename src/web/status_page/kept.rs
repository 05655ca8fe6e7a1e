//! What was read from the store, and as of when: what is old stays where the store does not answer, and is then not taken for current.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::base::time::epoch_ms;
use crate::history::ReadError;

/// How long the store may take, before what was read earlier has to do.
const READ_WITHIN: Duration = Duration::from_secs(4);
/// When it is asked again after it did not answer.
const RETRY: Duration = Duration::from_secs(10);

/// What was read last, and when that is read again.
#[derive(Debug)]
pub(super) struct Kept<T> {
    last: Known<T>,
    due: Option<Instant>,
}

/// What is known of the store, and as of when.
#[derive(Debug)]
pub(super) struct Known<T> {
    /// With the moment before which it was read, milliseconds since the epoch; absent if it never could be.
    pub(super) read: Option<(i64, Arc<T>)>,
    /// Whether the store answered when it was asked last.
    pub(super) is_current: bool,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { last: Known::default(), due: None }
    }
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { read: None, is_current: false }
    }
}

impl<T> Clone for Known<T> {
    fn clone(&self) -> Self {
        Self { read: self.read.clone(), is_current: self.is_current }
    }
}

impl<T> Known<T> {
    /// What was read last, however old it is.
    pub(super) fn value(&self) -> Option<&T> {
        self.read.as_ref().map(|(_, value)| &**value)
    }
}

impl<T> Kept<T> {
    /// What is known, read anew where that is due. Who gives up meanwhile has asked all the same: it is due again when it would be
    /// had nothing been answered.
    pub(super) async fn get(&mut self, fresh: Duration, read: impl Future<Output = Result<T, ReadError>>) -> Known<T> {
        if self.due.is_none_or(|due| Instant::now() >= due) {
            self.due = Some(Instant::now() + RETRY);
            self.last.is_current = false;
            let asked_ms = epoch_ms(SystemTime::now());
            if let Ok(Ok(answer)) = tokio::time::timeout(READ_WITHIN, read).await {
                self.last = Known { read: Some((asked_ms, Arc::new(answer))), is_current: true };
                self.due = Some(Instant::now() + fresh);
            } else {
                tracing::debug!("the store did not tell what the status page shows");
            }
        }
        self.last.clone()
    }

    /// Has it read again before anybody is shown it.
    pub(super) fn make_due(&mut self) {
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::FutureExt as _;

    use super::*;

    fn away() -> ReadError {
        ReadError::Unreadable { store: "of this test".to_owned(), source: "nothing answers".into() }
    }

    #[tokio::test]
    async fn what_was_read_before_the_store_went_away_stays_and_is_not_current() {
        let mut kept = Kept::default();
        let before_ms = epoch_ms(SystemTime::now());
        let known = kept.get(Duration::ZERO, async { Ok(1) }).await;
        assert!(known.is_current && known.read.as_ref().is_some_and(|(as_of_ms, _)| *as_of_ms >= before_ms));
        let old = kept.get(Duration::ZERO, async { Err(away()) }).await;
        assert_eq!(old.read, known.read);
        assert!(!old.is_current);
        let still = kept.get(Duration::ZERO, async { panic!("it is not due yet") }).await;
        assert!(!still.is_current);
        kept.make_due();
        assert!(kept.get(Duration::ZERO, async { Ok(2) }).await.is_current);
    }

    #[tokio::test]
    async fn who_gives_up_while_it_is_read_has_it_read_once() {
        let (mut kept, reads) = (Kept::<u8>::default(), Cell::new(0));
        for _ in 0..3 {
            let read = async {
                reads.set(reads.get() + 1);
                std::future::pending().await
            };
            let known = kept.get(Duration::ZERO, read).now_or_never();
            assert!(known.is_none_or(|known| known.read.is_none() && !known.is_current));
        }
        assert_eq!(reads.get(), 1);
    }
}
