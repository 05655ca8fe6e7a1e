//! Work that only takes CPU: rendering, judging, making text. Little work is done on the worker at hand; more work leaves the
//! workers of the runtime, because a worker that computes for long makes every other run late.
//!
//! Call [`compute`] for such work, with the bytes of what came from outside. The cost of expressions is not known before: they
//! get a little [fuel](crate::plan::expr::within), and are evaluated again off the worker if it was not enough.

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::plan::expr::within;

/// Units of work of expressions that a worker does at once: some milliseconds at worst.
const LITTLE: usize = 50_000;

/// Bytes of an answer from which on reading it (JSON, text, secrets in it) is no little work.
const LARGE: usize = 64 << 10;

/// Does `work` on this worker if it is little, and otherwise where it holds up nobody else. `work` may be done twice, so it
/// should change nothing that cannot be changed twice.
pub(super) fn compute<T>(bytes: usize, work: impl Fn() -> T) -> T {
    if bytes <= LARGE
        && let Some(done) = within(LITTLE, &work)
    {
        return done;
    }
    offload(work)
}

/// Does `work` on a thread that the runtime replaces meanwhile by another one. It stays in the same task, so that it may borrow
/// what the run owns; a runtime with one thread has no other to take over.
pub(super) fn offload<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        Ok(_) | Err(_) => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use minijinja::Value;

    use super::*;
    use crate::plan::Condition;
    use crate::source::SourceFile;

    fn judged(source: &str, tries: &AtomicUsize) -> Result<bool, String> {
        let condition = Condition::parse(source, SourceFile::new("probe.toml", "").location(0)).unwrap();
        compute(0, || {
            tries.fetch_add(1, Ordering::Relaxed);
            condition.judge(&Value::from_pairs([("n", 3)])).held
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_costs_much_is_done_anew_away_from_the_worker_and_comes_to_the_same() {
        let tries = AtomicUsize::new(0);
        let judged = tokio::spawn(async move {
            let little = judged("n == 3", &tries);
            assert_eq!((little, tries.swap(0, Ordering::Relaxed)), (Ok(true), 1));
            let much = judged("range(10000) | map('string') | sort | unique | length == 10000", &tries);
            (much, tries.into_inner())
        });
        let (held, tries) = judged.await.unwrap();
        assert_eq!((held, tries), (Ok(true), 2));
    }

    /// A runtime with a single worker: whatever else it has to do waits for the one that computes.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_only_worker_goes_on_while_a_large_answer_is_read() {
        let (say, heard) = std::sync::mpsc::channel();
        let reading = tokio::spawn(async move {
            // What is waited for is said by another task of the same worker.
            compute(LARGE + 1, || heard.recv_timeout(std::time::Duration::from_mins(1)))
        });
        tokio::task::yield_now().await;
        let other = tokio::spawn(async move { say.send(7) });
        assert_eq!(reading.await.unwrap(), Ok(7));
        other.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_does_it_where_it_is() {
        assert_eq!(offload(|| 1), 1);
    }
}
