//! What came back, and the names expressions know it by.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use minijinja::Value;

use crate::plan::expr::from_json;
use crate::run::step::kind::{Answer, Creation};
use crate::run::step::tls::TlsPeer;

/// What an attempt read. What is costly to know (JSON, text, certificate) is worked out when first asked for.
#[derive(Debug)]
pub(super) struct TcpAnswer {
    /// What was read as the answer, if something was to be read.
    pub(super) received: Option<Bytes>,
    /// What was read before anything was sent.
    pub(super) greeting: Option<Bytes>,
    pub(super) peer: SocketAddr,
    pub(super) tls: Option<Arc<TlsPeer>>,
    /// Net of stalls, as the phases are.
    pub(super) latency: Duration,
    pub(super) phases: Vec<(&'static str, Duration)>,
    pub(super) ended: Instant,
    json: OnceLock<Result<serde_json::Value, String>>,
}

impl TcpAnswer {
    /// What was read within these phases, of which the last ended at that moment.
    pub(super) fn new(
        (greeting, received): (Option<Bytes>, Option<Bytes>),
        peer: SocketAddr,
        tls: Option<Arc<TlsPeer>>,
        (phases, ended): (Vec<(&'static str, Duration)>, Instant),
    ) -> Self {
        let latency = phases.iter().map(|(_, took)| *took).sum();
        Self { received, greeting, peer, tls, latency, phases, ended, json: OnceLock::new() }
    }

    fn json(&self) -> Result<&serde_json::Value, String> {
        let read = |bytes: &Bytes| serde_json::from_slice(bytes).map_err(|error| error.to_string());
        let received = self.received.as_ref().ok_or("nothing was read")?;
        self.json.get_or_init(|| read(received)).as_ref().map_err(Clone::clone)
    }

    fn tls_value(&self) -> Option<Value> {
        let tls = self.tls.as_ref()?;
        let facts = tls.facts()?;
        let alpn = tls.alpn.as_deref().map(|name| ("alpn", Value::from(name)));
        Some(Value::from_pairs(facts.pairs(SystemTime::now()).into_iter().chain(alpn)))
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Answer for TcpAnswer {
    fn lookup(&self, name: &str) -> Option<Value> {
        let received = self.received.as_ref();
        match name {
            "received" => received.map(|bytes| Value::from(text(bytes))),
            "received_hex" => received.map(|bytes| Value::from(HEXLOWER.encode(bytes))),
            "bytes" => received.map(|bytes| Value::from(bytes.len())),
            "json" => self.json().ok().map(from_json),
            "greeting" => self.greeting.as_ref().map(|bytes| Value::from(text(bytes))),
            "remote" => Some(Value::from(self.peer.to_string())),
            "tls" => self.tls_value(),
            "latency" => Some(Value::from(self.latency.as_secs_f64())),
            "phases" => Some(Value::from_pairs(self.phases.iter().map(|(name, took)| (*name, took.as_secs_f64())))),
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        [&self.greeting, &self.received].into_iter().flatten().map(Bytes::len).sum()
    }

    fn text(&self) -> String {
        [&self.greeting, &self.received].into_iter().flatten().map(text).collect()
    }

    fn document(&self) -> Result<&serde_json::Value, String> {
        self.json()
    }

    fn remark(&self) -> Option<String> {
        // Only of somebody who asked for JSON is it told that there is none.
        self.json.get()?.as_ref().err().map(|why| format!("what was received is not JSON: {why}"))
    }

    fn creation(&self) -> Creation {
        // No protocol is known here that could say no; `unless_created` does.
        Creation::Possible
    }
}
