//! Traces: one for each run, sent by OTLP over HTTP/protobuf.
//!
//! [`spans`] says what a report looks like as spans, [`attributes`] what they tell; [`tracer`] owns the choice of reports, [`state`]
//! the queue, and [`exporter`] the thread behind it, which sends by [`otlp`] and again by [`retry`]. Spans are made and sent there,
//! never on the runtime that probes: a receiver that is slow, dead or hanging costs traces, which are counted, and nothing else.

mod attributes;
mod exporter;
mod otlp;
mod retry;
mod spans;
mod state;
mod tracer;

pub use state::TracerConfig;
pub use tracer::{Flushed, Tracer};
