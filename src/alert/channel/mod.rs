//! What each channel speaks.
//!
//! Each channel is a file that renders a [`Message`](super::message::Message) as a request, and its way to send. [`Sender`] finds a try's channel, renders
//! the request with the current secrets, sends it once, and returns the [`Outcome`]. It does not decide when something is sent or
//! repeated, and no secret may be in an outcome. What Alertmanager has open is in a [`OpenAlerts`](open_alerts::OpenAlerts),
//! since an alert there ends by itself if nobody repeats it.
//!
//! A new channel is a variant of [`ChannelKind`](crate::plan::ChannelKind), which says what kind of receiver it has and whether it
//! wakes somebody; a file beside this one, and an arm in [`Sender`]; its keys in `config/keys/alerting.rs` (`channel!`) and their
//! reading in `config/channel.rs`; its messages in `golden`, which `UPDATE=1 cargo test --lib golden` writes; and its section in `config/README.md`. Against a stand-in of its receiver
//! it is tested in `tests/in_process/channels`.
//!
//! | outcome | what happened |
//! |---|---|
//! | taken | a 2xx; SMTP: a 250 after the end of the data |
//! | refused | nothing left: no name, no connection, no TLS, a missing secret; or the receiver said no: 3xx, 4xx, SMTP's 4yz and 5yz |
//! | unknown | the request or a part of it left, and there was no answer, half of one, or a 5xx; some of several recipients took it |

mod alertmanager;
mod email;
#[cfg(test)]
mod golden;
mod http;
mod open_alerts;
mod pagerduty;
mod sender;
mod slack;
mod smtp;
mod template;
mod test_page;
mod webhook;

pub use alertmanager::labels;
pub use http::{ClientError, HttpClient};
pub use sender::Sender;
pub(in crate::alert) use template::{context, of_region, render};
pub use test_page::{NoChannel, Tested, send_test};

use std::time::Duration;

use crate::plan::ReceiverKind;

use super::message::Action;
use super::tries::{Outcome, Refusal, RefusalKind};

/// The longest pause that a receiver may ask for.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// Whether a receiver supports an action. Silent changes and acknowledgements are sent only to those that do.
pub fn knows(receiver: ReceiverKind, what: Action) -> bool {
    match (what, receiver) {
        (Action::Ring | Action::End, _)
        | (Action::Change, ReceiverKind::Alerts | ReceiverKind::Incidents)
        | (Action::Acknowledge, ReceiverKind::Incidents | ReceiverKind::Posts) => true,
        (Action::Change, ReceiverKind::Posts) | (Action::Acknowledge, ReceiverKind::Alerts) => false,
    }
}

fn refused(kind: RefusalKind, message: impl Into<String>) -> Outcome {
    Outcome::Refused(Refusal { message: message.into(), kind })
}

fn unknown(kind: RefusalKind, message: impl Into<String>) -> Outcome {
    Outcome::Unknown(Refusal { message: message.into(), kind })
}

/// Bodies of requests, for stand-ins that read them.
#[cfg(test)]
pub(in crate::alert) mod bodies {
    use std::time::Duration;

    use serde_json::Value;

    use crate::alert::message::{Action, Message};

    /// The event of a try to `PagerDuty`.
    pub(in crate::alert) fn pagerduty(what: Action, key: &str, message: &Message) -> Value {
        let post = super::pagerduty::request("http://duty.invalid", "key", what, key, message);
        serde_json::from_slice(&post.body).expect("its body is JSON")
    }

    /// An alert, as it is posted to an Alertmanager in a list.
    pub(in crate::alert) fn alert(labels: &[(String, String)], message: &Message, ended_ms: Option<i64>, now_ms: i64) -> Value {
        super::alertmanager::alert(labels, message, ended_ms, now_ms, Duration::from_mins(1))
    }
}
