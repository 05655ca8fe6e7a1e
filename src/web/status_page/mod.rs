//! The public status page: what chosen probes say, in the owner's words, for everybody and without a log-in.
//!
//! It is made of an allow-list: [`model`] has no field for a name of a probe, a host, a step, a body or an error, so that none can be
//! shown, and [`gather`] fills it only from what `[status_page]` chose. States come from the status of alerting alone ([`state`]), days
//! from the counts of hours and days ([`days`]), incidents and their public notes from the store ([`incidents`]), windows from the plan
//! ([`windows`]). [`render`] makes the files of it, the same for the page and for a copy in a bucket. One that is some seconds old
//! serves all viewers ([`shared`]). It holds no state of its own and decides nothing.
//!
//! Something more to show is a field of [`model::PublicPage`], its source in one of those files, and a line of the template; the test
//! `nothing_that_is_not_chosen_is_shown` in `tests/program` must then still hold.

mod api;
mod days;
mod gather;
mod incidents;
mod model;
mod render;
mod serve;
mod shared;
mod state;
mod windows;

pub(super) use api::{__path_shown, shown};
pub(super) use incidents::PUBLIC_NOTE;
pub use model::PublicPage;
pub use render::{PublicFile, copy};
pub(super) use serve::{Serving, alone, before_all};
pub use shared::StatusPages;
