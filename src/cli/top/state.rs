//! What the screen shows and what a key does: pure, so that both can be tested without a terminal.
//!
//! [`TopState::heard`] takes what the stream tells, [`TopState::key`] takes what is typed and returns what is to be asked of the service
//! ([`Wish`]), and [`TopState::answered`] takes what came of it. The selection names what is selected, and not its place, so that it
//! stays where rows change places.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::data::{Head, Incident, Probe};
use super::detail::{Detail, DetailOf};
use super::entry::{Entry, entries};
use super::feed::Heard;

/// How long nothing may be heard before what is shown counts as old.
pub(super) const STALE: Duration = Duration::from_secs(10);
/// How long what was said is shown.
const SAID_FOR: Duration = Duration::from_secs(12);
/// Characters of a filter.
const FILTER: usize = 200;

/// What is to be asked of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Another stream: the filter, or what is opened, is another one.
    Follow,
    /// A detail.
    Look(DetailOf),
    /// That somebody is at this incident.
    Acknowledge(String),
    /// A run of each failing canary of this incident.
    Verify(String),
    /// To end.
    Quit,
}

/// What is typed at the bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Prompt {
    /// A filter.
    Filter(String),
    /// Whether to acknowledge this incident: id and title.
    Acknowledge(String, String),
}

/// Something that was said.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) is_bad: bool,
    pub(super) at: Instant,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct TopState {
    /// The service's address.
    pub(super) service: String,
    pub(super) head: Option<Head>,
    pub(super) incidents: Vec<Incident>,
    pub(super) probes: Vec<Probe>,
    /// When something was heard last.
    pub(super) heard_at: Option<Instant>,
    /// Why nothing is heard.
    pub(super) lost: Option<String>,
    pub(super) filter: String,
    /// Whether nothing was heard yet with this filter.
    pub(super) is_filtering: bool,
    /// Probes of which every canary is shown.
    pub(super) opened: BTreeSet<String>,
    /// What is selected, by its key.
    pub(super) selected: Option<String>,
    /// Its place when it was last seen.
    pub(super) place: usize,
    /// Rows that the list has on the screen.
    pub(super) rows: usize,
    pub(super) prompt: Option<Prompt>,
    /// What is looked at, the last one in front.
    pub(super) details: Vec<Detail>,
    pub(super) is_help: bool,
    pub(super) said: Option<Said>,
}

impl TopState {
    /// Something came from the stream.
    pub(super) fn heard(&mut self, event: Heard, now: Instant) {
        if let Heard::Lost(why) = event {
            self.lost = Some(why);
            return;
        }
        (self.heard_at, self.lost) = (Some(now), None);
        match event {
            Heard::Head(head) => self.head = Some(head),
            Heard::Incidents(incidents) => self.incidents = incidents,
            Heard::Probes(probes) => (self.probes, self.is_filtering) = (probes, false),
            Heard::Beat | Heard::Lost(_) => {}
        }
        self.keep_selection();
    }

    /// How long nothing was heard, where that is too long.
    pub(super) fn stale_for(&self, now: Instant) -> Option<Duration> {
        let silent = now.saturating_duration_since(self.heard_at?);
        (silent >= STALE).then_some(silent)
    }

    /// Why there is nothing to show yet, or nothing new any more.
    pub(super) fn trouble(&self, now: Instant) -> Option<&String> {
        let is_old = self.head.is_none() || self.is_filtering || self.stale_for(now).is_some();
        self.lost.as_ref().filter(|_| is_old)
    }

    /// What of the stream is wanted.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let folded =
            |name: &&String| self.probes.iter().all(|probe| probe.name != **name || probe.is_folded || probe.rows.len() > 1);
        let opened: Vec<&str> = self.opened.iter().filter(folded).map(String::as_str).collect();
        let all = [("q", self.filter.clone()), ("open", opened.join(" "))];
        all.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect()
    }

    /// The rows of the list.
    pub(super) fn entries(&self) -> Vec<Entry<'_>> {
        entries(self)
    }

    /// The place of what is selected.
    pub(super) fn selection(&self, entries: &[Entry<'_>]) -> usize {
        let found = self.selected.as_ref().and_then(|key| entries.iter().position(|entry| entry.key() == *key));
        found.unwrap_or(self.place).min(entries.len().saturating_sub(1))
    }

    fn keep_selection(&mut self) {
        let entries = self.entries();
        let place = self.selection(&entries);
        // Until somebody moves, the worst is selected.
        let selected = self.selected.is_some().then(|| entries.get(place).map(Entry::key)).flatten();
        (self.place, self.selected) = (if selected.is_some() { place } else { 0 }, selected);
    }

    /// Says something at the bottom.
    pub(super) fn say(&mut self, text: impl Into<String>, is_bad: bool, now: Instant) {
        self.said = Some(Said { text: text.into(), is_bad, at: now });
    }

    /// What is said now.
    pub(super) fn saying(&self, now: Instant) -> Option<&Said> {
        self.said.as_ref().filter(|said| now.saturating_duration_since(said.at) < SAID_FOR)
    }

    /// Text was pasted.
    pub(super) fn paste(&mut self, text: &str) {
        if let Some(Prompt::Filter(typed)) = &mut self.prompt {
            text.chars().filter(|letter| !letter.is_control()).for_each(|letter| push(typed, letter));
        }
    }

    /// A key was typed.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Wish> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Some(Wish::Quit);
        }
        self.said = None;
        if self.prompt.is_some() {
            return self.key_of_prompt(key);
        }
        if self.is_help {
            self.is_help = false;
            return None;
        }
        match key.code {
            KeyCode::Char('?') => self.is_help = true,
            KeyCode::Char('a') => self.ask_to_acknowledge(),
            KeyCode::Char('v') => return self.incident().map(Wish::Verify),
            _ if self.details.is_empty() => return self.key_of_list(key),
            _ => return self.key_of_detail(key),
        }
        None
    }

    fn key_of_prompt(&mut self, key: KeyEvent) -> Option<Wish> {
        match (self.prompt.take()?, key.code) {
            (Prompt::Filter(typed), KeyCode::Enter) => {
                return Some(self.filter_by(typed.trim().to_owned()));
            }
            (Prompt::Filter(_), KeyCode::Esc) => {}
            (Prompt::Filter(mut typed), code) => {
                match code {
                    KeyCode::Backspace => drop(typed.pop()),
                    KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => typed.clear(),
                    KeyCode::Char(letter) => push(&mut typed, letter),
                    _ => {}
                }
                self.prompt = Some(Prompt::Filter(typed));
            }
            (Prompt::Acknowledge(id, _), KeyCode::Char('y' | 'Y')) => return Some(Wish::Acknowledge(id)),
            (Prompt::Acknowledge(..), _) => {}
        }
        None
    }

    /// Asks for other rows. Those that are there are not what was asked for, and none is better than a wrong one.
    fn filter_by(&mut self, filter: String) -> Wish {
        self.filter = filter;
        self.probes.clear();
        (self.selected, self.place, self.is_filtering) = (None, 0, true);
        Wish::Follow
    }

    fn key_of_list(&mut self, key: KeyEvent) -> Option<Wish> {
        let page = self.rows.max(2) - 1;
        match key.code {
            KeyCode::Char('q') => return Some(Wish::Quit),
            KeyCode::Esc if !self.filter.is_empty() => return Some(self.filter_by(String::new())),
            KeyCode::Char('/') => self.prompt = Some(Prompt::Filter(self.filter.clone())),
            KeyCode::Up | KeyCode::Char('k') => self.step(|place, _| place.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.step(|place, last| (place + 1).min(last)),
            KeyCode::PageUp => self.step(|place, _| place.saturating_sub(page)),
            KeyCode::PageDown => self.step(|place, last| (place + page).min(last)),
            KeyCode::Home | KeyCode::Char('g') => self.step(|_, _| 0),
            KeyCode::End | KeyCode::Char('G') => self.step(|_, last| last),
            KeyCode::Char(' ') => return self.open_or_close(),
            KeyCode::Enter => return self.selected_detail().map(Wish::Look),
            KeyCode::Char('i') => return self.incident().map(|id| Wish::Look(DetailOf::Incident(id))),
            _ => {}
        }
        None
    }

    fn key_of_detail(&mut self, key: KeyEvent) -> Option<Wish> {
        let page = self.rows.max(2) - 1;
        let detail = self.details.last_mut()?;
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => drop(self.details.pop()),
            KeyCode::Up | KeyCode::Char('k') => detail.up(),
            KeyCode::Down | KeyCode::Char('j') => detail.down(self.rows),
            KeyCode::PageUp => detail.scroll = detail.scroll.saturating_sub(page),
            KeyCode::PageDown | KeyCode::Char(' ') => detail.scroll_by(page, self.rows),
            KeyCode::Home | KeyCode::Char('g') => detail.scroll = 0,
            KeyCode::End | KeyCode::Char('G') => detail.scroll_by(usize::MAX, self.rows),
            KeyCode::Enter => return detail.chosen().map(Wish::Look),
            _ => {}
        }
        None
    }

    fn step(&mut self, to: impl Fn(usize, usize) -> usize) {
        let entries = self.entries();
        let place = to(self.selection(&entries), entries.len().saturating_sub(1));
        let selected = entries.get(place).map(Entry::key);
        (self.place, self.selected) = (place, selected);
    }

    fn open_or_close(&mut self) -> Option<Wish> {
        let entries = self.entries();
        let probe = entries.get(self.selection(&entries))?.probe()?;
        let (name, is_folded) = (probe.name.clone(), probe.is_folded);
        if self.opened.remove(&name) {
            self.selected = Some(Entry::key_of_probe(&name));
            return Some(Wish::Follow);
        }
        self.opened.insert(name);
        is_folded.then_some(Wish::Follow)
    }

    fn selected_detail(&self) -> Option<DetailOf> {
        let entries = self.entries();
        match entries.get(self.selection(&entries))? {
            Entry::Incident(incident) => Some(DetailOf::Incident(incident.id.clone())),
            Entry::MoreIncidents(_) => None,
            Entry::Probe(probe) => Some(DetailOf::Probe { probe: probe.name.clone(), canary: None }),
            Entry::Row(probe, row) => Some(DetailOf::Probe { probe: probe.name.clone(), canary: row.canary.clone() }),
        }
    }

    /// The incident that is selected or looked at, or the one of what is.
    fn incident(&mut self) -> Option<String> {
        let found = if let Some(detail) = self.details.last() {
            detail.of.incident(self)
        } else {
            let entries = self.entries();
            entries.get(self.selection(&entries)).and_then(Entry::incident)
        };
        if found.is_none() {
            self.say("there is no open incident about this", false, Instant::now());
        }
        found
    }

    fn ask_to_acknowledge(&mut self) {
        let Some(id) = self.incident() else { return };
        let title =
            self.incidents.iter().find(|incident| incident.id == id).map_or_else(|| id.clone(), |found| found.title.clone());
        self.prompt = Some(Prompt::Acknowledge(id, title));
    }
}

fn push(typed: &mut String, letter: char) {
    if typed.chars().count() < FILTER {
        typed.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn typed(state: &mut TopState, code: KeyCode) -> Option<Wish> {
        state.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn text(state: &mut TopState, text: &str) {
        text.chars().for_each(|letter| drop(typed(state, KeyCode::Char(letter))));
    }

    fn probe(name: &str, health: &str, rows: &[&str]) -> serde_json::Value {
        let rows: Vec<_> =
            rows.iter().map(|row| json!({ "name": row, "canary": format!("{name}/{row}"), "health": health })).collect();
        json!({ "probe": name, "health": health, "incident": (health == "failing").then_some("01A"), "rows": rows })
    }

    fn state() -> TopState {
        let (mut state, now) = (TopState { rows: 10, ..TopState::default() }, Instant::now());
        let incidents = json!([{ "id": "01A", "title": "a fails in eu", "severity": "page", "unanswered": 1 }]);
        state.heard(Heard::Incidents(serde_json::from_value(incidents).unwrap()), now);
        let probes = json!([probe("a", "failing", &["eu", "us"]), probe("b", "passing", &["eu", "us"])]);
        state.heard(Heard::Probes(serde_json::from_value(probes).unwrap()), now);
        state
    }

    fn keys(state: &TopState) -> Vec<String> {
        state.entries().iter().map(Entry::key).collect()
    }

    #[test]
    fn canaries_that_are_well_are_shown_where_their_probe_is_opened() {
        let mut state = state();
        assert_eq!(keys(&state), ["incident 01A", "probe a", "row a a/eu", "row a a/us", "probe b"]);
        assert_eq!(typed(&mut state, KeyCode::End), None);
        assert_eq!(typed(&mut state, KeyCode::Char(' ')), None);
        assert_eq!(keys(&state)[4..], ["probe b", "row b b/eu", "row b b/us"]);
    }

    #[test]
    fn what_is_selected_stays_so_when_it_changes_its_place_and_when_it_goes_its_place_is_selected() {
        let mut state = state();
        (0..4).for_each(|_| drop(typed(&mut state, KeyCode::Down)));
        let now = Instant::now();
        state.heard(Heard::Incidents(Vec::new()), now);
        assert_eq!(state.selected.as_deref(), Some("probe b"));
        assert_eq!(state.selection(&state.entries()), 3);
        state.heard(Heard::Probes(serde_json::from_value(json!([probe("a", "passing", &["eu"])])).unwrap()), now);
        assert_eq!(state.selected.as_deref(), Some("probe a"));
    }

    #[test]
    fn an_incident_is_acknowledged_only_by_who_says_yes() {
        let mut state = state();
        assert_eq!(typed(&mut state, KeyCode::Char('a')), None);
        assert_eq!(state.prompt, Some(Prompt::Acknowledge("01A".to_owned(), "a fails in eu".to_owned())));
        assert_eq!(typed(&mut state, KeyCode::Enter), None);
        assert_eq!(typed(&mut state, KeyCode::Char('a')), None);
        assert_eq!(typed(&mut state, KeyCode::Char('y')), Some(Wish::Acknowledge("01A".to_owned())));
        typed(&mut state, KeyCode::End);
        typed(&mut state, KeyCode::Char('a'));
        assert!(state.prompt.is_none() && state.saying(Instant::now()).is_some(), "b has no incident");
    }

    #[test]
    fn a_filter_is_typed_and_dropped_and_asks_for_another_stream() {
        let mut state = state();
        text(&mut state, "/eu q");
        assert_eq!(typed(&mut state, KeyCode::Backspace), None);
        assert_eq!(typed(&mut state, KeyCode::Enter), Some(Wish::Follow));
        assert_eq!(state.query(), [("q", "eu".to_owned())]);
        assert_eq!(typed(&mut state, KeyCode::Esc), Some(Wish::Follow));
        assert!(state.query().is_empty());
        text(&mut state, "/x");
        typed(&mut state, KeyCode::Esc);
        assert!(state.filter.is_empty() && state.prompt.is_none());
    }

    #[test]
    fn rows_of_the_filter_before_are_gone_at_once() {
        let mut state = state();
        typed(&mut state, KeyCode::End);
        text(&mut state, "/eu");
        assert_eq!(keys(&state).len(), 5, "while it is typed they stay");
        typed(&mut state, KeyCode::Enter);
        assert_eq!((keys(&state), state.is_filtering), (vec!["incident 01A".to_owned()], true));
        state.heard(Heard::Beat, Instant::now());
        assert!(state.is_filtering, "what is heard must be about the rows");
        state.heard(Heard::Probes(serde_json::from_value(json!([probe("b", "passing", &["eu"])])).unwrap()), Instant::now());
        assert_eq!((keys(&state)[1..].to_vec(), state.is_filtering), (vec!["probe b".to_owned()], false));
        typed(&mut state, KeyCode::Esc);
        assert!(state.probes.is_empty() && state.is_filtering);
    }

    #[test]
    fn incidents_that_are_not_told_are_counted_in_a_row_that_leads_nowhere() {
        let mut state = state();
        let head = json!({ "incidents_left_out": 7 });
        state.heard(Heard::Head(serde_json::from_value(head).unwrap()), Instant::now());
        assert_eq!(keys(&state)[..3], ["incident 01A", "more incidents", "probe a"]);
        typed(&mut state, KeyCode::Down);
        assert_eq!(typed(&mut state, KeyCode::Enter), None);
        assert_eq!(typed(&mut state, KeyCode::Char(' ')), None);
        assert_eq!(typed(&mut state, KeyCode::Char('v')), None);
    }

    #[test]
    fn q_goes_back_before_it_quits_and_enter_opens_what_is_selected() {
        let mut state = state();
        let of = DetailOf::Incident("01A".to_owned());
        assert_eq!(typed(&mut state, KeyCode::Enter), Some(Wish::Look(of.clone())));
        state.details.push(Detail::new(of, Vec::new()));
        assert_eq!(typed(&mut state, KeyCode::Char('v')), Some(Wish::Verify("01A".to_owned())));
        assert_eq!((typed(&mut state, KeyCode::Char('q')), state.details.len()), (None, 0));
        assert_eq!(typed(&mut state, KeyCode::Char('q')), Some(Wish::Quit));
    }
}
