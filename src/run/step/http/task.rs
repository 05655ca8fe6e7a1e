//! HTTP as the run sees it: a request as a task, an exchange as an attempt, a response as an answer.

use std::sync::{Arc, OnceLock};

use futures::future::{BoxFuture, FutureExt as _};
use minijinja::Value;

use crate::outcome::{AttemptDetail, HttpDetail, Redactor};
use crate::plan::HttpAction;
use crate::plan::expr::EvalError;
use crate::run::net;
use crate::run::step::kind::{Answer, Attempt, Creation, Setting, Task, Terms, TransportError};
use crate::run::think::think;

use super::clients::HttpDevice;
use super::request::{self, HttpRequest, RunHeaders};
use super::response::HttpResponse;
use super::send::HttpAttempt;
use super::underway::Underway;

/// A request that is to be sent by a device.
pub(in crate::run::step) struct HttpTask {
    device: Arc<HttpDevice>,
    request: Arc<HttpRequest>,
}

impl HttpTask {
    /// Fills the request in.
    pub(in crate::run::step) fn prepare(action: &HttpAction, setting: &Setting<'_>) -> Result<Self, EvalError> {
        let request = request::render(action, &setting.device.headers, setting.scope, setting.limits.response_bytes)?;
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
        Arc::new(Exchange { device, request, underway: Underway::default(), made: OnceLock::new() })
    }
}

/// One sending of the request.
#[derive(Debug)]
struct Exchange {
    device: Arc<HttpDevice>,
    request: Arc<HttpRequest>,
    underway: Underway,
    made: OnceLock<HttpAttempt>,
}

impl Attempt for Exchange {
    fn make<'a>(&'a self, terms: &'a Terms<'a>) -> BoxFuture<'a, Result<Arc<dyn Answer>, TransportError>> {
        async move {
            let headers = RunHeaders::new(terms.run_id, terms.trace_id, terms.span_id, terms.sampled);
            let mut made = self.device.send_noting(&self.request, &headers, &terms.bound, terms.redactor, &self.underway).await;
            // Nobody else has it yet: it was only just received.
            if let Some(response) = made.result.as_mut().ok().and_then(Arc::get_mut) {
                net::take_out(terms.stalls, &mut response.latency, response.phases.each_mut(), std::time::Instant::now());
            }
            let made = self.made.get_or_init(|| made);
            made.result.clone().map(|response| -> Arc<dyn Answer> { response })
        }
        .boxed()
    }

    fn detail(&self, with_transcript: bool, redactor: &Redactor) -> AttemptDetail {
        let Some(made) = self.made.get() else {
            let (answer, exchange) = self.underway.cut(&self.request, with_transcript, redactor);
            return AttemptDetail::Http(HttpDetail { answer, exchange: exchange.map(Box::new) });
        };
        let exchange = with_transcript.then(|| {
            let bytes = self.request.body.len() + made.result.as_ref().map_or(0, |response| response.body.len());
            think(bytes, || Box::new(made.exchange(&self.request, redactor)))
        });
        AttemptDetail::Http(HttpDetail { answer: made.answer.clone(), exchange })
    }

    fn has_answer(&self) -> bool {
        self.underway.has_answer()
    }

    fn wants_place(&self) -> bool {
        self.underway.wants_place()
    }

    fn waiting_for(&self) -> &'static str {
        self.underway.waiting_for()
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
        self.json_error().map(|why| format!("the answer, status {}, is not JSON: {why}", self.status))
    }

    fn creation(&self) -> Creation {
        match self.status {
            400..500 => Creation::Refused,
            // The gateway says that it got no answer itself.
            502 | 504 => Creation::Unknown,
            _ => Creation::Possible,
        }
    }
}
