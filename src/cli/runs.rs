//! `serinus runs`: what ran, newest first, or one run in full.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::time::epoch_ms;

use super::args::{CellFilter, Output, RunsArgs};
use super::client::{Client, list, moment, word};
use super::exit::Failure;
use super::report::human;
use super::runs_follow::follow;
use super::style::{Style, human_duration};
use super::{Exit, Printer};

/// Runs that are asked for at once where the command chooses among them.
const PAGE: usize = 500;
/// Pages that are looked through then.
const PAGES: usize = 40;

pub(crate) async fn runs(printer: &Printer, config: Option<&Path>, args: &RunsArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote.service, config)?;
    let style = printer.style();
    if let Some(id) = args.what.as_deref().filter(|what| ulid::Ulid::from_string(what).is_ok()) {
        let run = client.get(&["runs", &id.to_uppercase()], &[]).await?;
        printer.data(&match args.remote.output {
            Output::Json => format!("{run:#}"),
            Output::Human => in_full(&run, style, printer.size().0),
        });
        return Ok(Exit::Well);
    }
    if args.follow {
        return follow(printer, &client, args).await;
    }
    let page = listed(&client, args).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{page:#}")),
        Output::Human => {
            let runs = list(&page, "items");
            if runs.is_empty() {
                printer.note(match (args.failed, args.degraded) {
                    (true, _) => "no run is kept that did not pass",
                    (_, true) => "no run is kept that is degraded",
                    (false, false) if is_narrowed(args) => "no such run is kept",
                    (false, false) => "no run is kept",
                });
            }
            for run in runs {
                printer.data(&line(run, style));
            }
        }
    }
    Ok(Exit::Well)
}

fn is_narrowed(args: &RunsArgs) -> bool {
    args.since.is_some() || args.until.is_some() || !args.cell.is_empty() || args.region.is_some() || chosen(args).len() > 1
}

/// What of the runs is wanted, as the list and what is written ask for it alike.
pub(super) fn chosen(args: &RunsArgs) -> Vec<(&'static str, String)> {
    let mut query = Vec::new();
    if let Some(what) = &args.what {
        query.push((if what.contains('/') { "canary" } else { "probe" }, what.clone()));
    }
    let words = [("verdict", &args.verdict), ("reason", &args.reason), ("region", &args.region)];
    query.extend(words.into_iter().filter_map(|(key, word)| Some((key, word.clone()?))));
    if args.failed {
        query.push(("not_passed", "true".to_owned()));
    }
    if args.degraded {
        query.push(("degraded", "true".to_owned()));
    }
    query
}

/// A page of runs. The service knows nothing of cells, so that it is asked on where these are chosen.
pub(super) async fn listed(client: &Client, args: &RunsArgs) -> Result<Value, Failure> {
    let limit = usize::from(args.limit);
    let mut query = chosen(args);
    let moments = [("since_ms", args.since), ("until_ms", args.until)];
    query.extend(moments.into_iter().filter_map(|(key, moment)| Some((key, epoch_ms(moment?).to_string()))));
    query.push(("limit", if args.cell.is_empty() { limit } else { PAGE }.to_string()));
    let mut page = client.get(&["runs"], &query).await?;
    if args.cell.is_empty() {
        return Ok(page);
    }
    let mut found = Vec::new();
    for _ in 0..PAGES {
        found.extend(list(&page, "items").iter().filter(|run| has_cell(run, &args.cell)).cloned());
        let next = page["next"].as_str().map(str::to_owned);
        match next.filter(|_| found.len() < limit) {
            Some(next) => page = client.get(&["runs"], &[&*query, &[("after", next)]].concat()).await?,
            None => break,
        }
    }
    found.truncate(limit);
    Ok(json!({ "items": found, "next": null }))
}

/// Whether a run is one of a cell with these values.
pub(super) fn has_cell(run: &Value, cells: &[CellFilter]) -> bool {
    let canary = run["canary"].as_str().unwrap_or_default();
    let cell = canary.splitn(3, '/').nth(2).unwrap_or_default();
    cells.iter().all(|CellFilter { key, value }| cell.split(',').any(|pair| pair.split_once('=') == Some((key, value))))
}

/// A run as the API gives it, in full.
pub(super) fn in_full(run: &Value, style: Style, width: usize) -> String {
    human(&whole(run), style, width)
}

/// A run of a list, in a line.
pub(super) fn line(run: &Value, style: Style) -> String {
    let verdict = word(run, "verdict");
    let is_degraded = run["degraded"] == true;
    let shown = match run["reason"].is_string() {
        true => format!("{verdict}/{}", word(run, "reason")),
        false if is_degraded => format!("{verdict}, degraded"),
        false => verdict.clone(),
    };
    let shown = format!("{shown:<22}");
    let painted = match verdict.as_str() {
        "passed" if !is_degraded => style.good(&shown),
        "failed" => style.bad(&shown),
        _ => style.odd(&shown),
    };
    let took = human_duration(Duration::from_micros(run["duration_us"].as_u64().unwrap_or(0)));
    // What ended otherwise never counts, and its verdict says so.
    let by_hand = if run["counted"] == false && matches!(verdict.as_str(), "passed" | "failed") {
        style.dim("  counts for nothing")
    } else {
        String::new()
    };
    format!(
        "{}  {painted} {took:>9}  {}  {}{by_hand}",
        moment(&run["started_ms"]),
        word(run, "canary"),
        style.dim(&word(run, "run_id"))
    )
}

/// A run that was kept in the shape of one that was just made. Of a passed one only the times of its steps are kept.
fn whole(detail: &Value) -> Value {
    let (run, details) = (&detail["run"], &detail["details"]);
    let steps = if details["steps"].is_array() {
        details["steps"].clone()
    } else {
        let step = |step: &Value| {
            json!({
                "name": step["name"],
                "started_seconds": seconds(&step["started_us"]),
                "duration_seconds": seconds(&step["duration_us"]),
                "convergence_seconds": seconds(&step["convergence_us"]),
                "result": "passed",
            })
        };
        detail["steps"].as_array().into_iter().flatten().map(step).collect()
    };
    json!({
        "verdict": run["verdict"],
        "degraded": run["degraded"],
        "degraded_by": details["degraded_by"],
        "canary": run["canary"],
        "run_id": run["run_id"],
        "trace_id": run["trace_id"],
        "started": moment(&run["started_ms"]),
        "duration_seconds": seconds(&run["duration_us"]),
        "cause": details["cause"],
        "vars": details["vars"],
        "steps": steps,
        "cleanup": details["cleanup"],
    })
}

fn seconds(micros: &Value) -> Option<f64> {
    Some(Duration::from_micros(micros.as_u64()?).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passed_run_that_was_kept_shows_the_times_of_its_steps() {
        let detail = json!({
            "run": { "run_id": "01X", "canary": "p/eu", "started_ms": 0, "duration_us": 2_000_000, "verdict": "passed",
                     "trace_id": "abc", "counted": true },
            "steps": [{ "name": "sync", "started_us": 0, "duration_us": 2_000_000, "convergence_us": 1_500_000 }],
            "details": null,
        });
        let text = human(&whole(&detail), Style::PLAIN, 60);
        assert!(text.starts_with("✓ passed p/eu in 2.00 s\n  run 01X  trace abc  started 1970-01-01T00:00:00.000Z\n"), "{text}");
        assert!(text.contains("✓ sync ▕") && text.contains("converged after 1.50 s"), "{text}");
    }

    #[test]
    fn a_run_that_was_kept_shows_each_step_of_its_cleanup_with_its_result() {
        let steps = json!([
            { "name": "sign in", "result": "passed", "duration_seconds": 0.1 },
            { "name": "delete", "result": "failed", "duration_seconds": 0.1, "attempts_made": 1,
              "cause": { "reason": "expectation", "message": "`status == 204` does not hold" } },
        ]);
        let detail = json!({
            "run": { "run_id": "01X", "canary": "p/eu", "started_ms": 0, "duration_us": 2_000_000, "verdict": "passed" },
            "steps": [],
            "details": { "cleanup": { "result": "leaked", "leaks": [], "started_seconds": 2, "duration_seconds": 1, "steps": steps } },
        });
        let text = human(&whole(&detail), Style::PLAIN, 60);
        for part in ["cleanup: leaked after 1.00 s", "✓ sign in ", "✗ delete ", "expectation: `status == 204` does not hold"]
        {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn a_degraded_run_says_so_in_the_list_and_by_itself() {
        let run = json!({ "run_id": "01X", "canary": "p/eu", "started_ms": 0, "duration_us": 900, "verdict": "passed",
                          "degraded": true, "counted": true });
        let text = line(&run, Style { colour: true });
        assert!(text.contains("passed, degraded") && !text.contains(&Style { colour: true }.good("passed")), "{text}");
        let why = json!({ "step": "search", "round": 2, "subject": null, "message": "it drags: `latency < 0.3` does not hold",
                          "location": { "file": "p.toml", "line": 3, "column": 9 } });
        let detail = json!({ "run": run, "steps": [], "details": { "version": 1, "degraded_by": [why] } });
        let text = human(&whole(&detail), Style::PLAIN, 80);
        assert!(text.starts_with("✓ passed (degraded) p/eu in "), "{text}");
        assert!(text.contains("\n  degraded: search #2: it drags: `latency < 0.3` does not hold  p.toml:3:9\n"), "{text}");
    }

    #[test]
    fn a_cell_is_chosen_by_whole_values_of_which_all_must_match() {
        let run = json!({ "canary": "p/eu/platform=ios,tracks=10" });
        let has = |cells: &[&str]| has_cell(&run, &cells.iter().map(|cell| cell.parse().unwrap()).collect::<Vec<_>>());
        assert!(has(&[]) && has(&["platform=ios"]) && has(&["tracks=10", "platform=ios"]));
        assert!(!has(&["tracks=1"]) && !has(&["platform=ios", "tracks=20"]) && !has(&["eu=eu"]));
    }

    #[test]
    fn a_run_in_a_list_is_one_line_whatever_its_words_are() {
        let run = json!({ "run_id": "01X", "canary": "p/eu\n\u{1b}[2J", "started_ms": 0, "duration_us": 900, "verdict": "failed",
                          "reason": "expectation", "counted": false });
        let text = line(&run, Style::PLAIN);
        assert!(text.ends_with("01X  counts for nothing") && text.contains("failed/expectation"), "{text}");
        assert!(!text.contains(['\n', '\u{1b}']), "{text}");
    }
}
