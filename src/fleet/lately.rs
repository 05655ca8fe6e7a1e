//! What was read of the store a moment ago, shared, so that many who ask cost it as much as one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::history::ReadError;

/// A value that is read when somebody asks, and told on for some time. So is that the store did not answer.
pub struct Lately<T> {
    fresh: Duration,
    /// When the store was asked last, and what it answered, if it did.
    last: Mutex<Option<(Instant, Option<Arc<T>>)>>,
}

impl<T> Lately<T> {
    /// Nothing was read yet; what is read is told on for so long.
    pub fn new(fresh: Duration) -> Self {
        Self { fresh, last: Mutex::default() }
    }

    /// What was read lately, or is read now. Whoever asks meanwhile waits for it.
    ///
    /// # Errors
    /// Where the store does not answer, or did not a moment ago.
    pub async fn get(&self, read: impl Future<Output = Result<T, ReadError>>) -> Result<Arc<T>, ReadError> {
        let mut last = self.last.lock().await;
        if let Some((_, value)) = last.as_ref().filter(|(at, _)| at.elapsed() < self.fresh) {
            return value.clone().ok_or_else(silent);
        }
        let value = read.await.map(Arc::new);
        *last = Some((Instant::now(), value.as_ref().ok().cloned()));
        value
    }
}

fn silent() -> ReadError {
    ReadError::Unreadable { store: "of the fleet".to_owned(), source: "it did not answer a moment ago".into() }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn what_was_read_lately_is_read_once_for_all_who_ask() {
        let lately = Lately::new(LONG);
        let told = join_all((0..3).map(|number| {
            let read = async move {
                tokio::task::yield_now().await;
                Ok(number)
            };
            lately.get(read)
        }));
        let told: Vec<i32> = told.await.into_iter().map(|told| *told.unwrap()).collect();
        assert_eq!(told, [0, 0, 0]);
    }

    #[tokio::test]
    async fn what_is_not_fresh_any_more_is_read_again() {
        let lately = Lately::new(Duration::ZERO);
        for number in 0..2 {
            assert_eq!(*lately.get(async { Ok(number) }).await.unwrap(), number);
        }
    }

    #[tokio::test]
    async fn a_store_that_did_not_answer_is_not_asked_again_at_once() {
        let lately = Lately::new(LONG);
        lately.get(async { Err::<i32, _>(silent()) }).await.unwrap_err();
        lately.get(async { Ok(1) }).await.unwrap_err();
    }
}
