//! Step kinds: one folder each. A kind observes; judging is not its business.
pub mod http;
