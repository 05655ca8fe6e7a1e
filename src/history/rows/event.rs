//! Events: what people and programs did, and what changed. Owns their kinds and how long their texts may be.

/// What kind of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::IntoStaticStr, strum::EnumString, utoipa::ToSchema)]
#[strum(serialize_all = "snake_case")]
#[schema(rename_all = "snake_case")]
pub enum EventKind {
    /// Something that somebody says happened, such as a deployment.
    Annotation,
    /// What somebody did here, such as acknowledging or pausing.
    Action,
    /// The configuration was read anew.
    Reload,
    /// The certificate of a target changed.
    Certificate,
    /// What somebody wrote about an incident.
    Note,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Annotation, Self::Action, Self::Reload, Self::Certificate, Self::Note];

    /// The word in the store and the API: the variant's name in small letters.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Something that happened, for charts, incidents and the audit log. It never changes: of two of the same id the first one stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its id (ULID).
    pub id: String,
    /// When, milliseconds since the epoch; it may be earlier than its id.
    pub at_ms: i64,
    /// What kind it is.
    pub kind: EventKind,
    /// The probe, if it is about one. At most [`EventRow::WORD`] characters are kept, as of the next three.
    pub probe: Option<String>,
    /// The id of the incident, if it is about one.
    pub incident: Option<String>,
    /// Who did it, if anybody is known to have.
    pub by: Option<String>,
    /// A short word such as "acknowledge", "pause" or "deploy".
    pub what: String,
    /// A sentence or more, at most [`EventRow::TEXT`] characters.
    pub text: String,
}

impl EventRow {
    /// The most characters that are kept of the text; what is longer is cut.
    pub const TEXT: usize = 2_000;
    /// The most characters that are kept of each of the other texts.
    pub const WORD: usize = 200;

    /// With its texts cut to what is kept of them.
    pub(in crate::history) fn bounded(mut self) -> Self {
        let short = [Some(&mut self.what), self.probe.as_mut(), self.incident.as_mut(), self.by.as_mut()];
        short.into_iter().flatten().for_each(|text| cut(text, Self::WORD));
        cut(&mut self.text, Self::TEXT);
        self
    }
}

/// Cuts a text to so many characters, and gives back the memory of the rest.
fn cut(text: &mut String, characters: usize) {
    if let Some((end, _)) = text.char_indices().nth(characters) {
        text.truncate(end);
        text.shrink_to_fit();
    }
}
