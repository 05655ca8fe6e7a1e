//! What each channel speaks.
//!
//! Each channel is a file with a pure rendering, [`Message`] to request, and its way to send. [`Sender`] finds a try's channel,
//! renders what it wants with the secrets of the day, sends it once, and says what really happened: [`Outcome`]. It decides
//! nothing of when something is sent or sent again, and no secret may be in what it says. What Alertmanager has open is in a
//! [`Book`](book::Book), since an alert there ends by itself if nobody repeats it. A new channel is a variant of
//! [`ChannelKind`], a file beside this one, and arms here.
//!
//! | outcome | what happened |
//! |---|---|
//! | taken | a 2xx; SMTP: a 250 after the end of the data |
//! | refused | nothing left: no name, no connection, no TLS, a missing secret; or the receiver said no: 3xx, 4xx, SMTP's 4yz and 5yz |
//! | unknown | the request or a part of it left, and there was no answer, half of one, or a 5xx; some of several recipients took it |

mod alertmanager;
mod book;
mod email;
#[cfg(test)]
mod golden;
mod http;
mod pagerduty;
mod scope;
mod sender;
mod slack;
mod smtp;
mod test_page;
mod webhook;

pub use alertmanager::labels;
pub use http::{ClientError, HttpClient};
pub(in crate::alert) use scope::{render, scope};
pub use sender::Sender;
pub use test_page::{NoChannel, Tested, send_test};

use std::time::Duration;

use crate::plan::ChannelKind;

use super::message::What;
use super::told::{Outcome, Refusal, Trouble};

/// The longest pause that a receiver may ask for.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// Whether a channel knows the notion: silent changes and acknowledgements are sent to those that do.
pub fn knows(kind: &ChannelKind, what: What) -> bool {
    match (what, kind) {
        (What::Ring | What::End, _)
        | (What::Change, ChannelKind::Alertmanager { .. } | ChannelKind::PagerDuty { .. })
        | (
            What::Acknowledge,
            ChannelKind::PagerDuty { .. } | ChannelKind::Slack { .. } | ChannelKind::Webhook { .. } | ChannelKind::Email { .. },
        ) => true,
        (What::Change, ChannelKind::Slack { .. } | ChannelKind::Webhook { .. } | ChannelKind::Email { .. })
        | (What::Acknowledge, ChannelKind::Alertmanager { .. }) => false,
    }
}

/// Whether each thing that was opened there has a key of its own by which it is ended and acknowledged: an incident of `PagerDuty`.
/// Elsewhere all of an incident ends together.
pub fn has_keys(kind: &ChannelKind) -> bool {
    match kind {
        ChannelKind::PagerDuty { .. } => true,
        ChannelKind::Alertmanager { .. }
        | ChannelKind::Slack { .. }
        | ChannelKind::Webhook { .. }
        | ChannelKind::Email { .. } => false,
    }
}

/// Whether what it was due and never got before the end is kept for it. The others show what is so now.
pub fn keeps_unheard(kind: &ChannelKind) -> bool {
    match kind {
        ChannelKind::Slack { .. } | ChannelKind::Webhook { .. } | ChannelKind::Email { .. } => true,
        ChannelKind::PagerDuty { .. } | ChannelKind::Alertmanager { .. } => false,
    }
}

fn refused(trouble: Trouble, message: impl Into<String>) -> Outcome {
    Outcome::Refused(Refusal { message: message.into(), trouble })
}

fn unknown(trouble: Trouble, message: impl Into<String>) -> Outcome {
    Outcome::Unknown(Refusal { message: message.into(), trouble })
}

/// Bodies of requests, for stand-ins that read them.
#[cfg(test)]
pub(in crate::alert) mod bodies {
    use std::time::Duration;

    use serde_json::Value;

    use crate::alert::message::{Message, What};

    /// The event of a try to `PagerDuty`.
    pub(in crate::alert) fn pagerduty(what: What, key: &str, message: &Message) -> Value {
        let post = super::pagerduty::request("http://duty.invalid", "key", what, key, message);
        serde_json::from_slice(&post.body).expect("its body is JSON")
    }

    /// An alert, as it is posted to an Alertmanager in a list.
    pub(in crate::alert) fn alert(labels: &[(String, String)], message: &Message, ended_ms: Option<i64>, now_ms: i64) -> Value {
        super::alertmanager::alert(labels, message, ended_ms, now_ms, Duration::from_mins(1))
    }
}
