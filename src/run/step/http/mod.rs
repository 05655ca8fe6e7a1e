//! The HTTP step kind: one request over connections that belong to a run's device.
//!
//! `request` renders, `clients` prepares connections, `connections` says which of them a request goes over, `send` sends,
//! follows redirects and reads, `home` keeps secrets from origins that only an answer named, `failure` names what went wrong, `response` answers look-ups of expressions, `progress` tells what
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
mod home;
mod multipart;
mod oauth;
mod progress;
mod redirect;
mod request;
mod resolver;
mod response;
mod send;
mod task;
mod timings;
mod upload;

pub use clients::{HttpClients, HttpDevice, HttpSetupError};
pub use request::{HttpAuth, HttpBody, HttpRequest, RunHeaders, render};
pub use response::HttpResponse;
pub use send::HttpAttempt;

pub use super::tls::TlsFacts;
pub(super) use task::HttpTask;
