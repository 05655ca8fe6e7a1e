//! Where the time of a run went, as bars on one axis.
//!
//! Places are shares of the width, in percent, so that text beside them is not distorted on any screen. Phases differ by height as
//! well as by shade: what sets up a connection is low, waiting for the answer is higher, and its transfer is highest.

use std::time::Duration;

use crate::outcome::visible;
use crate::web::model::words;

use super::details::{Attempt, Step};

/// Height of a row.
pub(in crate::web) const HEIGHT: u32 = 20;
/// Attempts of a step beyond which their phases are not told apart.
const PHASED: usize = 40;
/// Attempts of a step that are drawn.
const DRAWN: usize = 240;
/// The narrowest bar, in percent.
const NARROWEST: f64 = 0.3;
/// Phases that are narrower are only in the numbers, since as bars they would seem longer than they are.
const NARROWEST_PHASE: f64 = 0.1;

/// A bar.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::web) struct Bar {
    /// What it is, as the style sheet knows it.
    pub(in crate::web) class: &'static str,
    /// Where it begins, in percent.
    pub(in crate::web) x: String,
    /// How wide it is, in percent.
    pub(in crate::web) width: String,
    /// Its upper edge.
    pub(in crate::web) y: u32,
    /// How high it is.
    pub(in crate::web) height: u32,
    /// What it stands for.
    pub(in crate::web) tip: String,
}

/// A label of the axis.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::web) struct Tick {
    /// Where it is, in percent.
    pub(in crate::web) x: String,
    /// What it says.
    pub(in crate::web) label: String,
}

/// The time that a waterfall shows, from the run's start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    whole: Duration,
}

impl Scale {
    /// One on which the run and all of its steps have room.
    pub(super) fn of(run: Duration, steps: &[Step]) -> Self {
        let ends = steps.iter().map(|step| step.started().saturating_add(step.took()));
        Self { whole: ends.chain([run]).max().unwrap_or_default().max(Duration::from_micros(1)) }
    }

    fn percent(self, at: Duration) -> f64 {
        (at.as_secs_f64() / self.whole.as_secs_f64() * 100.0).clamp(0.0, 100.0)
    }

    /// Three to six labels at round times.
    pub(super) fn ticks(self) -> Vec<Tick> {
        let whole = self.whole.as_secs_f64();
        let tenth = 10_f64.powf((whole / 6.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|by| by * tenth).find(|step| whole / step <= 6.0).unwrap_or(whole);
        let at = (0_u32..7).map(|number| f64::from(number) * step).take_while(|at| *at <= whole * 0.94);
        at.map(|at| Tick { x: place(at / whole * 100.0), label: label(at) }).collect()
    }

    /// Where a step was under way.
    pub(super) fn span(self, step: &Step) -> (String, String) {
        let (from, to) = (self.percent(step.started()), self.percent(step.started().saturating_add(step.took())));
        (place(from), place(to))
    }

    /// The attempts of a step, or the step where none is known.
    pub(super) fn bars(self, step: &Step, is_bad: bool) -> Vec<Bar> {
        if step.attempts.is_empty() {
            let tip = format!("{}: {}", visible(&step.name), words::took(step.took()));
            return vec![self.bar(if is_bad { "f" } else { "a" }, step.started(), step.took(), (4, 12), tip)];
        }
        let has_phases = step.attempts.len() <= PHASED;
        let last = step.attempts.len() - 1;
        // The last one decides, so that it is drawn whatever is left out.
        let drawn = step.attempts.iter().enumerate().filter(|(at, _)| *at < DRAWN || *at == last);
        drawn.flat_map(|(at, attempt)| self.attempt(attempt, is_bad && at == last, has_phases)).collect()
    }

    fn attempt(self, attempt: &Attempt, is_bad: bool, has_phases: bool) -> Vec<Bar> {
        let answer = super::fold::answer(attempt);
        let tip = format!("at {}: {answer} in {}", words::took(attempt.started()), words::took(attempt.took()));
        let whole = |class, height| vec![self.bar(class, attempt.started(), attempt.took(), height, tip.clone())];
        if is_bad {
            return whole("f", (2, 14));
        }
        let mut bars = Vec::new();
        let mut at = attempt.started();
        let end = attempt.started().saturating_add(attempt.took());
        for (name, took) in attempt.phases().filter(|_| has_phases).take(12) {
            let name = name.replace('_', " ");
            let (class, y) = phase(&name);
            if self.percent(took) >= NARROWEST_PHASE && at < end {
                let tip = format!("{} {}, {tip}", visible(&name), words::took(took));
                bars.push(self.bar(class, at, took.min(end.saturating_sub(at)), (y, 16 - y), tip));
            }
            at = at.saturating_add(took);
        }
        if bars.is_empty() { whole("a", (6, 10)) } else { bars }
    }

    fn bar(self, class: &'static str, from: Duration, took: Duration, (y, height): (u32, u32), tip: String) -> Bar {
        let x = self.percent(from).min(100.0 - NARROWEST);
        let width = (self.percent(from.saturating_add(took)) - x).max(NARROWEST);
        Bar { class, x: place(x), width: place(width), y, height, tip }
    }
}

/// The class of a phase and its upper edge.
fn phase(name: &str) -> (&'static str, u32) {
    match name {
        "dns" => ("dns", 11),
        "connect" => ("con", 9),
        "tls" => ("tls", 7),
        "first byte" => ("fb", 5),
        "transfer" => ("tr", 2),
        _ => ("a", 6),
    }
}

fn place(percent: f64) -> String {
    let text = format!("{percent:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `0`, `200 ms`, `1.5 s`, `20 s`, `2 min`.
fn label(seconds: f64) -> String {
    let trimmed = |text: String| text.trim_end_matches(".0").to_owned();
    if seconds <= 0.0 {
        "0".to_owned()
    } else if seconds < 0.000_999 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 0.999 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 600.0 {
        format!("{} s", trimmed(format!("{seconds:.1}")))
    } else {
        format!("{} min", trimmed(format!("{:.1}", seconds / 60.0)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::details::Details;
    use super::*;

    fn steps(value: &serde_json::Value) -> Vec<Step> {
        Details::read(&json!({ "version": 1, "steps": value })).unwrap().steps
    }

    fn labels(seconds: f64) -> Vec<String> {
        let scale = Scale { whole: Duration::from_secs_f64(seconds) };
        scale.ticks().into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn labels_are_at_round_times() {
        assert_eq!(labels(5.65), ["0", "1 s", "2 s", "3 s", "4 s", "5 s"]);
        assert_eq!(labels(110.0), ["0", "20 s", "40 s", "60 s", "80 s", "100 s"]);
        assert_eq!(labels(0.031), ["0", "10 ms", "20 ms"]);
        assert_eq!(labels(2.3), ["0", "0.5 s".replace("0.5 s", "500 ms").as_str(), "1 s", "1.5 s", "2 s"]);
        assert_eq!(labels(1e-6).first().map(String::as_str), Some("0"));
    }

    #[test]
    fn phases_follow_one_another_and_nothing_is_beyond_the_edge_or_too_narrow_to_see() {
        let steps = steps(&json!([{
            "name": "s", "started_seconds": 1.0, "duration_seconds": 3.0,
            "attempts": [{ "started_seconds": 1.0, "duration_seconds": 1.0,
                "http": { "phases_seconds": { "connect": 0.25, "first_byte": 0.75, "transfer": 9.0, "other": 1.0 } } }],
        }]));
        let scale = Scale::of(Duration::from_secs(4), &steps);
        let bars = scale.bars(&steps[0], false);
        let drawn: Vec<(&str, &str, &str)> = bars.iter().map(|bar| (bar.class, &*bar.x, &*bar.width)).collect();
        assert_eq!(drawn, [("con", "25", "6.25"), ("fb", "31.25", "18.75")]);
        assert_eq!(scale.span(&steps[0]), ("25".to_owned(), "100".to_owned()));
        let late = scale.bar("a", Duration::from_secs(99), Duration::ZERO, (0, 0), String::new());
        assert_eq!((&*late.x, &*late.width), ("99.7", "0.3"));
    }

    #[test]
    fn of_many_polls_a_bounded_number_of_bars_is_drawn_and_the_last_always() {
        let polls: Vec<_> = (0..1_000).map(|at| json!({ "started_seconds": at, "duration_seconds": 0.01 })).collect();
        let steps = steps(&json!([{ "name": "s", "duration_seconds": 1_000.0, "attempts": polls }]));
        let bars = Scale::of(Duration::ZERO, &steps).bars(&steps[0], true);
        assert_eq!((bars.len(), bars.last().unwrap().class), (DRAWN + 1, "f"));
    }
}
