//! The TCP step kind: bytes over a connection that belongs to a run's device and may stay open for its later steps.
//!
//! `request` fills in, `device` keeps open connections by name and what the process prepares for them, `open` makes one (look-up,
//! `dial`, `proxy`, `starttls`, TLS), `connection` writes and reads within bounds, `exchange` is one attempt from beginning to end,
//! `underway` tells how far one has come, `answer` answers look-ups of expressions, `task` is how the run sees all of it. Nothing here judges an answer.
//!
//! Nothing tells what comes over a connection for the one who asked apart from what came for nobody. So an attempt has its connection
//! for itself; one that failed or was cut leaves none behind; and nothing is sent while there are bytes that nobody read, since
//! those cannot be an answer to it.

mod answer;
mod connection;
mod device;
mod dial;
mod exchange;
mod open;
mod proxy;
mod request;
mod starttls;
mod task;
mod underway;

pub(super) use device::{TcpDevice, TcpPool};
pub(super) use task::TcpTask;
