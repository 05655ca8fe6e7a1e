//! `serinus demo`: every incident is noticed by the real engine against the real sandbox.

use serde_json::Value;

use crate::cli_support::{Running, assert_exit, get, run, serinus, stdout};
use crate::machine;

/// Plays an incident; its timeline must be whole and told by the first run after the onset.
fn play(incident: &str, probe: &str) -> Value {
    let _alone = machine();
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["demo", "--incident", incident, "--output", "json"]);
    assert_exit(&output, 0);
    let timeline: Value = serde_json::from_str(&stdout(&output)).expect("one object");
    assert_eq!(
        (&timeline["incident"], &timeline["probe"], &timeline["noticed"]),
        (&incident.into(), &probe.into(), &true.into())
    );
    assert!(timeline["healthy_runs"].as_u64().unwrap() >= 1, "{timeline:#}");
    assert_eq!(timeline["first_failed_run"], 1, "{timeline:#}");
    assert!(timeline["first_failed_after_seconds"].as_f64().unwrap() > 0.0, "{timeline:#}");
    chrono::DateTime::parse_from_rfc3339(timeline["onset_at"].as_str().unwrap()).expect("it is RFC 3339");
    assert!(timeline["reason"].is_string() && timeline["step"].is_string() && timeline["trace_id"].is_string(), "{timeline:#}");
    assert!(timeline["location"]["file"].as_str().unwrap().starts_with("probes/"), "{timeline:#}");
    assert!(timeline["writes"].as_u64().unwrap() > 0, "{timeline:#}");
    assert_eq!(timeline["writes"], timeline["successful_writes"], "every write was answered with success: {timeline:#}");
    timeline
}

#[test]
fn registrations_that_stop_in_silence_are_noticed() {
    let timeline = play("registrations-silent", "premium-registration");
    assert_eq!(timeline["cell"]["platform"], "ios");
    assert!(timeline["expectation"].as_str().unwrap().contains("json.status == 'active'"), "{timeline:#}");
    assert_eq!(timeline["answers"], timeline["successful_answers"], "every service said success: {timeline:#}");
}

#[test]
fn playlists_that_are_not_synced_are_noticed() {
    play("playlists-unsynced", "playlist-sync");
}

#[test]
fn segments_that_are_truncated_are_noticed() {
    play("segments-truncated", "segment-copy");
}

#[test]
fn the_live_demo_prints_a_line_a_run_where_it_cannot_redraw_and_ends_on_ctrl_c() {
    let _alone = machine();
    let folder = tempfile::tempdir().unwrap();
    let mut command = serinus(folder.path());
    command.arg("demo");
    let mut running = Running::start(command);
    let metrics = running.said("metrics");
    let line = running.first_line();
    assert!(line.contains("passed") && line.contains('/'), "{line}");
    assert!(!line.contains('\x1b'));
    let address = metrics.split("http://").nth(1).unwrap().strip_suffix("/metrics").unwrap();
    assert!(get(address, "/metrics").contains("serinus_runs_total"));
    running.signal("INT");
    assert_eq!(running.wait().code(), Some(0));
}
