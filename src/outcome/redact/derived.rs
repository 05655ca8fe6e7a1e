//! Credentials that a run made itself: signatures with a key, hashes of a secret. They are masked as secrets are.
//!
//! They become known one by one, so the newest few have an automaton of their own that is cheap to build anew.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use crate::outcome::Secret;

use super::needles::{Needles, Range};

/// Values of one automaton.
const TOGETHER: usize = 16;

/// Automata that are kept. A run that made more credentials knows the newest 500.
const GENERATIONS: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Derived(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    /// What the last of the automata looks for.
    newest: Vec<String>,
    generations: VecDeque<Needles>,
}

impl Derived {
    pub(super) fn learn(&self, value: &str) {
        if value.len() < Secret::SHORTEST || self.read(|known| known.newest.iter().any(|newest| newest == value)) {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.newest.len() < TOGETHER {
            known.generations.pop_back();
        } else {
            known.newest.clear();
            if known.generations.len() == GENERATIONS {
                known.generations.pop_front();
            }
        }
        known.newest.push(value.to_owned());
        let upper: Vec<String> = known.newest.iter().filter(|value| is_hex(value)).map(|value| value.to_uppercase()).collect();
        let both = known.newest.iter().chain(&upper).map(String::as_str);
        let needles = Needles::new(both, Secret::SHORTEST, true);
        known.generations.push_back(needles);
    }

    /// Bytes of the longest one.
    pub(super) fn longest(&self) -> usize {
        self.read(|known| known.generations.iter().map(Needles::longest).max().unwrap_or(0))
    }

    /// Adds where they stand. Returns false if the text cannot be searched.
    pub(super) fn find(&self, text: &str, found: &mut Vec<Range>) -> bool {
        self.read(|known| {
            known.generations.iter().all(|needles| {
                let mut own = Vec::new();
                let searched = needles.find(text, &mut own);
                found.append(&mut own);
                searched
            })
        })
    }

    fn read<T>(&self, with: impl FnOnce(&Known) -> T) -> T {
        with(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether it is written in hexadecimal digits, which many interfaces want in upper case.
fn is_hex(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_known(derived: &Derived, value: &str) -> bool {
        let mut found = Vec::new();
        assert!(derived.find(&format!("<{value}>"), &mut found));
        found.contains(&(1, 1 + value.len()))
    }

    #[test]
    fn the_newest_are_known_however_many_there_were() {
        let derived = Derived::default();
        let value = |number: usize| format!("signature-{number:04}");
        for number in 0..1_000 {
            derived.learn(&value(number));
            derived.learn(&value(number));
            assert!(is_known(&derived, &value(number)), "{number}");
        }
        let known = (0..1_000).filter(|number| is_known(&derived, &value(*number))).count();
        assert!((TOGETHER * (GENERATIONS - 1)..=TOGETHER * GENERATIONS).contains(&known), "{known}");
        assert!(is_known(&derived, &value(600)) && !is_known(&derived, &value(3)));
        assert_eq!(derived.longest(), 14);
    }

    #[test]
    fn what_is_hexadecimal_is_known_in_upper_case_as_well() {
        let derived = Derived::default();
        derived.learn("00ff9a8b7c6d5e4f");
        derived.learn("a-signature");
        assert!(is_known(&derived, "00ff9a8b7c6d5e4f") && is_known(&derived, "00FF9A8B7C6D5E4F"));
        assert!(is_known(&derived, "a-signature") && !is_known(&derived, "A-SIGNATURE"));
    }
}
