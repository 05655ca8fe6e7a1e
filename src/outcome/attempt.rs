//! The report of one attempt of a step, the same for every kind.
//!
//! Readers of a report use [`AttemptDetail`]: phases, span attributes, whether a byte came back, the transcript, JSON. HTTP has a
//! variant of its own, because its names in the store and in JSON are older than the other kinds. A new kind fills in an
//! [`Observed`] and is read by everyone from then on; nobody but this file and `seal` matches on the variants.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::time::seconds;
use crate::plan::StepKind;

use super::http::{Exchange, HttpAnswer, Phases};
use super::{PeerCertificate, Reason, Redactor, SpanId};

/// One try of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptReport {
    /// Its span, sent to the target where the kind can (in HTTP's `traceparent`).
    pub span_id: SpanId,
    /// Start, from the run's start.
    pub started: Duration,
    /// How long it took.
    pub duration: Duration,
    /// What its kind tells of it.
    pub detail: Option<AttemptDetail>,
    /// Why it failed, if it did.
    pub failure: Option<(Reason, String)>,
    /// How many attempts right after it saw the same and were not kept.
    pub alike: u32,
    /// The certificate of the connection that it made, if that was a new one under TLS. It is in no stored run.
    pub certificate: Option<Arc<PeerCertificate>>,
}

/// What an attempt looked like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptDetail {
    /// Over HTTP.
    Http(HttpDetail),
    /// By any other kind.
    Other(Observed),
}

/// What an HTTP attempt looked like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpDetail {
    /// Facts for metrics and traces.
    pub answer: HttpAnswer,
    /// Request and answer, where kept.
    pub exchange: Option<Box<Exchange>>,
}

/// What an attempt of any kind looked like. Every text in it is redacted and bounded when it is put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The step's kind.
    pub kind: StepKind,
    /// What was asked, in one line, such as `connect to mail.example:25`.
    pub asked: String,
    /// Whether a byte of an answer came.
    pub answered: bool,
    /// What else is known of it, in the order in which it is shown.
    pub facts: Vec<Fact>,
    /// Where the time went, in order. The names of [`Phases`] where they mean the same, as metrics know only those.
    pub phases: Vec<(&'static str, Duration)>,
    /// What was sent and received, where kept.
    pub transcript: Option<Box<Transcript>>,
}

/// Something known of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its name in JSON and for people.
    pub name: &'static str,
    /// Its name as a span's attribute: that of OpenTelemetry's semantic conventions, if they have one.
    pub attribute: &'static str,
    /// Its value.
    pub value: FactValue,
}

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactValue {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Integer(i64),
    /// Yes or no.
    Bool(bool),
}

/// What was sent and received as text, redacted and capped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transcript {
    /// The start of what was sent.
    pub sent: String,
    /// The start of what came back.
    pub received: String,
    /// Whether something was cut off.
    pub truncated: bool,
}

/// What a reader gets of transcripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transcripts {
    /// Nothing.
    Without,
    /// That there were bodies, and not what was in them.
    Masked,
    /// All that was kept.
    Whole,
}

impl Transcripts {
    fn shown(self, body: &str) -> String {
        if self == Self::Masked && !body.is_empty() { Redactor::MASK.to_owned() } else { body.to_owned() }
    }
}

impl AttemptReport {
    /// What HTTP tells of it, if it was made over HTTP.
    pub fn http(&self) -> Option<&HttpAnswer> {
        match self.detail.as_ref()? {
            AttemptDetail::Http(http) => Some(&http.answer),
            AttemptDetail::Other(_) => None,
        }
    }

    /// Request and answer as text, if it was made over HTTP and they were kept.
    pub fn exchange(&self) -> Option<&Exchange> {
        match self.detail.as_ref()? {
            AttemptDetail::Http(http) => http.exchange.as_deref(),
            AttemptDetail::Other(_) => None,
        }
    }

    /// Whether it ended as `other` did and, as far as that was kept, with the same answer. When it was made, how long it took and which
    /// headers came with it makes no difference.
    pub fn is_alike(&self, other: &Self) -> bool {
        let alike = match (&self.detail, &other.detail) {
            (None, None) => true,
            (Some(AttemptDetail::Http(one)), Some(AttemptDetail::Http(two))) => one.is_alike(two),
            (Some(AttemptDetail::Other(one)), Some(AttemptDetail::Other(two))) => one.is_alike(two),
            (None | Some(AttemptDetail::Http(_) | AttemptDetail::Other(_)), _) => false,
        };
        let is_answered = self.detail.as_ref().is_some_and(AttemptDetail::is_answered);
        alike
            && match (&self.failure, &other.failure) {
                // What is said of an answer follows from the answer; and the last attempt's message has that of the wait around it.
                (Some((one, why)), Some((two, other))) => {
                    one == two && (is_answered || ends_with(why, other) || ends_with(other, why))
                }
                (one, two) => one.is_none() && two.is_none(),
            }
    }

    /// ATTEMPT of the one shape of a run: `http` and `exchange` of an HTTP attempt, `observed` of any other.
    pub fn to_json(&self, transcripts: Transcripts) -> Value {
        let failure = self.failure.as_ref().map(|(reason, message)| json!({ "reason": reason.as_str(), "message": message }));
        let observed = match &self.detail {
            Some(AttemptDetail::Other(observed)) => Some(observed.to_json(transcripts)),
            Some(AttemptDetail::Http(_)) | None => None,
        };
        json!({
            "span_id": self.span_id.to_string(),
            "started_seconds": seconds(self.started),
            "duration_seconds": seconds(self.duration),
            "failure": failure,
            "alike": self.alike,
            "http": self.http().map(HttpAnswer::to_json),
            "exchange": self.exchange().filter(|_| transcripts != Transcripts::Without).map(|exchange| exchange.to_json(transcripts)),
            "observed": observed,
        })
    }
}

impl AttemptDetail {
    /// What was asked, in one line.
    pub fn asked(&self) -> Cow<'_, str> {
        match self {
            Self::Http(HttpDetail { answer, .. }) => format!("{} {}", answer.method, answer.url).into(),
            Self::Other(observed) => observed.asked.as_str().into(),
        }
    }

    /// What its span is called.
    pub fn span_name(&self) -> Cow<'static, str> {
        match self {
            Self::Http(http) => http.answer.method.clone().into(),
            Self::Other(observed) => observed.kind.key().into(),
        }
    }

    /// Whether a byte of an answer came.
    pub fn is_answered(&self) -> bool {
        match self {
            Self::Http(http) => http.answer.status.is_some(),
            Self::Other(observed) => observed.answered,
        }
    }

    /// Whether the answer says that its subject does not exist, as opposed to lacking rights or bad timing.
    pub fn is_about_nothing(&self) -> bool {
        match self {
            Self::Http(http) => http
                .answer
                .status
                .is_some_and(|status| (400..500).contains(&status) && ![401, 407, 408, 425, 429].contains(&status)),
            Self::Other(_) => false,
        }
    }

    /// The phases that happened, in order, with the names used in metrics and traces.
    pub fn phases(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let (http, other) = match self {
            Self::Http(http) => (Some(&http.answer.phases), None),
            Self::Other(observed) => (None, Some(&observed.phases)),
        };
        http.into_iter().flat_map(Phases::each).chain(other.into_iter().flatten().copied())
    }

    /// What its span says of it, without phases.
    pub fn attributes(&self) -> Vec<(&'static str, FactValue)> {
        match self {
            Self::Http(http) => http.answer.attributes(),
            Self::Other(observed) => observed.facts.iter().map(|fact| (fact.attribute, fact.value.clone())).collect(),
        }
    }

    /// Whether what was sent and received is kept.
    pub fn has_transcript(&self) -> bool {
        match self {
            Self::Http(http) => http.exchange.is_some(),
            Self::Other(observed) => observed.transcript.is_some(),
        }
    }

    /// Forgets what was sent and received.
    pub fn drop_transcript(&mut self) {
        match self {
            Self::Http(http) => http.exchange = None,
            Self::Other(observed) => observed.transcript = None,
        }
    }
}

/// Whether a message is this one, with or without something said before it.
fn ends_with(message: &str, end: &str) -> bool {
    message.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with(": "))
}

impl HttpDetail {
    fn is_alike(&self, other: &Self) -> bool {
        let answer = |of: &Self| (of.answer.status, of.answer.body_bytes);
        answer(self) == answer(other) && self.received() == other.received()
    }

    fn received(&self) -> Option<&str> {
        self.exchange.as_ref().map(|exchange| exchange.response_body.as_str())
    }
}

impl Observed {
    fn is_alike(&self, other: &Self) -> bool {
        (self.answered, &self.facts, self.received()) == (other.answered, &other.facts, other.received())
    }

    fn received(&self) -> Option<&str> {
        self.transcript.as_ref().map(|transcript| transcript.received.as_str())
    }

    fn to_json(&self, transcripts: Transcripts) -> Value {
        let facts: Map<_, _> = self.facts.iter().map(|fact| (fact.name.to_owned(), fact.value.to_json())).collect();
        let phases: Map<_, _> = self.phases.iter().map(|(name, took)| ((*name).to_owned(), json!(seconds(*took)))).collect();
        let kept = self.transcript.as_ref().filter(|_| transcripts != Transcripts::Without);
        let transcript = kept.map(|kept| {
            let Transcript { sent, received, truncated } = &**kept;
            json!({ "sent": transcripts.shown(sent), "received": transcripts.shown(received), "truncated": truncated })
        });
        json!({
            "kind": self.kind.key(),
            "asked": self.asked,
            "answered": self.answered,
            "facts": facts,
            "phases_seconds": phases,
            "transcript": transcript,
        })
    }
}

impl FactValue {
    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Integer(number) => json!(number),
            Self::Bool(truth) => json!(truth),
        }
    }
}

impl HttpAnswer {
    fn to_json(&self) -> Value {
        let phases: Map<_, _> = self.phases.each().map(|(name, took)| (name.to_owned(), json!(seconds(took)))).collect();
        let withheld = self.withheld.iter();
        json!({
            "method": self.method,
            "url": self.url,
            "status": self.status,
            "version": self.version,
            "body_bytes": self.body_bytes,
            "reused": self.phases.reused,
            "phases_seconds": phases,
            "withheld": withheld
                .map(|withheld| json!({ "redirect": withheld.redirect, "to": withheld.to, "headers": withheld.headers }))
                .collect::<Value>(),
        })
    }
}

impl Exchange {
    fn to_json(&self, transcripts: Transcripts) -> Value {
        json!({
            "request_headers": self.request_headers,
            "request_body": transcripts.shown(&self.request_body),
            "response_headers": self.response_headers,
            "response_body": transcripts.shown(&self.response_body),
            "truncated": self.truncated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed() -> AttemptReport {
        let transcript = Transcript { sent: "EHLO me".to_owned(), received: "250 \u{1b}[2Jhello".to_owned(), truncated: false };
        AttemptReport {
            span_id: SpanId(1),
            started: Duration::ZERO,
            duration: Duration::from_millis(3),
            detail: Some(AttemptDetail::Other(Observed {
                // Whose shape it is does not matter: this one is any kind's.
                kind: StepKind::Http,
                asked: "connect to mail.example:25".to_owned(),
                answered: true,
                facts: vec![
                    Fact { name: "peer", attribute: "network.peer.address", value: FactValue::Text("::1".into()) },
                    Fact { name: "bytes", attribute: "serinus.bytes", value: FactValue::Integer(9) },
                    Fact { name: "kept", attribute: "serinus.kept", value: FactValue::Bool(false) },
                ],
                phases: vec![("connect", Duration::from_millis(2))],
                transcript: Some(Box::new(transcript)),
            })),
            failure: None,
            alike: 0,
            certificate: None,
        }
    }

    #[test]
    fn attempts_are_alike_whose_answers_are_whenever_they_came() {
        let one = observed();
        let later = AttemptReport { started: Duration::from_secs(1), duration: Duration::ZERO, span_id: SpanId(2), ..observed() };
        assert!(one.is_alike(&later));
        let failed = AttemptReport { failure: Some((Reason::Timeout, "no answer".to_owned())), ..observed() };
        assert!(!one.is_alike(&failed) && failed.is_alike(&failed));
        let mut other = observed();
        let Some(AttemptDetail::Other(seen)) = &mut other.detail else { panic!("it is no HTTP") };
        seen.transcript.as_mut().unwrap().received.push('!');
        assert!(!one.is_alike(&other));
        assert!(!one.is_alike(&AttemptReport { detail: None, ..observed() }));
    }

    #[test]
    fn what_any_kind_fills_in_is_read_by_everyone() {
        let mut attempt = observed();
        let json = attempt.to_json(Transcripts::Whole);
        let expected = json!({
            "kind": "http",
            "asked": "connect to mail.example:25",
            "answered": true,
            "facts": { "peer": "::1", "bytes": 9, "kept": false },
            "phases_seconds": { "connect": 0.002 },
            "transcript": { "sent": "EHLO me", "received": "250 \u{1b}[2Jhello", "truncated": false },
        });
        assert_eq!(json["observed"], expected);
        assert_eq!((&json["http"], &json["exchange"]), (&Value::Null, &Value::Null));
        assert_eq!(attempt.to_json(Transcripts::Masked)["observed"]["transcript"]["sent"], Redactor::MASK);
        assert_eq!(attempt.to_json(Transcripts::Without)["observed"]["transcript"], Value::Null);
        let detail = attempt.detail.as_mut().unwrap();
        assert_eq!(detail.phases().collect::<Vec<_>>(), [("connect", Duration::from_millis(2))]);
        assert_eq!(detail.attributes()[1], ("serinus.bytes", FactValue::Integer(9)));
        assert!(detail.is_answered() && detail.has_transcript() && !detail.is_about_nothing());
        detail.drop_transcript();
        assert!(!detail.has_transcript());
    }
}
