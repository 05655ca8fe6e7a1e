//! Sending tries: real servers, real formats, hostile receivers, and the outcomes.
//!
//! Alertmanager and the SMTP server are Debian's own (`tests/setup/packages paging`); one that is missing is a failed test.

mod alertmanager;
mod cli;
mod email;
mod receivers;
mod support;
