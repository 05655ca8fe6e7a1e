//! A runbook as pages show it: a link to where it is, or what it says.

use crate::plan::Runbook;
use crate::web::markdown::SafeHtml;

/// A runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ShownRunbook {
    /// It is elsewhere.
    Link(String),
    /// It lies beside the probe.
    Text(SafeHtml),
}

impl ShownRunbook {
    /// That of a probe.
    pub(super) fn of(runbook: &Runbook) -> Self {
        match runbook {
            Runbook::Url(url) => Self::Link(url.clone()),
            Runbook::File { text, .. } => Self::Text(SafeHtml::from_markdown(text)),
        }
    }
}
