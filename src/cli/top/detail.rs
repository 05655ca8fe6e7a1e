//! What is looked at in full: a probe, an incident or a run, as text that scrolls.
//!
//! Lines that lead to something else can be chosen. The texts of incidents and runs are those of `serinus incidents` and
//! `serinus runs`.

use serde_json::Value;

use crate::cli::client::{Client, list, word};
use crate::cli::exit::Failure;
use crate::cli::style::{Style, wrap_at};
use crate::cli::{incidents, runs};

use super::state::TopState;

/// Runs of a probe that are listed.
const RUNS: usize = 50;

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DetailOf {
    /// An incident, by its id.
    Incident(String),
    /// A probe, or one of its canaries.
    Probe { probe: String, canary: Option<String> },
    /// A run, by its id.
    Run(String),
}

impl DetailOf {
    /// What stands above it.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Incident(id) => format!("incident {id}"),
            Self::Probe { canary: Some(canary), .. } => canary.clone(),
            Self::Probe { probe, .. } => probe.clone(),
            Self::Run(id) => format!("run {id}"),
        }
    }

    /// The open incident about it.
    pub(super) fn incident(&self, state: &TopState) -> Option<String> {
        match self {
            Self::Incident(id) => Some(id.clone()),
            Self::Probe { probe, .. } => state.probes.iter().find(|known| known.name == *probe)?.incident.clone(),
            Self::Run(_) => None,
        }
    }

    /// Whether it changes while it is looked at.
    pub(super) fn changes(&self) -> bool {
        match self {
            Self::Incident(_) | Self::Probe { .. } => true,
            Self::Run(_) => false,
        }
    }
}

/// A line of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DetailLine {
    pub(super) text: String,
    /// What it leads to.
    pub(super) to: Option<DetailOf>,
}

/// A text that is looked at.
#[derive(Debug, Clone)]
pub(super) struct Detail {
    pub(super) of: DetailOf,
    pub(super) lines: Vec<DetailLine>,
    /// The first line on the screen.
    pub(super) scroll: usize,
    /// The line that is chosen; none where none leads anywhere.
    pub(super) chosen: Option<usize>,
}

impl Detail {
    /// A text from its begin.
    pub(super) fn new(of: DetailOf, lines: Vec<DetailLine>) -> Self {
        let chosen = lines.iter().position(|line| line.to.is_some());
        Self { of, lines, scroll: 0, chosen }
    }

    /// The same with what it says now.
    pub(super) fn renew(&mut self, lines: Vec<DetailLine>) {
        let to = self.chosen();
        self.lines = lines;
        let same = to.and_then(|to| self.lines.iter().position(|line| line.to.as_ref() == Some(&to)));
        self.chosen = same.or_else(|| self.lines.iter().position(|line| line.to.is_some()));
        self.scroll = self.scroll.min(self.lines.len().saturating_sub(1));
    }

    /// Where the chosen line leads.
    pub(super) fn chosen(&self) -> Option<DetailOf> {
        self.lines.get(self.chosen?)?.to.clone()
    }

    /// The choice before, or a line up.
    pub(super) fn up(&mut self) {
        let before = self.chosen.and_then(|chosen| self.lines[..chosen].iter().rposition(|line| line.to.is_some()));
        match before {
            Some(before) => {
                self.chosen = Some(before);
                self.scroll = self.scroll.min(before);
            }
            None => self.scroll = self.scroll.saturating_sub(1),
        }
    }

    /// The next choice, or a line down, on a screen of so many rows.
    pub(super) fn down(&mut self, rows: usize) {
        let after = self.chosen.map(|chosen| chosen + 1);
        let next = after.and_then(|after| Some(after + self.lines[after..].iter().position(|line| line.to.is_some())?));
        match next {
            Some(next) => {
                self.chosen = Some(next);
                self.scroll = self.scroll.max((next + 1).saturating_sub(rows));
            }
            None => self.scroll_by(1, rows),
        }
    }

    /// So many lines down, as far as there are more than fit.
    pub(super) fn scroll_by(&mut self, lines: usize, rows: usize) {
        self.scroll = self.scroll.saturating_add(lines).min(self.lines.len().saturating_sub(rows));
    }
}

/// A text as lines that fit; what goes on below a line is indented by two more.
fn plain(text: &str, width: usize) -> Vec<DetailLine> {
    let mut lines = Vec::new();
    for line in text.replace('\t', "    ").lines() {
        let indent = line.len() - line.trim_start().len() + 2;
        lines.extend(wrap_at(width, line, indent).lines().map(|line| DetailLine { text: line.to_owned(), to: None }));
    }
    lines
}

/// Asks the service for a detail, for a screen of so many columns.
pub(super) async fn look(client: &Client, of: &DetailOf, width: usize) -> Result<Vec<DetailLine>, Failure> {
    match of {
        DetailOf::Incident(id) => Ok(incident(&client.get(&["incidents", id], &[]).await?, width)),
        DetailOf::Run(id) => {
            let run = client.get(&["runs", id], &[]).await?;
            Ok(plain(&runs::in_full(&run, Style::PLAIN, width), width))
        }
        DetailOf::Probe { probe, canary } => {
            let known = client.get(&["probes", probe], &[]).await?;
            let of = match canary {
                Some(canary) => ("canary", canary.clone()),
                None => ("probe", probe.clone()),
            };
            let page = client.get(&["runs"], &[of, ("limit", RUNS.to_string())]).await?;
            Ok(about_probe(&known, &page))
        }
    }
}

/// An incident's text, whose failed runs can be chosen.
pub(super) fn incident(answer: &Value, width: usize) -> Vec<DetailLine> {
    let mut lines = plain(&incidents::full(answer, Style::PLAIN), width);
    for line in &mut lines {
        // The text names runs in lines of their own.
        let id = line.text.trim_start().strip_prefix("run ").and_then(|rest| rest.split_whitespace().next());
        line.to = id.filter(|id| ulid::Ulid::from_string(id).is_ok()).map(|id| DetailOf::Run(id.to_owned()));
    }
    lines
}

/// A probe's facts, with its newest runs.
pub(super) fn about_probe(known: &Value, page: &Value) -> Vec<DetailLine> {
    let mut lines = Vec::new();
    let mut say = |text: String| lines.push(DetailLine { text, to: None });
    let summary = word(known, "summary");
    if !summary.is_empty() {
        say(summary);
    }
    let owner = word(&known["status"], "owner");
    if !owner.is_empty() {
        say(format!("owner {owner}"));
    }
    let next = &list(known, "next_ticks").first().cloned().unwrap_or_default();
    if next["at_ms"].is_number() {
        say(format!("next tick {}", crate::cli::client::moment(&next["at_ms"])));
    }
    say(String::new());
    say("newest runs".to_owned());
    for run in list(page, "items") {
        let to = Some(DetailOf::Run(word(run, "run_id")));
        lines.push(DetailLine { text: runs::line(run, Style::PLAIN), to });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(to: &[bool]) -> Detail {
        let line =
            |(at, leads): (usize, &bool)| DetailLine { text: at.to_string(), to: leads.then(|| DetailOf::Run(at.to_string())) };
        Detail::new(DetailOf::Incident("01A".to_owned()), to.iter().enumerate().map(line).collect())
    }

    #[test]
    fn keys_go_from_choice_to_choice_and_then_scroll() {
        let mut detail = detail(&[false, true, false, true, false, false, false]);
        assert_eq!(detail.chosen(), Some(DetailOf::Run("1".to_owned())));
        detail.down(3);
        assert_eq!((detail.chosen(), detail.scroll), (Some(DetailOf::Run("3".to_owned())), 1));
        (0..9).for_each(|_| detail.down(3));
        assert_eq!((detail.chosen, detail.scroll), (Some(3), 4));
        detail.up();
        assert_eq!((detail.chosen, detail.scroll), (Some(1), 1));
        detail.up();
        assert_eq!((detail.chosen, detail.scroll), (Some(1), 0));
    }

    #[test]
    fn what_is_renewed_keeps_its_choice() {
        let mut detail = detail(&[true, true]);
        detail.down(9);
        let mut lines = detail.lines.clone();
        lines.insert(0, DetailLine { text: "new".to_owned(), to: Some(DetailOf::Run("new".to_owned())) });
        detail.renew(lines);
        assert_eq!(detail.chosen(), Some(DetailOf::Run("1".to_owned())));
        detail.renew(Vec::new());
        assert_eq!((detail.chosen(), detail.scroll), (None, 0));
    }
}
