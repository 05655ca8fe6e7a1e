//! How long from the end of the run that a page tells of to the page.

use serinus::alert::message::{Action, Occasion};

use crate::pager::Pager;

/// What arrived.
pub(crate) struct Pages {
    /// Messages of any kind.
    pub(crate) all: usize,
    /// From the end of a run to the first ring of its incident, in milliseconds, ascending. Those that were gathered to the minute's end
    /// are not among them.
    pub(crate) first: Vec<f64>,
}

#[expect(clippy::cast_precision_loss, reason = "a float has enough digits for milliseconds")]
pub(crate) fn of(pager: &Pager) -> Pages {
    let arrived = pager.pages();
    let opened = arrived.iter().filter(|page| page.message.action == Action::Ring && page.message.occasion == Occasion::Opened);
    let mut first: Vec<f64> =
        opened.filter_map(|page| Some(page.at as f64 / 1e3 - page.message.evidence.first()?.at_ms as f64)).collect();
    first.sort_by(f64::total_cmp);
    Pages { all: arrived.len(), first }
}
