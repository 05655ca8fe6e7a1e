//! An answer, and the names expressions know it by.

use std::sync::OnceLock;
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use minijinja::Value;
use serde_json::{Map, Value as Json, json};

use crate::plan::expr::from_json;
use crate::run::dns::Question;
use crate::run::step::kind::{Answer, Creation};

use super::progress::QueryStage;
use super::query::transport;
use super::records::{code_word, type_of, value_of};

/// A message that answers the question.
#[derive(Debug)]
pub(super) struct DnsAnswer {
    /// Everything but times, by the names that expressions have for it; a contract is held against it too.
    document: Json,
    value: OnceLock<Value>,
    /// What came, as name servers' tools write it.
    pub(super) text: String,
    /// From the first question's leaving to the answer's end.
    pub(super) latency: Duration,
    /// Where that went.
    pub(super) phases: Vec<(&'static str, Duration)>,
}

impl DnsAnswer {
    /// What `message` says to `question`; `stage` is how it came to be there.
    pub(super) fn new(question: &Question, message: &Message, stage: &QueryStage) -> Self {
        let document = document(question, message, stage);
        let text = text(&document);
        Self { document, value: OnceLock::new(), text, latency: stage.latency(), phases: stage.phases() }
    }

    /// The word of its code.
    pub(super) fn rcode(&self) -> &str {
        self.document["rcode"].as_str().unwrap_or_default()
    }

    /// How many records its answer section has.
    pub(super) fn records(&self) -> usize {
        self.document["answers"].as_array().map_or(0, Vec::len)
    }

    /// The smallest of their times to live.
    pub(super) fn ttl(&self) -> Option<i64> {
        self.document["ttl"].as_i64()
    }
}

impl Answer for DnsAnswer {
    fn lookup(&self, name: &str) -> Option<Value> {
        match name {
            "latency" => Some(Value::from(self.latency.as_secs_f64())),
            "phases" => Some(Value::from_pairs(self.phases.iter().map(|(name, took)| (*name, took.as_secs_f64())))),
            _ => {
                let known = self.document.get(name).is_some();
                let value = self.value.get_or_init(|| from_json(&self.document));
                known.then(|| value.get_attr(name).ok()).flatten()
            }
        }
    }

    fn bytes(&self) -> usize {
        self.text.len()
    }

    fn text(&self) -> String {
        self.text.clone()
    }

    fn document(&self) -> Result<&Json, String> {
        Ok(&self.document)
    }

    fn remark(&self) -> Option<String> {
        let lack = if self.records() == 0 { "no records" } else { "none of the type that was asked for" };
        let is_empty = self.document["values"].as_array().is_none_or(Vec::is_empty);
        is_empty.then(|| format!("the answer is {} and has {lack}", self.rcode()))
    }

    fn creation(&self) -> Creation {
        // A question creates nothing.
        Creation::Refused
    }
}

fn document(question: &Question, message: &Message, stage: &QueryStage) -> Json {
    let header = &message.metadata;
    let mut document = json!({
        "rcode": code_word(header.response_code),
        "flags": {
            "aa": header.authoritative,
            "tc": header.truncation,
            "rd": header.recursion_desired,
            "ra": header.recursion_available,
            "ad": header.authentic_data,
            "cd": header.checking_disabled,
        },
        "answers": section(&message.answers),
        "values": question.records().into_iter().map(value_of).collect::<Vec<_>>(),
        "authority": section(&message.authorities),
        "additional": section(&message.additionals),
        "server": stage.server.to_string(),
        "transport": transport(stage.tcp),
        "truncated": stage.is_truncated(),
    });
    if let Some(ttl) = message.answers.iter().map(|record| record.ttl).min() {
        document["ttl"] = ttl.into();
    }
    document
}

fn section(records: &[Record]) -> Json {
    let each = |record: &Record| json!({ "name": record.name.to_ascii(), "type": type_of(record), "ttl": record.ttl, "value": value_of(record) });
    records.iter().map(each).collect()
}

fn text(document: &Json) -> String {
    let word = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let set = |flags: &Map<String, Json>| {
        let set = flags.iter().filter(|(_, is_set)| **is_set == true).map(|(flag, _)| flag.as_str());
        set.collect::<Vec<_>>().join(" ")
    };
    let flags = document["flags"].as_object().map(set).unwrap_or_default();
    let mut text = format!(";; {}, flags: {flags}\n", word(&document["rcode"]));
    for section in ["answers", "authority", "additional"] {
        let records = document[section].as_array().map(Vec::as_slice).unwrap_or_default();
        if !records.is_empty() && section != "answers" {
            text.extend([";; ", section, "\n"]);
        }
        for record in records {
            let [name, ttl, kind, value] = ["name", "ttl", "type", "value"].map(|part| word(&record[part]));
            text.extend([&name, " ", &ttl, " IN ", &kind, " ", &value, "\n"]);
        }
    }
    text
}
