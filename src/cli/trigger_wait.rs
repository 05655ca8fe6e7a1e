//! Waiting for the end of a run that was started by hand.
//!
//! The service may be started again meanwhile, or a connection may break: that is told and survived for a while. Nothing is waited for
//! longer than the run may take.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::exit::{Exit, Failure};

/// How often it is asked whether a run has ended.
const AGAIN: Duration = Duration::from_millis(500);
/// How often while the service does not answer.
const AWAY_AGAIN: Duration = Duration::from_secs(2);
/// How long the service may be away.
const AWAY: Duration = Duration::from_mins(1);
/// How long a run may take where an older service does not say it.
const UNKNOWN: Duration = Duration::from_hours(1);
/// How long it may take until a run that has ended can be read.
const WRITTEN: Duration = Duration::from_secs(15);

/// How long a run with this deadline may take until it can be read: stalls of the service prolong it, at most by itself.
pub(super) fn longest(deadline: Option<Duration>) -> Duration {
    deadline.map_or(UNKNOWN, |deadline| deadline.saturating_mul(2)).saturating_add(WRITTEN)
}

/// Asks until there is a run. There is none if it had not ended by `until`.
///
/// # Errors
/// The service was away for too long, or refused to say.
pub(super) async fn wait(
    mut ask: impl AsyncFnMut() -> Result<Option<Value>, Failure>,
    until: Instant,
    say: impl Fn(&str),
) -> Result<Option<Value>, Failure> {
    let mut away: Option<Instant> = None;
    loop {
        match ask().await {
            Ok(answer) => {
                if away.take().is_some() {
                    say("the service answers again");
                }
                if answer.is_some() || Instant::now() >= until {
                    return Ok(answer);
                }
                sleep(AGAIN).await;
            }
            // What is wrong with the question does not mend itself.
            Err(failure) if failure.exit == Exit::Usage => return Err(failure),
            Err(failure) => {
                if away.is_none() {
                    say(&format!("{}; trying again for {} s", failure.message, AWAY.as_secs()));
                }
                if away.get_or_insert_with(Instant::now).elapsed() >= AWAY {
                    return Err(failure);
                }
                sleep(AWAY_AGAIN).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use serde_json::json;

    use super::*;

    /// How waiting ends, after how many seconds, and what was said meanwhile, where the service answers so, and so on as at last.
    async fn waited(
        answers: Vec<Result<Option<Value>, Failure>>,
        within: u64,
    ) -> (Result<Option<Value>, Failure>, u64, Vec<String>) {
        let (begun, said) = (Instant::now(), RefCell::new(Vec::new()));
        let mut answers = VecDeque::from(answers);
        let ask = async || {
            let again = match answers.front() {
                Some(Ok(run)) => Ok(run.clone()),
                Some(Err(failure)) => Err(Failure { exit: failure.exit, message: failure.message.clone() }),
                None => panic!("there is always one"),
            };
            if answers.len() > 1 { answers.pop_front().unwrap() } else { again }
        };
        let end = wait(ask, begun + Duration::from_secs(within), |text| said.borrow_mut().push(text.to_owned())).await;
        (end, begun.elapsed().as_secs(), said.into_inner())
    }

    fn away() -> Result<Option<Value>, Failure> {
        Err(Failure::prober("cannot ask"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_started_again_is_waited_for_and_that_is_said_once() {
        let answers = vec![Ok(None), away(), away(), away(), Ok(None), away(), Ok(Some(json!({ "run_id": "01A" })))];
        let (end, _, said) = waited(answers, 60).await;
        assert_eq!(end.unwrap().unwrap()["run_id"], "01A");
        let again = "the service answers again";
        assert_eq!(said, ["cannot ask; trying again for 60 s", again, "cannot ask; trying again for 60 s", again]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_stays_away_is_given_up_after_a_minute_also_where_the_run_may_take_longer() {
        let (end, seconds, _) = waited(vec![away()], 3_600).await;
        assert_eq!((end.unwrap_err().exit, seconds), (Exit::Prober, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_never_ends_is_waited_for_as_long_as_it_may_take() {
        let (end, seconds, said) = waited(vec![Ok(None)], 55).await;
        assert_eq!((end.unwrap(), seconds, said.len()), (None, 55, 0));
        assert_eq!(longest(Some(Duration::from_secs(20))), Duration::from_secs(55));
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_comes_back_late_is_asked_once_more() {
        let (end, ..) = waited(vec![away(), away(), Ok(Some(json!({})))], 1).await;
        assert!(end.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_with_the_question_is_not_asked_again() {
        let (end, seconds, _) = waited(vec![Err(Failure::usage("no token"))], 60).await;
        assert_eq!((end.unwrap_err().exit, seconds), (Exit::Usage, 0));
    }
}
