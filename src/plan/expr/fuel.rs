//! What a thread may spend on expressions before the work must be done elsewhere.
//!
//! Evaluations and everything that spells out a value count their work in units of some tens of nanoseconds. A worker of the
//! runtime gives a piece of work few of them with [`within`]: what needs more is stopped there, and made anew on a thread that
//! probes nothing. Outside of [`within`] nothing is limited here; what one evaluation may cost at all is the business of
//! [`budget`](super::budget).

use std::cell::Cell;

/// Text that counts as one unit, in bytes.
pub(super) const BYTES_PER_UNIT: usize = 32;

thread_local! {
    /// What is left to this thread; `None` where nobody counts.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Does `work` if it costs at most so many units. `None`: it costs more, and what it came to so far means nothing.
///
/// To stop `work`, every further evaluation in it fails. So `work` should change nothing that cannot be done twice.
pub fn within<T>(units: usize, work: impl FnOnce() -> T) -> Option<T> {
    let outer = Outer(LEFT.replace(Some(units)));
    let done = work();
    let left = LEFT.get();
    drop(outer);
    left.is_some_and(|left| left > 0).then_some(done)
}

/// Puts back what the thread had before, also when a panic passes.
struct Outer(Option<usize>);

impl Drop for Outer {
    fn drop(&mut self) {
        LEFT.set(self.0);
    }
}

/// Takes so many units; false once there are none left, and from then on.
pub(super) fn spend(units: usize) -> bool {
    match LEFT.get() {
        None => true,
        Some(left) => {
            let left = left.saturating_sub(units);
            LEFT.set(Some(left));
            left > 0
        }
    }
}

/// Counts the work of reading or writing so many bytes outside of an expression, such as taking secrets out of a text.
pub fn spend_bytes(bytes: usize) {
    spend(1 + bytes / BYTES_PER_UNIT);
}

#[cfg(test)]
mod tests {
    use super::super::testing::eval_json;
    use super::*;

    #[test]
    fn work_that_costs_more_than_it_may_is_given_back_undone() {
        let cheap = || eval_json("1 + 1", "{}");
        let dear = || eval_json("range(1000) | list | length", "{}");
        assert_eq!(within(100, cheap).as_deref(), Some("2"));
        assert_eq!(within(100, dear), None);
        assert_eq!(within(10_000, dear).as_deref(), Some("1000"));
        assert_eq!(within(100, || (0..1_000).for_each(|_| drop(cheap()))), None, "many cheap ones are dear together");
    }

    #[test]
    fn nothing_is_counted_outside_and_the_outer_bound_comes_back() {
        assert!(spend(usize::MAX));
        let both = within(1_000, || {
            assert_eq!(within(10, || spend(11)), None);
            spend(10)
        });
        assert_eq!(both, Some(true));
        assert!(spend(usize::MAX));
    }
}
