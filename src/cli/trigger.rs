//! `serinus trigger`: a run now, beside the ticks, and with `--wait` how it ended.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::outcome::Verdict;

use super::args::{Output, TriggerArgs};
use super::client::{Client, list, plural, word};
use super::exit::Failure;
use super::runs::{in_full, line};
use super::style::printable;
use super::{Exit, Printer};

/// How often it is asked whether a run has ended.
const AGAIN: Duration = Duration::from_millis(500);
/// How often that may be: for an hour, which is longer than any deadline.
const TIMES: u32 = 7_200;
/// Runs of a canary that are looked through for the one by hand.
const LOOKED_THROUGH: u16 = 500;

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
    if !args.wait {
        return Ok(Exit::Well);
    }
    let runs = ended(printer, &client, &answer).await?;
    tell(printer, &client, args, &runs).await?;
    Ok(exit(&answer, &runs))
}

/// The runs that were started, once all of them have ended, in the order of their canaries.
async fn ended(printer: &Printer, client: &Client, answer: &Value) -> Result<Vec<Value>, Failure> {
    let (Some(since), Some(until)) = (answer["since_ms"].as_i64(), answer["until_ms"].as_i64()) else {
        return Err(Failure::prober("the service there is of another version, which does not say which runs it started"));
    };
    let _progress = printer.progress("waiting for the end of what was started");
    let mut runs = Vec::new();
    for canary in list(answer, "started").iter().filter_map(Value::as_str) {
        runs.push(one_ended(client, canary, since, until).await?);
    }
    Ok(runs)
}

async fn one_ended(client: &Client, canary: &str, since: i64, until: i64) -> Result<Value, Failure> {
    let query = [
        ("canary", canary.to_owned()),
        ("since_ms", since.to_string()),
        ("until_ms", until.saturating_add(1).to_string()),
        ("limit", LOOKED_THROUGH.to_string()),
    ];
    for _ in 0..TIMES {
        let page = client.get(&["runs"], &query).await?;
        if let Some(run) = by_hand(list(&page, "items")) {
            return Ok(run.clone());
        }
        tokio::time::sleep(AGAIN).await;
    }
    Err(Failure::prober(format!("the run of {} has not ended within an hour, or could not be written down", printable(canary))))
}

/// The run that was started by hand, of those of its canary that were due in the same moment: a tick counts, unless it has no
/// result, and one that did not run at all is none that was started.
fn by_hand(runs: &[Value]) -> Option<&Value> {
    let is_started = |run: &&Value| !["missed", "skipped"].contains(&run["verdict"].as_str().unwrap_or_default());
    runs.iter().filter(is_started).find(|run| run["counted"] == false)
}

async fn tell(printer: &Printer, client: &Client, args: &TriggerArgs, runs: &[Value]) -> Result<(), Failure> {
    if args.remote.output == Output::Json {
        printer.data(&format!("{:#}", json!({ "runs": runs })));
        return Ok(());
    }
    let style = printer.style();
    for run in runs {
        printer.data(&line(run, style));
    }
    // What did not pass says why; of several the lines are enough to ask for one of them.
    if let [run] = runs
        && run["verdict"] != "passed"
    {
        let detail = client.get(&["runs", &word(run, "run_id")], &[]).await?;
        printer.data(&in_full(&detail, style, printer.size().0));
    }
    Ok(())
}

/// As the verdicts say; what was not started has proven nothing.
fn exit(answer: &Value, runs: &[Value]) -> Exit {
    let verdicts = runs.iter().map(|run| word(run, "verdict").parse().unwrap_or(Verdict::Errored));
    let refused = list(answer, "refused").iter().map(|_| Verdict::Missed);
    Exit::of(verdicts.chain(refused))
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

    #[test]
    fn the_exit_is_what_the_verdicts_say_and_what_was_refused_has_proven_nothing() {
        let of = |verdicts: &[&str], refused: Value| {
            let runs: Vec<Value> = verdicts.iter().map(|verdict| json!({ "verdict": verdict })).collect();
            exit(&json!({ "refused": refused }), &runs)
        };
        assert_eq!(of(&["passed"], json!([])), Exit::Well);
        assert_eq!(of(&["passed", "failed"], json!([])), Exit::ProbeFailed);
        assert_eq!(of(&["passed", "errored"], json!([])), Exit::Prober);
        assert_eq!(of(&["passed"], json!([{ "canary": "p/eu", "why": "it runs" }])), Exit::Prober);
    }
}
