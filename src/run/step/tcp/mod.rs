//! The TCP step kind: bytes over a connection that belongs to a run's device and may stay open for its later steps.
//!
//! `request` fills in, `device` keeps open connections by name and what the process prepares for them, `open` makes one (look-up,
//! `dial`, `proxy`, `starttls`, TLS), `connection` writes and reads within bounds, `attempt` is one attempt from beginning to
//! end, `progress` says how far it has come, `answer` answers look-ups of expressions, `task` is how the run sees all of it.
//! Nothing here judges an answer.
//!
//! Bytes do not say which attempt they are an answer to. So an attempt has its connection for itself; an attempt that failed or
//! was cut closes it; and nothing is sent while there are unread bytes, because those cannot be an answer to it.

mod answer;
mod attempt;
mod connection;
mod device;
mod dial;
mod open;
mod progress;
mod proxy;
mod request;
mod starttls;
mod task;

pub(super) use device::{TcpDevice, TcpPool};
pub(super) use task::TcpTask;
