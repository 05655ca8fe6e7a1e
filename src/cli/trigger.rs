//! `serinus trigger`: a run now, beside the ticks, and with `--wait` how it ended.
//!
//! What was not started, and what did not end in time, is told with the reason, beside what ended.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::outcome::Verdict;

use super::args::{Output, TriggerArgs};
use super::client::{Client, list, plural, word};
use super::exit::Failure;
use super::runs::{in_full, line};
use super::style::printable;
use super::trigger_wait::{longest, wait};
use super::{Exit, Printer};

/// Runs of a canary that are looked through for the one by hand.
const LOOKED_THROUGH: u16 = 500;

/// What became of what was started.
#[derive(Debug, Default)]
struct Ended {
    /// In the order of their canaries.
    runs: Vec<Value>,
    /// Canaries of whose runs nothing is known, and why.
    unknown: Vec<(String, Failure)>,
}

pub(crate) async fn trigger(printer: &Printer, config: Option<&Path>, args: &TriggerArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote.service, config)?;
    let answer = client.post(&["trigger"], &json!({ "target": args.target })).await?;
    if args.remote.output == Output::Json && !args.wait {
        printer.data(&format!("{answer:#}"));
    }
    if args.remote.output == Output::Human {
        let started = plural(list(&answer, "started").len() as u64, "run", "runs");
        let how = if args.wait { String::new() } else { format!("; `serinus runs {}` shows how it went", args.target) };
        printer.note(&format!("started {started} of {}{how}", args.target));
        for refused in list(&answer, "refused") {
            printer.note(&format!("not started: {}: {}", word(refused, "canary"), word(refused, "why")));
        }
    }
    let ended = if args.wait { ended(printer, &client, &answer).await? } else { Ended::default() };
    if args.wait {
        tell(printer, &client, args, &answer, &ended).await;
    }
    Ok(exit(&answer, &ended))
}

/// Waits for all that was started. Once the service is given up, the rest is not asked for.
async fn ended(printer: &Printer, client: &Client, answer: &Value) -> Result<Ended, Failure> {
    let (Some(since), Some(until)) = (answer["since_ms"].as_i64(), answer["until_ms"].as_i64()) else {
        return Err(Failure::prober("the service there is of another version, which does not say which runs it started"));
    };
    let deadline = answer["deadline_seconds"].as_f64().and_then(|deadline| Duration::try_from_secs_f64(deadline).ok());
    let last = Instant::now() + longest(deadline);
    let progress = printer.progress("waiting for the end of what was started");
    let say = |text: &str| match &progress {
        Some(progress) => progress.aside(|| printer.note(text)),
        None => printer.note(text),
    };
    let mut ended = Ended::default();
    let mut is_away = false;
    for canary in list(answer, "started").iter().filter_map(Value::as_str) {
        if is_away {
            ended.unknown.push((canary.to_owned(), Failure::prober("the service was away")));
            continue;
        }
        let query = [
            ("canary", canary.to_owned()),
            ("since_ms", since.to_string()),
            ("until_ms", until.saturating_add(1).to_string()),
            ("limit", LOOKED_THROUGH.to_string()),
        ];
        let ask = async || Ok(by_hand(list(&client.get(&["runs"], &query).await?, "items")).cloned());
        match wait(ask, last, say).await {
            Ok(Some(run)) => ended.runs.push(run),
            Ok(None) => {
                let late = "its run did not end in time, or could not be written down";
                ended.unknown.push((canary.to_owned(), Failure::prober(late)));
            }
            Err(failure) => {
                is_away = true;
                ended.unknown.push((canary.to_owned(), failure));
            }
        }
    }
    Ok(ended)
}

/// The run that was started by hand, of those of its canary that were due in the same moment: a tick counts, unless it has no
/// result, and one that did not run at all is none that was started.
fn by_hand(runs: &[Value]) -> Option<&Value> {
    let is_started = |run: &&Value| !["missed", "skipped"].contains(&run["verdict"].as_str().unwrap_or_default());
    runs.iter().filter(is_started).find(|run| run["counted"] == false)
}

async fn tell(printer: &Printer, client: &Client, args: &TriggerArgs, answer: &Value, ended: &Ended) {
    if args.remote.output == Output::Json {
        printer.data(&format!("{:#}", in_json(answer, ended)));
        return;
    }
    let style = printer.style();
    for run in &ended.runs {
        printer.data(&line(run, style));
    }
    for (canary, failure) in &ended.unknown {
        printer.note(&format!("not known: {}: {}", printable(canary), failure.message));
    }
    // What did not pass says why; of several the lines are enough to ask for one of them.
    if let [run] = ended.runs.as_slice()
        && run["verdict"] != "passed"
    {
        match client.get(&["runs", &word(run, "run_id")], &[]).await {
            Ok(detail) => printer.data(&in_full(&detail, style, printer.size().0)),
            // How it ended is known all the same.
            Err(failure) => printer.note(&failure.message),
        }
    }
}

/// What became of all that was asked for, for programs.
fn in_json(answer: &Value, ended: &Ended) -> Value {
    let unknown: Vec<Value> =
        ended.unknown.iter().map(|(canary, failure)| json!({ "canary": canary, "why": failure.message })).collect();
    json!({ "runs": ended.runs, "refused": list(answer, "refused"), "unknown": unknown })
}

/// As the verdicts say; what was not started, or is not known, has proven nothing.
fn exit(answer: &Value, ended: &Ended) -> Exit {
    let verdicts = ended.runs.iter().map(|run| word(run, "verdict").parse().unwrap_or(Verdict::Errored));
    let refused = list(answer, "refused").iter().map(|_| Verdict::Missed);
    let unproven = ended.unknown.iter().map(|_| Verdict::Missed);
    let exit = Exit::of(verdicts.chain(refused).chain(unproven));
    // Where nothing else is known, it matters whose fault that is.
    match ended.unknown.first() {
        Some((_, failure)) if exit == Exit::Prober && ended.runs.is_empty() => failure.exit,
        _ => exit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_by_hand_is_the_one_that_does_not_count() {
        let runs = [json!({ "run_id": "01B", "counted": true }), json!({ "run_id": "01A", "counted": false })];
        assert_eq!(by_hand(&runs).map(|run| word(run, "run_id")), Some("01A".to_owned()));
        assert_eq!(by_hand(&runs[..1]), None);
        let skipped = json!({ "run_id": "01C", "counted": false, "verdict": "skipped" });
        assert_eq!(by_hand(&[skipped, runs[1].clone()]).map(|run| word(run, "run_id")), Some("01A".to_owned()));
    }

    fn ended(verdicts: &[&str], unknown: Option<Failure>) -> Ended {
        Ended {
            runs: verdicts.iter().map(|verdict| json!({ "verdict": verdict })).collect(),
            unknown: unknown.into_iter().map(|failure| ("p/us".to_owned(), failure)).collect(),
        }
    }

    #[test]
    fn the_exit_is_what_the_verdicts_say_and_what_was_refused_has_proven_nothing() {
        let of = |verdicts: &[&str], refused: Value| exit(&json!({ "refused": refused }), &ended(verdicts, None));
        assert_eq!(of(&["passed"], json!([])), Exit::Well);
        assert_eq!(of(&["passed", "failed"], json!([])), Exit::ProbeFailed);
        assert_eq!(of(&["passed", "errored"], json!([])), Exit::Prober);
        assert_eq!(of(&["passed"], json!([{ "canary": "p/eu", "why": "it runs" }])), Exit::Prober);
        assert_eq!(of(&[], json!([{ "canary": "p/eu", "why": "it runs" }])), Exit::Prober, "nor where nobody waits");
    }

    #[test]
    fn a_run_that_failed_decides_also_where_others_are_not_known() {
        let of = |verdicts: &[&str], why| exit(&json!({}), &ended(verdicts, Some(why)));
        assert_eq!(of(&["failed"], Failure::prober("away")), Exit::ProbeFailed);
        assert_eq!(of(&["passed"], Failure::prober("away")), Exit::Prober);
        assert_eq!(of(&[], Failure::prober("away")), Exit::Prober);
        assert_eq!(of(&[], Failure::usage("no token")), Exit::Usage);
    }

    #[test]
    fn programs_are_told_what_was_not_started_and_what_is_not_known() {
        let answer = json!({ "refused": [{ "canary": "p/eu", "why": "it runs" }] });
        assert_eq!(
            in_json(&answer, &ended(&["passed"], Some(Failure::prober("away")))),
            json!({
                "runs": [{ "verdict": "passed" }],
                "refused": [{ "canary": "p/eu", "why": "it runs" }],
                "unknown": [{ "canary": "p/us", "why": "away" }],
            })
        );
    }
}
