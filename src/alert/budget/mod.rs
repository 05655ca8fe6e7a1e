//! A probe's objectives over time: how fast its error budget burns, and whether its latency keeps its bounds.
//!
//! Two machines for each probe with an `[slo]`, over all its canaries: [`BudgetState`] and [`LatencyState`]. Both count runs into
//! rings of time buckets, so that their memory is bounded whatever the window is, and both change their level only when a run
//! is seen: silence neither raises nor resolves. They go by steady time and know nothing of incidents. A new objective is a machine of
//! its own beside these, made of [`ring`](self) and latch.

mod burn;
mod evidence;
mod histogram;
mod latch;
mod latency;
mod ring;

pub use burn::{BudgetState, Burn};
pub use histogram::Histogram;
pub use latency::{Lag, LatencyState, Measure, samples};

use serde::{Deserialize, Serialize};

/// How an objective stands, with what was seen when it last was this bad.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Level<T> {
    /// It is kept, as far as can be told.
    Well,
    /// Worth a look by day.
    Warn(T),
    /// Somebody is woken.
    Page(T),
}

/// How a success objective stands.
pub type BudgetLevel = Level<Burn>;

/// How a latency objective stands.
pub type LatencyLevel = Level<Lag>;
