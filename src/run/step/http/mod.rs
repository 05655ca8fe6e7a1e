//! The HTTP step kind: one request over connections that belong to a run's device.
//!
//! `request` renders, `clients` and `tls` prepare connections, `send` sends, follows redirects and reads, `failure` names what
//! went wrong, `response` answers look-ups of expressions. Nothing here judges an answer or decides about another attempt.
//!
//! reqwest does the protocol work. Clients are made per run and device, which is cheap because TLS state is prepared once
//! per distinct settings; connections and cookies therefore never outlive a run, and no TLS session is resumed, so that
//! each run sees what a new user sees.

mod body;
mod clients;
mod company;
mod cookies;
mod exchange;
mod failure;
mod marks;
mod multipart;
mod oauth;
mod reach;
mod redirect;
mod request;
mod resolver;
mod response;
mod send;
mod tls;

pub use clients::{HttpClients, HttpDevice, HttpSetupError};
pub use failure::HttpFailure;
pub use request::{HttpAuth, HttpBody, HttpRequest, RunHeaders, render};
pub use response::{HttpResponse, TlsFacts};
pub use send::HttpAttempt;
