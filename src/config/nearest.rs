//! Sentences that help whoever misspelt a word.

pub(super) use crate::base::{did_you_mean, nearest};

/// A sentence that names the nearest word, or the list of the words there are if none is near.
pub(super) fn suggestion<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    did_you_mean(word, known.iter().copied()).or_else(|| (!known.is_empty()).then(|| format!("known here: {}", list(&known))))
}

/// Words in backticks, separated by commas; long lists are cut.
pub(super) fn list(words: &[&str]) -> String {
    const SHOWN: usize = 24;
    let mut text = words.iter().take(SHOWN).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    if words.len() > SHOWN {
        text.push_str(", …");
    }
    text
}
