//! Shapes and colours: every state has a shape of its own, so that colour only helps.
//!
//! The colours are the sixteen that a terminal's owner has chosen, and marks of runs are those of `demo`.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

use crate::alert::status::Health;
use crate::cli::style::mark;
use crate::outcome::Verdict;

/// Letters of a strip, the worst first.
const WORST_FIRST: &str = "femdbps";

/// Paints, or leaves colours out.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli::top) struct Palette {
    pub(in crate::cli::top) colour: bool,
}

impl Palette {
    fn colour(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// Bad news.
    pub(super) fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Good news.
    pub(super) fn good(self) -> Style {
        self.colour(Color::Green)
    }

    /// The prober's own trouble, and what is not settled.
    pub(super) fn odd(self) -> Style {
        self.colour(Color::Yellow)
    }

    /// What the eye may skip.
    pub(super) fn dim() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Headings.
    pub(super) fn bold() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is selected.
    pub(super) fn selected() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// As a health deserves.
    pub(super) fn health(self, health: Health) -> Style {
        match health {
            Health::Failing => self.bad(),
            Health::NoData | Health::Suspect => self.odd(),
            Health::Muted | Health::Unknown => Self::dim(),
            Health::Passing => self.good(),
        }
    }

    /// As a severity deserves.
    pub(super) fn severity(self, severity: &str) -> Style {
        match severity {
            "critical" | "page" => self.bad(),
            _ => self.odd(),
        }
    }

    fn run(self, verdict: Option<Verdict>) -> Style {
        match verdict {
            Some(Verdict::Passed) => self.good().add_modifier(Modifier::DIM),
            Some(Verdict::Failed) => self.bad(),
            Some(Verdict::Skipped) => Self::dim(),
            Some(Verdict::Errored | Verdict::Missed | Verdict::Blocked) | None => self.odd(),
        }
    }

    /// A strip of so many columns: of the runs that share one, the worst.
    pub(super) fn strip(self, letters: &str, columns: usize) -> Vec<Span<'static>> {
        let letters: Vec<char> = letters.chars().collect();
        let each = letters.len().div_ceil(columns.max(1)).max(1);
        let mut spans: Vec<Span<'static>> = Vec::new();
        let missing = columns.saturating_sub(letters.len().div_ceil(each));
        spans.push(Span::raw(" ".repeat(missing)));
        for piece in letters.chunks(each) {
            let worst = WORST_FIRST.chars().find(|letter| piece.contains(letter));
            let (shape, style) = match worst {
                None => (' ', Style::new()),
                Some('d') => ('~', self.odd()),
                Some(letter) => {
                    let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.as_str().starts_with(letter));
                    (verdict.map_or('?', mark), self.run(verdict))
                }
            };
            match spans.last_mut() {
                Some(last) if last.style == style => last.content.to_mut().push(shape),
                _ => spans.push(Span::styled(shape.to_string(), style)),
            }
        }
        spans
    }
}

/// The shape of a health, one column wide.
pub(super) fn shape(health: Health) -> &'static str {
    match health {
        Health::Failing => "✗",
        Health::NoData => "!",
        Health::Suspect => "~",
        Health::Muted => "–",
        Health::Unknown => "·",
        Health::Passing => "✓",
    }
}

/// The word for canaries of a health.
pub(super) fn word(health: Health) -> &'static str {
    match health {
        Health::Failing => "failing",
        Health::NoData => "without data",
        Health::Suspect => "failed lately",
        Health::Muted => "muted",
        Health::Unknown => "no run yet",
        Health::Passing => "passed",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn text(spans: &[Span<'_>]) -> String {
        spans.iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn of_runs_that_share_a_column_the_worst_is_drawn() {
        let palette = Palette { colour: false };
        assert_eq!(text(&palette.strip("pp.fdp..esbm", 12)), "✓✓ ✗~✓  !–■?");
        assert_eq!(text(&palette.strip("pp.fdp..esbm", 6)), "✓✗~ !?");
        assert_eq!(text(&palette.strip("pf", 4)), "  ✓✗");
        assert_eq!(text(&palette.strip("", 3)), "   ");
    }

    #[test]
    fn each_health_has_a_shape_of_its_own() {
        let shapes: BTreeSet<&str> = Health::ALL.into_iter().map(shape).collect();
        assert_eq!(shapes.len(), Health::ALL.len());
    }
}
