//! The HTTP kind as the run sees it: a request is a task, an exchange an attempt, a response an answer.

use std::sync::{Arc, OnceLock};

use futures::future::{BoxFuture, FutureExt as _};
use minijinja::Value;

use crate::outcome::{AttemptDetail, HttpDetail, PeerCertificate, Redactor};
use crate::plan::HttpAction;
use crate::plan::expr::EvalError;
use crate::run::compute::compute;
use crate::run::step::kind::{Answer, Attempt, Creation, Setting, Task, Terms, TransportError};

use super::clients::HttpDevice;
use super::home;
use super::progress::Progress;
use super::request::{self, HttpRequest, RunHeaders};
use super::response::HttpResponse;
use super::send::HttpAttempt;

/// A request that is to be sent by a device.
pub(in crate::run::step) struct HttpTask {
    device: Arc<HttpDevice>,
    request: Arc<HttpRequest>,
}

impl HttpTask {
    /// Fills the request in.
    pub(in crate::run::step) fn prepare(action: &HttpAction, setting: &Setting<'_>) -> Result<Self, EvalError> {
        let request = request::render(action, &setting.device.requests, setting.scope, setting.limits.response_bytes)?;
        home::check(action, setting, &request)?;
        Ok(Self { device: Arc::clone(setting.session.http()), request: Arc::new(request) })
    }
}

impl Task for HttpTask {
    fn sent_bytes(&self) -> usize {
        self.request.body.len()
    }

    fn sent_text(&self) -> String {
        self.request.body.text()
    }

    fn attempt(&self) -> Arc<dyn Attempt> {
        let (device, request) = (Arc::clone(&self.device), Arc::clone(&self.request));
        Arc::new(RequestAttempt { device, request, progress: Progress::default(), made: OnceLock::new() })
    }
}

/// One sending of the request.
#[derive(Debug)]
struct RequestAttempt {
    device: Arc<HttpDevice>,
    request: Arc<HttpRequest>,
    progress: Progress,
    made: OnceLock<HttpAttempt>,
}

impl Attempt for RequestAttempt {
    fn make<'a>(&'a self, terms: &'a Terms<'a>) -> BoxFuture<'a, Result<Arc<dyn Answer>, TransportError>> {
        async move {
            let headers = RunHeaders::new(terms.run_id, terms.trace_id, terms.span_id, terms.sampled);
            let mut made = self.device.send_within(&self.request, &headers, &terms.bound, terms.redactor, &self.progress).await;
            // Nobody else has it yet: it was only just received.
            if let Some(response) = made.result.as_mut().ok().and_then(Arc::get_mut) {
                terms.stalls.take_out(&mut response.latency, response.phases.each_mut(), std::time::Instant::now());
            }
            let made = self.made.get_or_init(|| made);
            made.result.clone().map(|response| -> Arc<dyn Answer> { response })
        }
        .boxed()
    }

    fn detail(&self, with_transcript: bool, redactor: &Redactor) -> AttemptDetail {
        let Some(made) = self.made.get() else {
            let (answer, exchange) = self.progress.cut(&self.request, with_transcript, redactor);
            return AttemptDetail::Http(HttpDetail { answer, exchange: exchange.map(Box::new) });
        };
        let exchange = with_transcript.then(|| {
            let bytes = self.request.body.len() + made.result.as_ref().map_or(0, |response| response.body.len());
            compute(bytes, || Box::new(made.exchange(&self.request, redactor)))
        });
        AttemptDetail::Http(HttpDetail { answer: made.answer.clone(), exchange })
    }

    fn certificate(&self, redactor: &Redactor) -> Option<PeerCertificate> {
        self.made.get()?.result.as_ref().ok()?.certificate(redactor)
    }

    fn has_answer(&self) -> bool {
        self.progress.has_answer()
    }

    fn waits_for_permit(&self) -> bool {
        self.progress.waits_for_permit()
    }

    fn waiting_for(&self) -> &'static str {
        self.progress.waiting_for()
    }
}

impl Answer for HttpResponse {
    fn lookup(&self, name: &str) -> Option<Value> {
        Self::lookup(self, name)
    }

    fn bytes(&self) -> usize {
        self.body.len()
    }

    fn text(&self) -> String {
        Self::text(self)
    }

    fn document(&self) -> Result<&serde_json::Value, String> {
        self.json()
    }

    fn remark(&self) -> Option<String> {
        self.not_what_was_asked_for()
    }

    fn creation(&self) -> Creation {
        match self.status {
            400..500 => Creation::Refused,
            // A gateway says so if it got no answer itself.
            502 | 504 => Creation::Unknown,
            _ => Creation::Possible,
        }
    }
}
