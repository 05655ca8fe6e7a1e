//! The known word a misspelt one was likely meant to be.

/// Below this likeness (Jaro and Winkler's, from 0 to 1) a suggestion misleads more often than it helps.
const ALIKE: f64 = 0.8;

/// Bytes of a word that somebody may have misspelt.
const LONGEST: usize = 100;

/// Known words that it is compared with.
const COMPARED: usize = 2_000;

/// The known word that is most like `word`, if any is alike enough. Capitals make no difference.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    nearest_above(ALIKE, word, known)
}

/// The known word that is most like `word`, if one is more alike than this; for a place with few known words, where even a vague
/// likeness helps.
pub fn nearest_above<'k>(least: f64, word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .take(COMPARED)
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|&(likeness, _)| likeness > least)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, candidate)| candidate)
}

/// The sentence that asks whether the nearest known word was meant, if there is one.
pub fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_slip_finds_its_word_and_a_stranger_finds_none() {
        let known = ["timeout", "deadline", "eventually"];
        assert_eq!(nearest("timeuot", known), Some("timeout"));
        assert_eq!(nearest("Dedline", known), Some("deadline"));
        assert_eq!(nearest("xyz", known), None);
        assert_eq!(did_you_mean("timeuot", known).as_deref(), Some("did you mean `timeout`?"));
    }

    #[test]
    fn a_vague_likeness_is_enough_only_where_that_is_asked_for() {
        assert_eq!((nearest("first", ["list"]), nearest_above(0.7, "first", ["list"])), (None, Some("list")));
    }
}
