//! The attempts of a step that polled, folded: each other answer once, with how often it came, and always the first and the last.

use serde_json::Value;

use crate::cli::style::{human_duration, printable};
use crate::outcome::AttemptReport;

use super::page::{RunText, duration, pairs, phases_text, text};

/// Answers that differ from the one before them that are shown from the start; so many and the last ones.
const SHOWN: (usize, usize) = (6, 4);

/// Attempts in a row that saw the same.
struct Alike {
    /// Which the first and the last of them are.
    first: usize,
    last: usize,
    /// How many there were.
    count: u64,
}

fn folded(attempts: &[AttemptReport]) -> Vec<Alike> {
    let mut all: Vec<Alike> = Vec::new();
    for (at, attempt) in attempts.iter().enumerate() {
        let count = 1 + u64::from(attempt.alike);
        match all.last_mut().filter(|alike| attempts[alike.first].is_alike(attempt)) {
            Some(alike) => (alike.last, alike.count) = (at, alike.count + count),
            None => all.push(Alike { first: at, last: at, count }),
        }
    }
    all
}

impl RunText {
    /// Writes the attempts of a step, which are these and, in the same order, these.
    pub(super) fn polls(&mut self, made: u32, attempts: &[AttemptReport], shown: &[Value]) {
        let all = folded(attempts);
        let Some(final_one) = all.last() else { return };
        if made == 1 {
            self.sentence(4, &format!("{}{}", answer(&shown[0]), phases(&shown[0])));
            return;
        }
        let last = shown.len() - 1;
        let not_kept = u64::from(made).saturating_sub(all.iter().map(|alike| alike.count).sum());
        let (from_start, from_end) = SHOWN;
        for (number, alike) in all.iter().enumerate() {
            if number == from_start && all.len() > from_start + from_end {
                let left_out = &all[from_start..all.len() - from_end];
                let others: u64 = left_out.iter().map(|alike| alike.count).sum();
                self.folded(&format!("{others} attempts with {} other answers", left_out.len()));
            }
            if number >= from_start && number + from_end < all.len() {
                continue;
            }
            let is_final = std::ptr::eq(alike, final_one);
            if is_final && not_kept > 0 {
                self.folded(&format!("{not_kept} attempts, each with another answer, not kept"));
            }
            self.attempt(&shown[alike.first], true);
            // The last one of all has a line of its own.
            let own_line = is_final && alike.last > alike.first;
            let repeated = alike.count - 1 - u64::from(own_line);
            if repeated > 0 {
                self.folded(&format!("{repeated} × {}, same answer", answer(&shown[alike.first])));
            }
            if own_line {
                self.attempt(&shown[last], false);
            }
        }
    }

    fn folded(&mut self, what: &str) {
        let what = self.style.dim(&format!("… {what}"));
        self.line(4, &what);
    }

    /// One attempt: when, what came, how soon and, where asked for, why it did not hold.
    fn attempt(&mut self, attempt: &Value, with_why: bool) {
        let when = human_duration(duration(attempt, "started_seconds"));
        let took = human_duration(duration(attempt, "duration_seconds"));
        let why = attempt["failure"]["message"].as_str().filter(|_| with_why);
        let why = why.map_or(String::new(), |why| format!(": {}", printable(why)));
        self.sentence(4, &format!("at {when}: {} in {took}{why}", answer(attempt)));
    }
}

/// What came, in a word or two.
fn answer(attempt: &Value) -> String {
    let observed = &attempt["observed"];
    match attempt["http"]["status"].as_u64() {
        Some(status) => status.to_string(),
        None if observed["answered"] == true => {
            let fact = |(name, value): (&String, &Value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), |value| printable(value).into_owned());
                format!("{} {value}", printable(name).replace('_', " "))
            };
            let facts: Vec<String> = pairs(observed, "facts").map(fact).collect();
            if facts.is_empty() { "answered".to_owned() } else { facts.join(", ") }
        }
        None => match text(&attempt["failure"], "reason") {
            "" | "expectation" => "no answer".to_owned(),
            reason => printable(reason).into_owned(),
        },
    }
}

fn phases(attempt: &Value) -> String {
    let of = if attempt["http"].is_null() { &attempt["observed"] } else { &attempt["http"] };
    phases_text(of, None)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::style::Style;
    use crate::outcome::{Reason, SpanId, Transcripts};

    fn attempts(seen: &[&str]) -> Vec<AttemptReport> {
        let one = |(at, seen): (usize, &&str)| AttemptReport {
            span_id: SpanId(1),
            started: Duration::from_secs(u64::try_from(at).unwrap()),
            duration: Duration::from_millis(20),
            detail: None,
            failure: Some((Reason::Connect, (*seen).to_owned())),
            alike: 0,
            certificate: None,
        };
        seen.iter().enumerate().map(one).collect()
    }

    fn page(made: u32, attempts: &[AttemptReport]) -> String {
        let shown: Vec<Value> = attempts.iter().map(|attempt| attempt.to_json(Transcripts::Whole)).collect();
        let mut page = RunText::new(Style::PLAIN, 80, true);
        page.polls(made, attempts, &shown);
        page.text
    }

    #[test]
    fn attempts_that_saw_the_same_are_one_line_between_the_first_and_the_last() {
        let all = attempts(&["refused"; 20]);
        let expected =
            "    at 0 µs: connect in 20 ms: refused\n    … 18 × connect, same answer\n    at 19.0 s: connect in 20 ms\n";
        assert_eq!(page(20, &all), expected);
        assert_eq!(page(1, &all[..1]), "    connect\n");
        assert_eq!(page(0, &[]), "");
    }

    #[test]
    fn an_answer_that_differs_is_seen_and_what_was_not_kept_is_counted_where_it_was() {
        let mut all = attempts(&["refused", "refused", "reset", "refused"]);
        all[1].alike = 100;
        let expected = [
            "    at 0 µs: connect in 20 ms: refused",
            "    … 101 × connect, same answer",
            "    at 2.00 s: connect in 20 ms: reset",
            "    at 3.00 s: connect in 20 ms: refused",
        ];
        assert_eq!(page(104, &all).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn of_many_other_answers_the_first_and_the_last_are_shown() {
        let words: Vec<String> = (0..15).map(|number| format!("error {number}")).collect();
        let all = attempts(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let text = page(115, &all);
        assert_eq!(text.lines().count(), 12, "{text}");
        assert!(text.contains("… 5 attempts with 5 other answers\n"), "{text}");
        assert!(text.contains("… 100 attempts, each with another answer, not kept\n    at 14.0 s"), "{text}");
    }
}
