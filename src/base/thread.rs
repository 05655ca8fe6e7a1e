//! Threads without which the process must not go on, and how others see that one still does.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::time::millis;

/// Starts a thread without which the process must not look alive: if it panics, the process aborts, and whatever supervises the
/// process starts it again. `what` begins the sentence that the log then has.
///
/// # Errors
/// The operating system gave no thread.
pub fn spawn_vital(name: &str, what: &'static str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _guard = AbortOnPanic(what);
        run();
    })
}

struct AbortOnPanic(&'static str);

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("{} panicked, which is a defect of the prober; the process ends", self.0);
            std::process::abort();
        }
    }
}

/// A moment of the steady clock that one thread sets and others read, without a lock. It is kept to the millisecond.
#[derive(Debug)]
pub struct AtomicInstant {
    origin: Instant,
    /// Milliseconds since the origin, plus one; 0 while it was never set.
    millis: AtomicU64,
}

impl AtomicInstant {
    /// A moment that is not set yet. It cannot be set to a moment before the origin.
    pub fn never(origin: Instant) -> Self {
        Self { origin, millis: AtomicU64::new(0) }
    }

    /// This moment.
    pub fn at(origin: Instant) -> Self {
        Self { origin, millis: AtomicU64::new(1) }
    }

    /// It is this moment from now on.
    pub fn set(&self, at: Instant) {
        self.millis.store(self.since_origin(at).saturating_add(1), Ordering::Relaxed);
    }

    /// How long ago it was; nothing if it was never set.
    pub fn ago(&self, now: Instant) -> Option<Duration> {
        let then = self.millis.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_millis(self.since_origin(now).saturating_sub(then)))
    }

    fn since_origin(&self, at: Instant) -> u64 {
        millis(at.saturating_duration_since(self.origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_as_long_ago_as_it_was_set_and_never_to_come() {
        let origin = Instant::now();
        let at = |seconds| origin + Duration::from_secs(seconds);
        let moment = AtomicInstant::never(origin);
        assert_eq!(moment.ago(at(9)), None);
        moment.set(origin);
        assert_eq!((moment.ago(origin), moment.ago(at(9))), (Some(Duration::ZERO), Some(Duration::from_secs(9))));
        moment.set(at(5));
        assert_eq!((moment.ago(at(9)), moment.ago(at(4))), (Some(Duration::from_secs(4)), Some(Duration::ZERO)));
        assert_eq!(AtomicInstant::at(origin).ago(at(1)), Some(Duration::from_secs(1)));
    }
}
