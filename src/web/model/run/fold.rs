//! Attempts that saw the same, folded, as the terminal folds them.

use serde_json::Value;

use crate::outcome::visible;

use super::details::Attempt;

/// Attempts in a row that saw the same.
#[derive(Debug)]
pub(super) struct Alike<'a> {
    pub(super) first: &'a Attempt,
    pub(super) last: &'a Attempt,
    /// How many there were.
    pub(super) count: u64,
}

/// The attempts of a step, each other answer once.
pub(super) fn folded(attempts: &[Attempt]) -> Vec<Alike<'_>> {
    let mut all: Vec<Alike<'_>> = Vec::new();
    for attempt in attempts {
        let count = attempt.alike.saturating_add(1);
        match all.last_mut().filter(|alike| is_alike(alike.first, attempt)) {
            Some(alike) => (alike.last, alike.count) = (attempt, alike.count.saturating_add(count)),
            None => all.push(Alike { first: attempt, last: attempt, count }),
        }
    }
    all
}

/// Whether both ended with the same answer, as far as it was kept.
fn is_alike(one: &Attempt, other: &Attempt) -> bool {
    let status = |of: &Attempt| of.http.as_ref().map(|http| (http.status, http.body_bytes));
    let body = |of: &Attempt| of.exchange.as_ref().map(|exchange| exchange.response_body.clone());
    let observed = |of: &Attempt| {
        let received = |of: &super::details::Observed| of.transcript.as_ref().map(|kept| kept.received.clone());
        of.observed.as_ref().map(|observed| (observed.answered, observed.facts.clone(), received(observed)))
    };
    let is_answered = status(one).is_some_and(|(status, _)| status.is_some());
    let is_same_end = match (&one.failure, &other.failure) {
        (Some(one), Some(other)) => {
            one.reason == other.reason
                && (is_answered || one.message.ends_with(&other.message) || other.message.ends_with(&one.message))
        }
        (one, other) => one.is_none() && other.is_none(),
    };
    is_same_end && status(one) == status(other) && body(one) == body(other) && observed(one) == observed(other)
}

/// What came, in a word or two.
pub(super) fn answer(attempt: &Attempt) -> String {
    if let Some(status) = attempt.http.as_ref().and_then(|http| http.status) {
        return status.to_string();
    }
    match &attempt.observed {
        Some(observed) if observed.answered => {
            let fact = |(name, value): (&String, &Value)| format!("{} {}", visible(name).replace('_', " "), text(value));
            let facts: Vec<String> = observed.facts.iter().take(6).map(fact).collect();
            if facts.is_empty() { "answered".to_owned() } else { facts.join(", ") }
        }
        Some(_) | None => match attempt.failure.as_ref().map(|failure| failure.reason.as_str()) {
            None | Some("" | "expectation") if attempt.http.is_none() && attempt.observed.is_none() => "done".to_owned(),
            None | Some("" | "expectation") => "no answer".to_owned(),
            Some(reason) => visible(reason).into_owned(),
        },
    }
}

/// `19 × 200, same answer`, `3 × 404, then 200`: all attempts of a step in one line.
pub(super) fn in_words(made: u64, all: &[Alike<'_>]) -> String {
    match all {
        [] => String::new(),
        [one] if one.count == 1 && made <= 1 => answer(one.first),
        [one] if one.count >= made => format!("{} × {}, same answer", one.count, answer(one.first)),
        [.., last] if all.len() <= 3 && all.iter().map(|alike| alike.count).sum::<u64>() >= made => {
            let before = &all[..all.len() - 1];
            let before: Vec<String> = before.iter().map(|alike| format!("{} × {}", alike.count, answer(alike.first))).collect();
            let times = if last.count > 1 { format!("{} × ", last.count) } else { String::new() };
            format!("{}, then {times}{}", before.join(", "), answer(last.first))
        }
        [.., last] => format!("{made} attempts, last {}", answer(last.last)),
    }
}

/// A value as one line.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => visible(text).into_owned(),
        other => visible(&other.to_string()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::details::{Exchange, Failure, Http};
    use super::*;

    fn attempt(status: Option<u64>, body: &str) -> Attempt {
        Attempt {
            http: Some(Http { status, ..Http::default() }),
            exchange: Some(Exchange { response_body: body.to_owned(), ..Exchange::default() }),
            failure: Some(Failure { reason: "expectation".to_owned(), message: String::new() }),
            ..Attempt::default()
        }
    }

    #[test]
    fn polls_that_saw_the_same_are_one_and_a_body_that_differs_is_another() {
        let mut all = vec![attempt(Some(200), "a"); 18];
        all[3].alike = 1;
        assert_eq!(in_words(19, &folded(&all)), "19 × 200, same answer");
        all.push(attempt(Some(200), "b"));
        assert_eq!(in_words(20, &folded(&all)), "19 × 200, then 200");
        assert_eq!(in_words(90, &folded(&all)), "90 attempts, last 200", "not all of them are kept");
        all.push(attempt(None, ""));
        all.push(attempt(Some(500), "c"));
        assert_eq!(in_words(22, &folded(&all)), "22 attempts, last 500");
    }

    #[test]
    fn one_attempt_is_its_answer_and_none_is_nothing() {
        assert_eq!(in_words(1, &folded(&[attempt(Some(201), "")])), "201");
        assert_eq!(in_words(1, &folded(&[attempt(None, "")])), "no answer");
        assert_eq!(in_words(0, &folded(&[])), "");
    }
}
