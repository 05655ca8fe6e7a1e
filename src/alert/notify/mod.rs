//! How somebody is told: channels, and the outbox that gets messages through them.
//!
//! Each channel is a file with a pure rendering, `Notice` to request, and its way to send. The [`Dispatcher`] owns the outbox:
//! at least once, in order for each incident and channel, again with growing pauses, dead letters in the end. It decides
//! nothing about who is told of what, except that a page that does not get through goes to the other channels. It must not
//! hold up whoever offers a message, and no secret may be in what it says. A new channel is a variant of
//! [`ChannelKind`](crate::plan::ChannelKind), a file beside this one, and an arm in `post`.

mod alertmanager;
mod dispatcher;
mod effects;
mod email;
mod http;
mod letter;
mod outbox;
mod pagerduty;
mod post;
mod scope;
mod slack;
mod test_page;
#[cfg(test)]
mod testing;
mod text;
mod webhook;

pub use dispatcher::{Backlog, Dispatcher};
pub use effects::News;
pub use http::{ClientError, HttpClient};
pub use letter::Trouble;
pub(in crate::alert) use scope::{render, scope};
pub use test_page::{NoChannel, Tested, send_test};
