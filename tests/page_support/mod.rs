//! What tests of paging share: the service, the targets that it probes, and the receiver of its pages.

pub(crate) mod pager;
pub(crate) mod service;
pub(crate) mod target;
