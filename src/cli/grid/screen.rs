//! Redrawing a text in place on a terminal.

use std::fmt::Write as _;

/// Remembers how much was drawn, so that the next drawing covers it.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    drawn: usize,
}

impl Screen {
    /// What to write so that `text` stands where the last one stood. On a terminal of `rows` rows only so many lines are
    /// drawn, since what has scrolled away cannot be covered.
    pub(crate) fn redraw(&mut self, text: &str, rows: Option<usize>) -> String {
        let most = rows.map_or(usize::MAX, |rows| rows.saturating_sub(1).max(1));
        let total = text.lines().count();
        let kept = if total > most { most - 1 } else { total };
        // The cursor is moved up and each line overwritten, rather than cleared first, so that nothing flickers.
        let mut out = if self.drawn > 0 { format!("\x1b[{}A\r", self.drawn) } else { String::new() };
        for line in text.lines().take(kept) {
            let _ = write!(out, "{line}\x1b[K\r\n");
        }
        if total > kept {
            let _ = write!(out, "… {} more lines\x1b[K\r\n", total - kept);
        }
        out.push_str("\x1b[J");
        self.drawn = kept + usize::from(total > kept);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_drawing_covers_the_first() {
        let mut screen = Screen::default();
        assert_eq!(screen.redraw("a\nb\n", None), "a\x1b[K\r\nb\x1b[K\r\n\x1b[J");
        assert_eq!(screen.redraw("c\n", None), "\x1b[2A\rc\x1b[K\r\n\x1b[J");
        assert_eq!(screen.redraw("d\n", None), "\x1b[1A\rd\x1b[K\r\n\x1b[J");
    }

    #[test]
    fn what_does_not_fit_is_counted_and_not_drawn() {
        let mut screen = Screen::default();
        let drawn = screen.redraw("1\n2\n3\n4\n5\n", Some(4));
        assert_eq!(drawn, "1\x1b[K\r\n2\x1b[K\r\n… 3 more lines\x1b[K\r\n\x1b[J");
        assert!(screen.redraw("x\n", Some(4)).starts_with("\x1b[3A"));
    }
}
