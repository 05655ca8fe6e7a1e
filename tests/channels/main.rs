//! Tries on their way: real servers, real formats, hostile receivers, and what is said to have become of them.
//!
//! Alertmanager and the SMTP server are Debian's own (`tests/setup/packages paging`); one that is missing is a failed test.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up what it needs has failed")]

#[path = "../support/http_server.rs"]
mod http_server;

#[expect(dead_code, reason = "other test programs use the rest of it")]
#[path = "../support/http_pki.rs"]
mod http_pki;

mod alertmanager;
mod cli;
mod email;
mod receivers;
mod support;
