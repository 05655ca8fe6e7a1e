//! Every key there is, with type, default and meaning. Nothing else lists keys.

mod alert;
mod alerting;
mod exec;
mod http;
mod probe;
mod service;
mod step;

pub(super) use http::METHODS;
pub(super) use probe::PROBE;
pub(super) use service::SERVICE;
pub(super) use step::STEP;

use super::shape::{Key, Kind, Section};

/// A key and where it may stand, for the reference documentation.
#[derive(Debug, Clone, Copy)]
pub struct Reference {
    /// "probe" or "service".
    pub document: &'static str,
    /// The section it stands in.
    pub section: &'static Section,
    /// The key.
    pub key: &'static Key,
}

/// Every key of the probe files and of the service's file, each section once.
pub fn reference() -> Vec<Reference> {
    let mut found = Vec::new();
    for (document, root) in [("probe", &PROBE), ("service", &SERVICE)] {
        let mut sections = vec![root];
        let mut at = 0;
        while let Some(&section) = sections.get(at) {
            at += 1;
            for key in section.keys {
                found.push(Reference { document, section, key });
                if let Some(inner) = inner_section(&key.kind)
                    && !sections.iter().any(|known| known.id == inner.id)
                {
                    sections.push(inner);
                }
            }
        }
    }
    found
}

/// The section whose tables a value of this kind holds.
pub(super) fn inner_section(kind: &'static Kind) -> Option<&'static Section> {
    match kind {
        Kind::Table(section)
        | Kind::TableOrFalse(section)
        | Kind::Tables(section)
        | Kind::OneOrMore(section)
        | Kind::Regions(section) => Some(section),
        Kind::List(item) | Kind::OneOrList(item) | Kind::Map(item) | Kind::Names(item) => inner_section(item),
        Kind::Text
        | Kind::Slug
        | Kind::Title
        | Kind::Template
        | Kind::Expression
        | Kind::Condition
        | Kind::ForEach
        | Kind::Duration
        | Kind::DurationOrFalse
        | Kind::Moment
        | Kind::Secret
        | Kind::Mailbox
        | Kind::Size
        | Kind::Integer { .. }
        | Kind::Share
        | Kind::Bool
        | Kind::Choice(_)
        | Kind::Url(_)
        | Kind::SocketAddress
        | Kind::Address
        | Kind::Ip
        | Kind::File
        | Kind::Glob
        | Kind::Cron
        | Kind::Timezone
        | Kind::Redirects
        | Kind::Scalar
        | Kind::Json => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_declared_and_never_read() {
        let readers = [
            include_str!("../probe/exec.rs"),
            include_str!("../probe/mod.rs"),
            include_str!("../probe/looping.rs"),
            include_str!("../probe/matrix.rs"),
            include_str!("../probe/request.rs"),
            include_str!("../probe/slo.rs"),
            include_str!("../probe/step.rs"),
            include_str!("../alert.rs"),
            include_str!("../alerting.rs"),
            include_str!("../channel.rs"),
            include_str!("../device.rs"),
            include_str!("../find.rs"),
            include_str!("../maintenance.rs"),
            include_str!("../redact.rs"),
            include_str!("../service.rs"),
            include_str!("../upkeep.rs"),
        ];
        for entry in reference().iter().filter(|entry| !METHODS.contains(&entry.key.name)) {
            let quoted = format!("\"{}\"", entry.key.name);
            assert!(readers.iter().any(|text| text.contains(&quoted)), "{}.{}", entry.section.id, entry.key.name);
        }
    }

    #[test]
    fn every_key_says_what_it_does_and_is_listed_once() {
        let all = reference();
        assert!(all.len() > 80);
        for (at, entry) in all.iter().enumerate() {
            assert!(entry.key.doc.ends_with('.'), "{}.{}", entry.section.id, entry.key.name);
            let again = all[at + 1..].iter().find(|other| {
                other.document == entry.document && other.section.id == entry.section.id && other.key.name == entry.key.name
            });
            assert!(again.is_none(), "{}.{}", entry.section.id, entry.key.name);
        }
    }
}
