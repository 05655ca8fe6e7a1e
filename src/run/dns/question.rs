//! One question: what is sent, which message answers it, and which records of that are about it.

use hickory_proto::ProtoError;
use hickory_proto::op::{Message, MessageType, Metadata, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// Names that an answer may lead through.
const LONGEST_CHAIN: usize = 16;

/// Bytes of a message's header.
const HEADER: usize = 12;

/// The bit of a header's third byte that only answers have.
const IS_ANSWER: u8 = 0x80;

/// What is asked, with an id of its own, and the answer once it is there.
#[derive(Debug)]
pub(in crate::run) struct Question {
    id: u16,
    query: Query,
    pub(super) bytes: Vec<u8>,
    /// The message that answers it.
    pub(in crate::run) answer: Option<Message>,
}

impl Question {
    /// A question for records of this type; `set` sets the flags of its header.
    pub(in crate::run) fn new(name: &Name, kind: RecordType, set: impl FnOnce(&mut Metadata)) -> Result<Self, ProtoError> {
        let mut message = Message::query();
        set(&mut message.metadata);
        let query = Query::query(name.clone(), kind);
        message.add_query(query.clone());
        Ok(Self { id: message.metadata.id, query, bytes: message.to_vec()?, answer: None })
    }

    /// Whether this is the answer, and not that to another question or somebody's guess.
    pub(super) fn is_answered_by(&self, message: &Message) -> bool {
        message.metadata.id == self.id
            && message.metadata.message_type == MessageType::Response
            && matches!(message.queries.as_slice(), [query] if *query == self.query)
    }

    /// Whether bytes that cannot be read begin as an answer to it would.
    pub(super) fn is_meant_by(&self, bytes: &[u8]) -> bool {
        bytes.len() >= HEADER && bytes[..2] == self.id.to_be_bytes() && bytes[2] & IS_ANSWER != 0
    }

    /// The records of the asked type that the answer gives to the asked name, or to what that is an alias of.
    pub(in crate::run) fn records(&self) -> Vec<&Record> {
        let Some(answer) = &self.answer else { return Vec::new() };
        let mut owner = self.query.name();
        for _ in 0..LONGEST_CHAIN {
            let records = || answer.answers.iter().filter(|record| record.name == *owner);
            let found: Vec<_> = records().filter(|record| record.record_type() == self.query.query_type()).collect();
            let alias = records().find_map(|record| match &record.data {
                RData::CNAME(alias) => Some(&alias.0),
                _ => None,
            });
            match alias {
                Some(alias) if found.is_empty() => owner = alias,
                Some(_) | None => return found,
            }
        }
        Vec::new()
    }
}
