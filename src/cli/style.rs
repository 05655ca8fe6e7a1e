//! How text looks on a terminal: colour and widths. What keeps foreign text from steering it is `visible`, under the name of [`printable`].
//!
//! Everything here is pure. Whether there is colour at all is decided once, in [`colour`].

use std::borrow::Cow;
use std::ffi::OsStr;
use std::time::Duration;

use crate::outcome::Verdict;
pub(crate) use crate::outcome::visible as printable;

use super::args::ColorChoice;

/// Whether to colour, given what the user said, whether the stream is a terminal, and the environment's `NO_COLOR`
/// (<https://no-color.org>: set and not empty) and `TERM`.
pub(crate) fn colour(choice: ColorChoice, terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && no_color.is_none_or(OsStr::is_empty) && term != Some(OsStr::new("dumb")),
    }
}

/// Paints text, or leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether escape sequences are written.
    pub(crate) colour: bool,
}

impl Style {
    /// No escape sequences.
    pub(crate) const PLAIN: Self = Self { colour: false };

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Good news.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Bad news.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// Neither: the prober's own trouble.
    pub(crate) fn odd(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// What the eye may skip.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Headings.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Paints a text as its verdict deserves.
    pub(crate) fn verdict(self, verdict: Verdict, text: &str) -> String {
        match verdict {
            Verdict::Passed => self.good(text),
            Verdict::Failed => self.bad(text),
            Verdict::Errored | Verdict::Missed | Verdict::Blocked => self.odd(text),
            Verdict::Skipped => self.dim(text),
        }
    }
}

/// The mark of a verdict, one column wide and readable without colour.
pub(crate) fn mark(verdict: Verdict) -> char {
    match verdict {
        Verdict::Passed => '✓',
        Verdict::Failed => '✗',
        Verdict::Errored => '!',
        Verdict::Missed => '?',
        Verdict::Blocked => '■',
        Verdict::Skipped => '–',
    }
}

/// A duration for people, with three significant digits.
pub(crate) fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s < 0.001 => format!("{} µs", duration.as_micros()),
        s if s < 0.01 => format!("{:.1} ms", s * 1e3),
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 59.95 => format!("{s:.1} s"),
        s => {
            let whole = Duration::from_secs_f64(s.round()).as_secs();
            format!("{} min {:02} s", whole / 60, whole % 60)
        }
    }
}

/// A text cut to `width` characters, the cut marked.
pub(crate) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.chars().count() <= width {
        return Cow::Borrowed(text);
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    Cow::Owned(short)
}

/// Columns that are written where lines are broken: what a terminal has at least.
const COLUMNS: usize = 80;

/// A text broken between words so that no line is longer than 80 columns, but for words that are; the lines after the first
/// begin with `indent` blanks. Blanks within a line stay as they are.
pub(crate) fn wrap(text: &str, indent: usize) -> String {
    wrap_at(COLUMNS, text, indent)
}

/// The same at another width.
pub(crate) fn wrap_at(columns: usize, text: &str, indent: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let line = lines.last_mut().expect("there is always one");
        let width = line.chars().count() + word.trim_end().chars().count();
        if width > columns && !line.trim().is_empty() {
            line.truncate(line.trim_end().len());
            lines.push(format!("{:indent$}{word}", ""));
        } else {
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_only_for_terminals_unless_the_user_says_otherwise() {
        let some = |text: &'static str| Some(OsStr::new(text));
        assert!(colour(ColorChoice::Auto, true, None, some("xterm")));
        assert!(colour(ColorChoice::Auto, true, some(""), some("xterm")));
        assert!(!colour(ColorChoice::Auto, true, some("1"), some("xterm")));
        assert!(!colour(ColorChoice::Auto, true, None, some("dumb")));
        assert!(!colour(ColorChoice::Auto, false, None, None));
        assert!(colour(ColorChoice::Always, false, some("1"), None));
        assert!(!colour(ColorChoice::Never, true, None, None));
    }

    #[test]
    fn durations_have_three_digits_and_the_right_unit() {
        let shown = |micros| human_duration(Duration::from_micros(micros));
        assert_eq!(shown(870), "870 µs");
        assert_eq!(shown(4_230), "4.2 ms");
        assert_eq!(shown(123_400), "123 ms");
        assert_eq!(shown(999_900), "1.00 s");
        assert_eq!(shown(2_314_000), "2.31 s");
        assert_eq!(shown(12_345_000), "12.3 s");
        assert_eq!(shown(59_990_000), "1 min 00 s");
        assert_eq!(shown(123_000_000), "2 min 03 s");
    }

    #[test]
    fn a_long_text_is_broken_between_words_and_a_long_word_stays_whole() {
        let long = "word ".repeat(40);
        let wrapped = wrap(long.trim_end(), 4);
        assert!(wrapped.lines().all(|line| line.chars().count() <= 80 && !line.ends_with(' ')), "{wrapped}");
        assert!(wrapped.lines().skip(1).all(|line| line.starts_with("    word")), "{wrapped}");
        assert_eq!(wrapped.split_whitespace().count(), 40);
        assert_eq!(wrap("  two  blanks", 4), "  two  blanks");
        let url = "x".repeat(100);
        assert_eq!(wrap(&format!("see {url} there"), 2), format!("see\n  {url}\n  there"));
    }

    #[test]
    fn a_cut_is_marked() {
        assert_eq!(cut("grün", 4), "grün");
        assert_eq!(cut("grüne", 4), "grü…");
    }
}
