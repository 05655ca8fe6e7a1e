//! The section "Exact meanings" of the design, sentence by sentence, on the real engine against a real server.

mod attempts;
mod carry;
mod creations;
mod cut_creation;
mod device_defaults;
mod ends;
mod explosions;
mod feeds;
mod formats;
mod identity;
mod judging;
mod ledger;
mod let_off;
mod links;
mod lists;
mod loops;
mod polling;
mod redirects;
mod self_check;
mod shared_steps;
mod showing;
mod stalls;
mod subjects;
mod warn;
mod words;

use crate::target::{Answer, Seen};

/// A target that answers 200 with this JSON.
fn ok(body: &'static str) -> impl Fn(&Seen) -> Answer + Send + Sync + 'static {
    move |_| Answer::json(200, body)
}
