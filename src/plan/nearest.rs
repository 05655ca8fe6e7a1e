//! The known word a misspelt one was likely meant to be.

/// Below this likeness (Jaro and Winkler's, from 0 to 1) a suggestion misleads more often than it helps.
const ALIKE: f64 = 0.8;

/// Bytes of a word that somebody may have misspelt.
const LONGEST: usize = 100;

/// Known words that it is compared with.
const COMPARED: usize = 2_000;

/// The known word that is most like `word`, if any is alike enough.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .take(COMPARED)
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|&(likeness, _)| likeness > ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, candidate)| candidate)
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
    }
}
