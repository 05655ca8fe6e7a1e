//! What the stream of the API tells, as far as the table shows it.
//!
//! The shapes are those of `web::model::live`. What a service of another version leaves out is empty here. Every text is made
//! harmless for a terminal as it comes in, so that nothing that draws has to think of it.

use serde::{Deserialize, Deserializer};

use crate::alert::status::Health;
use crate::cli::style::printable;

/// What is so of all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Head {
    pub(super) at_ms: i64,
    #[serde(deserialize_with = "maybe")]
    pub(super) stale: Option<String>,
    #[serde(deserialize_with = "several")]
    pub(super) troubles: Vec<String>,
    pub(super) canaries: Counts,
    pub(super) shown: Counts,
    pub(super) left_out: usize,
    pub(super) incidents_left_out: usize,
}

/// Canaries by health.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    pub(super) passing: usize,
    pub(super) unknown: usize,
    pub(super) muted: usize,
    pub(super) suspect: usize,
    pub(super) no_data: usize,
    pub(super) failing: usize,
}

impl Counts {
    /// How many there are of a health.
    pub(super) fn of(self, health: Health) -> usize {
        match health {
            Health::Passing => self.passing,
            Health::Unknown => self.unknown,
            Health::Muted => self.muted,
            Health::Suspect => self.suspect,
            Health::NoData => self.no_data,
            Health::Failing => self.failing,
        }
    }

    /// How many there are.
    pub(super) fn total(self) -> usize {
        Health::ALL.into_iter().map(|health| self.of(health)).sum()
    }
}

/// An open incident.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Incident {
    #[serde(deserialize_with = "clean")]
    pub(super) id: String,
    #[serde(deserialize_with = "clean")]
    pub(super) severity: String,
    #[serde(deserialize_with = "clean")]
    pub(super) title: String,
    pub(super) since_ms: i64,
    pub(super) unanswered: usize,
    pub(super) acknowledged: Option<Acknowledged>,
    #[serde(deserialize_with = "maybe")]
    pub(super) seen: Option<String>,
}

/// Who has it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Acknowledged {
    #[serde(deserialize_with = "clean")]
    pub(super) by: String,
}

/// A probe.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Probe {
    #[serde(rename = "probe", deserialize_with = "clean")]
    pub(super) name: String,
    #[serde(deserialize_with = "clean")]
    pub(super) owner: String,
    #[serde(deserialize_with = "health")]
    pub(super) health: Health,
    pub(super) canaries: Counts,
    #[serde(deserialize_with = "clean")]
    pub(super) now: String,
    #[serde(deserialize_with = "clean")]
    pub(super) budget: String,
    #[serde(deserialize_with = "maybe")]
    pub(super) incident: Option<String>,
    pub(super) is_folded: bool,
    #[serde(deserialize_with = "clean")]
    pub(super) strip: String,
    pub(super) rows: Vec<Row>,
}

/// A canary, or several.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Row {
    #[serde(deserialize_with = "clean")]
    pub(super) name: String,
    #[serde(deserialize_with = "maybe")]
    pub(super) canary: Option<String>,
    #[serde(deserialize_with = "health")]
    pub(super) health: Health,
    #[serde(deserialize_with = "clean")]
    pub(super) now: String,
    #[serde(deserialize_with = "clean")]
    pub(super) strip: String,
    #[serde(deserialize_with = "clean")]
    pub(super) last: String,
    #[serde(deserialize_with = "clean")]
    pub(super) p95: String,
    #[serde(deserialize_with = "maybe")]
    pub(super) incident: Option<String>,
}

fn clean<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(printable(&String::deserialize(from)?).into_owned())
}

fn maybe<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(|text| printable(&text).into_owned()))
}

fn several<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<String>::deserialize(from)?.iter().map(|text| printable(text).into_owned()).collect())
}

/// A word of another version is unknown.
fn health<'de, D: Deserializer<'de>>(from: D) -> Result<Health, D::Error> {
    let word = String::deserialize(from)?;
    Ok(Health::ALL.into_iter().find(|health| health.as_str() == word).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_spelled_and_what_another_version_leaves_out_is_empty() {
        let probe: Probe =
            serde_json::from_str(r#"{"probe": "p\u001b[2J", "health": "splendid", "rows": [{"now": "a\nb"}]}"#).unwrap();
        assert_eq!((&*probe.name, probe.health, &*probe.rows[0].now), ("p\\u001b[2J", Health::Unknown, "a\\nb"));
        let head: Head = serde_json::from_str(r#"{"troubles": ["\u202e"], "new": 1}"#).unwrap();
        assert_eq!(head.troubles, ["\\u202e"]);
    }
}
