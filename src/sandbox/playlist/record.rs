//! A playlist at one version.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::super::reply::Refusal;

/// Most tracks of one playlist.
pub(super) const MOST_TRACKS: usize = 10_000;
const LONGEST_TEXT: usize = 128;

/// A playlist as it was at a version. Versions are shared, never changed: a change makes a new one.
#[derive(Debug, Clone)]
pub(super) struct Playlist {
    pub(super) id: Arc<str>,
    pub(super) user: Arc<str>,
    pub(super) title: String,
    pub(super) tracks: Vec<Track>,
    /// From 1, one more with each change.
    pub(super) version: u64,
    pub(super) updated_at: DateTime<Utc>,
}

/// A track's id: a whole number or a short text, given back as it came.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Track {
    Number(i64),
    Text(Arc<str>),
}

impl Playlist {
    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    pub(super) fn to_json(&self) -> Value {
        let mut json = self.summary();
        json["tracks"] = self.tracks.iter().map(Track::to_json).collect();
        json
    }

    pub(super) fn summary(&self) -> Value {
        json!({
            "id": *self.id,
            "title": self.title,
            "version": self.version,
            "size": self.tracks.len(),
            "updated_at": self.updated_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        })
    }

    /// What it weighs in the bound of the store: about a track each.
    pub(super) fn weight(&self) -> usize {
        self.tracks.len() + 1
    }
}

impl Track {
    /// # Errors
    /// If it is neither a whole number nor a text of a sensible length.
    pub(super) fn parse(value: &Value) -> Result<Self, Refusal> {
        let number = value.as_i64().map(Self::Number);
        let text = value.as_str().filter(|text| !text.is_empty() && text.len() <= LONGEST_TEXT);
        number
            .or_else(|| text.map(|text| Self::Text(text.into())))
            .ok_or_else(|| Refusal::invalid(format!("a track is a whole number or a text of 1 to {LONGEST_TEXT} bytes")))
    }

    /// # Errors
    /// If one of them is no track, or there are too many.
    pub(super) fn parse_all(values: &[Value]) -> Result<Vec<Self>, Refusal> {
        check_count(values.len())?;
        values.iter().map(Self::parse).collect()
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Number(number) => json!(number),
            Self::Text(text) => json!(**text),
        }
    }
}

/// # Errors
/// If a playlist may not have so many tracks.
pub(super) fn check_count(tracks: usize) -> Result<(), Refusal> {
    if tracks > MOST_TRACKS {
        return Err(Refusal::invalid(format!("a playlist has at most {MOST_TRACKS} tracks")));
    }
    Ok(())
}

/// # Errors
/// If it is no title.
pub(super) fn check_title(title: &str) -> Result<(), Refusal> {
    if title.is_empty() || title.len() > LONGEST_TEXT {
        return Err(Refusal::invalid(format!("a title has 1 to {LONGEST_TEXT} bytes")));
    }
    Ok(())
}
