//! The built program pages: real targets, real receivers, and everything around it that goes wrong.
//!
//! Alertmanager, Prometheus and the tools that set clocks and cut networks are Debian's own (`tests/setup/packages prometheus
//! paging faults`); one that is missing is a failed test. Each test has a folder, ports and a store of its own.

mod clock;
mod masks;
mod network;
mod read_only;
mod real;
mod receiver_down;
mod strangers;
