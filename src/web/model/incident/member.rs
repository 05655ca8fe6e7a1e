//! Who failed in an incident, and how each stands.
//!
//! Alerting and messages tell the standing by a word. A word of another version is kept as it is and stands among those that fail,
//! since what is not known to be well is looked at.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::alert::status::{MemberStatus, NotRungBecause};

use super::super::words;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct Member {
    /// What people call it.
    pub(in crate::web) name: String,
    /// The canary's id, if it is one.
    pub(in crate::web) canary: Option<String>,
    /// The region; empty where it is about none or several.
    pub(in crate::web) region: String,
    /// `platform=ios,size=large`; empty without a matrix.
    pub(in crate::web) cell: String,
    /// How it stands.
    #[serde(serialize_with = "word")]
    #[schema(value_type = String)]
    pub(in crate::web) standing: Standing,
    /// Since when, milliseconds since the epoch.
    pub(in crate::web) since_ms: i64,
    /// Failed runs since it was well.
    pub(in crate::web) failures: u32,
    /// Of how many counted runs; in a row if 0.
    pub(in crate::web) of: u32,
    /// The closed word, or what was seen.
    pub(in crate::web) reason: Option<String>,
    /// Why nobody is rung for it, in words.
    pub(in crate::web) why: Option<String>,
}

fn word<S: Serializer>(standing: &Standing, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(standing.as_str())
}

/// How a member stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) enum Standing {
    /// It fails.
    Failing,
    /// It fails, and whether something else explains it is not known yet.
    Waiting,
    /// It fails, and somebody has it.
    Acknowledged,
    /// It fails, and nobody is to be rung for it.
    Muted,
    /// It fails because something else does.
    Explained,
    /// It failed once.
    Suspect,
    /// It is well.
    Recovered,
    /// It is not watched any more.
    Removed,
    /// Somebody closed it.
    Closed,
    /// Another version's word.
    Other(String),
}

impl Standing {
    /// By its word.
    pub(in crate::web) fn of(word: &str) -> Self {
        match word {
            "failing" => Self::Failing,
            "waiting" => Self::Waiting,
            "acknowledged" => Self::Acknowledged,
            "muted" => Self::Muted,
            "explained" => Self::Explained,
            "suspect" => Self::Suspect,
            "recovered" => Self::Recovered,
            "removed" => Self::Removed,
            "closed" => Self::Closed,
            other => Self::Other(words::clip(other, 40)),
        }
    }

    /// Its word.
    pub(in crate::web) fn as_str(&self) -> &str {
        match self {
            Self::Failing => "failing",
            Self::Waiting => "waiting",
            Self::Acknowledged => "acknowledged",
            Self::Muted => "muted",
            Self::Explained => "explained",
            Self::Suspect => "suspect",
            Self::Recovered => "recovered",
            Self::Removed => "removed",
            Self::Closed => "closed",
            Self::Other(word) => word,
        }
    }

    /// Colour and glyph.
    pub(in crate::web) fn glyph(&self) -> (&'static str, &'static str) {
        match self {
            Self::Failing | Self::Acknowledged => ("bad", "✕"),
            Self::Waiting | Self::Suspect => ("warned", "✕"),
            Self::Muted | Self::Explained => ("muted", "◌"),
            Self::Recovered => ("", "●"),
            Self::Removed | Self::Closed => ("muted", "○"),
            Self::Other(_) => ("odd", "?"),
        }
    }

    /// Among which it is shown.
    pub(in crate::web) fn group(&self) -> Group {
        match self {
            Self::Failing | Self::Waiting | Self::Acknowledged | Self::Other(_) => Group::Failing,
            Self::Muted => Group::Muted,
            Self::Explained => Group::Explained,
            Self::Suspect => Group::Suspect,
            Self::Recovered | Self::Removed | Self::Closed => Group::Settled,
        }
    }
}

/// Members that are shown together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Group {
    /// They fail.
    Failing,
    /// They fail and nobody is rung.
    Muted,
    /// They fail because something else does.
    Explained,
    /// They failed once.
    Suspect,
    /// They do not fail any more.
    Settled,
}

impl Group {
    /// All of them, in the order of the page.
    pub(in crate::web) const ALL: [Self; 5] = [Self::Failing, Self::Suspect, Self::Muted, Self::Explained, Self::Settled];

    /// What stands above them.
    pub(in crate::web) fn title(self) -> &'static str {
        match self {
            Self::Failing => "Failing",
            Self::Muted => "Muted",
            Self::Explained => "Explained by others",
            Self::Suspect => "Failed once",
            Self::Settled => "Over",
        }
    }
}

impl Member {
    /// As alerting knows it now.
    pub(super) fn of(status: &MemberStatus) -> Self {
        let without = status.without_data_since_ms.map(|since| format!("without data since {} UTC", words::moment(since)));
        let standing = Standing::of(status.standing);
        Self {
            name: status.name.clone(),
            canary: status.canary.clone(),
            region: status.region.clone(),
            cell: status.cell.clone(),
            since_ms: status.since_ms,
            failures: status.failures,
            of: status.of,
            reason: without.or_else(|| status.words.clone()).or_else(|| status.reason.clone()),
            why: status.why.as_ref().map(|why| because(why, &standing)),
            standing,
        }
    }

    /// `6 in a row`, `6 of its last 9 runs`; empty where no run failed.
    pub(in crate::web) fn streak(&self) -> String {
        match (self.failures, self.of) {
            (0, _) => String::new(),
            (1, 0) => "1 run".to_owned(),
            (failures, 0) => format!("{failures} in a row"),
            (failures, of) => format!("{failures} of its last {of}"),
        }
    }

    /// The keys and values of its cell.
    pub(in crate::web) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        values(&self.cell)
    }
}

/// The keys and values of a cell.
pub(in crate::web) fn values(cell: &str) -> impl Iterator<Item = (&str, &str)> {
    cell.split(',').filter_map(|pair| pair.split_once('='))
}

/// `paused by ann until 03:40 UTC: ticket 7`, `because login fails`, `ann has it`.
fn because(why: &NotRungBecause, standing: &Standing) -> String {
    let by = words::list(&why.by);
    let until = why.until_ms.map(|until| format!(" until {} UTC", words::moment(until)));
    let said = why.because.as_deref().map(|said| format!(": {}", words::clip(said, 200))).unwrap_or_default();
    let from = if by.is_empty() { String::new() } else { format!(" by {by}") };
    let open_end = || if matches!(standing, Standing::Muted) { " until somebody ends it".to_owned() } else { String::new() };
    match why.what {
        "needs" if by.is_empty() => format!("waits{} whether something it needs fails", until.unwrap_or_default()),
        "needs" => format!("because {by} {}", if why.by.len() == 1 { "fails" } else { "fail" }),
        "acknowledged" => format!("{by} has it{said}"),
        "paused" => format!("paused{from}{}{said}", until.unwrap_or_else(open_end)),
        "maintenance" => format!("maintenance {by}{}{said}", until.unwrap_or_default()),
        what => format!("{what} muted{from}{}{said}", until.unwrap_or_else(open_end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(what: &'static str, by: &[&str], because: Option<&str>, until_ms: Option<i64>) -> NotRungBecause {
        NotRungBecause { what, by: by.iter().map(|by| (*by).to_owned()).collect(), because: because.map(str::to_owned), until_ms }
    }

    #[test]
    fn why_nobody_is_rung_reads_as_a_sentence_with_who_and_until_when() {
        for (said, standing, text) in [
            (
                why("paused", &["ann"], Some("ticket 7"), Some(0)),
                "muted",
                "paused by ann until 1970-01-01 00:00:00 UTC: ticket 7",
            ),
            (why("paused", &["ann"], None, None), "muted", "paused by ann until somebody ends it"),
            (why("reason", &["ann"], None, None), "muted", "reason muted by ann until somebody ends it"),
            (why("needs", &["login", "pay"], None, None), "explained", "because login and pay fail"),
            (why("acknowledged", &["ann"], None, None), "acknowledged", "ann has it"),
        ] {
            assert_eq!(because(&said, &Standing::of(standing)), text);
        }
    }

    #[test]
    fn a_standing_of_another_version_stands_among_what_fails_and_keeps_its_word() {
        let other = Standing::of("levitating");
        assert_eq!((other.group(), other.as_str(), other.glyph()), (Group::Failing, "levitating", ("odd", "?")));
        for word in ["failing", "waiting", "acknowledged", "muted", "explained", "suspect", "recovered", "removed", "closed"] {
            assert_eq!(Standing::of(word).as_str(), word);
            assert!(!matches!(Standing::of(word), Standing::Other(_)));
        }
    }
}
