//! The sandbox over real HTTP: what it does when healthy, what each fault breaks, and that its state stays bounded.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod client;
mod faults;
mod playlists;
mod registrations;
mod segments;
mod server;
