//! The sandbox over real HTTP: what it does when healthy, what each fault breaks, and that its state stays bounded.

mod client;
mod faults;
mod feed;
mod playlists;
mod registrations;
mod segments;
mod server;
