//! The files of the page, made of what it shows: the page itself, its style sheet, a feed and the same as JSON.
//!
//! All addresses in it are relative, so that it is the same below a path, on a listener of its own and in a bucket. It has no script.

#![expect(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "templates hand in references")]

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use askama::Template;
use bytes::Bytes;
use chrono::DateTime;
use ring::digest::{SHA256, digest};

use crate::web::model::words;

use super::days::day_of;
use super::model::{PublicComponent, PublicDay, PublicIncident, PublicPage, PublicState, PublicWindow};

/// Nothing but its own style sheet and the icon that is part of it.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'";
/// Names that a headline tells of each state.
const NAMED: usize = 5;

/// A file of the page.
#[derive(Debug, Clone)]
pub struct PublicFile {
    /// Its name.
    pub name: &'static str,
    /// What it is, as in HTTP.
    pub media_type: &'static str,
    /// What is in it.
    pub body: Bytes,
}

/// The name of the page's own file.
pub(super) const INDEX: &str = "index.html";
/// Names of all files, in the order in which they are made.
pub(super) const NAMES: [&str; 4] = [INDEX, "status.css", "feed.atom", "status.json"];

/// The style sheet: the colours of all pages, and the page's own rules.
static STYLE: LazyLock<String> = LazyLock::new(|| {
    let all = include_str!("../pages/assets/style.css");
    let tokens = all.split_once("* { box-sizing").map_or(all, |(tokens, _)| tokens);
    format!("{tokens}{}", include_str!("templates/status.css"))
});

/// The files of a copy that lies somewhere else; it says of itself that it may be an old one.
///
/// # Errors
/// A defect of a template.
pub fn copy(page: &PublicPage) -> Result<Vec<PublicFile>, askama::Error> {
    made(page, true)
}

/// The files as they are served.
pub(super) fn served(page: &PublicPage) -> Result<Vec<PublicFile>, askama::Error> {
    made(page, false)
}

fn made(page: &PublicPage, is_copy: bool) -> Result<Vec<PublicFile>, askama::Error> {
    let json = serde_json::to_vec_pretty(page).map_err(askama::Error::custom)?;
    let file = |name, media_type, body: Vec<u8>| PublicFile { name, media_type, body: body.into() };
    Ok(vec![
        file(NAMES[0], "text/html; charset=utf-8", Index::new(page, is_copy).render()?.into_bytes()),
        file(NAMES[1], "text/css; charset=utf-8", STYLE.clone().into_bytes()),
        file(NAMES[2], "application/atom+xml; charset=utf-8", Feed::new(page).render()?.into_bytes()),
        file(NAMES[3], "application/json", json),
    ])
}

/// The headers that keep a browser from doing anything else with it.
pub(super) fn header_policy() -> String {
    format!("{POLICY}; frame-ancestors 'none'")
}

fn policy() -> &'static str {
    POLICY
}

#[derive(Template)]
#[template(path = "index.html", config = "src/web/status_page/askama.toml")]
struct Index<'p> {
    page: &'p PublicPage,
    state: PublicState,
    /// Whether the sentence needs no mark.
    state_is_plain: bool,
    headline: String,
    open: Vec<&'p PublicIncident>,
    /// Incidents that are over, by the day on which they began, the newest first.
    past: Vec<(String, Vec<&'p PublicIncident>)>,
    is_copy: bool,
}

impl<'p> Index<'p> {
    fn new(page: &'p PublicPage, is_copy: bool) -> Self {
        let (open, over): (Vec<_>, Vec<_>) = page.incidents.iter().partition(|incident| incident.ended_ms.is_none());
        let mut past: Vec<(String, Vec<&PublicIncident>)> = Vec::new();
        for incident in over {
            let day = date(&incident.begun_ms);
            match past.last_mut() {
                Some((known, incidents)) if *known == day => incidents.push(incident),
                _ => past.push((day, vec![incident])),
            }
        }
        let state = page.state();
        let state_is_plain = state == PublicState::Operational;
        Self { page, state, state_is_plain, headline: headline(page), open, past, is_copy }
    }
}

/// How things are, in a sentence or two.
pub(super) fn headline(page: &PublicPage) -> String {
    let of = |state: PublicState| -> Vec<&str> {
        page.components.iter().filter(|component| component.state == state).map(|component| &*component.name).collect()
    };
    let all = |state: PublicState| of(state).len() == page.components.len();
    match page.state() {
        PublicState::Operational => return "All systems are operational".to_owned(),
        PublicState::Unknown if all(PublicState::Unknown) => return "Nothing is known right now".to_owned(),
        PublicState::Maintenance if all(PublicState::Maintenance) => return "All systems are under maintenance".to_owned(),
        PublicState::Disrupted if all(PublicState::Disrupted) && page.components.len() > 1 => {
            return "All systems are disrupted".to_owned();
        }
        _ => {}
    }
    let not_well = PublicState::WORST_FIRST.into_iter().filter(|state| *state != PublicState::Operational);
    let said = not_well.filter_map(|state| {
        let names = of(state);
        (!names.is_empty()).then(|| format!("{}: {}", state.words(), listed(&names)))
    });
    let said = said.collect::<Vec<_>>().join(". ");
    // All is well as far as it is known, and that is not all there is.
    if said.is_empty() { "Not all is known right now".to_owned() } else { said }
}

fn listed(names: &[&str]) -> String {
    let mut shown: Vec<String> = names.iter().take(NAMED).map(|name| (*name).to_owned()).collect();
    if names.len() > NAMED {
        shown.push(format!("{} more", names.len() - NAMED));
    }
    words::list(&shown)
}

fn names(components: &[String]) -> String {
    listed(&components.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Class, height and meaning of a day's mark.
const MARKS: [(&str, u32, &str); 4] = [("p", 12, "good"), ("d", 20, "degraded"), ("f", 32, "disrupted"), ("n", 2, "no data")];

/// A day's mark: its height tells what its colour tells.
struct Bar {
    x: usize,
    class: &'static str,
    height: u32,
    title: String,
}

fn bars(days: &[PublicDay]) -> Vec<Bar> {
    let bar = |(at, day): (usize, &PublicDay)| {
        let (class, height, word) = match day.state {
            PublicState::Operational => MARKS[0],
            PublicState::Degraded => MARKS[1],
            PublicState::Disrupted => MARKS[2],
            PublicState::Unknown | PublicState::Maintenance => MARKS[3],
        };
        let said = day.share.map_or_else(|| word.to_owned(), |share| format!("{word}, {}", percent(share)));
        Bar { x: at * 8, class, height, title: format!("{}: {said}", date(&day.day_ms)) }
    };
    days.iter().enumerate().map(bar).collect()
}

fn width(days: &[PublicDay]) -> usize {
    (days.len() * 8).saturating_sub(2).max(1)
}

/// The days in words.
fn told(component: &PublicComponent) -> String {
    let count = |state| component.history.iter().filter(|day| day.state == state).count();
    let days = |number| words::count(number, "day", "days");
    let mut text = format!(
        "{}: of {}, {} good",
        component.name,
        days(component.history.len()),
        words::thousands(count(PublicState::Operational))
    );
    for (state, word) in
        [(PublicState::Degraded, "degraded"), (PublicState::Disrupted, "disrupted"), (PublicState::Unknown, "without data")]
    {
        if count(state) > 0 {
            let _ = write!(text, ", {} {word}", words::thousands(count(state)));
        }
    }
    text
}

fn first_day(days: &[PublicDay]) -> String {
    match days.len().saturating_sub(1) {
        0 => String::new(),
        ago => format!("{} ago", words::count(ago, "day", "days")),
    }
}

fn share(share: &Option<f64>) -> String {
    share.map_or_else(|| "no data yet".to_owned(), |share| format!("{} of checks completed", percent(share)))
}

/// `99.93 %`; only what is whole reads so.
fn percent(share: f64) -> String {
    let hundredths = (share.clamp(0.0, 1.0) * 10_000.0 + 1e-6).floor() / 100.0;
    if hundredths.fract() == 0.0 { format!("{hundredths:.0} %") } else { format!("{hundredths:.2} %") }
}

fn format(ms: i64, pattern: &str) -> String {
    DateTime::from_timestamp_millis(ms).map_or_else(|| "unknown".to_owned(), |time| time.format(pattern).to_string())
}

fn date(ms: &i64) -> String {
    format(*ms, "%-d %B %Y")
}

fn iso(ms: &i64) -> String {
    words::iso(*ms)
}

/// A moment with its date. It has nothing in it but digits and the name of a month, so that the template may show it as it is.
fn at(ms: &i64) -> String {
    format!("<time datetime=\"{}\">{} UTC</time>", words::iso(*ms), format(*ms, "%-d %B %Y, %H:%M"))
}

fn clock(ms: i64) -> String {
    format!("<time datetime=\"{}\">{}</time>", words::iso(ms), format(ms, "%H:%M"))
}

/// `03:12 to 03:54 UTC, 42 min`; as [`at`].
fn span(incident: &PublicIncident) -> String {
    let Some(ended_ms) = incident.ended_ms else { return at(&incident.begun_ms) };
    let ended = if date(&ended_ms) == date(&incident.begun_ms) { clock(ended_ms) } else { at(&ended_ms) };
    format!("{} to {} UTC, {}", clock(incident.begun_ms), ended.replace(" UTC", ""), lasting(incident.begun_ms, ended_ms))
}

/// In whole minutes, of which there is at least one.
fn lasting(from_ms: i64, to_ms: i64) -> String {
    let minutes = u64::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(0).div_ceil(60_000).max(1);
    words::lasting(Duration::from_mins(minutes))
}

/// `from … to …`; as [`at`].
fn lasts(window: &PublicWindow) -> String {
    match (window.begins_ms, window.ends_ms) {
        (None, None) => "now".to_owned(),
        (None, Some(ends)) => format!("now, until {}", at(&ends)),
        (Some(begins), None) => format!("from {}", at(&begins)),
        (Some(begins), Some(ends)) if date(&begins) == date(&ends) => {
            format!("{} to {} UTC", at(&begins).replace(" UTC", ""), clock(ends))
        }
        (Some(begins), Some(ends)) => format!("{} to {}", at(&begins).replace(" UTC", ""), at(&ends)),
    }
}

/// An icon for tabs, with a form for each state.
fn icon(state: &PublicState) -> String {
    let (colour, form) = match state {
        PublicState::Operational => ("%238a949e", "%3Cpath d='M3 9h10v3H3z'/%3E"),
        PublicState::Degraded => ("%23e6b450", "%3Cpath d='M6 7h4v6H6z'/%3E"),
        PublicState::Disrupted => ("%23c2182b", "%3Cpath d='M6 3h4v10H6z'/%3E"),
        PublicState::Maintenance | PublicState::Unknown => ("%234a5560", "%3Cpath d='M3 7h4v2H3zM9 7h4v2H9z'/%3E"),
    };
    format!(
        "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='3' fill='{colour}'/%3E\
         %3Cg fill='white'%3E{form}%3C/g%3E%3C/svg%3E"
    )
}

#[derive(Template)]
#[template(path = "feed.xml", config = "src/web/status_page/askama.toml")]
struct Feed<'p> {
    page: &'p PublicPage,
    id: String,
    updated: String,
}

impl<'p> Feed<'p> {
    fn new(page: &'p PublicPage) -> Self {
        let hash = digest(&SHA256, format!("serinus status page {}", page.title).as_bytes());
        let updated = page.incidents.iter().map(changed).max();
        // Without an incident it changes once a day, so that nobody reads it again for nothing.
        let updated = words::iso(updated.unwrap_or_else(|| day_of(page.as_of_ms)));
        Self { page, id: uuid(hash.as_ref()), updated }
    }
}

/// The first bytes of a hash as a UUID of one's own making.
pub(super) fn uuid(hash: &[u8]) -> String {
    let hex = data_encoding::HEXLOWER.encode(&hash[..hash.len().min(16)]);
    format!("{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// When something of it changed last.
fn changed(incident: &PublicIncident) -> i64 {
    let noted = incident.notes.iter().map(|note| note.at_ms);
    noted.chain(incident.ended_ms).fold(incident.begun_ms, i64::max)
}

fn changed_iso(incident: &PublicIncident) -> String {
    words::iso(changed(incident))
}

/// An incident in plain text; of one that goes on it may be known only until some time ago.
fn plain(incident: &PublicIncident, last_known_ms: Option<i64>) -> String {
    let moment = |ms: i64| format(ms, "%-d %B %Y, %H:%M UTC");
    let mut text = if let Some(ended) = incident.ended_ms {
        let lasted = lasting(incident.begun_ms, ended);
        format!("From {} to {}, {lasted}.", moment(incident.begun_ms), moment(ended))
    } else {
        let known = last_known_ms.map_or_else(String::new, |known| format!(" as of {}", moment(known)));
        format!("Since {}, going on{known}.", moment(incident.begun_ms))
    };
    for note in &incident.notes {
        let _ = write!(text, "\n\n{}: {}", moment(note.at_ms), note.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(state: PublicState, is_partial: bool) -> PublicPage {
        let component = PublicComponent { name: "Shop".to_owned(), state, ..PublicComponent::default() };
        PublicPage { components: vec![component], is_partial, ..PublicPage::default() }
    }

    #[test]
    fn a_page_of_which_something_cannot_be_read_does_not_look_well() {
        use PublicState::{Disrupted, Maintenance, Operational, Unknown};
        for (state, is_partial, expected, words) in [
            (Operational, false, Operational, "All systems are operational"),
            (Operational, true, Unknown, "Not all is known right now"),
            (Maintenance, true, Unknown, "Under maintenance: Shop"),
            (Unknown, true, Unknown, "Nothing is known right now"),
            (Disrupted, true, Disrupted, "Disrupted: Shop"),
        ] {
            let page = page(state, is_partial);
            assert_eq!((page.state(), headline(&page).as_str()), (expected, words));
        }
        let html = String::from_utf8(copy(&page(Operational, true)).unwrap()[0].body.to_vec()).unwrap();
        assert!(html.contains("cannot be read right now.") && html.contains("section class=\"now unknown\""), "{html}");
    }
}
