//! What is looked at as it is at one moment, and the events that tell it, made once for all who look at it.
//!
//! There are two texts of a state: all of its parts, and those that differ from the state before. Each is made, and compressed,
//! when the first viewer needs it. A compressed text is a piece of a gzip stream that needs nothing of what was sent before it, so
//! that any viewer can be sent any piece after any other.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::sync::Arc;

use axum::body::Bytes;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde_json::json;
use tokio::sync::OnceCell;

/// What every gzip stream begins with (RFC 1952): deflate, no name, no time, no system.
pub(super) const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A part of what is looked at, which is told when it differs.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::web) struct Part {
    id: String,
    text: PartText,
    hash: u64,
    is_new: bool,
}

/// What a part says.
#[derive(Debug, PartialEq, Eq)]
enum PartText {
    /// A piece of a page.
    Html(String),
    /// A value, for programs.
    Json(String),
}

impl Part {
    fn new(id: &str, text: PartText) -> Self {
        let mut hasher = DefaultHasher::new();
        let (PartText::Html(inner) | PartText::Json(inner)) = &text;
        inner.hash(&mut hasher);
        Self { id: id.to_owned(), text, hash: hasher.finish(), is_new: true }
    }

    /// A value, told as an event of this name.
    ///
    /// # Errors
    /// A value that has no JSON spelling.
    pub(in crate::web) fn json(event: &str, value: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self::new(event, PartText::Json(serde_json::to_string(value)?)))
    }

    /// Its event. JSON has no line break of its own.
    fn write(&self, events: &mut String) {
        // Writing to a string cannot fail.
        let _ = match &self.text {
            PartText::Html(html) => write!(events, "event: fragment\ndata: {}\n\n", json!({ "id": self.id, "html": html })),
            PartText::Json(value) => write!(events, "event: {}\ndata: {value}\n\n", self.id),
        };
    }
}

/// What of a state is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// That the page has other parts than it had.
    Reload,
    /// All of it.
    Whole,
    /// What differs from the state before.
    Change,
}

impl Telling {
    const ALL: [Self; 3] = [Self::Reload, Self::Whole, Self::Change];
}

/// A page, or what programs follow, as it is at one moment.
#[derive(Debug, Default)]
pub(super) struct PageState {
    /// Ascends by one from each state to the next. The first one is nothing yet.
    pub(super) number: u64,
    /// Ascends where a state has other parts than the one before, or in another order.
    pub(super) shape: u64,
    parts: Vec<Part>,
    /// The texts of [`Telling::ALL`], plain and then compressed.
    texts: [OnceCell<Bytes>; 6],
}

impl PageState {
    /// The state after this one.
    pub(super) fn next(&self, mut parts: Vec<Part>) -> Self {
        let known: HashMap<&str, u64> = self.parts.iter().map(|part| (part.id.as_str(), part.hash)).collect();
        for part in &mut parts {
            part.is_new = known.get(part.id.as_str()) != Some(&part.hash);
        }
        let is_alike = parts.iter().map(|part| &part.id).eq(self.parts.iter().map(|part| &part.id));
        Self { number: self.number + 1, shape: self.shape + u64::from(!is_alike), parts, texts: Default::default() }
    }

    /// The events that tell it, made by whoever needs them first.
    pub(super) async fn text(self: &Arc<Self>, telling: Telling, as_gzip: bool) -> Bytes {
        let at = Telling::ALL.iter().position(|each| *each == telling).unwrap_or_default();
        let cell = &self.texts[at + if as_gzip { Telling::ALL.len() } else { 0 }];
        let made = cell.get_or_init(|| async {
            let state = Arc::clone(self);
            // It may be megabytes, and others wait for this thread.
            let made = tokio::task::spawn_blocking(move || {
                let events = state.events(telling);
                if as_gzip { piece(events.as_bytes()).unwrap_or_default() } else { events.into() }
            });
            made.await.unwrap_or_default()
        });
        made.await.clone()
    }

    fn events(&self, telling: Telling) -> String {
        let mut events = "event: beat\ndata:\n\n".to_owned();
        let is_told = |part: &&Part| match telling {
            Telling::Reload => false,
            Telling::Whole => true,
            Telling::Change => part.is_new,
        };
        if telling == Telling::Reload {
            events.push_str("event: reload\ndata:\n\n");
        }
        self.parts.iter().filter(is_told).for_each(|part| part.write(&mut events));
        events
    }
}

/// The parts of a page between `<!--live:ID-->` and `<!--/live-->`. What people wrote cannot hold these, since it is escaped.
pub(super) fn fragments(page: &str) -> Vec<Part> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("<!--live:") {
        let Some((id, after)) = after.split_once("-->") else { break };
        let Some((html, after)) = after.split_once("<!--/live-->") else { break };
        found.push(Part::new(id, PartText::Html(html.to_owned())));
        rest = after;
    }
    found
}

/// The text as a piece of a gzip stream after its header: whole blocks up to a byte's end, which refer to nothing before them,
/// since each piece is made by a compressor of its own.
fn piece(text: &[u8]) -> io::Result<Bytes> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(text.len() / 8 + 64), Compression::fast());
    encoder.write_all(text)?;
    encoder.flush()?;
    Ok(std::mem::take(encoder.get_mut()).into())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn page(a: &str, b: &str) -> Vec<Part> {
        fragments(&format!("x<!--live:a-->{a}<!--/live-->y<!--live:b-->{b}<!--/live-->z"))
    }

    #[test]
    fn a_change_tells_the_parts_that_differ_and_the_whole_tells_all() {
        let first = PageState::default().next(page("1", "1"));
        let second = first.next(page("1", "2\n"));
        assert_eq!(first.events(Telling::Change), first.events(Telling::Whole));
        let beat = "event: beat\ndata:\n\n";
        let part = |id: &str, html: &str| format!("event: fragment\ndata: {{\"id\":\"{id}\",\"html\":\"{html}\"}}\n\n");
        assert_eq!(second.events(Telling::Change), format!("{beat}{}", part("b", "2\\n")));
        assert_eq!(second.events(Telling::Whole), format!("{beat}{}{}", part("a", "1"), part("b", "2\\n")));
        assert_eq!(second.next(page("1", "2\n")).events(Telling::Change), beat);
    }

    #[test]
    fn a_value_is_an_event_of_its_own_name_without_a_line_break() {
        let parts = vec![Part::json("head", &json!({ "at": 1, "said": "a\nb" })).unwrap(), Part::json("rows", &[1]).unwrap()];
        let told = PageState::default().next(parts).events(Telling::Whole);
        assert_eq!(told, "event: beat\ndata:\n\nevent: head\ndata: {\"at\":1,\"said\":\"a\\nb\"}\n\nevent: rows\ndata: [1]\n\n");
    }

    #[test]
    fn another_order_of_the_parts_is_another_shape() {
        let first = PageState::default().next(page("1", "1"));
        let moved = first.next(fragments("<!--live:b-->1<!--/live--><!--live:a-->1<!--/live-->"));
        assert_eq!(first.next(page("2", "2")).shape, first.shape);
        assert_ne!(moved.shape, first.shape);
    }

    #[test]
    fn a_part_without_an_end_ends_the_list() {
        assert_eq!(fragments("<!--live:a-->1<!--/live--><!--live:b-->2").len(), 1);
        assert_eq!(fragments("<!--live:a").len(), 0);
    }

    #[tokio::test]
    async fn compressed_texts_are_understood_after_each_other_in_any_order() {
        let first = Arc::new(PageState::default().next(page("one", &"two ".repeat(50_000))));
        let second = Arc::new(first.next(page("three", &"two ".repeat(50_000))));
        let told = [(&second, Telling::Change), (&first, Telling::Whole), (&second, Telling::Reload), (&second, Telling::Change)];
        let (mut sent, mut plain) = (GZIP_HEADER.to_vec(), String::new());
        for (state, telling) in told {
            sent.extend(state.text(telling, true).await);
            plain.push_str(&state.events(telling));
        }
        let mut got = vec![0; plain.len()];
        flate2::read::GzDecoder::new(&*sent).read_exact(&mut got).unwrap();
        assert!(got == plain.as_bytes());
        assert!(sent.len() < 10_000, "{}", sent.len());
    }
}
