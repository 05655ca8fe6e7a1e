//! What people ask of one process of a fleet and another one has to do: it goes through the store, and its answer comes back as if it
//! were this process's own.
//!
//! A request is taken before it is done, and so is done at most once. One that nobody takes in time is withdrawn, which the answer then
//! says. One more verb is a variant of [`Verb`] and an arm of [`Api::do_asked`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::fleet::RosterReader;
use crate::history::{Fleet, LeaseName, Request, RequestState};

use super::incidents::{self, Ack, Close};
use super::started_by_hand::{self, Start};
use super::{Api, ApiState, Failure};

/// How long an answer is waited for.
const WITHIN: Duration = Duration::from_secs(5);

/// How long a request may be begun with, where whoever asked ends before it takes it back.
const LASTS: Duration = Duration::from_secs(10);

/// How often it is looked for the answer.
const LOOK: Duration = Duration::from_millis(150);

/// Who may wait for answers at once; others wait for them.
const AT_ONCE: usize = 4;

/// What one process asks another one to do. Whatever it needs is in it, and no secret is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub(super) enum Verb {
    /// Of who evaluates.
    Acknowledge(Ack),
    /// Of who evaluates.
    Close(Close),
    /// Of who probes the canaries.
    Start(Start),
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answered {
    /// The answer, as the API gives it.
    Done(Value),
    /// It was not done: the status and the sentence.
    Refused { status: u16, message: String },
}

/// The other processes of the fleet.
pub struct Others {
    fleet: Arc<dyn Fleet>,
    /// Who is there.
    pub(in crate::web) roster: RosterReader,
    /// Who this process is among them.
    pub(in crate::web) holder: String,
    turns: Semaphore,
}

impl Others {
    /// Those that share this store; `holder` is this process.
    pub fn new(fleet: Arc<dyn Fleet>, holder: String) -> Self {
        Self { roster: RosterReader::new(Arc::clone(&fleet)), fleet, holder, turns: Semaphore::new(AT_ONCE) }
    }

    /// Asks whoever has the lease, and waits for the answer.
    pub(super) async fn ask<T: DeserializeOwned>(&self, of: LeaseName, verb: Verb) -> Result<T, Failure> {
        self.ask_all(vec![(of, verb)]).await.pop().unwrap_or_else(|| Err(Failure::internal()))
    }

    /// Asks each of these at once, and waits for all answers. They come in the same order.
    pub(super) async fn ask_all<T: DeserializeOwned>(&self, wanted: Vec<(LeaseName, Verb)>) -> Vec<Result<T, Failure>> {
        let Ok(Ok(_turn)) = tokio::time::timeout(WITHIN, self.turns.acquire()).await else {
            return wanted.iter().map(|_| Err(Failure::busy())).collect();
        };
        let requests: Vec<Request> = wanted
            .into_iter()
            .map(|(to, verb)| {
                let json = serde_json::to_string(&verb).expect("texts have a JSON spelling");
                Request { id: ulid::Ulid::generate().to_string(), to, json }
            })
            .collect();
        let whom: Vec<String> = requests.iter().map(|request| named(&request.to)).collect();
        let states = self.answers(requests).await;
        states.into_iter().zip(&whom).map(|(state, whom)| answer(state, whom)).collect()
    }

    /// What became of requests once all were answered, or the time was over; nothing of those of which the store does not say.
    async fn answers(&self, requests: Vec<Request>) -> Vec<Option<RequestState>> {
        let ids: Vec<String> = requests.iter().map(|request| request.id.clone()).collect();
        let until = Instant::now() + WITHIN;
        // Where the store does not say that it has them, it may have them all the same.
        let asked = self.fleet.ask(requests, LASTS).await;
        while asked.is_ok() && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
            let Ok(states) = self.fleet.answers(ids.clone()).await else { continue };
            if states.iter().all(|state| matches!(state, RequestState::Answered(_))) {
                return states.into_iter().map(Some).collect();
            }
        }
        // What cannot be taken back runs out by itself, and is told as uncertain.
        let withdrawn = self.fleet.withdraw(ids.clone()).await;
        match self.fleet.answers(ids.clone()).await {
            // A request that the store has not confirmed may still come to it.
            Ok(states) if withdrawn.is_ok() && asked.is_ok() => states.into_iter().map(Some).collect(),
            Ok(_) | Err(_) => ids.iter().map(|_| None).collect(),
        }
    }
}

/// What whoever has this lease is called.
fn named(lease: &LeaseName) -> String {
    match lease {
        LeaseName::Evaluator => "the process that evaluates for the fleet".to_owned(),
        LeaseName::Region(region) => format!("the process that probes `{region}`"),
    }
}

/// What whoever asked is told.
fn answer<T: DeserializeOwned>(state: Option<RequestState>, whom: &str) -> Result<T, Failure> {
    let (waited, lasts) = (WITHIN.as_secs(), LASTS.as_secs());
    let answer = match state {
        Some(RequestState::Answered(answer)) => answer,
        Some(RequestState::Gone) => {
            return Err(Failure::unanswered(format!(
                "{whom} was asked and did not answer within {waited} s; the request was withdrawn, and nothing was done: \
                 `serinus status` says which instances are heard of"
            )));
        }
        Some(RequestState::Taken) => {
            return Err(Failure::uncertain(format!(
                "{whom} was asked and has begun, but did not say within {waited} s what came of it: it may have been done; look \
                 before you ask again"
            )));
        }
        Some(RequestState::Waiting) | None => {
            return Err(Failure::uncertain(format!(
                "{whom} was asked, but the store does not say what came of it: it may be done within {lasts} s; look before you ask \
                 again"
            )));
        }
    };
    match serde_json::from_str(&answer) {
        Ok(Answered::Done(value)) => serde_json::from_value(value).map_err(|_| other_version(whom)),
        Ok(Answered::Refused { status, message }) => Err(Failure::of(status, message)),
        Err(_) => Err(other_version(whom)),
    }
}

fn other_version(whom: &str) -> Failure {
    Failure::uncertain(format!(
        "{whom} answered in a way that this process cannot read; is it of another version? It may have been done"
    ))
}

impl Api {
    /// Does what another process asks of this one, and answers. Both are JSON.
    pub(crate) async fn do_asked(self: &Arc<Self>, json: &str) -> String {
        let done = match serde_json::from_str(json) {
            Ok(verb) => self.do_verb(verb).await,
            Err(error) => {
                tracing::warn!(%error, "another process of the fleet asks for something that this version does not know");
                let known = env!("CARGO_PKG_VERSION");
                Err(Failure::conflict(format!("the process that was asked has version {known} and does not know how to do that")))
            }
        };
        let answered = match done {
            Ok(value) => Answered::Done(value),
            Err(failure) => Answered::Refused { status: failure.status().as_u16(), message: failure.message().to_owned() },
        };
        serde_json::to_string(&answered).expect("texts and numbers have a JSON spelling")
    }

    async fn do_verb(self: &ApiState, verb: Verb) -> Result<Value, Failure> {
        // Between two holders of the lease nobody does it.
        let elsewhere = || {
            Failure::of(
                StatusCode::SERVICE_UNAVAILABLE.as_u16(),
                "another process takes over just now, and nothing was done: try again".to_owned(),
            )
        };
        let answer = match verb {
            Verb::Acknowledge(ack) => serde_json::to_value(incidents::acknowledge_here(self, &ack).await?.ok_or_else(elsewhere)?),
            Verb::Close(close) => serde_json::to_value(incidents::close_here(self, &close).await?.ok_or_else(elsewhere)?),
            Verb::Start(start) => serde_json::to_value(started_by_hand::start_here(self, &start)),
        };
        answer.map_err(|_| Failure::internal())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(state: Option<RequestState>) -> Result<Value, (u16, bool, String)> {
        let told = answer(state, &named(&LeaseName::Region("ap".into())));
        told.map_err(|failure: Failure| (failure.status().as_u16(), failure.may_be_done(), failure.message().to_owned()))
    }

    #[test]
    fn an_answer_is_told_as_if_it_were_this_process_s_own() {
        let done = answered(Some(RequestState::Answered(r#"{"done":{"members":2}}"#.to_owned())));
        assert_eq!(done, Ok(json!({ "members": 2 })));
        let refused = r#"{"refused":{"status":409,"message":"no"}}"#.to_owned();
        assert_eq!(answered(Some(RequestState::Answered(refused))), Err((409, false, "no".to_owned())));
    }

    #[test]
    fn what_was_withdrawn_was_not_done_and_of_all_else_nobody_knows() {
        let (status, may_be_done, said) = answered(Some(RequestState::Gone)).unwrap_err();
        assert!(status == 503 && !may_be_done && said.contains("probes `ap`") && said.contains("nothing was done"), "{said}");
        for state in [Some(RequestState::Taken), Some(RequestState::Waiting), None, Some(RequestState::Answered("{}".to_owned()))]
        {
            let (status, may_be_done, said) = answered(state).unwrap_err();
            assert!(status == 504 && may_be_done, "{said}");
        }
    }

    #[test]
    fn a_verb_is_read_back_as_it_was_sent() {
        let start = Start { canaries: vec!["p/eu".to_owned()], by: "ann".to_owned(), target: Some("p".to_owned()) };
        let ack = Ack { incident: "probe/p".to_owned(), by: "ann".to_owned(), reason: None };
        for verb in [Verb::Start(start), Verb::Acknowledge(ack)] {
            assert_eq!(serde_json::from_str::<Verb>(&serde_json::to_string(&verb).unwrap()).unwrap(), verb);
        }
    }
}
