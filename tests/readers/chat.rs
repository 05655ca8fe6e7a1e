//! A chat, a mailbox or whoever is behind a webhook: a list of messages. Nothing is deduplicated; each makes noise.
//!
//! What is told of may be known by its incident, or by what it is about, as people do.
//!
//! The reader believes of an incident that it is open from its first ring until a message says that it is over. A message that
//! tells of several incidents, as in a storm, opens or ends each of them. An acknowledgement ends nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::{Answer, Beliefs, Sound};

/// What a message does to the incidents that it tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// They are open: it is a ring.
    Open,
    /// Something about what is open: an acknowledgement, a reminder that changes nothing.
    More,
    /// They are over.
    Over,
}

/// One message as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) at: Duration,
    /// By which a receiver can know that it is the same message again.
    pub(crate) id: String,
    pub(crate) says: Says,
    pub(crate) incidents: Vec<String>,
    /// What was shown.
    pub(crate) shown: Value,
}

/// Who reads them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chat {
    pub(crate) read: Vec<Read>,
    pub(crate) beliefs: Beliefs,
    /// Ends of what the reader never heard of, by incident.
    pub(crate) strange_ends: Vec<String>,
}

impl Chat {
    /// Takes a message. The id is that of the request (`x-serinus-message`, `Message-ID`); the rest is what the message says.
    pub(crate) fn take(&mut self, at: Duration, id: &str, says: Says, incidents: &[String], shown: &Value) -> Answer {
        for incident in incidents {
            let sound = match says {
                Says::Open => Sound::Rang,
                Says::More => Sound::Changed,
                Says::Over => Sound::Ended,
            };
            let known = self.beliefs.open().contains_key(incident);
            match sound {
                Sound::Changed if !known => {}
                Sound::Ended if !known => self.strange_ends.push(incident.clone()),
                sound => self.beliefs.notice(at, sound, incident, shown),
            }
        }
        let (id, incidents) = (id.to_owned(), incidents.to_vec());
        self.read.push(Read { at, id, says, incidents, shown: shown.clone() });
        Answer::taken(200)
    }

    /// Messages that came more than once, by id.
    pub(crate) fn twice(&self) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        self.read.iter().filter(|read| !seen.insert(read.id.as_str())).map(|read| read.id.as_str()).collect()
    }
}
