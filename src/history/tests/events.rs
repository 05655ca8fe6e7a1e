//! Events come back as they were handed in, once each, bounded, and newest first.

use std::sync::Arc;

use super::super::testing::{at, at_ms, event, events};
use super::super::{Change, Commit, EventFilter, EventKind, EventRow, EventView, ReadError, Store};
use super::{StoreUnderTest, on_every_store, settle};

const HOUR: u64 = 3_600;

on_every_store!(
    events_are_found_by_what_they_are_and_paged_newest_first,
    of_two_events_of_one_id_the_first_stays_and_is_told_once,
    whatever_a_text_holds_it_comes_back_but_never_too_long,
    events_go_when_the_rollups_of_their_time_do,
    what_is_no_cursor_is_refused,
);

async fn list(store: &Arc<dyn Store>, filter: EventFilter) -> Vec<EventView> {
    store.events(filter, 500, None).await.unwrap().items
}

async fn ids(store: &Arc<dyn Store>, filter: EventFilter) -> Vec<String> {
    list(store, filter).await.into_iter().map(|event| event.id).collect()
}

async fn events_are_found_by_what_they_are_and_paged_newest_first(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    assert_eq!(store.events(EventFilter::default(), 10, None).await.unwrap().next, None);
    assert!(list(&store, EventFilter::default()).await.is_empty());
    let of = |id, at, kind, probe: Option<&str>, incident: Option<&str>| EventRow {
        kind,
        probe: probe.map(str::to_owned),
        incident: incident.map(str::to_owned),
        ..event(id, at)
    };
    let rows = [
        of("E1", 10, EventKind::Annotation, None, None),
        of("E2", 20, EventKind::Reload, None, None),
        of("E3", 30, EventKind::Certificate, Some("p"), None),
        of("E4", 30, EventKind::Action, Some("p"), Some("I1")),
        of("E5", 40, EventKind::Note, Some("q"), Some("I2")),
        // Somebody tells of it later.
        of("E6", 5, EventKind::Annotation, Some("q"), None),
    ];
    let commit = events(rows);
    assert!(!commit.is_urgent() && !commit.is_empty());
    store.record(commit);
    settle(&store).await;

    let (store, _) = under_test.reopen(&store).await;
    assert_eq!(ids(&store, EventFilter::default()).await, ["E5", "E4", "E3", "E2", "E1", "E6"]);
    let probe = |name: &str| EventFilter { probe: Some(name.to_owned()), ..EventFilter::default() };
    assert_eq!(ids(&store, probe("p")).await, ["E4", "E3", "E2", "E1"], "what is about no probe is about all");
    assert_eq!(ids(&store, probe("none")).await, ["E2", "E1"]);
    let incident = EventFilter { incident: Some("I1".to_owned()), ..EventFilter::default() };
    assert_eq!(ids(&store, incident).await, ["E4"]);
    let kinds = EventFilter { kinds: vec![EventKind::Reload, EventKind::Note], ..EventFilter::default() };
    assert_eq!(ids(&store, kinds).await, ["E5", "E2"]);
    let part = EventFilter { since_ms: Some(at_ms(10)), until_ms: Some(at_ms(30)), ..EventFilter::default() };
    assert_eq!(ids(&store, part).await, ["E2", "E1"]);
    let all_of_it = EventFilter { kinds: vec![EventKind::Action], since_ms: Some(at_ms(30)), ..probe("p") };
    assert_eq!(
        list(&store, all_of_it).await,
        [EventView {
            id: "E4".to_owned(),
            at_ms: at_ms(30),
            kind: "action",
            probe: Some("p".to_owned()),
            incident: Some("I1".to_owned()),
            by: Some("ann".to_owned()),
            what: "deploy".to_owned(),
            text: "E4 went out".to_owned(),
        }]
    );

    for filter in [EventFilter::default(), probe("p")] {
        let whole = ids(&store, filter.clone()).await;
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = store.events(filter.clone(), 1, after).await.unwrap();
            paged.extend(page.items.into_iter().map(|event| event.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(paged, whole);
    }
}

async fn of_two_events_of_one_id_the_first_stays_and_is_told_once(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let begun = store.changes_since(None).await.unwrap().next;
    let again = |text: &str| EventRow { text: text.to_owned(), ..event("E1", 10) };
    store.record(events([again("first"), again("second"), event("E2", 20)]));
    settle(&store).await;
    let told = store.changes_since(Some(begun)).await.unwrap();
    let change = |id: &str| Change::Event { id: id.to_owned() };
    assert_eq!(told.changes, [change("E1"), change("E2")]);
    store.commit(events([again("third")])).await.unwrap();
    assert_eq!(store.changes_since(Some(told.next)).await.unwrap().changes, []);
    let texts: Vec<String> = list(&store, EventFilter::default()).await.into_iter().map(|event| event.text).collect();
    assert_eq!(texts, ["E2 went out", "first"]);
}

async fn whatever_a_text_holds_it_comes_back_but_never_too_long(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let hostile = "\0'\"; DROP TABLE events; --\u{202e}<script>\r\n🐦👩\u{200d}🚒";
    let short = EventRow {
        probe: Some(hostile.to_owned()),
        incident: Some(hostile.to_owned()),
        by: Some(hostile.to_owned()),
        what: hostile.to_owned(),
        text: hostile.to_owned(),
        ..event("E1", 20)
    };
    let much = "🐦".repeat(250_000);
    let long = EventRow {
        probe: Some(much.clone()),
        incident: Some(much.clone()),
        by: Some(much.clone()),
        what: much.clone(),
        text: much,
        ..event("E2", 10)
    };
    let nothing = EventRow { by: None, what: String::new(), text: String::new(), ..event("", 5) };
    store.record(events([short, long, nothing]));
    settle(&store).await;
    let (store, _) = under_test.reopen(&store).await;
    let told = list(&store, EventFilter::default()).await;
    let texts = |event: &EventView| {
        let EventView { probe, incident, by, what, text, .. } = event.clone();
        // A store may have no zero bytes.
        [probe.unwrap_or_default(), incident.unwrap_or_default(), by.unwrap_or_default(), what, text]
            .map(|text| text.replace('\0', "\u{FFFD}"))
    };
    let shown = hostile.replace('\0', "\u{FFFD}");
    assert_eq!(texts(&told[0]), [&shown; 5].map(String::clone));
    assert_eq!(texts(&told[1]).map(|text| text.chars().count()), [200, 200, 200, 200, 2_000]);
    assert!(texts(&told[1]).iter().all(|text| text.chars().all(|character| character == '🐦')));
    assert_eq!((texts(&told[2]), &told[2].by), (Default::default(), &None));
    let of_it = EventFilter { probe: Some(hostile.to_owned()), incident: Some(hostile.to_owned()), ..EventFilter::default() };
    assert_eq!(ids(&store, of_it).await, ["E1"]);
}

async fn events_go_when_the_rollups_of_their_time_do(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    // More than a slice of housekeeping.
    store.record(events((0..1_500).map(|number| event(&format!("E{number:04}"), number))));
    store.record(events([event("later", 100 * HOUR)]));
    settle(&store).await;
    let housekeep = async |hours: u64| {
        // What the clock shows is believed after a day.
        for hours in [hours - 24, hours] {
            store.housekeep(at(hours * HOUR)).await.unwrap();
        }
    };
    housekeep(239).await;
    assert_eq!(list(&store, EventFilter::default()).await.len(), 500, "all are young, a page shows 500");
    let oldest = EventFilter { until_ms: Some(at_ms(1)), ..EventFilter::default() };
    assert_eq!(ids(&store, oldest).await, ["E0000"]);
    housekeep(280).await;
    assert_eq!(ids(&store, EventFilter::default()).await, ["later"]);
    housekeep(400).await;
    assert!(list(&store, EventFilter::default()).await.is_empty());
}

async fn what_is_no_cursor_is_refused(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    store.commit(Commit { events: vec![event("E1", 1)], ..Commit::default() }).await.unwrap();
    for garbage in ["", "E1", "x.E1", "9999999999999999999999.E1", "\0", "🐦.🐦", "' OR 1=1 --"] {
        let answer = store.events(EventFilter::default(), 10, Some(garbage.to_owned())).await;
        assert!(matches!(answer, Err(ReadError::Cursor(text)) if text == garbage), "{garbage:?}");
    }
}
