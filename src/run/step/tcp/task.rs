//! TCP as the run sees it: an exchange as a task, one making of it as an attempt.

use std::borrow::Cow;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};

use crate::outcome::{AttemptDetail, Fact, FactValue, Observed, PeerCertificate, Redactor, TextKind, Transcript};
use crate::plan::expr::EvalError;
use crate::plan::{StepKind, TcpAction};
use crate::run::compute::compute;
use crate::run::step::kind::{Answer, Attempt, Setting, Task, Terms, TransportError};
use crate::run::step::transcript::{self, BODY};

use super::device::TcpDevice;
use super::progress::{Excerpt, Progress, TcpStage};
use super::request::TcpRequest;

/// An exchange that a device is to make.
pub(in crate::run::step) struct TcpTask {
    device: Arc<TcpDevice>,
    request: Arc<TcpRequest>,
}

impl TcpTask {
    /// Fills the exchange in.
    pub(in crate::run::step) fn prepare(action: &TcpAction, setting: &Setting<'_>) -> Result<Self, EvalError> {
        let tls = &setting.device.settings.tls;
        let request = TcpRequest::render(action, tls, setting.scope, setting.limits.response_bytes)?;
        Ok(Self { device: Arc::clone(setting.session.tcp()), request: Arc::new(request) })
    }
}

impl Task for TcpTask {
    fn sent_bytes(&self) -> usize {
        self.request.send.as_ref().map_or(0, Vec::len)
    }

    fn sent_text(&self) -> String {
        self.request.send.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    }

    fn attempt(&self) -> Arc<dyn Attempt> {
        let (device, request) = (Arc::clone(&self.device), Arc::clone(&self.request));
        let progress = Progress::new(request.read.is_some());
        Arc::new(TcpAttempt { device, request, progress })
    }
}

/// One making of the exchange.
#[derive(Debug)]
struct TcpAttempt {
    device: Arc<TcpDevice>,
    request: Arc<TcpRequest>,
    progress: Progress,
}

impl Attempt for TcpAttempt {
    fn make<'a>(&'a self, terms: &'a Terms<'a>) -> BoxFuture<'a, Result<Arc<dyn Answer>, TransportError>> {
        async move {
            let exchange = self.device.attempt(&self.request, &self.progress);
            let made = terms.bound.hold(exchange).await;
            match made.unwrap_or_else(|| Err(self.progress.timed_out(terms.bound.lasting()))) {
                Ok(mut answer) => {
                    let phases = answer.phases.iter_mut().map(|(_, took)| took);
                    terms.stalls.take_out(&mut answer.latency, phases, answer.ended);
                    Ok(Arc::new(answer) as Arc<dyn Answer>)
                }
                Err(failure) => {
                    self.device.lost(&self.request.name, &failure);
                    Err(failure)
                }
            }
        }
        .boxed()
    }

    fn detail(&self, with_transcript: bool, redactor: &Redactor) -> AttemptDetail {
        let stage = self.progress.so_far();
        let bytes = stage.sent_excerpt.start.len() + stage.received_excerpt.start.len();
        let transcript = with_transcript.then(|| compute(bytes, || Box::new(transcript_of(&stage, redactor))));
        AttemptDetail::Other(Observed {
            kind: StepKind::Tcp,
            asked: redactor.redact(&asked(&self.request)).into_owned(),
            answered: stage.is_answered(),
            facts: facts(&self.request, &stage, redactor),
            phases: stage.phases,
            transcript,
        })
    }

    fn certificate(&self, redactor: &Redactor) -> Option<PeerCertificate> {
        let tls = self.progress.new_tls()?;
        tls.certificate(redactor)
    }

    fn has_answer(&self) -> bool {
        self.progress.is_answered()
    }

    fn waits_for_permit(&self) -> bool {
        self.progress.waits_for_permit()
    }

    fn waiting_for(&self) -> &'static str {
        self.progress.waiting_for()
    }
}

/// What is asked, in one line.
fn asked(request: &TcpRequest) -> String {
    match &request.target {
        Some(target) => format!("connect to {target}"),
        None => format!("go on with the connection `{}`", request.name),
    }
}

/// What is known of an attempt, with the names that OpenTelemetry's conventions have for it
/// (<https://opentelemetry.io/docs/specs/semconv/registry/attributes/>).
fn facts(request: &TcpRequest, stage: &TcpStage, redactor: &Redactor) -> Vec<Fact> {
    let text = |text: &str| FactValue::Text(Cow::Owned(redactor.redact(text).into_owned()));
    let number = |number: usize| FactValue::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let fact = |name, attribute, value| Fact { name, attribute, value };
    let mut facts = vec![
        fact("connection", "serinus.connection.name", text(&request.name)),
        fact("reused", "serinus.connection.reused", FactValue::Bool(request.target.is_none())),
        fact("transport", "network.transport", FactValue::Text("tcp".into())),
    ];
    if let Some(target) = &request.target {
        facts.push(fact("host", "server.address", text(&target.host.to_string())));
        facts.push(fact("port", "server.port", FactValue::Integer(target.port.into())));
    }
    if let Some(peer) = stage.peer {
        facts.push(fact("remote", "network.peer.address", FactValue::Text(peer.ip().to_string().into())));
        facts.push(fact("remote_port", "network.peer.port", FactValue::Integer(peer.port().into())));
    }
    facts.push(fact("sent_bytes", "serinus.tcp.sent_bytes", number(stage.sent)));
    facts.push(fact("received_bytes", "serinus.tcp.received_bytes", number(stage.received)));
    if let Some(tls) = &stage.tls {
        facts.extend(tls.alpn.as_ref().map(|alpn| fact("tls_alpn", "tls.next_protocol", text(alpn))));
        if let Some(certificate) = tls.facts() {
            facts.push(fact("tls_version", "tls.protocol.version", FactValue::Text(certificate.version.into())));
            facts.push(fact("tls_not_after", "tls.server.not_after", FactValue::Text(certificate.not_after().into())));
            facts.push(fact("tls_issuer", "tls.server.issuer", text(&certificate.issuer)));
            facts.push(fact("tls_subject", "tls.server.subject", text(&certificate.subject)));
        }
    }
    facts
}

fn transcript_of(stage: &TcpStage, redactor: &Redactor) -> Transcript {
    let shown = |excerpt: &Excerpt| {
        let text = String::from_utf8_lossy(&excerpt.start);
        transcript::shown(&text, !excerpt.is_cut, BODY, TextKind::Body, redactor)
    };
    let ((sent, sent_is_cut), (received, received_is_cut)) = (shown(&stage.sent_excerpt), shown(&stage.received_excerpt));
    Transcript { sent, received, truncated: sent_is_cut || received_is_cut }
}
