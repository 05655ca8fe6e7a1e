//! Step kinds: one folder each. A kind observes; judging is not its business.
//!
//! `kind` says what a run asks of a kind (a task, its attempts, their answers), `session` holds what outlives a step. Nothing in
//! `run` outside of a kind's folder knows what the kind does. What several kinds need lies beside their folders: `tls` makes client
//! settings, `lookup` resolves names, `resources` keeps files free, `transcript` makes text of bytes, `user_info` reads URLs.
//!
//! **What lives how long**, who makes it and who ends it:
//!
//! - *For one attempt*: the [`Attempt`](kind::Attempt), made by the kind's task. The run's log holds it while it is under way; it is
//!   dropped when the attempt is over, or with the future that a bound cuts.
//! - *For the run's device*: the [`Session`](session::Session). It has a part for each kind: HTTP's cookies, HTTP/2 connections and
//!   tokens, open TCP connections under the names that steps give them, a WebSocket later. The kind makes its part at first
//!   use, in `prepare`; all parts are dropped with the run, after its cleanup, and dropping must end them (no task of a kind
//!   outlives it unless it is told to end by that drop).
//! - *For the process*: the [`Pool`](session::Pool). HTTP's prepared TLS settings, the look-ups of names and the places
//!   for programs today, a database's connections later. It is made before or with the engine; a reload frees what no canary uses
//!   any more (`Engine::retire_all_but`). Nothing in it may carry state from one run to another that a new user would not see.
//! - *Artifacts* (a screenshot, a HAR file): bytes, bounded and redacted by the kind before anybody else gets them. They go the way
//!   of the transcript: out of the kind by [`Attempt::detail`](kind::Attempt::detail), into the report, and from there to the
//!   store. A directory in which a browser leaves files belongs to its part of the session, which removes it when it is dropped.
//!   No kind leaves any yet, so reports have no field for them.
//!
//! **A new kind**, here called `sql`:
//!
//! 1. `plan/sql.rs`: the action with its templates, and its `RESULT_NAMES`; in `plan/step.rs` a variant of `Action`, in
//!    `plan/kind.rs` one of `StepKind` (the compiler asks for their arms);
//! 2. `config/probe/sql.rs` reads its table, called from an arm in `config/probe/step.rs`; its keys stand in `config/keys/sql.rs`
//!    and are named in the rules and lists of `config/keys/step.rs`, where the word leaves the list `LATER`;
//! 3. `run/step/sql.rs` (or a folder): the task, its attempt, its answer; an arm in [`prepare`], and a part of the session or
//!    the pool if it keeps something;
//! 4. `probes/README.md` describes it, and so do the lists of what there is not yet, there and in `README.md`;
//! 5. `tests/in_process/sql` runs it against real and hostile servers, `tests/config_errors` has its mistakes, and
//!    `plan/names.rs` names the results that it has under a name of its own (`rows`).
//!
//! Its attempts tell [`Observed`](crate::outcome::Observed), which store, JSON, terminal and spans can read; nothing is to be done
//! there. Phases with the names that HTTP's have get into the metrics.

mod dns;
mod exec;
pub mod http;
mod kind;
mod lookup;
mod resources;
mod session;
mod tcp;
mod tls;
mod transcript;
mod user_info;

use crate::plan::Action;
use crate::plan::expr::EvalError;

pub use exec::{guard_programs, run_guard};
pub use kind::TransportError;
pub(in crate::run) use kind::{Answer, Attempt, Creation, Setting, Task, Terms};
pub(in crate::run) use session::{Pool, Session, Sessions};

/// Fills in a step. This is the only place of the run that knows which kinds there are.
///
/// # Errors
/// A template has no value, or one that cannot stand where it is used.
pub(in crate::run) fn prepare(action: &Action, setting: &Setting<'_>) -> Result<Box<dyn Task>, EvalError> {
    match action {
        Action::Http(action) => Ok(Box::new(http::HttpTask::prepare(action, setting)?)),
        Action::Dns(action) => Ok(Box::new(dns::DnsTask::prepare(action, setting)?)),
        Action::Tcp(action) => Ok(Box::new(tcp::TcpTask::prepare(action, setting)?)),
        Action::Exec(action) => Ok(Box::new(exec::ExecTask::prepare(action, setting)?)),
        Action::Parallel(_) => Err(EvalError { message: "a parallel does nothing by itself".to_owned() }),
    }
}
