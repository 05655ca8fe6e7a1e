//! What is known of one probe over a range of time, for its page and for the API.
//!
//! Pure functions: from the hours that the store counted, the marks of the last hour and the plan to rows, quantiles, shares and
//! sentences. Everything is cut into the [`Bins`] of one [`Range`], so that what happened at the same moment stands one under
//! the other. [`parts`](Part) is what all of it is made of: the runs of one canary in one hour, or one run of the last hour. A new
//! section of the page is a file here that folds parts, and a chart of `pages::chart` that draws it.

#![expect(clippy::cast_precision_loss, reason = "there are fewer runs and bins than 2⁵²")]

pub(in crate::web) mod answers;
mod budget;
mod course;
mod describe;
mod facts;
mod failures;
mod funnel;
mod list;
mod part;
mod parts;
mod range;
mod rows;
mod spread;

pub(in crate::web) use budget::Budget;
use budget::budget;
use course::waited;
pub(in crate::web) use course::{Course, CourseBin, latency, latency_of, waits};
pub(in crate::web) use describe::{Description, described, lasting, promise, share};
pub(in crate::web) use facts::{Need, SubjectRow, TickRow, needs, next_ticks, subjects};
pub(in crate::web) use failures::{ReasonBins, RegionBins, reasons, regions};
pub(in crate::web) use funnel::{FunnelStep, funnel};
pub(in crate::web) use list::{Listed, listed};
pub(in crate::web) use part::Part;
use part::{of_hours, of_marks};
pub(in crate::web) use parts::Parts;
pub(in crate::web) use range::{Bins, Range};
pub(in crate::web) use rows::{BinMark, Narrowed, StripRow, rows};
pub(in crate::web) use spread::Quantile;
use spread::Spread;
