//! The DNS step kind: one question to a name server, asked by the exchange of the process's resolver and by nothing else of it.
//!
//! `query` fills in what is asked and whom, `task` asks it, `progress` knows how far an attempt has come, `failure` names what went
//! wrong, `answer` answers look-ups of expressions, `records` spells records out, `detail` puts an attempt into a report.
//!
//! Each attempt has an id and a port of its own. Nothing is kept: not from attempt to attempt, nor for a device or the process. An
//! answer is an answer whatever its code says; it is for expectations to judge.

mod answer;
mod detail;
mod failure;
mod progress;
mod query;
mod records;
mod task;

pub(super) use task::DnsTask;
