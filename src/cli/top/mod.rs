//! `serinus top`: the live table of a running service.
//!
//! It draws what `GET /api/v1/stream` tells and computes nothing itself, as `serinus status` does not; what acts goes to the routes that
//! the other commands use. [`state`] is pure and knows what keys do, [`screen`] is pure and knows how it looks, [`feed`] keeps the stream
//! up, [`terminal`] is the one part that touches the terminal, and this file joins them. A new key is an arm in `state`, a line of
//! `screen::KEYS`, and where it asks for something a [`Wish`].

mod data;
mod detail;
mod entry;
mod feed;
mod screen;
mod sse;
mod state;
mod terminal;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::Event;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::args::TopArgs;
use super::client::{Client, plural};
use super::exit::Failure;
use super::style::printable;
use super::{Exit, Printer};

use detail::{Detail, DetailLine, DetailOf, look};
use feed::Feed;
use screen::{Palette, draw};
use state::{TopState, Wish};
use terminal::{EndSignals, TerminalGuard};

/// How often it is drawn at least, for what depends on the time.
const TICK: Duration = Duration::from_secs(1);
/// How often what is looked at is asked for again.
const RENEW: Duration = Duration::from_secs(5);

/// What the service answered.
enum Answer {
    Detail(DetailOf, Result<Vec<DetailLine>, Failure>),
    Done(Result<String, Failure>),
}

/// Everything that goes on.
struct Top {
    client: Arc<Client>,
    by: Option<String>,
    state: TopState,
    feed: Feed,
    asked: JoinSet<Answer>,
    renewed: Instant,
    palette: Palette,
}

pub(crate) async fn top(printer: &Printer, config: Option<&Path>, args: TopArgs) -> Result<Exit, Failure> {
    terminal::require_terminal()?;
    let client = Arc::new(Client::new(&args.service, config)?);
    let service = client.base().as_str().trim_end_matches('/').to_owned();
    let state = TopState { service, filter: args.words.join(" "), ..TopState::default() };
    // What cannot be asked at all is said where it stays to be read.
    let first = feed::ask(&client, &state.query()).await?;
    let feed = Feed::start(Arc::clone(&client), state.query(), Some(first));
    let palette = Palette { colour: printer.style().colour };
    let top = Top { client, by: args.by, state, feed, asked: JoinSet::new(), renewed: Instant::now(), palette };
    let mut signals = EndSignals::listen()?;
    let mut guard = TerminalGuard::take()?;
    top.go_on(&mut guard, &mut signals).await
}

impl Top {
    async fn go_on(mut self, guard: &mut TerminalGuard, signals: &mut EndSignals) -> Result<Exit, Failure> {
        let mut typed = terminal::events();
        loop {
            let drawn = guard.terminal.draw(|frame| draw(frame, &mut self.state, Instant::now(), self.palette));
            drawn.map_err(|error| Failure::prober(format!("the terminal cannot be written to: {error}")))?;
            let wish = tokio::select! {
                event = typed.recv() => match event {
                    Some(Event::Key(key)) => self.state.key(key),
                    Some(Event::Paste(text)) => {
                        self.state.paste(&text);
                        None
                    }
                    Some(_) => None,
                    None => Some(Wish::Quit),
                },
                heard = self.feed.next() => {
                    self.state.heard(heard, Instant::now());
                    None
                }
                Some(answer) = self.asked.join_next() => {
                    self.answered(answer.ok());
                    None
                }
                () = tokio::time::sleep(TICK) => None,
                () = signals.any() => Some(Wish::Quit),
            };
            if wish == Some(Wish::Quit) {
                return Ok(Exit::Well);
            }
            let width = guard.terminal.size().map_or(80, |size| usize::from(size.width));
            if let Some(wish) = wish {
                self.grant(wish, width);
            }
            self.renew(width);
        }
    }

    fn grant(&mut self, wish: Wish, width: usize) {
        match wish {
            Wish::Quit => {}
            Wish::Follow => self.feed = Feed::start(Arc::clone(&self.client), self.state.query(), None),
            Wish::Look(of) => {
                self.state.details.push(Detail::new(of.clone(), Vec::new()));
                self.look(of, width);
            }
            Wish::Acknowledge(id) => {
                let body = json!({ "by": self.by, "reason": null });
                self.act(id, "ack", body, |answer| {
                    let members = plural(answer["members"].as_u64().unwrap_or(0), "member", "members");
                    format!("acknowledged with {members}: nobody is rung for it again")
                });
            }
            Wish::Verify(id) => self.act(id, "verify", json!({ "by": self.by }), |answer| {
                let started = plural(answer["started"].as_u64().unwrap_or(0), "run", "runs");
                format!("started {started} of {} failing canaries; they count for nothing", answer["canaries_total"])
            }),
        }
    }

    fn act(&mut self, id: String, verb: &'static str, body: Value, say: impl Fn(&Value) -> String + Send + 'static) {
        let client = Arc::clone(&self.client);
        self.asked
            .spawn(async move { Answer::Done(client.post(&["incidents", &id, verb], &body).await.map(|answer| say(&answer))) });
    }

    fn look(&mut self, of: DetailOf, width: usize) {
        self.renewed = Instant::now();
        let client = Arc::clone(&self.client);
        self.asked.spawn(async move {
            let lines = look(&client, &of, width).await;
            Answer::Detail(of, lines)
        });
    }

    /// Asks again for what is looked at and changes.
    fn renew(&mut self, width: usize) {
        let Some(detail) = self.state.details.last() else { return };
        if detail.of.changes() && self.renewed.elapsed() >= RENEW {
            self.look(detail.of.clone(), width);
        }
    }

    fn answered(&mut self, answer: Option<Answer>) {
        let now = Instant::now();
        match answer {
            Some(Answer::Detail(of, Ok(lines))) => {
                for detail in self.state.details.iter_mut().filter(|detail| detail.of == of) {
                    detail.renew(lines.clone());
                }
            }
            Some(Answer::Done(Ok(said))) => self.state.say(said, false, now),
            Some(Answer::Done(Err(failure)) | Answer::Detail(_, Err(failure))) => {
                self.state.say(printable(&failure.message), true, now);
            }
            None => self.state.say("a question to the service ended badly, which is a defect", true, now),
        }
    }
}
