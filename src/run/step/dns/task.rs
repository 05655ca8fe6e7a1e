//! The DNS kind as the run sees it: the question is a task, asking it is an attempt.

use std::net::SocketAddr;
use std::slice::from_mut;
use std::sync::{Arc, OnceLock};

use futures::future::{BoxFuture, FutureExt as _};
use tokio::time::Instant;

use crate::outcome::{AttemptDetail, Reason, Redactor};
use crate::plan::DnsAction;
use crate::plan::expr::EvalError;
use crate::run::compute::compute;
use crate::run::dns::{QueryError, QueryOptions, Question, ask_server};
use crate::run::step::kind::{Answer, Attempt, Setting, Task, Terms, TransportError};
use crate::run::step::resources::{ensure_file_available, out_of_resources};

use super::answer::DnsAnswer;
use super::detail;
use super::progress::Progress;
use super::query::Query;

/// Bytes of a record that is spelled out, about.
const SPELLED_OUT: usize = 128;

/// A question that is to be asked.
pub(in crate::run::step) struct DnsTask(Arc<Query>);

impl DnsTask {
    /// Fills the question in.
    pub(in crate::run::step) fn prepare(action: &DnsAction, setting: &Setting<'_>) -> Result<Self, EvalError> {
        Query::render(action, setting).map(|query| Self(Arc::new(query)))
    }
}

impl Task for DnsTask {
    fn sent_bytes(&self) -> usize {
        self.0.name.len()
    }

    fn sent_text(&self) -> String {
        self.0.name.to_ascii()
    }

    fn attempt(&self) -> Arc<dyn Attempt> {
        Arc::new(Asking { query: Arc::clone(&self.0), progress: Progress::default(), answer: OnceLock::new() })
    }
}

/// One asking: of each server in turn, as often as the machine would.
#[derive(Debug)]
struct Asking {
    query: Arc<Query>,
    progress: Progress,
    answer: OnceLock<Arc<DnsAnswer>>,
}

impl Asking {
    /// The first answer that any of the servers gives, whatever it says.
    async fn ask(&self) -> Result<DnsAnswer, TransportError> {
        ensure_file_available().map_err(|error| TransportError::of_no_socket(&error))?;
        let query = &*self.query;
        let mut question = query
            .question()
            .map_err(|error| TransportError::unsent(Reason::NotEvaluable, format!("the question cannot be written: {error}")))?;
        let mut failed = Vec::with_capacity(query.servers.len());
        for _ in 0..query.rounds {
            failed.clear();
            for &server in &query.servers {
                let Err(why) = self.ask_server(server, &mut question).await else { return Ok(self.answer(&question)) };
                let is_final = is_final(&why);
                failed.push((server, why));
                if is_final {
                    return Err(self.failure(&failed));
                }
            }
        }
        Err(self.failure(&failed))
    }

    async fn ask_server(&self, server: SocketAddr, question: &mut Question) -> Result<(), QueryError> {
        self.progress.asks(server);
        let deadline = Instant::now() + self.query.patience;
        let note = |moment| self.progress.note(moment);
        let options =
            QueryOptions { server, from: self.query.from, tcp: self.query.tcp, deadline, fail_on_malformed: true, note: &note };
        ask_server(from_mut(question), &options).await
    }

    fn answer(&self, question: &Question) -> DnsAnswer {
        self.progress.ends();
        let stage = self.progress.stage().expect("it was asked");
        let message = question.answer.as_ref().expect("it was answered");
        let records = message.answers.len() + message.authorities.len() + message.additionals.len();
        compute(records * SPELLED_OUT, || DnsAnswer::new(question, message, &stage))
    }

    fn failure(&self, failed: &[(SocketAddr, QueryError)]) -> TransportError {
        TransportError::of_servers(failed, self.query.patience, self.query.rounds, self.progress.stage())
    }
}

impl Attempt for Asking {
    fn make<'a>(&'a self, terms: &'a Terms<'a>) -> BoxFuture<'a, Result<Arc<dyn Answer>, TransportError>> {
        async move {
            let late = || TransportError::of_a_late_answer(terms.bound.lasting(), self.progress.stage());
            let mut answer = terms.bound.hold(self.ask()).await.unwrap_or_else(|| Err(late()))?;
            let phases = answer.phases.iter_mut().map(|(_, took)| took);
            terms.stalls.take_out(&mut answer.latency, phases, std::time::Instant::now());
            let answer: Arc<dyn Answer> = Arc::<DnsAnswer>::clone(self.answer.get_or_init(|| Arc::new(answer)));
            Ok(answer)
        }
        .boxed()
    }

    fn detail(&self, with_transcript: bool, redactor: &Redactor) -> AttemptDetail {
        let (stage, answer) = (self.progress.stage(), self.answer.get());
        let bytes = answer.map_or(0, |answer| if with_transcript { answer.bytes() } else { 0 });
        compute(bytes, || detail::detail(&self.query, stage.as_ref(), answer.map(|answer| &**answer), with_transcript, redactor))
    }

    fn has_answer(&self) -> bool {
        self.progress.stage().is_some_and(|stage| stage.answered)
    }

    fn waits_for_permit(&self) -> bool {
        false
    }

    fn waiting_for(&self) -> &'static str {
        self.progress.stage().map_or("the answer", |stage| stage.waiting_for())
    }
}

/// Whether no other server is asked: the server answered something malformed, or this process is out of resources.
fn is_final(why: &QueryError) -> bool {
    match why {
        QueryError::Silent => false,
        QueryError::Unreachable(error) => out_of_resources(error),
        QueryError::Broken(_) => true,
    }
}
