//! Screens as a terminal shows them, as files in `tests/cli_snapshots`.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

use crate::cli::report::fixture::assert_snapshot;
use crate::cli::top::detail::{DetailOf, about_probe, incident};
use crate::cli::top::feed::Heard;

use super::*;

const NOW_MS: i64 = 1_763_956_800_000;

fn strip(run_every: usize, fails_since: usize, how: &str) -> String {
    let letter = |at: usize| match at {
        at if at % run_every != 0 => ".",
        at if at >= fails_since => how,
        _ => "p",
    };
    (0..120).map(letter).collect()
}

fn row(name: &str, health: &str, now: &str, strip: &str, took: [&str; 2]) -> Value {
    json!({ "name": name, "canary": format!("c/{name}"), "health": health, "now": now, "strip": strip, "last": took[0], "p95": took[1],
            "incident": (health == "failing").then_some("01A") })
}

fn head() -> Value {
    json!({ "at_ms": NOW_MS, "stale": null, "troubles": ["channel chat takes nothing: 503"],
            "canaries": { "failing": 2, "suspect": 1, "no_data": 1, "muted": 2, "passing": 31 }, "shown": { "failing": 2 } })
}

fn incidents() -> Value {
    json!([
        { "id": "01A", "severity": "critical", "title": "premium-registration fails in eu and us", "since_ms": NOW_MS - 720_000,
          "unanswered": 2, "acknowledged": null, "seen": "account is active: json.status was \"pending\", not \"active\"" },
        { "id": "01B", "severity": "warn", "title": "the certificate of api.example.com ends in 9 days", "since_ms": NOW_MS - 90_000_000,
          "unanswered": 0, "acknowledged": { "by": "ann", "at_ms": NOW_MS - 60_000, "reason": null }, "seen": null },
    ])
}

fn probes() -> Value {
    let all = strip(2, 96, "f");
    json!([
        { "probe": "premium-registration", "owner": "growth", "health": "failing", "budget": "12.5 %", "incident": "01A",
          "canaries": { "failing": 2, "passing": 4 }, "now": "account is active, since 09:48", "strip": all, "rows": [
            row("eu · ios", "failing", "account is active · 6 in a row", &all, ["32.1 s", "lost"]),
            row("us · ios", "failing", "account is active · 5 in a row", &strip(2, 100, "f"), ["31.8 s", "lost"]),
            row("ap · ios", "passing", "passed", &strip(2, 999, "f"), ["2.10 s", "2.31 s"]),
        ] },
        { "probe": "playlist-sync", "owner": "music", "health": "no_data", "budget": "97 %", "canaries": { "no_data": 1, "suspect": 1, "passing": 16 },
          "now": "since 09:58", "strip": strip(4, 112, "e"), "rows": [
            row("us · speaker · tracks 500", "no_data", "no data: errored · since 09:58", &strip(4, 112, "e"), ["810 ms", "910 ms"]),
            row("eu · mobile · tracks 10", "suspect", "read on the second device, once so far", &strip(4, 116, "f"), ["10.0 s", "1.20 s"]),
            row("eu · desktop · tracks 10", "passing", "passed", &strip(4, 999, "f"), ["713 ms", "905 ms"]),
        ] },
        { "probe": "search-東京", "owner": "", "health": "muted", "budget": "", "canaries": { "muted": 1 }, "now": "", "strip": strip(3, 0, "s"),
          "rows": [row("eu", "muted", "muted", &strip(3, 0, "s"), ["120 ms", "131 ms"])] },
        { "probe": "front-page", "owner": "web", "health": "passing", "budget": "100 %", "canaries": { "passing": 1 }, "now": "",
          "strip": strip(1, 999, "f"), "rows": [row("eu", "passing", "passed", &strip(1, 999, "f"), ["41 ms", "58 ms"])] },
        { "probe": "segment-copy-with-a-name-that-is-longer-than-there-is-room-for-it-anywhere", "health": "passing", "budget": "", "now": "",
          "canaries": { "passing": 12 }, "strip": strip(5, 110, "d"), "rows": [
            row("eu", "passing", "passed", &strip(5, 999, "f"), ["41 ms", "58 ms"]),
            row("us", "passing", "passed", &strip(5, 999, "f"), ["41 ms", "58 ms"]),
        ] },
    ])
}

fn state(now: Instant) -> TopState {
    let mut state = TopState { service: "https://serinus.example.com".to_owned(), ..TopState::default() };
    state.heard(Heard::Head(serde_json::from_value(head()).unwrap()), now);
    state.heard(Heard::Incidents(serde_json::from_value(incidents()).unwrap()), now);
    state.heard(Heard::Probes(serde_json::from_value(probes()).unwrap()), now);
    state
}

fn drawn(state: &mut TopState, now: Instant, (width, height): (u16, u16), colour: bool) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state, now, Palette { colour })).unwrap();
    terminal
}

/// The screen as text, blanks at the ends of lines left out.
fn shown(state: &mut TopState, now: Instant, size: (u16, u16)) -> String {
    let terminal = drawn(state, now, size, false);
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..size.1 {
        let mut line = String::new();
        let mut x = 0;
        while x < size.0 {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(wide(symbol)).unwrap().max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[test]
fn the_list_fits_the_smallest_terminal_and_uses_a_large_one() {
    let now = Instant::now();
    assert_snapshot("top_80x24.txt", &shown(&mut state(now), now, (80, 24)));
    assert_snapshot("top_200x50.txt", &shown(&mut state(now), now, (200, 50)));
}

fn ended(after_s: i64, verdict: &str, reason: Option<&str>) -> Value {
    let started_ms = NOW_MS - 600_000 + after_s * 1_000;
    json!({ "run_id": format!("01KAT3ZK00000000000000{after_s:04}"), "canary": "premium-registration/eu/platform=ios", "verdict": verdict,
            "reason": reason, "started_ms": started_ms, "duration_us": 2_100_000, "counted": true, "degraded": false })
}

#[test]
fn a_probe_that_is_opened_lists_its_newest_runs_and_what_is_chosen_stands_out() {
    let now = Instant::now();
    let mut state = state(now);
    let known = json!({ "summary": "A premium registration becomes active", "status": { "owner": "growth" },
                        "next_ticks": [{ "at_ms": NOW_MS + 30_000 }] });
    let page = json!({ "items": [ended(120, "failed", Some("expectation")), ended(60, "errored", Some("dns")), ended(0, "passed", None)] });
    let of = DetailOf::Probe { probe: "premium-registration".to_owned(), canary: None };
    state.details.push(Detail::new(of, about_probe(&known, &page)));
    assert_snapshot("top_probe_80x24.txt", &shown(&mut state, now, (80, 24)));
    let chosen = drawn(&mut state, now, (80, 24), false).backend().buffer()[(0, 8)].modifier;
    assert!(chosen.contains(ratatui::style::Modifier::REVERSED), "{chosen:?}");
    state.details.clear();
    state.details.push(Detail::new(DetailOf::Incident("01A".to_owned()), Vec::new()));
    assert!(shown(&mut state, now, (80, 24)).contains("asking for incident 01A"));
}

#[test]
fn an_incident_that_is_opened_is_the_text_of_the_command() {
    let now = Instant::now();
    let mut state = state(now);
    let answer = json!({
        "incident": { "id": "01A", "scope": "probe/premium-registration", "probe": "premium-registration", "severity": "critical",
            "opened_ms": NOW_MS - 600_000, "resolved_ms": null,
            "details": { "title": "premium-registration fails in eu and us", "since_ms": NOW_MS - 720_000, "members": [
                { "canary": "premium-registration/eu/platform=ios", "standing": "failing", "since_ms": NOW_MS - 720_000, "step": "account is active" },
            ], "members_total": 1, "failures": [] } },
        "timeline": [{ "at_ms": NOW_MS - 600_000, "what": "opened", "text": "the second failure in a row" }],
        "tries": [],
    });
    let lines = incident(&answer, 80);
    state.details.push(Detail::new(DetailOf::Incident("01A".to_owned()), lines));
    assert_snapshot("top_incident_80x24.txt", &shown(&mut state, now, (80, 24)));
}

#[test]
fn help_fits_the_smallest_terminal() {
    let now = Instant::now();
    let mut state = TopState { is_help: true, ..state(now) };
    assert_snapshot("top_help_80x24.txt", &shown(&mut state, now, (80, 24)));
}

#[test]
fn what_the_service_itself_doubts_is_not_called_live() {
    let now = Instant::now();
    let mut state = state(now);
    let mut head = head();
    head["stale"] = "The alert rules are not being evaluated: what this page shows may be over.".into();
    state.heard(Heard::Head(serde_json::from_value(head).unwrap()), now);
    let text = shown(&mut state, now, (80, 24));
    let first = text.lines().next().unwrap();
    assert!(first.contains("STALE") && !first.contains("live"), "{text}");
    assert!(text.contains("! The alert rules are not being evaluated"), "{text}");
}

#[test]
fn where_nothing_was_ever_heard_the_reason_is_shown_in_full() {
    let now = Instant::now();
    let mut state = TopState { service: "https://serinus.example.com".to_owned(), ..TopState::default() };
    let why = "cannot ask the service at https://serinus.example.com/: error sending request: invalid peer certificate: UnknownIssuer; \
               is `serinus run` up there?";
    state.heard(Heard::Lost(why.to_owned()), now);
    let text = shown(&mut state, now, (80, 24));
    let first = text.lines().next().unwrap();
    assert!(first.ends_with("connecting") && !first.contains("UTC"), "{text}");
    assert!(text.contains("UnknownIssuer") && text.contains("up there?"), "{text}");
}

#[test]
fn while_other_rows_are_asked_for_none_are_shown_and_why_they_do_not_come_is() {
    let now = Instant::now();
    let mut state = TopState { is_filtering: true, filter: "eu".to_owned(), probes: Vec::new(), ..state(now) };
    let text = shown(&mut state, now, (80, 24));
    assert!(text.contains("asking for canaries with \"eu\"") && !text.contains("left 12.5 %"), "{text}");
    assert!(text.contains("37 canaries in all") && !text.contains("2 failing"), "{text}");
    state.heard(Heard::Lost("the connection broke".to_owned()), now);
    assert!(shown(&mut state, now, (80, 24)).ends_with("the connection broke\n"));
}

#[test]
fn incidents_that_are_not_told_are_mentioned_below_those_that_are() {
    let now = Instant::now();
    let mut state = state(now);
    let mut head = head();
    head["incidents_left_out"] = 7.into();
    state.heard(Heard::Head(serde_json::from_value(head).unwrap()), now);
    let text = shown(&mut state, now, (80, 24));
    assert!(text.lines().nth(6).unwrap().starts_with("▲ and 7 incidents more; `serinus incidents"), "{text}");
}

#[test]
fn what_was_not_heard_of_for_ten_seconds_is_stale() {
    let now = Instant::now();
    let mut state = state(now);
    assert!(shown(&mut state, now + Duration::from_secs(9), (80, 24)).lines().next().unwrap().ends_with("UTC  live"));
    let late = shown(&mut state, now + Duration::from_secs(10), (80, 24));
    assert!(late.lines().next().unwrap().contains("STALE: as of 04:00:00 UTC, 10 s ago"), "{late}");
    state.heard(Heard::Lost("the connection broke".to_owned()), now);
    let late = shown(&mut state, now + Duration::from_secs(11), (80, 24));
    assert!(late.ends_with("the connection broke\n"), "{late}");
}
