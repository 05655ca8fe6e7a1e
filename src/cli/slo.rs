//! `serinus slo`: the share that passed, what is left of the error budget and how fast it burns, by week or month.
//!
//! It prints what the service works out. No share is shown better than it is.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::args::{Output, SloArgs};
use super::client::{Client, list, moment, word};
use super::exit::Failure;
use super::runs::line;
use super::style::Style;
use super::{Exit, Printer};

pub(crate) async fn slo(printer: &Printer, config: Option<&Path>, args: &SloArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.remote.service, config)?;
    let mut query = vec![("by", args.by.as_str().to_owned()), ("periods", args.periods.to_string())];
    if !args.probes.is_empty() {
        query.push(("probe", args.probes.join(",")));
    }
    let answer = client.get(&["slo"], &query).await?;
    match args.remote.output {
        Output::Json => printer.data(&format!("{answer:#}")),
        Output::Human => {
            let probes = list(&answer, "items");
            if probes.is_empty() {
                printer.note("nothing is probed");
            }
            let said: Vec<String> = probes.iter().map(|probe| about(probe, printer.style())).collect();
            printer.data(&said.join("\n"));
        }
    }
    Ok(Exit::Well)
}

/// A probe with a line for each period.
fn about(probe: &Value, style: Style) -> String {
    let objective = match probe["objective"].as_f64() {
        None => "no objective".to_owned(),
        Some(objective) if objective >= 1.0 => "everything must pass".to_owned(),
        Some(_) => format!("{} must pass", percent(&probe["objective"], 3)),
    };
    let owner = if probe["owner"].is_string() { format!(" ({})", word(probe, "owner")) } else { String::new() };
    let mut text = format!("{}{owner}: {objective}\n", style.bold(&word(probe, "probe")));
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", style.dim("  PERIOD          RUNS   FAILED     PASSED  BUDGET LEFT   BURN"));
    for period in list(probe, "periods") {
        let count = |key: &str| period[key].as_u64().unwrap_or(0);
        let said = format!(
            "  {:<8} {:>11} {:>8} {:>10} {:>12} {:>6}{}",
            word(period, "name"),
            count("passed") + count("failed"),
            count("failed"),
            percent(&period["share"], 3),
            percent(&period["left"], 1),
            period["burn"].as_f64().map_or_else(|| "–".to_owned(), |burn| format!("{burn:.2}")),
            if period["is_partial"] == true { "  so far" } else { "" },
        ) + &kept(period);
        let is_spent = period["left"].as_f64().is_some_and(|left| left < 0.0);
        let _ = writeln!(text, "{}", if is_spent { style.bad(&said) } else { said });
    }
    for run in list(probe, "failures") {
        let _ = writeln!(text, "  {}", line(run, style));
    }
    text
}

/// What is to be said where only a part of a period is kept, or nothing of it.
fn kept(period: &Value) -> String {
    let Some(since_ms) = period["kept_since_ms"].as_i64() else { return String::new() };
    if since_ms >= period["to_ms"].as_i64().unwrap_or(i64::MAX) {
        return "  not kept".to_owned();
    }
    let since = moment(&period["kept_since_ms"]);
    let minutes = since.get(..16).unwrap_or(&since).replace('T', " ");
    format!("  kept since {minutes} UTC")
}

/// A share, rounded down.
fn percent(of: &Value, digits: i32) -> String {
    let Some(share) = of.as_f64() else { return "–".to_owned() };
    let scale = 10_f64.powi(digits);
    let rounded = (share * 100.0 * scale + 1e-6).floor() / scale;
    // As few digits as say it.
    format!("{rounded} %")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn period(name: &str, passed: u64, failed: u64, more: [Value; 3], is_partial: bool) -> Value {
        let [share, left, burn] = more;
        json!({ "name": name, "passed": passed, "failed": failed, "share": share, "left": left, "burn": burn, "is_partial": is_partial })
    }

    #[test]
    fn a_probe_says_what_it_promised_and_a_line_for_each_period() {
        let probe = json!({
            "probe": "order", "owner": "shop", "objective": 0.999, "failures": [],
            "periods": [
                period("2026-W47", 9_990, 10, [json!(0.999), json!(0.0), json!(1.0)], true),
                period("2026-W46", 9_970, 30, [json!(0.997), json!(-2.0), json!(3.0)], false),
                period("2026-W45", 0, 0, [json!(null), json!(null), json!(null)], false),
            ],
        });
        assert_eq!(
            about(&probe, Style::PLAIN),
            "order (shop): 99.9 % must pass
  PERIOD          RUNS   FAILED     PASSED  BUDGET LEFT   BURN
  2026-W47       10000       10     99.9 %          0 %   1.00  so far
  2026-W46       10000       30     99.7 %       -200 %   3.00
  2026-W45           0        0          –            –      –
"
        );
    }

    #[test]
    fn a_period_of_which_only_a_part_is_kept_says_so() {
        let of = |since_ms: Value, is_partial: bool| {
            let mut period = period("2026-11", 1, 0, [json!(1.0), json!(null), json!(null)], is_partial);
            (period["kept_since_ms"], period["to_ms"]) = (since_ms, json!(86_400_000));
            let text = about(&json!({ "probe": "p", "periods": [period] }), Style::PLAIN);
            text.lines().last().unwrap_or_default().split_once('–').unwrap().1.to_owned()
        };
        assert!(of(json!(null), false).ends_with('–'));
        assert!(of(json!(46_800_000), false).ends_with("–  kept since 1970-01-01 13:00 UTC"));
        assert!(of(json!(46_800_000), true).ends_with("–  so far  kept since 1970-01-01 13:00 UTC"));
        assert!(of(json!(86_400_000), false).ends_with("–  not kept"));
    }

    #[test]
    fn a_share_is_never_shown_better_than_it_is() {
        for (share, said) in [(0.999_999_9, "99.999 %"), (1.0, "100 %"), (0.5, "50 %"), (0.999, "99.9 %")] {
            assert_eq!(percent(&json!(share), 3), said);
        }
    }

    #[test]
    fn where_everything_must_pass_the_runs_that_did_not_are_listed() {
        let run = json!({ "run_id": "01X", "canary": "p/eu", "started_ms": 0, "duration_us": 900, "verdict": "failed", "counted": true });
        let text = about(&json!({ "probe": "p", "objective": 1.0, "periods": [], "failures": [run] }), Style::PLAIN);
        assert!(text.starts_with("p: everything must pass\n") && text.contains("p/eu  01X"), "{text}");
    }
}
