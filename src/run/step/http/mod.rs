//! The HTTP step kind: one request over connections that belong to a run's device.
//!
//! `request` renders, `clients` and `tls` prepare connections, `connections` says which of them a request goes over, `send` sends,
//! follows redirects and reads, `failure` names what went wrong, `response` answers look-ups of expressions, `underway` tells what
//! was cut, `task` is how the run sees all of it. Nothing here judges an answer or decides about another attempt.
//!
//! reqwest does the protocol work. Clients are made per connection, which is cheap because TLS state is prepared once per distinct
//! settings; connections and cookies never outlive a run, and no TLS session is resumed, so that each run sees what a new user sees.

mod body;
mod clients;
mod connections;
mod cookies;
mod decode;
mod exchange;
mod failure;
mod marks;
mod multipart;
mod oauth;
mod reach;
mod redirect;
mod remembered;
mod request;
mod resolver;
mod response;
mod room;
mod send;
mod task;
mod tls;
mod underway;
mod upload;

pub(super) use failure::out_of_resources;
pub(super) use room::for_one_more;

pub use clients::{HttpClients, HttpDevice, HttpSetupError};
pub use request::{HttpAuth, HttpBody, HttpRequest, RunHeaders, render};
pub use response::{HttpResponse, TlsFacts};
pub use send::HttpAttempt;
pub(super) use task::HttpTask;
