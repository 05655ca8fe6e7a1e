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

/// The known word that is alike enough, if there is exactly one.
pub fn only_near<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = word.to_lowercase();
    only(word, known, |candidate| strsim::jaro_winkler(&lower, &candidate.to_lowercase()) > ALIKE)
}

/// The known word of which `word` is a slip of the hand, if there is exactly one: two letters exchanged, one too many or too few, one
/// inside it mistaken, or only capitals and separators differ. Names that differ in a digit or in their last letter are two names, as
/// `eu-1` and `eu-2` are, and so are short ones.
pub fn slip_of<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    only(word, known, |candidate| is_slip(word, candidate))
}

fn only<'k>(word: &str, known: impl IntoIterator<Item = &'k str>, is_it: impl Fn(&str) -> bool) -> Option<&'k str> {
    if word.len() > LONGEST {
        return None;
    }
    let candidates = known.into_iter().filter(|candidate| candidate.len() <= LONGEST).take(COMPARED);
    let mut near = candidates.filter(|candidate| is_it(candidate));
    let first = near.next()?;
    near.all(|other| other == first).then_some(first)
}

/// Letters of a word of which one letter is a small part.
const SLIPPING: usize = 4;

fn is_slip(word: &str, meant: &str) -> bool {
    let letters = |text: &str| text.to_lowercase().replace('_', "-").chars().collect::<Vec<char>>();
    let digits = |text: &[char]| text.iter().copied().filter(char::is_ascii_digit).collect::<String>();
    let (one, other) = (letters(word), letters(meant));
    if one == other {
        return true;
    }
    let text = |letters: &[char]| letters.iter().collect::<String>();
    if one.len().min(other.len()) < SLIPPING
        || digits(&one) != digits(&other)
        || strsim::osa_distance(&text(&one), &text(&other)) != 1
    {
        return false;
    }
    let different: Vec<usize> = (0..one.len().min(other.len())).filter(|&at| one[at] != other[at]).collect();
    match different[..] {
        // One letter instead of another: as a part of a word it is a slip, by itself it is what tells names apart.
        [at] if one.len() == other.len() => {
            let is_letter = |at: Option<usize>| at.and_then(|at| one.get(at)).is_some_and(|letter| letter.is_alphabetic());
            is_letter(at.checked_sub(1)) && is_letter(Some(at + 1))
        }
        _ => true,
    }
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
    fn a_slip_of_the_hand_is_told_from_another_name() {
        let regions = ["eu-east-1", "eu-east-2", "us-east-1", "checkout", "shop_api"];
        for (word, meant) in
            [("chekout", "checkout"), ("chcekout", "checkout"), ("cheskout", "checkout"), ("Shop-API", "shop_api")]
        {
            assert_eq!(slip_of(word, regions), Some(meant), "{word}");
        }
        for word in ["eu-east-3", "eu-west-1", "us-east-2", "checkous", "eu", "xyz"] {
            assert_eq!(slip_of(word, regions), None, "{word}");
        }
        assert_eq!(slip_of("shop-a", ["shop-b"]), None);
        assert_eq!(slip_of("cart", ["carts", "chart"]), None, "either may be meant");
        assert_eq!(
            (only_near("timeuot", ["timeout", "deadline"]), only_near("time", ["timeout", "timeouts"])),
            (Some("timeout"), None)
        );
    }

    #[test]
    fn a_vague_likeness_is_enough_only_where_that_is_asked_for() {
        assert_eq!((nearest("first", ["list"]), nearest_above(0.7, "first", ["list"])), (None, Some("list")));
    }
}
