//! What somebody who reads a channel believes: open is what rang and did not end.
//!
//! A webhook's ring is open from when it was taken, whatever was answered, until its incident's end. One whose incident a crash
//! forgot before it was written down is over when its key is: what goes on under the same key has taken its place.

use std::collections::BTreeMap;

use serinus::alert::message::{Action, Occasion};

use super::receiver::Received;

/// A reader of one channel.
pub(crate) struct Reader {
    /// The incident of each key that is open.
    open: BTreeMap<String, String>,
}

impl Reader {
    /// Who read all that this channel took.
    pub(crate) fn of(channel: &str, received: &[Received]) -> Self {
        let mut reader = Self { open: BTreeMap::new() };
        for it in received.iter().filter(|it| it.taken && it.channel == channel) {
            reader.reads(it);
        }
        reader
    }

    fn reads(&mut self, received: &Received) {
        let message = &received.message;
        match (message.action, message.occasion) {
            (Action::Ring, _) if message.incidents.is_empty() => {
                self.open.insert(message.key.clone(), message.incident.clone());
            }
            (Action::Ring, _) => {
                for it in message.incidents.iter().filter(|it| !it.is_over) {
                    self.open.insert(format!("{} in {}", it.scope, message.key), it.incident.clone());
                }
            }
            (Action::Change | Action::Acknowledge, _) => {}
            (Action::End, Occasion::Continues) => {
                self.open.remove(&message.key);
            }
            (Action::End, _) => {
                let is_over = |incident: &String| {
                    *incident == message.incident || message.incidents.iter().any(|it| it.is_over && it.incident == *incident)
                };
                self.open.retain(|key, incident| *key != message.key && !is_over(incident));
            }
        }
    }

    /// Keys that are open, with their incidents.
    pub(crate) fn open(&self) -> impl Iterator<Item = (&str, &str)> {
        self.open.iter().map(|(key, incident)| (&**key, &**incident))
    }
}
