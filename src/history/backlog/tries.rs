//! Tries that wait to be written, and what became of them.
//!
//! A try that is made anew may have the id of an earlier one. An outcome therefore names the time at which its try was made, and
//! the order in which tries and outcomes are written does not matter.

use indexmap::IndexMap;

use crate::history::{OutcomeRow, TryRow, TryState};

/// Tries and outcomes that wait to be written: the newest of each.
#[derive(Debug, Default)]
pub(in crate::history) struct Tries {
    pub(in crate::history) made: IndexMap<String, TryRow>,
    pub(in crate::history) outcomes: IndexMap<String, OutcomeRow>,
}

impl Tries {
    /// Takes what came later.
    pub(in crate::history) fn push(
        &mut self,
        made: impl IntoIterator<Item = TryRow>,
        outcomes: impl IntoIterator<Item = OutcomeRow>,
    ) {
        self.made.extend(made.into_iter().map(|row| (row.id.clone(), row)));
        for row in outcomes {
            // What became of a try stays so: one that was taken does not wait again.
            let known = self.outcomes.get(&row.id).filter(|known| known.made_ms == row.made_ms);
            if row.state != TryState::Waiting || known.is_none_or(|known| known.state == TryState::Waiting) {
                self.outcomes.insert(row.id.clone(), row);
            }
        }
    }

    /// Takes what came while this could not be written.
    pub(in crate::history) fn absorb(&mut self, newer: Self) {
        self.push(newer.made.into_values(), newer.outcomes.into_values());
    }

    /// Rows that wait.
    pub(in crate::history) fn len(&self) -> usize {
        self.made.len() + self.outcomes.len()
    }
}
