//! What the details of a failed run tell beside its evidence: which host was asked, and the cause where no message told it.

use serde_json::Value;
use url::Url;

use crate::history::RunDetail;

use super::FailedRun;

/// The run as evidence; nothing if its details are not kept.
pub(in crate::web) fn failed_run(detail: &RunDetail) -> Option<FailedRun> {
    let details = detail.details.as_ref()?;
    let cause = &details["cause"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let location = &cause["location"];
    let place = text(&location["file"]).map(|file| format!("{file}:{}:{}", location["line"], location["column"]));
    let seen = cause["seen"].as_array().into_iter().flatten();
    let ended = detail.run.duration_us / 1_000;
    Some(FailedRun {
        canary: detail.run.canary.clone(),
        run_id: detail.run.run_id.clone(),
        region: detail.run.region.clone(),
        at_ms: detail.run.started_ms.saturating_add(i64::try_from(ended).unwrap_or(0)),
        reason: text(&cause["reason"]).or_else(|| detail.run.reason.map(str::to_owned)).unwrap_or_default(),
        message: text(&cause["message"]).unwrap_or_default(),
        step: text(&cause["step"]),
        expectation: text(&cause["expectation"]),
        location: place,
        attempts: cause["attempts"].as_u64().and_then(|attempts| u32::try_from(attempts).ok()).unwrap_or(0),
        seen: seen.filter_map(|one| Some((text(&one["source"])?, text(&one["value"])?))).collect(),
        host: host(details),
    })
}

/// The host that the step which failed asked last.
fn host(details: &Value) -> Option<String> {
    let failed = details["cause"]["step"].as_str()?;
    let step = details["steps"].as_array()?.iter().rev().find(|step| step["name"].as_str() == Some(failed))?;
    let url = step["attempts"].as_array()?.iter().rev().find_map(|attempt| attempt["http"]["url"].as_str())?;
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::history::RunView;

    use super::*;

    fn detail(details: Value) -> RunDetail {
        let run = RunView {
            run_id: "R".to_owned(),
            canary: "p/eu".to_owned(),
            probe: "p".to_owned(),
            region: "eu".to_owned(),
            due_ms: 0,
            slot: 0,
            started_ms: 1_000,
            duration_us: 2_000_000,
            verdict: "failed",
            reason: Some("expectation"),
            degraded: false,
            trace_id: String::new(),
            counted: true,
        };
        RunDetail { run, steps: Vec::new(), details: Some(details) }
    }

    #[test]
    fn the_host_is_that_of_the_last_attempt_of_the_step_that_failed() {
        let details = json!({
            "cause": { "reason": "expectation", "step": "pay", "message": "m", "location": { "file": "p.toml", "line": 6, "column": 3 },
                "seen": [{ "source": "json.status", "value": "1" }] },
            "steps": [
                { "name": "plan", "attempts": [{ "http": { "url": "https://a.example/" } }] },
                { "name": "pay", "attempts": [{ "http": { "url": "https://pay.example:8443/x?y" } }, { "http": null }] },
            ],
        });
        let run = failed_run(&detail(details)).unwrap();
        assert_eq!(
            (run.host.as_deref(), run.at_ms, run.location.as_deref()),
            (Some("pay.example:8443"), 3_000, Some("p.toml:6:3"))
        );
        assert_eq!(run.seen, [("json.status".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn details_of_another_form_tell_what_they_tell() {
        for details in [
            json!(null),
            json!({ "cause": { "step": 7 } }),
            json!({ "cause": { "step": "pay" }, "steps": [{ "name": "pay", "attempts": [{ "http": { "url": "no url" } }] }] }),
        ] {
            let run = failed_run(&detail(details)).unwrap();
            assert_eq!((run.host, run.reason.as_str()), (None, "expectation"));
        }
    }
}
