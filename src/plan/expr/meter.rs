//! Work of others that has no end of its own: an evaluator of `XPath`, a reader of HTML.
//!
//! They call back for every node that they look at and take no refusal. So the call that would exceed the bound leaves them by
//! unwinding, as a panic does, but without a message; whatever they had made until then is dropped.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::fuel;

/// Steps of such work that count as one unit.
const STEPS_PER_UNIT: usize = 4;

/// Why the work was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// It would cost more than it may at all.
    TooMuch,
    /// It costs more than the thread may spend.
    Fuel,
}

/// Counts the steps of one piece of work.
#[derive(Debug)]
pub(super) struct Meter {
    used: Cell<usize>,
    most: usize,
}

impl Meter {
    /// Counts steps, and leaves the work if that is too many.
    pub(super) fn step(&self, steps: usize) {
        let before = self.used.get();
        let after = before.saturating_add(steps);
        self.used.set(after);
        if after > self.most {
            resume_unwind(Box::new(Stopped::TooMuch));
        }
        let units = after / STEPS_PER_UNIT - before / STEPS_PER_UNIT;
        if units > 0 && !fuel::spend(units) {
            resume_unwind(Box::new(Stopped::Fuel));
        }
    }
}

/// Does `work` for at most so many units, and tells how many it took.
pub(super) fn metered<T>(most: usize, work: impl FnOnce(&Meter) -> T) -> Result<(T, usize), Stopped> {
    let meter = Meter { used: Cell::new(0), most: most.saturating_mul(STEPS_PER_UNIT) };
    match catch_unwind(AssertUnwindSafe(|| work(&meter))) {
        Ok(done) => Ok((done, meter.used.get() / STEPS_PER_UNIT)),
        Err(payload) => match payload.downcast::<Stopped>() {
            Ok(stopped) => Err(*stopped),
            Err(panic) => resume_unwind(panic),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::fuel::within;
    use super::*;

    fn endless(meter: &Meter) {
        loop {
            meter.step(1);
        }
    }

    #[test]
    fn work_is_left_where_its_bound_is_and_a_panic_is_none() {
        assert_eq!(metered(10, |meter| meter.step(40)), Ok(((), 10)));
        assert_eq!(metered(10, |meter| meter.step(41)), Err(Stopped::TooMuch));
        assert_eq!(metered(1_000_000, endless), Err(Stopped::TooMuch));
        assert_eq!(within(100, || metered(1_000_000, endless)), None);
        let mut seen = None;
        let _ = within(100, || seen = Some(metered(1_000_000, endless)));
        assert_eq!(seen, Some(Err(Stopped::Fuel)));
        assert!(catch_unwind(|| metered(10, |_| resume_unwind(Box::new("a bug")))).is_err());
    }
}
