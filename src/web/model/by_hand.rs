//! Runs that somebody asked for, by verifying an incident or by hand: who passes, who fails, what still runs, and when the next
//! ticks come, which alone count.

use std::collections::HashMap;

use crate::history::RunView;

use super::incident::shared::place;
use super::{run, words};

/// How much longer than its deadline a run may take until its result is kept: cleanup, and writing it down.
const GRACE_MS: i64 = 15_000;

/// A canary that was asked to run.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) struct Asked<'a> {
    /// Its id.
    pub(in crate::web) canary: &'a str,
    /// Whether a run of it goes on.
    pub(in crate::web) is_running: bool,
    /// How long a run may take, milliseconds.
    pub(in crate::web) deadline_ms: i64,
    /// When its next tick is due; absent where none will come.
    pub(in crate::web) next_tick_ms: Option<i64>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Row {
    /// `eu · ios`; the whole id where it has no place.
    pub(in crate::web) place: String,
    /// Class, glyph and word: `passed`, `running`.
    pub(in crate::web) sign: (&'static str, &'static str, &'static str),
    /// `in 1.9 s`, `for 4 s of at most 20 s`.
    pub(in crate::web) says: String,
    /// The run, once it has ended.
    pub(in crate::web) run_id: Option<String>,
    /// When the next tick is due, milliseconds since the epoch.
    pub(in crate::web) next_tick_ms: Option<i64>,
}

/// All of them, and how many of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct ByHand {
    /// In the order they were asked in.
    pub(in crate::web) rows: Vec<Row>,
    /// Runs that passed.
    pub(in crate::web) passed: usize,
    /// Runs that failed.
    pub(in crate::web) failed: usize,
    /// Runs that ended in another way, or of which nothing is known.
    pub(in crate::web) other: usize,
    /// Runs that go on.
    pub(in crate::web) going: usize,
}

impl ByHand {
    /// `4 passed, 2 failed, 3 running`.
    pub(in crate::web) fn words(&self) -> String {
        let all = [(self.passed, "passed"), (self.failed, "failed"), (self.other, "without a result"), (self.going, "running")];
        let said: Vec<String> = all
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{} {word}", words::thousands(*count)))
            .collect();
        words::list(&said)
    }

    /// When the first tick comes that counts.
    pub(in crate::web) fn next_tick_ms(&self) -> Option<i64> {
        self.rows.iter().filter_map(|row| row.next_tick_ms).min()
    }
}

/// What came of runs that were asked for at `since_ms`; `ended` has those that have ended, by their canaries.
pub(in crate::web) fn by_hand<'a>(
    asked: impl IntoIterator<Item = Asked<'a>>,
    ended: &HashMap<String, RunView>,
    since_ms: i64,
    now_ms: i64,
) -> ByHand {
    let mut all = ByHand::default();
    for asked in asked {
        let row = row(&asked, ended.get(asked.canary), since_ms, now_ms);
        let count = match row.sign.2 {
            "passed" | "degraded" => &mut all.passed,
            "failed" => &mut all.failed,
            "running" | "ending" => &mut all.going,
            _ => &mut all.other,
        };
        *count += 1;
        all.rows.push(row);
    }
    all
}

fn row(asked: &Asked<'_>, ended: Option<&RunView>, since_ms: i64, now_ms: i64) -> Row {
    let of = place(asked.canary);
    let row = |sign, says, run_id| Row {
        place: if of.is_empty() { asked.canary.to_owned() } else { of },
        sign,
        says,
        run_id,
        next_tick_ms: asked.next_tick_ms,
    };
    if let Some(run) = ended {
        let says = match run.reason {
            Some(reason) => format!("{} after {}", reason.replace('_', " "), words::took_us(run.duration_us)),
            None => format!("in {}", words::took_us(run.duration_us)),
        };
        return row(run::sign(run), says, Some(run.run_id.clone()));
    }
    let passed_ms = now_ms - since_ms;
    if asked.is_running {
        // What was asked for would have ended by then.
        let says = if passed_ms <= asked.deadline_ms {
            format!("for {} of at most {}", words::between(since_ms, now_ms), words::between(0, asked.deadline_ms))
        } else {
            "once more".to_owned()
        };
        return row(("", "◔", "running"), says, None);
    }
    if passed_ms < asked.deadline_ms + GRACE_MS {
        return row(("muted", "◔", "ending"), "its result is being written".to_owned(), None);
    }
    row(("muted", "○", "no run"), "it was not started, or its result is not kept".to_owned(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(canary: &str, is_running: bool) -> Asked<'_> {
        Asked { canary, is_running, deadline_ms: 20_000, next_tick_ms: Some(70_000) }
    }

    fn run_of(canary: &str, verdict: &'static str, reason: Option<&'static str>) -> RunView {
        RunView {
            run_id: format!("run of {canary}"),
            canary: canary.to_owned(),
            probe: "p".to_owned(),
            region: "eu".to_owned(),
            due_ms: 1_000,
            slot: 0,
            started_ms: 1_000,
            duration_us: 1_900_000,
            verdict,
            reason,
            degraded: false,
            trace_id: String::new(),
            counted: false,
        }
    }

    #[test]
    fn who_passed_who_failed_and_who_still_runs_stands_in_a_grid_with_the_next_ticks() {
        let runs = [run_of("p/eu/k=ios", "passed", None), run_of("p/eu/k=web", "failed", Some("expectation"))];
        let runs: HashMap<String, RunView> = runs.into_iter().map(|run| (run.canary.clone(), run)).collect();
        let asked =
            [asked("p/eu/k=ios", false), asked("p/eu/k=web", true), asked("p/us/k=ios", true), asked("p/us/k=web", false)];
        let all = by_hand(asked, &runs, 1_000, 5_000);
        let told: Vec<_> = all.rows.iter().map(|row| (row.place.as_str(), row.sign.2, row.says.as_str())).collect();
        assert_eq!(
            told,
            [
                ("eu · ios", "passed", "in 1.90 s"),
                ("eu · web", "failed", "expectation after 1.90 s"),
                ("us · ios", "running", "for 4 s of at most 20 s"),
                ("us · web", "ending", "its result is being written"),
            ]
        );
        assert_eq!((all.words().as_str(), all.next_tick_ms()), ("1 passed, 1 failed and 2 running", Some(70_000)));
    }

    #[test]
    fn what_neither_runs_nor_left_a_result_is_not_waited_for_for_ever() {
        let all = by_hand([asked("p/eu", false)], &HashMap::new(), 0, 20_000 + GRACE_MS);
        assert_eq!((all.rows[0].sign.2, all.going, all.other), ("no run", 0, 1));
    }
}
