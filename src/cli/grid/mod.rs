//! The live view of a running prober: regions × cells for each probe.
//!
//! [`GridState`] holds what was seen, [`render_grid`] draws it, [`Screen`] redraws it in place. All three are pure but for the
//! caller who prints; finished runs come in by [`GridState::run_finished`].

mod render;
mod screen;
mod state;

pub(crate) use render::{event_line, render_grid};
pub(crate) use screen::Screen;
pub(crate) use state::GridState;
