//! The table of probes: a line each, the worst first, within 80 columns.

use std::fmt::Write as _;
use std::time::SystemTime;

use serde_json::Value;

use crate::cli::client::{ago, word};
use crate::cli::style::Style;

/// Columns of a probe's name; a longer one has a line of its own.
const NAME: usize = 24;

/// One line for each probe, below a heading; nothing without probes.
pub(super) fn table(probes: &[Value], total: u64, now: SystemTime, style: Style) -> String {
    let mut text = String::new();
    if probes.is_empty() {
        return text;
    }
    // Writing to a string cannot fail.
    let heading = row("PROBE", "VERDICT", "CANARIES", "SINCE", ["1 H OK", "1 H P95", "BUDGET"]);
    let _ = writeln!(text, "{}", style.dim(&heading));
    for probe in probes {
        let _ = writeln!(text, "{}", line(probe, now, style));
    }
    if let Some(more) = total.checked_sub(probes.len() as u64).filter(|more| *more > 0) {
        let _ = writeln!(text, "… and {more} more, none of them worse");
    }
    text.push('\n');
    text
}

fn line(probe: &Value, now: SystemTime, style: Style) -> String {
    let verdict = word(probe, "verdict");
    let since = if probe["since_ms"].is_number() { ago(&probe["since_ms"], now) } else { String::new() };
    let numbers = [share(&probe["success_1h"], 1), seconds(&probe["convergence_1h"]), share(&probe["budget_left"], 0)];
    let line = row(
        &word(probe, "probe"),
        &verdict.replace('_', " "),
        &canaries(probe, &verdict),
        &since,
        numbers.each_ref().map(String::as_str),
    );
    match &*verdict {
        "passing" if probe["severity"].is_null() => line,
        "failing" => style.bad(&line),
        _ => style.odd(&line),
    }
}

fn row(name: &str, verdict: &str, canaries: &str, since: &str, [success, convergence, budget]: [&str; 3]) -> String {
    let name = if name.chars().count() > NAME { format!("{name}\n{:NAME$}", "") } else { format!("{name:NAME$}") };
    let line = format!("{name} {verdict:<7} {canaries:>8} {since:<12} {success:>7} {convergence:>7} {budget:>6}");
    line.trim_end().to_owned()
}

/// `3/9`: how many stand as the probe does, of all; only their number where all do.
fn canaries(probe: &Value, verdict: &str) -> String {
    let of = &probe["canaries"];
    let total: u64 = of.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
    match of[verdict].as_u64() {
        Some(count) if count != total => format!("{count}/{total}"),
        Some(_) | None => total.to_string(),
    }
}

/// `99.8 %`; rounded towards what is worse, so that only what is whole is shown as 100 %.
fn share(of: &Value, digits: u32) -> String {
    let Some(share) = of.as_f64() else { return "–".to_owned() };
    let scale = 10_f64.powi(digits.cast_signed());
    // What was exact in decimal, such as 99.8 %, must not become less by the way in which it is kept.
    let percent = (share * 100.0 * scale + 1e-6).floor() / scale;
    format!("{percent:.*} %", digits as usize)
}

/// `0.1 %` of something bad, rounded likewise towards what is worse, so that some is never shown as none.
pub(super) fn at_least(of: &Value) -> String {
    let percent = (of.as_f64().unwrap_or(0.0) * 1_000.0 - 1e-6).ceil().max(0.0) / 10.0;
    format!("{percent:.1} %")
}

fn seconds(of: &Value) -> String {
    match of.as_f64() {
        None => "–".to_owned(),
        Some(seconds) if seconds < 9.995 => format!("{seconds:.2} s"),
        Some(seconds) => format!("{seconds:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn shares_are_never_shown_better_than_they_are() {
        for (share_of, digits, expected) in [
            (json!(1.0), 1, "100.0 %"),
            (json!(0.99996), 1, "99.9 %"),
            (json!(0.998), 1, "99.8 %"),
            (json!(0.0), 0, "0 %"),
            (json!(-1.25), 0, "-125 %"),
            (json!(null), 1, "–"),
        ] {
            assert_eq!(share(&share_of, digits), expected);
        }
        assert_eq!([json!(0.0001), json!(0.125), json!(1.0)].map(|of| at_least(&of)), ["0.1 %", "12.5 %", "100.0 %"]);
        assert_eq!([json!(0.314), json!(12.6), json!(null)].map(|value| seconds(&value)), ["0.31 s", "13 s", "–"]);
    }

    #[test]
    fn every_probe_has_a_line_within_80_columns_and_a_long_name_one_of_its_own() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let since = |ago: u64| json!((1_000_000_000 - ago) * 1_000);
        let probes = [
            json!({ "probe": "premium-registration", "verdict": "failing", "since_ms": since(300), "severity": "critical",
                    "success_1h": 0.612, "convergence_1h": 2.104, "budget_left": -12.5, "canaries": { "failing": 3, "passing": 6 } }),
            json!({ "probe": "a-probe-with-a-name-that-is-too-long-for-it", "verdict": "no_data", "since_ms": since(9_000_000),
                    "severity": "page", "success_1h": null, "convergence_1h": null, "budget_left": null,
                    "canaries": { "no_data": 1000, "passing": 9000 } }),
            json!({ "probe": "playlist-sync", "verdict": "passing", "since_ms": null, "severity": null, "success_1h": 1.0,
                    "convergence_1h": 0.81, "budget_left": 0.973, "canaries": { "failing": 0, "passing": 18 } }),
        ];
        let text = table(&probes, 5, now, Style::PLAIN);
        let expected = "\
PROBE                    VERDICT CANARIES SINCE         1 H OK 1 H P95 BUDGET
premium-registration     failing      3/9 5 min ago     61.2 %  2.10 s -1250 %
a-probe-with-a-name-that-is-too-long-for-it
                         no data 1000/10000 104 days ago       –       –      –
playlist-sync            passing       18              100.0 %  0.81 s   97 %
… and 2 more, none of them worse

";
        assert_eq!(text, expected);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert_eq!(table(&[], 0, now, Style::PLAIN), "");
    }
}
