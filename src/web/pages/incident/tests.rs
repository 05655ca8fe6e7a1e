//! The page of an incident with whatever the store and the targets may say.

use askama::Template as _;
use serde_json::json;

use crate::alert::Status;
use crate::history::EventView;
use crate::plan::testing as plan;
use crate::web::model::Snapshot;
use crate::web::model::incident::facts::IncidentFacts;
use crate::web::model::incident::seen::Earlier;
use crate::web::model::incident::testing::{event, failed, incident, member, row, try_of};
use crate::web::model::incident::{
    Acknowledged, FailedRun, HowEnded, IncidentModel, Member, Standing, before, shared, timeline, times,
};

use super::super::frame::{Alarm, Frame, Viewer};
use super::page;

const HOSTILE: &str =
    "\"><script>alert(1)</script><img src=x onerror=alert(2)> {{ x }} <!--/live--> <!--live:head--> ' javascript:alert(3)";

fn frame(may_act: bool) -> Frame {
    Frame {
        base: "/".to_owned(),
        title: "an incident".to_owned(),
        here: "incidents/01A".to_owned(),
        alarm: Alarm::Well,
        open: 0,
        as_of_ms: 90_000,
        stale: None,
        live: None,
        is_still: true,
        viewer: Viewer { may_act, form: "token".to_owned(), ..Viewer::default() },
        said: None,
    }
}

fn rendered(incident: IncidentModel, events: Vec<EventView>, earlier: Vec<Earlier>) -> String {
    let shared = shared::shared(&incident, &[], &[], true);
    let facts = IncidentFacts {
        plan: plan::plan(vec![plan::probe("p")], &["eu"]),
        changes: before::changes(&events, incident.since_ms),
        timeline: timeline::timeline(&incident, &events, &shared.first.place, 90_000),
        times: times::times(&incident),
        users: None,
        shared,
        earlier,
        events,
        runs: Vec::new(),
        has_probe: false,
        incident,
    };
    let snapshot = Snapshot { at_ms: 90_000, status: Status::default() };
    page(facts, &snapshot, frame(true)).render().unwrap()
}

fn hostile() -> (IncidentModel, Vec<EventView>, Vec<Earlier>) {
    let text = || HOSTILE.to_owned();
    let one = Member {
        name: text(),
        canary: Some(text()),
        region: text(),
        cell: format!("k={HOSTILE}"),
        standing: Standing::of(HOSTILE),
        reason: Some(text()),
        why: Some(text()),
        ..member("eu", "", "failing")
    };
    let run = FailedRun {
        run_id: text(),
        message: text(),
        expectation: Some(text()),
        location: Some(text()),
        host: Some(text()),
        seen: vec![(text(), text())],
        ..failed(HOSTILE, HOSTILE, HOSTILE)
    };
    let mut model = incident(vec![one], vec![run]);
    model.title = text();
    model.scope = text();
    model.severity = text();
    model.critical = vec![text()];
    model.acknowledged = vec![Acknowledged { by: text(), at_ms: 2_000, reason: Some(text()) }];
    model.owed = vec![(text(), 1_000)];
    model.how_ended = HowEnded::Closed { by: text(), why: text() };
    model.timeline = vec![row(2_000, HOSTILE, HOSTILE), row(3_000, "joined", HOSTILE)];
    model.tries = vec![
        try_of(HOSTILE, HOSTILE, "waiting", json!({ "evidence": HOSTILE })),
        try_of(HOSTILE, HOSTILE, "levitating", json!(7)),
    ];
    model.tries[0].error = Some(text());
    let note = EventView { incident: Some("01A".to_owned()), by: Some(text()), ..event("note", 4_000, HOSTILE, HOSTILE) };
    let change = EventView { by: Some(text()), ..event("annotation", 900, HOSTILE, HOSTILE) };
    let earlier = Earlier {
        id: text(),
        opened_ms: 1,
        lasted: None,
        title: text(),
        alike: String::new(),
        by: Some(text()),
        said: Some(text()),
    };
    (model, vec![note, change], vec![earlier])
}

#[test]
fn what_targets_and_people_wrote_is_shown_as_text_wherever_it_stands() {
    let (mut model, events, earlier) = hostile();
    for ended in [None, Some(80_000)] {
        model.ended_ms = ended;
        let html = rendered(model.clone(), events.clone(), earlier.clone());
        // The page has one script of its own.
        assert_eq!(html.matches("<script").count(), 1, "{html}");
        assert!(!html.contains("<img") && !html.contains("href=\"javascript") && !html.contains("=\"\">"), "{html}");
        let begins = html.matches("<!--live:").count();
        assert_eq!(begins, html.matches("<!--/live-->").count());
        assert_eq!(html.matches("<!--live:head-->").count(), 1);
        assert_eq!(html.matches(" style=").count(), 0);
    }
}

#[test]
fn a_thousand_members_and_a_thousand_tries_make_a_page_of_bounded_size() {
    let long = "x".repeat(5_000);
    let standings = ["failing", "muted", "explained", "recovered", "levitating"];
    let members = (0..1_000).map(|at| Member {
        why: Some(long.clone()),
        ..member(&format!("region-{at}"), &format!("platform=p{at}"), standings[at % standings.len()])
    });
    let failures = (0..1_000).map(|at| FailedRun { message: long.clone(), ..failed(&format!("p/r{at}"), "pay", "dns") });
    let mut model = incident(members.collect(), failures.collect());
    model.tries = (0..1_000).map(|at| try_of(&format!("c{at}"), "ring", "waiting", json!({ "text": long }))).collect();
    model.timeline = (0..1_000).map(|at| row(2_000 + at, "refused", &format!("{at} {long}"))).collect();
    let notes =
        (0..200).map(|at| EventView { incident: Some("01A".to_owned()), ..event("note", 3_000 + at, "note", "looking at it") });
    let html = rendered(model, notes.collect(), Vec::new());
    assert!(html.len() <= 300 << 10, "{} bytes", html.len());
    assert!(html.contains("and 360 more"), "what is left out is counted");
}

#[test]
fn only_who_may_act_sees_forms_and_only_what_is_open_has_them() {
    let mut model = incident(vec![member("eu", "", "failing")], vec![failed("p/eu", "pay", "timeout")]);
    let html = rendered(model.clone(), Vec::new(), Vec::new());
    for wanted in [
        "formaction=\"incidents/01A/ack\"",
        "formaction=\"incidents/01A/verify\"",
        "action=\"mute\"",
        "action=\"incidents/01A/close\"",
    ] {
        assert!(html.contains(wanted), "{wanted}");
    }
    model.ended_ms = Some(80_000);
    model.unanswered = 0;
    let ended = rendered(model, Vec::new(), Vec::new());
    assert!(!ended.contains("action=\"mute\"") && !ended.contains("/close\"") && !ended.contains("/verify\""));
    assert!(ended.contains("action=\"incidents/01A/notes\""), "a note is written afterwards as well");
    let note = |what| EventView { incident: Some("01A".to_owned()), ..event("note", 4_000, what, "We are at it.") };
    let button = |what| {
        let html = rendered(incident(Vec::new(), Vec::new()), vec![note(what)], Vec::new());
        assert!(html.contains("We are at it."));
        html.contains("/withdraw\"")
    };
    assert_eq!(["public", "note"].map(button), [true, false], "only what is public is taken back");
}
