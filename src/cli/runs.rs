//! `serinus runs`: what ran, newest first, or one run in full.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::args::{Output, RunsArgs};
use super::client::{Client, moment};
use super::exit::Failure;
use super::style::{Style, human_duration, printable};
use super::{Exit, Printer};

pub(crate) async fn runs(printer: &Printer, config: Option<&Path>, args: &RunsArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote, config)?;
    let style = printer.style();
    if let Some(id) = args.what.as_deref().filter(|what| ulid::Ulid::from_string(what).is_ok()) {
        let run = client.get(&["runs", id], &[]).await?;
        printer.data(&match args.remote.output {
            Output::Json => format!("{run:#}"),
            Output::Human => full(&run, style),
        });
        return Ok(Exit::Well);
    }
    let mut query = vec![("limit", args.limit.to_string())];
    if let Some(what) = &args.what {
        query.push((if what.contains('/') { "canary" } else { "probe" }, what.clone()));
    }
    if args.failed {
        query.push(("not_passed", "true".to_owned()));
    }
    let page = client.get(&["runs"], &query).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{page:#}")),
        Output::Human => {
            let runs = page["items"].as_array().into_iter().flatten();
            runs.for_each(|run| printer.data(&line(run, style)));
        }
    }
    Ok(Exit::Well)
}

fn line(run: &Value, style: Style) -> String {
    let word = |key: &str| printable(run[key].as_str().unwrap_or_default()).into_owned();
    let verdict = word("verdict");
    let shown = match run["reason"].as_str() {
        Some(reason) => format!("{verdict}/{}", printable(reason)),
        None => verdict.clone(),
    };
    let shown = format!("{shown:<22}");
    let painted = match verdict.as_str() {
        "passed" => style.good(&shown),
        "failed" => style.bad(&shown),
        _ => style.odd(&shown),
    };
    let took = human_duration(Duration::from_micros(run["duration_us"].as_u64().unwrap_or(0)));
    format!("{}  {painted} {took:>9}  {}  {}", moment(&run["started_ms"]), word("canary"), style.dim(&word("run_id")))
}

fn full(detail: &Value, style: Style) -> String {
    let run = &detail["run"];
    let mut text = line(run, style);
    text.push('\n');
    let trace = run["trace_id"].as_str().unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "trace {}", printable(trace));
    for step in detail["steps"].as_array().into_iter().flatten() {
        let took = human_duration(Duration::from_micros(step["duration_us"].as_u64().unwrap_or(0)));
        let _ = writeln!(text, "  {took:>9}  {}", printable(step["name"].as_str().unwrap_or_default()));
    }
    if !detail["details"].is_null() {
        let _ = writeln!(text, "{:#}", detail["details"]);
    }
    text
}
