//! What the unit tests of the channels share.

use crate::alert::{Action, Failure, Links, Member, Notice, Occasion, RegionState};
use crate::history::{DeliveryState, MessageRow};
use crate::plan::Severity;

/// A page of the usual kind, everything in it filled.
pub(super) fn notice(key: &str) -> Notice {
    Notice {
        key: key.to_owned(),
        action: Action::Trigger,
        occasion: Occasion::Opened,
        severity: Severity::Page,
        incident: "i1".to_owned(),
        scope: "probe/playlist-sync".to_owned(),
        title: "playlist-sync fails in eu".to_owned(),
        probe: Some("playlist-sync".to_owned()),
        summary: Some("A playlist made on one device is complete on a second one".to_owned()),
        owner: Some("music-sync".to_owned()),
        runbook: Some("https://runbooks.example.com/playlist-sync".to_owned()),
        tags: vec!["music".to_owned()],
        subject: None,
        since_ms: 1_700_000_000_000,
        at_ms: 1_700_000_120_000,
        resolved_ms: None,
        members: vec![member(1)],
        members_total: 1,
        regions: vec![RegionState { region: "eu".to_owned(), state: "failing".to_owned() }],
        failure: Some(Failure {
            canary: "playlist-sync/eu/platform=ios".to_owned(),
            run_id: "01HF".to_owned(),
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
            at_ms: 1_700_000_120_000,
            reason: "expectation".to_owned(),
            message: "the expectation did not hold".to_owned(),
            step: Some("read on the second device".to_owned()),
            attempts: 3,
            expectation: Some("json.tracks | length == cell.tracks".to_owned()),
            location: Some("probes/playlist_sync.toml:41:15".to_owned()),
            seen: vec![("json.tracks | length".to_owned(), "9".to_owned()), ("cell.tracks".to_owned(), "10".to_owned())],
        }),
        notes: Vec::new(),
        previous: None,
        links: Links {
            incident: Some("https://serinus.example.com/incidents/i1".to_owned()),
            run: Some("https://serinus.example.com/runs/01HF".to_owned()),
            trace: Some("https://traces.example.com/4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        },
        test: false,
    }
}

pub(super) fn member(number: u32) -> Member {
    Member {
        canary: format!("playlist-sync/eu/platform=p{number}"),
        region: "eu".to_owned(),
        cell: format!("platform=p{number}"),
        since_ms: 1_700_000_000_000,
        failures: 2,
        reason: Some("expectation".to_owned()),
    }
}

/// What the longest texts and every awkward character make of it.
pub(super) fn monster() -> Notice {
    let evil = "<!channel> & <@U123|x> *b* `c` \"q\"\r\nBcc: victim@example.com\r\n\u{202e}\u{0}😀";
    let long = evil.repeat(100);
    let mut notice = notice(&format!("subject/p/{long}"));
    let failure = notice.failure.as_mut().unwrap();
    for text in [&mut failure.message, &mut failure.reason, &mut failure.run_id, &mut failure.trace_id] {
        text.clone_from(&long);
    }
    failure.step = Some(long.clone());
    failure.expectation = Some(long.clone());
    failure.seen = vec![(long.clone(), long.clone()); 300];
    for text in [&mut notice.title, &mut notice.scope] {
        text.clone_from(&long);
    }
    for text in [&mut notice.probe, &mut notice.summary, &mut notice.owner, &mut notice.runbook, &mut notice.subject] {
        *text = Some(long.clone());
    }
    notice.members = (0..3_000).map(member).collect();
    notice.members_total = 3_000;
    notice.notes = vec![long.clone(); 300];
    notice.regions = vec![RegionState { region: long.clone(), state: long.clone() }; 300];
    notice.links = Links { incident: Some(format!("https://a.example/{long}")), run: Some(long.clone()), trace: Some(long) };
    notice
}

/// A message as the desk offers it.
pub(super) fn row(id: &str, incident: &str, channel: &str, notice: &Notice) -> MessageRow {
    MessageRow {
        id: id.to_owned(),
        incident: incident.to_owned(),
        key: notice.key.clone(),
        channel: channel.to_owned(),
        created_ms: notice.at_ms,
        notice: serde_json::to_string(notice).unwrap(),
        attempts: 0,
        state: DeliveryState::Pending,
    }
}
